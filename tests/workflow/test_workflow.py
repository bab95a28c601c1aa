"""The workflow's promises, on a benchmark and a model small enough for a real run in a test."""

import json
import re

import pandas as pd
import pytest
import yaml
from calls import REPOSITORY, jobs, run
from project import make_project
from transformers import T5ForConditionalGeneration

TRAIN = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["resources"]["train"]
PREDICT = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["resources"]["predict"]


@pytest.mark.parametrize(  # what is found after the types of all values, which tests/unit/test_run_config.py has
    ("config", "message"),
    [
        (
            {"training": {"epochs": 0}, "seeds": []},
            "config: training.epochs: expected a whole number at least 1, got 0",
        ),
        (
            {"orders": {"s": {"o": ["amazon", "agnwes"]}}},
            "orders: o: the benchmark data has no task 'agnwes'; did you mean",
        ),
        (
            {"orders": {"s": {"o": ["amazon"]}, "t": {"o": ["yahoo"]}}},
            "config: orders: o stands in two suites, s and t",
        ),
        ({"model": "./nowhere"}, "config: model: ./nowhere: no such folder"),
        ({"benchmark": "nowhere"}, "config: benchmark: nowhere: no such folder"),
        ({"deepspeed": "nowhere.json"}, "config: deepspeed: nowhere.json: no such file"),
        ({"prompts": {"instruction": 2}}, "config: prompts: instruction: 2: there are 1 in"),
        ({"run": "ab"}, "config: run: ab is the name of an order"),
        (
            {"training": {"rank": 33}},
            "config: rank: 33 is larger than a side of decoder.block.0.layer.1.EncDecAttention.q, 32 x 32; at most 32",
        ),
        (
            {"training": {"full_rank_modules": r".*gate_proj"}},
            "config: full_rank_modules: '.*gate_proj' matches no linear module; known are: encoder.block.0.layer.0.Sel",
        ),
    ],
)
def test_a_wrong_config_is_one_message_and_nothing_is_written(project, config, message):
    before = sorted(project.rglob("*.tmp")) + sorted(project.glob("results/*"))
    done = run(project, "results/ab/summary.csv", refused=True, **config)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert sorted(project.rglob("*.tmp")) + sorted(project.glob("results/*")) == before


def test_order1_of_the_default_runs_each_step_once():
    done = run(REPOSITORY, "--dry-run", "--forceall", "results/order1/summary.csv")
    assert jobs(done.stdout) == {
        "preprocess": 8,
        "base_model": 1,
        "predict_zero_shot": 4,
        "train": 4,
        "predict": 4,
        "predict_only": 3,
        "score": 11,
        "aggregate": 1,
        "show": 1,
    }


def test_the_smollm2_preset_plans_order1_on_that_model():
    """What the preset leaves out, such as max_new_tokens, comes from config.yaml."""
    preset = ["--configfile", "workflow/presets/smollm2-135m.yaml"]
    done = run(REPOSITORY, "--dry-run", "--forceall", "--printshellcmds", "results/order1/summary.csv", *preset)
    counts = jobs(done.stdout)
    assert (counts["base_model"], counts["train"], counts["predict"], counts["predict_zero_shot"]) == (1, 4, 4, 4)
    train = re.findall("gorp train .*", done.stdout)
    assert len(train) == 4
    for command in train:
        assert "--model results/models/smollm2-135m " in command
        assert "results/smollm2-135m/stages/standard/gorp/seed0/dbpedia" in command
        assert {"lora_r=8", "rank=8", "energy=0.9", "project_update=False"} <= set(command.split())
    assert len(re.findall("gorp predict .* --max-new-tokens=50 --batch-tokens 4096 ", done.stdout)) == 4 + 4 + 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "gorp train "),
        ({"processes": 2}, "torchrun --standalone --nproc-per-node 2 -m gorp train "),
        ({"gpu": 4}, "torchrun --standalone --nproc-per-node 4 -m gorp train "),
        (
            {"gpu": 4, "nodes": 2},
            "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --kill-on-bad-exit=1 torchrun --nnodes 2 --nproc-per-node 4",
        ),
    ],
)
def test_resources_choose_the_launcher(project, changes, expected):
    config = {"resources": {"train": TRAIN | changes}, "deepspeed": "workflow/presets/deepspeed/zero3.json"}
    done = run(project, "--dry-run", "--forceall", "--printshellcmds", "results/abc/summary.csv", **config)
    commands = re.findall("Shell command: (.*gorp train .*)", done.stdout)
    assert len(commands) == 3
    assert all(command.startswith(expected) for command in commands)
    assert all(" --deepspeed workflow/presets/deepspeed/zero3.json " in command for command in commands)


