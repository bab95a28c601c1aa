"""Bootstrap intervals over test rows, from how often each score occurs among them.

Drawing n rows with replacement is drawing how often each of their distinct scores occurs: a multinomial, and for exact
match, where a row scores 0 or 100, a binomial. No row is needed.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Tally = Mapping[str, int]  # {score of a row in percent, as text: how many rows have it}

SAMPLES = 10_000
LEVEL = 0.95
SEED = 0  # so that the same scores give the same interval


def interval(tallies: Sequence[Tally]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean over tasks, rows drawn within each task: (low, high).

    tallies: one a task, of a score each; with one task it is the interval of its score. In percent.
    """
    rng = np.random.default_rng(SEED)
    means = np.mean([_resampled_means(tally, rng) for tally in tallies], 0)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled_means(tally: Tally, rng: np.random.Generator) -> np.ndarray:
    """[SAMPLES] means of a score over as many rows as there are, drawn with replacement."""
    scores, counts = np.array([float(score) for score in tally]), np.array(list(tally.values()))
    return rng.multinomial(counts.sum(), counts / counts.sum(), size=SAMPLES) @ scores / counts.sum()
