"""Separations, overlaps and best subsets of pairs, against numbers worked on paper and every subset tried."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mirnb.design.pairs import best_subset, best_subsets, overlaps, pair_table, possible_pairs, separations, subset_panel
from mirnb.experiments.panel_file import THESIS, load_panel, panel_from_dict
from mirnb.experiments.spectra import bands_between
from mirnb.files import InputError
from mirnb.imaging.detection import detect_frame
from mirnb.simulation.frames import draw_light, expose
from mirnb.simulation.settings import Settings


def all_dyes(angle_deg=176.75, **more):
    """A panel that names every dye inside the range of the dispersion, on the thesis's lasers with the widest bands."""
    pairs = [("Alexa 488", "Alexa 532"), ("Alexa 546", "Alexa 594"), ("Alexa 568", "Cy5.5"), ("Cy3", "Alexa 647")]
    mirs = [{"name": f"m{k}", "dyes": list(pair)} for k, pair in enumerate(pairs)]
    lasers = [488, 561, 640]
    bands = [list(band) for band in bands_between(lasers)]
    return panel_from_dict(
        {"name": "all", "bands_nm": bands, "lasers_nm": lasers, "prism_angle_deg": angle_deg, "mir": mirs, **more}
    )


def test_a_separation_scatters_by_what_molecules_differ_and_both_blobs_err():
    table = pair_table(THESIS).set_index("class")
    settings = Settings()
    errors = [np.sqrt(8 * np.pi) * 1.12 * sigma * 34 / flux for sigma, flux in ((table.loc["red", "upper_sigma_px"], 1700),
                                                                               (1.5, 750))]  # fmt: skip
    assert settings.flux_low == 750  # the lower blob's 680 counts are no better known than that
    assert table.loc["red", "scatter_px"] == pytest.approx(np.sqrt(0.35**2 + np.sum(np.square(errors))))
    assert list(table.index) == ["green", "blue", "red"]
    assert table.loc["green", "upper_dye"] == "Alexa 647"


@pytest.mark.parametrize(("distance", "expected"), [(0, 1), (2, 2 * norm.cdf(-1)), (40, 0)])
def test_two_classes_overlap_by_the_shared_area_of_their_separations(distance, expected):
    shared = overlaps([5, 5 + distance], [1, 1])
    assert shared[0, 1] == shared[1, 0] == pytest.approx(expected)
    x = np.linspace(-10, 60, 20001)
    area = np.trapezoid(np.minimum(norm.pdf(x, 5, 1), norm.pdf(x, 5 + distance, 1)), x)
    assert shared[0, 1] == pytest.approx(area, abs=1e-4)


def test_two_classes_that_cannot_be_told_apart_are_named_in_the_table():
    values = THESIS.to_dict()
    values["mir"].append({"name": "teal", "dyes": ["Alexa 568", "Alexa 488"], "gap_px": 6.6})
    values["mir"].append({"name": "tight", "dyes": ["Alexa 546", "Alexa 568"], "gap_px": 1.2})
    table = separations(panel_from_dict(values)).set_index("class")
    assert table.loc["blue", "remark"] == "cannot be told from teal by its separation"
    assert table.loc["teal", "remark"] == "cannot be told from blue by its separation"
    assert table.loc["tight", "remark"] == "its two blobs merge into one"
    assert table.loc["red", "remark"] == ""
    assert table.loc["blue", "distance_px"] == pytest.approx(0.1)


def test_a_panel_of_one_class_has_no_nearest():
    values = THESIS.to_dict()
    table = separations(panel_from_dict({**values, "mir": values["mir"][:1]}))
    assert table["nearest"].tolist() == [""]
    assert table["overlap"].tolist() == [0]
    assert np.isnan(table["distance_px"]).all()


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_the_best_subset_is_that_of_all_subsets_tried(n):
    rng = np.random.default_rng(n)
    pairs = pd.DataFrame({"gap_px": np.sort(rng.uniform(3, 20, 9)), "scatter_px": 0.5})
    chosen, least = best_subset(pairs, n)
    gap_px = pairs["gap_px"].to_numpy()

    def nearest(rows):
        return min(np.diff(gap_px[list(rows)]), default=np.inf) / np.hypot(0.5, 0.5)

    assert len(set(chosen)) == n
    assert least == pytest.approx(nearest(chosen))
    assert least == pytest.approx(max(nearest(rows) for rows in itertools.combinations(range(9), n)))


