"""Write simulated samples as experiment folders, in exactly the formats a user brings, with their truth beside them."""

import contextlib
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.experiments.blobs import LABEL_COLUMNS, label_columns, write_table
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS, is_named, write_panel
from mirnb.experiments.stacks import write_stack
from mirnb.files import InputError, make_folder, write_toml
from mirnb.imaging.neighbours import find_repeated
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import settings_of, settings_of_experiment

_TRUTH_COLUMNS = ["molecule", "frame", "kind", "class", "y_px", "x_px", "flux", "sigma_y_px", "sigma_x_px", "blob_id"]
_WRITTEN = ("experiment.toml", "stack.tif", "blobs.csv", "truth.csv", "panel.toml")
_MARK = ".simulating"
PHOTONS_PER_COUNT = 1 / 1.3  # of the simulated table's photon columns: one over the default gain


def simulate_experiment(folder, *, panel=THESIS, settings=None, seed=3, only=None, pretrain=(), labelled=True):
    """Simulate a sample and write it as an experiment folder: path of the folder.

    Parameters
    ----------
    folder : path
        Written into; the stack and tables of an earlier simulation are replaced.
    settings : Settings, optional
        Those of the panel's camera by default.
    seed : int
        Same seed, same files.
    only : str, optional
        Only this miR and noise: a single-type sample.
    pretrain : sequence of str
        Single-type experiments to name in experiment.toml.
    labelled : bool
        Without, the blob table has no label columns: something to label.

    Raises
    ------
    InputError
        If `only` is no miR of the panel, or the folder holds an experiment that was not simulated.
    """
    folder = Path(folder).resolve()
    settings, drawn_panel = settings or settings_of(panel), panel
    _require_own(folder)
    if only is not None:
        if only not in panel.mir_names:
            raise InputError(f"--only {only}: the panel {panel.name!r} has {', '.join(panel.mir_names)}")
        mirs = tuple(replace(mir, share=mir.share if mir.name == only else 0.0) for mir in panel.mirs)
        drawn_panel = replace(panel, mirs=mirs)
    tables = []
    make_folder(folder)

    def frames():
        made = simulate_frames(drawn_panel, settings, seed)
        for frame, blobs in tqdm(made, total=settings.n_frames, desc=f"simulating {folder.name}", unit="frame", leave=False):
            tables.append(blobs)
            yield frame

    with _marked(folder):
        with contextlib.closing(frames()) as made_frames:
            write_stack(
                folder / "stack.tif", made_frames, pixel_size_nm=settings.pixel_size_nm, big=_n_bytes(settings) > 3.9e9
            )
        _write_blobs(folder, pd.concat(tables, ignore_index=True), panel, settings, labelled=labelled)
        named = is_named(panel)
        if not named:
            write_panel(folder / "panel.toml", panel)
        values = {
            "name": re.sub(r"[^A-Za-z0-9_-]", "_", folder.name), "stack": "stack.tif", "blobs": "blobs.csv",
            "pixel_size_nm": settings.pixel_size_nm, "panel": panel.name if named else "panel.toml", "dispersion": "down",
            **({"pretrain": list(pretrain)} if pretrain else {}),
            "simulated": {"seed": seed, **({"only": only} if only else {}), **asdict(settings)},
        }  # fmt: skip
        write_toml(folder / "experiment.toml", values)
    return folder


def _write_blobs(folder, blobs, panel, settings, *, labelled):
    """The blob table as a user would have it, and the truth; of blobs that no program tells apart one is there."""
    found = blobs[blobs["detected"]]
    again = find_repeated(*(found[name].to_numpy() for name in ("frame", "seen_y_px", "seen_x_px")), np.arange(len(found)))
    blobs.loc[found.index[again], "detected"] = False
    blobs["blob_id"] = pd.array(np.where(blobs["detected"], blobs["detected"].cumsum(), 0), dtype="Int64")
    blobs.loc[~blobs["detected"], "blob_id"] = pd.NA
    table = _as_thunderstorm(blobs[blobs["detected"]], panel, settings)
    write_table(folder / "blobs.csv", table if labelled else table.drop(columns=list(LABEL_COLUMNS)))
    truth = blobs[_TRUTH_COLUMNS].round({"y_px": 4, "x_px": 4, "flux": 2, "sigma_y_px": 4, "sigma_x_px": 4})
    truth["class"] = [panel.names[k] for k in truth["class"]]
    write_table(folder / "truth.csv", truth.replace({"kind": {"faint": "single"}}))


