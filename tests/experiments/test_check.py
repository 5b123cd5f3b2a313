"""Looking through an experiment: directions found, repeats noticed, every problem at once."""

import numpy as np
import pytest
import tifffile
from by_hand import blobs_text, everything_in, grey_frames, middle_nm, write_folder

from mirnb.experiments.blobs import label_columns, write_table
from mirnb.experiments.check import check_experiment, guess_dispersion, share_repeated
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.experiments.experiment_file import load_experiment
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings

TURNED_BY_HAND = {"down": 0, "right": 1, "up": 2, "left": 3}  # quarter turns against the clock of a picture that runs down


def guessed(sample):
    return guess_dispersion(sample.stack, sample.blobs, sample.panel, sample.dispersion)


@pytest.fixture(scope="module", params=["labelled", "unlabelled"])
def turned_samples(request, small, tmp_path_factory):
    """The small sample recorded in each of the four directions, every one said to run down: direction -> folder."""
    folders = {}
    frames = np.stack([frame for _, frame in small.stack.frames()])
    for direction, turns in TURNED_BY_HAND.items():
        folder = write_folder(tmp_path_factory.mktemp("turned") / direction)
        tifffile.imwrite(folder / "stack.tif", np.rot90(frames, turns, axes=(1, 2)), photometric="minisblack")
        y, x = small.table["y [nm]"].to_numpy(), small.table["x [nm]"].to_numpy()
        size = 256 * 120
        x, y = {0: (x, y), 1: (y, size - x), 2: (size - x, size - y), 3: (size - y, x)}[turns]
        table = small.table[["frame"]].assign(**{"x [nm]": x, "y [nm]": y})
        if request.param == "labelled":
            table = table.assign(**label_columns(small.labels, 3))
        write_table(folder / "blobs.csv", table)
        folders[direction] = folder
    return folders


def say(folder, direction):
    text = (folder / "experiment.toml").read_text().splitlines()
    kept = [line for line in text if not line.startswith("dispersion")]
    (folder / "experiment.toml").write_text("\n".join([*kept, f'dispersion = "{direction}"']) + "\n")


@pytest.mark.parametrize("said", QUARTER_TURNS)
@pytest.mark.parametrize("true", QUARTER_TURNS)
def test_the_direction_is_found_in_the_pixels_whatever_is_said(turned_samples, true, said):
    folder = turned_samples[true]
    say(folder, said)
    assert guessed(load_experiment(folder)) == (true, True)
    check = check_experiment(folder)
    if said == true:
        assert check.problems == []
        assert any(f"second blobs lie {true}, as said" in line for line in check.found)
    else:
        assert len(check.problems) == 1
        assert f'set dispersion = "{true}"' in check.problems[0]
        assert "experiment.toml" in check.problems[0]


def test_noise_alone_does_not_tell_a_direction(tmp_path, rng):
    frames = rng.normal(900, 30, (3, 128, 128)).astype(np.uint16)
    rows = [(1 + k % 3, *middle_nm(*rng.integers(0, 128, 2))) for k in range(200)]
    folder = write_folder(tmp_path / "s", frames=frames, blobs=blobs_text(rows, "frame,x [nm],y [nm]"))
    assert not guessed(load_experiment(folder))[1]
    assert check_experiment(folder).problems == []


def test_a_few_blobs_do_not_tell_a_direction(tmp_path):
    check = check_experiment(write_folder(tmp_path / "s"))
    assert any("the blobs do not tell" in line for line in check.found)


def test_what_was_found_is_said_with_its_numbers(small_folder, small):
    check = check_experiment(small_folder)
    text = "\n".join(check.found)
    assert check.problems == []
    assert "(simulated)" in text
    assert "4 frames of 256x256 uint16 in 1 file" in text
    assert "pixel size: 120 nm, so a frame is 30.7 x 30.7 µm" in text
    assert f"blobs: {len(small.rows)}" in text
    counts = small.count_labels()
    for name in ("red", "green", "blue", "noise", "erased"):
        assert f"{name} {counts[name]}" in text
    n_border = len(small.rows) - int(
        np.sum((small.rows >= 11) & (small.rows <= 256 - 23) & (small.cols >= 5) & (small.cols <= 256 - 5))
    )
    assert f"near the border: {n_border} blobs" in text


