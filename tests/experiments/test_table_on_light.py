"""The picture of a table on the light: what is wrong is seen at the places where it is, in pixels worked out by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from by_hand import toml_text, write_folder
from matplotlib.colors import to_hex

from mirnb import plots
from mirnb.experiments.blobs import read_blobs, write_table
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.stacks import Stack
from mirnb.experiments.table_on_light import AS_THEY_ARE, WHERE_THEY_FIT, places_on_light
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings

NM, ROWS, COLS = 120.0, 200, 260


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    settings = Settings(n_frames=4, frame_shape=(ROWS, COLS), n_labelled_per_frame=60)
    return simulate_experiment(tmp_path_factory.mktemp("light") / "s", settings=settings)


def _experiment(folder, where, change, **values):
    """The simulated frames with another table: `change` takes and gives frame, y and x (px)."""
    table = read_blobs(folder / "blobs.csv")
    frame, y, x = change(table["frame"], table["y [nm]"] / NM, table["x [nm]"] / NM)
    inside = y.between(0, ROWS - 0.01) & x.between(0, COLS - 0.01) & frame.between(1, 4)
    frames = np.stack([frame for _, frame in Stack([folder / "stack.tif"]).frames()])
    own = write_folder(where / "own", frames=frames, **values)
    write_table(own / "blobs.csv", pd.DataFrame({"frame": frame, "x [nm]": NM * x, "y [nm]": NM * y})[inside])
    return load_experiment(own)


def _light_at(image, points):
    """Mean light over points (n, 2) that lie inside."""
    rows, cols = np.floor(points).astype(int).T
    inside = (rows >= 0) & (rows < image.shape[0]) & (cols >= 0) & (cols < image.shape[1])
    return image[rows[inside], cols[inside]].mean()


MOVED = {
    "a shift": (lambda frame, y, x: (frame, y - 20, x - 30), "ROI"),
    "half a pixel": (lambda frame, y, x: (frame, y - 0.5, x - 0.5), r"\+0.5 px in x"),
    "a scale": (lambda frame, y, x: (frame, y / 1.5, x / 1.5), r"fit 1\.(5|49\d|50\d) times larger"),
    "swapped": (lambda frame, y, x: (frame, x, y), "swapped"),
}


@pytest.mark.parametrize("case", MOVED)
def test_the_places_that_would_fit_lie_on_more_light_than_those_of_the_table(case, folder, tmp_path):
    change, words = MOVED[case]
    shown = places_on_light(_experiment(folder, tmp_path, change))
    assert re.search(words, shown["title"])
    (image, corner, side_px, sets), (_, part_corner, part_px, _) = shown["panels"].values()
    assert (image.shape, corner, side_px) == ((ROWS, COLS), (0, 0), None)
    assert part_px == (40 if case == "half a pixel" else 100)
    assert _light_at(image, sets[WHERE_THEY_FIT]) > (1.05 if case == "half a pixel" else 2) * _light_at(
        image, sets[AS_THEY_ARE]
    )
    on_part = sets[WHERE_THEY_FIT] - part_corner
    assert np.sum((on_part >= 0).all(axis=1) & (on_part < part_px).all(axis=1)) >= 5


def test_positions_a_frame_early_are_shown_on_both_frames(folder, tmp_path):
    shown = places_on_light(_experiment(folder, tmp_path, lambda frame, y, x: (frame - 1, y, x)))
    (about, (there, *_, as_they_are)), (other_about, (fits, *_, where)) = shown["panels"].items()
    assert (about[:7], other_about) in [(f"frame {k}", f"frame {k + 1}") for k in (1, 2, 3)]
    np.testing.assert_array_equal(as_they_are[AS_THEY_ARE], where[WHERE_THEY_FIT])
    assert _light_at(fits, where[WHERE_THEY_FIT]) > 5 * _light_at(there, as_they_are[AS_THEY_ARE])


@pytest.mark.parametrize("dispersion", ["down", "left"])
def test_what_fits_is_said_to_and_lies_as_it_was_recorded(dispersion, folder, tmp_path):
    shown = places_on_light(_experiment(folder, tmp_path, lambda *places: places, dispersion=dispersion))
    assert shown["title"] == "blobs.csv: positions lie on the light"
    for image, *_, sets in shown["panels"].values():
        assert (image.shape, list(sets)) == ((ROWS, COLS), [AS_THEY_ARE])
        assert _light_at(image, sets[AS_THEY_ARE]) > 3


def test_few_positions_are_not_said_to_fit_and_no_table_is_no_picture(folder, tmp_path):
    few = _experiment(folder, tmp_path, lambda frame, y, x: (frame[:5], y[:5], x[:5]))
    assert places_on_light(few)["title"] == "blobs.csv: too few positions to tell whether they lie on the light"
    without = write_folder(tmp_path / "without", toml=toml_text(blobs=None))
    assert places_on_light(load_experiment(without)) == {}


def test_a_part_is_drawn_from_its_corner_with_both_sets_where_they_lie():
    image = np.zeros((60, 80))
    sets = {"table": np.array([[12.5, 23.5]]), "fit": np.array([[13.0, 24.0]])}
    figure = plots.draw_places({"all": (image, (0, 0), None, sets), "part": (image, (10, 20), 40, sets)}, um_per_px=0.12)
    whole, part = figure.axes
    assert [tuple(line.get_xydata()[0]) for line in whole.lines[:2]] == [(23.0, 12.0), (23.5, 12.5)]  # x, y; middles count
    assert [tuple(line.get_xydata()[0]) for line in part.lines[:2]] == [(3.0, 2.0), (3.5, 2.5)]
    assert part.images[0].get_array().shape == (40, 40)
    assert [to_hex(line.get_markeredgecolor()) for line in part.lines[:2]] == ["#e69f00", "#56b4e9"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["table", "fit"]
