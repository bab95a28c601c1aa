"""What `gorp status` says of a results folder."""

import json
import time

import pytest

from gorp.cli import main
from gorp.errors import UserError
from gorp.files import write_json
from gorp.progress import PROGRESS, Progress
from gorp.status import duration, read_config, state_of, status

CONFIG = {
    "run": "r",
    "methods": ["gorp", "seqlora"],
    "seeds": [0, 1],
    "evaluate": "full",
    "orders": {"s": {"ab": ["a", "b"], "abc": ["a", "b", "c"], "ac": ["a", "c"]}},
}
STAGE = {"steps": 3, "losses": [2.0, 1.5, 1.25], "seconds": 300.0}


def test_one_row_a_stage_and_its_state(tmp_path):
    own = tmp_path / "r/stages/s/gorp/seed0"
    write_json(own / "a/stage.json", STAGE)
    write_json(own / "a/scores.json", {})
    write_json(own / "a/b/stage.json", STAGE)
    running = {"done": 5, "total": 9, "seconds_each": 2.0, "seconds_left": 8.0, "time": time.time(), "loss": "0.5000"}
    write_json(own / "a/c" / PROGRESS, running)
    write_json(own / "a/b/c" / PROGRESS, running | {"time": time.time() - 1000})
    table = status(CONFIG, tmp_path)
    assert len(table) == 2 * 2 * 4  # stages that orders share stand once
    found = {row.stage: (row.state, row.detail) for row in table[:4].itertuples()}
    assert found == {
        "a": ("scored", "3 steps, loss 1.2500, 5 min"),
        "a/b": ("trained", "3 steps, loss 1.2500, 5 min"),
        "a/c": ("training", "step 5/9, loss 0.5000, 8 s left"),
        "a/b/c": ("stopped", "step 5/9, loss 0.5000, silent for 17 min"),
    }
    assert set(table[4:]["state"]) == {"to come"}


def test_slow_steps_are_not_taken_for_a_stop(tmp_path):
    slow = {"done": 1, "total": 2, "seconds_each": 300.0, "seconds_left": 300.0, "loss": "1"}
    write_json(tmp_path / PROGRESS, slow | {"time": time.time() - 1000})
    assert state_of(tmp_path, tmp_path / "scores.json")[0] == "training"


def test_with_final_evaluation_a_stage_is_scored_on_its_own_task(tmp_path):
    own = tmp_path / "r/stages/s/gorp/seed0"
    write_json(own / "a/stage.json", STAGE)
    write_json(own / "a/only/a/scores.json", {})
    final = {**CONFIG, "evaluate": "final", "orders": {"s": {"ab": ["a", "b"]}}}
    assert list(status(final, tmp_path)["state"][:2]) == ["scored", "to come"]
    assert list(status({**final, "evaluate": "full"}, tmp_path)["state"][:2]) == ["trained", "to come"]


def test_progress_keeps_a_file_until_the_end(tmp_path):
    file = tmp_path / PROGRESS
    with Progress("x", 3, every=0, file=file) as progress:
        progress.advance(loss="0.1")
        assert json.loads(file.read_text())["done"] == 1
        assert json.loads(file.read_text())["loss"] == "0.1"
        progress.advance(2, loss="0.2")
    assert not file.exists()
    with pytest.raises(KeyError), Progress("x", 3, every=0, file=file) as progress:
        progress.advance()
        raise KeyError
    assert file.exists(), "a training that stopped can be told from one that never began"


def test_the_command(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(json.dumps(CONFIG))
    (tmp_path / "over.yaml").write_text("methods: seqlora\nseeds: [4]\norders: {other: null}\n")
    files = [str(tmp_path / name) for name in ("config.yaml", "over.yaml")]
    assert main(["status", "--configfile", *files, "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "4 stages: 4 to come" in out
    assert out.count("seqlora") == 4
    with pytest.raises(UserError, match=r"over\.yaml: it lacks 'run'"):
        read_config([tmp_path / "over.yaml"])


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10 s"), (150, "2 min"), (7500, "2 h 05 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text
