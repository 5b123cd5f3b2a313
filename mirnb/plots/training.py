"""Draw crops by class, the network, learning curves and sweeps (thesis Figs 3 to 6 and 11 to 14)."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from mirnb.plots.scores import label_classes
from mirnb.plots.style import label_outer, make_axes, own_axes, plain_style, pt, put_legend, put_title, width_in

FEW_REPEATS = 5  # with fewer, each is a point: a band would be made of nothing
_SETTINGS = {
    "filter1": "filters of the first convolution", "filter2": "filters of the second convolution",
    "filter3": "units of the first dense layer", "kernel": "side of the kernels, px", "pool": "pooling, rows x columns",
    "sgd": "learning rate of SGD", "adam": "learning rate of Adam", "epochs": "epochs", "batch_size": "crops a batch",
    "padding": "padding of the pooling",
}  # fmt: skip


def draw_class_counts(table, panel, *, figure=None):
    """Crops of each class in each set, as bars with their numbers (thesis cell 17). table: classes x sets."""
    width, many = max(3.4, 0.42 * panel.n_mirs + 0.6), panel.n_mirs > 4
    axes = make_axes(table.shape[1], width=width, height=3.2, figure=figure, sharey=True)
    for ax, name in zip(axes, table.columns, strict=True):
        bars = ax.bar(range(len(table)), table[name], color=panel.colours)
        ax.bar_label(bars, padding=2, fontsize=plt.rcParams["xtick.labelsize"], rotation=90 if many else 0)
        label_classes(ax, list(table.index))
        ax.margins(y=0.15 if many else 0.08)
        put_title(ax, f"{name} ({table[name].sum()})")
        ax.set(ylabel="crops" if ax.get_subplotspec().is_first_col() else None)
    return axes[0].figure


def draw_network(layers, *, ax=None):
    """The network as a row of feature maps (thesis Fig 3), in a narrow column from top to bottom, maps on their side.

    layers : DataFrame with layer, shape (tuple without the batch), weights
    """
    across = width_in() > pt(9)
    ax = own_axes(ax, width=9.6, height=3.7) if across else own_axes(ax, width=4.8, height=0.62 * len(layers))
    last = 0
    for k, layer in enumerate(layers.to_dict("records")):
        shape, x, y = layer["shape"], 1.55 * k * across, -1.9 * k * (not across)
        size = "x".join(map(str, shape[:2])) + f", {shape[2]} maps" if len(shape) == 3 else f"{shape[0]} units"
        weights = f"\n{layer['weights']:,} weights" if layer["weights"] else ""
        far = _stack_maps(ax, shape, x, y, across=across)
        where = {"ha": "center", "va": "top"} if across else {"ha": "left", "va": "center"}
        text = f"{layer['layer']}{chr(10) if across else ': '}{size}{weights}"
        ax.text(x if across else 3.1, -2.3 if across else y, text, fontsize=max(pt(8), 6.5), **where)
        if k:
            start, end = ((x - 1.55 + last, 0), (x - far, 0)) if across else ((0, y + 1.9 - last), (0, y + far))
            ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "lw": pt(1), "color": "0.4", "shrinkA": 1})
        last = far
    ends = (-0.8, x + 0.8, -3.6, 2.1) if across else (-2.6, 8.4, y - 1.0, 1.2)
    ax.set(xlim=ends[:2], ylim=ends[2:])
    put_title(ax, f"{layers['weights'].sum():,} trainable weights")
    ax.axis("off")
    return ax


def _stack_maps(ax, shape, x, y, *, across):
    """Feature maps of a layer, or its units, about a place: how far they reach along the way from layer to layer."""
    planes = min(shape[2], 6) if len(shape) == 3 else 1
    high, wide = (0.6 + shape[0] / 12, 0.2 + shape[1] / 20) if len(shape) == 3 else (0.8 + min(shape[0], 256) / 110, 0.22)
    width, height = (wide, high) if across else (high * 1.2, wide)
    step = 0.09 * (np.arange(planes) - (planes - 1) / 2)
    for plane, shift in enumerate(step):
        at = (x + shift - width / 2, y - 0.7 * shift - height / 2)
        face = sns.color_palette("crest")[1]
        ax.add_patch(Rectangle(at, width, height, fc=face, ec="k", lw=pt(0.8), alpha=0.9, zorder=planes - plane))
    return (wide + (step[-1] - step[0]) * (1 if across else 0.7)) / 2


def draw_learning_curves(histories, *, printed=None, figure=None):
    """Losses of each run over the epochs, and their mean.

    Parameters
    ----------
    histories : sequence of DataFrame
        One row an epoch: loss, val_loss.
    printed : dict, optional
        The thesis's loss and val_loss, as `thesis.printed_losses` gives them.
    """
    axes = make_axes(2, width=4.0, height=3.5, figure=figure, sharey=True)
    for ax, (column, name) in zip(axes, {"loss": "training", "val_loss": "validation"}.items(), strict=True):
        all_runs = np.array([history[column] for history in histories])
        epochs = np.arange(1, all_runs.shape[1] + 1)
        lines = ax.plot(epochs, all_runs.T, color="0.78", lw=pt(0.8))
        lines[0].set_label("one run")
        ax.plot(epochs, all_runs.mean(axis=0), color="k", lw=pt(2), label=f"mean of {len(all_runs)} runs")
        if printed:
            told = printed[column]
            style = {"ls": "--", "marker": "o", "mfc": "w", "color": "0.35", "ms": pt(4.5), "lw": pt(1.2)}
            ax.plot(np.arange(1, len(told) + 1), told, **style, label="thesis, one run")
        put_title(ax, name)
        ax.set(xlabel="epoch", ylim=(0, None), ylabel="cross-entropy")
    label_outer(axes)
    put_legend(axes)
    return axes[0].figure


def draw_sweep(table, panel, *, x_scale="linear", marked=None, figure=None):
    """Precision and recall of each miR against a setting, on training and validation (thesis Figs 5, 6, 11 to 14).

    Lines are medians over the repeats. With fewer than FEW_REPEATS of them each is a point, else bands go from the 10th to
    the 90th percentile. Marks at the foot tell where a class was never called, so that its precision is undefined, and how
    many of the repeats diverged.

    Parameters
    ----------
    table : DataFrame
        Rows of one sweep, as `tuning.tune` gives them.
    x_scale : "linear" or "log"
    marked : str, optional
        A value to mark: where the thesis says that scores decline.
    """
    setting, values = table["setting"].iloc[0], list(dict.fromkeys(table["value"]))
    x = np.array([float(value) for value in values]) if all(map(_is_number, values)) else np.arange(len(values))
    axes = make_axes(4, width=4.0, height=2.6, most_cols=2, figure=figure, sharex=True, sharey=True)
    panels = [(measure, name) for measure in ("precision", "recall") for name in ("training", "validation")]
    undefined = False
    for ax, (measure, name) in zip(axes, panels, strict=True):
        ax.set_xscale(x_scale)
        own = table[table["set"] == name]
        for k in range(panel.n_mirs):
            undefined |= _draw_class(ax, own[own["class"] == panel.names[k]], measure, values, x, k, panel)
        if marked in values:
            ax.axvline(x[values.index(marked)], color="0.5", lw=pt(1), ls=(0, (1, 2)), label="declines from here, thesis")
        _cross_diverged(own, values, x, ax)
        put_title(ax, f"{name}, {table['seed'].nunique()} repeats")
        ax.set(ylabel=measure)
        ax.margins(y=0.12)
    for ax in axes:
        _label_values(ax, setting, values, x)
    label_outer(axes)
    few = table["seed"].nunique() < FEW_REPEATS
    axes[-1].plot([], [], color="0.3", ls="-", label="median" if few else "median, and 10th to 90th percentile")
    if few:
        axes[-1].plot([], [], "o", color="0.3", mfc="none", ms=pt(4.5), mew=pt(0.9), label="one repeat")
    if undefined:
        axes[-1].plot([], [], color="0.3", label="undefined: never called", **_FOOT)
    put_legend(axes)
    return axes[0].figure


def _is_number(value):
    return value.replace(".", "", 1).replace("e-", "", 1).isdigit()


def _draw_class(ax, own, measure, values, x, k, panel):
    """One class of a sweep: medians, repeats or a band, and where its score is undefined: whether it is anywhere."""
    grouped, colour, name = own.groupby("value", sort=False)[measure], panel.colours[k], panel.names[k]
    low, middle, high = (grouped.quantile(share).loc[values] for share in (0.1, 0.5, 0.9))
    is_number = all(map(_is_number, values))  # kinds of pooling are no steps of one thing
    line = {"color": colour, "ls": panel.line_styles[k] if is_number else ""}
    mark = {"marker": panel.markers[k], "ms": pt(4.5), "mew": pt(0.9)}
    ax.plot(x, middle, **line, **(mark if is_number else {"marker": "_", "ms": pt(14), "mew": pt(1.6)}))
    if own["seed"].nunique() >= FEW_REPEATS:
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0) if is_number else ax.vlines(x, low, high, color=colour)
    else:
        ax.lines[-1].set_marker("" if is_number else "_")
        ax.plot([x[values.index(value)] for value in own["value"]], own[measure], color=colour, ls="", mfc="none", **mark)
    ax.plot([], [], label=name, mfc="none", **line, **mark)
    undefined = own[own[measure].isna() & ~own["diverged"].astype(bool)]["value"].unique()
    at, height = [x[values.index(value)] for value in undefined], 0.03 + 0.1 * k / max(panel.n_mirs, 4)
    ax.plot(at, np.full(len(at), height), color=colour, transform=ax.get_xaxis_transform(), **_FOOT)
    return len(undefined) > 0


_FOOT = {"ls": "", "marker": "1", "ms": 8, "mew": 1.4}  # of what is undefined


def _cross_diverged(rows, values, x, ax):
    """A cross and a count at the foot of each value at which trainings diverged."""
    counts = rows.groupby(["value", "seed"], sort=False)["diverged"].first().groupby("value", sort=False).sum()
    for at, value in zip(x, values, strict=True):
        if counts[value]:
            foot = {"transform": ax.get_xaxis_transform(), "color": "0.3", "clip_on": False}
            ax.plot([at], [0.03], marker="x", ls="", **foot, label="diverged (number)")
            ax.text(at, 0.07, str(counts[value]), ha="center", fontsize=plt.rcParams["xtick.labelsize"], **foot)


def _label_values(ax, setting, values, x):
    """The values of a setting as ticks, those that would overlap left out."""
    place = np.log(x) if ax.get_xscale() == "log" else x
    room, shown = 0.08 * (place.max() - place.min()), []
    for k in range(len(x)):
        if not shown or place[k] - place[shown[-1]] >= room:
            shown.append(k)
    ax.set_xticks(x[shown], [values[k] for k in shown])
    ax.minorticks_off()
    ax.set_xlabel(_SETTINGS[setting])


def draw_complexity(summary, *, figure=None):
    """Median F1 against the number of weights, for each sweep, on training and validation (thesis Fig 4, a schematic there).

    Lines join values of a number alone: kinds of pooling are no steps of one thing. The optimum, the highest median on
    validation, is marked there.

    Parameters
    ----------
    summary : DataFrame
        As `tuning.summary` gives it: index setting, others, value; columns training, validation, weights.
    """
    axes = make_axes(2, width=3.9, height=3.7, figure=figure, sharex=True, sharey=True)
    best = summary["validation"].idxmax()
    for ax, name in zip(axes, ("training", "validation"), strict=True):
        for k, (setting, own) in enumerate(summary.groupby(level="setting", sort=False)):
            own = own.sort_values("weights")
            is_number = all(map(_is_number, own.index.get_level_values("value")))
            ax.plot(own["weights"], own[name], label=setting, **plain_style(k, line=is_number))
        if name == "validation":
            at = summary.loc[best]
            ax.plot(at["weights"], at[name], "*", ms=pt(15), mfc="none", mec="k", label=f"optimum: {best[0]} = {best[2]}")
        put_title(ax, name)
        ax.set(xscale="log", xlabel="weights", ylabel="mean F1 over the miRs, median")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    label_outer(axes)
    put_legend(axes)
    return axes[0].figure
