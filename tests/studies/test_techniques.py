"""The two techniques and the templates compared: peaks placed by hand, signals and backgrounds known."""

import numpy as np
import pytest
from by_hand import blob, blobs_text, middle_nm, place, two_blobs, write_folder

from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.imaging.responses import (
    count_bright_peaks,
    count_peaks,
    count_template_peaks,
    peak_profile,
    peak_profiles,
    template_overlap,
    template_responses,
)
from mirnb.studies.techniques import compare_techniques, signal_to_background, single_type_sample

GAPS = (17, 5, 11)  # far enough from each other that the four peaks of a foreign pair stand apart


def molecules(gaps, shape=(32, 10)):
    return np.array([two_blobs(gap_px=gap, shape=shape) for gap in gaps], np.float32)


def panel_of(n_mirs):
    mirs = [{"name": f"m{k}", "dyes": ["Alexa 488", "Alexa 568"], "gap_px": 5.0 + k} for k in range(n_mirs)]
    return panel_from_dict({"name": "mine", "bands_nm": [[507, 625]], "mir": mirs})


@pytest.mark.parametrize(
    ("profile", "n_peaks"),
    [
        ([0, 0, 1, 0, 0], 1),
        ([1, 0, 0.5, 0, 1], 3),  # the ends count
        ([0, 1, 0.98, 0.985, 0], 1),  # a rise of half a percent is none
        ([0, 1, 0.9, 1, 0], 2),
        ([0, 0, 0, 0], 0),
        ([0, 1, 1, 1, 0], 1),  # a flat top is one peak
    ],
)
def test_peaks_of_a_profile_are_counted(profile, n_peaks):
    assert count_peaks(np.array(profile, float)) == n_peaks


def test_the_profile_is_the_column_through_the_highest_pixel():
    response = np.zeros((9, 7))
    response[4, 2], response[1, 5] = 2, 1
    np.testing.assert_array_equal(peak_profile(response), response[:, 2])


def test_templates_answer_themselves_with_one_and_others_with_less():
    responses = template_responses(molecules(GAPS))
    overlap = template_overlap(responses, panel_of(3)).to_numpy()
    np.testing.assert_allclose(np.diag(overlap), 1, atol=1e-5)
    assert np.all(overlap[~np.eye(3, dtype=bool)] < 0.99)
    np.testing.assert_allclose(overlap, overlap.T, atol=1e-5)  # correlation of the one with the other, and back


@pytest.mark.parametrize("gaps", [(12,), GAPS])
def test_narrow_pairs_show_three_peaks_with_their_own_template_and_four_with_another(gaps):
    responses = template_responses(molecules(gaps))
    table = count_template_peaks(responses, panel_of(len(gaps)))
    expected = np.where(np.eye(len(gaps), dtype=bool), 3, 4)
    np.testing.assert_array_equal(table.filter(like="template").to_numpy(), expected)
    assert (table["thesis, own"] == 3).all()
    assert (table["thesis, foreign"] == 4).all()


def test_peaks_lie_a_gap_apart():
    profile = peak_profiles(template_responses(molecules((12,))))[0, 0]
    peaks = np.flatnonzero((profile[1:-1] > profile[:-2]) & (profile[1:-1] > profile[2:])) + 1
    assert np.diff(peaks[profile[peaks] > 0.1]).tolist() == [12, 12]


def test_signal_and_background_are_those_put_into_the_image(rng):
    image = rng.normal(10, 2, (200, 200))
    for row, col in ((50, 60), (120, 130)):
        image[row - 1 : row + 2, col - 1 : col + 2] = 50.0
    image[20, 180] = 1e6  # dirt on another blob is no background
    pixels = ([50, 120], [60, 130], [50, 120, 20], [60, 130, 180])
    numbers = signal_to_background({"a": image}, pixels, shift={"a": (0, 0)}).loc["a"]
    assert numbers["signal"] == 50
    assert numbers["background"] == pytest.approx(10, abs=0.1)
    assert numbers["background sd"] == pytest.approx(2, rel=0.05)
    assert numbers["signal / background"] == pytest.approx(5, rel=0.02)
    assert numbers["contrast"] == pytest.approx(20, rel=0.05)


def test_the_signal_is_looked_for_where_the_image_peaks():
    image = np.zeros((60, 60))
    image[35, 29] = 7.0  # where a 24x10 template peaks on the blob at (30, 30)
    shifted = signal_to_background({"a": image}, ([30], [30], [30], [30]), shift={"a": (5, -1)}, reach_px=5)
    unshifted = signal_to_background({"a": image}, ([30], [30], [30], [30]), shift={"a": (0, 0)}, reach_px=5)
    assert (shifted.loc["a", "signal"], unshifted.loc["a", "signal"]) == (7, 0)


