"""What sweeps show: does a score on validation fall from a certain value on, as the thesis says? Do two values differ?

Compared are the means over trainings; the 95 % interval of their difference is Welch's, over trainings. It tells of these
validation crops, as all trainings are judged on the same.
"""

import warnings

import numpy as np
import pandas as pd
from scipy import stats

from mirnb.classifiers.scores import judge
from mirnb.studies import thesis


def measure_declines(table, panel):
    """Every decline the thesis speaks of, in the sweeps of a table.

    Parameters
    ----------
    table : DataFrame
        As `tuning.tune` gives it.

    Returns
    -------
    DataFrame, indexed by figure
        One row a sweep, measure and class: sweep, score, class, at (mean at the value), beyond (mean at all larger ones),
        difference, low, high (its 95 % interval, NaN where it cannot be told), verdict. Empty for another panel.
    """
    rows = []
    validation = table[table["set"] == "validation"]
    for one in thesis.DECLINES if thesis.is_thesis_panel(panel) else ():
        for others, sweep in validation[validation["setting"] == one.setting].groupby("others", sort=False):
            x = sweep["value"].astype(float)
            for measure in one.measures:
                for name in one.classes:
                    own = sweep[measure].where(sweep["class"] == name)
                    at, beyond = own[x == float(one.value)].dropna(), own[x > float(one.value)].dropna()
                    rows.append(
                        {
                            "figure": one.figure, "declines at": f"{one.setting} = {one.value}", "with": others,
                            "score": measure, "class": name, "at": at.mean(), "beyond": beyond.mean(),
                            **_difference(at, beyond),
                        }
                    )  # fmt: skip
    columns = ["figure", "declines at", "with", "score", "class", "at", "beyond", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns).set_index("figure")


def compare_values(table, one, other):
    """Scores on validation with one value of a setting, and with another.

    Parameters
    ----------
    table : DataFrame
        Rows of one sweep, as `tuning.tune` gives them.
    one, other : str
        Values.

    Returns
    -------
    DataFrame, indexed by class and score
        Mean with each value, difference (other less one), low, high (its 95 % interval).
    """
    validation = table[table["set"] == "validation"]
    rows = []
    for name, own in validation.groupby("class", sort=False):
        for score in ("precision", "recall", "f1"):
            first, second = (own.loc[own["value"] == value, score].dropna() for value in (one, other))
            found = {"class": name, "score": score, one: first.mean(), other: second.mean(), **_difference(first, second)}
            rows.append({key: value for key, value in found.items() if key != "verdict"})
    return pd.DataFrame(rows).set_index(["class", "score"])


def marked_values(panel):
    """The value at which the thesis sees a decline, by setting; none for another panel."""
    return {one.setting: one.value for one in thesis.DECLINES} if thesis.is_thesis_panel(panel) else {}


def _difference(at, beyond):
    """How much higher the scores are beyond: difference, low, high, and whether they decline."""
    low = high = np.nan
    if min(len(at), len(beyond)) > 1 and max(np.ptp(at), np.ptp(beyond)) > 0:
        with warnings.catch_warnings():  # scipy warns where one of the two has the same score in all repeats
            warnings.simplefilter("ignore", RuntimeWarning)
            low, high = stats.ttest_ind(beyond, at, equal_var=False).confidence_interval(0.95)
    return {"difference": beyond.mean() - at.mean(), "low": low, "high": high, "verdict": judge(-high, -low)}
