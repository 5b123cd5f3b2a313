"""Which pairs of dyes can be told apart, by their separations alone: before anything is drawn or trained.

What is measured of a molecule is its separation, with an error: how far lower blobs scatter, and how well both blobs can be
localised. Two classes overlap as far as the separations that would be measured of them do. Brightness and widths, which
tell classes apart as well, are left to the trained classifier (`prediction`).
"""

import itertools

import numpy as np
import pandas as pd
from scipy import special

from mirnb.experiments.panel import MirClass
from mirnb.experiments.panel_file import MAX_CLASSES, light_of, panel_from_dict
from mirnb.files import InputError
from mirnb.simulation.settings import localisation_error_px, settings_of

TOO_WIDE = "a blob is so wide that a detector finds it as two"
MOST_OVERLAP = 0.5  # of the separations of two classes; with more they cannot be told apart by it
# on simulated frames `detection` finds 6 % of blobs 2.0 to 2.5 px wide more than once, and 40 % of those 2.5 to 3 px wide
WIDEST_SIGMA_PX = 2.4
_WIDEST_GAP_PX = 40.0  # of a pair that is proposed; wider ones overlap with their neighbours on the frame


def pair_table(panel, mirs=None, *, settings=None):
    """What pairs of dyes look like on a panel's microscope, in the order of their separations.

    Parameters
    ----------
    mirs : sequence of MirClass, optional
        Those of the panel by default.

    Returns
    -------
    DataFrame, one row a pair
        class, upper_dye, lower_dye, gap_px, upper_sigma_px and lower_sigma_px (widths along the dispersion, with the PSF),
        upper_seen and lower_seen (share of the dye's light that the filter lets through), flux_counts and lower_flux_counts
        (median), scatter_px (of a measured separation).
    """
    settings, rows = settings or settings_of(panel), []
    for mir in panel.mirs if mirs is None else mirs:
        first, second = sorted(mir.dyes, key=lambda dye: panel.streak(dye).centroid_px)
        upper, lower = panel.streak(first), panel.streak(second)
        sigma_px = np.hypot(panel.psf_sigma_px, upper.sd_px), float(np.mean(mir.lower_sigma_y_px))
        flux = settings.flux_median * mir.brightness * np.array([1.0, mir.lower_flux])
        errors = [
            localisation_error_px(one, panel.psf_sigma_px, light, settings)
            for one, light in zip(sigma_px, flux, strict=True)
        ]
        rows.append(
            {
                "class": mir.name, "upper_dye": first, "lower_dye": second, "gap_px": mir.gap_px,
                "upper_sigma_px": sigma_px[0],
                "lower_sigma_px": sigma_px[1], "upper_seen": upper.transmitted, "lower_seen": lower.transmitted,
                "flux_counts": flux[0], "lower_flux_counts": flux[1],
                "scatter_px": np.hypot(settings.along_px, np.hypot(*errors)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows).sort_values("gap_px", ignore_index=True)


def separations(panel, *, settings=None):
    """`pair_table` of a panel's classes, with the class nearest to each: what can and cannot be told apart is said here.

    Returns
    -------
    DataFrame, one row a class
        Columns of `pair_table`, and nearest (the class it overlaps most with), distance_px, overlap (0 to 1) and remark.
    """
    table = pair_table(panel, settings=settings)
    shared = overlaps(table["gap_px"], table["scatter_px"])
    np.fill_diagonal(shared, -1)
    nearest = shared.argmax(axis=1) if len(table) > 1 else np.zeros(1, int)
    gap_px, names = table["gap_px"].to_numpy(), table["class"].to_numpy()
    alone = len(table) == 1
    table["nearest"] = ["" if alone else one for one in names[nearest]]
    table["distance_px"] = np.nan if alone else np.abs(gap_px - gap_px[nearest])
    table["overlap"] = np.maximum(shared.max(axis=1), 0)
    merged, wide = gap_px < resolved_px(table), _too_wide(table)
    near = [f"cannot be told from {one} by its separation" for one in table["nearest"]]
    told = ((table["overlap"] > MOST_OVERLAP, near), (merged, ["its two blobs merge into one"]), (wide, [TOO_WIDE]))
    columns = [np.where(where, words, "") for where, words in told]
    table["remark"] = ["; ".join(filter(None, words)) for words in zip(*columns, strict=True)]
    return table


def resolved_px(table):
    """Least separation at which two blobs show a dip between them: the sum of their widths (Sparrow's limit)."""
    return (table["upper_sigma_px"] + table["lower_sigma_px"]).to_numpy()


def _too_wide(table):
    return (table[["upper_sigma_px", "lower_sigma_px"]].max(axis=1) > WIDEST_SIGMA_PX).to_numpy()


def overlaps(gap_px, scatter_px):
    """Shared area of the normal distributions of measured separations, (n, n), 0 to 1.

    Two of unlike widths are taken to have the width between: that is exact for equal ones, and near enough for neighbours.
    """
    gap_px, scatter_px = np.asarray(gap_px, float), np.asarray(scatter_px, float)
    scatter = (scatter_px[:, None] + scatter_px) / 2
    return 2 * special.ndtr(-np.abs(gap_px[:, None] - gap_px) / (2 * scatter))


def possible_pairs(panel, *, settings=None):
    """Every pair of the dyes that a panel names: those that can be used, and why the others cannot.

    Returns
    -------
    usable : DataFrame
        As `pair_table` gives it.
    refused : DataFrame
        dyes, reason.
    """
    dyes = {*itertools.chain(*(mir.dyes for mir in panel.mirs)), *panel.own_dyes}
    dyes = sorted(dyes, key=lambda dye: panel.dyes[dye].peak_nm)
    known = {frozenset(mir.dyes): mir for mir in panel.mirs}  # what was measured of it stands
    mirs, refused = [], []
    for pair in itertools.combinations(dyes, 2):
        if frozenset(pair) in known:
            mirs.append(known[frozenset(pair)])
            continue
        try:
            mirs.append(MirClass(_pair_name(pair, dyes), pair, **light_of(panel, pair, " + ".join(pair))))
        except InputError as error:
            refused.append({"dyes": " + ".join(pair), "reason": str(error).split(": ", 1)[1]})
    table = pair_table(panel, mirs, settings=settings)
    near, wide = table["gap_px"] < resolved_px(table), table["gap_px"] > _WIDEST_GAP_PX
    found_twice = ~near & ~wide & _too_wide(table)
    reasons = ((near, "its two blobs merge into one"), (wide, f"wider than {_WIDEST_GAP_PX:g} px"), (found_twice, TOO_WIDE))
    for rows, reason in reasons:
        own = table[rows]
        refused += [
            {"dyes": f"{a} + {b}", "reason": reason} for a, b in zip(own["upper_dye"], own["lower_dye"], strict=True)
        ]
    return table[~near & ~wide & ~found_twice].reset_index(drop=True), pd.DataFrame(refused, columns=["dyes", "reason"])


def _pair_name(pair, dyes):
    """A class's name from its dyes, 488-647 where that says enough."""
    short = {dye: dye.split()[-1] for dye in dyes}
    full = len(set(short.values())) < len(dyes)
    words = [dye if full else short[dye] for dye in pair]
    return "-".join("".join(one if one.isascii() and one.isalnum() else "_" for one in word) for word in words)[:40]


def best_subset(pairs, n):
    """The n pairs whose least distance, in units of its scatter, is largest; all orders of separations are weighed.

    Parameters
    ----------
    pairs : DataFrame
        As `pair_table` gives it, in the order of separations.

    Returns
    -------
    chosen : int ndarray of shape (n,)
        Rows of `pairs`.
    least : float
        Distance of the two nearest, in units of the root of their summed squared scatters; infinite for one pair.
    """
    gap_px, scatter_px = pairs["gap_px"].to_numpy(), pairs["scatter_px"].to_numpy()
    apart = np.abs(gap_px[:, None] - gap_px) / np.hypot(scatter_px[:, None], scatter_px)
    least = np.full((n, len(pairs)), -np.inf)  # of the best m + 1 pairs that end with each
    before = np.zeros((n, len(pairs)), int)
    least[0] = np.inf
    for m in range(1, n):
        for last in range(m, len(pairs)):
            reached = np.minimum(least[m - 1, :last], apart[:last, last])
            before[m, last] = reached.argmax()
            least[m, last] = reached.max()
    chosen = [int(least[-1].argmax())]
    for m in range(n - 1, 0, -1):
        chosen.append(int(before[m, chosen[-1]]))
    return np.array(chosen[::-1]), float(least[-1].max())


def best_subsets(pairs):
    """The best subset of every size, up to 12: n, least_distance_px, overlap (of the worst two), pairs and remark."""
    rows = []
    for n in range(2, min(len(pairs), MAX_CLASSES) + 1):
        chosen, _ = best_subset(pairs, n)
        own = pairs.iloc[chosen]
        shared = overlaps(own["gap_px"], own["scatter_px"])
        np.fill_diagonal(shared, 0)
        most = shared.max()
        rows.append(
            {
                "n": n, "least_distance_px": np.diff(own["gap_px"]).min(), "overlap": most, "pairs": ", ".join(own["class"]),
                "remark": "two cannot be told apart by their separations" if most > MOST_OVERLAP else "",
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["n", "least_distance_px", "overlap", "pairs", "remark"])


def subset_panel(panel, pairs, n, *, name=""):
    """A panel of the best n of some pairs, on the same microscope, equally frequent.

    Raises
    ------
    InputError
        If there are fewer pairs.
    """
    if not 1 <= n <= min(len(pairs), MAX_CLASSES):
        raise InputError(
            f"panel {panel.name!r}: a subset of {n} pairs was asked for; its dyes make {len(pairs)} that can be used, and a "
            f"panel has 1 to {MAX_CLASSES}"
        )
    own = pairs.iloc[best_subset(pairs, n)[0]]
    there = {one["name"]: {**one, "share": 1.0} for one in panel.to_dict()["mir"]}
    mirs = [
        there.get(row["class"], {"name": row["class"], "dyes": [row["upper_dye"], row["lower_dye"]]})
        for row in own.to_dict("records")
    ]
    values = {**panel.to_dict(), "name": name or f"{panel.name}_best_{n}", "mir": mirs}
    return panel_from_dict(values, source=f"best {n} pairs of {panel.name}")
