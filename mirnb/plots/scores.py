"""Draw how good classifiers are: confusion, curves, intervals, reliability (thesis Figs 7 to 9)."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from sklearn.metrics import ConfusionMatrixDisplay

_RIVAL_MARKERS = "xsoD^vP*"


def draw_confusions(matrices, panel):
    """Confusion matrices, each row divided by its sum, precision and recall on the diagonal (thesis Figs 7 and 8).

    Parameters
    ----------
    matrices : dict
        Title -> counts, (n_classes, n_classes), rows true.
    """
    n = len(panel.names)
    size = 3.9 if n <= 5 else 0.62 * n + 1.2
    n_cols = len(matrices) if n <= 8 else 1  # more would be too small to read on a page
    n_rows = len(matrices) // n_cols
    figure, axes = plt.subplots(n_rows, n_cols, figsize=(size * n_cols, size * n_rows), squeeze=False)
    for ax, (title, matrix) in zip(axes.flat, matrices.items(), strict=True):
        draw_confusion(matrix, panel.names, ax=ax)
        ax.set_title(f"{title} ({int(matrix.sum())})")
    return figure


def draw_confusion(matrix, names, *, ax=None):
    """One confusion matrix of counts: shade and number are the share of the true class, P and R stand on the diagonal."""
    if ax is None:
        _, ax = plt.subplots()
    with np.errstate(invalid="ignore"):
        shares = matrix / matrix.sum(axis=1, keepdims=True)
        precision = np.diag(matrix) / matrix.sum(axis=0)
    display = ConfusionMatrixDisplay(np.nan_to_num(shares), display_labels=names)
    display.plot(ax=ax, cmap="Blues", colorbar=False, include_values=False, im_kw={"vmin": 0, "vmax": 1})
    small = len(names) > 5
    for row in range(len(names)):
        for col in range(len(names)):
            share = shares[row, col]
            text = f"P {precision[col]:.2f}\nR {share:.2f}" if row == col else f"{share:.2f}"
            text = "" if row != col and (share < 0.005 or np.isnan(share)) else text.replace("nan", "–")
            ax.text(
                col, row, text, ha="center", va="center", color="w" if share > 0.5 else "k", fontsize=6.5 if small else 9
            )
    ax.tick_params(axis="x", rotation=90 if small else 0)
    sns.despine(ax=ax, left=True, bottom=True)
    return ax


def draw_roc(curves, panel, *, ax=None):
    """ROC curve of each miR against the rest (thesis Fig 9). curves: class name -> (DataFrame of fpr and tpr, area)."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.8, 4.6))
    for name, (points, area) in curves.items():
        k = panel.index(name)
        label = f"{name} (area {area:.3f})"
        ax.plot(points["fpr"], points["tpr"], color=panel.colours[k], ls=panel.line_styles[k], lw=1.8, label=label)
    ax.plot([0, 1], [0, 1], color="0.6", lw=1, ls=(0, (1, 2)), label="chance")
    ax.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(fontsize="small", **_legend_place(len(curves), "lower right"))
    return ax


def _legend_place(n_lines, inside):
    """Where a legend stands: inside the axes, or beside them when there are too many lines."""
    return {"loc": inside} if n_lines <= 5 else {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}


