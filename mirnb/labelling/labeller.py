"""Label blobs one after another: what is shown, what a key does, where one is. A widget draws it and passes keys on.

Every label is on disk (see `annotations`) before the next blob is shown.
"""

import functools

import numpy as np

from mirnb.classifiers.classifier import Classifier, predict_blobs
from mirnb.experiments.blobs import ERASED, UNLABELLED
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment import Experiment
from mirnb.files import InputError
from mirnb.imaging.preprocessing import preprocess
from mirnb.imaging.responses import composite
from mirnb.labelling.agreement import disagreements
from mirnb.labelling.annotations import Annotation, blob_ids, labels_before
from mirnb.labelling.pictures import as_bytes, display_templates, grey_bytes, local_response

KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "q", "w", "e")  # of the miRs, in the panel's order
NOISE_KEY, ERASE_KEY, DOUBT_KEY, UNDO_KEY = "0", "x", "s", "u"
BACK_KEY, FORTH_KEY = "arrowleft", "arrowright"
ALL, OPEN, DOUBTED, ERASED_BLOBS = "all", "not labelled", "not sure", "erased"
CLASSIFIER_DIFFERS, ANNOTATORS_DIFFER = "classifier differs", "annotators differ"
BY_FRAME, UNCERTAIN_FIRST = "by frame", "most uncertain first"
CONTEXT_PX = 96  # side of the surroundings shown
_FRAMES_HELD = 40  # cleaned frames kept in memory, 6 MB each


def class_keys(panel):
    """Key of each class of a panel, noise last."""
    return [*KEYS[: panel.n_mirs], NOISE_KEY]


def label_of(key, panel):
    """The label that a key gives: a class, ERASED, UNLABELLED for doubt; None where it gives none."""
    labels = {name: label for label, name in enumerate(class_keys(panel))}
    return {**labels, ERASE_KEY: ERASED, DOUBT_KEY: UNLABELLED}.get(key)


