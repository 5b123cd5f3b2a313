"""Draw crops by class, the network, learning curves and sweeps (thesis Figs 3 to 6 and 11 to 14)."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import ConnectionPatch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter


def draw_class_counts(table, panel):
    """Crops of each class in each set, as bars with their numbers (thesis cell 17). table: classes x sets."""
    width, many = max(3.4, 0.42 * panel.n_mirs + 0.6), panel.n_mirs > 4
    figure, axes = plt.subplots(1, table.shape[1], figsize=(width * table.shape[1], 3.4), sharey=True, squeeze=False)
    for ax, name in zip(axes.flat, table.columns, strict=True):
        bars = ax.bar(table.index, table[name], color=panel.colours)
        ax.bar_label(bars, padding=2, fontsize="small" if many else None)
        ax.set(title=f"{name} ({table[name].sum()})")
        ax.tick_params(axis="x", rotation=90 if many else 0)
    axes[0, 0].set_ylabel("crops")
    return figure


def draw_network(layers):
    """The network as a row of feature maps (thesis Fig 3).

    layers : DataFrame with layer, shape (tuple without the batch), weights
    """
    figure, ax = plt.subplots(figsize=(13, 4.6))
    x, ends = 0.0, []
    for _, layer in layers.iterrows():
        shape = layer["shape"]
        if len(shape) == 3:
            rows, cols, channels = shape
            height, width, planes = 0.6 + rows / 12, 0.25 + cols / 14, min(channels, 6)
        else:
            height, width, planes = 0.8 + min(shape[0], 256) / 110, 0.22, 1
        for plane in range(planes):
            shift = 0.1 * plane
            ax.add_patch(
                Rectangle((x + shift, -height / 2 - shift * 0.7), width, height, fc=sns.color_palette("crest")[1], ec="k",
                          lw=0.8, alpha=0.9, zorder=planes - plane)
            )  # fmt: skip
        right = x + width + 0.1 * (planes - 1)
        size = "x".join(map(str, shape[:2])) + f", {shape[2]} maps" if len(shape) == 3 else f"{shape[0]} units"
        weights = f"\n{layer['weights']:,} weights" if layer["weights"] else ""
        ax.text((x + right) / 2, -2.25, f"{layer['layer']}\n{size}{weights}", ha="center", va="top", fontsize=8)
        if ends:
            ax.add_patch(
                ConnectionPatch((ends[-1] + 0.06, 0), (x - 0.06, 0), "data", "data", arrowstyle="-|>", lw=1, color="0.4")
            )
        ends.append(right)
        x = max(right + 0.75, (x + right) / 2 + 1.55)
    ax.set(xlim=(-0.6, x - 0.2), ylim=(-3.3, 2.1), title=f"{int(layers['weights'].sum()):,} trainable weights")
    ax.axis("off")
    return figure


def draw_learning_curves(histories, *, printed=None):
    """Losses of each run over the epochs, and their mean.

    Parameters
    ----------
    histories : sequence of DataFrame
        One row an epoch: loss, val_loss.
    printed : dict, optional
        The thesis's loss and val_loss, as `thesis.printed_losses` gives them.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    for ax, (column, name) in zip(axes, {"loss": "training", "val_loss": "validation"}.items(), strict=True):
        all_runs = np.array([history[column] for history in histories])
        epochs = np.arange(1, all_runs.shape[1] + 1)
        ax.plot(epochs, all_runs.T, color="0.75", lw=0.8)
        ax.plot(epochs, all_runs.mean(axis=0), color="k", lw=2, label=f"mean of {len(all_runs)} runs")
        if printed:
            told = printed[column]
            ax.plot(np.arange(1, len(told) + 1), told, "o--", color="#D55E00", ms=4, label="thesis, one run")
        ax.set(title=name, xlabel="epoch", ylim=(0, None))
        ax.legend()
    axes[0].set_ylabel("cross-entropy")
    return figure


