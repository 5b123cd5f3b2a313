"""Draw what the others computed. Every function takes numbers, accepts `ax` or returns a new figure, and saves nothing."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import ConnectionPatch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter
from sklearn.metrics import ConfusionMatrixDisplay

from mirnb import thesis
from mirnb.imaging.responses import composite


def use_style():
    """One look for all figures."""
    sns.set_theme(context="notebook", style="ticks", font_scale=0.9)
    plt.rcParams.update(
        {
            "figure.constrained_layout.use": True, "image.interpolation": "nearest", "image.origin": "upper",
            "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "svg.hashsalt": "mirnb",
            "figure.dpi": 100, "axes.titlesize": "medium",
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


def draw_class_counts(table, panel):
    """Crops of each class in each set, as bars with their numbers (thesis cell 17). table: classes x sets."""
    width, many = max(3.4, 0.42 * panel.n_mirs + 0.6), panel.n_mirs > 4
    figure, axes = plt.subplots(1, table.shape[1], figsize=(width * table.shape[1], 3.4), sharey=True, squeeze=False)
    for ax, name in zip(axes.flat, table.columns, strict=True):
        bars = ax.bar(table.index, table[name], color=panel.colours)
        ax.bar_label(bars, padding=2, fontsize="small" if many else None)
        ax.set(title=f"{name} ({table[name].sum()})")
        ax.tick_params(axis="x", rotation=90 if many else 0)
    axes[0, 0].set_ylabel("crops")
    return figure


def draw_network(layers):
    """The network as a row of feature maps (thesis Fig 3).

    layers : DataFrame with layer, shape (tuple without the batch), weights
    """
    figure, ax = plt.subplots(figsize=(13, 4.6))
    x, ends = 0.0, []
    for _, layer in layers.iterrows():
        shape = layer["shape"]
        if len(shape) == 3:
            rows, cols, channels = shape
            height, width, planes = 0.6 + rows / 12, 0.25 + cols / 14, min(channels, 6)
        else:
            height, width, planes = 0.8 + min(shape[0], 256) / 110, 0.22, 1
        for plane in range(planes):
            shift = 0.1 * plane
            ax.add_patch(
                Rectangle((x + shift, -height / 2 - shift * 0.7), width, height, fc=sns.color_palette("crest")[1], ec="k",
                          lw=0.8, alpha=0.9, zorder=planes - plane)
            )  # fmt: skip
        right = x + width + 0.1 * (planes - 1)
        size = "x".join(map(str, shape[:2])) + f", {shape[2]} maps" if len(shape) == 3 else f"{shape[0]} units"
        weights = f"\n{layer['weights']:,} weights" if layer["weights"] else ""
        ax.text((x + right) / 2, -2.25, f"{layer['layer']}\n{size}{weights}", ha="center", va="top", fontsize=8)
        if ends:
            ax.add_patch(
                ConnectionPatch((ends[-1] + 0.06, 0), (x - 0.06, 0), "data", "data", arrowstyle="-|>", lw=1, color="0.4")
            )
        ends.append(right)
        x = max(right + 0.75, (x + right) / 2 + 1.55)
    ax.set(xlim=(-0.6, x - 0.2), ylim=(-3.3, 2.1), title=f"{int(layers['weights'].sum()):,} trainable weights")
    ax.axis("off")
    return figure


def draw_learning_curves(histories, *, printed=True):
    """Losses of each run over the epochs, their mean, and the losses printed in the thesis."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    columns = {"loss": ("training", thesis.LOSS), "val_loss": ("validation", thesis.VALIDATION_LOSS)}
    for ax, (column, (name, losses)) in zip(axes, columns.items(), strict=True):
        all_runs = np.array([history[column] for history in histories])
        epochs = np.arange(1, all_runs.shape[1] + 1)
        ax.plot(epochs, all_runs.T, color="0.75", lw=0.8)
        ax.plot(epochs, all_runs.mean(axis=0), color="k", lw=2, label=f"mean of {len(all_runs)} runs")
        if printed:
            ax.plot(np.arange(1, len(losses) + 1), losses, "o--", color="#D55E00", ms=4, label="thesis, one run")
        ax.set(title=name, xlabel="epoch", ylim=(0, None))
        ax.legend()
    axes[0].set_ylabel("cross-entropy")
    return figure


