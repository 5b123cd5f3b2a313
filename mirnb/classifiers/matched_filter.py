"""The matched filter: the largest response wins."""

import time
from dataclasses import dataclass, replace

import numpy as np

from mirnb.classifiers.base import Rival
from mirnb.classifiers.calibration import apply_temperature, fit_temperature
from mirnb.classifiers.scores import mir_f1
from mirnb.files import read_json, write_json
from mirnb.imaging.responses import response_peak


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
        peak = response_peak(dataset.panel.template_window, dataset.panel.crop_window)
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

    def predict(self, crops, *, scale=1.0):
        """Probabilities (n_crops, n_classes) of response crops (n_crops, rows, cols, n_mirs), whatever their scale."""
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


def train_matched_filter(dataset, run, *, seed=3):
    """The plain rule on a dataset: its threshold from training crops; no chance, nothing worth keeping in the run folder."""
    start = time.perf_counter()
    predictor = MatchedFilter.fit(dataset)
    seconds = time.perf_counter() - start

    def refit(rows, held, _):
        return MatchedFilter.fit(_learning_from(dataset, rows)).predict(dataset.crops[held])

    note = f"threshold {predictor.threshold:.2g}"
    return Rival("matched_filter", predictor, predictor.predict(dataset.crops), seconds, refit, {}, note)


def _learning_from(dataset, rows):
    """A dataset whose training crops are `rows`; templates and responses stay."""
    return replace(dataset, split={**dataset.split, "training": rows})
