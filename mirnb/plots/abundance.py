"""Draw miRs counted in samples, how samples differ, and what their frames are like."""

import numpy as np

from mirnb.plots.style import make_axes, pt, put_legend, put_title

MOST_PAIRS = 6  # of samples that one figure compares; of more, those with the first sample are drawn

_MEASURES = {
    "blobs": "blobs", "wide_blobs": "wide blobs", "narrow_sigma_px": "width of narrow blobs (px)", "sharpness": "sharpness",
    "flux_counts": "light of median blob (counts)", "background_counts": "background (counts)",
    "uneven_counts": "unevenness (counts)", "noise_sd_counts": "noise (counts)", "lean_deg": "lean of pairs (°)",
    "unknown_pairs": "pairs of unknown gap",
    "repeated_share": "seen before (share)", "saturated_share": "saturated (share)",
}  # fmt: skip
_CAUSE_MARKERS = "sD^vPX<>h"
_LEAST_SPAN = 0.3  # of an axis, as a share of its middle


def draw_abundance(table, panel, *, figure=None):
    """miRs of each sample: molecules a frame with their detection limits, and shares, each with its 95 % interval.

    Beside them stands what is true of simulated samples. Blanks have no shares: nothing is shared out there.

    Parameters
    ----------
    table : DataFrame
        As `abundance.abundance_table` gives it.
    figure : Figure or SubFigure, optional
        Drawn into; a new one by default.
    """
    names = list(dict.fromkeys(table["sample"]))
    wide = max(6.4, 0.1 * (panel.n_mirs + 1) * len(names))
    axes = make_axes(2, width=wide, height=2.6, most_cols=1, figure=figure, sharex=True)
    figure_in = axes[0].figure.bbox.width / axes[0].figure.dpi
    size = np.clip(14 * figure_in / (len(names) * panel.n_mirs), pt(3.2), pt(6))  # a marker takes a quarter of its place
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
    crowded = max(map(len, names)) * len(names) > 12 * figure_in / pt(1)
    axes[1].set_xticks(range(len(names)), names, rotation=90 if crowded else 0)
    put_legend(axes)
    return axes[0].figure


def _draw_one(ax, x, own, keys, panel, k, size):
    """One miR of all samples: its columns of values and of true ones."""
    (key, true), half = keys, 0.3 / panel.n_mirs
    error = np.stack([own[key] - own[f"{key}_low"], own[f"{key}_high"] - own[key]]).clip(0)
    style = {"color": panel.colours[k], "marker": panel.markers[k], "ms": size, "ls": "", "capsize": size / 3}
    ax.errorbar(x, own[key], yerr=error, clip_on=False, label=panel.mir_names[k], **style)
    if key == "per_frame":
        ax.hlines(own["limit"], x - half, x + half, color="k", lw=pt(1), label="detection limit")
    else:
        counted = {"mfc": "none", "mec": "0.4", "ms": 0.7 * size, "ls": "", "clip_on": False, "label": "share as counted"}
        ax.plot(x + half, own["counted_share"], panel.markers[k], **counted)
    if own[true].notna().any():
        cross = {"marker": "x", "color": "k", "mew": pt(1.2), "ls": "", "ms": size, "clip_on": False}
        ax.plot(x - half, own[true], **cross, label="true (simulated)")


