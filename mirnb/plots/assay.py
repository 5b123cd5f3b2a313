"""Draw an assay: standard curves, shares of samples with their joint regions, and a control chart over runs."""

import numpy as np
from matplotlib.colors import to_rgba
from scipy.spatial import ConvexHull, QhullError

from mirnb.plots.style import make_axes, plain_style, pt, put_legend, put_title

_CORNERS = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])  # of the triangle: all of the first, second, third miR
_SHARED = ("sample", "reference")  # roles whose shares are asked about
_JOINT = 0.95  # of the draws lie in a region
_LIMITS = {"limit_blank": ("limit of blank", ":"), "limit_detection": ("limit of detection", "--"),
           "limit_quantitation": ("limit of quantitation", "-.")}  # fmt: skip


def draw_standard_curves(assay, panel, *, figure=None):
    """The standard curve of each miR: its standards, the line with its 95 % band, the linear range, and the limits.

    Parameters
    ----------
    assay : assay.Assay
    figure : Figure or SubFigure, optional
        Drawn into; a new one by default.
    """
    names = [name for name in panel.mir_names if name in assay.curves]
    axes = make_axes(len(names), width=3.0, height=2.5, figure=figure, sharex=True, sharey=True)
    rates = assay.standards["per_1000_um2"]
    low, high = rates[rates > 0].min() / 2, rates.max() * 1.6
    for ax, name in zip(axes, names, strict=True):
        _draw_curve(ax, assay, name, panel, low)
        ax.set(xscale="log", yscale="log", ylim=(low, high), title=name)
        unit = f" ({assay.unit})" if assay.unit else ""
        ax.set_xlabel(f"concentration{unit}")
        ax.tick_params(labelbottom=True)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    axes[0].set_ylabel("molecules per 1000 µm²,\nblanks subtracted")
    put_legend(axes, below=True)
    return axes[0].figure


def _draw_curve(ax, assay, name, panel, lowest):
    k, curve = panel.index(name), assay.curves[name]
    own = assay.standards[assay.standards["class"] == name]
    ends = own["concentration"].min(), own["concentration"].max()
    x = np.geomspace(ends[0] / 1.5, ends[1] * 1.5, 60)
    lines = curve.drawn[0][:, None] + curve.drawn[1][:, None] * np.log(x)
    band = np.exp(np.percentile(lines, [2.5, 97.5], axis=0))
    ax.fill_between(x, *band, color=panel.colours[k], alpha=0.2, lw=0)
    inside = (x >= curve.linear[0] / 1.001) & (x <= curve.linear[1] * 1.001) if curve.linear else np.zeros(len(x), bool)
    for shown, style in ((x, ":"), (x[inside], "-")):
        ax.plot(shown, curve.rate_at(shown), style, color=panel.colours[k], lw=pt(1.4))
    for used, face in ((True, panel.colours[k]), (False, "none")):
        points = own[own["in_linear_range"] == used]
        style = {"marker": panel.markers[k], "ls": "", "color": panel.colours[k], "mfc": face, "ms": pt(5)}
        if len(points):
            ax.plot(points["concentration"], points["per_1000_um2"].clip(lower=lowest), clip_on=False, **style)
    limits = assay.curve.set_index("class").loc[name]
    for key, (label, line) in _LIMITS.items():
        if np.isfinite(limits[key]) and limits[key] > 0:
            ax.axvline(limits[key], color="0.4", ls=line, lw=pt(1), label=label, zorder=0)
    told = {"color": "0.3", "ls": ""}  # of no miR alone
    ax.plot([], [], marker="o", ms=pt(5), label="standard in the linear range", **told)
    if (~own["in_linear_range"]).any():
        ax.plot([], [], marker="o", ms=pt(5), mfc="none", label="outside it", **told)


def draw_shares(table, draws, panel, *, figure=None):
    """Shares of all miRs of each sample, with the region that holds 95 % of their joint draws.

    Of three miRs a triangle: a corner is a sample of one miR alone. Of another number, a line over the miRs, with a band
    that holds the whole line of 95 % of the draws. Blanks, standards and spikes are left out.

    Parameters
    ----------
    table, draws : DataFrame
        As `abundance.abundance_table` and `abundance.draws_table` give them.
    figure : Figure or SubFigure, optional
        Drawn into; a new one by default.
    """
    shown = table[table["role"].isin(_SHARED)]
    names = [name for name, own in shown.groupby("sample", sort=False) if own["share"].notna().all()]
    wide = panel.n_mirs != 3
    size = {"width": 6.4, "height": 3.2} if wide else {"width": 3.0, "height": 2.6}
    (ax,) = make_axes(1, **size, figure=figure)
    draw = _draw_parallel if wide else _draw_in_triangle
    if not wide:
        _draw_triangle(ax, panel)
    for number, name in enumerate(names):
        own = shown[shown["sample"] == name].set_index("class").loc[list(panel.mir_names)]
        molecules = draws.loc[draws["sample"] == name, list(panel.mir_names)].to_numpy(float)
        shares = molecules / np.maximum(molecules.sum(axis=1, keepdims=True), 1e-12)
        draw(ax, own["share"].to_numpy(float), shares, {**plain_style(number, line=wide), "label": name})
    for _, own in shown[shown["true_share"].notna()].groupby("sample", sort=False):
        true = own.set_index("class").loc[list(panel.mir_names), "true_share"].to_numpy(float)
        place = (np.arange(len(true)), true) if wide else true @ _CORNERS
        ax.plot(*place, "x", color="k", ms=pt(6), mew=pt(1.2), ls="", label="true (simulated)", zorder=4)
    if wide:
        ax.set_xticks(range(panel.n_mirs), panel.mir_names, rotation=45 if panel.n_mirs > 6 else 0)
        ax.set(ylabel="share of all miRs\n(joint 95 % region)", ylim=(0, None))
    put_legend(ax)
    return ax.figure


