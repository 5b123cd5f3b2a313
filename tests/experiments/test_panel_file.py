"""Panels: the thesis's, others of 1 to 12 miRs, and those that are refused."""

import itertools
import math

import numpy as np
import pytest
from by_hand import everything_in

from mirnb.experiments.panel import NOISE
from mirnb.experiments.panel_file import MAX_CLASSES, THESIS, load_panel, panel_files, panel_from_dict, write_panel
from mirnb.experiments.spectra import DYES
from mirnb.files import InputError
from mirnb.simulation.settings import settings_of
from mirnb.studies import thesis


def panel_values(n_mirs=2, **first):
    """A panel of the first pairs of dyes; `first` changes its first miR."""
    pairs = list(itertools.combinations(["Alexa 488", "Alexa 546", "Alexa 568", "Alexa 594", "Alexa 647", "Cy5.5"], 2))
    mirs = [{"name": f"mir_{k}", "dyes": list(pairs[k]), "gap_px": 3.0 + k} for k in range(n_mirs)]
    mirs[0].update(first)
    return {"name": "mine", "bands_nm": [[448, 809]], "mir": mirs}


def test_the_thesis_panel_is_red_green_blue_and_noise_last():
    assert THESIS.names == ["red", "green", "blue", NOISE]
    assert (THESIS.n_mirs, THESIS.noise, THESIS.index("blue"), THESIS.index("noise")) == (3, 3, 2, 3)
    assert [mir.mir for mir in THESIS.mirs] == ["miR-15b-5p", "miR-155-5p", "miR-126-3p"]
    assert [mir.gap_px for mir in THESIS.mirs] == [11.5, 4.75, 6.5]
    assert [mir.share for mir in THESIS.mirs] == [655, 141, 611]


def test_windows_of_the_thesis_panel_are_24x10_and_34x10():
    template, crop = THESIS.template_window, THESIS.crop_window
    assert (template.above, template.below, template.left, template.right) == (6, 18, 5, 5)
    assert (crop.above, crop.below, crop.left, crop.right) == (11, 23, 5, 5)
    assert template.shape == (24, 10)
    assert crop.shape == (34, 10)


@pytest.mark.parametrize(("gap_px", "rows"), [(1.0, 13), (11.5, 24), (12.0, 24), (12.1, 25), (60, 72)])
def test_windows_reach_past_the_largest_gap(gap_px, rows):
    panel = panel_from_dict(panel_values(n_mirs=1, gap_px=gap_px))
    assert panel.template_window.shape == (rows, 10)
    assert panel.crop_window.shape == (rows + 10, 10)


@pytest.mark.parametrize("n_mirs", [1, 2, 12])
def test_every_class_of_a_panel_has_a_name_colour_line_and_marker_of_its_own(n_mirs):
    panel = panel_from_dict(panel_values(n_mirs))
    assert panel.n_mirs == n_mirs
    assert panel.names == [f"mir_{k}" for k in range(n_mirs)] + [NOISE]
    assert len(set(panel.colours)) == n_mirs + 1
    assert len(set(panel.markers)) == n_mirs + 1
    assert len(panel.line_styles) == n_mirs + 1


def test_a_gap_that_is_not_given_follows_from_the_dyes():
    values = panel_values(n_mirs=1, dyes=["Alexa 488", "Alexa 647"])
    values["bands_nm"] = [[507, 532], [586, 625], [673, 714]]
    del values["mir"][0]["gap_px"]
    assert panel_from_dict(values).mirs[0].gap_px == pytest.approx(11.6, abs=0.1)


@pytest.mark.parametrize("panel", [THESIS, panel_from_dict(panel_values(12))], ids=["thesis", "twelve"])
def test_a_panel_comes_back_from_its_plain_values(panel):
    assert panel_from_dict(panel.to_dict()) == panel


@pytest.mark.parametrize("panel", [THESIS, panel_from_dict(panel_values(12))], ids=["thesis", "twelve"])
def test_a_panel_written_to_a_file_is_read_back(panel, tmp_path):
    write_panel(tmp_path / "panel.toml", panel)
    assert load_panel("panel.toml", folder=tmp_path) == panel


