"""Spectra of dyes and filters: points from files, bands, lasers; and what is refused."""

import numpy as np
import pytest

from mirnb.experiments.spectra import DYES, bands_between, bands_of, exciting, read_points, spectrum_of
from mirnb.files import InputError

TRIANGLE = [[540, 0], [545, 0.5], [550, 1], [555, 0.5], [560, 0]]


def test_a_spectrum_is_linear_between_its_points_and_0_beyond():
    spectrum = spectrum_of([[nm, 2 * value] for nm, value in TRIANGLE], "mine")
    assert spectrum.peak_nm == 550
    np.testing.assert_allclose(spectrum.at([530, 542.5, 550, 570]), [0, 0.5, 2, 0])
    np.testing.assert_allclose(spectrum.emission([542.5, 550]), [0.25, 1])


@pytest.mark.parametrize("header", ["", "wavelength_nm,emission\n", "\ufeffWavelength,Atto 550 EM\n"])
def test_points_are_read_from_two_columns_with_or_without_a_header(tmp_path, header):
    path = tmp_path / "dye.csv"
    path.write_text(header + "".join(f"{nm},{value}\n" for nm, value in TRIANGLE) + "\n", encoding="utf-8")
    assert read_points(path) == TRIANGLE


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("540,0\n545,\n550,1\n", r"dye\.csv, line 2: expected two numbers.*fill the gap"),
        ("540,0\n545,0.5,3\n", "line 2: expected two numbers"),
        ("540;0\n545;0.5\n", "line 2: expected two numbers"),
    ],
)
def test_a_row_that_is_no_point_is_named(tmp_path, rows, words):
    (tmp_path / "dye.csv").write_text(rows)
    with pytest.raises(InputError, match=words):
        read_points(tmp_path / "dye.csv")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (TRIANGLE[:4], "5 points or more, got 4"),
        ([*TRIANGLE, [580, 0]], "a gap from 560 to 580 nm"),
        ([*TRIANGLE, [555, 0]], "must rise, but 555 nm follows 560 nm"),
        ([*TRIANGLE, [565, -0.1]], r"-0\.1 at 565 nm; values must be 0 or more"),
        ([*TRIANGLE, [565, float("nan")]], "must be numbers"),
        ([[nm, 0] for nm, _ in TRIANGLE], "every value is 0"),
    ],
)
def test_a_spectrum_that_makes_no_sense_is_refused_in_words(points, words):
    with pytest.raises(InputError, match=words) as caught:
        spectrum_of(points, "mine.csv")
    assert str(caught.value).startswith("mine.csv")


def test_a_transmission_in_percent_is_refused():
    with pytest.raises(InputError, match=r"50 at 545 nm; values must be from 0 to 1 \(1 is 100 %\)"):
        spectrum_of([[nm, 100 * value] for nm, value in TRIANGLE], "filter.csv", highest=1.0)


def test_bands_of_a_filter_are_where_it_lets_through_more_than_half_of_its_most():
    two = [[500, 0], [501, 0.8], [530, 0.8], [531, 0], [600, 0], [601, 0.6], [640, 0.6], [641, 0.1], [700, 0.1]]
    nm = np.arange(500, 701)
    points = np.column_stack([nm, np.interp(nm, *np.transpose(two))])
    assert bands_of(spectrum_of(points, "filter")) == ((501.0, 530.0), (601.0, 640.0))


def test_the_widest_bands_keep_the_lasers_out():
    assert bands_between([640, 488, 561]) == ((495.0, 554.0), (568.0, 633.0), (647.0, 809.0))
    assert bands_between([561, 570], guard_nm=7) == ((577.0, 809.0),)


def test_the_lasers_of_the_thesis_excite_every_dye_but_the_blue_one():
    lasers = [488, 561, 640]
    assert [name for name, dye in DYES.items() if not exciting(dye.peak_nm, lasers)] == ["Alexa 405"]
    assert exciting(DYES["Alexa 488"].peak_nm, lasers) == [488]
    assert exciting(DYES["Alexa 647"].peak_nm, lasers) == [640]
