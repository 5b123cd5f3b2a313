"""Draw frames, templates, responses and crops (thesis Figs 1, 2 and 10), in one style."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patheffects import withStroke

from mirnb.imaging.responses import composite
from mirnb.plots.style import own_axes, pt, put_legend


def draw_image(image, *, ax=None, title="", low=None, high=None, bar=None):
    """A grey or colour image without ticks; `bar` labels a colour bar."""
    if ax is None:
        _, ax = plt.subplots()
    drawn = ax.imshow(image, cmap="gray", vmin=low, vmax=high)
    ax.set(title=title, xticks=[], yticks=[])
    sns.despine(ax=ax, left=True, bottom=True)
    if bar:
        ax.figure.colorbar(drawn, ax=ax, label=bar, shrink=0.6, aspect=30)
    return ax


def draw_frame(frame, blobs, panel, *, corner=(0, 0), side_px=None, um_per_px=None, title=None, ax=None):
    """A raw frame, or a part of it, in grey, with its calls: miRs as open marks of their class, noise as faint crosses.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts
        Shown from its 1st to its 99.8th percentile.
    blobs : DataFrame
        row and col (px, of the whole frame) and class (name).
    corner : (row, col)
        First pixel of the part that is shown.
    side_px : int, optional
        Its side; all by default.
    um_per_px : float, optional
        For a scale bar.
    """
    part = frame[corner[0] :, corner[1] :][:side_px, :side_px]
    rows, cols = blobs["row"].to_numpy() - corner[0], blobs["col"].to_numpy() - corner[1]
    inside = (rows >= 0) & (rows < part.shape[0]) & (cols >= 0) & (cols < part.shape[1])
    low, high = np.percentile(part, [1, 99.8])
    ax = draw_image(part, ax=own_axes(ax, width=6.0, height=6.0), title=title, low=low, high=high)
    halo, faint = [withStroke(linewidth=pt(2.6), foreground="w")], [withStroke(linewidth=pt(1.8), foreground="0.25")]
    ours = blobs["class"].to_numpy()
    for k, name in enumerate(panel.names):
        own = inside & (ours == name)
        style = {"mec": panel.colours[k], "marker": panel.markers[k], "mew": pt(1.3), "ms": pt(8), "path_effects": halo}
        if k == panel.noise:
            style = {"mec": "0.8", "marker": "x", "mew": pt(0.9), "ms": pt(4), "path_effects": faint}
        ax.plot(cols[own], rows[own], ls="", mfc="none", label=f"{name} ({own.sum()})", **style)
    if um_per_px:
        draw_scale_bar(ax, um_per_px, width_px=part.shape[1], at=(0.04 * part.shape[1], 0.95 * part.shape[0]))
    put_legend(ax)
    return ax


def draw_scale_bar(ax, um_per_px, *, width_px, at, color="w", below=False):
    """A bar of a round length, about a fifth of `width_px` long, from `at` (x, y); its label stands above it, or below."""
    lengths = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
    um = lengths[max(np.searchsorted(lengths, 0.25 * width_px * um_per_px) - 1, 0)]
    end, stroke = at[0] + um / um_per_px, [withStroke(linewidth=pt(1.5), foreground="k" if color == "w" else "w")]
    ax.plot([at[0], end], [at[1]] * 2, color=color, lw=pt(2.5), solid_capstyle="butt", clip_on=False)
    place = {"xytext": (0, -pt(3) if below else pt(3)), "textcoords": "offset points", "va": "top" if below else "bottom"}
    ax.annotate(f"{um:g} µm", ((at[0] + end) / 2, at[1]), ha="center", color=color, path_effects=stroke, **place)


def draw_techniques(images, corner, *, field_px, um_per_px):
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
    """
    figure, axes = plt.subplots(1, len(images), figsize=(4.3 * len(images), 3.9), sharex=True, sharey=True)
    for ax, (name, image) in zip(axes, images.items(), strict=True):
        part = image[corner[0] : corner[0] + field_px, corner[1] : corner[1] + field_px]
        unit = "counts above background" if name == "original" else "response"
        draw_image(part, ax=ax, title=name.capitalize(), low=0, high=np.percentile(part, 99.95), bar=unit)
    height = part.shape[0]
    axes[-1].plot([0.05 * height, 0.05 * height + 5 / um_per_px], [0.95 * height] * 2, color="w", lw=3)
    axes[-1].text(0.05 * height, 0.93 * height, "5 µm", color="w", va="bottom")
    return figure


def draw_templates(templates, responses, panel):
    """Each template above its response to all templates, as a colour picture (thesis Fig 2)."""
    figure, axes = plt.subplots(2, panel.n_mirs, figsize=(0.8 + 1.25 * panel.n_mirs, 6.0), squeeze=False)
    for k, name in enumerate(panel.mir_names):
        draw_image(templates[k], ax=axes[0, k], title=f"{name}\n{panel.mirs[k].mir}".strip(), low=0, high=templates.max())
        draw_image(composite(responses[k], panel), ax=axes[1, k], title=f"{name} response" if panel.n_mirs <= 3 else name)
    axes[0, 0].set_ylabel("template")
    axes[1, 0].set_ylabel("response, all channels")
    return figure


