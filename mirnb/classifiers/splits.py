"""Training, validation and test sets, by crop (thesis) or by frame; the scaler, of training crops alone (thesis 2.2)."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from mirnb.files import InputError

MIN_FRAMES = 5  # of a split by frame
SETS = ("training", "validation", "test")


def split_by_crop(n_crops, *, test_share=0.20, validation_share=0.25, seed=3):
    """Cut crops into training, validation and test as the thesis does: unstratified, one generator for both cuts.

    Parameters
    ----------
    n_crops : int
        Crops in the order of the blob table.
    test_share : float
        Share of all crops that is held out for the test.
    validation_share : float
        Share of the rest that is held out for validation; .25 of .80 makes 60/20/20.

    Returns
    -------
    dict of int ndarrays
        Keys "training", "validation", "test"; indices of crops.
    """
    random = np.random.RandomState(seed)  # the generator of the thesis's code: its split is met exactly
    rest, test = train_test_split(np.arange(n_crops), test_size=test_share, random_state=random)
    training, validation = train_test_split(rest, test_size=validation_share, random_state=random)
    return {"training": training, "validation": validation, "test": test}


def split_by_frame(frames, *, test_share=0.20, validation_share=0.25, seed=3):
    """Cut whole frames into training, validation and test, so that no set shares light or noise with another.

    Parameters
    ----------
    frames : int ndarray of shape (n_crops,)
        Frame of each crop.
    test_share, validation_share : float
        As for `split_by_crop`, of frames.

    Returns
    -------
    dict of int ndarrays
        Keys "training", "validation", "test"; indices of crops.

    Raises
    ------
    InputError
        If there are fewer than five frames: a set would be empty.
    """
    numbers = np.unique(frames)
    if len(numbers) < MIN_FRAMES:
        raise InputError(
            f"a split by frame needs labelled blobs on at least {MIN_FRAMES} frames, they lie on {len(numbers)}"
        )
    chosen = split_by_crop(len(numbers), test_share=test_share, validation_share=validation_share, seed=seed)
    return {name: np.flatnonzero(np.isin(frames, numbers[which])) for name, which in chosen.items()}


@dataclass(frozen=True)
class Scaler:
    """Shift and scale of every pixel and channel of a crop, so that training crops have mean 0 and sd 1 (thesis 2.2)."""

    mean: np.ndarray  # (rows, cols, channels)
    sd: np.ndarray

    def __call__(self, crops):
        """Scaled crops, float32, of the shape given: (n, rows, cols, channels).

        Raises
        ------
        ValueError
            If the crops' shape is not the one the scaler was fitted on.
        """
        if crops.shape[1:] != self.mean.shape:
            raise ValueError(f"the scaler was fitted on crops of {self.mean.shape}, got {crops.shape[1:]}")
        return ((crops - self.mean) / self.sd).astype(np.float32)


def fit_scaler(training_crops):
    """Fit a scaler: mean and standard deviation of every pixel and channel over crops; constant pixels keep sd 1."""
    sd = training_crops.std(axis=0, dtype=np.float64)
    return Scaler(training_crops.mean(axis=0, dtype=np.float64), np.where(sd > 0, sd, 1.0))
