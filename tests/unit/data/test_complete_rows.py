"""Rows that were lost are found and named, in rendered rows and in predictions, by each command that reads them."""

import pytest

from gorp.cli import main
from gorp.data.complete_rows import fault_of, read_complete
from gorp.data.prompts import render
from gorp.train.stage import train_stage
from gorp.util.errors import UserError
from gorp.util.files import read_jsonl, write_jsonl


def numbered(*ids, rows=None):
    return [{"task": "a", "id": i} | ({} if rows is None else {"rows": rows}) for i in ids]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (numbered(0, 1, 2, rows=3), ""),
        (numbered(5, 5, "x"), ""),  # from elsewhere: it says nothing of a number
        (numbered(0, 1, rows=5), "2 of 5 rows are there; missing: id 2 to 4"),
        (numbered(1, 3, 4, 6, rows=8), "4 of 8 rows are there; missing: id 0, 2, 5, 7"),
        (numbered(*range(1, 40, 3), rows=40), "missing: id 0, 2 to 3, 5 to 6, 8 to 9, 11 to 12, and 9 more gaps"),
        (numbered(0, 1, 1, rows=3), "missing: id 2"),
        (numbered(0, 1, 1, 2, rows=3), "id 1 appears 2 times"),
        (numbered(0, 2, 1, rows=3), "its ids are not in order"),
        (numbered(0, 1, 7, rows=2), "id 7 is not one of 0 to 1"),
        (numbered(0, 1, [], rows=2), "id [] is not one of 0 to 1"),
        (numbered(0, rows=10**15), "missing: id 1 to 999999999999999"),
        (numbered(0, rows=2) + numbered(1, rows=3), "one number under 'rows'; they have 2 and 3"),
        (numbered(0, rows=2) + numbered(1), "one number under 'rows'; they have 2 and None"),
        (numbered(0, rows="1"), "one number under 'rows'; they have 1"),
    ],
)
def test_what_is_wrong_with_the_rows_of_a_task(rows, fault):
    found = fault_of(rows)
    assert found.endswith(fault)
    assert bool(found) == bool(fault)


@pytest.fixture
def files(tasks, tmp_path):
    """Rendered rows of two tasks, and predictions for them, as the commands write them."""
    rendered = []
    for number, task in enumerate(("amazon", "agnews")):
        file = tmp_path / f"{task}.jsonl"
        assert main(f"preprocess --benchmark bundled --task {task} --split test --output {file}".split()) == 0
        rows = read_jsonl(file)[: 4 + number]
        write_jsonl(file, [{**row, "rows": len(rows)} for row in rows])
        rendered.append(file)
    predicted = tmp_path / "predictions.jsonl"
    keys = ("task", "group", "id", "target", "rows")
    rows = [{key: row[key] for key in keys} for file in rendered for row in read_jsonl(file)]
    write_jsonl(predicted, [{**row, "prediction": row["target"]} for row in rows])
    return *rendered, predicted


DAMAGE = {  # lines of a whole file of 4 or 9 -> lines of the damaged one, what is said
    "the last row": (lambda lines: lines[:-1], ": task {last}: {left} of {all} rows are there; missing: id {left};"),
    "a row within": (lambda lines: lines[:1] + lines[2:], ": task amazon: 3 of 4 rows are there; missing: id 1;"),
    "a row twice": (lambda lines: lines[:2] + lines[1:], ": task amazon: id 1 appears 2 times;"),
    "half a row": (lambda lines: [*lines[:2], lines[2][:20], *lines[3:]], ": line 3 is not JSON"),
    "all rows": (lambda lines: [], ": there are no rows;"),
}


@pytest.mark.parametrize("command", ["train", "predict", "score", "audit"])
@pytest.mark.parametrize("what", DAMAGE)
def test_each_command_names_the_file_and_what_it_lacks(files, micros, tmp_path, capsys, what, command):
    amazon, agnews, predicted = files
    rendered = command in ("train", "predict")
    damaged, made_by = (amazon, "gorp preprocess") if rendered else (predicted, "gorp predict")
    damage, message = DAMAGE[what]
    lines = damage(damaged.read_text(encoding="utf-8").splitlines())
    damaged.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    output, model = tmp_path / "out", micros["t5"].path
    options = {
        "train": ["--model", model, "--data", amazon, "--method", "gorp"],
        "predict": ["--model", model, "--data", agnews, amazon],
        "score": ["--predictions", predicted],
        "audit": ["--predictions", predicted, "--benchmark", "bundled", "--data", amazon, agnews],
    }
    capsys.readouterr()
    assert main([command, *map(str, options[command]), "--output", str(output)]) == 1
    last, count = ("amazon", 4) if rendered else ("agnews", 5)
    error = capsys.readouterr().err
    assert f"{damaged}{message.format(last=last, left=count - 1, all=count)}" in error
    assert f"delete the file and run the snakemake command again, or make it again with {made_by}\n" in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_predictions_without_a_whole_task(files, tmp_path, capsys):
    """The tasks that must be there are known to the one who asks for scores."""
    predicted, output = files[-1], tmp_path / "scores.json"
    write_jsonl(predicted, read_jsonl(predicted)[:4])
    command = ["score", "--predictions", str(predicted), "--output", str(output), "--tasks", "amazon"]
    assert main(command) == 0
    output.unlink()
    assert main([*command, "agnews"]) == 1
    assert f"{predicted}: no prediction rows for: agnews; delete the file and run" in capsys.readouterr().err
    assert not output.exists()


def test_rows_from_elsewhere_need_no_number(micros, tasks, tmp_path):
    family, file = micros["t5"], tmp_path / "own.jsonl"
    row = render({"label": "Good", "sentence": "Fine."}, 0, "own", "SC", "How?\n", ["Good", "Bad"])
    write_jsonl(file, [row, {**row, "id": 0}, {**row, "id": "x"}])
    train_stage(family.path, file, tmp_path / "stage", "gorp", family.settings(), 3, None)
    with pytest.raises(UserError, match=r"own\.jsonl: row 2 has no 'source': not a file from gorp preprocess"):
        write_jsonl(file, [row, {"task": "own"}])
        read_complete(file, "gorp preprocess", ("source",))
