"""Whether a saved classifier can be right: the form of classifier.json, and what the model in it answers."""

import math

import numpy as np

from mirnb.classifiers.likeness import FEATURES, N_BINS
from mirnb.experiments.cutouts import wide_window
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.files import InputError

FORMAT = 4
_READ = (3, 4)  # in 3 all facts were there; 2 had no confusion and no ranges
FACTS = {"confusion": list, "hidden": list, "profile": list, "ranges": dict}


def require_form(path, values):
    """Refuse what is not a classifier.json of this version, key by key."""
    wanted = {
        "kind": str, "panel": dict, "preprocess": dict, "files": dict, "crop_window": list, "template_window": list,
        "trained_on": dict,
    }  # fmt: skip
    values = values if isinstance(values, dict) else {}
    wanted |= FACTS if any(key in values for key in FACTS) or values.get("format") == 3 else {}
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
    if not wrong and "confusion" in values:
        wrong = _wrong_counts(values)
    if values.get("format") not in _READ or wrong:
        raise InputError(
            f"{path}: not a classifier this version reads ({', '.join(wrong) or 'another format'}); copy it again, or make "
            "it again with mirnb report"
        )


def _wrong_counts(values):
    """Which of the tables of numbers do not fit the panel or each other."""
    n_classes = len(values["panel"].get("mir", ())) + 1
    try:
        confusion, hidden, profile = (np.asarray(values[key], float) for key in ("confusion", "hidden", "profile"))
        ranges = np.array([values["ranges"][name] for name in FEATURES], float)
    except (KeyError, TypeError, ValueError):
        return ["confusion, hidden, profile, ranges"]
    fits = {
        "confusion": confusion.shape == (n_classes, n_classes) and (confusion >= 0).all() and (confusion % 1 == 0).all(),
        "hidden": hidden.shape == (n_classes - 1, n_classes) and (hidden >= 0).all(),
        "profile": profile.shape == (n_classes - 1, N_BINS) and (profile >= 0).all(),
        "ranges": ranges.shape == (len(FEATURES), 2) and (ranges[:, 0] <= ranges[:, 1]).all(),
    }
    if all(fits.values()):
        fits["hidden"] = bool((hidden.sum(axis=0) <= confusion[-1] + 1e-6).all())
    return [key for key, good in fits.items() if not good]


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
