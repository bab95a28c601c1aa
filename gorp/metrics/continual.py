"""What the accuracies after each stage say about learning and forgetting: AA, BWT, FM, LA and FWT, in percent.

The accuracy matrix `a` is a list of T rows, lower-triangular: `a[i][j]`, j <= i, is the score on task j after stage i,
so that row i has i + 1 entries. Counting starts at 0: the last stage is T - 1. Imports the standard library only.
"""

import math
from collections.abc import Callable, Sequence

Matrix = Sequence[Sequence[float]]


# ---- a sequence of tasks ----


def average_accuracy(a: Matrix) -> float:
    """AA = mean_j a[T-1][j]: the accuracy at the end, every task counting the same.

    a: T x T lower-triangular, percent. ValueError if `a` has no rows or is not lower-triangular.
    """
    return _mean(_checked(a)[-1])


def micro_average(a: Matrix, rows: Sequence[int]) -> float:
    """AA_micro = sum_j rows[j] a[T-1][j] / sum_j rows[j]: the accuracy at the end, every instance counting the same.

    a: T x T lower-triangular, percent; rows: T test-set sizes. ValueError as for `average_accuracy`, or if `rows` does
    not have T positive counts.
    """
    last = _checked(a)[-1]
    if len(rows) != len(last) or min(rows) <= 0:
        raise ValueError(f"{len(last)} tasks need as many positive row counts; got {list(rows)}")
    return math.fsum(n * score for n, score in zip(rows, last, strict=True)) / sum(rows)


def backward_transfer(a: Matrix) -> float:
    """BWT = mean_{j < T-1} (a[T-1][j] - a[j][j]): what later tasks did to earlier ones; negative is forgetting.

    a: T x T lower-triangular, percent; returns percentage points, nan for one task. ValueError as for
    `average_accuracy`.
    """
    last = _checked(a)[-1]
    return _mean([last[j] - a[j][j] for j in range(len(a) - 1)])


def forgetting(a: Matrix) -> float:
    """FM = mean_{j < T-1} (max_{j <= i < T-1} a[i][j] - a[T-1][j]): the fall from the best score so far.

    The last stage is not among the best ones, so a task at its best at the end counts negative.
    a: T x T lower-triangular, percent, nan where a stage was not scored; returns percentage points, nan for one task
    or where a score is missing. ValueError as for `average_accuracy`.
    """
    last = _checked(a)[-1]
    if any(math.isnan(score) for row in a for score in row):
        return math.nan
    return _mean([max(row[j] for row in a[j:-1]) - last[j] for j in range(len(a) - 1)])


def learning_accuracy(a: Matrix) -> float:
    """LA = mean_j a[j][j]: the accuracy on each task just after learning it.

    a: T x T lower-triangular, percent. ValueError as for `average_accuracy`.
    """
    return _mean([row[-1] for row in _checked(a)])


def forward_transfer(forward: Sequence[float], zero_shot: Sequence[float]) -> float:
    """FWT = mean_{j < T-1} (forward[j] - zero_shot[j+1]): what the tasks before gave to one not yet trained.

    forward: T - 1 scores, percent, forward[j] of task j + 1 after stage j; zero_shot: T scores of the base model.
    Returns percentage points, nan for one task. ValueError if the lengths do not fit.
    """
    if len(zero_shot) != len(forward) + 1:
        raise ValueError(f"{len(zero_shot)} zero-shot scores need one forward score less; got {len(forward)}")
    return _mean([after - before for after, before in zip(forward, zero_shot[1:], strict=True)])


def _mean(values: Sequence[float]) -> float:
    """The mean; nan of nothing: what compares tasks is undefined for one task."""
    return math.fsum(values) / len(values) if values else math.nan


def _checked(a: Matrix) -> Matrix:
    """`a` itself, or a ValueError that names the row without the right length."""
    if not a:
        raise ValueError("the accuracy matrix has no rows")
    for i, row in enumerate(a):
        if len(row) != i + 1:
            raise ValueError(f"row {i} of the accuracy matrix has {len(row)} entries, not {i + 1}")
    return a


# of the matrix alone: each is a column of an order's summary, in this order, and of the table of all orders
MATRIX_METRICS: dict[str, Callable[[Matrix], float]] = {
    "AA": average_accuracy,
    "BWT": backward_transfer,
    "FM": forgetting,
    "LA": learning_accuracy,
}
