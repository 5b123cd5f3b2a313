"""What counted stacks look like: a frame with its calls, blobs of each called class, the result in a sentence."""

import shlex

import numpy as np
import pandas as pd

from mirnb.classifiers.kinds import KINDS
from mirnb.classifiers.scores import with_interval
from mirnb.counting.samples import is_simulated
from mirnb.experiments.cutouts import busiest_part, cut_raw_crops, without_margin
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.experiments.experiment_file import turned_pixels
from mirnb.experiments.stacks import evenly_spread
from mirnb.imaging.crops import fits

_CELLS = {"keep_default_na": False, "na_values": [""]}  # a class may be named NA
N_FRAMES = 24  # of a stack, evenly spread, are looked at


def first_counted(plan, found):
    """The first stack that was counted, a sample before references and blanks: (samples.Input, its classified blobs).

    Returns
    -------
    one : samples.Input
    blobs : DataFrame
        Of up to `N_FRAMES` frames that count, crops inside the frame and partners left out: frame (from 0), row, col, class,
        p (of it).
    """
    one = min(_counted(plan, found), key=lambda given: given.role != "sample")
    experiment, path = one.experiment, plan.stacks / one.name / "blobs_classified.csv"
    table = pd.read_csv(path, **_CELLS)
    frames = frames_of(plan, one)
    frames = frames.loc[frames["counted"], "frame"].to_numpy()
    table = table[table["frame"].isin(frames[evenly_spread(len(frames), N_FRAMES)])].reset_index(drop=True)
    turns = QUARTER_TURNS[experiment.dispersion]
    rows, cols, _ = turned_pixels(table, path, experiment.stack, experiment.pixel_size_nm, turns)
    names = experiment.panel.names
    blobs = pd.DataFrame({"frame": table["frame"] - 1, "row": rows, "col": cols, "class": table["class"],
                          "p": table[[f"p_{name}" for name in names]].max(axis=1)})  # fmt: skip
    inside = fits(experiment.stack.frame_shape, blobs["row"], blobs["col"], experiment.panel.crop_window)
    return one, blobs[inside & table["partner"].isna() & table["class"].notna()].reset_index(drop=True)


def _counted(plan, found):
    """Inputs of the stacks that did not fail."""
    return [one for one, verdict in zip(plan.inputs, found.stacks["verdict"], strict=True) if verdict != "failed"]


def frames_of(plan, one):
    """Each frame of a counted stack, as `counts.count_stacks` wrote it: frame (from 1), its measures, verdict, counted."""
    table = pd.read_csv(plan.stacks / one.name / "frames.csv", **_CELLS, dtype={"verdict": str})
    return table.assign(verdict=table["verdict"].fillna(""))


def odd_frames(plan, found):
    """Frames of all counted stacks that have a verdict: stack, frame (from 1), verdict, counted, and their measures."""
    tables = [frames_of(plan, one).assign(stack=one.name) for one in _counted(plan, found)]
    table = pd.concat([one[one["verdict"] != ""] for one in tables])
    first = ["stack", "frame", "verdict", "counted"]
    return table[[*first, *table.columns.drop(first)]].round(3).set_index(["stack", "frame"])


def frames_to_show(plan, found):
    """The frames of the stack with most verdicts, the first of several, as `abundance.draw_frame_measures` takes them."""
    one, table = max(
        ((one, frames_of(plan, one)) for one in _counted(plan, found)), key=lambda own: (own[1]["verdict"] != "").sum()
    )
    return {"table": table, "title": one.name}


def frame_with_calls(plan, found):
    """A part of a frame of the first counted stack and its calls, as `images.draw_frame` takes them; {} without any."""
    one, blobs = first_counted(plan, found)
    if blobs.empty:
        return {}
    about = {"um_per_px": one.experiment.pixel_size_nm / 1000, "title": f"{one.name}, called by the {plan.classifier.title}"}
    return {**busiest_part(one.experiment.stack, blobs), **about}


