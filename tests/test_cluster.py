"""One Dask client: on this machine, or at an address that answers; else a sentence, soon."""

import contextlib
import socket
import threading
import time

import pytest
from distributed import LocalCluster

from mirnb import cluster
from mirnb.cluster import open_client
from mirnb.files import InputError


def test_a_scheduler_that_does_not_answer_is_said_soon(monkeypatch):
    assert cluster.WAIT_S * 2 <= 20
    monkeypatch.setattr(cluster, "WAIT_S", 2)
    start = time.monotonic()
    with (
        pytest.raises(InputError, match=r"--scheduler tcp://127.0.0.1:9: no Dask scheduler answers"),
        open_client("tcp://127.0.0.1:9"),
    ):
        pass
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:9", "tcp://"])
def test_what_is_no_address_is_said(monkeypatch, address):
    monkeypatch.setattr(cluster, "WAIT_S", 2)
    with pytest.raises(InputError, match="no Dask scheduler answers"), open_client(address):
        pass


def test_what_answers_but_is_no_scheduler_is_said(monkeypatch, capfd):
    monkeypatch.setattr(cluster, "WAIT_S", 2)
    server = socket.create_server(("127.0.0.1", 0))

    def answer():  # as a web server would
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                connection.recv(100)

    threading.Thread(target=answer, daemon=True).start()
    address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with server, pytest.raises(InputError, match="no Dask scheduler answers"), open_client(address):
        pass
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_scheduler_without_workers_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "WAIT_S", 4)
    empty = LocalCluster(n_workers=0, processes=False, dashboard_address=None, protocol="tcp://")
    with empty, pytest.raises(InputError, match="has no worker"), open_client(empty.scheduler_address):
        pass


@pytest.mark.slow
def test_processes_of_one_thread_by_default():
    with open_client(n_workers=2) as client:
        workers = client.scheduler_info()["workers"].values()
        assert [one["nthreads"] for one in workers] == [1, 1]
        threads = client.submit(lambda: __import__("os").environ["TF_NUM_INTRAOP_THREADS"]).result()
        assert threads == "1"


@pytest.mark.slow
def test_two_clusters_at_once_are_no_reason_for_a_warning(recwarn, capfd):
    with open_client(n_workers=1), open_client(n_workers=1):
        pass
    assert not [one for one in recwarn if "Port" in str(one.message)]
    assert "Port" not in capfd.readouterr().err


def test_workers_keep_their_memory_and_have_no_setting_of_dasks_to_give_it_back():
    with open_client(n_workers=1) as client:
        told = client.submit(lambda: {name: __import__("os").environ.get(name) for name in cluster.KEEP_MEMORY}).result()
    assert told == cluster.KEEP_MEMORY
    assert min(map(int, told.values())) >= 2**25  # a frame of 1024x1024 in doubles is 2**23 bytes


def test_in_a_reports_kernel_workers_stay_for_the_next_notebook(monkeypatch):
    def pid(client):
        return client.submit(lambda: __import__("os").getpid(), pure=False).result()

    with contextlib.ExitStack() as kept:
        monkeypatch.setattr(cluster, "_KEPT_OPEN", kept)
        monkeypatch.setenv(cluster.KEPT, "1")
        with open_client(n_workers=1) as client:
            first = pid(client)
        with open_client(n_workers=1) as client:
            assert pid(client) == first
        monkeypatch.delenv(cluster.KEPT)
        with open_client(n_workers=1) as client:
            assert pid(client) != first
    cluster._kept_cluster.cache_clear()