def draw_template_pairs(responses, panel):
    """Response of each template, as a molecule (row), to each template (column); all share one grey range.

    responses : ndarray of shape (n_mirs, rows, cols, n_mirs), as `template_responses` gives it
    """
    n = panel.n_mirs
    figure, axes = plt.subplots(n, n, figsize=(1 + 1.3 * n, 0.6 + 2.4 * n), squeeze=False)
    for molecule in range(n):
        for template in range(n):
            draw_image(responses[molecule, ..., template], ax=axes[molecule, template], low=0, high=1)
        axes[molecule, 0].set_ylabel(f"{panel.mir_names[molecule]} molecule" if n <= 3 else panel.mir_names[molecule])
        axes[0, molecule].set_title(f"{panel.mir_names[molecule]} template" if n <= 3 else panel.mir_names[molecule])
    return figure


def draw_gallery(rows, *, share_range=False):
    """Small pictures in titled rows (thesis Fig 10).

    Parameters
    ----------
    rows : dict
        Title -> sequence of images, grey or colour.
    share_range : bool
        One grey range for all grey images, up to their 99.5th percentile; else each has its own.
    """
    if not any(len(images) for images in rows.values()):
        figure, ax = plt.subplots(figsize=(3, 1))
        ax.text(0.5, 0.5, "none", ha="center", va="center")
        ax.axis("off")
        return figure
    n_each = max([len(images) for images in rows.values()] + [1])
    pixels = np.concatenate([np.ravel(image) for images in rows.values() for image in images]) if share_range else None
    low, high = (None, None) if pixels is None else np.percentile(pixels, [0.1, 99.5])
    figure, axes = plt.subplots(len(rows), n_each, figsize=(1.1 + 0.75 * n_each, 0.3 + 1.9 * len(rows)), squeeze=False)
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        for ax in line:
            ax.set(xticks=[], yticks=[])
            sns.despine(ax=ax, left=True, bottom=True)
        for ax, image in zip(line, images, strict=False):
            draw_image(image, ax=ax, low=low, high=high)
        line[0].set_ylabel(title)
    return figure


def composite_rows(crops, groups, panel):
    """Colour pictures of response crops, for `draw_gallery`. groups: title -> indices of crops."""
    return {title: [composite(crops[index], panel) for index in indices] for title, indices in groups.items()}


def draw_channels(molecules, panel):
    """Molecules in rows: raw crop, colour picture, and each response channel alone, on one grey range a molecule.

    molecules : dict of title -> (response crop, raw crop)
    """
    n_cols = panel.n_mirs + 2
    figure, axes = plt.subplots(
        len(molecules), n_cols, figsize=(1.0 + 0.95 * n_cols, 0.4 + 2.1 * len(molecules)), squeeze=False
    )  # fmt: skip
    for line, (title, (crop, raw_crop)) in zip(axes, molecules.items(), strict=True):
        draw_image(raw_crop, ax=line[0])
        draw_image(composite(crop, panel), ax=line[1])
        for k in range(panel.n_mirs):
            draw_image(crop[..., k], ax=line[k + 2], low=0, high=crop.max())
        line[0].set_ylabel(title)
    for ax, title in zip(axes[0], ["raw", "all", *panel.mir_names], strict=True):
        ax.set_title(title)
    return figure


def draw_peaks(profiles, panel):
    """Response along the rows through its maximum, for each molecule (panel of the figure) and template (line).

    profiles : ndarray of shape (n_mirs, n_mirs, rows), molecule first, template second
    """
    n_cols = min(panel.n_mirs, 4)
    n_rows = -(-panel.n_mirs // n_cols)
    figure, axes = plt.subplots(n_rows, n_cols, figsize=(3.4 * n_cols, 2.8 * n_rows), sharey=True, squeeze=False)
    rows_px = np.arange(profiles.shape[-1]) - (profiles.shape[-1] - 1) // 2
    for ax in axes.flat[panel.n_mirs :]:
        ax.axis("off")
    for molecule, ax in zip(range(panel.n_mirs), axes.flat, strict=False):
        for template, name in enumerate(panel.mir_names):
            ax.plot(
                rows_px, profiles[molecule, template], color=panel.colours[template],
                ls=panel.line_styles[template], lw=2.2 if molecule == template else 1.2, label=name,
            )  # fmt: skip
        ax.set(title=f"{panel.mir_names[molecule]} molecule", xlabel="row shift (px)")
    axes[0, 0].set_ylabel("response")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), title="template", loc="outside right upper")
    return figure
