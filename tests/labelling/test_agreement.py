"""Agreement of annotators in words."""

import numpy as np
import pandas as pd

from mirnb.labelling.agreement import in_words


def test_agreement_is_told_pair_by_pair_and_nothing_of_no_blobs():
    rows = [("a", "b", 40, 0.95, 0.9), ("a", "c", 0, np.nan, np.nan), ("b", "c", 4, 1.0, np.nan)]
    kappas = pd.DataFrame(rows, columns=["one", "other", "both", "same", "kappa"])
    assert in_words(kappas, pd.DataFrame({"id": [3, 8]})) == [
        "a and b: the same label for 95% of 40 blobs, kappa 0.90.",
        "a and c: labelled no blob both.",
        "b and c: the same label for 100% of 4 blobs, kappa cannot be told.",
        "Blobs with different labels, not settled: 2.",
    ]
    alone = in_words(kappas[:0], pd.DataFrame({"id": []}))
    assert alone == ["How well annotators agree: cannot be told, as there are not two of them."]
