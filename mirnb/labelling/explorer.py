"""Explore frames: which blobs are shown and how they are counted, what a click shows, what a key does. A widget draws it.

With a blob table its blobs are shown, and on demand what is found besides; without one, all that is found.
"""

import functools
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mirnb import plots
from mirnb.classifiers.classifier import UNSURE, Classifier
from mirnb.experiments.blobs import ERASED, UNLABELLED
from mirnb.experiments.run_folder import RunFolder
from mirnb.imaging.detection import THRESHOLD_SDS
from mirnb.imaging.templates import preprocess_templates
from mirnb.labelling.annotations import Annotation, blob_ids, labels_before, read_annotation
from mirnb.labelling.choice import Choice
from mirnb.labelling.chosen_blob import draw_chosen
from mirnb.labelling.frame_blobs import NOT_IN_TABLE, blobs_of_frame, places, read_one
from mirnb.labelling.frame_calls import FrameCalls
from mirnb.labelling.labeller import BACK_KEY, DOUBT_KEY, FORTH_KEY, UNDO_KEY, class_keys, label_of
from mirnb.labelling.retraining import Retraining
from mirnb.plots.style import styled
from mirnb.simulation.frames import ideal_pairs

UNSURE_KEY, SAME_KEY = "n", "m"
NOT_CALLED, NOT_LABELLED, ERASED_BLOBS = "not called", "not labelled", "erased"
CLICK_PX = 8.0  # a click nearer than this to a blob means it
_FRAMES_HELD = 8  # 2 MB each
_FRAMES_AHEAD = 10  # looked through for the next blob
OTHER_MARKERS = {UNSURE: "o", NOT_CALLED: ".", NOT_LABELLED: ".", ERASED_BLOBS: "+"}


