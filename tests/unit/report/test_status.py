"""What `gorp status` says of a results folder."""

import json
import os
import re
import time

import pytest

from gorp.cli import main
from gorp.methods.registry import settings_of
from gorp.report.job_log import last_error, read_log
from gorp.report.status import duration, read_config, state_of, status
from gorp.util.errors import UserError
from gorp.util.files import write_json
from gorp.util.progress import PROGRESS, Progress

CONFIG = {
    "run": "r",
    "methods": ["gorp", "seqlora"],
    "seeds": [0, 1],
    "evaluate": "full",
    "orders": {"s": {"ab": ["a", "b"], "abc": ["a", "b", "c"], "ac": ["a", "c"]}, "dropped": None},
}
RUNNING = {"done": 5, "total": 9, "seconds_each": 2.0, "seconds_left": 8.0, "loss": "0.5000"}


def write_stage(run, stage, **changes):
    """A stage.json below run/stages, SUITE/METHOD/seedN/TASK/..."""
    info = {"tasks": stage.split("/")[3:], "steps": 3, "losses": [2.0, 1.5, 1.25], "seconds": 300.0}
    info |= {"peak_memory_mb": 9.0, "trainable": {"lora": 1, "full_rank": 0}, **changes}
    write_json(run / "stages" / stage / "stage.json", info)


def write_log(run, kind, place, text, age=0.0):
    log = run / "logs" / kind / f"{place}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    os.utime(log, (time.time() - age,) * 2)


def states(table):
    return {row.stage: (row.state, row.detail) for row in table.itertuples()}


def test_one_row_a_stage_and_its_state(tmp_path):
    run, own = tmp_path / "r", "s/gorp/seed0"
    write_stage(run, f"{own}/a")
    write_json(run / f"stages/{own}/a/scores.json", {})
    write_stage(run, f"{own}/a/b")
    write_json(run / f"stages/{own}/a/c" / PROGRESS, RUNNING | {"time": time.time()})
    write_json(run / f"stages/{own}/a/b/c" / PROGRESS, RUNNING | {"time": time.time() - 1000})
    table = status(CONFIG, tmp_path)
    assert len(table) == 2 * 2 * 4  # stages that orders share stand once
    assert states(table[:4]) == {
        "a": ("scored", "3 steps, loss 1.2500, 5 min"),
        "a/b": ("trained", "3 steps, loss 1.2500, 5 min"),
        "a/c": ("training", "step 5/9, loss 0.5000, 8 s left"),
        "a/b/c": ("stopped", "step 5/9, loss 0.5000, silent for 17 min"),
    }
    assert set(table[4:]["state"]) == {"pending"}
    assert list(status(CONFIG, tmp_path, ["ac"])["stage"][:2]) == ["a", "a/c"]
    with pytest.raises(UserError, match="no order 'abd' in the config; did you mean ab or abc"):
        status(CONFIG, tmp_path, ["abd"])


LINE = "train a: 3/9, 6 s, 12 s left, loss 0.7000\n"
FAILED = "Traceback (most recent call last):\n  File x\n    y\nRuntimeError: no memory\n"
LOGS = {  # the log of a training without stage.json, seconds since it was written: state and detail
    "": (0, "training", "before its first step"),
    LINE: (0, "training", "3/9, 6 s, 12 s left, loss 0.7000"),
    f"{LINE}\n": (700, "stopped", "3/9, 6 s, 12 s left, loss 0.7000, silent for 12 min"),
    f"{LINE}gorp train: error: b.lora_A, step 4: the gradient is not finite\n": (
        0,
        "failed",
        "b.lora_A, step 4: the gradient is not finite",
    ),
    FAILED: (0, "failed", "RuntimeError: no memory"),
    f"{FAILED}{LINE}": (
        0,
        "training",
        "3/9, 6 s, 12 s left, loss 0.7000",
    ),  # an earlier attempt's, or another library's
    f"{LINE}gorp train: error: stopped by SIGTERM; the 3 steps done are saved\n": (
        0,
        "stopped",
        "3/9, 6 s, 12 s left, loss 0.7000, stopped by SIGTERM; the 3 steps done are saved",
    ),
    "Traceback (most recent call last):\n  x\nKeyboardInterrupt\n": (
        0,
        "stopped",
        "before its first step, KeyboardInterrupt",
    ),
}


@pytest.mark.parametrize("text", LOGS)
def test_the_log_tells_what_failed(tmp_path, text):
    age, *expected = LOGS[text]
    write_log(tmp_path, "train", "s/gorp/seed0/a", text, age)
    assert state_of(tmp_path, "s/gorp/seed0/a", "s/gorp/seed0/a/scores.json") == tuple(expected)


def test_the_error_of_a_process_is_shown_rather_than_its_launchers(tmp_path):
    """As torchrun prints them, after other output."""
    own = "".join(f"[rank1]: {line}\n" for line in FAILED.splitlines())
    launcher = FAILED.replace("RuntimeError: no memory", "ChildFailedError: ")
    (tmp_path / "log").write_text(f"{LINE}a warning\n{own}{launcher}")
    assert last_error(read_log(tmp_path / "log")) == "RuntimeError: no memory"
    assert last_error(f"gorp train, process 1: error: x: no such file\n{launcher}") == "x: no such file"


def test_a_training_that_failed_stays_failed_whatever_its_progress_said(tmp_path):
    write_json(tmp_path / "stages/s/gorp/seed0/a" / PROGRESS, RUNNING | {"time": time.time()})
    write_log(tmp_path, "train", "s/gorp/seed0/a", f"{LINE}{FAILED}")
    assert state_of(tmp_path, "s/gorp/seed0/a", "s/gorp/seed0/a/scores.json")[0] == "failed"


