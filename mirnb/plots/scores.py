"""Draw how good classifiers are: confusion, curves, intervals, reliability (thesis Figs 7 to 9)."""

import numpy as np
import seaborn as sns

from mirnb.plots.style import (
    broken,
    figure_in,
    label_outer,
    make_axes,
    own_axes,
    plain_style,
    pt,
    put_legend,
    put_title,
    text_in,
)

_FEW = 5  # classes that are drawn at full size
_LEAST_PT = 6.0  # of any text


def draw_confusions(matrices, panel, *, title=None, figure=None):
    """Confusion matrices, each row divided by its sum (thesis Figs 7 and 8).

    Parameters
    ----------
    matrices : dict
        Title -> counts, (n_classes, n_classes), rows true.
    title : str, optional
        The classifier.
    """
    axes = confusion_axes(len(matrices), len(panel.names), figure=figure)
    for ax, (name, matrix) in zip(axes, matrices.items(), strict=True):
        draw_confusion(matrix, panel.names, ax=ax)
        put_title(ax, title, name, f"{int(matrix.sum())} crops")
        ax.set_ylabel(ax.get_ylabel() if ax.get_subplotspec().is_first_col() else None)
    return axes[0].figure


def confusion_axes(n, n_classes, *, figure=None):
    """Axes for n confusion matrices of so many classes: large enough for their numbers."""
    few, side = n_classes <= _FEW, 3.15 if n_classes <= _FEW else 0.5 * n_classes + 1.3
    return make_axes(n, width=side, height=side + 0.3, figure=figure, keeps_shape=few)


def draw_confusion(matrix, names, *, title=None, ax=None):
    """One confusion matrix of counts: in each cell the share of its true class, which is the shade, and the crops.

    Under a class stands its precision, beside it the crops that are truly of it; on the diagonal lies the recall. A dash
    is a share of nothing.
    """
    ax = confusion_axes(1, len(names))[0] if ax is None else ax
    many, n_true, n_called = len(names) > _FEW, matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):
        shares, precision = matrix / n_true[:, np.newaxis], np.diag(matrix) / n_called
    ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1, aspect="auto" if many else "equal")
    size = max(_LEAST_PT, pt(6.5 if many else 8.5))
    is_tight = _room_in(ax, len(names)) < 0.25
    for (row, col), share in np.ndenumerate(shares):
        text = f"{_short(share, many)}\n{_count(matrix[row, col], is_tight)}" if matrix[row, col] or row == col else "0"
        colour = "w" if share > 0.5 else "k" if matrix[row, col] else "0.55"
        ax.text(col, row, text, ha="center", va="center", color=colour, fontsize=size, linespacing=1.05)
    called = [f"{name}{' ' if many else chr(10)}P {_short(one, many)}" for name, one in zip(names, precision, strict=True)]
    ax.set_xticks(range(len(names)), called)
    true = [f"{name}{chr(10) if many else ' '}({n:.0f})" for name, n in zip(names, n_true, strict=True)]
    ax.set_yticks(range(len(names)), true)
    ax.set(xlabel="called, with precision P", ylabel="true (crops)")
    put_title(ax, title)
    ax.tick_params(axis="x", rotation=90 if many or text_in(called) > pt(0.55) else 0)
    ax.tick_params(length=0)
    sns.despine(ax=ax, left=True, bottom=True)
    return ax


def _short(share, many):
    """A share with two decimals; where there is little room, without its leading zero; a dash of nothing."""
    text = "–" if np.isnan(share) else f"{share:.2f}"
    return text.replace("0.", ".").replace("1.00", "1") if many else text


def _count(n, is_tight):
    """A number of crops; thousands as k where there is no room for four digits."""
    return f"{n:.0f}" if n < 1000 or not is_tight else f"{n / 1000:.1f}k" if n < 9950 else f"{n / 1000:.0f}k"


