"""What the tables of a run say, in plain sentences: the ends of notebooks 01 to 05.

Whose molecules they are may be anyone's, so every word follows from the numbers. A claim holds, does not hold, or cannot be
told; with an interval it is judged by that, as in `claims`, without one by its number, and then the sentence has both.
"""

import numpy as np

from mirnb.classifiers.scores import FAILS, HOLDS, OPEN, as_text, judge, sort_out, with_interval

_MOST_NAMED = 8  # of a list; the table has all


def about_templates(overlap, counts):
    """Which templates are most and least alike, and which miR has fewest crops to make one of.

    Parameters
    ----------
    overlap : DataFrame
        As `responses.template_overlap` gives it.
    counts : DataFrame
        As `Dataset.count` gives it.
    """
    names, sentences = list(overlap.index), []
    pairs = {(names[i], names[j]): max(overlap.iloc[i, j], overlap.iloc[j, i]) for i in range(len(names)) for j in range(i)}
    if not pairs:
        sentences.append("One miR alone: there is no other template that could pass for its own.")
    else:
        said = [("Most alike", max(pairs, key=pairs.get)), ("Least alike", min(pairs, key=pairs.get))][: len(pairs)]
        sentences += [
            f"{words} are the templates of {one} and {other}: {pairs[other, one]:.3f}, where a template with itself has 1."
            for words, (other, one) in said
        ]
    training = counts.loc[names, "training"]
    if training.sum():
        few, n_all = training.idxmin(), counts["training"].sum()
        sentences.append(f"Fewest training crops of a miR: {few}, {training[few]}; of all classes together {n_all}.")
    return sentences


def about_techniques(numbers, peaks, bright):
    """Does cosine similarity raise the background, and do own and foreign templates show three and four peaks?

    Parameters
    ----------
    numbers : DataFrame
        As `techniques.signal_to_background` gives it.
    peaks : DataFrame
        As `responses.count_template_peaks` gives it.
    bright : DataFrame
        As `responses.count_bright_peaks` gives it.
    """
    cosine, cross = (numbers.loc[name, "contrast"] for name in ("cosine similarity", "cross-correlation"))
    sentences = [
        f"Cosine similarity raises the background: {judge(cross - cosine, cross - cosine)}. Molecules stand "
        f"{as_text(cosine, '{:.1f}')} standard deviations above it, with cross-correlation {as_text(cross, '{:.1f}')}."
    ]
    names = list(peaks.index)
    counts = peaks[[f"{name} template" for name in names]].to_numpy()
    own = {f"{name} ({n})": HOLDS if n == 3 else FAILS for name, n in zip(names, np.diag(counts), strict=True)}
    sentences.append(f"Three peaks with a miR's own template: {_sorted(own)}.")
    foreign = {
        f"{names[i]} under {names[j]}'s ({counts[i, j]})": HOLDS if counts[i, j] == 4 else FAILS
        for i in range(len(names)) for j in range(len(names)) if i != j
    }  # fmt: skip
    sentences.append(
        f"Four peaks with a foreign template: {_sorted(foreign)}." if foreign else "There is no foreign template: one miR."
    )
    seen = bright[bright["crops"] > 0]
    if len(seen):
        shares = "; ".join(f"{name}: {row['3 peaks']:.0%} of {row['crops']:.0f}" for name, row in seen.iterrows())
        sentences.append(f"Bright crops that show three peaks in their own channel: {shares}.")
    return sentences


def _sorted(verdicts):
    """`sort_out`, or how many there are of each verdict where they are too many to name."""
    if len(verdicts) <= _MOST_NAMED:
        return sort_out(verdicts)
    said = list(verdicts.values())
    return ", ".join(f"{word} for {said.count(word)} of {len(said)}" for word in (HOLDS, FAILS) if word in said)


def about_training(losses, choice, matrices, names):
    """When validation stops to gain, which run goes on, and what it mistakes most.

    Parameters
    ----------
    losses : DataFrame
        As `lenet5.loss_table` gives it.
    choice : DataFrame
        As `lenet5.choose_run` gives it.
    matrices : dict
        Confusion counts by set; that of "validation" is looked at.
    """
    n_whole, mean = int(losses["runs"].iloc[0]), losses["val_loss"]
    n_diverged = len(choice) - n_whole
    sentences = [f"Diverged (the loss became no number): {n_diverged} of {len(choice)} runs."] if n_diverged else []
    if len(mean) == 1 or not n_whole:
        sentences.append(f"Validation loss stops falling before the last epoch: {OPEN}.")
    else:
        lowest, last = mean.idxmin(), mean.index[-1]
        whose = f"Mean of {n_whole} runs" if n_whole > 1 else "One run"
        sentences.append(
            f"Validation loss stops falling before the last epoch: {HOLDS if lowest < last else FAILS}. {whose}: lowest "
            f"{mean[lowest]:.3f} at epoch {lowest}, {mean[last]:.3f} at the last, epoch {last}."
        )
    f1 = choice["macro_f1_mir"]
    best = choice.fillna({"macro_f1_mir": -1}).sort_values(["macro_f1_mir", "loss"], ascending=[False, True], kind="stable")
    sentences.append(
        f"Chosen: run {best.index[0]} of {len(choice)}, mean F1 over the miRs on validation "
        f"{as_text(f1[best.index[0]], '{:.3f}')}; all runs {as_text(f1.min(), '{:.3f}')} to {as_text(f1.max(), '{:.3f}')}."
    )
    return sentences + about_mistakes(matrices["validation"], names, "validation")


