"""Draw molecules, templates and their responses as small pictures in rows and columns, to scale (thesis Figs 2 and 10)."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from mirnb.imaging.responses import composite
from mirnb.plots.images import draw_scale_bar
from mirnb.plots.style import label_outer, make_axes, new_figure, pt, put_legend, put_title, tallest_in, text_in, width_in

_GAP_PX = 2  # between two pictures; a crop and its colour picture are half as far apart


def draw_molecules(rows, *, beside=None, panel=None, um_per_px=None, title=None, ax=None):
    """Raw crops in titled rows, one a class or a kind of mistake, all to one scale.

    Each row has a grey range of its own, up to the median of its crops' maxima, so that a lone piece of bright dirt darkens
    nothing.

    Parameters
    ----------
    rows : dict
        Title -> sequence of raw crops (rows, cols), in counts.
    beside : dict, optional
        Title -> as many colour pictures (rows, cols, 3), 0 to 1, each drawn to the right of its crop: `colour_rows`.
    panel : Panel, optional
        Whose colours these have, for a legend.
    um_per_px : float, optional
        For a scale bar.
    title : str, optional
    """
    cells = []
    for name, images in rows.items():
        shown, colours = _one_range(images), (beside or {}).get(name, [])
        cells.append([_join([grey, colours[k]], _GAP_PX // 2) if beside else grey for k, grey in enumerate(shown)])
    return _draw_cells(cells, list(rows), panel=panel, um_per_px=um_per_px, title=title, ax=ax)


def colour_rows(crops, groups, panel):
    """Colour pictures of response crops for `draw_molecules`, all on one range: up to the median of the crops' maxima.

    groups : dict of title -> indices of crops
    """
    shown = np.concatenate([np.asarray(indices, int) for indices in groups.values()]) if groups else []
    top = np.median(crops[shown].max(axis=(1, 2, 3))) if len(shown) else None
    return {title: [composite(crops[index], panel, top=top) for index in indices] for title, indices in groups.items()}


def draw_templates(templates, responses, panel, *, um_per_px=None, ax=None):
    """Each template above its response to all templates, as a colour picture, all to one scale (thesis Fig 2)."""
    cells = [[_grey(one, templates.max()) for one in templates], [composite(one, panel, top=1) for one in responses]]
    columns = [f"{mir.name}\n{mir.mir}".strip() for mir in panel.mirs]
    return _draw_cells(cells, ["template", "response"], columns=columns, panel=panel, um_per_px=um_per_px, ax=ax)


def draw_template_pairs(responses, panel, *, um_per_px=None, ax=None):
    """Response of each template, as a molecule (row), to each template (column); all share one grey range, 0 to 1.

    responses : ndarray of shape (n_mirs, rows, cols, n_mirs), as `template_responses` gives it
    """
    n = range(panel.n_mirs)
    cells = [[_grey(responses[molecule, ..., template], 1) for template in n] for molecule in n]
    ax = _draw_cells(cells, panel.mir_names, columns=panel.mir_names, um_per_px=um_per_px, ax=ax)
    ax.set(ylabel="molecule", xlabel="template")
    ax.xaxis.set_label_position("top")
    return ax


def draw_channels(molecules, panel, *, um_per_px=None, ax=None):
    """Molecules in rows: raw crop, colour picture, and each response channel alone, on one grey range a molecule.

    molecules : dict of title -> (response crop, raw crop)
    """
    cells = [
        [*_one_range([raw]), composite(crop, panel), *(_grey(crop[..., k], crop.max()) for k in range(panel.n_mirs))]
        for crop, raw in molecules.values()
    ]
    columns = ["raw", "all", *panel.mir_names]
    return _draw_cells(cells, list(molecules), columns=columns, panel=panel, um_per_px=um_per_px, ax=ax)


def draw_peaks(profiles, panel, *, figure=None):
    """Response along the rows through its maximum, for each molecule (panel of the figure) and template (line).

    profiles : ndarray of shape (n_mirs, n_mirs, rows), molecule first, template second
    """
    size = {"width": 3.0, "height": 2.6} if panel.n_mirs <= 3 else {"width": 2.2, "height": 2.0}
    axes = make_axes(panel.n_mirs, **size, figure=figure, sharex=True, sharey=True)
    rows_px = np.arange(profiles.shape[-1]) - (profiles.shape[-1] - 1) // 2
    for molecule, ax in enumerate(axes):
        for template in range(panel.n_mirs):
            style = {"color": panel.colours[template], "ls": panel.line_styles[template]}
            ax.plot(rows_px, profiles[molecule, template], lw=pt(2.2 if molecule == template else 1.2), **style)
        ax.set(xlabel="row shift (px)", ylabel="response")
        put_title(ax, f"{panel.mir_names[molecule]} molecule")
    for k, name in enumerate(panel.mir_names):
        axes[0].plot([], [], color=panel.colours[k], ls=panel.line_styles[k], lw=pt(1.2), label=name)
    axes[0].plot([], [], color="0.3", lw=pt(2.2), label="thick: its own")
    label_outer(axes)
    put_legend(axes, title="template")
    return axes[0].figure


def _grey(image, high, low=0.0):
    """A grey picture (rows, cols, 3), 0 to 1, of an image from `low` to `high`."""
    span = max(high - low, np.finfo(np.float32).tiny)
    return np.repeat(np.clip((np.asarray(image, float) - low) / span, 0, 1)[..., np.newaxis], 3, axis=-1)


def _one_range(images):
    """Grey pictures of raw crops on one range: from the level of their ground to the median of their maxima."""
    low = np.median([np.percentile(image, 5) for image in images]) if len(images) else 0
    return [_grey(image, np.median([np.max(one) for one in images]), low) for image in images]


def _join(pictures, gap_px, *, width=None):
    """Pictures beside each other, the lower ones in the middle, white between them; each in a field of that width."""
    height = max(one.shape[0] for one in pictures)
    parts = []
    for one in pictures:
        field = np.ones((height, max(width or 0, one.shape[1]) + gap_px, 3))
        top, left = (height - one.shape[0]) // 2, (field.shape[1] - gap_px - one.shape[1]) // 2
        field[top : top + one.shape[0], left : left + one.shape[1]] = one
        parts.append(field)
    return np.concatenate(parts, axis=1)[:, : -gap_px or None]


def _draw_cells(cells, titles, *, columns=None, panel=None, um_per_px=None, title=None, ax=None):
    """Pictures in rows and columns as one picture, with titles; `panel`: colours of its templates go to the legend."""
    if not any(cells):
        ax = new_figure(pt(3), pt(1)).subplots() if ax is None else ax
        ax.text(0.5, 0.5, "none", ha="center", va="center")
        ax.axis("off")
        return ax
    width = max(one.shape[1] for line in cells for one in line)
    lines = [_join(line, _GAP_PX, width=width) if line else np.ones((10, width, 3)) for line in cells]
    whole = max(line.shape[1] for line in lines)
    blank = [np.ones((line.shape[0] + _GAP_PX, whole, 3)) for line in lines]
    for under, line in zip(blank, lines, strict=True):
        under[: line.shape[0], : line.shape[1]] = line
    picture = np.concatenate(blank)[:-_GAP_PX]
    tops = np.cumsum([0, *(one.shape[0] for one in blank[:-1])])
    ax = _picture_axes(picture.shape, titles, columns) if ax is None else ax
    ax.imshow((255 * picture).round().astype(np.uint8))
    ax.autoscale(False)
    size = plt.rcParams["font.size"]
    ax.set_yticks([top + (line.shape[0] - 1) / 2 for top, line in zip(tops, lines, strict=True)], titles, fontsize=size)
    middles = (width - 1) / 2 + np.arange(len(columns or ())) * (width + _GAP_PX)
    ax.set_xticks(middles, columns or [], fontsize=size) if columns else ax.set_xticks([])
    if _is_crowded(columns, width / whole * ax.figure.get_size_inches()[0]):
        ax.tick_params(axis="x", rotation=90)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    put_title(ax, title)
    sns.despine(ax=ax, left=True, bottom=True)
    if um_per_px:
        draw_scale_bar(ax, um_per_px, width_px=whole, at=(-0.5, picture.shape[0] + 1), color="k", below=True)
    if panel:
        for k, name in enumerate(panel.mir_names):
            ax.plot([], [], "s", color=panel.colours[k], ms=pt(7), label=name)
        put_legend(ax, title="template")
    return ax


def _is_crowded(labels, each_in):
    return bool(labels) and text_in(labels) > 0.95 * each_in


def _picture_axes(shape, titles, columns):
    """Axes that fit a picture of so many pixels, with titles to its left and above."""
    beside = text_in(titles) + pt(0.3)
    above = pt(0.25) * max(str(one).count("\n") + 1 for one in columns) if columns else 0
    px_in = min(pt(0.065), (width_in() - beside) / shape[1], (tallest_in() - pt(0.5) - above) / shape[0])
    return new_figure(beside + shape[1] * px_in, shape[0] * px_in + pt(0.5) + above).subplots()