def test_every_pair_of_the_dyes_is_possible_or_refused_with_its_reason():
    usable, refused = possible_pairs(all_dyes())
    assert len(usable) + len(refused) == 28  # eight dyes
    assert (np.diff(usable["gap_px"]) >= 0).all()
    assert (usable["gap_px"] >= usable["upper_sigma_px"] + usable["lower_sigma_px"]).all()
    reasons = set(refused["reason"].str.replace(r".*gap_px must.*", "too near", regex=True))
    assert reasons == {"its two blobs merge into one"}
    assert {"m0", "m2", "488-647"} <= set(usable["class"])  # pairs of the panel keep their names


def test_blobs_that_a_detector_would_find_as_two_are_not_proposed_and_said_to_be_so():
    usable, refused = possible_pairs(all_dyes(174))
    reasons = refused.set_index("dyes")["reason"]
    assert usable[["upper_sigma_px", "lower_sigma_px"]].max(axis=None) <= 2.4
    assert reasons["Alexa 647 + Alexa 488"] == "a blob is so wide that a detector finds it as two"
    assert not usable["lower_dye"].eq("Alexa 488").any()
    said = separations(THESIS.at_angle(174)).set_index("class")["remark"]
    assert (said == "a blob is so wide that a detector finds it as two").all()
    assert (separations(THESIS.at_angle(176))["remark"] == "").all()


def test_pairs_of_the_panel_keep_what_was_measured_of_them():
    usable, _ = possible_pairs(THESIS)
    assert usable.set_index("class").loc["blue", "gap_px"] == 6.5  # the curve says 7.6
    chosen = subset_panel(THESIS, usable, 3)
    assert chosen.mirs[-1].name == "red"
    assert chosen.mirs[-1].lower_flux == 0.40
    assert chosen.mirs[-1].share == 1.0


def test_best_subsets_grow_nearer_and_say_when_two_cannot_be_told_apart():
    usable, _ = possible_pairs(all_dyes(177.5))
    table = best_subsets(usable).set_index("n")
    assert list(table.index) == list(range(2, 13))
    assert (np.diff(table["overlap"]) >= -1e-9).all()
    assert table.loc[3, "remark"] == ""
    assert "two cannot be told apart" in table.loc[12, "remark"]


def test_more_pairs_than_the_dyes_make_are_refused():
    usable, _ = possible_pairs(THESIS)
    with pytest.raises(InputError, match=r"subset of 9 pairs.*its dyes make 5"):
        subset_panel(THESIS, usable, 9)


def test_a_dye_of_ones_own_is_paired_with_the_others():
    points = [[nm, float(np.exp(-(((nm - 700) / 15) ** 2)))] for nm in range(650, 760, 5)]
    usable, _ = possible_pairs(all_dyes(dyes={"My 700": points}, angle_deg=176.75))
    assert "488-700" in set(usable["class"])


@pytest.mark.parametrize(("name", "n", "least_px"), [("six", 6, 1.63), ("twelve", 12, 0.64)])
def test_the_named_panels_are_the_best_subsets_at_their_angles(name, n, least_px):
    panel = load_panel(name)
    usable, _ = possible_pairs(all_dyes(panel.prism_angle_deg))
    found = subset_panel(all_dyes(panel.prism_angle_deg), usable, n)
    assert [set(mir.dyes) for mir in panel.mirs] == [set(mir.dyes) for mir in found.mirs]
    assert [mir.gap_px for mir in panel.mirs] == [mir.gap_px for mir in found.mirs]
    assert np.diff([mir.gap_px for mir in panel.mirs]).min() == pytest.approx(least_px, abs=0.005)
    assert panel.bands_nm == bands_between(panel.lasers_nm)


@pytest.mark.parametrize(("sigma_y_px", "least", "most"), [(1.6, 0.0, 0.03), (2.3, 0.0, 0.15), (3.3, 0.3, 1.0)])
def test_blobs_wider_than_the_limit_are_found_as_two_and_narrower_ones_are_not(sigma_y_px, least, most):
    settings, rng = Settings(background_fall=0.0), np.random.default_rng(5)
    y, x = (grid.ravel() + rng.uniform(0, 1, 196) for grid in np.mgrid[40:1000:70, 40:1000:70])
    blobs = pd.DataFrame({"y_px": y, "x_px": x, "flux": 4000.0, "sigma_y_px": sigma_y_px, "sigma_x_px": 1.12})
    found = detect_frame(expose(draw_light(blobs, settings.frame_shape, 1.12), settings, rng))
    near = (
        np.hypot(*(found[["y_px", "x_px"]].to_numpy()[:, None] - blobs[["y_px", "x_px"]].to_numpy()).transpose(2, 0, 1)) < 8
    )
    assert least <= np.mean(near.sum(axis=0) > 1) <= most
