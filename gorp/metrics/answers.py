"""Scores of predictions, in percent: exact match, ROUGE and F1.

    python -c "from gorp.metrics.answers import exact_match; print(exact_match('Positive.', 'positive'))"

Imports neither torch nor transformers nor pandas; rouge-score is loaded when the first ROUGE is asked for.
"""

import math
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from types import UnionType

from gorp.metrics.continual import _mean

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


# ---- one prediction ----


def normalise(text: str) -> str:
    """`text` in lower case, without (ASCII) punctuation, white space collapsed: "Sci/Tech. " -> "scitech"."""
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())


def exact_match(prediction: str, target: str) -> bool:
    """Whether both are the same once normalised. An empty prediction is wrong, whatever the target.

    A target of nothing but punctuation (a label such as "+" or "-") would normalise to nothing; it is compared as is.
    """
    wanted = normalise(target)
    if not wanted:
        return bool(prediction.strip()) and prediction.strip() == target.strip()
    return normalise(prediction) == wanted


@cache
def _rouge_scorer(name: str):
    from rouge_score.rouge_scorer import RougeScorer  # takes most of a second

    from gorp.metrics.rouge_tokenizer import Words

    return RougeScorer([name], tokenizer=Words())


def rouge(name: str, prediction: str, target: str) -> float:
    """The F measure of "rouge1" or "rougeL" in percent, over the words of `gorp.metrics.rouge_tokenizer`.

    0 where one text has none.
    """
    return 100.0 * _rouge_scorer(name).score(target, prediction)[name].fmeasure


# of one prediction and its target, in percent
SCORES: dict[str, Callable[[str, str], float]] = {
    "exact_match": lambda prediction, target: 100.0 * exact_match(prediction, target),
    "rouge1": partial(rouge, "rouge1"),
    "rougeL": partial(rouge, "rougeL"),
}


def comparable(text: str) -> str:
    """A form that is the same for texts which exact match takes for the same."""
    return normalise(text) or text.strip()


# ---- many predictions ----


