"""Classify the blobs of an experiment, and say what came of it."""

import numpy as np
import pandas as pd

from mirnb.classifiers.base import N_NOISE_DRAWS, SAME_NOISE
from mirnb.experiments.cutouts import kept_blobs, stack_noise_sd
from mirnb.imaging.neighbours import find_crowded

UNSURE = "unsure"


def about_noise(classifier, experiment):
    """A sentence, in a list, when the stack's noise is not that of the training crops; else an empty list."""
    trained, seen = classifier.trained_on["noise_sd_counts"], _noise_sd(experiment)
    if abs(seen / trained - 1) <= SAME_NOISE:
        return []
    if classifier.predictor.reads == "responses":
        what = "this kind of classifier does nothing about it, so its answers are not to be trusted"
    elif seen < trained:
        what = f"noise was added to the crops to make up the difference, the answers of {N_NOISE_DRAWS} draws averaged"
    else:
        what = "the crops were brought to the unit of their own noise"
    return [f"noise of {seen:.1f} counts a pixel, the classifier was trained at {trained:.1f}: {what}"]


def _noise_sd(experiment):
    return stack_noise_sd(experiment.stack, experiment.blobs, experiment.panel.template_window)


def predict_blobs(classifier, experiment, blobs):
    """Probabilities (n_blobs, n_classes) of blobs of an experiment, as `cutouts.kept_blobs` gives them."""
    noise_sd = _noise_sd(experiment) if classifier.predictor.reads == "raw crops" else None
    return classifier.predict(classifier.cut(experiment.stack, blobs), noise_sd=noise_sd)


def classify(classifier, experiment, *, min_probability=0.0):
    """Classify every blob of an experiment, labelled or not.

    Parameters
    ----------
    classifier : Classifier
    experiment : Experiment
    min_probability : float
        A blob whose class is less probable is called "unsure".

    Returns
    -------
    DataFrame
        The blob table with `class` (empty for blobs too near the border), `p_<class>` for each class, and `crowded` (another
        blob of the table lies inside the blob's crop window).

    Raises
    ------
    InputError
        If the experiment has no blob table, or its panel or pixel size is another one.
    """
    experiment.require_blobs()
    experiment.require_alike(classifier.panel, classifier.trained_on["pixel_size_nm"], "the classifier was trained")
    blobs, _ = kept_blobs(experiment, labelled=False)
    y_prob = np.full((len(experiment.table), classifier.panel.n_mirs + 1), np.nan)
    y_prob[blobs["table_row"]] = predict_blobs(classifier, experiment, blobs)
    kept = np.isfinite(y_prob[:, 0])
    names = np.array([*classifier.panel.names, ""], dtype=object)
    table = experiment.table.copy()
    for name in table.select_dtypes("float"):
        if (table[name].dropna() % 1 == 0).all():
            table[name] = table[name].astype("Int64")  # 1.0 was 1 in the file
    table["class"] = names[np.where(kept, np.argmax(np.nan_to_num(y_prob), axis=1), -1)]
    table.loc[kept & (np.nan_to_num(y_prob).max(axis=1) < min_probability), "class"] = UNSURE
    for k, name in enumerate(classifier.panel.names):
        table[f"p_{name}"] = y_prob[:, k].round(6)
    table["crowded"] = find_crowded(experiment.frame_index, experiment.rows, experiment.cols, classifier.panel.crop_window)
    return table


def count_classes(table, panel):
    """Blobs per class in a table that `classify` made, unsure ones, those too near the border: a pandas Series."""
    unsure = [UNSURE] if (table["class"] == UNSURE).any() else []
    counts = table["class"].value_counts().reindex([*panel.names, *unsure, ""], fill_value=0)
    return pd.Series(counts.to_numpy(), index=[*panel.names, *unsure, "too near the border"], name="blobs")