def _draw_triangle(ax, panel):
    """The triangle, with lines at each fifth, and the miRs at its corners."""
    ax.set(aspect="equal", xlim=(-0.08, 1.08), ylim=(-0.08, 0.98))
    ax.axis("off")
    ends = np.vstack([_CORNERS, _CORNERS[:1]])
    ax.plot(*ends.T, color="0.3", lw=pt(1))
    for share in (0.2, 0.4, 0.6, 0.8):
        for k in range(3):
            others = [one for one in range(3) if one != k]
            line = share * _CORNERS[k] + (1 - share) * _CORNERS[others]
            ax.plot(*line.T, color="0.85", lw=pt(0.7), zorder=0)
    for share in (0.2, 0.4, 0.6, 0.8):  # along each side, the share of the corner it rises to
        for k, side in ((1, 0), (2, 1), (0, 2)):
            place = share * _CORNERS[k] + (1 - share) * _CORNERS[side]
            away = (_CORNERS[k] + _CORNERS[side]) / 2 - _CORNERS[3 - k - side]
            place = place + 0.05 * away / np.hypot(*away)
            ax.text(*place, f"{share:.0%}", ha="center", va="center", color=panel.colours[k], fontsize=pt(7))
    for k, (place, where) in enumerate(zip(_CORNERS, ("right", "left", "center"), strict=True)):
        height = 0.04 if k == 2 else -0.03
        ax.text(place[0], place[1] + height, panel.mir_names[k], ha=where, va="bottom" if k == 2 else "top",
                color=panel.colours[k], fontweight="bold")  # fmt: skip


def _draw_in_triangle(ax, share, draws, style):
    """A sample in the triangle: a point, and the hull of the draws nearest to it by their own spread."""
    places = draws @ _CORNERS
    centre = share @ _CORNERS
    off = places - centre
    spread = np.cov(off.T) + 1e-12 * np.eye(2)
    far = np.einsum("ni,ij,nj->n", off, np.linalg.inv(spread), off)
    near = places[far <= np.quantile(far, _JOINT)]
    try:
        hull = near[ConvexHull(near).vertices]
        ax.fill(*hull.T, fc=to_rgba(style["color"], 0.15), ec=style["color"], lw=pt(0.8))
    except QhullError:  # a sample of one miR alone lies in a corner
        pass
    ax.plot(*centre, zorder=3, **style)


def _draw_parallel(ax, share, draws, style):
    """A sample as a line over the miRs, and a band so many standard deviations wide that 95 % of drawn lines lie in it."""
    x, spread = np.arange(len(share)), draws.std(axis=0) + 1e-12
    reach = np.quantile(np.abs((draws - share) / spread).max(axis=1), _JOINT)
    ax.fill_between(x, np.maximum(share - reach * spread, 0), share + reach * spread, color=style["color"], alpha=0.2, lw=0)
    ax.plot(x, share, **style)


def draw_control_chart(history, panel, *, figure=None):
    """What was counted of samples of one name, run by run, with the mean and the spread of the runs before each.

    Parameters
    ----------
    history : DataFrame
        As `run_history.read_runs` gives it, of samples that were counted in several runs.
    figure : Figure or SubFigure, optional
        Drawn into; a new one by default.
    """
    names = list(dict.fromkeys(history["sample"]))
    axes = make_axes(len(names) * panel.n_mirs, width=6.4 / min(panel.n_mirs, 3), height=1.9, figure=figure)
    places = iter(axes)
    for sample in names:
        for k, name in enumerate(panel.mir_names):
            ax, own = next(places), history[(history["sample"] == sample) & (history["class"] == name)]
            x, value = np.arange(1, len(own) + 1), own["per_1000_um2"].to_numpy(float)
            error = np.abs(own[["per_1000_um2_low", "per_1000_um2_high"]].to_numpy(float).T - value)
            ax.errorbar(x, value, yerr=error, color=panel.colours[k], marker=panel.markers[k], ms=pt(4), lw=pt(0.8),
                        capsize=pt(2), label="a run, 95 % by counting and confusion")  # fmt: skip
            for times, line in ((0, "-"), (2, "--"), (3, ":")):
                for sign in (1, -1) if times else (1,):
                    label = "mean of the runs before" if not times else f"{times} standard deviations of them"
                    ax.step(x, own["mean_before"] + sign * times * own["sd_before"], where="mid", ls=line, color="0.45",
                            lw=pt(1), label=label)  # fmt: skip
            odd = own["verdict"].fillna("").to_numpy() != ""
            if odd.any():
                ax.plot(x[odd], value[odd], "o", mfc="none", color="k", ms=pt(9), ls="", label="out of control")
            put_title(ax, f"{sample}, {name}")
            ax.xaxis.get_major_locator().set_params(integer=True, nbins=6)
            ax.set_xlabel("run")
    for ax in axes:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel("per 1000 µm²")
    put_legend(axes, below=True)
    return axes[0].figure
