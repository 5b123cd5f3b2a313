"""What notebooks said at their ends, and the numbers of the tables they wrote, to hold the one to the other."""

import json
import re

import nbformat
import numpy as np
import pandas as pd

TABLES = {  # of which a notebook's last sentences speak
    "01_templates": ["split_counts", "template_overlap"],
    "02_correlation_comparison": ["signal_to_background", "peaks", "bright_peaks"],
    "03_training": ["losses", "runs"],
    "04_evaluation": ["scores_test", "runs_test"],
    "05_roc_pr": ["areas"],
    "06_tuning": ["tuning_summary", "descent", "declines_network"],
    "07_optimizers": ["optimizers_summary", "declines_optimizers"],
    "08_classifiers": ["rivals", "rejection_twin_cnn", "claims"],
    "09_quantification": ["stacks", "abundance", "fold_changes"],
    "10_panel_design": ["design_separations", "design_scores", "design_least_flux"],
    "11_assay": ["stacks", "assay_curve", "assay_readings"],
}
METRICS = {
    "03_training": ["lenet5"],
    "04_evaluation": ["lenet5"],
    "08_classifiers": ["twin_cnn", "lenet5", "pca_svm", "matched_filter"],
}
CONSTANT = {"95", "97.5", "0.500", "1"}  # of intervals, of guessing, of a template with itself
_NUMBER = re.compile(r"(?<![\w.=×(-])([+-]?\d[\d,]*\.?\d*)(?![\w×=-]|\.\d)")


def conclusion(run, notebook):
    """The sentences a notebook of a run ended with."""
    done = nbformat.read(run / "notebooks" / f"{notebook}.ipynb", as_version=4)
    (cell,) = [cell for cell in done.cells if "conclusion" in cell.metadata.get("tags", [])]
    assert cell is done.cells[-1]
    return "".join(out.text for out in cell.outputs).splitlines()


def numbers_in(sentence):
    """Numbers of a sentence as they are written; those that belong to a name (filter1, 2x2) are none."""
    return [one for one in _NUMBER.findall(sentence.replace("(", "( ").replace("LeNet-5", "LeNet")) if one not in CONSTANT]


def stands_in(text, known):
    """Whether a number as written is one of some values, rounded, or one of them in percent."""
    value, half = float(text.replace(",", "")), 0.5 * 10.0 ** -len(text.partition(".")[2]) + 1e-9
    return bool(np.any(np.abs(known - value) <= half) or np.any(np.abs(100 * known - value) <= half))


def known_numbers(run, notebook):
    """All that the tables of a notebook hold, their lengths, sums and counts of equal words; confusion counts likewise."""
    found = []
    for name in TABLES[notebook]:
        table = pd.read_csv(run / ("assay" if notebook == "11_assay" else "tables") / f"{name}.csv")
        numeric = table.select_dtypes("number").astype(float)
        found += [*numeric.to_numpy().ravel(), *numeric.sum(), len(table)]
        if {"training", "validation"} <= set(table) and "weights" in table:
            found += list(table["training"] - table["validation"])
        for column in table.select_dtypes(exclude="number"):
            words = table[column].dropna().astype(str)
            found += [*words.value_counts(), words.nunique()]
            found += [float(one.replace(",", "")) for text in words for one in numbers_in(text)]
        if "verdict" in table:
            words = table["verdict"].str.extract("^(holds|does not hold|cannot be told|not measured)")[0]
            found += [*words.value_counts()]
        if "recovery" in table:
            found += [(table["recovery_low"].le(1) & table["recovery_high"].ge(1)).sum(), table["recovery"].notna().sum()]
        if "true" in table:
            found.append(table["true"].between(table["low"], table["high"]).sum())
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    for kind in METRICS.get(notebook, []):
        for scores in metrics["classifiers"][kind].values():
            matrix = np.array(scores["confusion"])
            wrong = matrix - np.diag(np.diag(matrix))
            with_noise = wrong[-1].sum() + wrong[:, -1].sum()
            found += [*matrix.ravel(), *matrix.sum(axis=1), matrix.sum(), wrong.sum(), with_noise, wrong.sum() - with_noise]
            found += _leaves(scores)
    found += _leaves(metrics.get("differences", {})) if notebook == "08_classifiers" else []
    return np.array(found, float)


def _leaves(values):
    if isinstance(values, dict | list):
        return [leaf for one in (values.values() if isinstance(values, dict) else values) for leaf in _leaves(one)]
    return [np.nan if values is None else float(values)] if isinstance(values, int | float | None) else []
