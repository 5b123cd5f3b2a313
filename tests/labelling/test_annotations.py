"""Labels on disk: whole, of the right blob, agreed on, and never another session's."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mirnb.experiments.blobs import ERASED, UNLABELLED, read_blobs, read_labels
from mirnb.experiments.experiment_file import load_experiment
from mirnb.files import InputError
from mirnb.labelling import annotations
from mirnb.labelling.agreement import disagreements, measure_agreement
from mirnb.labelling.annotations import SETTLED, Annotation, read_annotation
from mirnb.simulation.folders import simulate_experiment


@pytest.fixture
def folder(tmp_path, small_settings):
    return simulate_experiment(tmp_path / "new", settings=small_settings, labelled=False)


@pytest.fixture
def sample(folder):
    """An experiment without labels."""
    return load_experiment(folder)


def give_labels(experiment, annotator, blobs, labels):
    with Annotation(experiment, annotator) as own:
        own.give(blobs, labels)


def _in_table(experiment):
    """Labels as training reads them."""
    return read_labels(read_blobs(experiment.blobs_path), experiment.panel.n_mirs)


def test_a_label_is_in_both_files_at_once(sample):
    text = sample.blobs_path.read_text().splitlines()
    with Annotation(sample, "anna") as own:
        for blob, label in ((3, 0), (5, sample.panel.noise), (6, ERASED), (0, 2)):
            own.set(blob, label)
            assert _in_table(sample)[blob] == label
            assert read_annotation(sample, "anna")["label"][blob] == label
        own.set(7, UNLABELLED, doubt=True)
    labels = _in_table(sample)
    assert np.flatnonzero(labels != UNLABELLED).tolist() == [0, 3, 5, 6]
    read = read_annotation(sample, "anna")
    assert np.flatnonzero(read["doubt"]).tolist() == [7]
    assert (read["time"] != "").sum() == 5
    now = sample.blobs_path.read_text().splitlines()
    assert [line.rsplit(",", 2)[0] for line in now] == text  # all else in the table is as it was
    assert load_experiment(sample.folder).count_labels()["erased"] == 1


def test_reopening_finds_what_was_given(sample):
    with Annotation(sample, "anna") as own:
        own.set(3, 1)
    with Annotation(sample, "anna") as again:
        assert again.labels[3] == 1
        assert again.looked_at.sum() == 1


def test_a_label_taken_back_leaves_what_the_table_said(small_folder, tmp_path, small_settings):
    sample = load_experiment(simulate_experiment(tmp_path / "labelled", settings=small_settings))
    before = sample.blobs_path.read_text()
    with Annotation(sample, "anna") as own:
        own.set(2, (sample.labels[2] + 1) % 3)
        assert _in_table(sample)[2] == (sample.labels[2] + 1) % 3
        own.set(2, UNLABELLED)
    assert (_in_table(sample) == sample.labels).all()
    assert len(before.splitlines()) == len(sample.blobs_path.read_text().splitlines())


def test_a_label_that_could_not_be_written_is_not_had(sample, monkeypatch):
    with Annotation(sample, "anna") as own:

        def full(*_):
            raise InputError("disk full")

        monkeypatch.setattr(annotations, "_write_annotation", full)
        with pytest.raises(InputError, match="disk full"):
            own.set(3, 1)
        assert not own.looked_at.any()


def test_a_table_that_could_not_be_written_leaves_the_annotators_file_as_it_was(sample, monkeypatch):
    with Annotation(sample, "anna") as own:
        own.set(1, 0)
        with monkeypatch.context() as full:
            full.setattr(own._table, "write", lambda *_: (_ for _ in ()).throw(InputError("disk full")))
            with pytest.raises(InputError, match="disk full"):
                own.set(3, 1)
        assert np.flatnonzero(read_annotation(sample, "anna")["label"] != UNLABELLED).tolist() == [1]
        assert own.looked_at.sum() == 1


def test_the_table_holds_what_all_agree_on_and_settled_has_the_last_word(sample):
    given = {"anna": {1: 0, 2: 1, 3: 2, 4: UNLABELLED}, "ben": {1: 0, 2: 2, 4: 1, 5: 1}}
    for name, labels in given.items():
        with Annotation(sample, name) as own:
            for blob, label in labels.items():
                own.set(blob, label, doubt=label == UNLABELLED)
    labels = _in_table(sample)
    assert [labels[k] for k in (1, 2, 3, 4, 5)] == [0, UNLABELLED, 2, UNLABELLED, 1]
    assert disagreements(sample).tolist() == [2]
    with Annotation(sample, SETTLED) as own:
        own.set(2, 1)
    assert _in_table(sample)[2] == 1
    assert disagreements(sample).tolist() == []


def test_kappa_is_that_of_the_textbook(sample):
    """Two annotators, 50 blobs: 20 and 15 the same, 5 and 10 not: kappa .4."""
    first = np.array([0] * 25 + [1] * 25)
    second = np.array([0] * 20 + [1] * 5 + [0] * 10 + [1] * 15)
    give_labels(sample, "anna", np.arange(50), first)
    give_labels(sample, "ben", np.arange(50), second)
    table, differing = measure_agreement(sample)
    assert table.loc[0, ["one", "other", "both"]].tolist() == ["anna", "ben", 50]
    assert table.loc[0, "same"] == pytest.approx(0.7)
    assert table.loc[0, "kappa"] == pytest.approx(0.4)
    assert len(differing) == 15
    assert set(differing["anna"]) == {"red", "green"}


def test_one_annotator_or_none_agrees_with_nobody(sample):
    table, differing = measure_agreement(sample)
    assert table.empty
    assert differing.empty
    give_labels(sample, "anna", np.arange(3), np.zeros(3, int))
    assert measure_agreement(sample)[0].empty


@pytest.mark.parametrize("name", ["a/b", "../x", "", "a b", "x" * 41, 3])
def test_names_that_are_no_files_are_refused(name, sample):
    with pytest.raises(InputError, match="annotator is letters"):
        Annotation(sample, name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: {**row, "id": "99999"}, "line 3: id 99999 is no blob"),
        (lambda row: {**row, "id": "1"}, "line 3: id 1 is there twice"),
        (lambda row: {**row, "selected_mir_type": "7"}, "line 3: selected_mir_type must be -1 to 2"),
        (lambda row: {**row, "selected_mir_type": "red"}, "line 3: selected_mir_type must be a number, got 'red'"),
        (lambda row: {**row, "is_really_mir": ""}, "line 3: selected_mir_type has a value but is_really_mir is empty"),
        (lambda row: {**row, "x [nm]": "12"}, "line 3: blob 2 lies elsewhere in .*exported anew"),
        (lambda row: {**row, "y [nm]": ""}, r"line 3: y \[nm\] must be a number, got nothing"),
    ],
)
def test_a_file_edited_by_hand_is_refused_by_its_line(change, words, sample):
    give_labels(sample, "anna", np.arange(4), np.array([0, 1, 2, 0]))
    path = sample.folder / "labels" / "anna.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = table.to_dict("records")
    rows[1] = change(rows[1])
    pd.DataFrame(rows).to_csv(path, index=False)
    before = path.read_bytes(), sample.blobs_path.read_bytes()
    with pytest.raises(InputError, match=words):
        Annotation(sample, "anna")
    assert (path.read_bytes(), sample.blobs_path.read_bytes()) == before


def test_a_second_session_is_told_and_writes_nothing(sample):
    opened = (
        "import sys\nfrom mirnb.labelling.annotations import Annotation\n"
        "from mirnb.experiments.experiment_file import load_experiment\n"
        "own = Annotation(load_experiment(sys.argv[1]), 'anna')\nown.set(2, 1)\n"
        "print('open', flush=True)\nsys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", opened, sample.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline().strip() == "open"
        with pytest.raises(InputError, match=r"anna\.csv: is open in another session"):
            Annotation(sample, "anna")
        with Annotation(sample, "ben") as own:  # another annotator may work beside, on the same table
            own.set(3, 0)
        assert _in_table(sample)[[2, 3]].tolist() == [1, 0]
    finally:
        other.kill()
        other.wait()
    with Annotation(sample, "anna") as own:  # a killed session leaves no lock
        assert own.labels[2] == 1


def test_a_cell_run_again_takes_over(sample):
    first = Annotation(sample, "anna")
    with Annotation(sample, "anna") as second:
        second.set(1, 0)
        with pytest.raises(InputError, match="opened again"):
            first.set(2, 0)
    assert _in_table(sample)[[1, 2]].tolist() == [0, UNLABELLED]


def test_a_table_changed_meanwhile_keeps_the_change(sample):
    with Annotation(sample, "anna") as own:
        own.set(1, 0)
        text = sample.blobs_path.read_text()
        sample.blobs_path.write_text(text.replace("sigma [nm]", "sigma[nm]"))
        own.set(2, 0)
        assert "sigma[nm]" in sample.blobs_path.read_text()
        sample.blobs_path.write_text("\n".join(text.splitlines()[:-3]) + "\n")
        with pytest.raises(InputError, match="blobs now, and had"):
            own.set(3, 0)
        sample.blobs_path.unlink()
        with pytest.raises(InputError, match="is gone"):
            own.set(3, 0)


def test_a_folder_that_cannot_be_written_is_said(sample, monkeypatch):
    (sample.folder / "labels").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="labels: cannot be written"):
        Annotation(sample, "anna")


def test_labels_go_through_links_to_the_shared_table(folder, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (folder / "blobs.csv").rename(shared / "table.csv")
    (folder / "blobs.csv").symlink_to(shared / "table.csv")
    (shared / "labels").mkdir()
    (folder / "labels").symlink_to(shared / "labels")
    sample = load_experiment(folder)
    give_labels(sample, "anna", [0, 1], [2, 0])
    assert (folder / "blobs.csv").is_symlink()
    assert read_labels(read_blobs(shared / "table.csv"), 3)[:2].tolist() == [2, 0]
    assert (shared / "labels" / "anna.csv").exists()


def test_labels_keep_the_separators_of_the_table(folder):
    text = (folder / "blobs.csv").read_text()
    (folder / "blobs.csv").write_text(text.replace(",", "\t"))
    give_labels(load_experiment(folder), "anna", [0], [1])
    written = (folder / "blobs.csv").read_text().splitlines()
    assert written[1].split("\t")[:-2] == text.splitlines()[1].split(",")
    assert written[1].split("\t")[-2:] == ["1", "1"]


_LABEL = (
    "import os, sys; os.umask(0o022)\n"
    "from mirnb.experiments.experiment_file import load_experiment\n"
    "from mirnb.labelling.annotations import Annotation\n"
    "load_experiment(sys.argv[1])\n"  # all that is imported late is there before the account changes
    "os.setgroups([5000]); os.setgid(int(sys.argv[4])); os.setuid(int(sys.argv[4]))\n"
    "with Annotation(load_experiment(sys.argv[1]), sys.argv[2]) as own:\n"
    "    own.give([int(sys.argv[3])], [1])\n"
)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as two other accounts")
def test_two_accounts_label_in_one_folder(small_settings):
    """Group-writable, with the usual umask: the second account is not locked out by what the first one wrote."""
    with tempfile.TemporaryDirectory(dir="/tmp") as shared:
        folder = simulate_experiment(Path(shared) / "s", settings=small_settings, labelled=False)
        os.chown(shared, 0, 5000)
        Path(shared).chmod(0o2775)
        for path in (folder, *folder.iterdir()):
            os.chown(path, 0, 5000)
            path.chmod(0o2775 if path.is_dir() else 0o664)
        for k, (account, annotator) in enumerate([(5001, "anna"), (5002, "anna"), (5002, "ben"), (5001, "ben")]):
            done = subprocess.run(
                [sys.executable, "-c", _LABEL, str(folder), annotator, str(k), str(account)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        assert (_in_table(load_experiment(folder))[:4] == 1).all()