def draw_confusions(matrices, panel):
    """Confusion matrices, each row divided by its sum, precision and recall on the diagonal (thesis Figs 7 and 8).

    Parameters
    ----------
    matrices : dict
        Title -> counts, (n_classes, n_classes), rows true.
    """
    n = len(panel.names)
    size = 3.9 if n <= 5 else 0.62 * n + 1.2
    n_cols = len(matrices) if n <= 8 else 1  # more would be too small to read on a page
    n_rows = len(matrices) // n_cols
    figure, axes = plt.subplots(n_rows, n_cols, figsize=(size * n_cols, size * n_rows), squeeze=False)
    for ax, (title, matrix) in zip(axes.flat, matrices.items(), strict=True):
        draw_confusion(matrix, panel.names, ax=ax)
        ax.set_title(f"{title} ({int(matrix.sum())})")
    return figure


def draw_confusion(matrix, names, *, ax=None):
    """One confusion matrix of counts: shade and number are the share of the true class, P and R stand on the diagonal."""
    if ax is None:
        _, ax = plt.subplots()
    with np.errstate(invalid="ignore"):
        shares = matrix / matrix.sum(axis=1, keepdims=True)
        precision = np.diag(matrix) / matrix.sum(axis=0)
    display = ConfusionMatrixDisplay(np.nan_to_num(shares), display_labels=names)
    display.plot(ax=ax, cmap="Blues", colorbar=False, include_values=False, im_kw={"vmin": 0, "vmax": 1})
    small = len(names) > 5
    for row in range(len(names)):
        for col in range(len(names)):
            share = shares[row, col]
            text = f"P {precision[col]:.2f}\nR {share:.2f}" if row == col else f"{share:.2f}"
            text = "" if row != col and (share < 0.005 or np.isnan(share)) else text.replace("nan", "–")
            ax.text(
                col, row, text, ha="center", va="center", color="w" if share > 0.5 else "k", fontsize=6.5 if small else 9
            )
    ax.tick_params(axis="x", rotation=90 if small else 0)
    sns.despine(ax=ax, left=True, bottom=True)
    return ax


