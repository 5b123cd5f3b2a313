"""Draw frames, templates, responses and crops (thesis Figs 1, 2 and 10), in one style."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from mirnb.imaging.responses import composite


def use_style():
    """One look for all figures."""
    sns.set_theme(context="notebook", style="ticks", font_scale=0.9)
    plt.rcParams.update(
        {
            "figure.constrained_layout.use": True, "image.interpolation": "nearest", "image.origin": "upper",
            "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "svg.hashsalt": "mirnb",
            "figure.dpi": 100, "axes.titlesize": "medium", "text.parse_math": False,  # a $ in a name is a $
        }
    )  # fmt: skip


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
