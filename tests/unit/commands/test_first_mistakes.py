"""Mistakes of first users that had no message, or cost a user's own files."""

import json
import shutil

import pytest
import torch

from gorp.cli import main
from gorp.data.instructions import read_instructions
from gorp.data.tasks import BUNDLED, find_tasks
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.train.stage import train_stage
from gorp.util.errors import UserError
from gorp.util.files import check_output, read_json, read_jsonl, write_jsonl


def fails(capsys, *arguments):
    """The message of a command that fails; one line."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_group_spelt_in_another_case_does_not_lose_its_instruction(tmp_path):
    shutil.copytree(BUNDLED / "SC", tmp_path / "SC")
    entries = read_json(BUNDLED / "instruction_config.json")
    (tmp_path / "instruction_config.json").write_text(json.dumps({"Sc": entries["SC"]}))
    with pytest.raises(UserError, match="no entry 'SC', but one 'Sc'"):
        read_instructions(tmp_path, find_tasks(tmp_path)["amazon"])


def test_rows_of_two_tasks_are_no_training(micros, tasks, tmp_path):
    write_jsonl(tmp_path / "two.jsonl", [*read_jsonl(tasks["moods"]), *read_jsonl(tasks["topics"])])
    family = micros["t5"]
    with pytest.raises(UserError, match="rows of moods and of topics; a stage trains one task"):
        train_stage(family.path, tmp_path / "two.jsonl", tmp_path / "out", "gorp", family.settings(), 3, None)


def test_a_stage_is_not_written_over_its_parent(micros, tasks, chain):
    family, (parent,) = micros["t5"], chain(micros["t5"], "gorp", 1)
    before = (parent / "stage.json").read_bytes()
    with pytest.raises(UserError, match="the output is the parent stage"):
        train_stage(family.path, tasks["topics"], parent, "gorp", family.settings(), 7, parent)
    assert (parent / "stage.json").read_bytes() == before


def test_no_advice_to_delete_a_users_own_file(micros, tasks, tmp_path, capsys):
    own = tmp_path / "own.jsonl"
    write_jsonl(own, [{"label": "Good", "sentence": "Sun."}])
    predict = ["predict", "--model", micros["t5"].path, "--output", tmp_path / "p.jsonl", "--data"]
    line = fails(capsys, *predict, own)
    assert "row 1 has no 'task'" in line and "delete the file" not in line
    assert "it has no stage.json; train it" in fails(capsys, *predict, tasks["moods"], "--stage", tmp_path)


def test_an_output_that_cannot_be_written_is_found_before_the_work(micros, tasks, tmp_path, capsys):
    (tmp_path / "file").touch()
    model = ["--model", micros["t5"].path, "--data", tasks["moods"]]
    train = ["train", *model, "--method", "gorp", "--output"]
    assert "there is a file of this name" in fails(capsys, *train, tmp_path / "file")
    assert "is a file, not a folder" in fails(capsys, *train, tmp_path / "file/stage")
    assert "there is a folder of this name" in fails(capsys, "predict", *model, "--output", tmp_path)
    check_output(tmp_path / "new/folder/file.jsonl")
    check_output(tmp_path / "new/folder", folder=True)
    rows = [{"task": "a", "id": 0, "prediction": "x", "target": "x", "labels": []}]
    write_jsonl(tmp_path / "p.jsonl", rows)
    line = fails(capsys, "score", "--predictions", tmp_path / "p.jsonl", "--output", tmp_path / "file/scores.json")
    assert f"{tmp_path}/file" in line, "no traceback either where it is found at the end"


@pytest.mark.parametrize(
    "option", [("--max-new-tokens", "0"), ("--batch-tokens", "-4"), ("--threads", "0"), ("--max-source-length", "0")]
)
def test_numbers_that_make_no_answer(micros, tasks, capsys, option):
    with pytest.raises(SystemExit):
        main(["predict", "--model", micros["t5"].path, "--data", str(tasks["moods"]), "--output", "x", *option])
    assert f"argument {option[0]}: {option[1]} is not a number from 1" in capsys.readouterr().err


def test_the_optimizer_alone():
    layer = torch.nn.Linear(8, 6, bias=False)
    with pytest.raises(ValueError, match="refresh: no option of a group; did you mean refresh_every"):
        GorpAdamW([{"params": list(layer.named_parameters()), "rank": 2, "refresh": 1}])
    optimizer = GorpAdamW(layer.named_parameters(), rank=2)
    assert optimizer.clip_grad_norm_(1.0) == 0, "as torch's does without gradients"


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    (tmp_path / "a.json").write_text("[1]", encoding="utf-8-sig")
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n', encoding="utf-8-sig")
    assert (read_json(tmp_path / "a.json"), read_jsonl(tmp_path / "a.jsonl")) == ([1], [{"a": 1}])