def _curve_axes(ax, xlabel, ylabel, title):
    ax = own_axes(ax, width=4.4, height=4.4, keeps_shape=True)
    ax.set(xlabel=xlabel, ylabel=ylabel, aspect="equal", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    put_title(ax, title)
    return ax


def draw_roc(curves, panel, *, title=None, ax=None):
    """ROC curve of each miR against the rest (thesis Fig 9). curves: class name -> (DataFrame of fpr and tpr, area)."""
    ax = _curve_axes(ax, "False positive rate", "True positive rate", title)
    for name, (points, area) in curves.items():
        k = panel.index(name)
        style = {"color": panel.colours[k], "ls": panel.line_styles[k], "lw": pt(1.8)}
        ax.plot(points["fpr"], points["tpr"], label=f"{name}, area {area:.3f}", **style)
    ax.plot([0, 1], [0, 1], color="0.6", lw=pt(1), ls=(0, (1, 2)), label="chance")
    put_legend(ax)
    return ax


def draw_precision_recall(curves, shares, panel, *, title=None, ax=None):
    """Precision-recall curve of each miR; its chance line lies at the share of its class.

    Parameters
    ----------
    curves : dict
        Class name -> (DataFrame of recall and precision, average precision).
    shares : mapping
        Class name -> share of the crops that are of this class.
    """
    ax = _curve_axes(ax, "Recall", "Precision", title)
    for name, (points, average) in curves.items():
        k = panel.index(name)
        style = {"color": panel.colours[k], "ls": panel.line_styles[k]}
        ax.plot(points["recall"], points["precision"], lw=pt(1.8), label=f"{name}, average {average:.3f}", **style)
        ax.axhline(shares[name], lw=pt(0.9), alpha=0.8, **style)
    ax.plot([], [], color="0.4", lw=pt(0.9), label="thin: chance, the class's share")
    put_legend(ax)
    return ax


def draw_reliability(points, ece, *, title=None, ax=None, legend=True):
    """How often the predicted class is right against its probability, with 95 % intervals; bars say where the crops are.

    Parameters
    ----------
    points : DataFrame
        As `calibration.reliability_points` gives it.
    ece : float
        The calibration error.
    legend : bool
        Say what is what; else it is left to the caller.
    """
    ax = own_axes(ax, width=4.0, height=3.9)
    share = points["n"] / points["n"].sum()
    style = {"width": points["high"] - points["low"], "align": "edge", "color": "0.87", "ec": "w"}
    ax.bar(points["low"], share, **style, label="share of the crops in a bin")
    ax.plot([0, 1], [0, 1], color="0.6", lw=pt(1), ls=(0, (1, 2)), label="as it should be")
    error = np.abs(points[["accuracy_low", "accuracy_high"]].to_numpy().T - points["accuracy"].to_numpy())
    style = {"fmt": "o-", "color": "k", "ms": pt(4), "lw": pt(1.2), "capsize": pt(2)}
    ax.errorbar(points["confidence"], points["accuracy"], yerr=error, **style, label="right, 95 % interval")
    ax.set(xlabel="Probability of the called class", ylabel="Share that is right", xlim=(0, 1), ylim=(0, 1.02))
    put_title(ax, title, f"calibration error {ece:.3f}")
    if legend:
        put_legend(ax)
    return ax


def draw_reliabilities(tables, *, figure=None):
    """`draw_reliability` of several classifiers. tables: title -> (points, calibration error)."""
    axes = make_axes(len(tables), width=2.4, height=2.9, figure=figure, sharex=True, sharey=True)
    for ax, (title, (points, ece)) in zip(axes, tables.items(), strict=True):
        draw_reliability(points, ece, title=title, ax=ax, legend=False)
    label_outer(axes)
    put_legend(axes)
    return axes[0].figure


def draw_score_intervals(scores, intervals, panel, *, printed=None, title=None, ax=None):
    """Recall and precision of each miR with intervals; open diamonds are the thesis's figures.

    Parameters
    ----------
    scores, intervals : dict
        As `scores.score` and `scores.bootstrap_intervals` give them.
    printed : dict, optional
        "recall" and "precision" -> class name -> the thesis's figure.
    """
    ax = own_axes(ax, width=max(1.0 + (1.3 if panel.n_mirs <= 6 else 0.6) * panel.n_mirs, 3.2), height=3.6)
    size = min(pt(6), 15 * _room_in(ax, panel.n_mirs))
    for column, name in enumerate(("recall", "precision")):
        for k, mir in enumerate(panel.mir_names):
            x, middle = k - 0.28 + 0.4 * column, scores[name][k]
            error = np.abs(intervals[name][:, [k]] - middle)
            style = {"color": panel.colours[k], "capsize": size / 2, "ms": size, "mfc": panel.colours[k] if column else "w"}
            ax.errorbar(x, middle, yerr=error, fmt="os"[column], **style)
            if printed:
                ax.plot(x + 0.17, printed[name][mir], "D", mfc="none", mec="k", ms=0.8 * size)
    ax.plot([], [], "o", color="0.3", mfc="w", ms=pt(6), label="recall")
    ax.plot([], [], "s", color="0.3", ms=pt(6), label="precision")
    if printed:
        ax.plot([], [], "D", mfc="none", mec="k", ms=pt(5), label="thesis")
    ax.set(ylabel="score, 95 % interval", ylim=(0, 1.02), xlim=(-0.6, panel.n_mirs - 0.4))
    label_classes(ax, panel.mir_names)
    put_title(ax, title)
    put_legend(ax)
    return ax


def _room_in(ax, n):
    """Width of one of n places along the x axis, inches, nearly."""
    n_cols = ax.get_subplotspec().get_gridspec().ncols if ax.get_subplotspec() else 1
    return 0.8 * figure_in(ax) / n_cols / n


def label_classes(ax, names):
    """Names of classes under an axis, on several lines or upright where they would run into each other."""
    room = _room_in(ax, len(names))
    lines = [broken(name, room) for name in names]
    upright = text_in(lines) > room
    ax.set_xticks(range(len(names)), names if upright else lines, rotation=90 if upright else 0)


def draw_rivals(table, *, ax=None):
    """F1 of each class, and the mean of the miRs, for each classifier, with 95 % intervals; classifiers are grey.

    table : DataFrame
        As `comparison.compare` gives it.
    """
    classes, names = list(dict.fromkeys(table["class"])), list(dict.fromkeys(table["classifier"]))
    ax = own_axes(ax, width=2.0 + (1.2 if len(classes) <= 6 else 0.5) * len(classes), height=3.8)
    size = min(pt(5), 50 * _room_in(ax, len(classes)) / len(names))
    for k, name in enumerate(names):
        own = table[table["classifier"] == name].set_index("class").loc[classes]
        x = np.arange(len(classes)) + 0.7 / len(names) * (k - (len(names) - 1) / 2)
        error = np.abs(own[["f1 low", "f1 high"]].to_numpy().T - own["f1"].to_numpy())
        style = {**plain_style(len(names) - 1 - k, line=False), "lw": pt(1.2), "ms": size, "capsize": size / 2}
        ax.errorbar(x, own["f1"], yerr=error, label=name, **style)
    for k in range(1, len(classes)):
        ax.axvline(k - 0.5, color="0.9", lw=pt(0.8), zorder=0)
    ax.set(ylabel="F1 on test, 95 % interval", ylim=(None, 1.0), xlim=(-0.5, len(classes) - 0.5))
    label_classes(ax, classes)
    put_legend(ax)
    return ax


def draw_learning_curve(table, *, reference=None, ax=None):
    """Mean F1 over the miRs against the number of training labels: each training a point.

    From three numbers of labels on, a line joins the means; from three repeats on, bars span them.

    Parameters
    ----------
    table : DataFrame
        As `learning_curve.measure_learning_curve` gives it.
    reference : float, optional
        LeNet-5's with all labels.
    """
    ax = own_axes(ax, width=5.4, height=3.8)
    n_ways = table["way"].nunique()
    for k, (way, own) in enumerate(table.groupby("way", sort=False)):
        grouped, shift = own.groupby("share"), 1 + 0.025 * (k - (n_ways - 1) / 2)
        labels, f1, style = grouped["labels"].mean() * shift, grouped["macro_f1_mir"], plain_style(k)
        ax.plot(own["labels"] * shift, own["macro_f1_mir"], **{**style, "ls": ""}, label=way if len(labels) < 3 else None)
        if len(labels) >= 3:
            ax.plot(labels, f1.mean(), label=way, **{**style, "ms": 0 if own["seed"].nunique() > 1 else style["ms"]})
        spread = f1.size() >= 3
        if spread.any():
            ax.vlines(labels[spread], f1.min()[spread], f1.max()[spread], color=style["color"], lw=pt(0.8))
    if reference is not None:
        ax.axhline(reference, color="0.5", lw=pt(1), ls=(0, (1, 2)), label="LeNet-5, all labels")
    ax.set(xscale="log", xlabel="training labels (all classes)", ylabel="mean F1 over the miRs, test")
    ticks = table.groupby("share")["labels"].mean().round()
    ax.set_xticks(ticks, [str(int(tick)) for tick in ticks])
    ax.minorticks_off()
    ax.margins(0.08, 0.1)
    put_legend(ax)
    return ax


def draw_rejection(curves, *, least_accepted=30, figure=None):
    """Crosstalk between miRs against the share of calls rejected: each classifier with its 95 % interval, before the others.

    Parameters
    ----------
    curves : dict
        Title -> `calibration.rejection_curve`.
    least_accepted : int
        Where fewer calls of a miR are accepted the line ends: too few to tell.
    """
    axes = make_axes(len(curves), width=2.4, height=2.8, figure=figure, sharex=True, sharey=True)
    told = {title: 100 * curve[curve["accepted"] >= least_accepted] for title, curve in curves.items()}
    for ax, (title, curve) in zip(axes, told.items(), strict=True):
        for name, other in told.items():
            if name != title:
                ax.plot(other["rejected"], other["crosstalk"], color="0.75", lw=pt(0.9), label="the other classifiers")
        ends = curve["crosstalk_low"], curve["crosstalk_high"]
        ax.fill_between(curve["rejected"], *ends, color="0.85", lw=0, label="95 % (Wilson) interval")
        ax.plot(curve["rejected"], curve["crosstalk"], color="k", lw=pt(1.8), label="crosstalk")
        put_title(ax, title)
        ax.set(xlabel="calls of a miR rejected (%)", ylabel="crosstalk between miRs (%)", xlim=(0, 100))
    axes[0].set_ylim(0, None)
    label_outer(axes)
    put_legend(axes)
    return axes[0].figure
