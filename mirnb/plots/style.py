"""One look for all figures: on a page, in a column of a journal, on slides. Sizes are told as on a page, and go along."""

import contextlib
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.transforms import ScaledTranslation

MM = 1 / 25.4  # inch
_PAGE_PT = 10.0


@dataclass(frozen=True)
class Style:
    font_pt: float
    width_in: float  # of the widest figure
    is_exact: bool  # every figure has just this width
    dpi: float  # on the screen; files have 300
    tallest_in: float


STYLES = {
    "page": Style(_PAGE_PT, 9.6, False, 110, 9.0),
    "paper": Style(7.0, 85 * MM, True, 200, 225 * MM),
    "slides": Style(12.0, 12.3, False, 90, 6.6),
}
_WIDTHS_MM = (50, 500)
_current = STYLES["page"]


class Drawing(Figure):
    """A figure made by a drawing itself: it may grow by its legend."""

    def draw(self, renderer):
        if self.get_layout_engine() is not None:  # axes of a fixed shape find their places in two steps
            self.get_layout_engine().execute(self)
        super().draw(renderer)


def use_style(style="page", *, width_mm=None):
    """One look for all figures that are drawn from now on.

    Parameters
    ----------
    style : "page", "paper" or "slides"
        10 pt on a page of up to 244 mm; 7 pt in a column of just 85 mm, with panels below each other; 12 pt on a slide.
    width_mm : float, optional
        Another width: of a paper's figures (180 for two columns, say), or of the widest figure.

    Raises
    ------
    ValueError
        On an unknown style, or a width out of range.
    """
    global _current
    if style not in STYLES:
        raise ValueError(f"style must be one of {', '.join(STYLES)}, got {style!r}")
    if width_mm is not None and not _WIDTHS_MM[0] <= width_mm <= _WIDTHS_MM[1]:
        raise ValueError(f"width_mm must lie between {_WIDTHS_MM[0]} and {_WIDTHS_MM[1]}, got {width_mm!r}; a column has 85")
    _current = STYLES[style] if width_mm is None else replace(STYLES[style], width_in=width_mm * MM)
    sizes = {key: pt(value * _PAGE_PT / 12) for key, value in sns.plotting_context("notebook").items()}  # font.size is 12
    sns.set_theme(style="ticks")
    plt.rcParams.update(
        {
            **sizes, "figure.constrained_layout.use": True, "image.interpolation": "none", "image.origin": "upper",
            "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "svg.hashsalt": "mirnb",
            "figure.dpi": _current.dpi, "savefig.dpi": 300, "text.parse_math": False,  # a $ in a name is a $
            "svg.fonttype": "none", "pdf.fonttype": 42,
            "figure.figsize": (_current.width_in if _current.is_exact else pt(6.4), pt(4.4)),
            "legend.handlelength": 2.4,  # room for a line style with its marker
        }
    )  # fmt: skip


@contextlib.contextmanager
def styled(style, *, width_mm=None):
    """`use_style` for the figures of a `with` block alone."""
    global _current
    before, settings = _current, plt.rcParams.copy()
    try:
        use_style(style, width_mm=width_mm)
        yield
    finally:
        _current = before
        plt.rcParams.update(settings)


def pt(size):
    """A size as it would be on a page (points or inches), in the current style."""
    return size * _current.font_pt / _PAGE_PT


def width_in():
    """Width of the widest figure, inches."""
    return _current.width_in


def tallest_in():
    """Height of the tallest figure of pictures, inches."""
    return _current.tallest_in


def text_in(labels):
    """Width of the widest of some labels, inches."""
    size = plt.rcParams["font.size"]
    lines = [line for label in labels for line in str(label).split("\n") if line.strip()]
    return max((TextPath((0, 0), line, size=size).get_extents().width for line in lines), default=0) / 72


def new_figure(width, height):
    """A figure of so many inches; a paper's has its width."""
    return plt.figure(FigureClass=Drawing, figsize=(_current.width_in if _current.is_exact else width, height))


