"""Fitted classifiers of each kind: what they read, their probabilities, and their files (none of them a pickle).

A kind reads crops of the response ("responses", thesis 2.1) or raw crops ("raw crops", wide, in counts).
"""

from dataclasses import dataclass

import numpy as np
import skops.io

from mirnb.augment import plain_view
from mirnb.best import load_networks
from mirnb.calibration import apply_temperature, fit_temperature
from mirnb.evaluate import mir_f1
from mirnb.experiments.cutouts import MARGIN_PX, without_margin
from mirnb.files import InputError, read_json, write_json
from mirnb.models import best_input, predict
from mirnb.quiet import load_keras
from mirnb.splits import Scaler

N_NOISE_DRAWS = 8
SAME_NOISE = 0.05  # noise within so large a share of that trained in passes for the same


@dataclass(frozen=True)
class LeNet5:
    """The thesis's network on scaled crops of the response."""

    scaler: Scaler
    model: object  # keras.Model

    kind, reads, files = "lenet5", "responses", ("scaler.npz", "model.keras")

    @property
    def size(self):
        """Trained numbers."""
        return self.model.count_params()

    def predict(self, crops):
        """Probabilities (n_crops, n_classes) of response crops (n_crops, rows, cols, n_mirs)."""
        return predict(self.model, self.scaler(crops))

    def write(self, folder):
        np.savez(folder / "scaler.npz", mean=self.scaler.mean, sd=self.scaler.sd)
        self.model.save(folder / "model.keras")

    @classmethod
    def read(cls, folder):
        with np.load(folder / "scaler.npz", allow_pickle=False) as stored:
            scaler = Scaler(stored["mean"], stored["sd"])
        return cls(scaler, load_keras().saving.load_model(folder / "model.keras", safe_mode=True, compile=False))


@dataclass(frozen=True)
class MatchedFilter:
    """The plain rule: the largest response wins, below a threshold it is noise. The floor every classifier must beat.

    Its probabilities are a softmax of the responses and the threshold over a temperature.
    """

    threshold: float
    temperature: float
    peak: tuple  # (row, col) in a crop of the response where a molecule's own template peaks

    kind, reads, files, size = "matched_filter", "responses", ("model.json",), 2

    @classmethod
    def fit(cls, dataset):
        """Threshold with the best mean F1 over the miRs on training crops; temperature from validation."""
        crop, template = dataset.panel.crop_window, dataset.panel.template_window
        # a template on its own molecule peaks in the middle of where it lies (see `correlate`)
        down, right = ((size - 1) // 2 for size in template.shape)
        peak = crop.above - template.above + down, crop.left - template.left + right
        floor = cls(0.0, 1.0, peak)
        training, validation = dataset.split["training"], dataset.split["validation"]
        highest = floor._peaks(dataset.crops[training])
        thresholds = np.quantile(highest.max(axis=1), np.linspace(0.02, 0.98, 97))

        def f1(threshold):
            y_pred = np.where(highest.max(axis=1) > threshold, highest.argmax(axis=1), dataset.panel.noise)
            return np.nan_to_num(mir_f1(dataset.y_true[training], y_pred, dataset.n_classes))

        threshold = float(thresholds[np.argmax([f1(one) for one in thresholds])])
        unit = max(threshold, 1e-12)  # responses are small numbers
        first = cls(threshold, unit, peak)
        temperature = fit_temperature(dataset.y_true[validation], first.predict(dataset.crops[validation]), limit=50)
        return cls(threshold, unit * temperature, peak)

    def _peaks(self, crops):
        rows, cols = (slice(max(at - 1, 0), at + 2) for at in self.peak)
        return crops[:, rows, cols].max(axis=(1, 2))

    def predict(self, crops):
        """Probabilities (n_crops, n_classes) of response crops (n_crops, rows, cols, n_mirs)."""
        logits = np.column_stack([self._peaks(crops), np.full(len(crops), self.threshold)]) / self.temperature
        return apply_temperature(np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf)), 1.0)

    def write(self, folder):
        write_json(
            folder / "model.json", {"threshold": self.threshold, "temperature": self.temperature, "peak": list(self.peak)}
        )

    @classmethod
    def read(cls, folder):
        values = read_json(folder / "model.json")
        return cls(values["threshold"], values["temperature"], tuple(values["peak"]))


