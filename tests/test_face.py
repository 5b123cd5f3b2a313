"""`import mirnb`: its verbs and wings, what it loads, the examples in its docstrings, what things say of themselves."""

import doctest
import inspect
import shutil
import subprocess
import sys

import pytest
from by_hand import write_folder

import mirnb
from mirnb import verbs, workspace
from mirnb.experiments import run_folder
from mirnb.simulation.folders import simulate_experiment

VERBS = ("open_run", "prepare", "best_classifier", "check", "detect", "label", "explore", "quantify", "simulate")


def test_the_face_is_its_verbs_and_wings():
    wings = {"imaging", "experiments", "plots", "simulation", "classifiers", "labelling", "counting", "design", "studies"}
    assert set(dir(mirnb)) == {*VERBS, *wings}
    assert callable(mirnb.imaging.correlation.cross_correlate)
    assert all(callable(getattr(mirnb.plots, name)) for name in dir(mirnb.plots) if name.startswith("draw_"))
    for wing in wings:
        parts = [getattr(getattr(mirnb, wing), name) for name in dir(getattr(mirnb, wing))]
        assert [part for part in parts if inspect.ismodule(part)], wing


def test_importing_it_loads_nothing_heavy():
    heavy = {"numpy", "pandas", "scipy", "sklearn", "keras", "tensorflow", "dask"}
    code = "import sys, mirnb; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


@pytest.fixture
def root(small_folder, small_settings, tmp_path, monkeypatch):
    """A folder that the face takes for the root, with what the examples name."""
    for module in (workspace, run_folder):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    shutil.copytree(small_folder, tmp_path / "data" / "demo")
    simulate_experiment(tmp_path / "data" / "practice", settings=small_settings, labelled=False)
    write_folder(tmp_path / "data" / "mine")
    (tmp_path / "new").mkdir()
    shutil.copy(small_folder / "stack.tif", tmp_path / "new" / "a.tif")
    return tmp_path


@pytest.mark.slow
def test_the_examples_of_every_verb_run(root, in_process):
    names, runner = {"mirnb": mirnb}, doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for verb in VERBS:  # in this order, each with what the ones before have made
        (example,) = doctest.DocTestFinder(recurse=False).find(getattr(mirnb, verb), verb, globs=names)
        assert example.examples, verb
        assert runner.run(example, clear_globs=False).failed == 0, verb
        names |= example.globs
    assert (root / "counted" / "abundance.csv").exists()


def test_what_things_say_of_themselves_is_short_and_equality_does_not_raise(small, small_run, small_data, small_classifier):
    said = {
        small: ["simulated experiment 'small'", "240 labelled", "120 nm a pixel", "panel 'thesis' (red, green, blue)"],
        small_run: [str(small_run.root), "'small'"],
        small_data: ["dataset of 240 crops 34x10", "144 training, 48 validation, 48 test"],
        small_classifier: [
            "classifier 'LeNet-5 (thesis)', trained on 144 crops of 'small'",
            "mean F1",
            "ready to count with",
        ],
        small.stack: ["Stack of 4 frames, 256x256 uint16", "stack.tif"],
    }
    for one, words in said.items():
        text = repr(one)
        assert [word for word in words if word not in text] == []
        assert text.count("\n") <= 1
        assert len(text) < 400
        assert one == one
        assert one != object()


def test_a_dataset_and_a_classifier_show_a_small_table(small_data, small_classifier):
    for one in (small_data, small_classifier):
        shown = one._repr_html_()
        assert shown.count("<table") == 1
        assert "green" in shown
        assert "&#x27;thesis&#x27;" in shown  # names are text


def test_a_check_says_what_it_found(tmp_path):
    assert repr(verbs.check(write_folder(tmp_path / "good"))).endswith("no problem found")
    assert "problem: " in repr(verbs.check(tmp_path / "nowhere"))


def test_places_start_at_the_root_and_addresses_stay():
    assert workspace.place("data/demo") == workspace.ROOT / "data" / "demo"
    assert workspace.place("s3://bucket/a.tif") == "s3://bucket/a.tif"
    assert workspace.place(workspace.ROOT) == workspace.ROOT
