"""A simulated twin of an experiment: what its molecules, noise blobs and background are like, and crops drawn from that.

New crops are drawn from donors among the training crops, their parameters shaken within the spread of their class, and put
on background cut from the experiment's own frames. Nothing else is read: no truth, no settings of a simulation.
"""

from dataclasses import dataclass

import numpy as np

from mirnb.imaging.blob_fit import PAIR, SINGLE, draw_light
from mirnb.imaging.templates import MIN_MOLECULES

LOWER_FLUX = np.geomspace(3, 300, 20)  # what a lower blob that was not seen may have, units of the noise
_AT_ONCE = 2048  # crops drawn together: their memory is used again
_NEIGHBOUR_SDS = 4.0
_TELLABLE_FLUX = 6.0  # a dimmer lower blob cannot be told from none, units of the noise


@dataclass(frozen=True)
class Twin:
    """What crops of an experiment are drawn from. Light is in units of the background's noise."""

    window: object  # Window of the crops
    shares: np.ndarray  # (n_classes,) of the training crops, noise last
    donors: list  # a miR: (n, 10) parameters of its training crops as PAIR
    means: np.ndarray  # (n_mirs, 10) of each miR's spread
    sds: np.ndarray  # (n_mirs, 10)
    noise_donors: list  # parameters of the noise crops as a narrow blob, a wide blob, and a pair of each miR
    hidden: np.ndarray  # (n, 2 + n_mirs * n_fluxes) what each noise crop may be: narrow, wide, a pair of miR k and flux f
    shot: float  # variance of a pixel for a unit of light, units of the noise
    background: np.ndarray  # (n_patches, *window.shape), units of the noise about 0

    def to_arrays(self):
        """Its numbers as a dict of plain arrays, in single precision."""
        values = {name: getattr(self, name) for name in ("shares", "means", "sds", "hidden", "shot", "background")}
        values |= {f"donors_{k}": one for k, one in enumerate(self.donors)}
        values |= {f"noise_donors_{k}": one for k, one in enumerate(self.noise_donors)}
        return {name: np.asarray(one, np.float64 if name == "shares" else np.float32) for name, one in values.items()}

    @classmethod
    def from_arrays(cls, arrays, window):
        """The twin that `to_arrays` told of."""
        n_mirs = len(arrays["means"])
        lists = [[arrays[f"{name}_{k}"] for k in range(n)] for name, n in (("donors", n_mirs), ("noise_donors", n_mirs + 2))]
        shares, means, sds, hidden, shot, background = (
            arrays[name] for name in ("shares", "means", "sds", "hidden", "shot", "background")
        )
        return cls(window, shares, lists[0], means, sds, lists[1], hidden, float(shot), background)

    @property
    def hidden_pairs(self):
        """How likely each noise crop is a pair of each miR, with a lower blob that light can tell from none, (n, n_mirs)."""
        by_mir = self.hidden[:, 2:].reshape(len(self.hidden), len(self.means), len(LOWER_FLUX))
        return by_mir[:, :, LOWER_FLUX >= _TELLABLE_FLUX].sum(axis=2)

    @property
    def hidden_share(self):
        """Share of noise crops that are pairs of each miR, (n_mirs,)."""
        return self.hidden_pairs.mean(axis=0) if len(self.hidden) else np.zeros(len(self.means))

    def draw(self, n, seed):
        """Draw labelled crops.

        Parameters
        ----------
        seed : int or sequence of int

        Returns
        -------
        crops : float32 ndarray of shape (n, rows, cols), units of the noise
        y_true : int ndarray of shape (n,)
        """
        return self.draw_known(n, seed)[:2]

    def draw_known(self, n, seed, *, shares=None, noise=1.0):
        """As `draw`, and what the crops labelled noise truly are.

        Parameters
        ----------
        shares : sequence of shape (n_classes,), optional
            Of the classes; those of the training crops by default.
        noise : float
            Of a pixel, in units of the background's: below 1 as if the frames had been denoised.

        Returns
        -------
        crops, y_true
            Of `draw`.
        pair : int ndarray of shape (n,)
            Of which miR a crop is a pair that light can tell from a single blob; -1 for none.
        """
        rng, shares = np.random.default_rng(seed), self.shares if shares is None else np.asarray(shares, float)
        sizes = [min(_AT_ONCE, n - first) for first in range(0, max(n, 1), _AT_ONCE)]
        parts = [self._draw(size, rng, shares, noise) for size in sizes]
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _draw(self, n, rng, shares, noise_scale):
        y_true = rng.choice(len(shares), n, p=shares)
        values = np.zeros((n, len(PAIR)))
        noise = len(self.shares) - 1
        for k in range(noise):
            here = np.flatnonzero(y_true == k)
            values[here] = self._draw_pairs(k, len(here), rng)
        here = np.flatnonzero(y_true == noise)
        values[here], is_pair, told = self._draw_noise(len(here), rng)
        paired, pair = y_true < noise, np.where(y_true < noise, y_true, -1)
        paired[here], pair[here] = is_pair, told
        rows, cols = (starts.astype(np.float32) for starts in pixel_starts(self.window))
        values, light = values.astype(np.float32), np.empty((n, *self.window.shape), np.float32)
        light[paired] = draw_light(values[paired], rows, cols)
        light[~paired] = draw_light(values[~paired, : len(SINGLE)], rows, cols)
        ground = self.background[rng.integers(0, len(self.background), n)]
        mirrored = rng.random(n) < 0.5
        ground[mirrored] = ground[mirrored, :, ::-1]
        shot = np.sqrt(self.shot * np.maximum(light, 0)) * rng.standard_normal(light.shape, np.float32)
        if noise_scale != 1:  # what stands out of a patch is the light of a neighbour, and stays
            ground, shot = ground - (1 - noise_scale) * np.clip(ground, -_NEIGHBOUR_SDS, _NEIGHBOUR_SDS), noise_scale * shot
        return (light + shot + ground).astype(np.float32), y_true, pair

    def _draw_pairs(self, k, n, rng):
        """Parameters of pairs of miR k: both fluxes from one donor, hardly shaken, the rest from the spread of the miR.

        Flux and ratio hang together, as a person labels a pair whose lower blob is seen: each drawn alone would blur that.
        """
        drawn = self.means[k] + self.sds[k] * rng.standard_normal((n, len(PAIR)))
        n_donors = len(self.donors[k])
        if n_donors >= MIN_MOLECULES:
            donor = self.donors[k][rng.integers(0, n_donors, n)]
            shake = np.clip(1 / np.sqrt(n_donors), 0.1, 0.3)
            lower = donor[:, 1] + donor[:, 6] + shake * rng.standard_normal(n)
            drawn[:, 1] = donor[:, 1] + 2 * shake * rng.standard_normal(n)
            drawn[:, 6] = lower - drawn[:, 1]
            drawn[:, 2:4] = self.donors[k][rng.integers(0, n_donors, n), 2:4]
        drawn[:, 0] = 0
        return drawn

    def _draw_noise(self, n, rng):
        """Parameters of noise blobs, as PAIR, which of them are pairs, and of which miR, if light can tell it (else -1)."""
        values, is_pair = np.zeros((n, len(PAIR))), np.zeros(n, bool)
        if not len(self.hidden):
            return values, is_pair, np.full(n, -1)
        which = rng.integers(0, len(self.hidden), n)
        cumulated = np.cumsum(self.hidden[which], axis=1)
        chosen = (rng.random((n, 1)) * cumulated[:, -1:] > cumulated).sum(axis=1)
        is_pair = chosen > 1
        mir, flux = np.divmod(np.maximum(chosen - 2, 0), len(LOWER_FLUX))
        for kind, donors in enumerate(self.noise_donors):
            here = np.flatnonzero((chosen == kind) if kind < 2 else (is_pair & (mir == kind - 2)))
            own = donors[which[here]]
            if kind < 2:
                spread = donors.std(axis=0) * np.array([0, 0.1, 0.1, 0.1, 0.2, 0.2])
                values[here, : len(SINGLE)] = own + spread * rng.standard_normal(own.shape)
            else:
                pair = self._draw_pairs(kind - 2, len(here), rng)
                pair[:, 1:4] = own[:, 1:4]  # flux and place are the crop's own, the shape is that of the miR
                pair[:, 6] = np.log(LOWER_FLUX[flux[here]]) + 0.12 * rng.standard_normal(len(here)) - pair[:, 1]
                values[here] = pair
        values[:, 0] = 0
        return values, is_pair, np.where(is_pair & (LOWER_FLUX[flux] >= _TELLABLE_FLUX), mir, -1)


def pixel_starts(window):
    """Where the rows and columns of a crop start, from the middle of the blob's pixel."""
    return np.arange(-window.above, window.below) - 0.5, np.arange(-window.left, window.right) - 0.5
