"""The workflow from other folders: by its path, with --directory, and as a module with a prefix."""

import shutil

import pytest
import yaml
from calls import REPOSITORY, jobs, run

OUTER = """\
OWN = {{
    "benchmark": "data",
    "model": "model",
    "run": "inner",
    "orders": {{"mine": {{"a": ["amazon"]}}}},
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
        "inner/results/a/summary.csv",
        "inner/results/summary.csv",
        "inner/results/a/audit/gorp/seed0/audit.html",
"""
OVER = {"training": {"epochs": 1, "rank": 4}, "prediction": {"max_new_tokens": 3}, "run": "there"}
ORDERS = {"orders": {"mine": {"ab": ["amazon", "agnews"]}}}


@pytest.fixture
def there(project, tmp_path):
    """A folder with data and a model, and nothing of the workflow."""
    for name in ("data", "model"):
        shutil.copytree(project / name, tmp_path / name)
    return tmp_path


def test_as_a_module_with_a_prefix(there):
    """Given a few keys of the config; the others are those of the workflow's own config.yaml."""
    (there / "Snakefile").write_text(OUTER.format(repository=REPOSITORY))
    done = run(there)
    assert done.returncode == 0, done.stdout
    assert not (there / "results").exists()
    for name in ("results/a/summary.csv", "results/summary.csv", "results/inner/a/audit/gorp/seed0/audit.html"):
        assert (there / "inner" / name).is_file()
    assert (there / "inner/results/inner/stages/mine/gorp/seed0/amazon/scores.json").is_file()
    assert "Nothing to be done" in run(there).stdout


def test_from_another_folder(there, tmp_path_factory):
    """By the path of either Snakefile, or called from anywhere with --directory."""
    (there / "over.yaml").write_text(yaml.safe_dump({**OVER, **ORDERS, "benchmark": "data", "model": "model"}))
    over = ["--configfile", str(there / "over.yaml")]
    target = ["--dry-run", "results/ab/summary.csv", "results/summary.csv"]
    expected = {"preprocess": 4, "train": 2, "predict": 2, "predict_only": 1, "predict_zero_shot": 2, "score": 5}
    expected |= {"aggregate": 1, "summarize": 1, "show": 2}
    anywhere = tmp_path_factory.mktemp("any")
    for folder, name, options in (
        (there, "Snakefile", []),
        (anywhere, "workflow/Snakefile", ["--directory", str(there)]),
    ):
        done = run(folder, "--snakefile", str(REPOSITORY / name), *options, *target, *over)
        assert jobs(done.stdout) == expected, done.stdout
        assert "profiles/default" in done.stdout, "the workflow's own profile is read"
