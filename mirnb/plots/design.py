"""Draw what was planned: profiles and separations, confusion, scores against prism angle and light, best subsets.

Every function takes `Designed.own()`, panels by name, and gives each panel a row of its own.
"""

import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from mirnb.plots.scores import confusion_axes, draw_confusion
from mirnb.plots.style import make_axes, plain_style, pt, put_legend, put_title

_LEAST_POINTS = 3  # that a line joins
_MEAN = {"color": "k", "lw": 2, "marker": "d", "ls": "-"}


def draw_profiles(looks, *, figure=None):
    """Light of each class along the dispersion, and the separations that would be measured of it."""
    height = max(max(0.42 * panel.n_mirs + 1.0, 2.8) for panel, _, _ in looks.values())
    axes = make_axes(2 * len(looks), width=4.7, height=height, most_cols=2, figure=figure)
    for left, right, (name, (panel, _, rows)) in zip(axes[::2], axes[1::2], looks.items(), strict=True):
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
            left.plot(y_px, level + light, color=style["color"], lw=pt(1.4))
            density = norm.pdf(measured, row["gap_px"], row["scatter_px"])
            right.plot(measured, density, lw=pt(1.8), label=f"{row['class']}, {row['gap_px']:.1f} px", **style)
        left.set(
            yticks=np.arange(len(table)), yticklabels=table["class"], xlabel="along the dispersion (px)",
        )  # fmt: skip
        put_title(left, f"{name}, {panel.prism_angle_deg:g}°: light of a molecule")
        right.set(xlabel="separation as measured (px)", ylabel="density (1/px)", ylim=(0, None))
        put_title(right, "separations, with their scatter")
        put_legend(right)
    return axes[0].figure


def draw_predicted_confusions(looks, *, figure=None):
    """Predicted confusion of each panel at its own angle, rows true."""
    axes = confusion_axes(len(looks), max(panel.n_mirs for panel, _, _ in looks.values()) + 1, figure=figure)
    for ax, (name, (panel, matrix, _)) in zip(axes, looks.items(), strict=True):
        title = f"{name}, {panel.prism_angle_deg:g}°, {int(matrix.sum())} crops"
        draw_confusion(matrix, panel.names, title=title, ax=ax)
    return axes[0].figure


def draw_separability(looks, scores, *, least_f1, figure=None):
    """F1 of each class against the prism angle, with the light of the settings, and against the light, at the own angle.

    Bars are intervals; a line joins three angles or more.

    Parameters
    ----------
    scores : DataFrame
        Of all angles, as `Designed.scores` holds them.
    least_f1 : float
        Where a line is drawn.
    """
    axes = make_axes(2 * len(looks), width=4.7, height=3.6, most_cols=2, figure=figure, sharey=True)
    for left, right, (name, (panel, _, rows)) in zip(axes[::2], axes[1::2], looks.items(), strict=True):
        as_is = scores[(scores["panel"] == name) & (scores["flux_share"] == 1)]
        mean = next(label for label in as_is["class"] if label not in panel.names)  # the row of all miRs
        angles, shares = np.unique(as_is["angle_deg"]), np.unique(rows["scores"]["flux_share"])
        for k, label in enumerate([*panel.mir_names, mean]):
            own = _MEAN if label == mean else _style(panel, label, marked=True)
            style, shift = {"lw": pt(1.3), "ms": pt(5), **own}, k - panel.n_mirs / 2
            turned, lit = (table[table["class"] == label] for table in (as_is, rows["scores"]))
            step = 0.02 * max(np.ptp(angles), 0.5)
            _score_line(left, turned["angle_deg"] + step * shift, turned, len(angles), style, label)
            _score_line(right, 100 * lit["flux_share"] * 1.02**shift, lit, len(shares), style, label)
        for ax in (left, right):
            ax.axhline(least_f1, color="0.6", lw=pt(1), ls=(0, (1, 2)), label=f"F1 {least_f1:g}")
            ax.set(ylabel="predicted F1, 95 % interval", ylim=(0, 1))
        left.axvline(panel.prism_angle_deg, color="0.85", lw=pt(4), zorder=0, label="own angle")
        left.set(xlabel="relative prism angle (degrees; 180: none)", xlim=(angles[0] - 0.3, angles[-1] + 0.3))
        left.xaxis.set_major_locator(MaxNLocator(6))
        right.set(xlabel="light of the molecules (% of the settings')", xscale="log")
        put_title(left, name)
        put_title(right, f"{name} at {panel.prism_angle_deg:g}°")
        right.set_xticks(100 * shares, [f"{100 * share:g}" for share in shares])
        right.minorticks_off()
        put_legend([left, right])
    return axes[0].figure


def _score_line(ax, x, rows, n_points, style, label):
    """Scores with their intervals, joined where there are enough of them."""
    order = np.argsort(x.to_numpy())
    error = np.abs(rows[["f1_low", "f1_high"]].to_numpy().T - rows["f1"].to_numpy())
    style = style if n_points >= _LEAST_POINTS else {**style, "ls": ""}
    ax.errorbar(x.iloc[order], rows["f1"].iloc[order], yerr=error[:, order], elinewidth=pt(0.8), label=label, **style)


def draw_subsets(looks, *, most_overlap, figure=None):
    """How far the two nearest of the best pairs lie apart, and overlap, against the number of pairs."""
    axes = make_axes(2, width=4.2, height=3.4, figure=figure)
    for k, (name, (panel, _, rows)) in enumerate(looks.items()):
        table, label = rows["subsets"], f"dyes of {name}, {panel.prism_angle_deg:g}°"
        axes[0].plot(table["n"], table["least_distance_px"], label=label, **plain_style(k))
        axes[1].plot(table["n"], 100 * table["overlap"], label=label, **plain_style(k))
    axes[1].axhline(100 * most_overlap, color="0.6", lw=pt(1), ls=(0, (1, 2)), label="cannot be told apart above")
    axes[0].set(ylabel="two nearest separations (px)", ylim=(0, None))
    axes[1].set(ylabel="overlap of the two (%)", ylim=(0, 100))
    for ax in axes:
        ax.set(xlabel="pairs, the best subset")
        ax.xaxis.get_major_locator().set_params(integer=True)
    put_legend(axes)
    return axes[0].figure


def _style(panel, name, *, marked=False):
    k = panel.index(name)
    style = {"color": panel.colours[k], "ls": panel.line_styles[k]}
    return {**style, "marker": panel.markers[k]} if marked else style
