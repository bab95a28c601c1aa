"""Bootstrap intervals: the identity they rest on, their width, and their edges."""

import numpy as np
import pytest

from gorp.metrics.bootstrap import interval


def right(hits, rows):
    """The tally of exact match."""
    return {"0.0": rows - hits, "100.0": hits}


def width(*tallies):
    low, high = interval(tallies)
    return high - low


@pytest.mark.parametrize(
    "tallies", [[right(30, 40), right(9, 20)], [{"0.0": 3, "40.0": 5, "66.7": 9, "100.0": 6}, right(9, 20)]]
)
def test_it_is_the_bootstrap_of_rows(tallies):
    """Against rows really drawn with replacement, within each task."""
    rng = np.random.default_rng(1)
    rows = [np.repeat([float(score) for score in tally], list(tally.values())) for tally in tallies]
    means = np.mean([rng.choice(own, size=(20_000, len(own))).mean(1) for own in rows], 0)
    assert interval(tallies) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.7)


def test_against_the_normal_approximation():
    assert interval([right(8000, 10_000)]) == pytest.approx((80 - 1.96 * 0.4, 80 + 1.96 * 0.4), abs=0.03)


def test_tasks_are_drawn_independently_and_count_the_same():
    assert width(right(500, 1000)) / width(*[right(500, 1000)] * 4) == pytest.approx(2, rel=0.05)
    assert width(right(50, 100), right(5 * 10**5, 10**6)) == pytest.approx(width(right(50, 100)) / 2, rel=0.1)


def test_the_same_scores_give_the_same_interval():
    assert interval([right(5, 8), right(1, 10)]) == interval([right(5, 8), right(1, 10)])


@pytest.mark.parametrize("tally", [right(0, 7), right(7, 7), right(1, 1), {"62.5": 3}])
def test_rows_that_are_all_alike_have_no_width(tally):
    low, high = interval([tally])
    score = max(float(score) for score, count in tally.items() if count)
    assert (low, high) == pytest.approx((score, score), abs=1e-9)
