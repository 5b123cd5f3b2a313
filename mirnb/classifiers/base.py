"""What kinds of classifiers share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


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
