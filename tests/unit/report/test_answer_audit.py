"""Sorting predictions into kinds, on hand-made answers; the tables, the figure and the page made from them."""

import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from gorp.cli import main
from gorp.data.tasks import BUNDLED
from gorp.metrics.answers import score_predictions
from gorp.report.answer_audit import KINDS, count_answers, count_kinds, count_owners, examples, sort_answers
from gorp.report.audit_page import EXAMPLES, write_audit
from gorp.util.files import read_jsonl, write_jsonl

LABELS = {
    "moods": ["Good", "Bad", "So-so"],
    "topics": ["Sports", "Sci/Tech"],
    "signs": ["+", "-"],
    "stories": [],
}
ANSWERS = [  # task, target, prediction, kind, answer, owner
    ("moods", "Good", "good.", "right", "Good", ""),
    ("moods", "Good", " BAD ", "wrong label", "Bad", ""),
    ("moods", "So-so", "soso", "right", "So-so", ""),
    ("moods", "Good", "", "empty", "[empty]", ""),
    ("moods", "Good", " \n", "empty", "[empty]", ""),
    ("moods", "Good", "sports", "foreign label", "[foreign label]", "topics"),
    ("moods", "Good", "+", "foreign label", "[foreign label]", "signs"),
    ("moods", "Good", "Goood", "misspelt", "[misspelt]", ""),
    ("moods", "Bad", "Goood", "no label", "[no label]", ""),
    ("moods", "Bad", "!?", "no label", "[no label]", ""),
    ("moods", "Bad", "b" * 20, "no label", "[no label]", ""),
    ("moods", "Bad", "b" * 21, "too long", "[too long]", ""),
    ("moods", "Bad", "Good " * 5, "too long", "[too long]", ""),
    ("moods", "-", "Good", "no target", "Good", ""),
    ("moods", "-", "", "no target", "[no target]", ""),
    ("moods", "-", "-", "right", "[right]", ""),
    ("topics", "Sci/Tech", "SciTech", "right", "Sci/Tech", ""),
    ("topics", "Sci/Tech", "Sci-Teck", "misspelt", "[misspelt]", ""),
    ("topics", "Sports", "Good", "foreign label", "[foreign label]", "moods"),
    ("signs", "+", "+", "right", "+", ""),
    ("signs", "+", "-", "wrong label", "-", ""),
    ("stories", "once", "Once!", "right", "[right]", ""),
    ("stories", "once", "", "empty", "[empty]", ""),
    ("stories", "once", "Good", "other text", "[other text]", ""),
    ("stories", "once", "a " * 99, "other text", "[other text]", ""),
]


def predictions(answers=ANSWERS):
    return [
        {"task": task, "id": number, "target": target, "prediction": prediction}
        for number, (task, target, prediction, *_) in enumerate(answers)
    ]


@pytest.mark.parametrize("number", range(len(ANSWERS)), ids=[f"{a[0]}-{a[1]}-{a[2][:9]!r}" for a in ANSWERS])
def test_the_kind_of_an_answer(number):
    answers = sort_answers(predictions(), LABELS)
    assert tuple(answers.loc[number, ["task", "target", "prediction", "kind", "answer", "owner"]]) == ANSWERS[number]


def test_a_label_of_two_tasks_and_a_limit_that_follows_the_labels():
    labels = {"a": ["yes", "no"], "b": ["left", "right"], "c": ["left", "x" * 15]}
    rows = [("a", "yes", "Left"), ("a", "yes", "y" * 30), ("a", "yes", "y" * 31)]
    answers = sort_answers(predictions(rows), labels)
    assert answers["kind"].tolist() == ["foreign label", "no label", "too long"]
    assert answers["owner"].tolist() == ["b, c", "", ""]


def test_right_is_what_exact_match_counts():
    answers = sort_answers(predictions(), LABELS)
    share = (answers["kind"] == "right").groupby(answers["task"]).mean()
    scores = score_predictions(predictions())
    assert {task: score["exact_match"] for task, score in scores.items()} == pytest.approx((100 * share).to_dict())


def test_kinds_by_task():
    table = count_kinds(sort_answers(predictions(), LABELS))
    assert list(table) == ["task", "rows", *KINDS]
    assert table["task"].tolist() == list(LABELS)
    assert table.set_index("task").loc["moods"].tolist() == [16, 3, 2, 2, 2, 1, 2, 1, 3, 0]
    assert table["rows"].sum() == len(ANSWERS)


def test_confusion():
    """A task's labels in their own order, even ones without rows; kinds after them; none for a task without labels."""
    table = count_answers(sort_answers(predictions(), LABELS), LABELS)
    assert set(table["task"]) == {"moods", "topics", "signs"}
    moods = table[table["task"] == "moods"][["target", "answer", "rows"]].values.tolist()
    assert moods == [
        ["Good", "Good", 1],
        ["Good", "Bad", 1],
        ["Good", "[empty]", 2],
        ["Good", "[foreign label]", 2],
        ["Good", "[misspelt]", 1],
        ["Bad", "[too long]", 2],
        ["Bad", "[no label]", 3],
        ["So-so", "So-so", 1],
        ["-", "Good", 1],
        ["-", "[right]", 1],
        ["-", "[no target]", 1],
    ]


