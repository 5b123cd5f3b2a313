"""True numbers of simulated stacks, from a truth.csv written by hand; a stack that nobody simulated has none."""

import shutil

import numpy as np
import pandas as pd
import pytest
from by_hand import blobs_text, middle_nm, write_folder

from mirnb.counting.truth import simulated_beside, true_molecules
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS

ROWS = [  # id, pixel, label as is_really_mir and selected_mir_type
    (1, (20, 20), 1, 0),  # labelled red
    (2, (30, 20), 0, 0),  # a pair that passed for noise
    (3, (20, 30), "", ""),  # nobody labelled it, and its crop fits
    (4, (2, 30), "", ""),  # nor this, whose crop leaves the frame
    (5, (30, 30), 1, -1),  # the lower blob of the first
    (6, (30, 40), 1, 2),  # labelled blue
]
HEADER = "id,frame,x [nm],y [nm],is_really_mir,selected_mir_type"


def _truth(blob_id, kind, name, pixel):
    return {
        "frame": 1 if blob_id != 6 else 2,
        "kind": kind,
        "class": name,
        "y_px": pixel[0] + 0.5,
        "x_px": pixel[1] + 0.5,
        "blob_id": blob_id,
    }


@pytest.fixture
def folder(tmp_path):
    rows = [(number, 1, *middle_nm(*pixel), is_mir, label) for number, pixel, is_mir, label in ROWS]
    rows += [(number, 1, *middle_nm(22, number), 0, -1) for number in range(10, 35)]  # labelled, nearly all
    folder = write_folder(
        tmp_path / "made", blobs=blobs_text(rows, HEADER), panel="thesis", simulated={"seed": 3}, pixel_size_nm=120
    )
    kinds = ["upper"] * 4 + ["lower", "upper"]
    names = ["red"] * 5 + ["blue"]
    truth = [_truth(row[0], kind, name, row[1]) for row, kind, name in zip(ROWS, kinds, names, strict=True)]
    truth.append(_truth(None, "single", "noise", (10, 10)))
    pd.DataFrame(truth).to_csv(folder / "truth.csv", index=False)
    return folder


def test_what_a_person_labels_and_what_nobody_did_are_true(folder):
    experiment = load_experiment(folder)
    assert true_molecules(experiment, THESIS).tolist() == [2, 0, 1]
    assert true_molecules(experiment, THESIS, is_counted=np.array([True, False])).tolist() == [2, 0, 0]


def test_the_stack_alone_has_the_truth_of_the_folder_it_lies_in(folder, tmp_path):
    assert simulated_beside(folder / "stack.tif").simulated == {"seed": 3}
    shutil.copy(folder / "stack.tif", folder / "other.tif")
    shutil.copy(folder / "stack.tif", tmp_path / "stack.tif")
    assert simulated_beside(folder / "other.tif") is None  # experiment.toml names another
    assert simulated_beside(tmp_path / "stack.tif") is None


@pytest.mark.parametrize("missing", ["truth.csv", "labels", "simulated"])
def test_without_truth_labels_or_simulation_there_is_none(missing, folder):
    if missing == "truth.csv":
        (folder / "truth.csv").unlink()
    elif missing == "labels":
        pd.read_csv(folder / "blobs.csv").iloc[:, :4].to_csv(folder / "blobs.csv", index=False)
    else:
        text = (folder / "experiment.toml").read_text()
        (folder / "experiment.toml").write_text("\n".join(line for line in text.splitlines() if "simulated" not in line))
    assert true_molecules(load_experiment(folder), THESIS) is None


def test_of_a_simulated_sample_all_labelled_molecules_are_true(small):
    true, labelled = true_molecules(small, small.panel), small.count_labels()
    assert all(labelled[name] <= n <= 1.4 * labelled[name] for name, n in zip(small.panel.mir_names, true, strict=True))


def test_with_labels_of_somebody_who_is_not_done_there_is_no_truth(folder):
    table = pd.read_csv(folder / "blobs.csv")
    table.loc[table["id"] > 12, ["is_really_mir", "selected_mir_type"]] = None
    table.to_csv(folder / "blobs.csv", index=False)
    assert true_molecules(load_experiment(folder), THESIS) is None


@pytest.mark.parametrize("changed", ["doubled ids", "no ids", "no blob_id"])
def test_where_blobs_cannot_be_told_there_is_no_truth(changed, folder):
    name = "truth.csv" if changed == "no blob_id" else "blobs.csv"
    table = pd.read_csv(folder / name)
    table = (
        table.assign(id=1) if changed == "doubled ids" else table.drop(columns="id" if changed == "no ids" else "blob_id")
    )
    table.to_csv(folder / name, index=False)
    assert true_molecules(load_experiment(folder), THESIS) is None
