"""How well a panel's classes would be told apart: crops drawn with known settings, and a classifier trained on them.

Frames are drawn without noise, as `frames` does, and the light about each labelled blob is cut out; noise is added to
these crops. So the same molecules are seen again in other noise, or with more or less light, at hardly any cost. Labels are
those of the simulation: a person who overlooks pairs. The network is that of `twin_cnn`, here with truly drawn crops.
"""

from dataclasses import dataclass, replace

import numpy as np
from tqdm.auto import tqdm

from mirnb.caches import cache_key
from mirnb.classifiers.backend import load_keras, predict
from mirnb.classifiers.together import compile_together, join
from mirnb.classifiers.twin_cnn import build_twin_cnn, twin_cnn_input
from mirnb.classifiers.twin_cnn_training import learn
from mirnb.imaging.crops import cut_crops
from mirnb.simulation.frames import expose, false_detections, frame_light
from mirnb.simulation.molecules import draw_sample
from mirnb.simulation.settings import MARGIN_PX, Settings, localisation_error_px

FLUX_SHARES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)  # of the settings' light, at which classes are tried
_AS_IS = FLUX_SHARES.index(1.0)
_TEST_SHARE = 0.35  # of the frames
_POOL_FRAMES = 12  # exposed wholly, for the chance peaks of their noise


@dataclass(frozen=True)
class Effort:
    """How much is drawn and learned for the prediction of a panel of three miRs; more miRs need more of both."""

    n_crops: int = 20_000  # for learning and testing together
    n_epochs: int = 10

    def for_panel(self, panel):
        """The effort for a panel: the work, crops times epochs, goes with its miRs."""
        more = max(np.sqrt(panel.n_mirs / 3), 1.0)
        return Effort(round(more * self.n_crops), round(more * self.n_epochs))


@dataclass(frozen=True)
class LightCrops:
    """Labelled blobs of a simulated sample: the light about each, noise-free, to be exposed as often as one likes."""

    light: np.ndarray  # (n, *template window grown by MARGIN_PX) counts, about the pixel the blob truly lies in
    place_px: np.ndarray  # (n, 2) y and x inside that pixel, 0 to 1
    error_px: np.ndarray  # (n, 2) of its localisation
    y_true: np.ndarray  # (n,)
    frames: np.ndarray  # (n,)
    false: np.ndarray  # (n,) which are false detections: they have no light, and a chance peak in place of it
    chance_peaks: np.ndarray  # (n_peaks, *template window) counts
    settings: Settings

    def __getitem__(self, rows):
        chosen = {key: getattr(self, key)[rows] for key in ("light", "place_px", "error_px", "y_true", "frames", "false")}
        return replace(self, **chosen)

    def expose(self, flux_share, rng, *, mirror=False):
        """Crops as a camera records them.

        Parameters
        ----------
        flux_share : float or ndarray of shape (n,)
            All light of a crop is so much brighter; blobs are localised by that much better.
        mirror : bool
            Left and right are exchanged in half of the crops.

        Returns
        -------
        float32 ndarray of shape (n, *template window), units of the background's noise
        """
        n, n_rows, n_cols = self.light.shape
        flux_share = np.broadcast_to(np.asarray(flux_share, float), n)
        found = self.place_px + np.clip(self.error_px / flux_share[:, None], -MARGIN_PX, MARGIN_PX)
        top, left = np.floor(found).astype(int).T + MARGIN_PX
        rows = np.clip(top, 0, 2 * MARGIN_PX)[:, None, None] + np.arange(n_rows - 2 * MARGIN_PX)[:, None]
        cols = np.clip(left, 0, 2 * MARGIN_PX)[:, None, None] + np.arange(n_cols - 2 * MARGIN_PX)
        light = flux_share[:, None, None] * self.light[np.arange(n)[:, None, None], rows, cols]
        if mirror:  # the blob lies right of the middle: what comes in on the left is the next column but one
            turned = rng.random(n) < 0.5
            light[turned, :, 1:] = light[turned, :, :0:-1]
        flat = replace(self.settings, background_fall=0.0)
        crops = expose(light.reshape(-1, light.shape[2]), flat, rng).reshape(light.shape).astype(np.float32)
        if len(self.chance_peaks):
            crops[self.false] = self.chance_peaks[rng.integers(0, len(self.chance_peaks), self.false.sum())]
        return crops / np.float32(self.settings.noise_sd_counts)


