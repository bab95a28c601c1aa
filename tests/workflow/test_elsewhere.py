"""The workflow from other folders: by its path, with --directory, and as a module with a prefix, on own tasks."""

import json
import shutil

import pandas as pd
import pytest
import yaml
from calls import REPOSITORY, jobs, run

OUTER = """\
OWN = {{
    "benchmark": "data",
    "model": "model",
    "run": "inner",
    "orders": {{"own": {{"order7": ["tickets", "titles"]}}}},
    "prompts": {{"instruction": "drawn", "shots": 1, "min_rows": 10}},
    "training": {{"epochs": 1, "rank": 4}},
    "prediction": {{"max_new_tokens": 3}},
}}


module gorp:
    snakefile:
        "{repository}/Snakefile"
    config:
        OWN
    prefix:
        "inner/"


use rule * from gorp as gorp_*


rule all:
    default_target: True
    input:
        "inner/results/order7/summary.csv",
        "inner/results/order7/matrix.csv",
        "inner/results/order7/accuracy.svg",
        "inner/results/summary.csv",
        "inner/results/order7/audit/gorp/seed0/audit.html",
"""
OVER = {"training": {"epochs": 1, "rank": 4}, "prediction": {"max_new_tokens": 3}, "run": "there"}
ORDERS = {"orders": {"mine": {"ab": ["amazon", "agnews"]}}}


def copy(project, folder):
    """Data and a model, and nothing of the workflow."""
    for name in ("data", "model"):
        shutil.copytree(project / name, folder / name)
    return folder


@pytest.fixture
def there(project, tmp_path):
    return copy(project, tmp_path)


@pytest.fixture(scope="module")
def outer(project, tmp_path_factory):
    """A workflow of a few keys of the config, the others being those of config.yaml, run on the tasks of the docs."""
    folder = copy(project, tmp_path_factory.mktemp("outer"))
    shutil.copytree(REPOSITORY / "docs/example/data", folder / "data", dirs_exist_ok=True)
    (folder / "Snakefile").write_text(OUTER.format(repository=REPOSITORY))
    done = run(folder)
    assert done.returncode == 0, done.stdout
    return folder


def test_as_a_module_with_a_prefix(outer):
    assert not (outer / "results").exists()
    shown = [f"order7/{name}" for name in ("summary.csv", "matrix.csv", "accuracy.svg")]
    for name in (*shown, "summary.csv", "inner/order7/audit/gorp/seed0/audit.html"):
        assert (outer / "inner/results" / name).is_file()
    assert (outer / "inner/results/inner/stages/own/gorp/seed0/tickets/scores.json").is_file()
    assert "Nothing to be done" in run(outer).stdout


def test_a_real_run_mixes_scores(outer):
    results = outer / "inner/results"
    summary = pd.read_csv(results / "order7/summary.csv").loc[0]
    assert summary["scores"] == "tickets=exact_match titles=rougeL"
    matrix = pd.read_csv(results / "order7/matrix.csv")
    last = matrix[matrix["stage"] == 2].set_index("task")
    assert last["score"].to_dict() == {"tickets": "exact_match", "titles": "rougeL"}
    expected = {task: last.loc[task, last.loc[task, "score"]] for task in last.index}
    assert {task: summary[f"final_{task}"] for task in last.index} == pytest.approx(expected, abs=1e-3)
    assert summary["AA"] == pytest.approx(sum(expected.values()) / 2, abs=1e-3)
    info = json.loads((results / "inner/stages/own/gorp/seed0/tickets/titles/stage.json").read_text())
    assert info["rows"] == 10, "8 rows, repeated"


def test_from_another_folder(there, tmp_path_factory):
    """By the path of the Snakefile, or called from anywhere with --directory."""
    (there / "over.yaml").write_text(yaml.safe_dump({**OVER, **ORDERS, "benchmark": "data", "model": "model"}))
    snakefile, over = ["--snakefile", str(REPOSITORY / "Snakefile")], ["--configfile", str(there / "over.yaml")]
    target = ["--dry-run", "results/ab/summary.csv", "results/summary.csv"]
    expected = {"preprocess": 4, "train": 2, "predict": 2, "predict_only": 1, "predict_zero_shot": 2, "score": 5}
    expected |= {"aggregate": 1, "summarize": 1, "show": 2}
    for folder, options in ((there, []), (tmp_path_factory.mktemp("any"), ["--directory", str(there)])):
        done = run(folder, *snakefile, *options, *target, *over)
        assert jobs(done.stdout) == expected, done.stdout
        assert "profiles/default" in done.stdout, "the workflow's own profile is read"