def one_molecule(tmp_path, *, labelled=True, col=150):
    """Two frames of 300x200 of even ground with one bright molecule on the first, and its experiment."""
    frames = np.random.default_rng(1).normal(900, 5, (2, 300, 200))
    frames[0] += place(1000 * two_blobs(gap_px=11), at=(200 - 6, col - 5), shape=(300, 200))
    rows = [(1, *middle_nm(200, col), *((1, 1) if labelled else ())), (2, *middle_nm(60, 60), *((1, 1) if labelled else ()))]
    header = "frame,x [nm],y [nm]" + (",is_really_mir,selected_mir_type" if labelled else "")
    return write_folder(tmp_path / "one", frames=frames.astype(np.uint16), blobs=blobs_text(rows, header))


@pytest.mark.parametrize("labelled", [True, False])
def test_both_techniques_peak_on_a_molecule_and_show_the_part_around_it(labelled, tmp_path):
    sample = load_experiment(one_molecule(tmp_path, labelled=labelled))
    techniques = compare_techniques(sample, 1, two_blobs(gap_px=11), field_px=100, cap_sds=1e6)
    assert techniques.n_molecules == 1
    assert ("green" in techniques.which) == labelled
    assert list(techniques.images) == ["cosine similarity", "cross-correlation", "original"]
    response, original = techniques.images["cross-correlation"], techniques.images["original"]
    assert np.unravel_index(response.argmax(), response.shape) == (205, 149)
    assert original[200, 150] == original.max()  # with its neighbours, as both are capped
    for name, image in (("cross-correlation", response), ("original", original)):
        assert techniques.numbers.loc[name, "signal"] == pytest.approx(image.max())
    assert (techniques.numbers["contrast"] > 5).all()
    row, col = techniques.corner
    assert row <= 200 < row + 100
    assert col <= 150 < col + 100


@pytest.mark.parametrize("field_px", [100, 256, 5000])
def test_the_part_shown_lies_inside_the_frame_or_is_the_frame(field_px, tmp_path):
    techniques = compare_techniques(load_experiment(one_molecule(tmp_path)), 1, two_blobs(gap_px=11), field_px=field_px)
    for corner, size in zip(techniques.corner, (300, 200), strict=True):
        assert 0 <= corner <= max(size - field_px, 0)


@pytest.mark.parametrize("col", [2, 150, 199])
def test_a_first_frame_without_a_kept_blob_still_has_its_pictures(col, tmp_path):
    """Molecules may all lie at the border or on later frames; the numbers are then undefined, not wrong."""
    sample = load_experiment(one_molecule(tmp_path, labelled=True, col=150))
    rows = [(1, *middle_nm(200, col), 0, -1), (2, *middle_nm(60, 60), 1, 1)]
    text = blobs_text(rows, "frame,x [nm],y [nm],is_really_mir,selected_mir_type")
    (sample.folder / "blobs.csv").write_text(text)
    techniques = compare_techniques(load_experiment(sample.folder), 1, two_blobs(gap_px=11))
    assert techniques.images["original"].shape == (300, 200)
    assert techniques.n_molecules <= 1
    assert len(techniques.numbers) == 3


def test_the_single_type_sample_is_the_first_named_or_the_experiment_itself(tmp_path):
    folder = one_molecule(tmp_path)
    alone = load_experiment(folder)
    assert single_type_sample(alone) == (alone, 1)
    mixture = load_experiment(write_folder(tmp_path / "mix", pretrain=["../one"]))
    sample, k = single_type_sample(mixture)
    assert (sample.folder.resolve(), k) == (folder.resolve(), 1)
    unlabelled = load_experiment(write_folder(tmp_path / "plain"))
    assert single_type_sample(unlabelled)[1] == 0


def test_the_brightest_quarter_is_counted_by_peaks():
    crops = np.zeros((9, 34, 10, 3), np.float32)
    for k, (height, rows) in enumerate(
        [(9, (6, 17, 28)), (8, (10, 20)), (1, (17,)), (1, (17,)), (1, (17,))] + [(1, (17,))] * 3
    ):
        crops[k, :, :, 0] = sum(height * blob((34, 10), row, 5) for row in rows)
    y_true = np.array([0] * 8 + [3])
    table = count_bright_peaks(crops, y_true, THESIS)
    assert table.loc["red", ["crops", "1 peaks", "2 peaks", "3 peaks", "4 or more"]].tolist() == [2, 0, 0.5, 0.5, 0]
    assert table.loc["green", "crops"] == 0
    assert np.isnan(table.loc["green", "3 peaks"])


def test_without_labels_the_channel_that_answers_most_stands_for_the_class():
    crops = np.zeros((2, 34, 10, 3), np.float32)
    crops[0, :, :, 1] = blob((34, 10), 17, 5)
    crops[1, :, :, 2] = blob((34, 10), 10, 5) + blob((34, 10), 24, 5)
    table = count_bright_peaks(crops, np.full(2, -2), THESIS)
    assert table["crops"].to_dict() == {"red": 0, "green": 1, "blue": 1}
    assert (table.loc["green", "1 peaks"], table.loc["blue", "2 peaks"]) == (1, 1)