def make_axes(n, *, width, height, most_cols=None, keeps_shape=False, figure=None, **options):
    """Axes of n panels, as many beside each other as the style has room for: ndarray of shape (n,).

    Parameters
    ----------
    width, height : float
        Of one, inches on a page.
    most_cols : int, optional
    keeps_shape : bool
        Panels that are narrower than `width` are as much lower.
    figure : Figure or SubFigure, optional
        Where they go; a new one by default.
    **options
        Of `Figure.subplots`.
    """
    room = width_in() if figure is None else figure.bbox.width / figure.get_figure(root=True).dpi
    room = int(room / pt(width) + 0.02)
    n_cols = max(min(n, most_cols or n, room), 1)
    n_rows = -(-n // n_cols)
    n_cols = -(-n // n_rows) if most_cols is None else n_cols
    if figure is None:
        each = width_in() / n_cols if _current.is_exact else min(width_in() / n_cols, pt(width))
        figure = new_figure(n_cols * each, n_rows * pt(height) * (min(each / pt(width), 1) if keeps_shape else 1))
    axes = figure.subplots(n_rows, n_cols, squeeze=False, **options).flat
    for ax in axes[n:]:
        ax.remove()
    return axes[:n]


def label_outer(axes):
    """Take the labels off inner axes of a grid, as those that share them need none."""
    n_cols = axes[0].get_subplotspec().get_gridspec().ncols
    for k, ax in enumerate(axes):
        is_last = k + n_cols >= len(axes)
        ax.tick_params(axis="x", which="both", labelbottom=is_last)
        ax.tick_params(axis="y", labelleft=k % n_cols == 0)
        ax.set(xlabel=ax.get_xlabel() if is_last else None, ylabel=None if k % n_cols else ax.get_ylabel())


def own_axes(ax, *, width, height, keeps_shape=False):
    """The axes given, or new ones of so many inches on a page."""
    return make_axes(1, width=width, height=height, keeps_shape=keeps_shape)[0] if ax is None else ax


def broken(text, room):
    """A text with its words on lines no wider than so many inches, as far as they let themselves be broken."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        lines[-1:] = [longer] if text_in([longer]) <= room or not lines[-1] else [lines[-1], word]
    return "\n".join(lines)


def put_title(ax, *lines):
    """Lines above axes, broken where they would run into the neighbours; None is left out."""
    n_cols = ax.get_subplotspec().get_gridspec().ncols if ax.get_subplotspec() else 1
    room = (0.9 if n_cols == 1 else 0.72) * figure_in(ax) / n_cols
    ax.set_title("\n".join(broken(line, room) for line in lines if line))


def figure_in(ax):
    """Width of the figure that axes are in, inches."""
    return ax.figure.bbox.width / ax.figure.get_figure(root=True).dpi


def put_legend(axes, *, title=None, below=False):
    """What is drawn in some axes, each label once: beside them where there is room for it, else below, never over data.

    A figure of our own, whose axes these all are, grows by it.

    Parameters
    ----------
    below : bool
        Below in any case, as suits a picture that fills its axes.
    """
    axes = np.atleast_1d(axes)
    lines = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if not lines:
        return None
    entries = {"handles": list(lines.values()), "labels": list(lines), "title": title}
    figure, ours = axes[0].figure, [ax for ax in axes[0].figure.axes if ax.get_label() != "<colorbar>"]
    if not isinstance(figure, Drawing) or len(ours) > len(axes):
        return _axes_legend(axes[-1], entries)
    width, height = figure.get_size_inches()
    legend = figure.legend(**entries, loc="outside right center")
    own = _size_in(legend)
    if not below and not _current.is_exact and width + own[0] <= width_in():
        figure.set_size_inches(width + own[0], max(height, own[1]))
        return legend
    legend.remove()
    legend = _in_columns(lambda n: figure.legend(**entries, loc="outside lower center", ncols=n), len(lines), width)
    figure.set_size_inches(width, height + _size_in(legend)[1])
    return legend


def _axes_legend(ax, entries):
    """A legend to the right of axes, or below their labels where that is a third of the figure's width."""
    right = ax.legend(**entries, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    width = figure_in(ax)
    if _size_in(right)[0] < width / 3:
        return right
    below = {"bbox_to_anchor": (0.5, 0.0), "bbox_transform": ax.transAxes + _down(ax), "loc": "upper center"}
    return _in_columns(lambda n: ax.legend(**entries, **below, ncols=n), len(entries["labels"]), width)


def _down(ax):
    return ScaledTranslation(0, -pt(0.42), ax.figure.get_figure(root=True).dpi_scale_trans)


def _in_columns(make, n_lines, width):
    """The legend of most columns that is not wider than so many inches."""
    for n_cols in range(n_lines, 0, -1):
        legend = make(n_cols)
        if _size_in(legend)[0] <= width or n_cols == 1:
            return legend
        legend.remove()


def _size_in(legend):
    return legend.get_window_extent().padded(pt(5)).size / legend.get_figure(root=True).dpi


_GREYS, _MARKERS, _LINES = ("#000000", "#777777", "#404040", "#a8a8a8"), "oDs^vP", ("-", "--", "-.", ":")


def plain_style(k, *, line=True):
    """Colour, marker and line of the k-th of things that are no miRs: greys, so that none is taken for a miR's colour."""
    style = {"color": _GREYS[k % 4], "marker": _MARKERS[k % 6], "ms": pt(5), "lw": pt(1.6)}
    return {**style, "mfc": "w" if k % 2 else _GREYS[k % 4], "ls": _LINES[k % 4] if line else ""}
