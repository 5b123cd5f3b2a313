"""What a report says at first sight, from its metrics and tables: one sentence, a few figures, one comparison."""

import math

from mirnb.classifiers.kinds import KINDS
from mirnb.classifiers.scores import as_text, judge, with_interval
from mirnb.studies import thesis

_IN_WORDS = {
    "twin_cnn": "the twin-trained CNN", "lenet5": "the thesis's network (LeNet-5)", "pca_svm": "miRACLE's way (PCA + SVM)",
}  # fmt: skip


def tested(metrics, panel):
    """Kinds of classifiers with scores on the test crops, the highest mean F1 over the miRs first: kind -> scores.

    Scores of another panel or split, which an earlier run may have left, are passed over.
    """
    found, wanted = metrics.get("classifiers", {}), metrics.get("split", {}).get("test")
    scores = {kind: found[kind]["test"] for kind in KINDS if "intervals" in found.get(kind, {}).get("test", {})}
    scores = {kind: one for kind, one in scores.items() if list(one["recall"]) == panel.names}
    if wanted is not None:
        scores = {kind: one for kind, one in scores.items() if list(map(sum, one["confusion"])) == list(wanted.values())}
    return dict(sorted(scores.items(), key=lambda one: -_number(one[1]["macro_f1_mir"])))


def first_sight(metrics, panel):
    """What a report with labels says first: sentences, badges (none) and cards."""
    return in_one_sentence(metrics, panel), [], cards(metrics, panel)


def in_one_sentence(metrics, panel):
    """The result: sentences, the first of them alone enough; of an experiment with labels.

    Parameters
    ----------
    metrics : dict
        Of metrics.json.
    """
    scores = tested(metrics, panel)
    if not scores:
        n = sum(metrics.get("counts", {}).values())
        return [f"{n:,} labelled crops; no classifier has been tested yet." if n else "Nothing has been measured yet."]
    first, *others = scores
    names, n_test = [*panel.mir_names, "noise"], sum(map(sum, scores[first]["confusion"]))
    told = [
        f"On {n_test:,} test crops that it had not seen, {_named(first)} tells {', '.join(names[:-1])} and noise "
        f"apart with a mean F1 over the miRs of {_with_ends(scores[first])}."
    ]
    for kind in others:
        gain = _difference(metrics, first, kind)
        if gain and kind != "matched_filter":
            word = judge(*gain[1:])
            told.append(f"That it is better than {_named(kind)} {word}: {with_interval(*gain, '{:+.3f}')}.")
    return told


def cards(metrics, panel):
    """The figures to be read first: list of (value, what it is)."""
    scores, shown = tested(metrics, panel), []
    if scores:
        first = next(iter(scores))
        shown.append(_card(scores[first], f"best mean F1 over the miRs: {KINDS[first].title}"))
    for kind in ("lenet5", "pca_svm"):
        if kind in scores and len(scores) > 1:
            shown.append(_card(scores[kind], _named(kind)))
    counts = metrics.get("counts", {})
    if set(panel.names) <= set(counts):
        n = {name: counts.get(name, 0) for name in panel.names}
        told = ", ".join(f"{number:,} {name}" for name, number in n.items())
        shown.append((f"{sum(n.values()) - n['noise']:,}", f"labelled molecules; crops: {told}"))
    return shown


def comparison(metrics, panel):
    """All classifiers on the same test crops, the best first, and what the thesis and miRACLE printed.

    Returns
    -------
    columns : list of str
    rows : list of (text, list of (value, interval)), a row a score; nothing without scores on test
    """
    scores = tested(metrics, panel)
    if not scores:
        return [], []
    printed = []
    if thesis.is_thesis_panel(panel):
        printed = [("printed in the thesis", thesis.RECALL, thesis.PRECISION),
                   ("printed for miRACLE", thesis.MIRACLE_RECALL, thesis.MIRACLE_PRECISION)]  # fmt: skip
    columns = [KINDS[kind].title for kind in scores] + [title for title, *_ in printed]
    means = [(f"{thesis.mean_f1(recall, precision):.3f}", "") for _, recall, precision in printed]
    overall = [_split(one["macro_f1_mir"], one["intervals"]["macro_f1_mir"]) for one in scores.values()]
    rows = [("mean F1 over the miRs", overall + means)]
    for name in panel.mir_names:
        for k, key in enumerate(("recall", "precision")):
            own = [_split(one[key][name], one["intervals"][key][name]) for one in scores.values()]
            rows.append((f"{name}, {key}", own + [(f"{both[k][name]:.2f}", "") for _, *both in printed]))
    return columns, rows


def _named(kind):
    return _IN_WORDS.get(kind, f"the {KINDS[kind].title}")


def _card(scores, words):
    value, ends = _split(scores["macro_f1_mir"], scores["intervals"]["macro_f1_mir"])
    return value, f"{words} (95 %: {ends})"


def _split(value, ends):
    """A score, and its interval."""
    return as_text(_number(value), "{:.3f}"), " to ".join(as_text(_number(end), "{:.2f}") for end in ends)


def _with_ends(scores):
    value, ends = _split(scores["macro_f1_mir"], scores["intervals"]["macro_f1_mir"])
    return f"{value} (95 %: {ends})"


def _difference(metrics, ours, theirs):
    """Paired difference of two kinds as (difference, low, high); None where it was not measured on these very scores."""
    gain, *ends = map(_number, metrics.get("differences", {}).get(f"{ours} less {theirs}", [None] * 3))
    f1 = [_number(metrics["classifiers"][kind]["test"]["macro_f1_mir"]) for kind in (ours, theirs)]
    return (gain, *ends) if abs(f1[0] - f1[1] - gain) < 1e-6 else None


def _number(value):
    """NaN, which is null in a file."""
    return math.nan if value is None else value
