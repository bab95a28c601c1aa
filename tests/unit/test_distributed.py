"""Two processes, on gloo: the same results as one, by each launcher and whatever DeepSpeed keeps in pieces."""

import dataclasses
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from gorp.adapter import INFO, SPACE, WEIGHTS, read_stage
from gorp.checkpoint import PREFIX, Checkpoint
from gorp.errors import Interrupted
from gorp.evaluation import TABLE, Evaluation
from gorp.predict import predict
from gorp.prompts import Example
from gorp.settings import make_settings
from gorp.train import share, train_stage

WORKER = Path(__file__).with_name("distributed_worker.py")
ZERO = WORKER.parents[2] / "workflow/presets/deepspeed"
BIN = Path(sys.executable).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# the rank that every gradient here has; Adam would blow the rounding in a direction beyond it up to a full step
EXACT = {"lora_dropout": 0.0, "learning_rate": 1e-3, "rank": 3, "epochs": 3}
CONFIGS = {"torchrun": None, "zero0": "zero0", "zero3": "zero3"}
WAYS = {  # what changes no result: (gradient checkpointing, DeepSpeed config)
    f"{name}{'-checkpointing' if on else ''}": (on, config) for name, config in CONFIGS.items() for on in (False, True)
}
BATCHES = {
    "one-pass": {"batch_size": 8, "micro_batch_size": 8},  # 7 rows: 4 and 3
    "four-passes": {"batch_size": 8, "micro_batch_size": 1},  # the last of the second process is empty
    "ragged": {"batch_size": 3, "micro_batch_size": 2},  # 3, 3 and 1: the second process has no row of the last
}
FAMILIES = ("t5", "llama")
BUDGETS = (1, 10**6)  # tokens of a batch of predictions: a row each; or one batch, so that the second process has none


def ways(family: str, batch: str) -> list[str]:
    """Those that train a family on such batches: each pair of family, batch and way is met, not each triple."""
    if batch == "ragged":
        return ["torchrun", "zero3-checkpointing"]
    first = (FAMILIES.index(family) + list(BATCHES).index(batch)) % 2
    return [way for number, way in enumerate(WAYS) if (number + number // 2) % 2 == first]


def launch(command) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[2]), "TQDM_DISABLE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, timeout=600, text=True, env=environment, **pipes)


def launch_cases(cases, file):
    file.write_text(json.dumps(cases))
    return launch([*TORCHRUN, WORKER, file])


def stop_after(steps, monkeypatch):
    """From now on a training in this process gets SIGTERM in its n-th step."""
    original, count = Checkpoint.step_done, []

    def step_done(self, *args):
        count.append(1)
        if len(count) == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, *args)

    monkeypatch.setattr(Checkpoint, "step_done", step_done)


def same(stage, other, what):
    """Losses and tensors equal to 1e-5."""
    assert stage.info["losses"] == pytest.approx(other.info["losses"], abs=1e-5), what
    assert stage.tensors.keys() == other.tensors.keys()
    for key, value in other.tensors.items():
        torch.testing.assert_close(stage.tensors[key], value, atol=1e-5, rtol=0, msg=f"{what}: {key}")


@pytest.fixture(scope="module")
def case(micros, tasks, tmp_path_factory):
    """`case(name, family, ...)`: a case for the worker, its output in a folder of this module."""
    folder = tmp_path_factory.mktemp("distributed")

    def make(name, family, task="moods", parent=None, deepspeed=None, dtype="float32", method="gorp", **changes):
        exact = {key: value for key, value in EXACT.items() if method == "gorp" or key != "rank"}
        settings = dataclasses.asdict(micros[family].settings(method, **exact | changes))
        made = {"model": micros[family].path, "data": str(tasks[task]), "output": str(folder / name), "method": method}
        made |= {"settings": settings, "seed": 7, "parent": parent and str(parent), "dtype": dtype}
        if deepspeed is not None:  # small parameters too are to be in pieces
            config = json.loads((ZERO / f"{deepspeed}.json").read_text())
            config["zero_optimization"] |= {"stage3_param_persistence_threshold": 0}
            (folder / f"{deepspeed}.json").write_text(json.dumps(config))
            deepspeed = str(folder / f"{deepspeed}.json")
        return made | {"deepspeed": deepspeed, "checkpoint_minutes": 60}

    return make


