"""The forward model: counts, light, gaps and noise that can be known beforehand; files in the user's formats."""

import numpy as np
import pandas as pd
import pytest

from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.files import InputError
from mirnb.imaging.crops import fits
from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
from mirnb.simulation.frames import draw_light, expose, simulate_frames
from mirnb.simulation.molecules import draw_sample
from mirnb.simulation.settings import Settings


def _one_blob(**values):
    blob = {"y_px": 30.5, "x_px": 25.5, "flux": 1000.0, "sigma_y_px": 1.12, "sigma_x_px": 1.12, **values}
    return pd.DataFrame([blob])


def test_default_labels_are_those_of_the_thesis():
    blobs = draw_sample(THESIS, Settings(), seed=3)
    labels = blobs.loc[blobs["labelled"], "label"].to_numpy()
    assert np.bincount(labels).tolist() == [655, 141, 611, 2629]


@pytest.mark.parametrize("sigma_y_px", [1.12, 1.5])
def test_light_is_neither_lost_nor_made(sigma_y_px):
    light = draw_light(_one_blob(sigma_y_px=sigma_y_px), (64, 64), 1.12)
    assert light.sum() == pytest.approx(1000, rel=1e-6)
    rows, cols = np.indices(light.shape) + 0.5
    assert (light * rows).sum() / 1000 == pytest.approx(30.5, abs=1e-6)
    assert (light * cols).sum() / 1000 == pytest.approx(25.5, abs=1e-6)
    # a pixel adds 1/12 to the variance
    assert (light * (rows - 30.5) ** 2).sum() / 1000 == pytest.approx(sigma_y_px**2 + 1 / 12, rel=1e-3)


def test_light_outside_the_frame_is_left_out():
    assert draw_light(_one_blob(y_px=0.0), (64, 64), 1.12).sum() == pytest.approx(500, rel=1e-3)


def test_the_two_blobs_of_a_molecule_are_their_gap_apart_on_average():
    blobs = draw_sample(THESIS, Settings(), seed=3)
    upper, lower = (blobs[blobs["kind"] == kind].set_index("molecule") for kind in ("upper", "lower"))
    gap_px = (lower["y_px"] - upper["y_px"]).groupby(upper["class"]).agg(["mean", "std", "count"])
    for k, mir in enumerate(THESIS.mirs):
        assert gap_px["mean"][k] == pytest.approx(mir.gap_px, abs=4 * 0.35 / np.sqrt(gap_px["count"][k]))
        assert gap_px["std"][k] == pytest.approx(0.35, rel=0.25)


def test_the_camera_has_the_measured_noise_and_the_field_falls_to_the_corners():
    settings = Settings(frame_shape=(400, 400))
    frame = expose(np.zeros((400, 400)), settings, np.random.default_rng(0)).astype(float)
    middle, corner = frame[180:220, 180:220], frame[:20, :20]
    assert middle.mean() == pytest.approx(890, abs=4)
    assert middle.std() == pytest.approx(34, rel=0.06)
    assert corner.mean() == pytest.approx(890 * (1 - settings.background_fall), abs=10)


def test_every_labelled_crop_is_kept_and_false_detections_lie_away_from_blobs():
    settings = Settings(n_frames=2, frame_shape=(300, 300), n_labelled_per_frame=40)
    for frame, blobs in simulate_frames(THESIS, settings, seed=1):
        labelled = blobs[blobs["labelled"]]
        pixels = np.floor(labelled[["seen_y_px", "seen_x_px"]].to_numpy()).astype(int)
        assert fits(frame.shape, *pixels.T, THESIS.crop_window).all()
        false = blobs.loc[blobs["kind"] == "false", ["y_px", "x_px"]].to_numpy()
        others = blobs.loc[blobs["kind"] != "false", ["y_px", "x_px"]].to_numpy()
        assert np.hypot(*(false[:, None] - others).transpose(2, 0, 1)).min(initial=99) > 8


def test_flux_has_the_measured_median_and_tenths():
    flux = draw_sample(THESIS, Settings(bright_share=0.0), seed=3).query("kind == 'single'")["flux"]
    assert np.percentile(flux, [10, 50, 90]) == pytest.approx([750, 1700, 5000], rel=0.1)