def draw_fold_changes(changes, replicates, panel, *, figure=None):
    """How many times more of each miR one sample has than another: pooled with its 95 % interval, replicates as points.

    An end that is infinite or 0 is an arrow; a miR that neither has is left empty.

    Parameters
    ----------
    changes, replicates : DataFrame
        As `changes.fold_changes` and `changes.replicate_changes` give them.
    figure : Figure or SubFigure, optional
        Drawn into; a new one by default.
    """
    pairs = list(dict.fromkeys(zip(changes["sample"], changes["against"], strict=True)))
    if len(pairs) > MOST_PAIRS:
        first = pairs[0][1]
        pairs = [pair for pair in pairs if pair[1] == first]
    height = 0.24 * panel.n_mirs + 0.7
    axes = make_axes(len(pairs), width=6.4, height=height, most_cols=1, figure=figure, sharex=True)
    low, high = _limits(changes, replicates)
    for ax, (sample, against) in zip(axes, pairs, strict=True):
        of_pair = [one[(one["sample"] == sample) & (one["against"] == against)] for one in (changes, replicates)]
        for k, name in enumerate(panel.mir_names):
            pooled, points = (one[one["class"] == name] for one in of_pair)
            for row in pooled.to_dict("records"):
                _draw_change(ax, row, points["fold_change"].to_numpy(float), k, panel, (low, high))
        ax.axvline(1, color="0.6", lw=pt(1), zorder=0, label="as much in both")
        ax.set(xscale="log", xlim=(low, high), ylim=(panel.n_mirs - 0.4, -0.6))
        ax.set_yticks(range(panel.n_mirs), panel.mir_names)
        ax.set_title(f"{sample} against {against}")
    axes[-1].set_xlabel("fold change (log scale, 95 % interval)")
    wide = high / low > 200
    ticks = [0.001, 0.01, 0.1, 1, 10, 100, 1000] if wide else [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    ticks = [one for one in ticks if low <= one <= high]
    axes[-1].set_xticks(ticks, [f"{one:g}" for one in ticks])
    axes[-1].minorticks_off()
    told = {"color": "0.3", "ls": ""}  # of no miR alone
    axes[-1].plot([], [], marker="o", ms=pt(6), label="all of the sample", **told)
    if ((changes["low"] == 0) | np.isinf(changes["high"])).any():
        axes[-1].plot([], [], marker=">", ms=pt(7), label="goes on to 0 or ∞", **told)
    put_legend(axes)
    return axes[0].figure


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
    shown, colour = np.clip([low, high], *limits), panel.colours[k]
    ax.plot(shown, [k, k], color=colour, lw=pt(1.6))
    for end, is_beyond, marker in zip(shown, (low < limits[0], high > limits[1]), "<>", strict=True):
        if is_beyond:
            ax.plot(end, k, marker, color=colour, ms=pt(7), clip_on=False)
        elif limits[0] < end < limits[1]:
            ax.plot(end, k, "|", color=colour, ms=pt(7))
    if limits[0] < value < limits[1]:
        ax.plot(value, k, panel.markers[k], color=colour, ms=pt(6))
    if len(points):
        place, circle = np.full(len(points), k + 0.3), {"mfc": "none", "mec": "k", "mew": pt(0.8), "ms": pt(4), "ls": ""}
        ax.plot(np.clip(points, *limits), place, "o", clip_on=False, label="a replicate", **circle)


def draw_frame_measures(table, *, title=None, figure=None):
    """Measures of the frames of a stack, a small panel each; frames with a verdict are marked by it.

    Parameters
    ----------
    table : DataFrame
        One row a frame: frame (from 1), its measures, verdict (empty where nothing is wrong), counted.
    title : str, optional
        Of the stack.
    figure : Figure or SubFigure, optional
        Drawn into; a new one by default.
    """
    shown = [name for name in _MEASURES if name != "saturated_share" or table[name].any()]
    axes = make_axes(len(shown), width=1.9, height=1.5, figure=figure, sharex=True)
    causes = dict(zip(filter(None, dict.fromkeys(table["verdict"])), _CAUSE_MARKERS, strict=False))
    n_cols = axes[0].get_subplotspec().get_gridspec().ncols
    for k, (ax, name) in enumerate(zip(axes, shown, strict=True)):
        ax.plot(table["frame"], table[name], ".-", color="0.6", ms=pt(5), lw=pt(0.7), label="a frame")
        for cause, marker in causes.items():
            own = table[table["verdict"] == cause]
            told = f"{cause}, counted all the same" if own["counted"].any() else f"left out: {cause}"
            style = {"color": "k", "mfc": "w", "ms": pt(5), "mew": pt(1), "ls": "", "clip_on": False}
            ax.plot(own["frame"], own[name], marker, label=told, **style)
        put_title(ax, _MEASURES[name])
        ax.margins(y=0.15)
        low, high = ax.get_ylim()  # what hardly differs is to look so
        half = max(high - low, _LEAST_SPAN * abs(high + low) / 2) / 2
        ax.set_ylim((low + high) / 2 - half, (low + high) / 2 + half)
        ax.xaxis.get_major_locator().set_params(integer=True, nbins=4)
        if k + n_cols >= len(axes):
            ax.tick_params(axis="x", labelbottom=True)
            ax.set_xlabel("frame")
    put_legend(axes, title=title, below=True)
    return axes[0].figure