def test_a_class_without_labels_is_warned_of(tmp_path):
    rows = [(1, *middle_nm(30, 20), 1, 0), (2, *middle_nm(35, 25), 0, -1)]
    text = blobs_text(rows, "frame,x [nm],y [nm],is_really_mir,selected_mir_type")
    check = check_experiment(write_folder(tmp_path / "s", blobs=text))
    assert check.problems == []
    assert [line.split(";")[0] for line in check.warnings] == ["no blob is labelled green", "no blob is labelled blue"]


def test_a_sample_without_labels_or_blobs_has_no_problem(tmp_path):
    plain = check_experiment(write_folder(tmp_path / "plain"))
    assert plain.problems == []
    assert any(line.startswith("labels: none") for line in plain.found)
    folder = write_folder(tmp_path / "bare", toml='name = "s"\nstack = "stack.tif"\npixel_size_nm = 120\n')
    bare = check_experiment(folder)
    assert bare.problems == []
    assert any("names no blobs" in line for line in bare.warnings)


def test_a_table_with_a_header_alone_is_said_to_hold_no_blob(tmp_path):
    check = check_experiment(write_folder(tmp_path / "s", blobs="frame,x [nm],y [nm]\n"))
    assert any("blobs" in line and ("0" in line or "no" in line) for line in check.found + check.warnings + check.problems)


@pytest.mark.parametrize(
    ("second", "share"),
    [([(10, 10), (20, 20)], 1.0), ([(11, 9), (50, 50)], 0.5), ([(12, 10), (40, 40)], 0.0), ([(10, 12), (13, 10)], 0.0)],
)
def test_blobs_of_the_frame_before_are_found_again_within_a_pixel(second, share):
    points = np.array([(10, 10), (20, 20), *second])
    assert share_repeated(np.array([0, 0, 1, 1]), points[:, 0], points[:, 1]) == share


def test_only_the_frame_before_counts():
    points = np.array([(10, 10), (10, 10)])
    assert share_repeated(np.array([0, 2]), points[:, 0], points[:, 1]) == 0
    assert share_repeated(np.array([0]), points[:1, 0], points[:1, 1]) == 0


def test_a_time_series_is_warned_of_and_new_fields_are_not(tmp_path, small_folder, rng):
    here = [middle_nm(*rng.integers(0, 48, 2)) for _ in range(30)]
    rows = [(frame, *point) for frame in (1, 2) for point in here]
    series = check_experiment(write_folder(tmp_path / "s", blobs=blobs_text(rows, "frame,x [nm],y [nm]")))
    assert any("time series" in line for line in series.warnings)
    assert not any("time series" in line for line in check_experiment(small_folder).warnings)


def test_every_problem_is_told_at_once(tmp_path):
    frames = grey_frames(2, dtype=np.float32)
    frames[1, 3, 3] = np.nan
    folder = write_folder(
        tmp_path / "s",
        frames=frames,
        blobs=blobs_text([(9, 500, 500), (1, 99999, 500)], "frame,x [nm],y [nm]"),
        colour="red",
    )
    before = everything_in(folder)
    problems = "\n".join(check_experiment(folder).problems)
    for words in ("unknown key 'colour'", "line 2: frame 9", "line 3: x 99999", "frame 2 has NaN"):
        assert words in problems
    assert everything_in(folder) == before


def test_the_practice_experiment_raises_no_warning(tmp_path):
    folder = simulate_experiment(tmp_path / "practice", settings=Settings(n_frames=5), seed=5, labelled=False)
    check = check_experiment(folder)
    assert (check.problems, check.warnings) == ([], [])


@pytest.mark.slow
def test_the_demo_raises_no_warning(tmp_path):
    check = check_experiment(simulate_experiment(tmp_path / "demo"))
    assert (check.problems, check.warnings) == ([], [])


def test_a_broken_table_is_not_said_to_be_unnamed(tmp_path):
    check = check_experiment(write_folder(tmp_path / "s", blobs="frame,x [nm]\n1,2\n"))
    assert len(check.problems) == 1
    assert check.warnings == []
