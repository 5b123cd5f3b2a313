"""The twin-trained CNN, the best we know: its network, the views of a crop it learns from and sees, the fitted predictor."""

from dataclasses import dataclass

import numpy as np

from mirnb.classifiers.backend import glorot, load_keras, load_model, predict
from mirnb.classifiers.calibration import apply_temperature
from mirnb.experiments.cutouts import MARGIN_PX
from mirnb.files import read_json, write_json
from mirnb.imaging.preprocessing import crop_medians


def build_twin_cnn(crop_shape, n_classes, *, seed=0):
    """Its network: three convolutions on raw crops as `twin_cnn_input` shows them.

    For crops of (24, 10, 2) and 4 classes it has 28,608 weights. Dropout and weights follow from `seed`.

    Parameters
    ----------
    crop_shape : (rows, cols, 2)

    Returns
    -------
    keras.Sequential, not compiled; its output is a probability per class
    """
    keras = load_keras()
    layers = keras.layers

    def convolution(number, filters, kernel):
        start = glorot(seed, number)
        return layers.Conv2D(filters, kernel, padding="same", activation="relu", kernel_initializer=start)

    def dense(number, units, activation):
        return layers.Dense(units, activation=activation, kernel_initializer=glorot(seed, number))

    return keras.Sequential(
        [
            keras.Input(tuple(crop_shape)),
            convolution(1, 12, (5, 3)),
            layers.MaxPooling2D((2, 2)),
            convolution(2, 24, (3, 3)),
            layers.MaxPooling2D((2, 2)),
            convolution(3, 32, (3, 3)),
            layers.Flatten(),
            layers.Dropout(0.2, seed=1000 * seed + 4),
            dense(5, 48, "relu"),
            layers.Dropout(0.2, seed=1000 * seed + 6),
            dense(7, n_classes, "softmax"),
        ],
        name="twin_cnn",
    )


def twin_cnn_input(crops):
    """Crops as `twin_cnn` takes them: near the background in full detail, and all of the light on a logarithmic scale.

    Parameters
    ----------
    crops : ndarray of shape (n, rows, cols)
        In units of the background's noise; each crop's own median is taken as its background.

    Returns
    -------
    float32 ndarray of shape (n, rows, cols, 2)
    """
    crops = np.asarray(crops, np.float32)
    light = crops - crop_medians(crops)
    return np.stack([np.clip(light, -4, 8) / 4, np.arcsinh(light / 4)], axis=-1)


def plain_view(wide_crops, margin_px, noise_sd):
    """The middle of wide crops, in units of the noise: (n, rows, cols) less `margin_px` on every side, float32."""
    inner = slice(margin_px, -margin_px)
    return np.asarray(wide_crops[:, inner, inner], np.float32) / np.float32(noise_sd)


def shaken_view(wide_crops, margin_px, noise_sd, rng, *, shift_px=0.5, dimmest=0.8):
    """A random view of each crop: what the microscope could as well have recorded.

    Half are mirrored left-right; all are shifted by up to `shift_px` on both axes and dimmed by up to `dimmest`. Both take
    noise away, which is given back.

    Parameters
    ----------
    wide_crops : ndarray of shape (n, rows + 2 * margin_px, cols + 2 * margin_px)
        Counts; the blob lies in the pixel right of the middle of the columns, as `panel.Window` has it.
    margin_px : int
        At least 2.
    noise_sd : float
        Noise of a pixel, counts.

    Returns
    -------
    float32 ndarray of shape (n, rows, cols), units of the noise
    """
    crops = np.asarray(wide_crops, np.float32) / np.float32(noise_sd)
    n, n_rows, n_cols = crops.shape
    mirrored = rng.random(n) < 0.5
    # the blob's pixel is cols // 2: mirrored it falls one column to the left, so the mirror image moves one to the right
    crops[mirrored] = np.roll(crops[mirrored, :, ::-1], 1, axis=2)
    shift = rng.uniform(-shift_px, shift_px, (2, n)).astype(np.float32)
    kept = np.ones(n, np.float32)
    for axis, by in enumerate(shift, start=1):
        share = np.abs(by)[:, None, None]
        neighbour = np.where((by > 0)[:, None, None], np.roll(crops, 1, axis=axis), np.roll(crops, -1, axis=axis))
        crops = (1 - share) * crops + share * neighbour  # what is rolled over the edge lies in the margin
        kept *= (1 - np.abs(by)) ** 2 + by**2  # of the noise's variance
    crops = crops[:, margin_px : n_rows - margin_px, margin_px : n_cols - margin_px]
    dim = rng.uniform(dimmest, 1, n).astype(np.float32)
    ground = crop_medians(crops)
    lost = np.sqrt(np.maximum(1 - dim**2 * kept, 0))[:, None, None]
    return ground + dim[:, None, None] * (crops - ground) + lost * rng.standard_normal(crops.shape, np.float32)


def load_networks(paths):
    """The networks of a finished training as one Keras model that averages their probabilities."""
    keras = load_keras()
    networks = [load_model(path) for path in paths]
    if len(networks) == 1:
        return networks[0]
    crops = keras.Input(networks[0].input_shape[1:])
    for k, network in enumerate(networks):
        network.name = f"network_{k}"
    return keras.Model(crops, keras.layers.Average()([network(crops) for network in networks]), name="twin_cnn")


@dataclass(frozen=True)
class TwinCnn:
    """The best we know: the mean of networks trained on a twin and on labels, at a temperature."""

    model: object  # keras.Model
    temperature: float
    noise_sd: float

    kind, reads, files = "twin_cnn", "raw crops", ("model.keras", "model.json")

    @property
    def size(self):
        """Trained numbers."""
        return self.model.count_params()

    @classmethod
    def from_training(cls, training):
        """Of a finished `twin_cnn_training.TwinCnnTraining`."""
        return cls(load_networks(training.model_paths), training.temperature, training.noise_sd)

    def predict(self, wide_crops, *, scale=1.0):
        """Probabilities (n_crops, n_classes) of wide raw crops in counts, their light times `scale`."""
        crops = twin_cnn_input(plain_view(wide_crops, MARGIN_PX, self.noise_sd / scale))
        return apply_temperature(predict(self.model, crops), self.temperature)

    def write(self, folder):
        self.model.save(folder / "model.keras")
        write_json(folder / "model.json", {"temperature": self.temperature, "noise_sd_counts": self.noise_sd})

    @classmethod
    def read(cls, folder):
        values = read_json(folder / "model.json")
        return cls(load_model(folder / "model.keras"), values["temperature"], values["noise_sd_counts"])
