"""A small simulated dilution series: standards, blanks, an unknown and spike-ins, with the samples.csv that names them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.experiments.blobs import write_table
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings, settings_of, settings_of_experiment

UNIT = "pM"
TOP_PM, STEPS_PM = 100.0, tuple(100 * 10 ** (-0.75 * k) for k in range(5))  # three decades
PER_PM = 3 / 1024**2  # molecules of each miR on a pixel at 1 pM: at the top they crowd each other
N_REPLICATES, N_BLANKS, N_FRAMES, FRAME_SHAPE = 3, 6, 20, (512, 512)
_SPIKE_PM = 20.0
_UNKNOWN_PM = (12.0, 30.0, 18.0)  # of the panel's miRs, and on in that order


@dataclass(frozen=True)
class Tube:
    """A sample of the series as it is pipetted."""

    sample: str
    role: str
    replicate: int
    drawn_pm: tuple  # what is in it, of each miR
    known_pm: float | None = None  # what samples.csv says of it
    added_to: str = ""

    @property
    def name(self):
        return f"{self.sample}_{self.replicate}"


def tubes_of(n_mirs, *, n_replicates=N_REPLICATES, n_blanks=N_BLANKS):
    """The samples of a series: standards of `STEPS_PM`, blanks, an unknown, a spike-in to it and one to a blank."""
    unknown = tuple(_UNKNOWN_PM[k % len(_UNKNOWN_PM)] for k in range(n_mirs))
    tubes = [
        Tube(f"standard_{k}", "standard", number, (step,) * n_mirs, step)
        for k, step in enumerate(STEPS_PM, 1)
        for number in range(1, n_replicates + 1)
    ]
    tubes += [Tube("blank", "blank", number, (0.0,) * n_mirs) for number in range(1, n_blanks + 1)]
    tubes.append(Tube("unknown", "sample", 1, unknown))
    tubes.append(Tube("spiked", "spike", 1, tuple(one + _SPIKE_PM for one in unknown), _SPIKE_PM, "unknown"))
    return [*tubes, Tube("control", "spike", 1, (_SPIKE_PM,) * n_mirs, _SPIKE_PM)]


def draw_tube(panel, settings, concentrations_pm, seed):
    """Panel and settings of a sample of these concentrations: molecules are drawn as Poisson, dirt is as usual.

    Pairs whose lower blob nobody sees go with the miRs, as `settings` have them beside its own, and are left out of a blank.
    """
    pixels = np.prod(settings.frame_shape) * settings.n_frames
    drawn = np.random.default_rng([seed, 22]).poisson(np.multiply(concentrations_pm, PER_PM * pixels))
    usual = Settings()
    n_mirs, n_noise = (usual.n_labelled_per_frame * one for one in (usual.mir_share, 1 - usual.mir_share))
    plain = n_noise * (1 - settings.unseen_share) * pixels / np.prod(usual.frame_shape)
    unseen = n_noise * settings.unseen_share / n_mirs * drawn.sum()
    n_all = drawn.sum() + plain + unseen
    mirs = tuple(replace(mir, share=float(n)) for mir, n in zip(panel.mirs, drawn, strict=True))
    own = replace(
        settings, n_labelled_per_frame=n_all / settings.n_frames, mir_share=float(drawn.sum() / n_all),
        unseen_share=float(unseen / (plain + unseen)),
    )  # fmt: skip
    return (replace(panel, mirs=mirs) if drawn.sum() else panel), own


def simulate_dilution(folder, *, panel=THESIS, settings=None, n_frames=N_FRAMES, seed=3):
    """Write the series: a folder for each sample, with its stack and truth, and samples.csv that names them.

    Stacks that are there already, of the same settings and seed, stay as they are.

    Parameters
    ----------
    settings : Settings, optional
        Of the camera and the molecules; those of the panel's camera by default. Frames are of `FRAME_SHAPE`.
    n_frames : int
        Of each sample.

    Returns
    -------
    samples : path of samples.csv
    stacks : list of path
    """
    folder = Path(folder).resolve()
    settings = replace(settings or settings_of(panel), n_frames=n_frames, frame_shape=FRAME_SHAPE)
    rows, stacks = [], []
    for number, tube in enumerate(tubes_of(panel.n_mirs)):
        target, own_seed = folder / tube.name, seed + 3000 + number
        drawn, own = draw_tube(panel, settings, tube.drawn_pm, own_seed)
        there = load_experiment(target) if (target / "experiment.toml").exists() else None
        if there is None or settings_of_experiment(there) != own or there.simulated["seed"] != own_seed:
            simulate_experiment(target, panel=drawn, settings=own, seed=own_seed)
        stacks.append(target / "stack.tif")
        known = "" if tube.known_pm is None else f"{tube.known_pm:.4g}"
        rows.append({"stack": tube.name, "sample": tube.sample, "role": tube.role, "replicate": tube.replicate,
                     "concentration": known, "unit": known and UNIT, "added_to": tube.added_to})  # fmt: skip
    write_table(folder / "samples.csv", pd.DataFrame(rows))
    return folder / "samples.csv", stacks
