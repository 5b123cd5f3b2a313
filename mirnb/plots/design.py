"""Draw what was planned: profiles and separations, confusion, scores against prism angle and light, best subsets.

Every function takes `Designed.own()`, panels by name, and gives each panel a row of its own.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from mirnb.plots.scores import draw_confusion


def draw_profiles(looks):
    """Light of each class along the dispersion, and the separations that would be measured of it."""
    heights = [max(0.42 * panel.n_mirs + 1.0, 2.8) for panel, _, _ in looks.values()]
    figure, axes = plt.subplots(
        len(looks), 2, figsize=(11, sum(heights)), squeeze=False, gridspec_kw={"height_ratios": heights}
    )  # fmt: skip
    for (left, right), (name, (panel, _, rows)) in zip(axes, looks.items(), strict=True):
        table = rows["separations"]
        widest, narrowest = table["gap_px"].max(), table[["upper_sigma_px", "lower_sigma_px"]].min(axis=None)
        y_px = np.linspace(-4 * table["upper_sigma_px"].max(), widest + 3 * table["lower_sigma_px"].max(), 400)
        measured = np.linspace(0, widest + 4 * table["scatter_px"].max(), 800)
        for level, row in enumerate(table.to_dict("records")):
            style = _style(panel, row["class"])
            light = norm.pdf(y_px, 0, row["upper_sigma_px"]) + row["lower_flux_counts"] / row["flux_counts"] * norm.pdf(
                y_px, row["gap_px"], row["lower_sigma_px"]
            )
            light *= 0.85 * narrowest / norm.pdf(0)  # the highest blob is .85 of a row
            left.fill_between(y_px, level, level + light, color=style["color"], alpha=0.35, lw=0)
            left.plot(y_px, level + light, color=style["color"], lw=1.4)
            density = norm.pdf(measured, row["gap_px"], row["scatter_px"])
            right.plot(measured, density, lw=1.8, label=f"{row['class']}, {row['gap_px']:.1f} px", **style)
        left.set(
            yticks=np.arange(len(table)), yticklabels=table["class"], xlabel="along the dispersion (px)",
            title=f"{name}, {panel.prism_angle_deg:g}°: light of a molecule",
        )  # fmt: skip
        right.set(xlabel="separation as measured (px)", ylabel="density (1/px)", ylim=(0, None))
        right.set_title("Separations, with their scatter")
        right.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_predicted_confusions(looks):
    """Predicted confusion of each panel at its own angle, rows true."""
    sizes = [4.4 if panel.n_mirs <= 4 else 0.62 * panel.n_mirs + 2 for panel, _, _ in looks.values()]
    if max(sizes) > 6:  # beside each other they would be too small to read on a page
        layout = {"nrows": len(looks), "figsize": (max(sizes), sum(sizes)), "gridspec_kw": {"height_ratios": sizes}}
    else:
        layout = {"ncols": len(looks), "figsize": (sum(sizes), max(sizes)), "gridspec_kw": {"width_ratios": sizes}}
    figure, axes = plt.subplots(**layout, squeeze=False)
    for ax, (name, (panel, matrix, _)) in zip(axes.flat, looks.items(), strict=True):
        draw_confusion(matrix, panel.names, ax=ax)
        ax.set_title(f"{name}, {panel.prism_angle_deg:g}°, {int(matrix.sum())} crops")
    return figure


def draw_separability(looks, scores, *, least_f1):
    """F1 of each class against the prism angle, with the light of the settings, and against the light, at the own angle.

    Parameters
    ----------
    scores : DataFrame
        Of all angles, as `Designed.scores` holds them.
    least_f1 : float
        Where a line is drawn.
    """
    figure, axes = plt.subplots(len(looks), 2, figsize=(11, 3.9 * len(looks)), squeeze=False, sharey=True)
    for (left, right), (name, (panel, _, rows)) in zip(axes, looks.items(), strict=True):
        as_is = scores[(scores["panel"] == name) & (scores["flux_share"] == 1)]
        mean = next(label for label in as_is["class"] if label not in panel.names)  # the row of all miRs
        for label in [*panel.mir_names, mean]:
            turned = as_is[as_is["class"] == label].sort_values("angle_deg")
            lit = rows["scores"][rows["scores"]["class"] == label]
            style = (
                {"color": "k", "lw": 2.4, "marker": "d", "ls": "-"} if label == mean else _style(panel, label, marked=True)
            )
            for ax, x, own in ((left, turned["angle_deg"], turned), (right, 100 * lit["flux_share"], lit)):
                ax.plot(x, own["f1"], label=label, **{"lw": 1.3, "ms": 5, **style})
                if label == mean or panel.n_mirs <= 3:
                    ax.fill_between(x, own["f1_low"], own["f1_high"], color=style["color"], alpha=0.15, lw=0)
        for ax in (left, right):
            ax.axhline(least_f1, color="0.6", lw=1, ls=(0, (1, 2)), label=f"F1 {least_f1:g}")
        left.axvline(panel.prism_angle_deg, color="0.8", lw=4, zorder=0, label="own angle")
        left.set(xlabel="relative prism angle (degrees; 180: none)", ylabel="predicted F1", ylim=(0, 1), title=name)
        left.set_xlim(as_is["angle_deg"].min() - 0.2, as_is["angle_deg"].max() + 0.2)
        left.xaxis.set_major_locator(MaxNLocator(6))
        right.set(xlabel="light of the molecules (% of the settings')", xscale="log", title=f"at {panel.prism_angle_deg:g}°")
        right.set_xticks(100 * lit["flux_share"], [f"{100 * share:g}" for share in lit["flux_share"]])
        right.minorticks_off()
        right.legend(*left.get_legend_handles_labels(), fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_subsets(looks, *, most_overlap):
    """How far the two nearest of the best pairs lie apart, and overlap, against the number of pairs."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4))
    for k, (name, (panel, _, rows)) in enumerate(looks.items()):
        table = rows["subsets"]
        style = {"marker": "osD^"[k % 4], "ls": ("-", "--", "-.", ":")[k % 4], "color": f"C{k}"}
        label = f"dyes of {name}, {panel.prism_angle_deg:g}°"
        axes[0].plot(table["n"], table["least_distance_px"], label=label, **style)
        axes[1].plot(table["n"], 100 * table["overlap"], label=label, **style)
    axes[1].axhline(100 * most_overlap, color="0.6", lw=1, ls=(0, (1, 2)), label="cannot be told apart above")
    axes[0].set(ylabel="two nearest separations (px)", ylim=(0, None))
    axes[1].set(ylabel="overlap of the two (%)", ylim=(0, 100))
    for ax in axes:
        ax.set(xlabel="pairs, the best subset")
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[1].legend(fontsize="x-small", loc="upper left")
    return figure


def _style(panel, name, *, marked=False):
    k = panel.index(name)
    style = {"color": panel.colours[k], "ls": panel.line_styles[k]}
    return {**style, "marker": panel.markers[k]} if marked else style
