"""A trained classifier as one folder: save, load, predict, classify an experiment."""

import functools
import html
import shutil
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from mirnb import __version__
from mirnb.caches import fingerprint
from mirnb.classifiers.checks import FORMAT, not_right, require_form
from mirnb.classifiers.facts import FILES, Facts, read_facts
from mirnb.classifiers.kinds import KINDS
from mirnb.classifiers.likeness import SAME_NOISE, frames_to_look_at, look_at_frames, scale_for
from mirnb.experiments.cutouts import cut_raw_crops, cut_response_crops, kept_blobs
from mirnb.experiments.panel import Panel
from mirnb.experiments.panel_file import panel_from_dict
from mirnb.experiments.stacks import Stack
from mirnb.files import InputError, read_json, whole_folder, write_json
from mirnb.imaging.neighbours import find_crowded

UNSURE = "unsure"
_FORMER_KINDS = {"best": "twin_cnn"}  # until 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """Everything needed to classify blobs of new frames of the same microscope and panel."""

    panel: Panel
    templates: np.ndarray  # (n_mirs, rows, cols), preprocessed
    predictor: object  # of one of `kinds.KINDS`
    background_percentile: float = 70.0
    cap_sds: float = 5.0
    trained_on: dict = field(default_factory=dict)  # experiment, its fingerprints, settings, scores on validation
    facts: Facts | None = None  # what counting needs to know of it (see `making.train_facts`)
    folder: Path | None = None  # where it was read from

    @property
    def kind(self):
        return self.predictor.kind

    @property
    def title(self):
        return KINDS[self.kind].title

    @property
    def cleaning(self):
        return {"background_percentile": self.background_percentile, "cap_sds": self.cap_sds}

    def __repr__(self):
        on, f1 = self.trained_on, self.trained_on.get("validation", {}).get("macro_f1_mir")
        known = "ready to count with" if self.facts is not None else "what counting needs is trained when it is first needed"
        return (
            f"classifier {self.title!r}, trained on {on.get('n_training')} crops of {on.get('experiment')!r}, "
            f"{self.panel!r}\nmean F1 over the miRs on validation {'–' if f1 is None else f'{f1:.3f}'}, {known}"
        )

    def _repr_html_(self):
        scores = {key: self.trained_on.get("validation", {}).get(key, {}) for key in ("recall", "precision", "f1")}
        table = pd.DataFrame(scores, index=self.panel.names).rename_axis("on validation").round(3)
        return f"<p>{html.escape(repr(self))}</p>{table.to_html()}".replace("\n", "<br>", 1)

    def cut(self, stack, blobs):
        """Crops of blobs as its kind reads them.

        Parameters
        ----------
        stack : Stack or HeldFrames
        blobs : DataFrame
            frame (from 0), row, col; their crop windows lie inside the frame.
        """
        if self.predictor.reads == "raw crops":
            return cut_raw_crops(stack, blobs, self.panel)
        return cut_response_crops(stack, blobs, self.templates, self.panel.crop_window, **self.cleaning)

    def look(self, frames):
        """What frames are like: as `likeness.look_at_frames` gives it."""
        on = self.trained_on
        return look_at_frames(frames, self.panel, on["pixel_size_nm"], on.get("light_counts", (0.0, 0.0)))

    def scale_for(self, values):
        """What the light of a stack is multiplied by, from what it is like (`likeness.scale_for`); 1 for other crops."""
        return scale_for(values, self.trained_on["noise_sd_counts"]) if self.predictor.reads == "raw crops" else 1.0

    def predict(self, crops, *, scale=1.0):
        """Probabilities (n_crops, n_classes) of crops as `cut` gives them, of a stack with a `scale_for` of `scale`."""
        y_prob = np.asarray(self.predictor.predict(crops, scale=scale))
        lost = int(np.sum(~np.isfinite(y_prob).all(axis=1)))
        if lost:
            raise InputError(f"{self!r}: gives {lost} of {len(y_prob)} blobs no probability; are crops or stack damaged?")
        return y_prob

    def classify(self, experiment, *, min_probability=0.0, promise=None):
        """Classify every blob of an experiment, labelled or not.

        Parameters
        ----------
        min_probability : float
            A blob whose class is less probable is called "unsure".
        promise : crosstalk.Promise, optional
            A blob called a miR less surely than it asks for is called "unsure", too.

        Returns
        -------
        DataFrame
            The blob table with `class` (empty for blobs too near the border), `p_<class>` for each class, and `crowded`
            (another blob of the table lies inside the blob's crop window).

        Raises
        ------
        InputError
            If the experiment has no blob table, or its panel or pixel size is another one.
        """
        experiment.require_blobs()
        experiment.require_alike(self.panel, self.trained_on["pixel_size_nm"], "the classifier was trained")
        blobs, _ = kept_blobs(experiment, labelled=False)
        y_prob = np.full((len(experiment.table), self.panel.n_mirs + 1), np.nan)
        y_prob[blobs["table_row"]] = predict_blobs(self, experiment, blobs)
        kept = np.isfinite(y_prob[:, 0])
        names = np.array([*self.panel.names, ""], dtype=object)
        table = experiment.table.copy()
        for name in table.select_dtypes("float"):
            if (table[name].dropna() % 1 == 0).all():
                table[name] = table[name].astype("Int64")  # 1.0 was 1 in the file
        table["class"] = names[np.where(kept, np.argmax(np.nan_to_num(y_prob), axis=1), -1)]
        unsure = y_prob.max(axis=1) < min_probability  # NaN is not
        table.loc[unsure if promise is None else unsure | (kept & promise.unsure(np.nan_to_num(y_prob))), "class"] = UNSURE
        for k, name in enumerate(self.panel.names):
            table[f"p_{name}"] = y_prob[:, k].round(6)
        table["crowded"], once = False, ~experiment.repeated
        places = (values[once] for values in (experiment.frame_index, experiment.rows, experiment.cols))
        table.loc[once, "crowded"] = find_crowded(*places, self.panel.crop_window)
        return table

    def save(self, folder):
        """Write the classifier folder, whole or not at all; an earlier one there is replaced."""
        try:
            with whole_folder(folder) as new:
                self._write(new)
        except OSError as error:
            raise InputError(f"{folder}: the classifier could not be written ({error.strerror or error})") from error

    def _write(self, folder):
        tifffile.imwrite(folder / "templates.tif", self.templates.astype(np.float32), photometric="minisblack")
        self.predictor.write(folder)
        known = [] if self.facts is None else self.facts.write(folder)
        values = {
            "format": FORMAT, "kind": self.kind, "panel": self.panel.to_dict(),
            "template_window": self.panel.template_window.shape, "crop_window": self.panel.crop_window.shape,
            "preprocess": self.cleaning, "trained_on": self.trained_on,
            **({} if self.facts is None else {"ranges": self.facts.ranges}),
            "files": {name: fingerprint(folder / name) for name in ("templates.tif", *self.predictor.files, *known)},
            "versions": {"mirnb": __version__, "keras": version("keras"), "scikit-learn": version("scikit-learn")},
        }  # fmt: skip
        write_json(folder / "classifier.json", values)