def draw_sweep(table, panel, *, x_scale="linear", marked=None):
    """Precision and recall of each miR against a setting, on training and validation (thesis Figs 5, 6, 11 to 14).

    Lines are medians over the repeats, bands go from the 10th to the 90th percentile; crosses tell how many of the repeats
    diverged.

    Parameters
    ----------
    table : DataFrame
        Rows of one sweep, as `tuning.tune` gives them.
    x_scale : "linear" or "log"
    marked : str, optional
        A value to mark: where the thesis says that scores decline.
    """
    setting, values = table["setting"].iloc[0], list(dict.fromkeys(table["value"]))
    is_number = all(value.replace(".", "", 1).replace("e-", "", 1).isdigit() for value in values)
    x = np.array([float(value) for value in values]) if is_number else np.arange(len(values))
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 6.4), sharex=True, sharey=True)
    for row, measure in zip(axes, ("precision", "recall"), strict=True):
        for ax, name in zip(row, ("training", "validation"), strict=True):
            own = table[table["set"] == name]
            for k, mir in enumerate(panel.mir_names):
                scores = own[own["class"] == mir].groupby("value", sort=False)[measure]
                low, middle, high = (scores.quantile(share).loc[values] for share in (0.1, 0.5, 0.9))
                style = {"color": panel.colours[k], "ls": panel.line_styles[k], "marker": panel.markers[k], "ms": 4}
                ax.plot(x, middle, label=mir, **style)
                ax.fill_between(x, low, high, color=panel.colours[k], alpha=0.15, lw=0)
            if marked in values:
                ax.axvline(x[values.index(marked)], color="0.5", lw=1, ls=(0, (1, 2)), label="declines from here, thesis")
            _cross_diverged(own, values, x, ax)
            ax.set_xscale(x_scale)
        row[0].set_ylabel(measure)
    for ax, name in zip(axes[0], ("training", "validation"), strict=True):
        ax.set_title(f"{name}, {table['seed'].nunique()} repeats")
    _label_values(axes[1], setting, values, x)
    lines = {label: line for ax in axes.flat for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines.keys(), fontsize="small", loc="outside right center")
    return figure


def _cross_diverged(rows, values, x, ax):
    """A cross and a count at the foot of each value at which trainings diverged."""
    counts = rows.groupby(["value", "seed"], sort=False)["diverged"].first().groupby("value", sort=False).sum()
    for at, value in zip(x, values, strict=True):
        if counts[value]:
            foot = {"transform": ax.get_xaxis_transform(), "color": "0.3", "clip_on": False}
            ax.plot([at], [0.03], marker="x", ls="", **foot, label="diverged (number)")
            ax.text(at, 0.07, str(counts[value]), ha="center", fontsize="small", **foot)


def _label_values(axes, setting, values, x):
    """The values of a setting as ticks, those that would overlap left out."""
    names = {
        "filter1": "filters of the first convolution", "filter2": "filters of the second convolution",
        "filter3": "units of the first dense layer", "kernel": "side of the kernels, px", "pool": "pooling, rows x columns",
        "sgd": "learning rate of SGD", "adam": "learning rate of Adam", "epochs": "epochs", "batch_size": "crops a batch",
        "padding": "padding of the pooling",
    }  # fmt: skip
    for ax in axes:
        is_log = ax.get_xscale() == "log"
        place = np.log(x) if is_log else x
        room, shown = 0.06 * (place.max() - place.min()), []
        for k in range(len(x)):
            if not shown or place[k] - place[shown[-1]] >= room:
                shown.append(k)
        ax.set_xticks(x[shown], [values[k] for k in shown])
        ax.minorticks_off()
        ax.set_xlabel(names[setting])


def draw_complexity(summary):
    """Median F1 against the number of weights, for each sweep, on training and validation (thesis Fig 4, a schematic there).

    The optimum, the highest median on validation, is marked.

    Parameters
    ----------
    summary : DataFrame
        As `tuning.summary` gives it: index setting, others, value; columns training, validation, weights.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), sharex=True, sharey=True)
    best = summary["validation"].idxmax()
    for ax, name in zip(axes, ("training", "validation"), strict=True):
        for k, (setting, own) in enumerate(summary.groupby(level="setting", sort=False)):
            own = own.sort_values("weights")
            style = {"color": sns.color_palette("colorblind")[k], "marker": "oDs^vP"[k % 6], "ms": 5}
            ax.plot(own["weights"], own[name], ls=("-", "--", "-.", ":")[k % 4], label=setting, **style)
        at = summary.loc[best]
        ax.plot(at["weights"], at[name], "*", ms=17, mfc="none", mec="k", ls="", label=f"optimum: {best[0]} = {best[2]}")
        ax.set(title=name, xscale="log", xlabel="weights")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("mean F1 over the miRs, median")
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize="small", loc="outside right center")
    return figure
