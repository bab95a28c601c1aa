"""Rules that take a second, one at a time: hand-written inputs, and the whole content of what is made of them."""

import json

import pandas as pd
import pytest
from calls import run
from project import make_project

from gorp.util.files import read_jsonl, write_jsonl


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A project in which nothing was run."""
    return make_project(tmp_path_factory.mktemp("rules"))


def make(folder, *targets, rule):
    """Runs one rule alone, whatever would make its inputs; its log and benchmark must be there."""
    done = run(folder, *targets, "--allowed-rules", rule)
    assert done.returncode == 0, done.stdout
    for kind, suffix in (("logs", "log"), ("benchmarks", "tsv")):
        assert list((folder / f"results/test/{kind}/{rule}").rglob(f"*.{suffix}"))


def test_preprocess(fresh):
    make(fresh, "results/test/data/yahoo/dev.jsonl", rule="preprocess")
    rows = read_jsonl(fresh / "results/test/data/yahoo/dev.jsonl")
    given = json.loads((fresh / "data/TC/yahoo/dev.json").read_text())
    instruction = json.loads((fresh / "data/instruction_config.json").read_text())["TC"][0]["instruction"]
    options = ", ".join(json.loads((fresh / "data/TC/yahoo/labels.json").read_text()))
    head = f"Task:TC\nDataset:yahoo\n{instruction}Option: {options} \n"
    assert [row["source"] for row in rows] == [f"{head}{row['sentence']}\nAnswer:" for row in given]
    assert [row["target"] for row in rows] == [row["label"] for row in given]


def test_score(fresh):
    answers = ["Negative", " negative.", "very negative", ""]
    rows = [{"task": "amazon", "id": i, "prediction": text, "target": "negative"} for i, text in enumerate(answers)]
    folder = fresh / "results/test/zero-shot/amazon"
    write_jsonl(folder / "predictions.jsonl", rows)
    make(fresh, "results/test/zero-shot/amazon/scores.json", rule="score")
    scores = json.loads((folder / "scores.json").read_text())["amazon"]
    expected = {"rows": 4, "exact_match": 50.0, "rouge1": pytest.approx(200 / 3), "rougeL": pytest.approx(200 / 3)}
    assert {key: scores[key] for key in expected} == expected


def test_audit(fresh):
    """Labels of the benchmark, predictions of the order's last stage, sentences of the rendered rows."""
    answers = {"amazon": ["negative", "Sports", ""], "agnews": ["World", "very negative", "?"]}
    rows = [
        {"task": task, "id": i, "prediction": text, "target": texts[0]}
        for task, texts in answers.items()
        for i, text in enumerate(texts)
    ]
    for task in answers:
        data = [{"task": task, "id": i, "source": f"Q {task} row {i} A", "sentence_at": [2, -2]} for i in range(3)]
        write_jsonl(fresh / f"results/test/data/{task}/test.jsonl", data)
    write_jsonl(fresh / "results/test/stages/short/gorp/seed0/amazon/agnews/predictions.jsonl", rows)
    make(fresh, "results/test/ab/audit/gorp/seed0/audit.html", rule="audit")
    folder = fresh / "results/test/ab/audit/gorp/seed0"
    kinds = pd.read_csv(folder / "kinds.csv").set_index("task")
    assert kinds.loc["amazon", ["rows", "right", "foreign label", "empty"]].tolist() == [3, 1, 1, 1]
    assert kinds.loc["agnews", ["rows", "right", "foreign label", "no label"]].tolist() == [3, 1, 1, 1]
    page = (folder / "audit.html").read_text()
    for shown in ("amazon row 1", "amazon row 2", "agnews row 1", "agnews row 2"):
        assert f">{shown}<" in page
    assert (folder / "confusion.svg").read_text().startswith("<?xml")
    assert "amazon,negative,[foreign label],1" in (folder / "confusion.csv").read_text().splitlines()