def draw_roc(curves, panel, *, ax=None):
    """ROC curve of each miR against the rest (thesis Fig 9). curves: class name -> (DataFrame of fpr and tpr, area)."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.8, 4.6))
    for name, (points, area) in curves.items():
        k = panel.index(name)
        label = f"{name} (area {area:.3f})"
        ax.plot(points["fpr"], points["tpr"], color=panel.colours[k], ls=panel.line_styles[k], lw=1.8, label=label)
    ax.plot([0, 1], [0, 1], color="0.6", lw=1, ls=(0, (1, 2)), label="chance")
    ax.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(fontsize="small", **_legend_place(len(curves), "lower right"))
    return ax


def _legend_place(n_lines, inside):
    """Where a legend stands: inside the axes, or beside them when there are too many lines."""
    return {"loc": inside} if n_lines <= 5 else {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}


def draw_precision_recall(curves, shares, panel, *, ax=None):
    """Precision-recall curve of each miR; its chance line lies at the share of its class.

    Parameters
    ----------
    curves : dict
        Class name -> (DataFrame of recall and precision, average precision).
    shares : mapping
        Class name -> share of the crops that are of this class.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.8, 4.6))
    for name, (points, average) in curves.items():
        k = panel.index(name)
        style = {"color": panel.colours[k], "ls": panel.line_styles[k]}
        ax.plot(points["recall"], points["precision"], lw=1.8, label=f"{name} (average {average:.3f})", **style)
        ax.axhline(shares[name], lw=0.9, alpha=0.7, **style)
    ax.set(xlabel="Recall", ylabel="Precision", aspect="equal", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(fontsize="small", title="thin lines: chance", **_legend_place(len(curves), "center left"))
    return ax


def draw_reliability(table, ece, *, ax=None):
    """How often the predicted class is right against its probability; the grey bars count crops."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 4.2))
    filled = table[table["n"] > 0]
    width = table["high"].iloc[0] - table["low"].iloc[0]
    ax.bar(filled["low"], filled["n"] / filled["n"].sum(), width=width, align="edge", color="0.88", label="share of crops")
    ax.plot([0, 1], [0, 1], color="0.6", ls=(0, (1, 2)), label="perfect")
    error = np.sqrt(filled["accuracy"] * (1 - filled["accuracy"]) / filled["n"])
    ax.errorbar(filled["confidence"], filled["accuracy"], yerr=error, fmt="o-", color="k", ms=4, label=f"ECE {ece:.3f}")
    ax.set(xlabel="Probability of the predicted class", ylabel="Share that is right", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(loc="upper left", fontsize="small")
    return ax


def draw_score_intervals(scores, intervals, panel, *, printed=None, ax=None):
    """Recall and precision of each miR with intervals; open diamonds are the thesis's figures.

    Parameters
    ----------
    scores, intervals : dict
        As `evaluate.score` and `evaluate.bootstrap_intervals` give them.
    printed : dict, optional
        "recall" and "precision" -> class name -> the thesis's figure.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(1.5 + (1.5 if panel.n_mirs <= 6 else 0.75) * panel.n_mirs, 3.6))
    for column, name in enumerate(("recall", "precision")):
        for k, mir in enumerate(panel.mir_names):
            x = k + (column - 0.5) * 0.3
            middle = scores[name][k]
            low, high = intervals[name][:, k]
            error = [[max(middle - low, 0)], [max(high - middle, 0)]]
            ax.errorbar(x, middle, yerr=error, fmt="os"[column], color=panel.colours[k], capsize=3)
            if printed:
                ax.plot(x + 0.08, printed[name][mir], "D", mfc="none", mec="k", ms=6)
    ax.plot([], [], "o", color="0.3", label="recall")
    ax.plot([], [], "s", color="0.3", label="precision")
    if printed:
        ax.plot([], [], "D", mfc="none", mec="k", label="thesis")
    ax.set(xticks=range(panel.n_mirs), xticklabels=panel.mir_names, ylabel="score, 95 % interval", ylim=(0, 1.02))
    ax.tick_params(axis="x", rotation=0 if panel.n_mirs <= 6 else 60)
    ax.legend(loc="lower left", fontsize="small", ncols=3)
    return ax


_RIVAL_MARKERS = {"matched filter": "x", "PCA + SVM": "s", "LeNet-5 (thesis)": "o", "best": "D"}


def draw_rivals(table, *, ax=None):
    """F1 of each class, and the mean of the miRs, for each classifier, with 95 % intervals; colours go by classifier.

    table : DataFrame
        As `rivals.compare` gives it.
    """
    classes, names = list(dict.fromkeys(table["class"])), list(dict.fromkeys(table["classifier"]))
    if ax is None:
        _, ax = plt.subplots(figsize=(2.5 + (1.5 if len(classes) <= 8 else 0.75) * len(classes), 3.8))
    for k, name in enumerate(names):
        own = table[table["classifier"] == name].set_index("class").loc[classes]
        x = np.arange(len(classes)) + 0.16 * (k - (len(names) - 1) / 2)
        error = np.abs(np.stack([own["f1"] - own["f1 low"], own["f1 high"] - own["f1"]]))
        style = {"marker": _RIVAL_MARKERS.get(name, "o"), "color": sns.color_palette("colorblind")[k], "capsize": 3}
        ax.errorbar(x, own["f1"], yerr=error, ls="", label=name, **style)
    ax.set(xticks=range(len(classes)), xticklabels=classes, ylabel="F1 on test, 95 % interval", ylim=(None, 1.0))
    ax.tick_params(axis="x", rotation=0 if len(classes) <= 8 else 60)
    ax.figure.legend(fontsize="small", loc="outside right center")
    return ax


def draw_learning_curve(table, *, reference=None, ax=None):
    """Mean F1 over the miRs against the number of training labels, a line for each way; bars span the repeats.

    Parameters
    ----------
    table : DataFrame
        As `learning.learning_curve` gives it.
    reference : float, optional
        LeNet-5's with all labels.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6.2, 3.8))
    for k, (way, own) in enumerate(table.groupby("way", sort=False)):
        grouped = own.groupby("share")
        labels, f1 = grouped["labels"].mean(), grouped["macro_f1_mir"]
        error = np.stack([f1.mean() - f1.min(), f1.max() - f1.mean()])
        style = {"marker": "oDs^"[k % 4], "ls": ("-", "--", "-.", ":")[k % 4], "color": sns.color_palette("colorblind")[k]}
        ax.errorbar(labels * (1 + 0.02 * k), f1.mean(), yerr=error, capsize=3, label=way, **style)
    if reference is not None:
        ax.axhline(reference, color="0.5", ls=(0, (1, 2)), label="LeNet-5, all labels")
    ax.set(xscale="log", xlabel="training labels (all classes)", ylabel="mean F1 over the miRs, test")
    ticks = table.groupby("share")["labels"].mean().round()
    ax.set_xticks(ticks, [str(int(tick)) for tick in ticks])
    ax.minorticks_off()
    ax.legend(fontsize="small", loc="lower right")
    return ax


def draw_reliabilities(tables):
    """`draw_reliability` of several classifiers side by side. tables: title -> (table, calibration error)."""
    figure, axes = plt.subplots(1, len(tables), figsize=(3.7 * len(tables), 3.7), squeeze=False, sharey=True)
    for ax, (title, (table, ece)) in zip(axes.flat, tables.items(), strict=True):
        draw_reliability(table, ece, ax=ax)
        ax.set_title(title)
    for ax in axes.flat[1:]:
        ax.set_ylabel("")
    return figure


def draw_rejection(curves, *, least_accepted=30, ax=None):
    """Crosstalk between miRs against the share of calls rejected, as far as enough calls are left to tell.

    Parameters
    ----------
    curves : dict
        Title -> `calibration.rejection_curve`.
    least_accepted : int
        Where fewer calls are accepted the line ends.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(5.6, 3.8))
    for k, (title, curve) in enumerate(curves.items()):
        curve = curve[curve["accepted"] >= least_accepted]
        style = {"color": sns.color_palette("colorblind")[k], "ls": ("-", "--", "-.", ":")[k % 4]}
        ax.plot(100 * curve["rejected"], 100 * curve["crosstalk"], lw=1.8, label=title, **style)
    ax.set(
        xlabel="Calls of a miR rejected as unsure (%)", ylabel="Crosstalk between miRs (%)", xlim=(-1, 100), ylim=(0, None)
    )
    ax.legend(fontsize="small")
    return ax


