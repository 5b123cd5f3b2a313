"""Cross-correlation (thesis eq. 1) and cosine similarity (eq. 2) of frames with templates.

The anchor is that of `scipy.signal.correlate2d(frame, template, mode="same")`: a template on its own molecule peaks at the
centre pixel ((rows - 1) // 2, (cols - 1) // 2) of where it lies. For a 24x10 template cut from 6 rows above and 5 columns
left of the blob that is (row + 5, col - 1). The thesis's eq. 1 prints the lag mirrored; its code and this module do not.
"""

import numpy as np
from scipy import fft


class Correlator:
    """Correlates frames of one shape with a set of templates, whose spectra are kept.

    Parameters
    ----------
    templates : ndarray of shape (n_templates, rows, cols)
        Preprocessed templates, float; each is divided by its Euclidean norm.
    frame_shape : (rows, cols)
    workers : int
        Threads of the Fourier transforms.

    Raises
    ------
    ValueError
        If a template is constant zero or larger than the frame.
    """

    def __init__(self, templates, frame_shape, *, workers=1):
        templates = np.asarray(templates, np.float32)
        if templates.ndim != 3:
            raise ValueError(f"templates must have shape (n_templates, rows, cols), got {templates.shape}")
        if templates.shape[1] > frame_shape[0] or templates.shape[2] > frame_shape[1]:
            raise ValueError(
                f"template {templates.shape[1:]} does not fit in frame {tuple(frame_shape)} (rows, cols); "
                "were the two swapped?"
            )
        norms = np.linalg.norm(templates, axis=(1, 2), keepdims=True)
        if not np.all(norms > 0):
            raise ValueError(f"template {int(np.argmin(norms))} is zero everywhere; nothing can be correlated with it")
        self.frame_shape = tuple(frame_shape)
        self.workers = workers
        self._template_shape = templates.shape[1:]
        self._padded = tuple(
            fft.next_fast_len(size + extent - 1) for size, extent in zip(frame_shape, self._template_shape, strict=True)
        )
        flipped = (templates / norms)[:, ::-1, ::-1]
        self._spectra = fft.rfft2(flipped, self._padded, workers=workers)
        self._templates = flipped.astype(float)

    def cross_correlate(self, frame):
        """Response of a preprocessed frame to each template (thesis eq. 1), both normalised by their Euclidean norm.

        Parameters
        ----------
        frame : ndarray of shape (rows, cols)

        Returns
        -------
        response : float32 ndarray of shape (rows, cols, n_templates), 0 to 1 for frames without negative pixels
            Equal to `correlate2d(frame, template, mode="same")` to 1e-5 of its range. A frame of zeros responds 0.
        """
        frame = self._checked(frame)
        scale = 1 / max(np.linalg.norm(frame), np.finfo(np.float32).tiny)
        spectrum = fft.rfft2(frame, self._padded, workers=self.workers)
        response = np.empty((len(self._spectra), *self.frame_shape), np.float32)
        for channel, template_spectrum in zip(response, self._spectra, strict=True):
            np.multiply(self._same(spectrum * template_spectrum), scale, out=channel)
        return np.moveaxis(response, 0, -1)

    def cosine_similarity(self, frame):
        """Cosine similarity of each window of a preprocessed frame with each template (thesis eq. 2).

        Returns
        -------
        similarity : float32 ndarray of shape (rows, cols, n_templates), 0 to 1
            The response divided by the root of the window's summed squares; 0 where the window is zero everywhere.
        """
        frame = self._checked(frame).astype(float)  # in double precision: dim windows are divided by next to nothing
        ones = fft.rfft2(np.ones(self._template_shape), self._padded, workers=self.workers)
        squares = fft.rfft2(np.square(frame), self._padded, workers=self.workers)
        energy = self._same(squares * ones)
        lit = self._same(fft.rfft2((frame > 0).astype(float), self._padded, workers=self.workers) * ones) > 0.5
        scale = np.zeros_like(energy)
        np.divide(1, np.sqrt(np.maximum(energy, np.finfo(float).tiny)), out=scale, where=lit)
        spectrum = fft.rfft2(frame, self._padded, workers=self.workers)
        spectra = fft.rfft2(self._templates, self._padded, workers=self.workers)
        similarity = np.stack([self._same(spectrum * one) * scale for one in spectra], axis=-1)
        return np.clip(similarity, 0, 1).astype(np.float32)

    def _checked(self, frame):
        frame = np.asarray(frame, np.float32)
        if frame.shape != self.frame_shape:
            raise ValueError(f"expected a frame of shape {self.frame_shape}, got {frame.shape}")
        return frame

    def _same(self, spectrum):
        full = fft.irfft2(spectrum, self._padded, workers=self.workers, overwrite_x=True)
        top, left = (extent // 2 for extent in self._template_shape)
        return full[top : top + self.frame_shape[0], left : left + self.frame_shape[1]]


def cross_correlate(frame, template):
    """Response of one frame to one template, (rows, cols); see `Correlator.cross_correlate`."""
    return Correlator(np.asarray(template)[np.newaxis], np.shape(frame)).cross_correlate(frame)[..., 0]


def cosine_similarity(frame, template):
    """Cosine similarity of one frame with one template, (rows, cols); see `Correlator.cosine_similarity`."""
    return Correlator(np.asarray(template)[np.newaxis], np.shape(frame)).cosine_similarity(frame)[..., 0]