class Explorer:
    """Shows the blobs of an experiment frame by frame, takes corrections as labels, and trains again on them.

    Parameters
    ----------
    run : RunFolder
        Pictures and a classifier that is trained again go there.
    classifier : Classifier, or path of its folder, optional
        Calls the blobs; without one they are shown by their labels. From a folder it is loaded in a thread beside.
    annotator : str
        Whose labels corrections are: labels/<annotator>.csv, opened with the first of them.
    quick : bool
        Without a classifier, training is short: for the tests.

    Raises
    ------
    InputError
        If the classifier is of another panel or pixel size (from a folder: when calls are asked for), or the annotator's
        file does not fit the blob table.
    """

    def __init__(self, run: RunFolder, *, classifier: Classifier | Path | None = None, annotator="me", quick=False):
        self.run, self.experiment, self.panel = run, run.experiment, run.experiment.panel
        self.annotator, self._quick, self._own, self._undo, self.training = annotator, quick, None, [], None
        has_table = self.experiment.table is not None
        if has_table:
            said, before = read_annotation(self.experiment, annotator), labels_before(self.experiment, annotator)
            self._labels = np.where((said["label"] != UNLABELLED) | said["doubt"], said["label"], before)
            self.ids = blob_ids(self.experiment)
        self._look = functools.lru_cache(maxsize=_FRAMES_HELD)(self._read)
        self._calls, self._step = FrameCalls(self.experiment, self._look), 0
        self.index, self.chosen, self.message = 0, None, ""
        self._look(0)  # before a classifier is loaded, which takes seconds and slows all else down
        self.take(classifier)
        self.choice = Choice() if has_table else Choice(threshold_sds=THRESHOLD_SDS, shows_others=True)

    def __repr__(self):
        called = "called by a classifier" if self.has_classifier else "no classifier: blobs are shown by their labels"
        return f"{self.experiment!r}\n{called}"

    def take(self, classifier):
        """Call the blobs by another classifier, or by that of a folder; None for none."""
        self._calls.take(classifier)

    @property
    def has_classifier(self):
        """Whether the blobs are called, or will be when the classifier is loaded."""
        return self._calls.has_classifier

    @property
    def classifier(self):
        """Calls the blobs; None for none. Waits while it is loaded."""
        return self._calls.classifier

    @property
    def templates(self):
        """Of the classifier; without one the masks, or drawn: (n_mirs, rows, cols)."""
        return self.classifier.templates if self.has_classifier else self._own_templates

    @functools.cached_property
    def _own_templates(self):
        masks = self.experiment.masks
        return ideal_pairs(self.panel) if masks is None else preprocess_templates(masks)

    # what a frame holds

    def _read(self, index):
        frame = read_one(self.experiment.stack, index)
        return frame, blobs_of_frame(self.experiment, frame, index)

    @property
    def is_calling(self):
        """Whether the calls of this frame are still to be made; what needs them waits for them."""
        return self.has_classifier and not self._calls.are_made(self.index)

    def look_ahead(self):
        """Begin to make the calls of this frame; where they are there, of the next one of who goes on frame by frame."""
        wanted = self.index if self.is_calling else self.index + self._step
        if not self._calls.are_made(wanted) and 0 <= wanted < len(self.experiment.stack):
            self._calls.of(wanted)

    def look_after_calls(self):
        """Say what is wrong with a classifier that could not be loaded, and go on without."""
        if error := self._calls.error:
            self.take(None)
            self.message = f"Not called: {error}"

    @property
    def frame(self):
        """The frame that is shown (rows, cols), counts."""
        return self._look(self.index)[0]

    @property
    def blobs(self):
        """Its blobs, as `frame_blobs.blobs_of_frame` gives them."""
        return self._look(self.index)[1]

    @property
    def y_prob(self):
        """Probabilities (n_blobs, n_classes) of its blobs; None without a classifier."""
        return self._calls.of(self.index).result() if self.has_classifier else None

    @property
    def labels(self):
        """Label of each of its blobs as this annotator sees it; UNLABELLED for what is not in the table."""
        rows = self.blobs["table_row"].to_numpy()
        labels = self._labels if self.experiment.table is not None else np.zeros(0, int)
        return np.array([labels[row] if row != NOT_IN_TABLE else UNLABELLED for row in rows], int)

    # what is shown of it

    @property
    def groups(self):
        """What a blob can be called: the panel's classes, and what is none."""
        return [*self.panel.names, *([UNSURE, NOT_CALLED] if self.has_classifier else [ERASED_BLOBS, NOT_LABELLED])]

    @property
    def called(self):
        """Group of each blob, an index of `groups`."""
        n = len(self.panel.names)
        if not self.has_classifier:
            labels = self.labels
            return np.select([labels == ERASED, labels == UNLABELLED], [n, n + 1], labels)
        y_prob = np.nan_to_num(self.y_prob)
        called = np.where(y_prob.max(axis=1) < self.choice.least_probability, n, y_prob.argmax(axis=1))
        return np.where(np.isfinite(self.y_prob[:, 0]), called, n + 1)

    @property
    def passing(self):
        """Which blobs stand high enough and pass the filters."""
        return self.choice.passes(self.blobs, self.panel.crop_window)

    @property
    def shown(self):
        """Which blobs are shown: those that pass and whose group is not hidden."""
        hidden = [k for k, name in enumerate(self.groups) if name in self.choice.hidden]
        return self.passing & ~np.isin(self.called, hidden)

    def counts(self):
        """Blobs of the frame that pass, by group."""
        passing = np.bincount(self.called[self.passing], minlength=len(self.groups))
        return dict(zip(self.groups, passing.tolist(), strict=True))

    def in_words(self):
        """What is shown, in plain sentences: a list of text."""
        one, counted = self.classifier, ", ".join(f"{name} {n}" for name, n in self.counts().items())
        called = f"Called by {one.title}, trained on {one.trained_on['n_training']} crops." if one else "No classifier."
        return [
            called,
            f"Frame {self.index + 1} of {len(self.experiment.stack)}: {int(self.shown.sum())} blobs shown ({counted}).",
            f"Labels of {self.annotator} given in this window: {len(self._undo)}.",
        ]

    def choose(self, **settings):
        """Show others: fields of `Choice`."""
        self.choice = replace(self.choice, **settings)

    def go_to(self, index):
        """Show another frame, from 0; a number beyond the ends stands for them."""
        before, self.index, self.chosen = self.index, int(np.clip(index, 0, len(self.experiment.stack) - 1)), None
        self._step = self.index - before if abs(self.index - before) == 1 else 0
        self._calls.come_to(self.index)

    def click(self, y_px, x_px):
        """Choose the shown blob nearest to a place, from the outer corner; none where it is farther than CLICK_PX."""
        shown, self.chosen, self.message = np.flatnonzero(self.shown), None, ""
        apart = np.hypot(*(places(self.blobs)[shown] - [y_px, x_px]).T)
        if len(shown) and apart.min() <= CLICK_PX:
            self.chosen = int(shown[apart.argmin()])

    def go_to_next(self, group):
        """Choose the next shown blob of a group, on this frame or the ones after it."""
        n_frames, start = len(self.experiment.stack), (self.index, self.chosen)
        for step in range(min(n_frames, _FRAMES_AHEAD) + 1):
            if step:
                self.go_to((start[0] + step) % n_frames)
            wanted = np.flatnonzero(self.shown & (self.called == self.groups.index(group)))
            wanted = wanted[wanted > start[1]] if step == 0 and start[1] is not None else wanted
            if len(wanted):
                self.chosen = int(wanted[0])
                return
        self.index, self.chosen = start
        self.message = f"No further blob is shown as {group} on this frame and the next {min(n_frames, _FRAMES_AHEAD)}."

    # what a key does

    @property
    def keys(self):
        """Key of each class, noise last."""
        return class_keys(self.panel)

    def press(self, key):
        """Do what a key stands for; unknown keys do nothing."""
        self.message = ""
        if key in (BACK_KEY, FORTH_KEY):
            self.go_to(self.index + (1 if key == FORTH_KEY else -1))
        elif key == UNSURE_KEY and self.has_classifier:
            self.go_to_next(UNSURE)
        elif key == SAME_KEY:
            self.go_to_next(self.groups[0 if self.chosen is None else self.called[self.chosen]])
        elif key == UNDO_KEY:
            self._take_back()
        elif (given := label_of(key, self.panel)) is not None:
            self.correct(given, doubt=key == DOUBT_KEY)

    def correct(self, label, *, doubt=False):
        """Give the chosen blob a label, a class or ERASED; it is on disk when this returns."""
        row = NOT_IN_TABLE if self.chosen is None else int(self.blobs["table_row"].iloc[self.chosen])
        if self.chosen is None:
            self.message = "Click a blob first."
        elif row == NOT_IN_TABLE:
            self.message = "This blob is found in the frame but is not in the blob table, so it can have no label."
        else:
            own = self._annotation()
            before = int(own.labels[row]), bool(own.doubts[row]), int(self._labels[row])
            self._give(row, label, doubt, label)
            self._undo.append((self.index, row, *before))
            self.message = f"Saved in labels/{self.annotator}.csv and the blob table."

    def _annotation(self):
        if self._own is None:
            self._own = Annotation(self.experiment, self.annotator)
        return self._own

    def _give(self, row, label, doubt, seen):
        self._annotation().set(row, label, doubt=doubt)
        self._labels[row] = seen

    def _take_back(self):
        if not self._undo:
            self.message = "Nothing to undo since this was opened."
            return
        index, row, *before = self._undo[-1]
        self._give(row, *before)
        self._undo.pop()
        self.go_to(index)
        self.chosen = int(np.flatnonzero(self.blobs["table_row"] == row)[0])
        self.message = "Taken back."

    # training and saving

    def train_again(self):
        """Begin to train the classifier on all labels on disk; `look_after` says how far it is."""
        self.message = ""
        if self.training is None:
            self.training = Retraining(self.run, self.classifier, quick=self._quick)

    def look_after(self):
        """Say how far the training is, or take its classifier when it is done."""
        if self.training is None:
            return
        self.message = self.training.progress()
        if self.training.is_done:
            training, self.training, before = self.training, None, self.called_names
            had_calls = self.has_classifier
            self.take(training.result())
            n = int(np.sum(before != self.called_names))
            changed = f" Calls that changed on this frame: {n} of {len(before)}." if had_calls else ""
            self.message = f"Trained on all labels.{changed}"

    @property
    def called_names(self):
        """Name of the group of each blob."""
        return np.array(self.groups)[self.called]

    def save(self, path, *, corner=(0, 0), side_px=None, grey=None):
        """Save the frame as it is shown, in a column's width for a paper: .png, .svg or .pdf by the path's suffix.

        Parameters
        ----------
        corner, side_px, grey
            Which part, and which counts are black and white, as `images.draw_frame` takes them.
        """
        blobs = self.blobs.assign(**{"class": self.called_names})[self.shown]
        others = {name: OTHER_MARKERS[name] for name in blobs["class"].unique() if name in OTHER_MARKERS}
        how = {"corner": corner, "side_px": side_px, "grey": grey, "others": others, "hidden": self.choice.hidden}
        um_per_px = self.experiment.pixel_size_nm / 1000
        self._save(path, lambda: plots.draw_frame(self.frame, blobs, self.panel, um_per_px=um_per_px, **how))

    def save_chosen(self, path):
        """Save the chosen blob, its response and each channel of it, as `save` does the frame."""
        self._save(path, lambda: draw_chosen(self))

    def _save(self, path, draw):
        with styled("paper"):
            figure = draw().figure
            self.run.save(figure, path)
            plt.close(figure)

    def close(self):
        """Let others open the annotator's file."""
        if self._own is not None:
            self._own.close()