def draw_abundance(table, panel):
    """miRs of each sample: molecules a frame with their detection limits, and shares, each with its 95 % interval.

    Blanks have no shares: nothing is shared out there.

    Parameters
    ----------
    table : DataFrame
        As `abundance.abundance_table` gives it.
    panel : Panel
    """
    names = list(dict.fromkeys(table["sample"]))
    measured = list(dict.fromkeys(table["sample"][table["role"] != "blank"]))
    width = max(1.0 + 0.3 * (panel.n_mirs + 1) * len(names), 3.6)
    if width < 7:
        figure, axes = plt.subplots(1, 2, figsize=(2 * width, 3.8))
    else:  # one above the other
        figure, axes = plt.subplots(2, 1, figsize=(min(1.5 + 0.7 * width, 16), 6.4))
    half = 0.3 / panel.n_mirs
    for k, name in enumerate(panel.mir_names):
        style = {"color": panel.colours[k], "marker": panel.markers[k], "ls": "", "capsize": 3}
        for ax, key, shown in zip(axes, ("per_frame", "share"), (names, measured), strict=True):
            own = table[table["class"] == name].set_index("sample").loc[shown]
            x = np.arange(len(shown)) + 0.8 / panel.n_mirs * (k - (panel.n_mirs - 1) / 2)
            error = np.stack([own[key] - own[f"{key}_low"], own[f"{key}_high"] - own[key]]).clip(0)
            ax.errorbar(x, own[key], yerr=error, label=name, **style)
            if ax is axes[0]:
                ax.hlines(own["detection_limit"] / own["frames"], x - half, x + half, color="k", lw=1)
            else:
                ax.plot(x + half / 2, own["counted_share"], panel.markers[k], mfc="none", mec="0.4", ms=5)
    axes[1].plot([], [], color="k", lw=1, label="detection limit")
    axes[1].plot([], [], "o", mfc="none", mec="0.4", ms=5, label="share as counted")
    for ax, label, shown in zip(axes, ("molecules a frame", "share of all miRs"), (names, measured), strict=True):
        ax.margins(y=0.08)
        ax.set(ylabel=f"{label}, 95 % interval", ylim=(0, None))
        ax.set_xticks(range(len(shown)), shown, rotation=0 if max(map(len, shown), default=0) * len(shown) < 45 else 45)
    figure.legend(*axes[1].get_legend_handles_labels(), fontsize="small", loc="outside right center")
    return figure


