"""How well annotators agree, and the blobs they call differently."""

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from mirnb.experiments.blobs import UNLABELLED
from mirnb.labelling.annotations import SETTLED, annotators, blob_ids, read_annotation


def measure_agreement(experiment):
    """How well the annotators agree, two by two.

    Returns
    -------
    table : DataFrame
        One row a pair of annotators: both (blobs both gave a label), same (share with the same), kappa (Cohen's; NaN where
        there is no blob or one class alone).
    differing : DataFrame
        One row a blob with different labels that is not settled: id, frame, and each annotator's class.
    """
    names = [name for name in annotators(experiment) if name != SETTLED]
    said = {name: read_annotation(experiment, name) for name in names}
    rows = []
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            first, second = said[one]["label"].to_numpy(), said[other]["label"].to_numpy()
            both = (first != UNLABELLED) & (second != UNLABELLED)
            told_apart = len(np.unique(np.concatenate([first[both], second[both]]))) > 1
            rows.append(
                {
                    "one": one, "other": other, "both": int(both.sum()),
                    "same": float(np.mean(first[both] == second[both])) if both.any() else np.nan,
                    "kappa": float(cohen_kappa_score(first[both], second[both])) if told_apart else np.nan,
                }
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=["one", "other", "both", "same", "kappa"])
    blobs = disagreements(experiment)
    words = np.array([*experiment.panel.names, "", "erased"], dtype=object)  # UNLABELLED and ERASED count from the end
    columns = {name: words[said[name]["label"].to_numpy()[blobs]] for name in names}
    ids = blob_ids(experiment)[blobs].astype(int)
    return table, pd.DataFrame({"id": ids, "frame": experiment.table["frame"].to_numpy()[blobs], **columns})


def in_words(kappas, differing):
    """What `measure_agreement` found, in plain sentences: a list of text."""
    if kappas.empty:
        return ["How well annotators agree: cannot be told, as there are not two of them."]
    sentences = []
    for row in kappas.to_dict("records"):
        words = f"{row['one']} and {row['other']}"
        if not row["both"]:
            sentences.append(f"{words}: labelled no blob both.")
            continue
        kappa = "kappa cannot be told" if np.isnan(row["kappa"]) else f"kappa {row['kappa']:.2f}"
        sentences.append(f"{words}: the same label for {row['same']:.0%} of {row['both']} blobs, {kappa}.")
    return [*sentences, f"Blobs with different labels, not settled: {len(differing)}."]


def disagreements(experiment):
    """Rows of the blob table that annotators gave different labels and nobody settled."""
    said = [read_annotation(experiment, name) for name in annotators(experiment) if name != SETTLED]
    if len(said) < 2:
        return np.zeros(0, int)
    labels = np.stack([one["label"].to_numpy() for one in said]).astype(float)
    labels[labels == UNLABELLED] = np.nan
    given = np.isfinite(labels).any(axis=0)
    differ = np.zeros(len(given), bool)
    differ[given] = np.nanmin(labels[:, given], axis=0) != np.nanmax(labels[:, given], axis=0)
    settled = read_annotation(experiment, SETTLED)["label"].to_numpy() != UNLABELLED
    return np.flatnonzero(differ & ~settled)