def train_alone(case, evaluation=None, **changes):
    """The same training in this process; returns its stage."""
    case = {**case, **changes}
    settings = make_settings(case["method"], case["settings"])
    parent = Path(case["parent"]) if case["parent"] else None
    common = (case["method"], settings, case["seed"], parent, case["dtype"])
    train_stage(case["model"], Path(case["data"]), Path(case["output"]), *common, evaluation=evaluation)
    return read_stage(case["output"])


@pytest.fixture(scope="module")
def trained(case, chain, micros, tasks, tmp_path_factory):
    """All cases by name, run on two processes in one launch."""
    cases = {}
    for family, batch, way in itertools.product(FAMILIES, BATCHES, WAYS):
        if way in ways(family, batch):
            checkpointing, config = WAYS[way]
            name = f"{family}-{batch}-{way}"
            options = {**BATCHES[batch], "gradient_checkpointing": checkpointing}
            cases[name] = case(name, family, deepspeed=config, **options)
    for family in FAMILIES:
        parent = chain(micros[family], "gorp", 1)[-1]
        for way in ("torchrun", "zero3", "zero3-offload"):
            config = None if way == "torchrun" else way
            name = f"{family}-second-{way}"
            options = {"stagger": True, "turn_moments": True, "max_target_length": 10}  # short answers as it trains
            cases[name] = case(name, family, "topics", parent, config, **options)
            cases[name]["evaluation"] = [[str(tasks["topics"]), str(tasks["moods"])], 2, 0]
            for task, before in (("moods", None), ("topics", "moods")):
                name = f"{family}-bf16-{way}-{task}"
                before = before and cases[f"{family}-bf16-{way}-{before}"]["output"]
                cases[name] = case(name, family, task, before, config, "bfloat16")
        cases[f"{family}-seqlora"] = case(f"{family}-seqlora", family, method="seqlora", epochs=2)
        cases[f"{family}-differs"] = case(f"{family}-differs", family) | {"differs": True}
        for way, config in (("torchrun", None), ("zero3", "zero3")):
            name = f"{family}-probe-{way}"
            cases[name] = case(name, family, deepspeed=config, gradient_checkpointing=True) | {"probe": True}
        for budget in BUDGETS:
            stage = {"stage": str(chain(micros[family], "gorp")[-1]), "data": list(map(str, tasks.values()))}
            output = str(tmp_path_factory.mktemp("predicted") / "predictions.jsonl")
            cases[f"{family}-predict-{budget}"] = {
                "model": micros[family].path,
                **stage,
                "output": output,
                "budget": budget,
            }
    cut = case("cut", "t5", lora_dropout=0.3)
    cases["whole"] = {**cut, "output": f"{cut['output']}-whole"}
    cases["cut"] = {**cut, "signal": [signal.SIGTERM, 2]}
    cases["cut again"] = cut
    cases["two then one"] = case("two-then-one", "llama") | {"signal": [signal.SIGTERM, 2]}
    cases["one then two"] = case("one-then-two", "llama")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        stop_after(3, patch)
        train_alone(cases["one then two"])
    done = launch_cases(list(cases.values()), tmp_path_factory.mktemp("cases") / "cases.json")
    assert done.returncode == 0, done.stdout[-5000:]
    return {**cases, "printed": done.stdout}


