"""miRACLE's PCA and SVM (thesis reference 2), from pipeline to fitted predictor."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import skops.io
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mirnb.caches import cache_key, cached
from mirnb.classifiers.base import Rival
from mirnb.classifiers.calibration import apply_temperature, fit_temperature
from mirnb.classifiers.scores import mir_f1
from mirnb.experiments.cutouts import without_margin
from mirnb.files import read_json, write_json

PCA_COMPONENTS = 20  # miRACLE (thesis reference 2), as its next two
MIRACLE_C = 0.05
NOISE_COPIES = 6
SVM_C = (MIRACLE_C, 0.5, 2.0, 10.0)  # tried; validation chooses


def build_pca_svm(*, C, seed=0):
    """miRACLE's classifier (thesis reference 2): 20 principal components of flat raw crops, scaled, and an RBF SVM.

    Returns
    -------
    sklearn Pipeline, not fitted; takes (n, rows * cols)
    """
    return make_pipeline(PCA(PCA_COMPONENTS, random_state=seed), StandardScaler(), SVC(C=C, random_state=seed))


def noisy_copies(crops, y_true, noise_sd, *, n_copies=NOISE_COPIES, seed=0):
    """Crops followed by copies of them with noise added (miRACLE's augmentation): (crops, y_true), float32.

    The noise has the background's own standard deviation, `noise_sd` counts.
    """
    rng = np.random.default_rng([seed, 8])
    noise = [rng.normal(0, noise_sd, crops.shape) if k else 0.0 for k in range(n_copies + 1)]
    return np.concatenate([crops + one for one in noise]).astype(np.float32), np.tile(y_true, n_copies + 1)


@dataclass(frozen=True)
class PcaSvm:
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

    def predict(self, wide_crops, *, scale=1.0):
        """Probabilities (n_crops, n_classes) of wide raw crops in counts, their light times `scale`."""
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


def train_pca_svm(dataset, run, *, seed=3, candidates=SVM_C):
    """miRACLE's classifier with the C that has the best mean F1 over the miRs on validation; kept in the run folder.

    Parameters
    ----------
    seed : int
        Of the noise copies.
    candidates : sequence of float
        Values of C to try; between equals the first stays.
    """
    rows = [dataset.split[name] for name in ("training", "validation")]
    key = cache_key(list(candidates), seed, dataset.noise_sd, dataset.wide_crops, dataset.y_true, *rows)
    folder = run.root / "cache" / f"pca_svm-{key}"

    def make():
        start = time.perf_counter()
        training, validation = rows
        checked, y_checked = flat_crops(dataset.wide_crops[validation]), dataset.y_true[validation]
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # libsvm lets others run
            fitted = list(threads.map(lambda one: _fit_pca_svm(dataset, training, one, seed), candidates))
        scores = [np.nan_to_num(mir_f1(y_checked, one.predict(checked), dataset.n_classes)) for one in fitted]
        chosen = int(np.argmax(scores))
        untempered = PcaSvm(fitted[chosen], 1.0, dataset.noise_sd)
        temperature = fit_temperature(y_checked, untempered.predict(dataset.wide_crops[validation]))
        predictor = replace(untempered, temperature=temperature)
        folder.mkdir(parents=True, exist_ok=True)
        predictor.write(folder)
        y_prob = predictor.predict(dataset.wide_crops)
        return {"y_prob": y_prob, "seconds": time.perf_counter() - start, "C": candidates[chosen]}

    stored = cached(folder / "values.npz", make, beside=[folder / name for name in PcaSvm.files])
    predictor, chosen_c = PcaSvm.read(folder), float(stored["C"])

    def refit(rows, held, _):
        pipeline = _fit_pca_svm(dataset, rows, chosen_c, seed)
        found = np.zeros((len(held), dataset.n_classes))  # a fold may lack a class
        found[:, pipeline.classes_] = replace(predictor, pipeline=pipeline).predict(dataset.wide_crops[held])
        return found

    seconds = float(stored["seconds"])
    return Rival("pca_svm", predictor, stored["y_prob"], seconds, refit, {}, f"C = {chosen_c:g}")


def _fit_pca_svm(dataset, rows, C, seed):
    crops, y_true = noisy_copies(dataset.wide_crops[rows], dataset.y_true[rows], dataset.noise_sd, seed=seed)
    return build_pca_svm(C=C, seed=seed).fit(flat_crops(crops), y_true)
