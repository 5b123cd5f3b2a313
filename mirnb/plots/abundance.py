"""Draw miRs counted in samples, and how samples differ."""

import matplotlib.pyplot as plt
import numpy as np

from mirnb.plots.style import new_figure, pt

MOST_PAIRS = 6  # of samples that one figure compares; of more, those with the first sample are drawn


def draw_abundance(table, panel, *, figure=None):
    """miRs of each sample: molecules a frame with their detection limits, and shares, each with its 95 % interval.

    Beside them stands what is true of simulated samples. Blanks have no shares: nothing is shared out there.

    Parameters
    ----------
    table : DataFrame
        As `abundance.abundance_table` gives it.
    figure : Figure, optional
        Drawn into; by default one as wide as the style says, wider for many samples.
    """
    names = list(dict.fromkeys(table["sample"]))
    if figure is None:
        width = max(plt.rcParams["figure.figsize"][0], min(0.1 * (panel.n_mirs + 1) * len(names), 16))
        figure = plt.figure(figsize=(width, 5.2))
    axes = figure.subplots(2, 1, sharex=True)
    size = np.clip(14 * figure.get_figwidth() / (len(names) * panel.n_mirs), 2.5, 6)  # a marker takes a quarter of its place
    places = dict(zip(names, range(len(names)), strict=True))
    table = table.assign(true_per_frame=table["true"] / table["frames"], limit=table["detection_limit"] / table["frames"])
    shared = table[table["role"] != "blank"]
    measures = (
        (axes[0], table, "per_frame", "true_per_frame", "molecules a frame"),
        (axes[1], shared, "share", "true_share", "share of all miRs"),
    )
    for ax, rows, key, true, label in measures:
        for k, name in enumerate(panel.mir_names):
            own = rows[rows["class"] == name]
            x = own["sample"].map(places) + 0.8 / panel.n_mirs * (k - (panel.n_mirs - 1) / 2)
            _draw_one(ax, x, own, (key, true), panel, k, size)
        ax.margins(y=0.08)
        ax.set(ylabel=f"{label}\n(95 % interval)", ylim=(0, None))
    axes[1].set_xlim(-0.5, len(names) - 0.5)
    crowded = max(map(len, names)) * len(names) > 12 * figure.get_figwidth()
    axes[1].set_xticks(range(len(names)), names, rotation=90 if crowded else 0)
    _draw_legend(figure, axes, table, panel)
    return figure


def _draw_one(ax, x, own, keys, panel, k, size):
    """One miR of all samples: its columns of values and of true ones."""
    (key, true), half = keys, 0.3 / panel.n_mirs
    error = np.stack([own[key] - own[f"{key}_low"], own[f"{key}_high"] - own[key]]).clip(0)
    style = {"color": panel.colours[k], "marker": panel.markers[k], "ms": size, "ls": "", "capsize": size / 3}
    ax.errorbar(x, own[key], yerr=error, clip_on=False, **style)
    if key == "per_frame":
        ax.hlines(own["limit"], x - half, x + half, color="k", lw=1)
    else:
        ax.plot(x + half, own["counted_share"], panel.markers[k], mfc="none", mec="0.4", ms=0.7 * size, clip_on=False)
    ax.plot(x - half, own[true], **_TRUE, ms=size, clip_on=False)


_TRUE = {"marker": "x", "color": "k", "mew": 1.2, "ls": ""}


def _draw_legend(figure, axes, table, panel):
    drawn = [
        plt.Line2D([], [], color=panel.colours[k], marker=panel.markers[k], ls="", label=name)
        for k, name in enumerate(panel.mir_names)
    ]
    drawn.append(plt.Line2D([], [], color="k", lw=1, label="detection limit"))
    drawn.append(plt.Line2D([], [], marker="o", mfc="none", mec="0.4", ms=4, ls="", label="share as counted"))
    if table["true"].notna().any():
        drawn.append(plt.Line2D([], [], **_TRUE, label="true (simulated)"))
    n_columns = max(int(figure.get_figwidth() / 1.25), 2)
    figure.legend(handles=drawn, loc="outside lower center", ncols=min(n_columns, len(drawn)), fontsize="small")