@pytest.mark.slow
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_train_as_one(trained, train, micros, family, batch):
    alone = read_stage(train(micros[family], **EXACT | BATCHES[batch]))
    for way in ways(family, batch):
        name = f"{family}-{batch}-{way}"
        stage = read_stage(trained[name]["output"])
        assert (alone.info["processes"], stage.info["processes"]) == (1, 2)
        same(stage, alone, name)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_second_task_does_too(trained, tmp_path, family):
    """What the first has learnt is in the pieces; the shared gradient space that it left has its effect, and grows."""
    for way in ("torchrun", "zero3", "zero3-offload"):
        case = trained[f"{family}-second-{way}"]
        stage, alone = read_stage(case["output"]), train_alone(case, output=tmp_path / way)
        same(stage, alone, way)
        assert stage.gradient_space.keys() == alone.gradient_space.keys()
        for name, S_wm in alone.gradient_space.items():
            assert S_wm.shape == stage.gradient_space[name].shape
            found = stage.gradient_space[name]
            torch.testing.assert_close(found @ found.mT, S_wm @ S_wm.mT, atol=1e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_evaluations_while_it_trains(trained, tmp_path, family):
    """They change nothing above. Processes share the rows, or do all where each holds a piece of the model."""
    cases = [trained[f"{family}-second-{way}"] for way in ("torchrun", "zero3", "zero3-offload")]
    evaluation = Evaluation(*cases[0]["evaluation"])
    alone = train_alone(cases[0], output=tmp_path / "alone", evaluation=evaluation).folder
    expected = pd.read_csv(alone / TABLE)
    assert len(expected) == 2 * len({0, 1, 2, 4, 6})
    for case in cases:
        found = pd.read_csv(Path(case["output"]) / TABLE)
        pd.testing.assert_frame_equal(found, expected, atol=2e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_process_decides_weights_and_subspaces(trained, tmp_path, family):
    case = trained[f"{family}-differs"]
    same(read_stage(case["output"]), train_alone(case, output=tmp_path / "alone"), family)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["zero3", "zero3-offload"])
@pytest.mark.parametrize("task", ["moods", "topics"])
def test_pieces_in_bf16_train_as_the_whole_model(trained, way, task):
    """What is trained stays fp32, and so does what a full-rank matrix has learnt before."""
    pieces, whole = (read_stage(trained[f"llama-bf16-{name}-{task}"]["output"]) for name in (way, "torchrun"))
    same(pieces, whole, way)
    # T5's cross-attentions add up their gradients in bf16, in another order: no closer than one process is to two
    pieces, whole = (read_stage(trained[f"t5-bf16-{name}-{task}"]["output"]) for name in (way, "torchrun"))
    assert pieces.info["losses"] == pytest.approx(whole.info["losses"], abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_another_method_does_too(trained, tmp_path, family):
    case = trained[f"{family}-seqlora"]
    same(read_stage(case["output"]), train_alone(case, output=tmp_path / "alone"), family)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_in_pieces_generates_between_two_trainings(trained, family):
    for process in (0, 1):
        whole, pieces = (
            json.loads(Path(f"{trained[f'{family}-probe-{way}']['output']}-{process}.json").read_text())
            for way in ("torchrun", "zero3")
        )
        assert pieces["answers"] == whole["answers"]
        torch.testing.assert_close(torch.tensor(pieces["logits"]), torch.tensor(whole["logits"]), atol=1e-5, rtol=0)
        assert pieces["losses"] == pytest.approx(whole["losses"], abs=1e-5)
        assert whole["sharded"] == []
        assert len(pieces["sharded"]) >= 10
        assert not any("lora_" in name for name in pieces["sharded"])


@pytest.mark.slow
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_predict_the_same_bytes(trained, tmp_path, family, budget):
    case = trained[f"{family}-predict-{budget}"]
    predict(case["model"], case["stage"], case["data"], tmp_path / "alone", 200, 8, budget, label_likelihood=True)
    assert Path(case["output"]).read_bytes() == (tmp_path / "alone").read_bytes()
    shown = trained["printed"].count("predict: 8/8")  # of 16, by the first process, which tells
    assert shown == len(FAMILIES), re.findall(r"predict: .*", trained["printed"])


@pytest.mark.slow
def test_stopped_and_resumed_two_processes_end_with_the_same_bytes(trained):
    """Dropout included, and though the signal came to one of them alone."""
    cut, whole = (Path(trained[name]["output"]) for name in ("cut", "whole"))
    messages = [(cut / f"interrupted-{process}").read_text() for process in (0, 1)]
    assert messages == ["stopped by SIGTERM; the 3 steps done are saved"] * 2
    for name in (WEIGHTS, SPACE):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert read_stage(cut).info["losses"] == read_stage(whole).info["losses"]
    assert "train moods: going on after step 3" in trained["printed"]
    assert not list(cut.glob(f"{PREFIX}*"))


@pytest.mark.slow
def test_processes_differ_in_their_dropout(trained, tmp_path):
    alone = train_alone(trained["whole"], output=tmp_path / "alone")
    losses = read_stage(trained["whole"]["output"]).info["losses"]
    assert losses != pytest.approx(alone.info["losses"], abs=1e-4)


@pytest.mark.slow
def test_two_go_on_as_one_and_one_as_two(trained, tmp_path, capfd):
    first, second = trained["two then one"], trained["one then two"]
    whole = train_alone(first, output=tmp_path / "whole")
    assert not Path(first["output"], INFO).exists()
    capfd.readouterr()
    same(train_alone(first), whole, "two then one")
    assert "going on after step 3" in capfd.readouterr().err
    same(read_stage(second["output"]), whole, "one then two")
    assert read_stage(second["output"]).info["processes"] == 2


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_next_call_resumes(case, tmp_path, capfd):
    killed = case("killed", "llama") | {"signal": [signal.SIGKILL, 3], "checkpoint_minutes": 0}
    start = time.monotonic()
    done = launch_cases([killed], tmp_path / "cases.json")
    assert done.returncode != 0
    assert time.monotonic() - start < 60
    assert "SIGKILL" in done.stdout and "rank      : 1" in done.stdout
    whole = train_alone(killed, output=tmp_path / "whole")
    capfd.readouterr()
    same(train_alone(killed), whole, "killed")
    assert "going on after step 2" in capfd.readouterr().err


@pytest.mark.slow
def test_the_deepspeed_launcher_and_the_command_line(case, tmp_path):
    made = case("launched", "llama", task="topics")
    settings = [f"{key}={value}" for key, value in made["settings"].items()]
    command = [BIN / "deepspeed", "--num_accelerators", "2", "--master_port", "29611", "--module", "gorp", "train"]
    command += ["--model", made["model"], "--data", made["data"], "--method", "gorp", "--seed", "7", "--threads", "1"]
    command += ["--deepspeed", ZERO / "zero2.json", "--output", made["output"], "--set", *settings]
    done = launch(command)
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count("stage 2 trains as stage 0") == 1
    assert done.stdout.count("train topics: 6/6") == 1, "one of them tells"
    same(read_stage(made["output"]), train_alone(made, output=tmp_path / "alone"), "deepspeed")
    assert read_stage(made["output"]).info["processes"] == 2


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("micro", [1, 2, 7])
@pytest.mark.parametrize("rows", [1, 4, 7, 8])
def test_shares_hold_every_row_once_in_as_many_passes(rows, micro, size):
    examples = [Example([0] * (number * 5 % 9 + 1), [number]) for number in range(rows)]
    shares = [share(examples, micro, rank, size) for rank in range(size)]
    assert len({len(passes) for passes in shares}) == 1
    found = [row for passes in shares for part in passes for row in part]
    assert sorted(found, key=lambda row: row.target) == examples
    assert all(len(part) <= micro for passes in shares for part in passes)
    assert all(shares[0]), "the first process has a row in every pass"