def count_labels(pairs: Iterable[tuple[str, str]], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """{label: {"tp": count, "fp": count, "fn": count}} over (prediction, target) pairs, compared as exact match is.

    A prediction that is none of the labels is a false negative of its target's label, and a false positive of none. A
    target that is none of them (MNLI's "-") makes the label predicted a false positive.
    """
    spelt: dict[str, str] = {}
    for label in labels:
        spelt.setdefault(comparable(label), label)
    counts = {label: {"tp": 0, "fp": 0, "fn": 0} for label in spelt.values()}
    for (prediction, target), count in Counter(pairs).items():
        found, wanted = (spelt.get(comparable(text)) for text in (prediction, target))
        if found is not None:
            counts[found]["tp" if found == wanted else "fp"] += count
        if wanted is not None and found != wanted:
            counts[wanted]["fn"] += count
    return counts


def f1(tp: int, fp: int, fn: int) -> float:
    """2 tp / (2 tp + fp + fn) in percent: the harmonic mean of precision and recall; nan where all are 0."""
    return 200.0 * tp / (2 * tp + fp + fn) if tp or fp or fn else math.nan


def f1_scores(counts: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """{"f1_macro": percent, "f1_micro": percent} of the counts of `count_labels`; {} where no target is a label.

    Macro: the mean of the F1 of each label that occurs as a target; what no row wants has no recall. Micro: the F1 of
    the sums over all labels, those without such rows too.
    """
    wanted = [f1(**each) for each in counts.values() if each["tp"] or each["fn"]]
    return {"f1_macro": _mean(wanted), "f1_micro": f1(**pooled(counts))} if wanted else {}


def pooled(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """{"tp": sum, "fp": sum, "fn": sum} over labels."""
    return {name: sum(each[name] for each in counts.values()) for name in ("tp", "fp", "fn")}


def tally(name: str, pairs: Sequence[tuple[str, str]]) -> dict[float, int]:
    """{score in percent: how many of the (prediction, target) pairs have it}, ascending; `name` is one of `SCORES`.

    Each distinct pair is scored once: in classification they are few.
    """
    counts: Counter[float] = Counter()
    for pair, count in Counter(pairs).items():
        counts[SCORES[name](*pair)] += count
    return dict(sorted(counts.items()))


def mean(counts: Mapping[float, int]) -> float:
    """The mean score of a tally of at least one row."""
    return math.fsum(score * count for score, count in counts.items()) / sum(counts.values())


def score_predictions(rows: Iterable[Mapping], tasks: Sequence[str] = ()) -> dict[str, dict]:
    """Scores by task, in the order in which the tasks first appear.

    rows: {"task": str, "id": int or str, "prediction": str, "target": str} each, and where known "group": str (without
    it a task is a group of its own), "labels": all of the task, none for generation, and "likeliest_label": str. tasks:
    those that must have rows.
    Returns {task: {"group": str, "rows": count, "exact_match": percent, "rouge1": percent, "rougeL": percent,
    "tally": {score: {percent of a row, as text: count of such rows}}}}; "f1_macro", "f1_micro": percent, and
    "label_counts" as of `count_labels`, where labels are known and some target is one; "likelihood_match": percent, the
    exact match of the likeliest labels, where the task has them. The tallies are what a bootstrap over rows needs.
    ValueError names the malformed or repeated row (counting from 1) or the tasks without rows.
    """
    found: dict[str, list[Mapping]] = {}
    ids = set()
    for number, row in enumerate(rows, start=1):
        _check_fields(row, number)
        task, key = row["task"], row["id"]
        if (task, key) in ids:
            raise ValueError(f"prediction row {number}: id {key!r} of task {task!r} appears twice")
        ids.add((task, key))
        first = found.setdefault(task, [row])[0]
        if first is not row:
            found[task].append(row)
        for name in ("group", "labels", "likeliest_label"):
            if (name in row) != (name in first):
                raise ValueError(f"prediction row {number}: only some rows of task {task!r} have {name!r}")
        if row.get("group") != first.get("group"):
            raise ValueError(f"prediction row {number}: task {task!r} is in {first['group']!r} and {row['group']!r}")
        if row.get("labels") != first.get("labels"):
            raise ValueError(f"prediction row {number}: task {task!r} has other labels than in its first row")
    if not found:
        raise ValueError("there are no prediction rows to score")
    if missing := [task for task in tasks if task not in found]:
        raise ValueError(f"no prediction rows for: {', '.join(missing)}")
    return {task: _score_task(task, task_rows) for task, task_rows in found.items()}


def _check_fields(row: Mapping, number: int) -> None:
    """A ValueError that says what is wrong with which prediction row."""
    if not isinstance(row, Mapping):
        raise ValueError(f"prediction row {number} is not an object: {row!r}")
    for name, kind in (("task", str), ("id", int | str), ("prediction", str), ("target", str)):
        if name not in row:
            raise ValueError(f"prediction row {number} has no {name!r}: {dict(row)!r}")
        _check_kind(row, name, kind, number)
    for name in ("group", "likeliest_label"):
        if name in row:
            _check_kind(row, name, str, number)
    labels = row.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"prediction row {number}: 'labels' is {labels!r}, not a list of texts")


def _check_kind(row: Mapping, name: str, kind: type | UnionType, number: int) -> None:
    if not isinstance(row[name], kind):
        wanted = "text" if kind is str else "a number or text"
        raise ValueError(f"prediction row {number}: {name!r} is {row[name]!r}, not {wanted}")


def _score_task(task: str, rows: Sequence[Mapping]) -> dict:
    pairs = [(row["prediction"], row["target"]) for row in rows]
    scores = {"group": rows[0].get("group", task), "rows": len(rows)}
    tallies = {name: tally(name, pairs) for name in SCORES}
    scores |= {name: mean(counts) for name, counts in tallies.items()}
    counts = count_labels(pairs, rows[0].get("labels", []))
    if found := f1_scores(counts):
        scores |= {**found, "label_counts": counts}
    if "likeliest_label" in rows[0]:
        likeliest = [(row["likeliest_label"], row["target"]) for row in rows]
        scores["likelihood_match"] = mean(tally("exact_match", likeliest))
    texts = {name: {str(score): count for score, count in counts.items()} for name, counts in tallies.items()}
    return {**scores, "tally": texts}