def test_two_processes_a_job(finished, tmp_path):
    """To the same predictions as with one."""
    folder = make_project(tmp_path)
    two = {kind: of | {"processes": 2} for kind, of in (("train", TRAIN), ("predict", PREDICT))}
    place = "results/test/stages/short/gorp/seed0/amazon"
    done = run(folder, f"{place}/predictions.jsonl", "--printshellcmds", resources=two)
    assert done.returncode == 0, done.stdout
    assert len(re.findall("torchrun --standalone --nproc-per-node 2 -m gorp (train|predict) ", done.stdout)) == 2
    alone, two = (json.loads((root / place / "stage.json").read_text()) for root in (finished, folder))
    assert (alone["processes"], two["processes"]) == (1, 2)
    assert two["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    assert (folder / place / "predictions.jsonl").read_text() == (finished / place / "predictions.jsonl").read_text()


def test_the_rule_graph_of_the_readme():
    drawn = run(REPOSITORY, "--rulegraph", "mermaid-js").stdout
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", drawn))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", drawn)}
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("```mermaid")[2].partition("```")[0]
    assert set(re.findall(r"(\w+) --> (\w+)", readme)) == {(a, b) for a, b in edges if b != "all"} != set()


def test_all_six_orders_share_their_first_stages():
    counts = jobs(run(REPOSITORY, "--dry-run", "--forceall").stdout)
    # orders 1-3 have 10 different prefixes, the three long orders share none
    assert counts["train"] == counts["predict"] == 10 + 3 * 15
    assert counts["audit"] == 6


def test_the_tables_of_a_finished_order(finished):
    summary = pd.read_csv(finished / "results/ab/summary.csv")
    assert list(summary["order"]) == ["ab"]
    assert {"AA", "AA_micro", "BWT", "FM", "LA", "FWT", "zero_shot", "final_amazon", "final_agnews"} < set(summary)
    assert (summary["trainable_lora"] > 0).all()
    matrix = pd.read_csv(finished / "results/test/ab/matrix.csv")
    assert list(zip(matrix["stage"], matrix["task"], matrix["seen"], strict=True)) == [
        (0, "amazon", False),
        (0, "agnews", False),
        (1, "amazon", True),
        (1, "agnews", False),
        (2, "amazon", True),
        (2, "agnews", True),
    ]
    assert (finished / "results/ab/accuracy.svg").read_text().startswith("<?xml")


def test_the_audit_of_a_finished_order(finished):
    """Of the last stage: the same answers are right as in the matrix; the page is shown where the tables are."""
    kinds = pd.read_csv(finished / "results/test/abc/audit/gorp/seed0/kinds.csv")
    matrix = pd.read_csv(finished / "results/test/abc/matrix.csv")
    last = matrix[matrix["stage"] == 3]
    assert kinds["task"].tolist() == last["task"].tolist() == ["amazon", "agnews", "yahoo"]
    assert kinds["rows"].tolist() == last["rows"].tolist()
    assert (100 * kinds["right"] / kinds["rows"]).tolist() == pytest.approx(last["exact_match"].tolist())
    page = (finished / "results/abc/audit/gorp/seed0/audit.html").read_text()
    assert "Audit of results/test/stages/short/gorp/seed0/amazon/agnews/yahoo/predictions.jsonl" in page


def test_the_table_of_all_orders(finished):
    table = pd.read_csv(finished / "results/summary.csv")
    assert list(table["source"]) == ["run"]
    assert table.loc[0, ["suite", "method", "orders", "seeds"]].tolist() == ["short", "gorp", 2, 1]
    orders = [pd.read_csv(finished / f"results/test/{order}/summary.csv") for order in ("ab", "abc")]
    for metric in ("AA", "BWT"):
        scores = pd.concat(orders)[metric]
        assert table.loc[0, metric] == pytest.approx(scores.mean(), abs=1e-3)
        assert table.loc[0, f"{metric}_sd"] == pytest.approx(scores.std(), abs=1e-3)


def test_a_second_call_has_nothing_to_do(finished):
    assert "Nothing to be done" in run(finished, "results/ab/summary.csv", "results/summary.csv").stdout


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"training": {"learning_rate": 0.5}}, {"train": 2, "predict": 2, "predict_only": 1, "score": 3}),
        ({"training": {"learning_rate": 0.5}, "methods": ["seqlora"]}, None),
        ({"seeds": [0, 1]}, {"train": 2, "predict": 2, "predict_only": 1, "score": 3}),
    ],
)
def test_an_edit_runs_again_what_it_touches(finished, config, expected):
    counts = jobs(run(finished, "--dry-run", "results/ab/summary.csv", **config).stdout)
    if expected is None:  # another method: its own two stages, the base model's scores stay
        expected = {"train": 2, "predict": 2, "predict_only": 1, "score": 3}
    assert counts == {**expected, "aggregate": 1, "show": 1}


@pytest.mark.slow
def test_a_setting_that_a_method_does_not_use_runs_nothing_again(project):
    folder = project
    assert run(folder, "results/test/stages/short/seqlora/seed0/amazon/stage.json", methods=["seqlora"]).returncode == 0
    done = run(
        folder,
        "--dry-run",
        "results/test/stages/short/seqlora/seed0/amazon/stage.json",
        methods=["seqlora"],
        training={"energy": 0.5, "rank": 2},
    )
    assert "Nothing to be done" in done.stdout


def test_a_stage_loads_with_stock_peft(finished):
    from peft import PeftModel

    base = T5ForConditionalGeneration.from_pretrained(finished / "model")
    model = PeftModel.from_pretrained(base, finished / "results/test/stages/short/gorp/seed0/amazon/agnews")
    assert model.peft_config["default"].r == 64
