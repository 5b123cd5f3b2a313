"""One Dask client: on this machine, or at an address that answers; else a sentence, soon."""

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