def draw_fold_changes(changes, replicates, panel, *, figure=None):
    """How many times more of each miR one sample has than another: pooled with its 95 % interval, replicates as points.

    An end that is infinite or 0 is an arrow; a miR that neither has is left empty.

    Parameters
    ----------
    changes, replicates : DataFrame
        As `changes.fold_changes` and `changes.replicate_changes` give them.
    figure : Figure, optional
        Drawn into; by default one as wide as the style says.
    """
    pairs = list(dict.fromkeys(zip(changes["sample"], changes["against"], strict=True)))
    if len(pairs) > MOST_PAIRS:
        first = pairs[0][1]
        pairs = [pair for pair in pairs if pair[1] == first]
    if figure is None:
        height = len(pairs) * (0.24 * panel.n_mirs + 0.5) + 1.9
        figure = new_figure(pt(6.4), pt(height))
    axes = figure.subplots(len(pairs), 1, sharex=True, squeeze=False)[:, 0]
    low, high = _limits(changes, replicates)
    for ax, (sample, against) in zip(axes, pairs, strict=True):
        of_pair = [one[(one["sample"] == sample) & (one["against"] == against)] for one in (changes, replicates)]
        for k, name in enumerate(panel.mir_names):
            pooled, points = (one[one["class"] == name] for one in of_pair)
            for row in pooled.to_dict("records"):
                _draw_change(ax, row, points["fold_change"].to_numpy(), k, panel, (low, high))
        ax.axvline(1, color="0.6", lw=1, zorder=0)
        ax.set(xscale="log", xlim=(low, high), ylim=(panel.n_mirs - 0.4, -0.6))
        ax.set_yticks(range(panel.n_mirs), panel.mir_names)
        ax.set_title(f"{sample} against {against}")
    axes[-1].set_xlabel("fold change (log scale, 95 % interval)")
    wide = high / low > 200
    ticks = [0.001, 0.01, 0.1, 1, 10, 100, 1000] if wide else [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    ticks = [one for one in ticks if low <= one <= high]
    axes[-1].set_xticks(ticks, [f"{one:g}" for one in ticks])
    axes[-1].minorticks_off()
    handles = [plt.Line2D([], [], color="0.3", marker="o", lw=1.4, label="all of the sample")]
    if len(replicates):
        handles.append(plt.Line2D([], [], **_POINT, label="a replicate"))
    handles.append(plt.Line2D([], [], color="0.6", lw=1, label="as much in both"))
    if ((changes["low"] == 0) | np.isinf(changes["high"])).any():
        handles.append(plt.Line2D([], [], color="0.3", marker=">", ls="", label="goes on to 0 or ∞"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize="small")
    return figure


_POINT = {"marker": "o", "mfc": "none", "mec": "k", "mew": 0.8, "ms": 4, "ls": ""}


def _limits(changes, replicates):
    """Ends of the axis: all that is finite and above 0, and 1, with room for arrows."""
    pooled = changes[["fold_change", "low", "high"]].to_numpy(float).ravel()
    values = np.concatenate([pooled, replicates["fold_change"].to_numpy(float), [1.0]])
    values = values[np.isfinite(values) & (values > 0)].clip(1e-3, 1e3)
    return values.min() / 1.6, values.max() * 1.6


def _draw_change(ax, row, points, k, panel, limits):
    """A miR of two samples on line k: a value with its interval, arrows where that leaves the axis, replicates below it."""
    value, low, high = row["fold_change"], row["low"], row["high"]
    if np.isnan(value):
        return
    shown = np.clip([low, high], *limits)
    ax.plot(shown, [k, k], color=panel.colours[k], lw=1.6)
    for end, is_beyond, marker in zip(shown, (low < limits[0], high > limits[1]), "<>", strict=True):
        if is_beyond or limits[0] < end < limits[1]:
            ax.plot(end, k, marker if is_beyond else "|", color=panel.colours[k], ms=7, clip_on=False)
    if limits[0] < value < limits[1]:
        ax.plot(value, k, panel.markers[k], color=panel.colours[k], ms=6)
    ax.plot(np.clip(points, *limits), np.full(len(points), k + 0.3), clip_on=False, **_POINT)
