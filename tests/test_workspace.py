"""What is said of the demo alone."""

import re
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from mirnb import workspace
from mirnb.experiments.panel_file import THESIS
from mirnb.files import ROOT
from mirnb.simulation.settings import Settings

AS_MADE = {"seed": 3, **asdict(Settings())}


@pytest.mark.parametrize(
    ("experiment", "simulated", "is_told"),
    [
        ("data/demo", AS_MADE, True),
        (str(ROOT / "data" / "demo"), AS_MADE, True),
        ("data/demo", {**AS_MADE, "seed": 4}, False),
        ("data/demo", {**AS_MADE, "noise_sd_counts": 20.0}, False),
        ("data/demo", None, False),
        ("data/mine", AS_MADE, False),
        ("", AS_MADE, False),
    ],
)
def test_what_was_found_once_on_the_demo_is_told_of_the_demo_alone(experiment, simulated, is_told, monkeypatch):
    made = SimpleNamespace(simulated=simulated, panel=THESIS)
    monkeypatch.setattr(workspace, "load_experiment", lambda folder: made)
    said = workspace.found_on_demo(experiment, "06_tuning")
    assert bool(said) == is_told
    assert all(one.startswith("Found once on the demo, not in this run: mirnb tune data/demo, ") for one in said)
    for text in workspace._FOUND_ON_DEMO.values():
        assert re.match(r"(mirnb|python -m benchmarks\.)[^,]+, .*\d{1,2} November 2026: ", text)  # command and date