def load_classifier(folder, *, kind=""):
    """Read a classifier folder.

    Parameters
    ----------
    folder : path
        A classifier folder, or a run folder of a report.
    kind : str
        Another kind of the same report than the one the folder holds: twin_cnn, lenet5, pca_svm or matched_filter.

    Raises
    ------
    InputError
        If a file is missing or was changed since it was written, or the folder is of another format, kind, panel or window.
    """
    folder = classifier_of(folder)
    if kind:
        folder = _folder_of_kind(folder, kind)
    if not (folder / "classifier.json").is_file():
        raise InputError(f"{folder}: no classifier here (classifier.json is missing); mirnb report writes one")
    values = read_json(folder / "classifier.json")
    require_form(folder / "classifier.json", values)
    values["kind"] = _FORMER_KINDS.get(values["kind"], values["kind"])
    if values["kind"] not in KINDS:
        raise InputError(
            f"{folder / 'classifier.json'}: a classifier of kind {values['kind']!r}; known are {', '.join(KINDS)}"
        )
    kind = KINDS[values["kind"]].predictor
    known = [name for name in FILES if name in values["files"]]
    for name in ("templates.tif", *kind.files, *known):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: {name} is missing; copy the whole folder again")
        if fingerprint(folder / name) != values["files"].get(name):
            raise InputError(f"{folder / name}: is not the file this classifier was saved with; copy the whole folder again")
    panel = panel_from_dict(values["panel"], source=str(folder / "classifier.json"))
    templates = _read_templates(folder, values, panel)
    try:
        predictor = kind.read(folder)
        wrong = not_right(predictor, panel)
    except Exception as error:  # what odd files do to Keras, skops and NumPy has many names
        wrong = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
    if wrong:
        raise InputError(f"{folder}: {', '.join(kind.files)} make no classifier ({wrong}); copy the whole folder again")
    facts = read_facts(folder, known, values["ranges"], panel) if known else None
    return Classifier(
        panel, templates, predictor, **values["preprocess"], trained_on=values["trained_on"], facts=facts, folder=folder
    )


