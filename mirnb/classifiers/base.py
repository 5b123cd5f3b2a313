"""What kinds of classifiers share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

N_NOISE_DRAWS = 8
SAME_NOISE = 0.05  # noise within so large a share of that trained in passes for the same


@dataclass(frozen=True, eq=False)
class Rival:
    """A trained classifier and what it says of every crop of a dataset."""

    kind: str
    predictor: object
    y_prob: np.ndarray  # (n_crops, n_classes)
    seconds: float  # of training, when it was trained
    refit: Callable  # (training_rows, held_rows, fold from 1) -> probabilities of the held rows, trained on the others
    settings: dict  # plain values: what its kind's `train` was given, besides data, run and seed
    note: str = ""


class RawCrops:
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