class _RawCrops:
    """What classifiers of raw crops share: a stack with less noise than they were trained on gets the rest added.

    The answer is then the mean over several draws of that noise. A noisier stack is brought to the unit of its own noise.
    """

    def predict(self, wide_crops, *, noise_sd=None):
        """Probabilities (n_crops, n_classes) of wide raw crops in counts.

        noise_sd : float, optional
            Noise of a pixel of the stack they come from; by default that of the training crops.
        """
        noise_sd = self.noise_sd if noise_sd is None else noise_sd
        if noise_sd >= (1 - SAME_NOISE) * self.noise_sd:
            scale = self.noise_sd / noise_sd if noise_sd > (1 + SAME_NOISE) * self.noise_sd else 1.0
            return self._probabilities(np.asarray(wide_crops, np.float32), scale)
        missing, rng = np.sqrt(self.noise_sd**2 - noise_sd**2), np.random.default_rng(10)
        draws = [
            self._probabilities(wide_crops + missing * rng.standard_normal(wide_crops.shape, np.float32), 1.0)
            for _ in range(N_NOISE_DRAWS)
        ]
        return np.mean(draws, axis=0)


@dataclass(frozen=True)
class PcaSvm(_RawCrops):
    """miRACLE's way: principal components of raw crops and a support vector machine, at a temperature."""

    pipeline: object  # fitted sklearn Pipeline
    temperature: float
    noise_sd: float

    kind, reads, files = "pca_svm", "raw crops", ("model.skops", "model.json")

    @property
    def size(self):
        """Trained numbers: components, and support vectors with their weights."""
        pca, svm = self.pipeline[0], self.pipeline[-1]
        return int(pca.components_.size + svm.support_vectors_.size + svm.dual_coef_.size)

    def _probabilities(self, wide_crops, scale):
        crops = flat_crops(wide_crops)
        if len(crops) == 0:
            return np.empty((0, len(self.pipeline[-1].classes_)))
        ground = np.median(crops, axis=1, keepdims=True)
        decision = self.pipeline.decision_function(ground + scale * (crops - ground))
        if decision.ndim == 1:  # two classes: one number, above 0 for the second
            decision = np.column_stack([-decision, decision])
        return apply_temperature(np.exp(decision), self.temperature)

    def write(self, folder):
        skops.io.dump(self.pipeline, folder / "model.skops")
        write_json(folder / "model.json", {"temperature": self.temperature, "noise_sd_counts": self.noise_sd})

    @classmethod
    def read(cls, folder):
        values = read_json(folder / "model.json")
        pipeline = skops.io.load(folder / "model.skops")  # refuses every type it does not know
        return cls(pipeline, values["temperature"], values["noise_sd_counts"])


def flat_crops(wide_crops):
    """Crops as miRACLE's pipeline takes them: raw counts in the template window, (n, rows * cols), float32."""
    crops = without_margin(np.asarray(wide_crops, np.float32))
    return crops.reshape(len(crops), crops.shape[1] * crops.shape[2])


@dataclass(frozen=True)
class Best(_RawCrops):
    """The best we know: the mean of networks trained on a twin and on labels, at a temperature."""

    model: object  # keras.Model
    temperature: float
    noise_sd: float

    kind, reads, files = "best", "raw crops", ("model.keras", "model.json")

    @property
    def size(self):
        """Trained numbers."""
        return self.model.count_params()

    @classmethod
    def from_training(cls, training):
        """Of a finished `best.BestTraining`."""
        return cls(load_networks(training.model_paths), training.temperature, training.noise_sd)

    def _probabilities(self, wide_crops, scale):
        crops = best_input(plain_view(wide_crops, MARGIN_PX, self.noise_sd / scale))
        return apply_temperature(predict(self.model, crops), self.temperature)

    def write(self, folder):
        self.model.save(folder / "model.keras")
        write_json(folder / "model.json", {"temperature": self.temperature, "noise_sd_counts": self.noise_sd})

    @classmethod
    def read(cls, folder):
        values = read_json(folder / "model.json")
        model = load_keras().saving.load_model(folder / "model.keras", safe_mode=True, compile=False)
        return cls(model, values["temperature"], values["noise_sd_counts"])


PREDICTORS = {one.kind: one for one in (Best, LeNet5, PcaSvm, MatchedFilter)}  # the best first


def read_predictor(kind, folder):
    """Read a fitted classifier of a kind from its files.

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    if kind not in PREDICTORS:
        raise InputError(f"{folder}: a classifier of kind {kind!r}; this version knows {', '.join(PREDICTORS)}")
    return PREDICTORS[kind].read(folder)