def test_a_panel_file_is_found_beside_the_experiment(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nbands_nm = [[507, 532], [586, 625]]\nprism_angle_deg = 177\n'
        '[[mir]]\nname = "a"\ndyes = ["Alexa 488", "Alexa 568"]\ngap_px = 7\n'
    )
    panel = load_panel("mine.toml", folder=tmp_path)
    assert panel.mir_names == ["a"]
    assert panel.prism_angle_deg == 177.0
    assert load_panel("thesis", folder=tmp_path) == THESIS


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ({"name": "noise"}, "not 'noise'"),
        ({"name": "a b"}, "letters, digits"),
        ({"name": "mir_1"}, "mir_1 came twice"),
        ({"name": 7}, "name must be text"),
        ({"dyes": ["Alexa 488"]}, "two names"),
        ({"dyes": ["Alexa 488", "Alexa 488"]}, "must differ"),
        ({"dyes": ["Alexa 488", "Alexa 999"]}, r"mir 1: unknown dye 'Alexa 999'"),
        ({"dyes": "Alexa 488"}, "dyes must be a list"),
        ({"gap_px": "wide"}, "gap_px must be a number"),
        ({"gap_px": True}, "gap_px must be a number"),
        ({"gap_px": 0.5}, "gap_px must lie between 1 and 60"),
        ({"gap_px": 61}, "gap_px must lie between 1 and 60"),
        ({"gap_px": float("nan")}, "gap_px must be a number, got nan"),
        ({"lower_flux": -1}, "lower_flux must lie between 0 and 10"),
        ({"brightness": -1}, "brightness must lie between 0 and 100"),
        ({"lower_sigma_y_px": [2, 1]}, "lower_sigma_y_px must be"),
        ({"lower_detected": 1.5}, "lower_detected must lie between 0 and 1"),
        ({"share": -1}, "share must lie"),
        ({"colour": "green"}, "colour must look like"),
        ({"distance": 3}, "mir 1: unknown key distance; known are"),
    ],
)
def test_a_mir_that_makes_no_sense_is_refused_in_words(first, words):
    with pytest.raises(InputError, match=words) as caught:
        panel_from_dict(panel_values(**first), source="mine.toml")
    assert str(caught.value).startswith("mine.toml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"angle": 3}, "unknown key angle"),
        ({"name": None}, "'name' is missing"),
        ({"bands_nm": None}, "'bands_nm' is missing"),
        ({"filter": [[500, 1]]}, "either bands_nm.*or filter.*both are there"),
        ({"bands_nm": None, "filter": 7}, "filter: expected the name of a CSV file or a list"),
        ({"bands_nm": None, "filter": "none.csv"}, "none.csv: there is no such file"),
        ({"lasers_nm": [488, 561]}, "the laser at 488 nm lies in the pass band from 448 to 809 nm"),
        ({"lasers_nm": ["blue"]}, "lasers_nm must be a list of wavelengths"),
        ({"bands_nm": [[495, 809]], "lasers_nm": [400]}, "Alexa 488: this dye is not seen: no laser .400 nm"),
        ({"bands_nm": [[600, 809]], "lasers_nm": [488]}, "Alexa 546: this dye is not seen: no laser .488 nm"),
        ({"bands_nm": [[700, 809]]}, "Alexa 488: this dye is not seen: the filter, with bands at 700 to 809 nm"),
        ({"dyes": {"mine": "none.csv"}}, "none.csv: there is no such file"),
        ({"dyes": {"mine": [[500, 1], [700, 1]]}}, "dyes, mine: a spectrum needs 5 points"),
        ({"dyes": "mine.csv"}, "dyes must be a table"),
        ({"camera": {"pixel_size_nm": 12}}, "camera pixel_size_nm must lie between 80 and 160"),
        ({"camera": {"exposure": 3}}, "camera: unknown key exposure"),
        ({"camera": {"em_gain": 1}}, "em_gain must be true or false"),
        ({"camera": {"frame_shape": [1024]}}, "frame_shape must be"),
        ({"prism_angle_deg": 80}, "between 90 and 180"),
        ({"mir": None}, "'mir' is missing"),
        ({"bands_nm": []}, "list of"),
        ({"bands_nm": [[532, 507]]}, r"\[low, high\]"),
        ({"bands_nm": [["a", "b"]]}, r"\[low, high\]"),
        ({"bands_nm": 507}, "bands_nm must be a list"),
        ({"prism_angle_deg": 180}, "between 90 and 180"),
        ({"prism_angle_deg": "steep"}, "prism_angle_deg must be a number"),
        ({"mir": []}, "1 to 12 miR classes, got 0"),
        ({"mir": ["red"]}, "mir 1: expected a table"),
        ({"mir": {"name": "red"}}, "mir must be a list"),
    ],
)
def test_a_panel_that_makes_no_sense_is_refused_in_words(change, words):
    values = {key: value for key, value in {**panel_values(), **change}.items() if value is not None}
    with pytest.raises(InputError, match=words) as caught:
        panel_from_dict(values, source="mine.toml")
    assert str(caught.value).startswith("mine.toml")


