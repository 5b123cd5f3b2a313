"""Plan a panel before its probes are ordered: separations, predicted scores, prism angles, light, subsets, frames needed."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from mirnb.caches import cached
from mirnb.classifiers.scores import as_text, confusion, judge, sort_out, with_interval
from mirnb.design.pairs import best_subsets, possible_pairs, separations, subset_panel
from mirnb.design.predicted_scores import MEAN, frames_table, least_flux, score_table
from mirnb.design.prediction import Effort, Prediction, key_of, predict_panel
from mirnb.experiments.panel_file import WIDEST_GAP_PX, load_panel, require_angle, write_panel
from mirnb.experiments.run_folder import Results
from mirnb.files import ROOT, InputError, make_folder
from mirnb.simulation.settings import settings_of, settings_of_experiment
from mirnb.workspace import open_run

ANGLES_DEG = (175.0, 176.0, 177.0, 177.5, 178.0)
QUICK = Effort(n_crops=600, n_epochs=1)


@dataclass(frozen=True)
class Plan:
    """Panels to be looked at, on which microscope, and where the results go."""

    panels: list  # each at its own angle
    settings: list  # of each
    root: Path
    results: Results
    effort: Effort = field(default_factory=Effort)
    seed: int = 3

    def predict(self, panel, settings):
        """`Prediction` for a panel; made once and kept."""
        path = self.root / "cache" / f"design-{key_of(panel, settings, self.effort, self.seed)}.npz"
        made = cached(path, lambda: predict_panel(panel, settings, effort=self.effort, seed=self.seed))
        return Prediction(**made)


def plan_panels(names, out, *, effort=None, seed=3, folder="."):
    """Look at panels by name or file; all results go below `out`."""
    panels = [load_panel(name, folder=folder) for name in names]
    twice = sorted({one.name for one in panels if [other.name for other in panels].count(one.name) > 1})
    if twice:
        raise InputError(f"panels must differ in their names to be told apart in the tables; {', '.join(twice)} came twice")
    make_folder(out)
    out = Path(out)
    results = Results(out, out / "figures", simulated=True)
    return Plan(panels, [settings_of(one) for one in panels], out, results, effort or Effort(), seed)


def plan_notebook(experiment, out, *, panels=(), n_crops=0, n_epochs=0, seed=3, quick=False):
    """`plan_panels` when panels are named, else the panel of an experiment, with its settings where it is simulated.

    Relative paths start at the repository root.
    """
    effort = QUICK if quick else Effort(n_crops, n_epochs)
    if panels:
        if not out:
            raise InputError("panels and out go together: name a folder for the results")
        return plan_panels(panels, ROOT / out, effort=effort, seed=seed, folder=ROOT)
    run = open_run(experiment, out, quick=quick)
    panel = run.experiment.panel
    results = Results(run.root / "tables", run.root / "figures", simulated=True)
    return Plan([panel], [settings_of_experiment(run.experiment) or settings_of(panel)], run.root, results, effort, seed)


@dataclass(frozen=True)
class Designed:
    """What was found: tables, in each of which panel, angle_deg and own_angle come first."""

    separations: pd.DataFrame  # one row a panel, angle and class
    scores: pd.DataFrame  # one row a panel, angle, light and class
    least_flux: pd.DataFrame  # one row a panel, angle and class
    frames: pd.DataFrame  # one row a panel, angle and class
    subsets: pd.DataFrame  # one row a panel, angle and size
    refused: pd.DataFrame  # pairs that cannot be used, and why
    looked_at: dict  # (panel name, angle) -> (Panel, confusion counts), in the order of the tables
    left_out: list  # a sentence for each panel and angle that makes a pair too wide

    def own(self):
        """Panels at their own angles: name -> (Panel, confusion counts, the tables' rows)."""
        names = list(dict.fromkeys(name for name, _ in self.looked_at))
        own = self.separations[self.separations["own_angle"]].groupby("panel")["angle_deg"].first()
        return {name: self.at(name, own[name]) for name in names}

    def at(self, name, angle_deg):
        """A panel at an angle: (Panel, confusion counts, its rows of each table by the table's name)."""
        rows = {}
        for key in ("separations", "scores", "least_flux", "frames", "subsets", "refused"):
            table = getattr(self, key)
            here = (table["panel"] == name) & (table["angle_deg"] == angle_deg)
            rows[key] = table[here].drop(columns=_WHERE).reset_index(drop=True)
        return *self.looked_at[name, angle_deg], rows


_WHERE = ["panel", "angle_deg", "own_angle"]


def design(plan, angles=ANGLES_DEG, *, least_f1=0.8, subset=0) -> Designed:
    """Look at every panel at its own angle and at others; tables are written, and the best subsets as panel files.

    Parameters
    ----------
    plan : Plan
    angles : sequence of float
        Prism angles, degrees; that of each panel is looked at in any case.
    least_f1 : float
        Score that a class is to reach, for the least light it needs.
    subset : int
        In place of each panel, the best so many pairs of its dyes, chosen anew at each angle; 0 for the panel as it is.

    Raises
    ------
    InputError
        If an angle is out of range, or the dyes do not make so many pairs.
    """
    for angle in angles:
        require_angle(angle, "--angle")
    asked, left_out = [], []
    for panel, settings in zip(plan.panels, plan.settings, strict=True):
        for angle in sorted({panel.prism_angle_deg, *map(float, angles)}):
            turned = panel.at_angle(angle)
            widest = max(mir.gap_px for mir in turned.mirs)
            if widest <= WIDEST_GAP_PX:
                asked.append((panel, settings, angle, turned))
            else:
                left_out.append(
                    f"{panel.name} at {angle:g} degrees is left out: two blobs would lie {widest:.0f} px apart, more than "
                    f"{WIDEST_GAP_PX:g}; take an angle nearer to 180."
                )
    found, looked_at = {}, {}
    for panel, settings, angle, turned in tqdm(asked, desc="panels and angles", unit="prediction"):
        usable, refused = possible_pairs(turned, settings=settings)
        seen = subset_panel(turned, usable, subset) if subset else turned
        prediction = plan.predict(seen, settings)
        counts = confusion(prediction.y_true, prediction.as_is, seen.n_mirs + 1)
        scores = score_table(seen, prediction, settings, seed=plan.seed)
        tables = {
            "separations": separations(seen, settings=settings), "scores": scores,
            "least_flux": least_flux(scores, least_f1), "frames": frames_table(seen, counts, settings),
            "subsets": best_subsets(usable), "refused": refused,
        }  # fmt: skip
        looked_at[seen.name, angle] = seen, counts
        for key, table in tables.items():
            where = (seen.name, angle, angle == panel.prism_angle_deg)
            found.setdefault(key, []).append(_with_first(table, dict(zip(_WHERE, where, strict=True))))
        for n in tables["subsets"]["n"] if angle == panel.prism_angle_deg else ():
            best = subset_panel(turned, usable, n)
            write_panel(plan.root / "panels" / f"{re.sub(r'[^A-Za-z0-9_-]', '_', best.name)}.toml", best)
    made = {key: pd.concat([one for one in parts if len(one)] or parts, ignore_index=True) for key, parts in found.items()}
    for key, table in made.items():
        plan.results.table(table, f"design_{key}")
    return Designed(**made, looked_at=looked_at, left_out=left_out)


def _with_first(table, values):
    """A table with columns of one value each before the others."""
    return pd.DataFrame({**values, **table.to_dict("list")}, columns=[*values, *table.columns])


def in_words(designed):
    """What can be told apart and what not, in plain sentences: a list of text."""
    sentences = []
    for name, (panel, _, rows) in designed.own().items():
        apart, scores = rows["separations"], rows["scores"]
        at_full = scores[scores["flux_share"] == 1]
        mean = at_full[at_full["class"] == MEAN].iloc[0]
        sentences.append(
            f"{name} at {panel.prism_angle_deg:g} degrees: predicted F1, mean of the miRs, "
            f"{with_interval(*mean[['f1', 'f1_low', 'f1_high']])}."
        )
        if len(apart) > 1:
            near = apart.loc[apart["distance_px"].idxmin()]
            sentences.append(
                f"Nearest separations: {near['class']} and {near['nearest']}, {near['distance_px']:.2f} px apart; they "
                f"share {near['overlap']:.0%} of their area."
            )
        sentences += _reached(at_full[at_full["class"].isin(panel.mir_names)], rows["least_flux"]["least_f1"].iloc[0])
        for table in (apart, at_full):
            remarks = table[table["remark"] != ""].groupby("remark", sort=False)["class"]
            sentences += [f"{', '.join(names)}: {remark}." for remark, names in remarks]
        sentences += _other_angles(designed, name, panel.prism_angle_deg)
    return sentences + designed.left_out


def _reached(scores, least_f1):
    """Which miRs are predicted to reach a score, by their intervals."""
    ends = zip(scores["class"], scores["f1_low"], scores["f1_high"], strict=True)
    verdicts = {name: judge(low - least_f1, high - least_f1) for name, low, high in ends}
    return [f"Predicted F1 of {least_f1:g} or more with the light of the settings: {sort_out(verdicts)}."]


def _other_angles(designed, name, own_deg):
    """Whether other prism angles are predicted to be better: by intervals that do not meet, as crops of each are its own."""
    table = designed.scores
    means = table[(table["panel"] == name) & (table["flux_share"] == 1) & (table["class"] == MEAN)].set_index("angle_deg")
    own, others = means.loc[own_deg], means.drop(index=own_deg)
    sentences = []
    for angle, one in others.iterrows():
        verdict = judge(one["f1_low"] - own["f1_high"], one["f1_high"] - own["f1_low"])
        f1 = with_interval(*one[["f1", "f1_low", "f1_high"]])
        sentences.append(f"Better at {angle:g} degrees than at {own_deg:g}: {verdict}, predicted F1 {f1}.")
    return sentences


def _joined(designed, key):
    """Rows of one table of all panels at their own angles, the panel first."""
    return pd.concat([rows[key].assign(panel=name) for name, (_, _, rows) in designed.own().items()]).set_index("panel")


def separations_in_columns(designed):
    """Separations at the panels' own angles, to be read; of two dyes the upper blob's comes first."""
    table = _joined(designed, "separations").set_index("class", append=True)
    near = table["nearest"] + ": " + _both(table, "distance_px", "overlap", "{:.2f} px", "{:.0%}")
    shown = {
        "dyes": table["upper_dye"] + ", " + table["lower_dye"], "gap, px": table["gap_px"].map("{:.2f}".format),
        "widths, px": _both(table, "upper_sigma_px", "lower_sigma_px", "{:.1f}"),
        "let through": _both(table, "upper_seen", "lower_seen", "{:.0%}"),
        "nearest: distance, overlap": near.where(table["nearest"] != "", ""), "remark": table["remark"],
    }  # fmt: skip
    return pd.DataFrame(shown)


def _both(table, first, second, form, second_form=None):
    return table[first].map(form.format) + ", " + table[second].map((second_form or form).format)


def scores_in_columns(designed):
    """Predicted scores with the light of the settings, intervals as text."""
    table = _joined(designed, "scores")
    table = table[table["flux_share"] == 1]
    shown = table[["class"]].copy()
    for key in ("recall", "precision", "f1"):
        ends = table[[key, f"{key}_low", f"{key}_high"]].to_numpy(float)
        shown[f"{key} (95 %)"] = [with_interval(*one) for one in ends]
    return shown.assign(remark=table["remark"])


def needs_in_columns(designed):
    """The least light of each class, and the frames that show a ratio, at the panels' own angles, as text."""
    light = _joined(designed, "least_flux").set_index("class", append=True)
    frames = _joined(designed, "frames").set_index("class", append=True)
    ratio = frames["ratio"].iloc[0]
    counts = light["flux_counts"].map("{:.0f}".format)
    remarked = counts.where(light["flux_counts"].notna(), "") + " " + light["remark"]
    needed = frames["frames"].map(lambda value: as_text(value, "{:.0f}"))
    shown = {
        f"least light for F1 {light['least_f1'].iloc[0]:g}, counts": remarked.str.strip(),
        "molecules a frame": frames["per_frame"].map("{:.1f}".format), f"frames to see a ratio of {ratio:g}": needed,
    }  # fmt: skip
    return pd.DataFrame(shown).loc[light.index].fillna("")


def subsets_in_columns(designed):
    """The best subsets at the panels' own angles."""
    table = _joined(designed, "subsets").round(2)
    return table.rename(columns={"least_distance_px": "two nearest, px", "overlap": "their overlap"})


def refused_in_words(designed):
    """Pairs that cannot be used, and why: text, a line each."""
    table = _joined(designed, "refused")
    lines = [f"{row.Index}: {row.dyes}: {row.reason}" for row in table.itertuples()]
    return "\n".join(lines) or "Every pair of these dyes can be used."
