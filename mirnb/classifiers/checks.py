"""Whether a saved classifier can be right: the form of classifier.json, and what the model in it answers."""

import math

import numpy as np

from mirnb.classifiers.facts import FILES
from mirnb.classifiers.likeness import FEATURES
from mirnb.experiments.cutouts import wide_window
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.files import InputError

FORMAT = 5
_READ = (3, 4, 5)  # what counting has to know was counts in 3 and 4, and is trained anew


def require_form(path, values):
    """Refuse what is not a classifier.json of this version, key by key."""
    wanted = {
        "kind": str, "panel": dict, "preprocess": dict, "files": dict, "crop_window": list, "template_window": list,
        "trained_on": dict,
    }  # fmt: skip
    values = values if isinstance(values, dict) else {}
    wrong = [key for key, kind in wanted.items() if not isinstance(values.get(key), kind)]
    numbers = {"preprocess": ("background_percentile", "cap_sds"), "trained_on": ("pixel_size_nm", "noise_sd_counts")}
    if "trained_on" not in wrong and values["trained_on"].get("dispersion") not in [*QUARTER_TURNS]:
        wrong.append("trained_on.dispersion")
    for key in set(numbers) - set(wrong):
        part = values[key]
        wrong += [f"{key}.{name}" for name in numbers[key] if not _is_positive(part.get(name))]
    if "preprocess" not in wrong and set(values["preprocess"]) != set(numbers["preprocess"]):
        wrong.append("preprocess")
    parts = values.get("trained_on") if "trained_on" not in wrong else {}
    wrong += [f"trained_on.{key}" for key in ("preparation", "training", "validation", "fingerprints")
              if not isinstance(parts.get(key, {}), dict)]  # fmt: skip
    light = parts.get("light_counts", [0.0, 0.0])
    if not (isinstance(light, list) and len(light) == 2 and all(one == 0 or _is_positive(one) for one in light)):
        wrong.append("trained_on.light_counts")
    if not wrong and FILES[0] in values["files"] and not _are_ranges(values.get("ranges")):
        wrong.append("ranges")
    if values.get("format") not in _READ or wrong:
        raise InputError(
            f"{path}: not a classifier this version reads ({', '.join(wrong) or 'another format'}); copy it again, or make "
            "it again with mirnb report"
        )


def _are_ranges(ranges):
    try:
        ends = np.array([ranges[name] for name in FEATURES], float)
    except (KeyError, TypeError, ValueError):
        return False
    unknown = ranges.get("unknown_share", 0.0)  # not kept before 0.8
    good = unknown == 0 or _is_positive(unknown)
    return good and ends.shape == (len(FEATURES), 2) and bool((ends[:, 0] <= ends[:, 1]).all())


def _is_positive(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def not_right(predictor, panel):
    """What is wrong with a predictor that was read, its numbers or its answers to crops at random; empty when nothing is."""
    for name in ("temperature", "noise_sd", "threshold"):
        if not _is_positive(getattr(predictor, name, 1.0)) and not (name == "threshold" and predictor.threshold == 0):
            return f"its {name} is {getattr(predictor, name)!r}"
    scaler, model = getattr(predictor, "scaler", None), getattr(predictor, "model", None)
    arrays = [] if scaler is None else [scaler.mean, scaler.sd]
    arrays += [] if model is None else model.get_weights()
    if not all(np.isfinite(one).all() for one in arrays) or (scaler is not None and not (scaler.sd > 0).all()):
        return "weights or scale that are no numbers, or a scale of 0"
    window = wide_window(panel).shape if predictor.reads == "raw crops" else (*panel.crop_window.shape, panel.n_mirs)
    y_prob = np.asarray(predictor.predict(np.random.default_rng(0).normal(900, 30, (2, *window)).astype(np.float32)))
    if y_prob.shape != (2, panel.n_mirs + 1):
        return f"it tells {y_prob.shape[-1]} classes, the panel has {panel.n_mirs + 1}"
    return "" if np.allclose(y_prob.sum(axis=1), 1, atol=1e-3) else "its probabilities do not add up to 1"
