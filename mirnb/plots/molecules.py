"""Draw molecules and templates as small pictures in rows (thesis Figs 2 and 10), to scale."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from mirnb.plots.images import draw_scale_bar
from mirnb.plots.style import new_figure, pt, tallest_in, text_in, width_in

_GAP_PX = 2  # between two molecules; a crop and its colour picture are half as far apart


def draw_molecules(rows, *, beside=None, um_per_px=None, title=None, ax=None):
    """Raw crops in titled rows, one a class or a kind of mistake, all to one scale.

    Each row has a grey range of its own, up to the median of its crops' maxima, so that a lone piece of bright dirt darkens
    nothing.

    Parameters
    ----------
    rows : dict
        Title -> sequence of raw crops (rows, cols), in counts.
    beside : dict, optional
        Title -> as many colour pictures (rows, cols, 3), 0 to 1, each drawn to the right of its crop.
    um_per_px : float, optional
        For a scale bar.
    title : str, optional
    """
    rows = {name: list(images) for name, images in rows.items()}
    if not any(rows.values()):
        ax = new_figure(pt(3), pt(1)).subplots() if ax is None else ax
        ax.text(0.5, 0.5, "none", ha="center", va="center")
        ax.axis("off")
        return ax
    lines = {name: _one_row(images, (beside or {}).get(name)) for name, images in rows.items()}
    height, width = (max(line.shape[axis] for line in lines.values() if line is not None) for axis in (0, 1))
    picture = np.ones((len(lines) * (height + _GAP_PX) - _GAP_PX, width, 3))
    for k, line in enumerate(lines.values()):
        if line is not None:
            top = k * (height + _GAP_PX)
            picture[top : top + line.shape[0], : line.shape[1]] = line
    ax = _picture_axes(picture.shape, lines) if ax is None else ax
    ax.imshow(picture)
    middles = np.arange(len(lines)) * (height + _GAP_PX) + (height - 1) / 2
    ax.set_yticks(middles, list(lines), fontsize=plt.rcParams["font.size"])
    ax.set(xticks=[], title=title)
    ax.tick_params(length=0)
    sns.despine(ax=ax, left=True, bottom=True)
    if um_per_px:
        draw_scale_bar(ax, um_per_px, width_px=width, at=(-0.5, picture.shape[0] + 1), color="k", below=True)
    return ax


def _one_row(images, beside):
    """Pictures of one row beside each other, (rows, cols, 3), 0 to 1; None of nothing."""
    if not images:
        return None
    low = np.median([np.percentile(image, 5) for image in images])
    high = max(np.median([np.max(image) for image in images]), low + np.finfo(np.float32).tiny)
    parts = []
    for k, image in enumerate(images):
        grey = np.clip((np.asarray(image, float) - low) / (high - low), 0, 1)
        shown = [np.repeat(grey[..., np.newaxis], 3, axis=-1)] + ([beside[k]] if beside else [])
        parts += [one for pair in zip(shown, _gaps(shown, grey), strict=True) for one in pair]
    return np.concatenate(parts[:-1], axis=1)


def _gaps(shown, grey):
    """White columns behind each picture of a molecule: the last is the widest."""
    return [np.ones((len(grey), _GAP_PX if k == len(shown) - 1 else _GAP_PX // 2, 3)) for k in range(len(shown))]


def _picture_axes(shape, labels):
    """Axes that fit a picture of so many pixels, with labels to its left."""
    beside = text_in(labels) + pt(0.25)
    px_in = min(pt(0.065), (width_in() - beside) / shape[1], tallest_in() / shape[0])
    return new_figure(beside + shape[1] * px_in, shape[0] * px_in + pt(0.45)).subplots()