def simulate_with_single_types(folder, *, panel=THESIS, settings=None, seed=3):
    """Simulate a mixture, and beside it a small sample of each miR alone, which Fig 1 and pre-training need.

    The single-type samples lie in <folder>_<name of the miR>, have three frames each, and are named under `pretrain`.
    """
    folder, settings = Path(folder).resolve(), settings or settings_of(panel)
    singles = {name: folder.with_name(f"{folder.name}_{name}") for name in (mir.name for mir in panel.mirs if mir.share > 0)}
    for one in (folder, *singles.values()):
        _require_own(one)
    few = replace(settings, n_frames=min(3, settings.n_frames))
    for k, (name, single) in enumerate(singles.items()):
        simulate_experiment(single, panel=panel, settings=few, seed=seed + 1000 + k, only=name)
    pretrain = [f"../{single.name}" for single in singles.values()]
    return simulate_experiment(folder, panel=panel, settings=settings, seed=seed, pretrain=pretrain)


def simulate_samples(experiment, folder, *, n_frames=8, seed=3):
    """Simulate small new samples of the kind of a simulated experiment: a reference, a mixture and a blank.

    The miRs of the reference are equally frequent, those of the mixture 2:5:3 (and on in that order), the blank has none.

    Returns
    -------
    list of path
        Their folders, <folder>/reference, mixture and blank.
    """
    settings = replace(settings_of_experiment(experiment), n_frames=n_frames)
    panel, folders = experiment.panel, []
    for number, (name, shares) in enumerate({"reference": (1,), "mixture": (2, 5, 3), "blank": (1,)}.items()):
        mirs = tuple(replace(mir, share=float(shares[k % len(shares)])) for k, mir in enumerate(panel.mirs))
        own = replace(settings, mir_share=0.0, unseen_share=0.0) if name == "blank" else settings
        target, own_seed = Path(folder) / name, seed + 2000 + number
        there = load_experiment(target) if (target / "experiment.toml").exists() else None
        if there is None or settings_of_experiment(there) != own or there.simulated["seed"] != own_seed:
            simulate_experiment(target, panel=replace(panel, mirs=mirs), settings=own, seed=own_seed)
        folders.append(target)
    return folders


def _require_own(folder):
    """Refuse a folder whose files were not simulated."""
    toml = folder / "experiment.toml"
    simulated = toml.exists() and "[simulated]" in toml.read_text(encoding="utf-8")
    there = [name for name in _WRITTEN if (folder / name).exists()]
    if there and not simulated and not (folder / _MARK).exists():
        raise InputError(f"{folder}: holds {', '.join(there)} that was not simulated; choose another folder")


@contextlib.contextmanager
def _marked(folder):
    """Mark a folder while it is written, so that an interrupted simulation is known and may be made again.

    experiment.toml goes first and is written last: without it the folder is no experiment.
    """
    (folder / _MARK).touch()
    (folder / "experiment.toml").unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        if not any((folder / name).exists() for name in _WRITTEN):
            (folder / _MARK).unlink()
        raise
    (folder / _MARK).unlink()


def _n_bytes(settings):
    return 2 * settings.n_frames * settings.frame_shape[0] * settings.frame_shape[1]


def _as_thunderstorm(blobs, panel, settings):
    """The blob table a ThunderSTORM user would have: positions in nm, photons, labels; no chi2, as nothing was fitted."""
    nm = settings.pixel_size_nm
    area_px = blobs["sigma_y_px"] * blobs["sigma_x_px"]
    photons = np.maximum(blobs["flux"], settings.flux_low) * PHOTONS_PER_COUNT
    noise_photons = settings.noise_sd_counts * PHOTONS_PER_COUNT
    table = pd.DataFrame({
        "id": blobs["blob_id"],
        "frame": blobs["frame"],
        "x [nm]": (blobs["seen_x_px"] * nm).round(2),
        "y [nm]": (blobs["seen_y_px"] * nm).round(2),
        "sigma [nm]": (np.sqrt(area_px) * nm).round(2),
        "intensity [photon]": photons.round(1),
        "offset [photon]": round(settings.background_counts * PHOTONS_PER_COUNT, 1),
        "bkgstd [photon]": round(noise_photons, 2),
        "uncertainty [nm]": (np.sqrt(8 * np.pi) * area_px * noise_photons / photons * nm).round(2),
    }).reset_index(drop=True)  # fmt: skip
    return table.assign(**label_columns(blobs["label"], panel.n_mirs))