def draw_sweep(table, panel, *, x_scale="linear", marked=None):
    """Precision and recall of each miR against a setting, on training and validation (thesis Figs 5, 6, 11 to 14).

    Lines are medians over the repeats, bands go from the 10th to the 90th percentile; crosses tell how many of the repeats
    diverged.

    Parameters
    ----------
    table : DataFrame
        Rows of one sweep, as `tuning.tune` gives them.
    panel : Panel
    x_scale : "linear" or "log"
    marked : str, optional
        A value to mark: where the thesis says that scores decline.
    """
    setting, values = table["setting"].iloc[0], list(dict.fromkeys(table["value"]))
    is_number = all(value.replace(".", "", 1).replace("e-", "", 1).isdigit() for value in values)
    x = np.array([float(value) for value in values]) if is_number else np.arange(len(values))
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 6.4), sharex=True, sharey=True)
    for row, measure in zip(axes, ("precision", "recall"), strict=True):
        for ax, name in zip(row, ("training", "validation"), strict=True):
            own = table[table["set"] == name]
            for k, mir in enumerate(panel.mir_names):
                scores = own[own["class"] == mir].groupby("value", sort=False)[measure]
                low, middle, high = (scores.quantile(share).loc[values] for share in (0.1, 0.5, 0.9))
                style = {"color": panel.colours[k], "ls": panel.line_styles[k], "marker": panel.markers[k], "ms": 4}
                ax.plot(x, middle, label=mir, **style)
                ax.fill_between(x, low, high, color=panel.colours[k], alpha=0.15, lw=0)
            if marked in values:
                ax.axvline(x[values.index(marked)], color="0.5", lw=1, ls=(0, (1, 2)), label="declines from here, thesis")
            _cross_diverged(own, values, x, ax)
            ax.set_xscale(x_scale)
        row[0].set_ylabel(measure)
    for ax, name in zip(axes[0], ("training", "validation"), strict=True):
        ax.set_title(f"{name}, {table['seed'].nunique()} repeats")
    _label_values(axes[1], setting, values, x)
    lines = {label: line for ax in axes.flat for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines.keys(), fontsize="small", loc="outside right center")
    return figure


def _cross_diverged(rows, values, x, ax):
    """A cross and a count at the foot of each value at which trainings diverged."""
    counts = rows.groupby(["value", "seed"], sort=False)["diverged"].first().groupby("value", sort=False).sum()
    for at, value in zip(x, values, strict=True):
        if counts[value]:
            foot = {"transform": ax.get_xaxis_transform(), "color": "0.3", "clip_on": False}
            ax.plot([at], [0.03], marker="x", ls="", **foot, label="diverged (number)")
            ax.text(at, 0.07, str(counts[value]), ha="center", fontsize="small", **foot)


def _label_values(axes, setting, values, x):
    """The values of a setting as ticks, those that would overlap left out."""
    names = {
        "filter1": "filters of the first convolution", "filter2": "filters of the second convolution",
        "filter3": "units of the first dense layer", "kernel": "side of the kernels, px", "pool": "pooling, rows x columns",
        "sgd": "learning rate of SGD", "adam": "learning rate of Adam", "epochs": "epochs", "batch_size": "crops a batch",
        "padding": "padding of the pooling",
    }  # fmt: skip
    for ax in axes:
        is_log = ax.get_xscale() == "log"
        place = np.log(x) if is_log else x
        room, shown = 0.06 * (place.max() - place.min()), []
        for k in range(len(x)):
            if not shown or place[k] - place[shown[-1]] >= room:
                shown.append(k)
        ax.set_xticks(x[shown], [values[k] for k in shown])
        ax.minorticks_off()
        ax.set_xlabel(names[setting])


def draw_complexity(summary):
    """Median F1 against the number of weights, for each sweep, on training and validation (thesis Fig 4, a schematic there).

    The optimum, the highest median on validation, is marked.

    Parameters
    ----------
    summary : DataFrame
        As `tuning.summary` gives it: index setting, others, value; columns training, validation, weights.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), sharex=True, sharey=True)
    best = summary["validation"].idxmax()
    for ax, name in zip(axes, ("training", "validation"), strict=True):
        for k, (setting, own) in enumerate(summary.groupby(level="setting", sort=False)):
            own = own.sort_values("weights")
            style = {"color": sns.color_palette("colorblind")[k], "marker": "oDs^vP"[k % 6], "ms": 5}
            ax.plot(own["weights"], own[name], ls=("-", "--", "-.", ":")[k % 4], label=setting, **style)
        at = summary.loc[best]
        ax.plot(at["weights"], at[name], "*", ms=17, mfc="none", mec="k", ls="", label=f"optimum: {best[0]} = {best[2]}")
        ax.set(title=name, xscale="log", xlabel="weights")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("mean F1 over the miRs, median")
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize="small", loc="outside right center")
    return figure