def test_whose_labels_and_examples():
    rows = [("moods", "Bad", "Sports")] * 2 + [("moods", "Good", "+"), ("moods", "Good", "Sports")] * 2
    answers = sort_answers(predictions(rows), LABELS)
    assert count_owners(answers).values.tolist() == [["moods", "topics", 4], ["moods", "signs", 2]]
    found = examples(sort_answers(predictions([*rows, rows[2]]), LABELS), "foreign label", 2)
    assert found[["rows", "target", "prediction", "id"]].values.tolist() == [
        [3, "Good", "+", 2],
        [2, "Bad", "Sports", 0],
    ]


class Page(HTMLParser):
    """The text of a page outside figures and styles; fails on tags that do not close in turn, or load other files."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "img")
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"svg", "style"} & set(self.open):
            self.words.append(" ".join(data.split()))

    @property
    def text(self):
        return " ".join(filter(None, self.words))


def audit(folder, rows, labels=LABELS, sentences=None):
    write_audit(sort_answers(rows, labels), labels, sentences or {}, "Audit of <p>", folder)
    return Page((folder / "audit.html").read_text())


def test_the_page(tmp_path):
    sentences = {("moods", 5): "One & <b>only</b>.", ("moods", 12): "w" * 400}
    page = audit(tmp_path, predictions(), sentences=sentences)
    assert page.text.startswith("Audit of <p> Audit of <p> 25 answers to 4 tasks; 6 right (24.0 %).")
    assert "forgetting: 3." in page.text
    assert (
        "Examples: foreign label rows task target answer one of the sentences 1 moods Good sports One & <b>only</b>."
        in page.text
    )
    assert "w" * 300 + " ..." in page.text
    assert "w" * 301 not in page.text
    assert "Examples: right" not in page.text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audit.html",
        "confusion.csv",
        "confusion.svg",
        "kinds.csv",
    ]
    assert pd.read_csv(tmp_path / "kinds.csv").equals(count_kinds(sort_answers(predictions(), LABELS)))
    svg = (tmp_path / "confusion.svg").read_text()
    assert svg[svg.index("<svg") :] in (tmp_path / "audit.html").read_text()


def test_the_page_leaves_out_what_is_not_there(tmp_path):
    page = audit(tmp_path / "right", predictions(ANSWERS[:1]))
    assert "Examples" not in page.text
    assert "Whose labels" not in page.text
    page = audit(tmp_path / "stories", predictions([a for a in ANSWERS if a[0] == "stories"]))  # no labels at all
    assert "Examples: other text" in page.text
    assert (tmp_path / "stories/confusion.csv").read_text() == "task,target,answer,rows\n"
    rows = predictions([("moods", "Good", f"text {i}") for i in range(EXAMPLES + 5)])
    assert audit(tmp_path / "many", rows).text.count(" moods Good text ") == EXAMPLES


def test_the_same_answers_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        audit(tmp_path / name, predictions())
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


# ---- the command ----


def run(tmp_path, rows, *options):
    write_jsonl(tmp_path / "p.jsonl", rows)
    arguments = [
        "--predictions",
        str(tmp_path / "p.jsonl"),
        "--benchmark",
        "bundled",
        "--output",
        str(tmp_path / "out"),
    ]
    return main(["audit", *arguments, *options])


def test_the_command(tmp_path):
    """Labels come from the benchmark, sentences from rendered rows."""
    data = tmp_path / "amazon.jsonl"
    assert main(["preprocess", *f"--benchmark bundled --task amazon --split test --output {data}".split()]) == 0
    rows = [{**row, "prediction": row["target"], "rows": 6} for row in read_jsonl(data)[:6]]
    rows[3]["prediction"] = "Sports"
    rows.append({"task": "agnews", "id": 0, "target": "World", "prediction": "World"})
    assert run(tmp_path, rows, "--data", str(data)) == 0
    table = pd.read_csv(tmp_path / "out/kinds.csv").set_index("task")
    assert table.loc["amazon", ["rows", "right", "foreign label"]].tolist() == [6, 5, 1]
    sentence = json.loads((BUNDLED / "SC/amazon/test.json").read_text())[3]["sentence"]
    text = Page((tmp_path / "out/audit.html").read_text()).text
    assert " ".join(sentence.split()) in text
    assert "Option:" not in text  # the sentence alone, not the prompt


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "p.jsonl: there are no rows; delete the file"),
        ([{"task": "amazon", "id": 0, "target": "x"}], "p.jsonl: line 1 has no prediction"),
        (
            [{"task": "amazn", "id": 0, "target": "x", "prediction": ""}],
            "line 1: no task 'amazn' in .*did you mean amazon",
        ),
        ([5], "line 1 has no task"),
    ],
)
def test_wrong_predictions(tmp_path, rows, message, capsys):
    assert run(tmp_path, rows) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