def test_two_classes_of_the_same_two_dyes_are_refused():
    values = panel_values(3)
    values["mir"][2] |= {"dyes": list(reversed(values["mir"][0]["dyes"])), "gap_px": values["mir"][0]["gap_px"]}
    with pytest.raises(InputError, match="mir_0 and mir_2 are of the same two dyes, Alexa 488 and Alexa 546"):
        panel_from_dict(values)


def test_thirteen_classes_are_one_too_many():
    assert MAX_CLASSES == 12
    with pytest.raises(InputError, match="1 to 12 miR classes, got 13"):
        panel_from_dict(panel_values(13))


def test_an_unknown_class_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"no class 'violet'.*red, green, blue, noise"):
        THESIS.index("violet")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "neither a named panel"), (b"name = ", "not valid TOML"), (b"\xe9\xff", "not a text file in UTF-8")],
    ids=["missing", "not toml", "not text"],
)
def test_a_panel_file_that_cannot_be_read_is_named(content, words, tmp_path):
    if content is not None:
        (tmp_path / "mine.toml").write_bytes(content)
    before = everything_in(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        load_panel("mine.toml", folder=tmp_path)
    assert "mine.toml" in str(caught.value)
    assert everything_in(tmp_path) == before


def test_every_dye_inside_the_range_of_the_dispersion_can_stand_in_a_panel():
    inside = [name for name in DYES if name != "Alexa 405"]
    for first, second in itertools.pairwise(sorted(inside, key=lambda name: DYES[name].peak_nm)):
        values = panel_values(n_mirs=1, dyes=[first, second], gap_px=5)
        assert panel_from_dict(values).mirs[0].dyes == (first, second)
    with pytest.raises(InputError, match="mir 1: Alexa 405 peaks at 422 nm, outside the range of the dispersion"):
        panel_from_dict(panel_values(dyes=["Alexa 405", "Alexa 488"]))


def test_the_numbers_of_the_thesis_stand_beside_its_own_panel_alone():
    values = THESIS.to_dict()
    assert thesis.is_thesis_panel(panel_from_dict(values))
    values["mir"][0]["dyes"] = ["Alexa 532", "Alexa 647"]
    assert not thesis.is_thesis_panel(panel_from_dict(values))


OWN = """
name = "own"
prism_angle_deg = 177
filter = "filter.csv"
lasers_nm = [488, 640]

[dyes]
"Atto 550" = "atto 550.csv"

[camera]
pixel_size_nm = 100
em_gain = true
frame_shape = [512, 512]

[[mir]]
name = "a"
dyes = ["Alexa 488", "Alexa 647"]

[[mir]]
name = "b"
dyes = ["Atto 550", "Alexa 647"]
"""


@pytest.fixture
def own_panel(tmp_path):
    """A panel file with a filter and a dye of the user's own, in files beside it."""
    (tmp_path / "own.toml").write_text(OWN)
    nm = range(450, 801, 5)
    (tmp_path / "filter.csv").write_text(
        "nm,T\n" + "".join(f"{one},{0.9 if one > 495 and abs(one - 640) > 8 else 0}\n" for one in nm)
    )
    (tmp_path / "atto 550.csv").write_text("".join(f"{one},{2 ** -(((one - 560) / 20) ** 2)}\n" for one in nm))
    return tmp_path


def test_a_panel_brings_spectra_filter_and_camera_of_its_own(own_panel):
    panel = load_panel("own.toml", folder=own_panel)
    assert panel.dyes["Atto 550"].peak_nm == 560
    np.testing.assert_allclose(panel.bands_nm, [(497.5, 632.5), (647.5, 800)], atol=0.6)
    assert (panel.pixel_size_nm, panel.psf_sigma_px) == (100, pytest.approx(1.12 * 1.2))
    settings = settings_of(panel)
    assert (settings.pixel_size_nm, settings.em_gain, settings.frame_shape) == (100, True, (512, 512))
    assert settings.psf_sigma_px == panel.psf_sigma_px


def test_such_a_panel_goes_into_an_experiment_as_one_file(own_panel, tmp_path_factory):
    panel = load_panel("own.toml", folder=own_panel)
    folder = tmp_path_factory.mktemp("elsewhere")
    write_panel(folder / "panel.toml", panel)
    assert load_panel("panel.toml", folder=folder) == panel
    assert panel_files("own.toml", folder=own_panel) == [
        own_panel / name for name in ("own.toml", "filter.csv", "atto 550.csv")
    ]
    assert panel_files("thesis") == []


def test_what_is_not_given_of_a_pair_follows_from_what_the_filter_lets_through():
    values = panel_values(n_mirs=1, dyes=["Alexa 488", "Alexa 647"])
    del values["mir"][0]["gap_px"]
    every = panel_from_dict(values).mirs[0]
    assert every.brightness == pytest.approx(2.0, abs=0.01)  # all light, twice what the thesis's bands let through
    assert every.lower_flux == pytest.approx(0.5, abs=0.01)
    values["bands_nm"] = [[514, 526], [448, 460], [640, 809]]
    less = panel_from_dict(values).mirs[0]
    assert less.lower_flux < 0.3
    assert np.mean(less.lower_sigma_y_px) < np.mean(every.lower_sigma_y_px)


def test_another_angle_moves_gaps_and_dispersed_widths_and_nothing_else():
    by = math.sin(math.radians(2)) / math.sin(math.radians(1.25))
    turned = THESIS.at_angle(176.0)
    assert [mir.gap_px for mir in turned.mirs] == pytest.approx([by * mir.gap_px for mir in THESIS.mirs])
    widths = [math.sqrt(1.12**2 + by**2 * (end**2 - 1.12**2)) for end in (1.35, 1.65)]
    assert turned.mirs[0].lower_sigma_y_px == pytest.approx(widths)
    assert turned.template_window.below == math.ceil(by * 11.5) + 6
    assert [mir.lower_flux for mir in turned.mirs] == [mir.lower_flux for mir in THESIS.mirs]
    assert THESIS.at_angle(177.5) is THESIS
    back = turned.at_angle(177.5)
    assert [mir.gap_px for mir in back.mirs] == pytest.approx([mir.gap_px for mir in THESIS.mirs])


@pytest.mark.parametrize("camera", [{"noise_sd_counts": 20}, {"background_counts": 50}, {"gain_counts": 10.0}])
def test_a_camera_with_less_noise_than_its_background_alone_is_refused(camera):
    panel = panel_from_dict({**panel_values(), "camera": camera})
    with pytest.raises(InputError, match=r"'mine', camera: a background of .* has shot noise of"):
        settings_of(panel)
