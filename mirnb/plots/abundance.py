"""Draw miRs counted in samples."""

import matplotlib.pyplot as plt
import numpy as np


def draw_abundance(table, panel):
    """miRs of each sample: molecules a frame with their detection limits, and shares, each with its 95 % interval.

    Blanks have no shares: nothing is shared out there.

    Parameters
    ----------
    table : DataFrame
        As `abundance.abundance_table` gives it.
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
