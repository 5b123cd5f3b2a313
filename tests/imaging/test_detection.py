"""Detection: blobs placed by hand, the Cramer-Rao bound, the slow way against the fast, simulated and real frames."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, optimize, special
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max

from mirnb.experiments.blobs import read_blobs, write_table
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import Stack, write_stack
from mirnb.imaging import detection
from mirnb.imaging.detection import (
    COLUMNS,
    as_thunderstorm,
    detect_frame,
    detect_stack,
    filtered_noise,
    fit_windows,
    wavelet,
)
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings

NOISE_SD = 34.0


def _light(shape, y, x, sigma, flux):
    """An integrated Gaussian, written here anew."""

    def share(n, centre):
        return np.diff(special.ndtr((np.arange(n + 1) - centre) / sigma))

    return flux * np.outer(share(shape[0], y), share(shape[1], x))


def _matched(found, truth, within_px=1.5):
    """Which found blobs are true and which true ones were found, one to one, the nearest first."""
    is_true, hit = np.zeros(len(found), bool), np.zeros(len(truth), bool)
    distance, nearest = cKDTree(truth).query(found, k=[1, 2, 3], distance_upper_bound=within_px)
    for one, k in sorted(zip(*np.nonzero(np.isfinite(distance)), strict=True), key=lambda at: distance[at]):
        if not is_true[one] and not hit[nearest[one, k]]:
            is_true[one] = hit[nearest[one, k]] = True
    return is_true, hit


def _at(table):
    return table[["y_px", "x_px"]].to_numpy()


# ------------------------------------------------------------------------------------------------------ by hand


@pytest.mark.parametrize(("y", "x"), [(20.5, 31.5), (20.1, 31.9), (20.98, 31.02)])
def test_a_blob_placed_by_hand_is_found_again(y, x):
    frame = 900 + _light((50, 60), y, x, 1.3, 3000) + np.random.default_rng(1).normal(0, 0.1, (50, 60))
    found = detect_frame(frame, threshold_sds=50)
    assert len(found) == 1
    values = found.iloc[0]
    assert values[["y_px", "x_px", "sigma_px"]].tolist() == pytest.approx([y, x, 1.3], abs=2e-3)
    assert values[["flux", "offset"]].tolist() == pytest.approx([3000, 900], rel=2e-3)
    assert values["bkgstd"] == pytest.approx(0.1, rel=0.25)


def test_two_blobs_of_a_green_pair_are_two():
    frame = 900 + _light((60, 60), 25.3, 30.2, 1.15, 4000) + _light((60, 60), 30.05, 30.4, 1.4, 2800)
    found = detect_frame(frame + np.random.default_rng(1).normal(0, NOISE_SD, frame.shape))
    assert len(found) == 2
    np.testing.assert_allclose(_at(found), [[25.3, 30.2], [30.05, 30.4]], atol=0.6)  # each fit sees the other


def test_several_maxima_of_one_wide_blob_are_one():
    frame = np.random.default_rng(2).normal(900, NOISE_SD, (400, 400))
    for row in range(0, 400, 40):
        for col in range(0, 400, 40):
            frame[row : row + 40, col : col + 40] += _light((40, 40), 20.3, 20.6, 4, 30000)
    filtered = wavelet(frame)
    peaks = peak_local_max(filtered, threshold_abs=5 * filtered_noise(filtered), exclude_border=3)
    found = detect_frame(frame)
    assert len(peaks) > 120  # more than one for each of 100 blobs
    assert len(found) < len(peaks)
    assert not cKDTree(_at(found)).query_pairs(1.5)


def test_dim_blobs_are_not_taken_for_one_bright_pixel():
    rng, frame = np.random.default_rng(4), np.full((480, 480), 900.0)
    frame += rng.normal(0, NOISE_SD, frame.shape)
    rows, cols = 24 * np.indices((20, 20)).reshape(2, -1) + 12
    for row, col in zip(rows, cols, strict=True):
        frame[row - 10 : row + 11, col - 10 : col + 11] += _light((21, 21), *(10 + rng.random(2)), 1.15, 1200)
    assert fit_windows(frame, rows, cols)["sigma_px"].notna().mean() > 0.97


def test_a_dark_spot_is_no_blob():
    frame = 900 - _light((21, 21), 10.5, 10.5, 1.15, 2500)
    assert fit_windows(frame, np.array([10]), np.array([10])).isna().all(axis=None)


@pytest.mark.parametrize("frame", [np.full((40, 40), 900), np.full((40, 40), 0.1), np.zeros((5, 50)), np.zeros((0, 0))])
def test_nothing_gives_an_empty_table(frame):
    found = detect_frame(frame)
    assert len(found) == 0
    assert list(found.columns) == list(COLUMNS)


def test_noise_alone_has_hardly_a_blob():
    frame = np.random.default_rng(5).normal(900, NOISE_SD, (512, 512))
    assert len(detect_frame(frame)) < 5


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_the_type_of_the_pixels_does_not_matter(dtype):
    frame = np.rint(900 + _light((64, 64), 30.4, 31.2, 1.2, 3000) + np.random.default_rng(2).normal(0, NOISE_SD, (64, 64)))
    expected = detect_frame(frame)
    pd.testing.assert_frame_equal(detect_frame(frame.astype(dtype)), expected)
    assert len(expected) == 1


def test_the_unit_of_the_pixels_does_not_matter():
    frame = 900 + _light((64, 64), 30.4, 31.2, 1.2, 3000) + np.random.default_rng(2).normal(0, NOISE_SD, (64, 64))
    found, scaled = detect_frame(frame), detect_frame(frame / 65535)
    np.testing.assert_allclose(scaled[["y_px", "x_px", "sigma_px"]], found[["y_px", "x_px", "sigma_px"]], atol=1e-4)
    np.testing.assert_allclose(65535 * scaled["flux"], found["flux"], rtol=1e-4)


def test_the_wavelet_is_the_difference_of_two_b_spline_planes():
    frame = np.random.default_rng(0).normal(0, 1, (30, 40))
    spline = np.array([1, 4, 6, 4, 1]) / 16
    with_holes = np.array([1, 0, 4, 0, 6, 0, 4, 0, 1]) / 16
    first = ndimage.convolve(frame, np.outer(spline, spline), mode="mirror")
    expected = first - ndimage.convolve(first, np.outer(with_holes, with_holes), mode="mirror")
    np.testing.assert_allclose(wavelet(frame), expected, atol=1e-5)
    assert np.abs(wavelet(np.full((30, 30), 900.0))).max() < 1e-3


def test_the_wavelet_is_symmetric_and_sums_to_nothing():
    impulse = np.zeros((31, 31))
    impulse[15, 15] = 1
    plane = wavelet(impulse)
    for turned in (plane[::-1], plane[:, ::-1], plane.T):
        np.testing.assert_allclose(plane, turned, atol=1e-7)
    assert plane.sum() == pytest.approx(0, abs=1e-6)
    assert plane.argmax() == 15 * 31 + 15


def test_maxima_are_those_of_scikit_image(rng):
    filtered = wavelet(rng.normal(900, NOISE_SD, (200, 170)))
    least = 2 * filtered_noise(filtered)
    theirs = peak_local_max(filtered, min_distance=1, threshold_abs=least, exclude_border=3)
    ours = detection._maxima(filtered, least, 3)
    assert len(ours) > 50
    # two that touch at a corner are one to them: where both are maxima, the lower one is missing
    assert {tuple(one) for one in theirs} <= {tuple(one) for one in ours}
    assert len(ours) <= 1.01 * len(theirs)


def test_part_of_a_large_frame_tells_its_noise_as_well_as_the_whole(rng, monkeypatch):
    filtered = wavelet(rng.normal(900, NOISE_SD, (1024, 1024)))
    part = filtered_noise(filtered)
    monkeypatch.setattr(detection, "_MANY_BLOCKS", 10**9)
    assert part == pytest.approx(filtered_noise(filtered), rel=0.01)


def test_blobs_hardly_raise_the_noise():
    rng = np.random.default_rng(4)
    noise = rng.normal(900, NOISE_SD, (256, 256))
    quiet = wavelet(noise)
    assert filtered_noise(quiet) == pytest.approx(quiet.std(), rel=0.03)
    for y, x in rng.uniform(10, 246, (364, 2)):  # of 3x3 pixels each: 5 % of the frame
        noise += _light(noise.shape, y, x, 1.2, 2500)
    lit = wavelet(noise)
    assert lit.std() > 2 * quiet.std()
    assert filtered_noise(lit) == pytest.approx(quiet.std(), rel=0.03)


@pytest.mark.parametrize("flux", [1500, 2500, 20000])
@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_that_of_scipy(flux, seed):
    frame = 900 + _light((40, 40), 20.3, 19.8, 1.3, flux) + np.random.default_rng(seed).normal(0, NOISE_SD, (40, 40))
    fitted = fit_windows(frame, np.array([20]), np.array([19])).iloc[0]
    window = frame[17:24, 16:23]

    def residual(values):
        y, x, sigma, flux, offset = values
        return (_light((7, 7), y - 17, x - 16, sigma, flux) + offset - window).ravel()

    best = optimize.least_squares(residual, [20.5, 19.5, 1.2, 2000, 900], x_scale=[1, 1, 1, 1000, 1000])
    assert fitted[["y_px", "x_px", "sigma_px", "flux", "offset"]].tolist() == pytest.approx(best.x, rel=1e-3)
    assert fitted["bkgstd"] == pytest.approx(np.sqrt(2 * best.cost / 44), rel=1e-4)  # 49 pixels, 5 parameters


# ---------------------------------------------------------------------------------------------- how exactly, how many


def _bound(flux, sigma, y, x):
    """Smallest standard deviations of y and x that five parameters in 7x7 pixels of noise allow (Cramer and Rao)."""
    values, step = np.array([y, x, sigma, flux, 0.0]), np.array([1e-4, 1e-4, 1e-4, 1e-1, 1e-2])

    def model(values):
        return (_light((7, 7), *values[:4]) + values[4]).ravel()

    slopes = [(model(values + one) - model(values - one)) / (2 * one.sum()) for one in np.diag(step)]
    covariance = np.linalg.inv(np.array(slopes) @ np.array(slopes).T / NOISE_SD**2)
    return np.sqrt(np.diag(covariance)[:2])


@pytest.mark.parametrize("flux", [1500, 2500, 5000])
def test_positions_err_as_little_as_the_light_allows(flux):
    rng, errors, bounds = np.random.default_rng(flux), [], []
    for _ in range(6):
        frame, truth = np.full((400, 400), 900.0) + rng.normal(0, NOISE_SD, (400, 400)), []
        for row in range(20, 390, 24):
            for col in range(20, 390, 24):
                y, x = row + rng.random(), col + rng.random()
                truth.append((y, x))
                frame[row - 10 : row + 11, col - 10 : col + 11] += _light((21, 21), y - row + 10, x - col + 10, 1.15, flux)
                bounds.append(_bound(flux, 1.15, y - row + 3, x - col + 3))
        found = _at(detect_frame(frame))
        distance, nearest = cKDTree(found).query(truth)
        near = distance < 2
        assert near.mean() > 0.97
        errors.append(found[nearest[near]] - np.array(truth)[near])
    ratio = np.sqrt((np.concatenate(errors) ** 2).mean(axis=0) / (np.array(bounds) ** 2).mean(axis=0))
    assert (ratio < 1.2).all(), ratio
    assert (ratio > 0.9).all(), ratio


def test_molecules_of_the_default_simulation_are_found():
    bright, precise = [], []
    for frame, blobs in simulate_frames(THESIS, Settings(n_frames=3), 17):
        found = detect_frame(frame)
        true = blobs[(blobs["kind"] != "false") & (blobs["flux"] > 0)]
        is_true, hit = _matched(_at(found), _at(true))
        inside = true["y_px"].between(4, 1020) & true["x_px"].between(4, 1020)
        bright.append(hit[(true["kind"] == "upper") & (true["flux"] > 1500) & inside])
        precise.append(is_true)
    assert np.concatenate(bright).mean() >= 0.95
    assert np.concatenate(precise).mean() >= 0.9


def _table(real_data):
    table = read_blobs(real_data / "cocos_mix" / "thunderstorm.csv")
    return table.assign(y_px=table["y [nm]"] / 120, x_px=table["x [nm]"] / 120)


@pytest.mark.slow
def test_real_blobs_in_noise_are_found(real_data):
    table, rng = _table(real_data), np.random.default_rng(3)
    brighter = table["intensity [photon]"] >= table["intensity [photon]"].median()
    hits = []
    for index, frame in Stack([real_data / "cocos_mix" / "stack_denoised.tif"]).frames():
        here = table["frame"] == index + 1
        found = detect_frame(frame + rng.normal(0, NOISE_SD, frame.shape))
        hits.append(_matched(_at(found), _at(table[here]))[1][brighter[here]])
    assert np.concatenate(hits).mean() >= 0.9


@pytest.mark.slow
def test_a_denoised_stack_does_not_drown_in_false_blobs(real_data):
    frames = Stack([real_data / "cocos_mix" / "stack_denoised.tif"]).frames()
    assert sum(len(detect_frame(frame)) for _, frame in frames) < 3 * len(_table(real_data))


# --------------------------------------------------------------------------------------------------------- the table


def test_a_stack_gives_a_table_that_can_be_read(tmp_path):
    rng = np.random.default_rng(8)
    frames = [
        900 + _light((64, 80), 30.25, 50.75, 1.2, flux) + rng.normal(0, NOISE_SD, (64, 80)) for flux in (4000, 0, 4000)
    ]
    write_stack(tmp_path / "stack.tif", frames, pixel_size_nm=100)
    table = detect_stack(Stack([tmp_path / "stack.tif"]), pixel_size_nm=100)
    write_table(tmp_path / "blobs.csv", table)
    again = read_blobs(tmp_path / "blobs.csv")
    assert again["frame"].tolist() == [1, 3]
    assert again["id"].tolist() == [1, 2]
    np.testing.assert_allclose(again[["y [nm]", "x [nm]"]], [[3025, 5075]] * 2, atol=25)
    np.testing.assert_allclose(again["sigma [nm]"], 120, rtol=0.15)
    np.testing.assert_allclose(again["intensity [photon]"], 4000, rtol=0.15)
    # what Picasso's import of a ThunderSTORM table asks for
    picasso = {"frame", "x [nm]", "y [nm]", "sigma [nm]", "intensity [photon]", "offset [photon]", "uncertainty_xy [nm]"}
    assert picasso <= set(table)
    pd.testing.assert_frame_equal(again[list(table)].astype(float), table.astype(float))


def test_the_uncertainty_is_how_far_positions_scatter():
    rng, frame = np.random.default_rng(9), np.full((600, 600), 900.0)
    frame += rng.normal(0, NOISE_SD, frame.shape)
    for row in range(20, 590, 24):
        for col in range(20, 590, 24):
            frame[row - 10 : row + 11, col - 10 : col + 11] += _light((21, 21), 10.5, 10.5, 1.15, 3000)
    table = as_thunderstorm(detect_frame(frame).assign(frame=1), 100.0)
    y_nm = table["y [nm]"].to_numpy()
    off = y_nm - 100 * (np.round((y_nm / 100 - 20.5) / 24) * 24 + 20.5)
    assert table["uncertainty_xy [nm]"].median() == pytest.approx(np.std(off), rel=0.35)


def test_the_uncertainty_worked_on_paper():
    found = pd.DataFrame({name: [1.0] for name in COLUMNS}).assign(frame=1, flux=1000.0, bkgstd=30.0, sigma_px=1.1)
    table = as_thunderstorm(found, 120.0, first_id=7)
    # sa2 = 132^2 + 120^2 / 12 = 18624 nm2; sa2 / 1000 * (16 / 9 + 8 pi * sa2 * 900 / (1000 * 120^2)) = 577.5 nm2
    assert table["uncertainty_xy [nm]"].item() == pytest.approx(24.03, abs=0.01)
    assert table["id"].item() == 7


def test_no_blobs_make_a_table_with_its_columns(tmp_path):
    write_stack(tmp_path / "flat.tif", [np.full((40, 40), 900)], pixel_size_nm=100)
    table = detect_stack(Stack([tmp_path / "flat.tif"]), pixel_size_nm=100)
    assert len(table) == 0
    assert {"id", "frame", "x [nm]", "uncertainty_xy [nm]"} <= set(table)
    assert [table[name].dtype.kind for name in table] == list("ii" + 7 * "f")


def test_a_background_cut_off_at_zero_hides_no_blob(rng):
    frame = rng.normal(-40, NOISE_SD, (128, 128)).clip(0)
    for row in range(20, 120, 30):
        frame += _light(frame.shape, row + 0.4, 64.3, 1.15, 5000)
    found = detect_frame(frame)
    assert len(found) < 20
    assert cKDTree(_at(found)).query([[row + 0.4, 64.3] for row in range(20, 120, 30)])[0].max() < 0.3


def test_a_threshold_in_thunderstorms_unit_and_a_warning_where_it_was_taken_for_ours(rng):
    frame = rng.normal(900, NOISE_SD, (256, 256))
    for row, col in rng.integers(20, 236, (30, 2)):
        frame += _light(frame.shape, row + 0.5, col + 0.5, 1.2, 4000)
    usual = len(detect_frame(frame))
    assert 20 <= len(detect_frame(frame, threshold_wave_f1=1.5)) <= usual  # about 6.6 of our standard deviations
    with pytest.warns(
        UserWarning, match=r"threshold of 1\.5 standard deviations finds \d{3,} blobs .* threshold_wave_f1=1\.5"
    ):
        assert len(detect_frame(frame, threshold_sds=1.5)) > 20 * usual
