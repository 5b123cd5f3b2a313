"""Calls of frames, made in a thread beside: a classifier is loaded there, and says what the blobs of a frame are."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mirnb.classifiers.classifier import load_classifier, look_at
from mirnb.labelling.frame_blobs import predict_frame


class FrameCalls:
    """Probabilities of the blobs of each frame by one classifier, each a Future; one frame at a time is worked on.

    Parameters
    ----------
    experiment : Experiment
    look : callable
        Frame and blobs of an index, as `frame_blobs` gives them.
    """

    def __init__(self, experiment, look):
        self._experiment, self._look, self._thread = experiment, look, ThreadPoolExecutor(1)
        self.take(None)

    def take(self, given):
        """Call by another Classifier, or by that of a folder, which is loaded in the thread; None for none."""
        loading = self._thread.submit(self._load, given)
        if not isinstance(given, str | Path):
            loading.result()  # what does not fit is said at once
        self._loading, self._of_frames, self.has_classifier = loading, {}, given is not None
        self._scaling = self._thread.submit(self._scale, loading)

    def _load(self, given):
        classifier = load_classifier(given) if isinstance(given, str | Path) else given
        if classifier is not None:
            known = classifier.trained_on["pixel_size_nm"]
            self._experiment.require_alike(classifier.panel, known, "the classifier was trained")
        return classifier

    def _scale(self, loading):
        classifier = loading.result()
        return 1.0 if classifier is None else classifier.scale_for(look_at(classifier, self._experiment))

    @property
    def classifier(self):
        """Waits while it is loaded; raises what went wrong then."""
        return self._loading.result()

    @property
    def error(self):
        """Why the classifier could not be loaded; None as long as nothing went wrong."""
        return self._loading.exception() if self._loading.done() else None

    def are_made(self, index):
        """Whether those of a frame are there, or what went wrong with them; nothing waits."""
        return index in self._of_frames and self._of_frames[index].done()

    def of(self, index):
        """Those of a frame: a Future of (n_blobs, n_classes), or of None. Other frames that were not begun are put off."""
        self._of_frames = {k: one for k, one in self._of_frames.items() if k == index or not one.cancel()}
        if index not in self._of_frames:
            self._of_frames[index] = self._thread.submit(self._make, index, self._loading, self._scaling)
        return self._of_frames[index]

    def _make(self, index, loading, scaling):
        frame, blobs = self._look(index)
        classifier = loading.result()
        return None if classifier is None else predict_frame(classifier, frame, blobs, scale=scaling.result())

    def come_to(self, index):
        """Wait where the thread is reading that very frame; what went wrong with frames is tried again."""
        self._of_frames = {k: one for k, one in self._of_frames.items() if not (one.done() and one.exception())}
        if index in self._of_frames and self._of_frames[index].running():
            self._of_frames[index].exception()