class Labeller:
    """Goes through the blobs of an experiment and writes the labels of one annotator.

    Parameters
    ----------
    annotator : str
        Names the file labels/<annotator>.csv.
    classifier : Classifier, optional
        For suggestions, the most uncertain blobs first, and those it calls otherwise.

    Raises
    ------
    InputError
        If the annotator's file is open elsewhere or does not fit the blob table, or the classifier is of another panel.
    """

    def __init__(self, experiment: Experiment, annotator: str, *, classifier: Classifier | None = None):
        self.experiment, self.panel = experiment, experiment.panel
        self.own = Annotation(experiment, annotator)
        self.blobs, self.n_dropped = kept_blobs(experiment, labelled=False)
        if not len(self.blobs):
            self.own.close()
            raise InputError(f"{experiment.blobs_path}: no blob's crop lies inside its frame; there is nothing to label")
        self._rows = self.blobs["table_row"].to_numpy()  # of the blob table
        self.ids = blob_ids(experiment)[self._rows].astype(int)
        self._from_table = labels_before(experiment, annotator)
        self.y_prob = None if classifier is None else self._predict(classifier)
        self.templates, self.about_templates = display_templates(experiment)
        self._clean = functools.lru_cache(maxsize=_FRAMES_HELD)(self._read_frame)
        self._undo = []
        self.filter, self.order, self.message = ALL, BY_FRAME, ""
        self.show_suggestion = False
        self.choose()

    def _predict(self, classifier):
        try:
            self.experiment.require_alike(
                classifier.panel, classifier.trained_on["pixel_size_nm"], "the classifier was trained"
            )
        except InputError:
            self.own.close()
            raise
        return predict_blobs(classifier, self.experiment, self.blobs)

    # where one is

    @property
    def filters(self):
        """Names of what can be gone through."""
        differing = [CLASSIFIER_DIFFERS] if self.y_prob is not None else []
        return [ALL, OPEN, DOUBTED, *self.panel.names, ERASED_BLOBS, *differing, ANNOTATORS_DIFFER]

    @property
    def orders(self):
        return [BY_FRAME, *([UNCERTAIN_FIRST] if self.y_prob is not None else [])]

    @property
    def labels(self):
        """Label of each blob as this annotator sees it: one's own, else what the table said before anybody labelled."""
        return np.where(self.own.looked_at, self.own.labels, self._from_table)[self._rows]

    def choose(self, *, filter=None, order=None):
        """Go through other blobs, or in another order; begins at the first that is not labelled."""
        self.filter = self.filter if filter is None else self._known(filter, self.filters)
        self.order = self.order if order is None else self._known(order, self.orders)
        ranks = np.lexsort((self._rows, self.blobs["frame"]))
        if self.order == UNCERTAIN_FIRST:
            ranks = np.argsort(self.y_prob.max(axis=1), kind="stable")
        self.sequence = ranks[self._meets(self.filter)[ranks]]
        todo = np.flatnonzero(self._open[self.sequence])
        self.position = int(todo[0]) if len(todo) else 0
        self.message = "" if len(self.sequence) else f"No blob is there for {self.filter!r}."

    @staticmethod
    def _known(name, names):
        if name not in names:
            raise InputError(f"{name!r}: there is {', '.join(names)}")
        return name

    @property
    def _open(self):
        return (self.labels == UNLABELLED) & ~self.own.doubts[self._rows]

    def _meets(self, name):
        labels = self.labels
        if name == ALL:
            return np.ones(len(labels), bool)
        if name == OPEN:
            return self._open
        if name == DOUBTED:
            return self.own.doubts[self._rows]
        if name == CLASSIFIER_DIFFERS:
            return (labels >= 0) & (labels != self.y_prob.argmax(axis=1))
        if name == ANNOTATORS_DIFFER:
            return np.isin(self._rows, disagreements(self.experiment))
        return labels == (ERASED if name == ERASED_BLOBS else self.panel.index(name))

    @property
    def current(self):
        """Number of the blob that is shown, among those that can be; None where there is none."""
        return int(self.sequence[self.position]) if len(self.sequence) else None

    def jump(self, number):
        """Go to a place in the sequence, from 1."""
        if not 1 <= number <= len(self.sequence):
            self.message = f"There are {len(self.sequence)} blobs here; {number} is none of them."
            return
        self.position, self.message = number - 1, ""

    # what a key does

    @property
    def keys(self):
        """Key of each class, noise last."""
        return class_keys(self.panel)

    def press(self, key):
        """Do what a key stands for; unknown keys do nothing."""
        self.message = ""
        if key in (BACK_KEY, FORTH_KEY):
            self._move(1 if key == FORTH_KEY else -1)
        elif key == UNDO_KEY:
            self._take_back()
        elif (given := label_of(key, self.panel)) is not None:
            self._label(given, doubt=key == DOUBT_KEY)

    def _move(self, step):
        moved = self.position + step
        if 0 <= moved < len(self.sequence):
            self.position = moved
        else:
            self.message = "This is the first." if step < 0 else self._at_the_end()

    def _at_the_end(self):
        left = int(self._open.sum())
        return f"This is the last one here. Not labelled yet, of all blobs: {left}."

    def _label(self, label, *, doubt=False):
        if self.current is None:
            return
        row, before = self._rows[self.current], self.own
        undo = self.position, self.sequence, row, before.labels[row], before.doubts[row]
        self.own.set(row, label, doubt=doubt)
        self._undo.append(undo)
        self._move(1)

    def _take_back(self):
        if not self._undo:
            self.message = "Nothing to undo since this was opened."
            return
        position, sequence, row, label, doubt = self._undo[-1]
        self.own.set(row, label, doubt=doubt)
        self._undo.pop()
        self.position, self.sequence = position, sequence
        self.message = "Taken back."

    # what is shown

    def counts(self):
        """Blobs of each class, erased, not sure, and left, as this annotator has them."""
        labels = self.labels
        named = {name: int(np.sum(labels == k)) for k, name in enumerate(self.panel.names)}
        doubted = int(self.own.doubts[self._rows].sum())
        return {**named, ERASED_BLOBS: int(np.sum(labels == ERASED)), DOUBTED: doubted, "left": int(self._open.sum())}

    def suggestion(self):
        """(class name, its probability) of the blob that is shown; None without a classifier."""
        if self.y_prob is None or self.current is None:
            return None
        y_prob = self.y_prob[self.current]
        return self.panel.names[int(y_prob.argmax())], float(y_prob.max())

    def pictures(self, *, contrast=1.0):
        """Pictures of the blob that is shown.

        Parameters
        ----------
        contrast : float
            Above 1, dim blobs are shown brighter and bright ones cut off.

        Returns
        -------
        dict
            raw and context: uint8 ndarrays (rows, cols); response: uint8 (rows, cols, 3); channels: list of uint8
            (rows, cols), one a template, on one grey range; box: the crop in the context as top, left, height and width,
            shares of its side; mark: how far down the crop the blob lies, a share of its height.

        Raises
        ------
        InputError
            If the stack can no longer be read.
        """
        blob = self.blobs.iloc[self.current]
        row, col, window = int(blob["row"]), int(blob["col"]), self.panel.crop_window
        frame, clean = self._clean(int(blob["frame"]))
        raw = frame[row - window.above : row + window.below, col - window.left : col + window.right]
        top, left = (_start(at, CONTEXT_PX, size) for at, size in zip((row, col), frame.shape, strict=True))
        context = frame[top : top + CONTEXT_PX, left : left + CONTEXT_PX]
        low = float(np.percentile(context, 5))
        high = low + max(float(raw.max()) - low, 1.0) / contrast
        response = local_response(clean, row, col, self.templates, self.panel)
        shown = response * (contrast / max(float(response.max()), np.finfo(np.float32).tiny))
        box = (row - window.above - top, col - window.left - left, *window.shape)
        return {
            "raw": grey_bytes(raw, low, high), "context": grey_bytes(context, low, high),
            "response": as_bytes(composite(shown, self.panel, top=1.0)),
            "channels": [grey_bytes(shown[..., k], 0.0, 1.0) for k in range(self.panel.n_mirs)],
            "box": [part / size for part, size in zip(box, context.shape * 2, strict=True)],
            "mark": (window.above + 0.5) / window.shape[0],
        }  # fmt: skip

    def _read_frame(self, index):
        """A frame, raw and preprocessed."""
        try:
            ((_, frame),) = self.experiment.stack.frames([index])
        except OSError as error:
            raise InputError(f"{self.experiment.stack.paths[0]}: can no longer be read ({error}); was it moved?") from None
        return frame, preprocess(frame).astype(np.float32)


def _start(at, side, size):
    """First pixel of a stretch of `side` pixels about a place, inside 0 to size."""
    return int(np.clip(at - side // 2, 0, max(size - side, 0)))
