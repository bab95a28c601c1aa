"""docs/api.md does what it says: its examples, run in order, in a folder with the files that it names."""

import re
import shutil

import pytest

import gorp
from gorp.data.tasks import BUNDLED
from gorp.util.files import write_jsonl

TEXT = (BUNDLED.parent / "docs/api.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"((?:.+\n)*)\n((?:    .*\n|\n(?=    ))+)")  # a paragraph, and the code after it


def blocks():
    """(the file that a block is the content of, or "", its code), in order."""
    for before, code in BLOCK.findall(TEXT):
        name = re.search(r"In a file `(.+)`:\n$", before)
        yield name[1] if name else "", re.sub("^    ", "", code, flags=re.MULTILINE)


@pytest.fixture
def folder(micros, task_rows, tmp_path, monkeypatch):
    """What the page assumes, with a model and tasks of this test's size."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(micros["t5"].path, "model")
    for task, rows in zip(("dbpedia", "amazon"), (task_rows["topics"], task_rows["moods"]), strict=True):
        for split in ("train", "test"):
            write_jsonl(tmp_path / f"{task}.{split}.jsonl", [{**row, "task": task} for row in rows])
    return tmp_path


def test_the_examples_run_in_order(folder, capsys):
    scope: dict = {"__name__": "examples"}
    for number, (name, code) in enumerate(blocks(), 1):
        if name:
            (folder / name).write_text(code, encoding="utf-8")
        else:
            exec(compile(code, f"docs/api.md, example {number}", "exec"), scope)
    assert "directions" in capsys.readouterr().out
    assert gorp.read_stage("own").info["method"] == "decay"
    last = [scope["scores"][1][task]["exact_match"] for task in ("dbpedia", "amazon")]
    assert scope["summary"].loc[0, "AA"] == pytest.approx(sum(last) / 2)
    assert (folder / "trained/checkpoint-4").is_dir()
    assert scope["bases"].keys() == {"0.weight", "2.weight"}


def test_each_public_name_has_an_example():
    code = "\n".join(code for _, code in blocks())
    lines = [line[4:] for line in TEXT.splitlines() if line.startswith("    ")]
    assert [line for line in code.splitlines() if line] == lines, "every block is found"
    assert {name for name in gorp.__all__ if not re.search(rf"\bgorp\.{name}\b", code)} == set()