def _read_templates(folder, values, panel):
    """Templates of a classifier folder, (n_mirs, rows, cols), if they and its windows fit its panel."""
    for key, window in (("crop_window", panel.crop_window), ("template_window", panel.template_window)):
        if list(window.shape) != values[key]:
            raise InputError(f"{folder}: {key} of {values[key]}, but this version cuts {window.shape} for its panel")
    templates = np.stack([frame for _, frame in Stack([folder / "templates.tif"]).frames()])
    if templates.shape != (panel.n_mirs, *panel.template_window.shape):
        raise InputError(
            f"{folder / 'templates.tif'}: {templates.shape}, expected {(panel.n_mirs, *panel.template_window.shape)}"
        )
    if not np.isfinite(templates).all():
        raise InputError(f"{folder / 'templates.tif'}: has pixels that are no numbers; copy the whole folder again")
    return templates


def add_facts(folder, facts):
    """Put what counting needs to know of a classifier into its folder."""
    path = Path(folder) / "classifier.json"
    values, names = read_json(path), facts.write(Path(folder))
    files = values["files"] | {name: fingerprint(Path(folder) / name) for name in names}
    write_json(path, {**values, "format": FORMAT, "ranges": facts.ranges, "files": files})


def classifier_fingerprint(folder):
    """Fingerprint of a saved classifier, its files included."""
    return fingerprint(Path(folder) / "classifier.json")


def is_of(folder, experiment):
    """Whether a classifier folder of this version is there and was trained on the experiment as it now stands."""
    path = Path(folder) / "classifier.json"
    values = read_json(path) if path.exists() else {}
    if not isinstance(values, dict) or not isinstance(values.get("trained_on"), dict):
        return False
    return values.get("format") == FORMAT and values["trained_on"].get("fingerprints") == experiment.fingerprints()


def classifier_of(folder):
    """The classifier folder that is meant: the folder itself, or classifier/ of a run folder."""
    folder = Path(folder)
    inner = folder / "classifier"
    return inner if not (folder / "classifier.json").is_file() and inner.is_dir() else folder


def _folder_of_kind(folder, kind):
    """classifiers/<kind> of the report that a classifier folder belongs to."""
    if kind not in KINDS:
        raise InputError(f"--kind {kind}: known are {', '.join(KINDS)}")
    here = read_json(folder / "classifier.json") if (folder / "classifier.json").is_file() else None
    if isinstance(here, dict) and here.get("kind") == kind:
        return folder
    for root in (folder.resolve(), *list(folder.resolve().parents)[:2]):
        if (root / "classifiers" / kind).is_dir():
            return root / "classifiers" / kind
    raise InputError(f"--kind {kind}: there is no classifiers/{kind} beside {folder}; mirnb report writes it")


def copy_classifier(source, target):
    """Copy a classifier folder to another place, whole or not at all."""
    with whole_folder(target) as new:
        shutil.copytree(source, new, dirs_exist_ok=True)


def about_noise(classifier, experiment):
    """A sentence, in a list, when the stack's noise is not that of the training crops; else an empty list."""
    values = look_at(classifier, experiment)
    trained, seen, light = classifier.trained_on["noise_sd_counts"], values["noise_sd_counts"], values["relative_light"]
    if abs(seen / trained - 1) <= SAME_NOISE:
        return []
    if classifier.predictor.reads == "responses":
        what = "this kind of classifier does nothing about it, so its answers are not to be trusted"
    elif seen > trained:
        what = "the crops were brought to the unit of their own noise"
    elif classifier.scale_for(values) == 1:
        what = "the crops were used as they are"
    else:
        what = f"its blobs stand {light:.2f} times as high as in training, and the crops were brought to the light of those"
    return [f"noise of {seen:.1f} counts a pixel, the classifier was trained at {trained:.1f}: {what}"]


@functools.lru_cache(maxsize=1)  # of the experiment that is worked on
def look_at(classifier, experiment):
    """What an experiment's stack is like, from a few of its frames (`Classifier.look`): a dict."""
    stack = experiment.stack
    return classifier.look([frame for _, frame in stack.frames(frames_to_look_at(len(stack)))])[0]


def predict_blobs(classifier, experiment, blobs):
    """Probabilities (n_blobs, n_classes) of blobs of an experiment, as `cutouts.kept_blobs` gives them."""
    scale = classifier.scale_for(look_at(classifier, experiment))
    return classifier.predict(classifier.cut(experiment.stack, blobs), scale=scale)


def count_classes(table, panel):
    """Blobs per class in a table that `classify` made, unsure ones, those too near the border: a pandas Series."""
    unsure = [UNSURE] if (table["class"] == UNSURE).any() else []
    counts = table["class"].value_counts().reindex([*panel.names, *unsure, ""], fill_value=0)
    return pd.Series(counts.to_numpy(), index=[*panel.names, *unsure, "too near the border"], name="blobs")
