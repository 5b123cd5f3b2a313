"""How sure a call must be so that few molecules of any miR are called another: thresholds with a promise.

What counts is how probable the other miRs are together: noise is no crosstalk. Of the held-out crops of one miR those are
counted that are called another, and how little speaks against it. A threshold passes where the exact upper bound of a
binomial share (Clopper and Pearson 1934) does. It is raised from strict to lax until it does not, a test in a fixed order
(Angelopoulos et al. 2021), so the confidence holds for the threshold that is chosen. Each miR takes an equal part of the
doubt (Bonferroni): all promises hold together. They are of the molecules of each miR, so no mixture matters.

Promised is what holds for molecules like the labelled ones, called as by the classifiers of the folds.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

DOUBT = 0.05  # that any of the promises is broken


def least_promise(n, doubt):
    """The least share of errors that n crops without an error promise: the n-th root of the doubt is what they leave out."""
    return 1 - doubt ** (1 / n) if n else 1.0


def labels_needed(share, doubt):
    """How many crops without an error promise a share of errors (see `least_promise`)."""
    return int(np.ceil(np.log(doubt) / np.log1p(-share)))


def errors_allowed(n, share, doubt):
    """The most errors among n crops whose exact upper bound is at most `share`; -1 where even none is too many."""
    fewest = int(binom.ppf(doubt, n, share))  # the first at which the distribution reaches the doubt
    return fewest if binom.cdf(fewest, n, share) <= doubt else fewest - 1


def against(y_prob):
    """How probable the miRs are together that a crop is not called, (n,), from y_prob (n, n_classes), noise last."""
    others = np.array(y_prob[:, :-1], float)
    others[np.arange(others.shape[1]) == np.argmax(y_prob, axis=1)[:, None]] = 0
    return others.sum(axis=1)


@dataclass(frozen=True, eq=False)
class Promise:
    """Thresholds of calls, and what they promise."""

    share: float  # of the molecules of any one miR called another, as asked for
    names: tuple  # of the miRs
    below: np.ndarray  # (n_mirs,) a call of a miR counts where the others together are less probable
    n: np.ndarray  # (n_mirs,) held-out crops of each
    promised: np.ndarray  # (n_mirs,) share of each miR called another, at most: the one asked for, or the least there is
    kept: float  # share of right calls of held-out miRs; NaN without any

    def unsure(self, y_prob):
        """Which calls of a miR are not sure enough: bool ndarray of shape (n,), from y_prob (n, n_classes)."""
        return against(y_prob) >= np.append(self.below, np.inf)[y_prob.argmax(axis=1)]

    @property
    def _needed(self):
        return labels_needed(self.share, DOUBT / len(self.names))

    def in_words(self):
        """What is promised, what it takes where less is, and the thresholds: a list of sentences."""
        share, rows = f"{100 * self.share:.3g} %", list(zip(self.names, self.n, self.promised, self.below, strict=True))
        full, said = [name for name, _, promised, _ in rows if promised <= self.share], []
        if full:
            said.append(f"at most {share} of the molecules of {', '.join(full)} are called another miR (95 % confidence)")
        for name, n, promised, _ in rows:
            takes = f"{share} takes {self._needed} labels, none of them called another miR"
            if promised > self.share:
                least = f"promise {100 * promised:.3g} % at the least" if n else "promise nothing"
                said.append(f"{name}: {n} held-out labels {least}, so the thresholds are the strictest; {takes}")
        told = ", ".join(f"{below:.3g} ({name})" for name, *_, below in rows)
        said.append(f"a call is unsure unless the other miRs together are less probable than {told}")
        return [*said, f"{self.kept:.1%} of the right calls of held-out molecules are kept"]


def promise(facts, panel, share):
    """Thresholds so that at most a share of the molecules of any one miR is called another miR.

    For each miR the laxest threshold is found that its molecules allow calls of all others; a call must pass the strictest
    that is not its own miR's.

    Parameters
    ----------
    facts : Facts
    panel : Panel
    share : float
        Above 0, below 1. Where labels are too few for it, no error among them is allowed.
    """
    n_mirs, called, other = panel.n_mirs, facts.y_prob.argmax(axis=1), against(facts.y_prob)
    asked, n = np.ones(n_mirs), np.bincount(facts.y_true, minlength=n_mirs)[:n_mirs]
    promised = np.full(n_mirs, float(share))
    for k in range(n_mirs):
        errors = np.sort(other[(facts.y_true == k) & (called != k) & (called < n_mirs)])
        allowed = errors_allowed(n[k], share, DOUBT / n_mirs)
        if allowed < 0:
            allowed, promised[k] = 0, least_promise(n[k], DOUBT / n_mirs)
        if len(errors) > allowed:
            asked[k] = errors[allowed]
    below = np.array([np.delete(asked, k).min(initial=1.0) for k in range(n_mirs)])
    right = (called == facts.y_true) & (called < n_mirs)
    kept = np.mean(other[right] < below[called[right]]) if right.any() else np.nan
    return Promise(share, tuple(panel.mir_names), below, n, promised, float(kept))


def promise_table(facts, panel, shares=(0.05, 0.02, 0.01)):
    """What several shares ask for and give, as text, a column each: promised shares, right calls kept, thresholds.

    Parameters
    ----------
    facts : Facts
    panel : Panel
    """
    columns = {}
    for one in [promise(facts, panel, share) for share in shares]:
        rows = list(zip(one.names, one.n, one.promised, one.below, strict=True))
        told = {f"{name} called another, of {n} labels": f"at most {promised:.2%}" for name, n, promised, _ in rows}
        told["right calls kept"] = f"{one.kept:.1%}"
        limits = {name: f"below {below:.3f}" if below < 1 else "any" for name, *_, below in rows}
        told |= {f"called {name}: others together": limit for name, limit in limits.items()}
        columns[f"{one.share:.0%} asked for"] = told
    return pd.DataFrame(columns)