def draw_precision_recall(curves, shares, panel, *, ax=None):
    """Precision-recall curve of each miR; its chance line lies at the share of its class.

    Parameters
    ----------
    curves : dict
        Class name -> (DataFrame of recall and precision, average precision).
    shares : mapping
        Class name -> share of the crops that are of this class.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.8, 4.6))
    for name, (points, average) in curves.items():
        k = panel.index(name)
        style = {"color": panel.colours[k], "ls": panel.line_styles[k]}
        ax.plot(points["recall"], points["precision"], lw=1.8, label=f"{name} (average {average:.3f})", **style)
        ax.axhline(shares[name], lw=0.9, alpha=0.7, **style)
    ax.set(xlabel="Recall", ylabel="Precision", aspect="equal", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(fontsize="small", title="thin lines: chance", **_legend_place(len(curves), "center left"))
    return ax


def draw_reliability(table, ece, *, ax=None):
    """How often the predicted class is right against its probability; the grey bars count crops."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 4.2))
    filled = table[table["n"] > 0]
    width = table["high"].iloc[0] - table["low"].iloc[0]
    ax.bar(filled["low"], filled["n"] / filled["n"].sum(), width=width, align="edge", color="0.88", label="share of crops")
    ax.plot([0, 1], [0, 1], color="0.6", ls=(0, (1, 2)), label="perfect")
    error = np.sqrt(filled["accuracy"] * (1 - filled["accuracy"]) / filled["n"])
    ax.errorbar(filled["confidence"], filled["accuracy"], yerr=error, fmt="o-", color="k", ms=4, label=f"ECE {ece:.3f}")
    ax.set(xlabel="Probability of the predicted class", ylabel="Share that is right", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(loc="upper left", fontsize="small")
    return ax


def draw_score_intervals(scores, intervals, panel, *, printed=None, ax=None):
    """Recall and precision of each miR with intervals; open diamonds are the thesis's figures.

    Parameters
    ----------
    scores, intervals : dict
        As `scores.score` and `scores.bootstrap_intervals` give them.
    printed : dict, optional
        "recall" and "precision" -> class name -> the thesis's figure.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(1.5 + (1.5 if panel.n_mirs <= 6 else 0.75) * panel.n_mirs, 3.6))
    for column, name in enumerate(("recall", "precision")):
        for k, mir in enumerate(panel.mir_names):
            x = k + (column - 0.5) * 0.3
            middle = scores[name][k]
            low, high = intervals[name][:, k]
            error = [[max(middle - low, 0)], [max(high - middle, 0)]]
            ax.errorbar(x, middle, yerr=error, fmt="os"[column], color=panel.colours[k], capsize=3)
            if printed:
                ax.plot(x + 0.08, printed[name][mir], "D", mfc="none", mec="k", ms=6)
    ax.plot([], [], "o", color="0.3", label="recall")
    ax.plot([], [], "s", color="0.3", label="precision")
    if printed:
        ax.plot([], [], "D", mfc="none", mec="k", label="thesis")
    ax.set(xticks=range(panel.n_mirs), xticklabels=panel.mir_names, ylabel="score, 95 % interval", ylim=(0, 1.02))
    ax.tick_params(axis="x", rotation=0 if panel.n_mirs <= 6 else 60)
    ax.legend(loc="lower left", fontsize="small", ncols=3)
    return ax


def draw_rivals(table, *, ax=None):
    """F1 of each class, and the mean of the miRs, for each classifier, with 95 % intervals; colours go by classifier.

    table : DataFrame
        As `comparison.compare` gives it.
    """
    classes, names = list(dict.fromkeys(table["class"])), list(dict.fromkeys(table["classifier"]))
    if ax is None:
        _, ax = plt.subplots(figsize=(2.5 + (1.5 if len(classes) <= 8 else 0.75) * len(classes), 3.8))
    for k, name in enumerate(names):
        own = table[table["classifier"] == name].set_index("class").loc[classes]
        x = np.arange(len(classes)) + 0.16 * (k - (len(names) - 1) / 2)
        error = np.abs(np.stack([own["f1"] - own["f1 low"], own["f1 high"] - own["f1"]]))
        style = {"marker": _RIVAL_MARKERS[k % len(_RIVAL_MARKERS)], "color": sns.color_palette("colorblind")[k]}
        ax.errorbar(x, own["f1"], yerr=error, ls="", capsize=3, label=name, **style)
    ax.set(xticks=range(len(classes)), xticklabels=classes, ylabel="F1 on test, 95 % interval", ylim=(None, 1.0))
    ax.tick_params(axis="x", rotation=0 if len(classes) <= 8 else 60)
    ax.figure.legend(fontsize="small", loc="outside right center")
    return ax


def draw_learning_curve(table, *, reference=None, ax=None):
    """Mean F1 over the miRs against the number of training labels, a line for each way; bars span the repeats.

    Parameters
    ----------
    table : DataFrame
        As `learning_curve.measure_learning_curve` gives it.
    reference : float, optional
        LeNet-5's with all labels.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6.2, 3.8))
    for k, (way, own) in enumerate(table.groupby("way", sort=False)):
        grouped = own.groupby("share")
        labels, f1 = grouped["labels"].mean(), grouped["macro_f1_mir"]
        error = np.stack([f1.mean() - f1.min(), f1.max() - f1.mean()])
        style = {"marker": "oDs^"[k % 4], "ls": ("-", "--", "-.", ":")[k % 4], "color": sns.color_palette("colorblind")[k]}
        ax.errorbar(labels * (1 + 0.02 * k), f1.mean(), yerr=error, capsize=3, label=way, **style)
    if reference is not None:
        ax.axhline(reference, color="0.5", ls=(0, (1, 2)), label="LeNet-5, all labels")
    ax.set(xscale="log", xlabel="training labels (all classes)", ylabel="mean F1 over the miRs, test")
    ticks = table.groupby("share")["labels"].mean().round()
    ax.set_xticks(ticks, [str(int(tick)) for tick in ticks])
    ax.minorticks_off()
    ax.legend(fontsize="small", loc="lower right")
    return ax


def draw_reliabilities(tables):
    """`draw_reliability` of several classifiers side by side. tables: title -> (table, calibration error)."""
    figure, axes = plt.subplots(1, len(tables), figsize=(3.7 * len(tables), 3.7), squeeze=False, sharey=True)
    for ax, (title, (table, ece)) in zip(axes.flat, tables.items(), strict=True):
        draw_reliability(table, ece, ax=ax)
        ax.set_title(title)
    for ax in axes.flat[1:]:
        ax.set_ylabel("")
    return figure


def draw_rejection(curves, *, least_accepted=30, ax=None):
    """Crosstalk between miRs against the share of calls rejected, as far as enough calls are left to tell.

    Parameters
    ----------
    curves : dict
        Title -> `calibration.rejection_curve`.
    least_accepted : int
        Where fewer calls are accepted the line ends.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(5.6, 3.8))
    for k, (title, curve) in enumerate(curves.items()):
        curve = curve[curve["accepted"] >= least_accepted]
        style = {"color": sns.color_palette("colorblind")[k], "ls": ("-", "--", "-.", ":")[k % 4]}
        ax.plot(100 * curve["rejected"], 100 * curve["crosstalk"], lw=1.8, label=title, **style)
    ax.set(
        xlabel="Calls of a miR rejected as unsure (%)", ylabel="Crosstalk between miRs (%)", xlim=(-1, 100), ylim=(0, None)
    )
    ax.legend(fontsize="small")
    return ax