def draw_crops(panel, settings, n_crops, seed):
    """Labelled blobs of as many frames as hold so many: `LightCrops`."""
    settings = replace(settings, n_frames=max(int(np.ceil(n_crops / settings.n_labelled_per_frame)), 3))
    sample, window = draw_sample(panel, settings, seed), panel.template_window
    found, peaks = [], []
    frames = sample.groupby("frame")
    for number, blobs in tqdm(frames, desc=f"drawing {panel.name}", unit="frame", leave=False):
        rng = np.random.default_rng([seed, 4, number])
        light = frame_light(blobs, settings)
        if len(peaks) < _POOL_FRAMES:
            peaks.append(_chance_peaks(light, blobs, window, settings, rng))
        own = blobs[blobs["labelled"] & (blobs["label"] >= 0)]
        at = own[["y_px", "x_px"]].to_numpy()
        rows, cols = np.floor(at).astype(int).T
        padded = np.pad(light, MARGIN_PX).astype(np.float32)
        crops = cut_crops(padded, rows + MARGIN_PX, cols + MARGIN_PX, window.grown(MARGIN_PX))
        false = (own["kind"] == "false").to_numpy()
        crops[false] = 0
        error_px = localisation_error_px(own["sigma_y_px"], own["sigma_x_px"], own["flux"], settings).to_numpy()
        error_px = error_px[:, None] * rng.standard_normal((len(own), 2))
        found.append((crops, at - np.floor(at), error_px, own["label"].to_numpy(), np.full(len(own), number), false))
    return LightCrops(*map(np.concatenate, zip(*found, strict=True)), np.concatenate(peaks), settings)


def _chance_peaks(light, blobs, window, settings, rng):
    """Crops about the chance peaks of a frame, which a detector would take for blobs."""
    frame = expose(light, settings, rng)
    n_false = int((blobs["kind"] == "false").sum())
    places = false_detections(frame, blobs[blobs["kind"] != "false"], 2 * n_false, rng)  # as `frames` does
    places = np.floor(places).astype(int)
    return cut_crops(np.pad(frame, 64, mode="reflect"), *(places + 64).T, window)


@dataclass(frozen=True)
class Prediction:
    """What a classifier said of crops it had not seen."""

    y_true: np.ndarray  # (n,)
    frames: np.ndarray  # (n,)
    y_pred: np.ndarray  # (n_flux_shares, n), for each of FLUX_SHARES

    @property
    def as_is(self):
        """Predicted classes with the light of the settings."""
        return self.y_pred[_AS_IS]


def predict_panel(panel, settings, *, effort=None, seed=3):
    """Draw crops, train on most of the frames and ask about the others, with the light of the settings and with other light.

    Half of the crops that are learned from have the light of the settings, half any between the ends of FLUX_SHARES.

    Returns
    -------
    dict of ndarrays, as `Prediction` takes them
    """
    effort, keras = (effort or Effort()).for_panel(panel), load_keras()
    crops = draw_crops(panel, settings, effort.n_crops, seed)
    is_test = crops.frames > (1 - _TEST_SHARE) * crops.frames.max()
    training, test = crops[~is_test], crops[is_test]
    asked = [twin_cnn_input(test.expose(share, np.random.default_rng([seed, 5, k]))) for k, share in enumerate(FLUX_SHARES)]

    def draw(epoch):
        rng = np.random.default_rng([seed, 6, epoch])
        any_light = np.exp(rng.uniform(*np.log([FLUX_SHARES[0], FLUX_SHARES[-1]]), len(training.y_true)))
        share = np.where(rng.random(len(any_light)) < 0.5, 1.0, any_light)
        return training.expose(share, rng, mirror=True), training.y_true

    model = build_twin_cnn(asked[0].shape[1:], panel.n_mirs + 1, seed=seed)
    together = join([model])
    compile_together(together, keras.optimizers.Adam(1e-3))
    stages = learn(together, seed, effort.n_epochs, 3e-3, 128, draw)
    for _ in tqdm(stages, total=effort.n_epochs, desc=f"learning {panel.name}", unit="epoch", leave=False):
        pass
    y_pred = [predict(model, one).argmax(axis=-1) for one in asked]
    return {"y_true": test.y_true, "frames": test.frames, "y_pred": np.stack(y_pred)}


def key_of(panel, settings, effort, seed):
    """Names a prediction by all that it follows from."""
    return cache_key(panel.to_dict(), vars(settings), vars(effort), list(FLUX_SHARES), seed)
