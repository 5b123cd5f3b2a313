"""What counting has to know of a classifier: what it says of labelled crops it was not trained on, and their twin.

Kept in the classifier's folder: held_out.npz and, for kinds that read raw crops, twin.npz.
"""

from dataclasses import dataclass

import numpy as np

from mirnb.caches import read_arrays, write_arrays
from mirnb.classifiers.likeness import profile_of
from mirnb.classifiers.scores import confusion
from mirnb.files import InputError
from mirnb.simulation.twin import Twin

FILES = ("held_out.npz", "twin.npz")


@dataclass(frozen=True, eq=False)
class Facts:
    """Training and validation crops, each as a classifier saw it that was trained on the other folds."""

    y_true: np.ndarray  # (n,) class, noise last
    y_prob: np.ndarray  # (n, n_classes) probabilities
    pairs: np.ndarray  # (n, n_mirs) how likely a crop labelled noise is a pair of each miR; 0 for others
    found: np.ndarray  # (n,) whether our own detection finds its blob
    ranges: dict  # of training frames: likeness.FEATURES -> [low, high], and unknown_share, not kept before 0.8
    twin: Twin | None  # of all these crops; None for kinds that read responses, and where noise is unknown

    @property
    def confusion(self):
        """Counts of calls, (n_classes, n_classes), rows true."""
        return confusion(self.y_true, self.y_prob.argmax(axis=1), self.y_prob.shape[1])

    @property
    def hidden(self):
        """Of the noise row: expected pairs of each miR by predicted class, (n_mirs, n_classes)."""
        called, n_classes = self.y_prob.argmax(axis=1), self.y_prob.shape[1]
        return np.stack([np.bincount(called, one, minlength=n_classes) for one in self.pairs.T])

    @property
    def profile(self):
        """How sure calls of each miR are, as `likeness.profile_of` counts them."""
        return profile_of(self.y_prob)

    def write(self, folder):
        """Write held_out.npz, and twin.npz where there is a twin; returns the names of the files."""
        write_arrays(folder / FILES[0], {name: getattr(self, name) for name in ("y_true", "y_prob", "pairs", "found")})
        if self.twin is not None:
            write_arrays(folder / FILES[1], self.twin.to_arrays())
        return FILES[: 1 + (self.twin is not None)]


def read_facts(folder, names, ranges, panel):
    """Facts of a classifier's folder.

    Parameters
    ----------
    names : sequence of str
        Which of FILES are there.
    ranges : dict
    panel : Panel

    Raises
    ------
    InputError
        If an array is missing, or they do not fit the panel or each other.
    """
    arrays, n_classes = read_arrays(folder / FILES[0]), panel.n_mirs + 1
    n = len(arrays.get("y_true", ()))
    shapes = {"y_true": (n,), "y_prob": (n, n_classes), "pairs": (n, n_classes - 1), "found": (n,)}
    wrong = [name for name, shape in shapes.items() if name not in arrays or arrays[name].shape != shape]
    if not wrong:
        y_true, y_prob = arrays["y_true"], arrays["y_prob"]
        good = np.isin(y_true, np.arange(n_classes)).all() and np.isfinite(arrays["pairs"]).all()
        wrong = [] if good and np.allclose(y_prob.sum(axis=1), 1, atol=1e-3) else ["values"]
    if wrong:
        raise InputError(
            f"{folder / FILES[0]}: does not fit the classifier ({', '.join(wrong)}); copy the whole folder again"
        )
    twin = Twin.from_arrays(read_arrays(folder / FILES[1]), panel.template_window) if FILES[1] in names else None
    return Facts(*(arrays[name] for name in shapes), ranges, twin)