def about_mistakes(matrix, names, where):
    """Which mistakes are most frequent in confusion counts, and how many have to do with noise: a list of sentences."""
    wrong = np.array(matrix) * (1 - np.eye(len(names), dtype=int))
    n_wrong, n_all = int(wrong.sum()), int(np.sum(matrix))
    if not n_wrong:
        return [f"Mistakes on {where}: none of {n_all} crops."]
    true, called = np.unravel_index(wrong.argmax(), wrong.shape)
    with_noise = int(wrong[-1].sum() + wrong[:, -1].sum())
    between = f"; between a miR and noise {with_noise}, between miRs {n_wrong - with_noise}" if len(names) > 2 else ""
    return [
        f"Mistakes on {where}: {n_wrong} of {n_all} crops{between}.",
        f"Most frequent of them: {names[true]} called {names[called]}, {wrong[true, called]} of {np.sum(matrix[true])} "
        f"crops of {names[true]}.",
    ]


def about_scores(found, intervals, matrix, names, printed):
    """How good the chosen run is on test, where that is least sure, and whether the thesis's figures lie in the intervals.

    Parameters
    ----------
    found, intervals : dict
        As `scores.score` and `scores.bootstrap_intervals` give them.
    matrix : ndarray
        Confusion counts on test.
    printed : dict
        As `thesis.printed_scores` gives it.
    """
    mirs, n_true = names[:-1], np.sum(matrix, axis=1)
    there = n_true[:-1] > 0
    f1 = np.mean(found["f1"][:-1][there]) if there.any() else np.nan
    overall = with_interval(f1, *intervals["macro_f1_mir"], "{:.3f}")
    sentences = [f"Mean F1 over the miRs on {n_true.sum()} test crops: {overall}."]
    if not there.all():
        absent = ", ".join(name for name, is_there in zip(mirs, there, strict=True) if not is_there)
        sentences.append(f"Without a test crop, so without recall: {absent}.")
    low, high = intervals["recall"][:, :-1]
    width = np.where(there, high - low, np.nan)
    if np.nanmax(width, initial=0) > 0:
        k = int(np.nanargmax(width))
        words = "Least sure is the recall of" if there.sum() > 1 else "Recall of"
        recall = with_interval(found["recall"][k], low[k], high[k])
        sentences.append(f"{words} {mirs[k]}: {recall}, from {n_true[k]} test crops.")
    for key, figures in printed.items():
        verdicts = {}
        for k, name in enumerate(mirs):
            low, high = intervals[key][:, k]
            verdict = OPEN if np.isnan([low, high]).any() else HOLDS if low <= figures[name] <= high else FAILS
            verdicts[f"{name} ({figures[name]:.2f})"] = verdict
        sentences.append(f"The thesis's {key} lies inside our 95 % interval: {sort_out(verdicts)}.")
    return sentences + about_mistakes(matrix, names, "test")


def about_spread(table):
    """How far the runs lie apart on the same crops: a list of sentences. table : DataFrame, of `lenet5.scores_of_runs`"""
    f1, others = table["macro_f1_mir"].dropna(), table.drop(columns="macro_f1_mir")
    spread = (others.max() - others.min()).dropna()
    if len(f1) < 2 or spread.empty:
        return [f"How far runs lie apart: {OPEN}, with {len(table)} of them."]
    most = spread.idxmax()
    return [
        f"All {len(table)} runs: mean F1 {f1.min():.3f} to {f1.max():.3f} on these test crops; furthest apart in {most}, "
        f"{others[most].min():.2f} to {others[most].max():.2f}."
    ]


def about_calibration(error, by_chance, n_crops, *, of="The probabilities"):
    """Whether a calibration error is more than chance makes it: a sentence.

    by_chance : float
        As `calibration.chance_calibration_error` gives it.
    """
    return (
        f"{of} are further off than chance makes them: {judge(error - by_chance, error - by_chance)}. Calibration error "
        f"{error:.3f}; perfect ones stay under {by_chance:.3f} in 97.5 % of test sets of {n_crops} crops."
    )


def about_curves(areas, names):
    """Areas of the curves, highest and lowest, and which of them lie above chance.

    Parameters
    ----------
    areas : DataFrame
        As `scores.area_table` gives it.
    names : sequence of str
        Of the miRs; those without a test crop have no curve.
    """
    absent = [name for name in names if name not in areas.index]
    sentences = [f"Without a test crop, so without curves: {', '.join(absent)}."] if absent else []
    for key, words in (("roc_auc", "ROC area"), ("average_precision", "Average precision")):
        own = areas[key].dropna()
        if own.empty:
            continue
        chance = 0.5 if key == "roc_auc" else areas.loc[own.idxmin(), "share (chance)"]
        highest = f"highest {own.idxmax()}, {own.max():.3f}; lowest " if len(own) > 1 else ""
        sentences.append(f"{words}: {highest}{own.idxmin()}, {own.min():.3f} (guessing {chance:.3f}).")
    return sentences
