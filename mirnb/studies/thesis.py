"""What the thesis printed, to stand beside our numbers. Figures and facts only; None where a run is not of its panel."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import FAILS, HOLDS, NOT_MEASURED, OPEN, as_text
from mirnb.experiments.panel_file import THESIS

LOSS = (0.902, 0.569, 0.410, 0.365, 0.330, 0.307, 0.281, 0.261, 0.245, 0.232)  # training, one run of ten epochs
VALIDATION_LOSS = (0.619, 0.446, 0.395, 0.329, 0.327, 0.324, 0.330, 0.324, 0.315, 0.330)
N_LABELLED = {"red": 655, "green": 141, "blue": 611, "noise": 2629}
RECALL = {"red": 0.87, "green": 0.62, "blue": 0.88}  # on test
PRECISION = {"red": 0.90, "green": 0.82, "blue": 0.74}
N_WEIGHTS = 10952
MIRACLE_RECALL = {"red": 0.869, "green": 0.657, "blue": 0.672}  # reference 2, on nearly the same labels
MIRACLE_PRECISION = {"red": 0.841, "green": 0.758, "blue": 0.861}


@dataclass(frozen=True)
class Decline:
    """Where a figure's caption says that a score on validation begins to fall: overfitting."""

    figure: str
    setting: str
    value: str  # as tables of sweeps show it
    measures: tuple[str, ...]
    classes: tuple[str, ...] = ("red", "green", "blue")


DECLINES = (
    Decline("5", "filter1", "50", ("precision",), ("red", "blue")),
    Decline("11", "filter2", "16", ("precision",)),
    Decline("12", "filter3", "30", ("precision",)),
    Decline("13", "kernel", "5", ("precision", "recall")),
    Decline("14", "sgd", "0.002", ("recall", "precision")),
)


def mean_f1(recall, precision):
    """Mean over the miRs of F1, of printed recall and precision by miR."""
    return float(np.mean([2 * recall[k] * precision[k] / (recall[k] + precision[k]) for k in recall]))


def tally(verdicts, what):
    """How many verdicts of each word there are, in a sentence; "holds for red" counts as one that holds.

    what : str
        What was judged: "claims".
    """
    counts = {word: sum(one.startswith(word) for one in verdicts) for word in (HOLDS, FAILS, OPEN, NOT_MEASURED)}
    found = ", ".join(f"{word}: {n}" for word, n in counts.items() if n)
    return f"Of the thesis's {len(verdicts)} {what}: {found}." if found else f"The thesis names no {what} for this panel."


def is_thesis_panel(panel):
    """Whether the thesis's numbers may stand beside those of this panel."""
    return [(mir.name, set(mir.dyes)) for mir in panel.mirs] == [(mir.name, set(mir.dyes)) for mir in THESIS.mirs]


def printed_losses(panel):
    """The printed losses of a run, as Keras names them; None for another panel."""
    return {"loss": LOSS, "val_loss": VALIDATION_LOSS} if is_thesis_panel(panel) else None


def printed_scores(panel):
    """Recall and precision on test by miR; none for another panel."""
    return {"recall": RECALL, "precision": PRECISION} if is_thesis_panel(panel) else {}


def scores_beside_thesis(panel, scores, intervals):
    """Recall and precision per miR with intervals, beside the thesis's test figures: DataFrame, one row a miR.

    Parameters
    ----------
    scores : dict of ndarray of shape (n_classes,)
        As `scores.score` gives them.
    intervals : dict of ndarray of shape (2, n_classes)
        As `scores.bootstrap_intervals` gives them.
    """
    table = pd.DataFrame(index=pd.Index(panel.mir_names, name="class"))
    printed = printed_scores(panel)
    for name in ("recall", "precision", "f1"):
        table[name] = np.round(scores[name][:-1], 3)
        low, high = intervals[name][:, :-1]
        ends = [[as_text(end, "{:.2f}") for end in pair] for pair in zip(low, high, strict=True)]
        table[f"{name} 95 %"] = [" to ".join(pair) for pair in ends]
        if name in printed:
            table[f"{name}, thesis"] = [printed[name][mir] for mir in panel.mir_names]
    return table


def counts_beside_thesis(panel, table):
    """Crops per class and set, the thesis's count of each class beside the sum."""
    if not is_thesis_panel(panel):
        return table
    return table.assign(thesis=[N_LABELLED[name] for name in table.index])
