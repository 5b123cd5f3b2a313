"""Cross-correlation and cosine similarity of one frame compared in numbers (thesis 2.1, Fig 1)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

from mirnb.experiments.cutouts import busiest_corner, kept_blobs
from mirnb.experiments.experiment_file import load_experiment
from mirnb.imaging.correlation import Correlator
from mirnb.imaging.preprocessing import preprocess


@dataclass(frozen=True)
class Techniques:
    """Cosine similarity, cross-correlation and the original of one frame."""

    images: dict  # name -> image (rows, cols)
    numbers: pd.DataFrame  # as `signal_to_background` gives it
    n_molecules: int
    which: str  # what the molecules are
    corner: tuple[int, int]  # first pixel of the part of the frame with most of them


def single_type_sample(experiment):
    """A sample of one miR alone: the first under `pretrain`, else the experiment itself.

    Returns
    -------
    sample : Experiment
    k : int
        The miR most of its blobs are labelled with (0 without labels).
    """
    sample = load_experiment(experiment.pretrain[0]) if experiment.pretrain else experiment
    counts = {name: int(np.sum(sample.labels == k)) for k, name in enumerate(sample.panel.mir_names)}
    most = max(counts, key=counts.get)
    return sample, experiment.panel.index(most)


def compare_techniques(sample, k, template, *, field_px=256, background_percentile=70.0, cap_sds=5.0) -> Techniques:
    """The first frame of a sample through both techniques with one template (thesis Fig 1).

    Parameters
    ----------
    k : int
        Class whose molecules are the signal; without labels the brightest tenth of the blobs is.
    template : ndarray of shape (rows, cols), preprocessed
    field_px : int
        Side of the part to be shown, px.
    """
    _, frame = next(sample.stack.frames([0]))
    clean = preprocess(frame, background_percentile=background_percentile, cap_sds=cap_sds)
    correlator = Correlator(template[np.newaxis], frame.shape)
    images = {
        "cosine similarity": correlator.cosine_similarity(clean)[..., 0],
        "cross-correlation": correlator.cross_correlate(clean)[..., 0],
        "original": clean,
    }
    blobs, _ = kept_blobs(sample, labelled=False, n_frames=1)
    own = blobs[blobs["y"] == k]
    which = f"labelled {sample.panel.mir_names[k]}"
    if own.empty:
        own = blobs.assign(light=clean[blobs["row"], blobs["col"]]).nlargest(max(len(blobs) // 10, 1), "light")
        which = "brightest, as there are no labels"
    window = sample.panel.template_window
    peak = ((template.shape[0] - 1) // 2 - window.above, (template.shape[1] - 1) // 2 - window.left)
    shift = {"cosine similarity": peak, "cross-correlation": peak, "original": (0, 0)}
    pixels = (own["row"], own["col"], blobs["row"], blobs["col"])
    corner = busiest_corner(own["row"], own["col"], frame.shape, field_px)
    return Techniques(images, signal_to_background(images, pixels, shift=shift), len(own), which, corner)


def signal_to_background(images, pixels, *, shift, reach_px=20):
    """How far molecules stand above the background of an image, for each of several images of the same frame.

    Parameters
    ----------
    images : dict
        Name -> image (rows, cols).
    pixels : (mir_rows, mir_cols, all_rows, all_cols)
        Pixels of the molecules looked at, and of all blobs, whose surroundings are no background.
    shift : dict
        Name -> (rows, cols) from a blob's pixel to where the image peaks on it.
    reach_px : int
        Background is further than this from every blob.

    Returns
    -------
    DataFrame, one row an image
        signal (median peak of the molecules), background (mean), background sd, signal / background, contrast (signal above
        background in units of its sd).
    """
    mir_rows, mir_cols, all_rows, all_cols = (np.asarray(values, int) for values in pixels)
    shape = next(iter(images.values())).shape
    blob = np.ones(shape, bool)
    blob[all_rows, all_cols] = False
    away = ndimage.distance_transform_edt(blob) > reach_px
    rows = []
    for name, image in images.items():
        highest = ndimage.maximum_filter(image, 3)
        at = [
            np.clip(pixel + by, 0, size - 1)
            for pixel, by, size in zip((mir_rows, mir_cols), shift[name], shape, strict=True)
        ]
        peak = float(np.median(highest[at[0], at[1]])) if len(mir_rows) else np.nan
        mean, sd = (float(image[away].mean()), float(image[away].std())) if away.any() else (np.nan, np.nan)
        rows.append(
            {"image": name, "signal": peak, "background": mean, "background sd": sd,
             "signal / background": peak / mean, "contrast": (peak - mean) / sd}
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("image")