def molecules_by_class(plan, found, *, n_each=8):
    """Raw crops of each called class, as `molecules.draw_molecules` takes them: "red, brightest", "red, least sure", ..."""
    one, blobs = first_counted(plan, found)
    crops = without_margin(cut_raw_crops(one.experiment.stack, blobs, one.experiment.panel))
    window, rows = one.experiment.panel.template_window, {}
    light = crops[:, window.above - 1 : window.above + 2, window.left - 1 : window.left + 2].mean(axis=(1, 2))
    for name in one.experiment.panel.names:
        own = np.flatnonzero(blobs["class"] == name)
        if len(own):
            rows[f"{name}, brightest"] = list(crops[own[np.argsort(-light[own], kind="stable")][:n_each]])
            rows[f"{name}, least sure"] = list(crops[own[np.argsort(blobs["p"].to_numpy()[own], kind="stable")][:n_each]])
    return {"rows": rows, "um_per_px": one.experiment.pixel_size_nm / 1000}


def next_steps(plan):
    """What to do with calls that nobody has checked: a list of sentences; nothing where the classes are known."""
    unknown = [one for one in plan.inputs if one.experiment is not None and not is_simulated(one)]
    unknown = [one for one in unknown if not one.experiment.labelled.any()]
    return _next_steps(unknown[0].experiment, unknown[0].given) if unknown else []


def _next_steps(experiment, given=""):
    folder, first = shlex.quote(str(experiment.folder)), ""
    if not (experiment.folder / "experiment.toml").is_file():
        folder, first = "DIR", f"mirnb new DIR --stack {shlex.quote(given)}, "
    return [
        "How often these calls are right on these frames, nobody has measured: label some fifty molecules of each class "
        f"({first}mirnb lab {folder} opens labelling.ipynb), then mirnb report {folder} says it.",
        f"To look at the calls in ImageJ: mirnb overlay {folder} TABLE.csv --out calls.tif",
    ]


def first_sight(run):
    """What a report without labels says first, from its tables of counts.

    Returns
    -------
    sentences, badges : list of str
    cards : list of (value, what it is)
    """
    paths = [run.root / "tables" / f"{name}.csv" for name in ("abundance", "stacks")]
    if not all(path.exists() for path in paths):
        return [_uncounted(run.experiment)], [], []
    abundance, stacks = (pd.read_csv(path, **_CELLS) for path in paths)
    kind = abundance["classifier"][0].split()[0]
    classifier = KINDS[kind].title if kind in KINDS else kind
    n_blobs, n_frames = int(stacks["blobs"].sum()), int(stacks["frames"].sum())
    numbers = abundance[["class", "molecules", "low", "high"]].itertuples(index=False)
    told = ", ".join(f"{with_interval(*ends, '{:,.0f}')} {name}" for name, *ends in numbers)
    sentences = [f"Among {n_blobs:,} blobs on {n_frames} frames the {classifier} counts {told} molecules (95 %)."]
    sentences += [f"Is the stack like the training data? It is {verdict}." for verdict in stacks["verdict"]]
    sentences += _next_steps(run.experiment)
    badges = ["classifier trained on simulated frames"] if stacks.get("trained_on_simulated", pd.Series()).any() else []
    cards = [
        (f"{row['molecules']:,.0f}", f"{row['class']} (95 %: {row['low']:,.0f} to {row['high']:,.0f})")
        for row in abundance.to_dict("records")
    ]
    return sentences, badges, cards


def _uncounted(experiment):
    n, folder = 0 if experiment.table is None else len(experiment.table), shlex.quote(str(experiment.folder))
    return (
        f"{n:,} blobs on {len(experiment.stack)} frames, not yet told apart: nobody has labelled them and no classifier has "
        f"called them. mirnb report {folder} -p classifier CLASSIFIER_DIR does, such as reports/demo/classifier."
    )