def test_same_seed_same_files_and_another_seed_others(tmp_path):
    settings = Settings(n_frames=1, frame_shape=(128, 128), n_labelled_per_frame=12)
    one, two, other = (
        simulate_experiment(tmp_path / name, settings=settings, seed=s) for name, s in (("a", 3), ("b", 3), ("c", 4))
    )
    for name in ("stack.tif", "blobs.csv", "truth.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
        assert (one / name).read_bytes() != (other / name).read_bytes()


def test_truth_names_the_blob_of_each_row_of_the_table(small_folder):
    truth, table = (pd.read_csv(small_folder / name) for name in ("truth.csv", "blobs.csv"))
    assert set(truth["kind"]) == {"upper", "lower", "single", "dirt", "false"}
    seen = truth.dropna(subset="blob_id").set_index("blob_id").loc[table["id"]]
    assert np.abs(seen["y_px"].to_numpy() - table["y [nm]"].to_numpy() / 120).max() <= 2.001
    assert (seen["frame"].to_numpy() == table["frame"].to_numpy()).all()
    assert (table.loc[(seen["kind"] == "lower").to_numpy(), "selected_mir_type"] == -1).all()


def test_single_type_samples_stand_beside_the_mixture_and_holds_one_mir(tmp_path):
    settings = Settings(n_frames=2, frame_shape=(128, 128), n_labelled_per_frame=12, mir_share=0.5)
    mixture = load_experiment(simulate_with_single_types(tmp_path / "mix", settings=settings))
    single = load_experiment(mixture.pretrain[0])
    assert single.count_labels() | {"erased": 0, "not labelled": 0} == {
        "red": 12, "green": 0, "blue": 0, "noise": 12, "erased": 0, "not labelled": 0,
    }  # fmt: skip
    assert mixture.simulated is not None


@pytest.mark.parametrize("n_mirs", [1, 5, 12])
def test_panels_of_other_sizes_are_simulated(tmp_path, n_mirs):
    mirs = [{"name": f"m{k}", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 3.0 + 1.5 * k} for k in range(n_mirs)]
    values = {"name": "mine", "bands_nm": [[507, 532], [586, 625], [673, 714]], "mir": mirs}
    panel = panel_from_dict(values)
    settings = Settings(n_frames=1, frame_shape=(256, 256), n_labelled_per_frame=60, mir_share=0.6)
    sample = load_experiment(simulate_experiment(tmp_path / "many", panel=panel, settings=settings))
    assert sample.panel.mir_names == panel.mir_names
    assert all(sample.count_labels()[name] >= 3 for name in panel.mir_names)


def test_a_real_experiment_is_not_written_over(tmp_path):
    (tmp_path / "experiment.toml").write_text('name = "mine"\n')
    with pytest.raises(InputError, match="not simulated"):
        simulate_experiment(tmp_path)


def test_an_unknown_single_type_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--only purple.*red, green, blue"):
        simulate_experiment(tmp_path / "x", only="purple")


def test_settings_are_within_what_was_measured():
    settings = Settings()
    assert 1.10 <= settings.psf_sigma_px <= 1.15
    assert 870 <= settings.background_counts <= 910
    assert 0.62 <= 1 - settings.mir_share <= 0.70


@pytest.mark.parametrize("mir", THESIS.mirs, ids=lambda mir: mir.name)
def test_a_molecule_drawn_without_noise_shows_its_two_blobs_a_gap_apart(mir):
    upper = _one_blob(y_px=20.5)
    lower = _one_blob(y_px=20.5 + mir.gap_px, flux=1000 * mir.lower_flux)
    profile = {name: draw_light(blobs, (64, 64), 1.12).sum(axis=1) for name, blobs in (("upper", upper), ("lower", lower))}
    both = draw_light(pd.concat([upper, lower]), (64, 64), 1.12).sum(axis=1)
    np.testing.assert_allclose(both, profile["upper"] + profile["lower"])
    rows = np.arange(64) + 0.5
    middles = {name: np.average(rows, weights=light) for name, light in profile.items()}
    assert middles["lower"] - middles["upper"] == pytest.approx(mir.gap_px, abs=1e-6)
    assert profile["lower"].sum() / profile["upper"].sum() == pytest.approx(mir.lower_flux)
    assert both.argmax() == 20  # the longer wavelength, above, is the brighter one


def test_a_bright_blob_saturates_instead_of_wrapping_round():
    frame = expose(np.full((8, 8), 1e6), Settings(), np.random.default_rng(0))
    assert frame.dtype == np.uint16
    assert frame.min() == 65535


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_class_counts_do_not_hang_on_the_seed(seed):
    blobs = draw_sample(THESIS, Settings(n_frames=3), seed)
    assert len(blobs[blobs["labelled"]]) == 404
    pd.testing.assert_frame_equal(blobs, draw_sample(THESIS, Settings(n_frames=3), seed))
    assert not blobs.equals(draw_sample(THESIS, Settings(n_frames=3), seed + 1))


def test_an_interrupted_simulation_is_no_experiment_and_can_be_made_again(tmp_path, monkeypatch):
    settings = Settings(n_frames=1, frame_shape=(128, 128), n_labelled_per_frame=12)
    simulate_experiment(tmp_path / "s", settings=settings, seed=3)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mirnb.simulation.folders.write_table", stop)
        with pytest.raises(KeyboardInterrupt):
            simulate_experiment(tmp_path / "s", settings=settings, seed=4)
    with pytest.raises(InputError, match=r"experiment\.toml: there is no such file"):
        load_experiment(tmp_path / "s")
    assert load_experiment(simulate_experiment(tmp_path / "s", settings=settings, seed=4)).simulated["seed"] == 4
