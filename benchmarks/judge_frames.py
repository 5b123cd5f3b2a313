"""Are frames at fault named? 40 faults in simulated stacks: what each does to the shares, and what is said of it.

    python -m benchmarks.judge_frames reports/demo/classifiers/twin_cnn

Eight kinds of fault, five strengths and places each (`tests/faults.py`), in stacks of 16 frames of 512x512 pixels as dense
as the demo; each is counted beside the same stack without the fault. About two minutes on 2 cores.
"""

import argparse

import numpy as np
import pandas as pd

from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.making import train_facts
from mirnb.counting.bins import bins_of, held_out_bins
from mirnb.counting.correction import Correction
from mirnb.counting.frames import frames_in_words, judge_frames
from mirnb.counting.worker import classify_frames
from mirnb.imaging.neighbours import find_partners
from tests.faults import FAULTS, faulty_stack, is_right, measured

LEAST_MOVE = 0.02


def bins_by_frame(classifier, frames, n_bins):
    """Blobs in each bin of the correction, partners left out, (n_frames, n_bins)."""
    found = classify_frames(classifier, frames)
    called = np.where(np.isnan(found["y_prob"][:, 0]), -1, np.nan_to_num(found["y_prob"]).argmax(axis=1))
    upper = find_partners(found["frame"], found["y_px"], found["x_px"], called, classifier.panel)
    kept, bins = (called >= 0) & (upper < 0), np.zeros((len(frames), n_bins), int)
    np.add.at(bins, (found["frame"][kept], bins_of(found["y_prob"][kept], classifier.facts)), 1)
    return bins


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classifier", help="folder of a classifier")
    classifier = train_facts(load_classifier(parser.parse_args().classifier))
    facts, n_mirs = classifier.facts, classifier.panel.n_mirs
    correction = Correction(classifier.panel.names, *held_out_bins(facts, detected=True), n_resamples=100, seed=3)

    def shares(bins):
        molecules = correction.estimate(bins.sum(axis=0))[:n_mirs]
        return molecules / molecules.sum()

    rows, n_named, n_clean = [], 0, 0
    for number in range(5):
        clean, _ = faulty_stack(seed=100 + number)
        n_named, n_clean = n_named + int(np.sum(judge_frames(measured(clean), facts.ranges) != "")), n_clean + len(clean)
        usual = shares(bins_by_frame(classifier, clean, correction.n_bins))
        for kind in FAULTS:
            frames, has_fault = faulty_stack(kind, number, seed=100 + number)
            verdict, bins = (
                judge_frames(measured(frames), facts.ranges),
                bins_by_frame(classifier, frames, correction.n_bins),
            )
            move = np.abs(shares(bins) - usual).max()
            said, right = frames_in_words(verdict), is_right(verdict, kind, number, has_fault)
            rows.append({"kind": kind, "number": number, "moves a share by": move, "right": right, "said": said})
    table = pd.DataFrame(rows).sort_values(["kind", "number"])
    print(table.round(3).to_string(index=False))
    moving = table[table["moves a share by"] > LEAST_MOVE]
    print(f"clean frames named: {n_named} of {n_clean}; faults named rightly: {table['right'].sum()} of {len(table)}")
    print(f"of those that move a share by more than {LEAST_MOVE}: {moving['right'].sum()} of {len(moving)}")
    print(moving.groupby("kind")["right"].agg(["sum", "size"]).to_string())


if __name__ == "__main__":
    main()
