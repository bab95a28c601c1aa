"""What kinds of answers a stage gives: right, empty, another label, another task's label, no label at all, ...

    answers = sort_answers(read_jsonl("predictions.jsonl"), {"amazon": ["Good", "Bad"]})
    print(count_kinds(answers))

A task without labels (generation, scored by ROUGE) has the kinds right, empty and other text.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import pandas as pd

from gorp.metrics.answers import comparable, exact_match

KINDS = {  # in the order in which they are tried: an answer is of the first that fits
    "right": "the target, apart from case, punctuation and white space, as in exact match",
    "no target": "the target is no label of the task, so that no label is right (MNLI has rows labelled -)",
    "empty": "no text",
    "too long": "over twice as long as the longest label of all tasks, and over 20 characters: the model did not stop",
    "wrong label": "another label of the same task",
    "foreign label": "a label of another task and none of its own: the sign of forgetting",
    "misspelt": "no label, but closest to the right one",
    "no label": "any other text",
    "other text": "in a task without labels: any text that is not the target",
}
LONG = 20  # characters
ALIKE = 0.8  # difflib's ratio, from which on a text is a misspelt label

Labels = Mapping[str, Sequence[str]]  # by task; none for a task without labels


def sort_answers(rows: Iterable[Mapping], labels: Labels) -> pd.DataFrame:
    """One line a prediction: task, id, target, prediction, kind, answer, owner.

    rows: {"task": str, "id", "prediction": str, "target": str} each; labels: those of every task among them.
    answer: the label that was given, as its task spells it, or the kind in brackets where none was.
    owner: of a foreign label, the tasks whose label it is, joined by ", "; else "".
    """
    known = {task: {comparable(label): label for label in names} for task, names in labels.items()}
    longest = max((len(label) for names in labels.values() for label in names), default=0)
    sorted_already: dict[tuple[str, str, str], tuple[str, str, str]] = {}  # in classification pairs are few
    lines = []
    for row in rows:
        pair = (row["task"], row["prediction"], row["target"])
        if pair not in sorted_already:
            kind = kind_of(*pair, known, max(LONG, 2 * longest))
            own = known[row["task"]].get(comparable(row["prediction"]), f"[{kind}]")
            owner = ", ".join(owners(row["prediction"], known)) if kind == "foreign label" else ""
            sorted_already[pair] = (kind, own, owner)
        lines.append([row["task"], row["id"], row["target"], row["prediction"], *sorted_already[pair]])
    return pd.DataFrame(lines, columns=["task", "id", "target", "prediction", "kind", "answer", "owner"])


def kind_of(task: str, prediction: str, target: str, known: Mapping[str, Mapping[str, str]], longest: int) -> str:
    """The first of KINDS that fits. known: labels by their comparable form, by task; longest: characters of a label."""
    own, text = known[task], comparable(prediction)
    if exact_match(prediction, target):
        return "right"
    if own and comparable(target) not in own:
        return "no target"
    if not prediction.strip():
        return "empty"
    if not own:
        return "other text"
    if len(prediction) > longest:
        return "too long"
    if text in own:
        return "wrong label"
    if owners(prediction, known):
        return "foreign label"
    near = difflib.get_close_matches(text, own, n=1, cutoff=ALIKE)
    return "misspelt" if near == [comparable(target)] else "no label"


def owners(text: str, known: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The tasks that have a text as a label."""
    return [task for task, own in known.items() if comparable(text) in own]


# ---- tables ----


def count_kinds(answers: pd.DataFrame) -> pd.DataFrame:
    """Rows by task (in the order of `answers`) and kind (that of KINDS): task, rows, then a column for each kind."""
    table = pd.crosstab(answers["task"], answers["kind"])
    table = table.reindex(index=answers["task"].unique(), columns=list(KINDS), fill_value=0)
    table.insert(0, "rows", table.sum(axis=1))
    return table.rename_axis(columns=None).reset_index()


def count_answers(answers: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """The confusion matrices as one long table: task, target, answer, rows (at least one)."""
    tables = []
    for task, part in answers.groupby("task", sort=False):
        if names := labels[str(task)]:
            stacked = cast(pd.Series, confusion(part, names).stack())
            counts = stacked.rename("rows").rename_axis(["target", "answer"]).reset_index()
            tables.append(counts[counts["rows"] > 0].assign(task=task))
    columns = ["task", "target", "answer", "rows"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def confusion(part: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Rows of one task by target (down) and answer (across): its labels in their order, then what else there is."""
    spelt = {comparable(label): label for label in labels}
    targets = part["target"].map(lambda target: spelt.get(comparable(target), target))
    table = pd.crosstab(targets, part["answer"])
    kinds = [f"[{kind}]" for kind in KINDS if f"[{kind}]" in table.columns]
    others = [target for target in table.index if target not in labels]
    return table.reindex(index=[*labels, *others], columns=[*labels, *kinds], fill_value=0)


def count_owners(answers: pd.DataFrame) -> pd.DataFrame:
    """Foreign labels by whose they are: task, owner, rows, the most frequent first."""
    foreign = answers[answers["kind"] == "foreign label"]
    return (
        foreign.groupby(["task", "owner"], sort=False).size().sort_values(ascending=False).rename("rows").reset_index()
    )


def examples(answers: pd.DataFrame, kind: str, most: int) -> pd.DataFrame:
    """Answers of a kind, the most frequent pairs of target and prediction first: rows, task, target, prediction, id.

    id: that of the first row with the pair; at most `most` pairs.
    """
    groups = answers[answers["kind"] == kind].groupby(["task", "target", "prediction"], sort=False)["id"]
    table = cast(pd.DataFrame, groups.agg(rows="size", id="first"))
    return table.sort_values("rows", ascending=False, kind="stable").reset_index().head(most)
