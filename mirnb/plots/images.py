"""Draw frames and responses to templates (thesis Fig 1)."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from mirnb.plots.style import broken, figure_in, make_axes, own_axes, pt, put_legend, put_title

_UNITS = {"original": "counts above background", "cosine similarity": "similarity, 0 to 1"}
_PLACES = ({"marker": "x", "mec": "#e69f00"}, {"marker": "o", "mec": "#56b4e9"})  # of a table, and where they would fit
_BRIGHT_SDS = 8.0  # of the noise: white
_LENGTHS_UM = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])


def draw_image(image, *, ax=None, title=None, low=None, high=None, bar=None):
    """A grey or colour image without ticks; `bar` labels a colour bar."""
    ax = own_axes(ax, width=5.0, height=5.0, keeps_shape=True)
    drawn = ax.imshow(image, cmap="gray", vmin=low, vmax=high)
    ax.set(xticks=[], yticks=[])
    put_title(ax, title)
    sns.despine(ax=ax, left=True, bottom=True)
    if bar:
        ax.figure.colorbar(drawn, ax=ax, label=bar, location="bottom", shrink=0.9, aspect=30, pad=0.02)
    ax.autoscale(False)
    return ax


def draw_scale_bar(ax, um_per_px, *, width_px, at, color="w", below=False):
    """A bar of a round length, up to a quarter of `width_px`, from `at` (x, y); its label stands above it, or below."""
    um = _LENGTHS_UM[max(np.searchsorted(_LENGTHS_UM, 0.25 * width_px * um_per_px) - 1, 0)]
    end, stroke = at[0] + um / um_per_px, [withStroke(linewidth=pt(1.5), foreground="k" if color == "w" else "w")]
    bar = {"lw": pt(2.5), "solid_capstyle": "butt", "clip_on": False, "scalex": False, "scaley": False}
    ax.plot([at[0], end], [at[1]] * 2, color=color, **bar)
    place = {"xytext": (0, -pt(4) if below else pt(4)), "textcoords": "offset points", "va": "top" if below else "bottom"}
    where = {"ha": "center", "color": color, "path_effects": stroke, "annotation_clip": False}
    ax.annotate(f"{um:g} µm", ((at[0] + end) / 2, at[1]), **where, **place)


def draw_frame(
    frame, blobs, panel, *, corner=(0, 0), side_px=None, um_per_px=None, grey=None, others=None, hidden=(), title=None,
    ax=None,
):  # fmt: skip
    """A raw frame, or a part of it, in grey, with its calls: miRs as open marks of their class, noise as faint crosses.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts
        Shown from its 1st to its 99.8th percentile, or as `grey` says.
    blobs : DataFrame
        row and col (px, of the whole frame) and class (name).
    corner : (row, col)
        First pixel of the part that is shown.
    side_px : int, optional
        Its side; all by default.
    um_per_px : float, optional
        For a scale bar.
    grey : (low, high), optional
        Counts shown black and white.
    others : dict, optional
        What blobs are called besides the panel's classes -> marker, drawn as faint as noise; those that are there.
    hidden : collection of str
        Classes, or others, that are left out, of the legend as well.
    """
    part = frame[corner[0] :, corner[1] :][:side_px, :side_px]
    low, high = np.percentile(part, [1, 99.8]) if grey is None else grey
    ax = draw_image(part, ax=own_axes(ax, width=6.0, height=6.0, keeps_shape=True), title=title, low=low, high=high)
    halo = [withStroke(linewidth=pt(2.6), foreground="w")]
    for k, name in enumerate(panel.mir_names):
        if name in hidden:
            continue
        rows, cols = _inside(blobs[blobs["class"] == name], corner, part.shape)
        style = {"mec": panel.colours[k], "marker": panel.markers[k], "mew": pt(1.3), "ms": pt(8), "path_effects": halo}
        ax.plot(cols, rows, ls="", mfc="none", label=f"{name} ({len(rows)})", **style)
    for name, marker in {panel.names[panel.noise]: "x", **(others or {})}.items():
        rows, cols = _inside(blobs[blobs["class"] == name], corner, part.shape)
        if name in hidden or (name not in panel.names and not len(rows)):
            continue
        _faint(ax, rows, cols, marker, label=f"{name} ({len(rows)})")
    if um_per_px:
        draw_scale_bar(ax, um_per_px, width_px=part.shape[1], at=(0.04 * part.shape[1], 0.95 * part.shape[0]))
    put_legend(ax, below=True)
    return ax


def _inside(blobs, corner, shape):
    """Rows and columns in a part of a frame of the blobs that lie there."""
    rows, cols = (blobs[key].to_numpy() - first for key, first in zip(("row", "col"), corner, strict=True))
    inside = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
    return rows[inside], cols[inside]


def _faint(ax, rows, cols, marker, *, label):
    faint = {
        "mec": "0.8",
        "mfc": "none",
        "mew": pt(0.9),
        "ms": pt(4),
        "path_effects": [withStroke(linewidth=pt(1.8), foreground="0.25")],
    }
    ax.plot(cols, rows, ls="", marker=marker, label=label, **faint)


def draw_places(panels, *, um_per_px, title=None):
    """Positions on grey pictures beside each other: a table's, and where they would fit.

    Parameters
    ----------
    panels : dict
        Title -> (image, corner, side_px, places). The image (rows, cols) is light above the ground, in standard deviations
        of its noise; from its pixel `corner` (row, col) on side_px are shown, all where that is None. places: name ->
        ndarray of shape (n, 2), y_px and x_px in the image, from its outer corner.
    um_per_px : float
        For the scale bars.
    """
    axes = make_axes(len(panels), width=4.8, height=4.8, keeps_shape=True)
    names = list(dict.fromkeys(name for *_, places in panels.values() for name in places))
    for ax, (about, (image, corner, side_px, places)) in zip(axes, panels.items(), strict=True):
        part = image[corner[0] :, corner[1] :][:side_px, :side_px]
        draw_image(part, ax=ax, title=about, low=0, high=_BRIGHT_SDS)
        size = pt(6 if side_px else 2.5)
        for name, points in places.items():
            y, x = (points - corner - 0.5).T  # pictures count from the middle of a pixel
            style = {"ms": size, "mew": size / 5, **_PLACES[names.index(name)]}
            ax.plot(x, y, ls="", mfc="none", label=name, **style)
        draw_scale_bar(ax, um_per_px, width_px=part.shape[1], at=(0.04 * part.shape[1], 0.95 * part.shape[0]))
    figure = axes[0].figure
    put_legend(axes, below=True)
    if title:
        figure.suptitle(broken(title, 0.95 * figure_in(axes[0])), fontsize=plt.rcParams["axes.titlesize"])
    return figure


def draw_techniques(images, corner, *, field_px, um_per_px, found=None, window=None, colour="w", figure=None):
    """Cosine similarity, cross-correlation and the original side by side (thesis Fig 1), each up to its 99.95th percentile.

    Parameters
    ----------
    images : dict
        Name -> image (rows, cols).
    corner : (row, col)
        First pixel of the part that is shown.
    field_px : int
        Its side, px.
    um_per_px : float
        For the scale bar.
    found : dict, optional
        Title -> DataFrame of blobs with row and col: round the first of them `window` is drawn, in whose middle a response
        peaks; the others are faint crosses.
    window : Window, optional
        Of the template.
    """
    axes = make_axes(len(images), width=3.2, height=4.0, figure=figure, keeps_shape=True, sharex=True, sharey=True)
    for ax, (name, image) in zip(axes, images.items(), strict=True):
        part = image[corner[0] : corner[0] + field_px, corner[1] : corner[1] + field_px]
        unit = _UNITS.get(name, "response, norms of both 1")
        draw_image(part, ax=ax, title=name.capitalize(), low=0, high=np.percentile(part, 99.95), bar=unit)
        for k, (title, blobs) in enumerate((found or {}).items()):
            rows, cols = _inside(blobs, corner, part.shape)
            if len(rows) and k == 0:
                _frame_windows(ax, rows, cols, window, colour, label=f"{title} ({len(rows)})")
            elif len(rows):
                _faint(ax, rows, cols, "x", label=f"{title} ({len(rows)})")
    draw_scale_bar(axes[-1], um_per_px, width_px=part.shape[1], at=(0.05 * part.shape[1], 0.95 * part.shape[0]))
    put_legend(axes)
    return axes[0].figure


def _frame_windows(ax, rows, cols, window, colour, *, label):
    """Windows about blobs as rectangles."""
    height, width = window.shape
    lower_left = zip(cols - window.left - 0.5, rows - window.above - 0.5, strict=True)
    boxes = [Rectangle(at, width, height) for at in lower_left]
    halo = [withStroke(linewidth=pt(2.2), foreground="w")]
    ax.add_collection(PatchCollection(boxes, fc="none", ec=colour, lw=pt(1.0), path_effects=halo))
    ax.plot([], [], "s", mfc="none", mec=colour, mew=pt(1.0), ms=pt(7), label=label)
