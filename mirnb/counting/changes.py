"""How many times more of a miR there is in one sample than in another, pooled and by replicate."""

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import HOLDS, OPEN, sort_out, with_interval
from mirnb.counting.correction import interval


def fold_changes(found, correction):
    """How many times more of each miR there is on a frame's area of one sample than of another, for every two samples.

    Returns
    -------
    DataFrame
        sample, against, class, fold_change, low, high; infinite where the other sample may have none. Blanks, standards and
        spikes are left out.
    """
    n_mirs, rows = len(correction.names) - 1, []
    measured = [one for one in found if one.sample.role in ("sample", "reference")]
    for place, against in enumerate(measured):
        for one in measured[place + 1 :]:
            area = against.sample.area_um2 / one.sample.area_um2
            with np.errstate(invalid="ignore", divide="ignore"):
                value = area * one.molecules[:n_mirs] / against.molecules[:n_mirs]
                ends = interval(value, area * one.draws[:, :n_mirs] / against.draws[:, :n_mirs])
            for k, name in enumerate(correction.names[:n_mirs]):
                rows.append((one.sample.name, against.sample.name, name, value[k], ends["low"][k], ends["high"][k]))
    return pd.DataFrame(rows, columns=["sample", "against", "class", "fold_change", "low", "high"])


def replicate_changes(found, correction):
    """`fold_changes` of each replicate of a sample that has several, against the whole of the other sample.

    Returns
    -------
    DataFrame
        sample, against, class, replicate (a number, in the order they came), fold_change. Areas of replicates are taken to
        be as their numbers of frames.
    """
    n_mirs, rows = len(correction.names) - 1, []
    measured = [one for one in found if one.sample.role in ("sample", "reference")]
    for place, against in enumerate(measured):
        other = against.molecules[:n_mirs] / against.sample.area_um2
        for one in measured[place + 1 :]:
            rates = one.replicate_rates[:, :n_mirs] * one.sample.n_frames / one.sample.area_um2
            with np.errstate(invalid="ignore", divide="ignore"):
                values = rates / other
            for number, own in enumerate(values if len(values) > 1 else (), 1):
                names = zip(correction.names, own, strict=False)
                rows += [(one.sample.name, against.sample.name, name, number, value) for name, value in names]
    return pd.DataFrame(rows, columns=["sample", "against", "class", "replicate", "fold_change"])


def in_words(changes, table):
    """Which miRs differ between samples, by `fold_changes`: a list of sentences.

    A miR that lies below its detection limit in both samples cannot be told, whatever its interval.

    table : DataFrame
        As `abundance.abundance_table` gives it.
    """
    below = table[table["molecules"] < table["detection_limit"]]
    below = set(zip(below["sample"], below["class"], strict=True))
    sentences = []
    for (name, against), own in changes.groupby(["sample", "against"], sort=False):
        verdicts = {
            mir: HOLDS if (low > 1 or high < 1) and not {(name, mir), (against, mir)} <= below else OPEN
            for mir, low, high in own[["class", "low", "high"]].itertuples(index=False)
        }
        sentences.append(f"{name} has more or less than {against} on the same area: {sort_out(verdicts)}.")
    return sentences


def folds_in_columns(changes):
    """`fold_changes` with intervals as text."""
    text = [with_interval(*one) for one in changes[["fold_change", "low", "high"]].to_numpy(float)]
    return changes[["sample", "against", "class"]].assign(**{"fold change (95 %)": text}).set_index(["sample", "against"])