@pytest.mark.parametrize("step", ["predict", "score"])
def test_a_stage_whose_prediction_failed(tmp_path, step):
    write_stage(tmp_path, "s/gorp/seed0/a")
    place = "s/gorp/seed0/a" if step == "predict" else "stages/s/gorp/seed0/a"
    write_log(tmp_path, step, place, f"gorp {step}: error: x.jsonl: no such file\n")
    found = state_of(tmp_path, "s/gorp/seed0/a", "s/gorp/seed0/a/scores.json")
    assert found == ("failed", f"{step}: x.jsonl: no such file")


@pytest.mark.parametrize("content", ['{"tasks": ["a"], "ste', "", "[]", "{}", '{"losses": []}'])
@pytest.mark.parametrize("file", ["stage.json", PROGRESS])
def test_a_damaged_file_is_a_state(tmp_path, file, content):
    folder = tmp_path / "stages/s/gorp/seed0/a"
    folder.mkdir(parents=True)
    (folder / file).write_text(content)
    state, detail = state_of(tmp_path, "s/gorp/seed0/a", "s/gorp/seed0/a/scores.json")
    assert state == "damaged"
    assert detail.startswith(f"{folder / file}: ")


def test_slow_steps_are_not_taken_for_a_stop(tmp_path):
    slow = {"done": 1, "total": 2, "seconds_each": 300.0, "seconds_left": 300.0, "loss": "1"}
    write_json(tmp_path / "stages/s/gorp/seed0/a" / PROGRESS, slow | {"time": time.time() - 1000})
    assert state_of(tmp_path, "s/gorp/seed0/a", "s/gorp/seed0/a/scores.json")[0] == "training"


def test_with_final_evaluation_a_stage_is_scored_on_its_own_task(tmp_path):
    write_stage(tmp_path / "r", "s/gorp/seed0/a")
    write_json(tmp_path / "r/stages/s/gorp/seed0/a/only/a/scores.json", {})
    final = {**CONFIG, "evaluate": "final", "orders": {"s": {"ab": ["a", "b"]}}}
    assert list(status(final, tmp_path)["state"][:2]) == ["scored", "pending"]
    assert list(status({**final, "evaluate": "full"}, tmp_path)["state"][:2]) == ["trained", "pending"]


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


@pytest.fixture
def shown(tmp_path, capsys):
    """`shown(*arguments)`: what the command prints of results below tmp_path, with config.yaml."""
    (tmp_path / "config.yaml").write_text(json.dumps(CONFIG))
    (tmp_path / "over.yaml").write_text("methods: seqlora\nseeds: [4]\norders: {other: null}\n")

    def show(*arguments):
        assert main(["status", *arguments, "--results", str(tmp_path / "results")]) == 0
        return capsys.readouterr().out

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        yield show


def test_the_orders_that_were_begun(shown, tmp_path):
    run = tmp_path / "results/r"
    assert "not begun: ab, abc, ac; gorp status ORDER shows its stages" in shown()
    write_log(run, "train", "s/gorp/seed0/a", LINE)
    out = shown()
    assert "\n8 stages: 1 training, 7 pending\nnot begun: abc, ac; " in out, (
        "a is the beginning of all; ab is the first"
    )
    write_stage(run, "s/gorp/seed0/a")
    write_log(run, "train", "s/gorp/seed0/a/c", LINE)
    assert "not begun: ab, abc; " in shown(), "what the others begin with belongs to ac as well"
    (run / "ab").mkdir()
    (run / "ab/summary.csv").touch()
    assert "not begun: abc; " in shown()
    assert "4 stages: " not in shown("abc")
    assert "\n12 stages: 1 trained, 11 pending\nnot shown: ab, ac; " in shown("abc")


def test_the_run(shown, tmp_path, capsys):
    """The last one by its logs; a method and a seed that only the command line of snakemake named are found."""
    results = tmp_path / "results"
    (results / "models/logs").mkdir(parents=True)
    write_log(results / "r", "train", "s/gorp/seed0/a", LINE, age=50)
    (results / "r/stages").mkdir()
    write_stage(results / "real", "s/new/seed7/a/b")
    write_stage(results / "real", "t/gorp/seed0/x")
    write_log(results / "real", "train", "s/new/seed7/a/b", LINE, age=5)
    out = shown()
    assert out.startswith("run real; others, with --run NAME: r\n")
    assert re.search(r"^s +new +7 +a/b +trained ", out, re.MULTILINE)
    assert "1 stages belong to no order of the config, such as t/gorp/seed0/x: add --configfile" in out
    assert shown("--run", "r").startswith("run r; others, with --run NAME: real\n")
    assert shown("--configfile", "config.yaml").startswith("run r; ")
    assert main(["status", "--run", "rael", "--results", str(results)]) == 1
    assert "--run: no run 'rael' in" in (error := capsys.readouterr().err) and "did you mean real?" in error


def test_config_files_are_laid_over_each_other(shown, tmp_path):
    out = shown("ab", "--configfile", "config.yaml", "over.yaml")
    assert "2 stages: 2 pending" in out
    assert out.count("seqlora") == 2
    alone = read_config([tmp_path / "over.yaml"], settings_of)
    assert alone["seeds"] == [4] and alone["run"] == "demo", "what it lacks is that of the workflow's own config.yaml"
    for text, message in (("seeds: [x]", "seeds: number 1: expected"), ("orders: 5", "orders: expected")):
        (tmp_path / "over.yaml").write_text(text)
        with pytest.raises(UserError, match=message):
            read_config([tmp_path / "config.yaml", tmp_path / "over.yaml"], settings_of)


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10 s"), (150, "2 min"), (7500, "2 h 05 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text
