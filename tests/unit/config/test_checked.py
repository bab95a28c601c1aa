"""The config: values that the command line gives as text get their types, and what is wrong is one line each."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import parse_config
from snakemake.utils import update_config

from gorp.config.checked import check_folders, check_run, checked_config, read_schema
from gorp.config.prompt_options import prompt_options
from gorp.methods.registry import settings_of
from gorp.util.errors import UserError
from gorp.util.yaml_files import read_yaml

SCHEMA = read_schema(settings_of({}))
DEFAULT = read_yaml(Path(__file__).parents[3] / "config.yaml")


def over(*pairs, **changes):
    """config.yaml with KEY=VALUE texts over it, and then values, put there by Snakemake's own functions."""
    config = copy.deepcopy(DEFAULT)
    update_config(config, parse_config(pairs))
    update_config(config, changes)
    return checked_config(config, SCHEMA)


def refused(*pairs, **changes):
    with pytest.raises(UserError) as caught:
        over(*pairs, **changes)
    return str(caught.value).split("\n")


def test_the_default_is_left_as_it_is():
    assert over() == DEFAULT


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("seeds=[1]", {"seeds": [1]}),
        ("seeds=1", {"seeds": [1]}),
        ("seeds=[0, 1]", {"seeds": [0, 1]}),
        ("methods=gorp", {"methods": ["gorp"]}),
        ("methods=[gorp,seqlora]", {"methods": ["gorp", "seqlora"]}),
        ("training={epochs: 1}", {"training": {"epochs": 1}}),
        ("training={'epochs': 1}", {"training": {"epochs": 1}}),
        ("training={learning_rate: 1e-3, full_rank: no}", {"training": {"learning_rate": 0.001, "full_rank": False}}),
        ("training={lora_modules: '.*[qv]{1}'}", {"training": {"lora_modules": ".*[qv]{1}"}}),
        ("resources={train: {mem_mb: 3000}}", {"resources": {"train": {"mem_mb": 3000}}}),
        ("prompts={instruction: 2}", {"prompts": {"instruction": 2}}),
        ("prompts={instruction: drawn}", {"prompts": {"instruction": "drawn"}}),
        ("prediction={label_likelihood: true}", {"prediction": {"label_likelihood": True}}),
        ("checkpoint_minutes=.5", {"checkpoint_minutes": 0.5}),
        ("dtype=bfloat16", {"dtype": "bfloat16"}),
        ("deepspeed=null", {"deepspeed": None}),
        ("deepspeed=", {"deepspeed": None}),
        ("official_source=", {"official_source": ""}),
        (
            "overrides={suite: long, training: {rank: 8, scale: 1e-1}}",
            {"overrides": [{"suite": "long", "training": {"rank": 8, "scale": 0.1}}]},
        ),
        ("variants={mine: {method: gorp, rank: 4}}", {"variants": {"mine": {"method": "gorp", "rank": 4}}}),
        ("orders={mine: {own: [amazon, yelp]}}", {"orders": {"mine": {"own": ["amazon", "yelp"]}}}),
        ("orders={long: null}", {"orders": {"long": None}}),
    ],
)
def test_values_of_the_command_line_get_their_types_and_mappings_are_merged(pair, expected):
    wanted = copy.deepcopy(DEFAULT)
    update_config(wanted, expected)
    found = over(pair)
    assert found == wanted
    assert repr(found) == repr(wanted), "1 and 1.0 and true are equal"


def test_text_in_files_is_a_number_too():
    assert over(training={"learning_rate": "1e-3", "rank": "4"})["training"]["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1.0]}, "seeds: number 1: expected a whole number at least 0, got 1.0"),
        ({"seeds": "0,1"}, "seeds: number 1: expected a whole number at least 0, got '0,1'; write a list as [0, 1]"),
        ({"seeds": []}, "seeds: expected a list, got nothing"),
        ({"seeds": None}, "seeds: expected a list, got null"),
        ({"methods": ["gorp", "gorp"]}, "methods: 'gorp' appears twice"),
        (
            {"methods": "gorp seqlora"},
            "methods: number 1: expected a name of letters, digits, _ and -, or a Python file, got 'gorp seq",
        ),
        (
            {"run": 2024},
            "run: expected a name of letters, digits, _ and -, other than models, official and summary, got",
        ),
        ({"run": "x\n"}, r"run: 'x\n' holds '\n', which cannot be printed"),
        ({"run": "{x}"}, "run: expected a name of letters"),
        ({"run": "b\u00e4r"}, "run: expected a name of letters"),
        (
            {"model": "m{y}"},
            "model: expected a folder or hub id without { and }, which Snakemake reads as wildcards, got",
        ),
        ({"benchmark": "d{y}"}, "benchmark: expected bundled, official or a folder without { and }"),
        ({"official_source": "d{y}"}, "official_source: expected a folder or address without { and }"),
        ({"deepspeed": "d{y}"}, "deepspeed: expected null, or a file without { and }"),
        ({"model": None}, "model: expected a folder or hub id"),
        ({"dtype": "float16"}, "dtype: expected one of float32, bfloat16, got 'float16'"),
        ({"epochs": 2}, "epochs: no such key; known are: run, model"),
        ({"training": {"energi": 1}}, "training.energi: no such key; did you mean energy?"),
        ({"training": {"epochs": 0}}, "training.epochs: expected a whole number at least 1, got 0"),
        ({"training": {"epochs": 10**30}}, f"training.epochs: {10**30} is not a number of at most 4294967295"),
        ({"training": {"epochs": 16**9000}}, "training.epochs: a number of 36001 bits is not a number of at most"),
        ({"training": {"scale": float("nan")}}, "training.scale: nan is not a number of at most"),
        ({"training": {"lora_dropout": "1,5"}}, "training.lora_dropout: expected a number at least 0 and below 1, got"),
        ({"training": {"full_rank": 1}}, "training.full_rank: expected true or false, got 1"),
        (
            {"training": {"lora_modules": "("}},
            "training.lora_modules: expected a regular expression, got '(': missing ),",
        ),
        ({"training": {"lora_modules": "a{99999999999}"}}, "training.lora_modules: expected a regular expression, got"),
        ({"training": None}, "training: expected KEY: VALUE pairs, got null"),
        (
            {"training": "epochs=1"},
            "training: expected KEY: VALUE pairs, got 'epochs=1'; on the command line: --config",
        ),
        (
            {"resources": {"train": {"mem_mb": -1}}},
            "resources.train.mem_mb: expected a whole number at least 1, got -1",
        ),
        ({"resources": {"train": [1]}}, "resources.train: expected KEY: VALUE pairs, got a list"),
        ({"variants": {"x": {"rank": 2}}}, "variants.x.method: missing"),
        ({"variants": {"x": {"method": "gorp", "rnk": 2}}}, "variants.x.rnk: no such key; did you mean rank?"),
        (
            {"overrides": [{"training": {}}]},
            "overrides: number 1: expected training, and the suite, task or stage that it",
        ),
        (
            {"overrides": {"stage": "(", "training": {"rank": 1}}},
            "overrides: number 1: stage: expected a regular expression, got '(': missing ), unterminated subpattern",
        ),
        ({"orders": {"s": {1: ["amazon"]}}}, 'orders.s: expected text for a name, got 1; put it in quotes: "1"'),
        ({"orders": {None: {"o": ["amazon"]}}}, "orders: expected text for a name, got null; put it in quotes"),
        ({"orders": {"s": {}}}, "orders.s: expected {ORDER: [tasks in sequence]}, or null, which drops the suite, got"),
        ({"orders": {"s": ["amazon"]}}, "orders.s: expected {ORDER: [tasks in sequence]}"),
        ({"orders": {"s": {"o": []}}}, "orders.s.o: expected a list, got nothing"),
        (
            {"orders": {"s": {"o": [1]}}},
            "orders.s.o: number 1: expected text, got 1; in a config file, put it in quotes",
        ),
        (
            {"orders": {"s": {"models": ["amazon"]}}},
            "orders.s: expected a name of letters, digits, _ and -, other than",
        ),
        ({"orders": {"s": {"b\u00e4r": ["amazon"]}}}, "orders.s: expected a name of letters, digits, _ and -"),
        ({"prompts": {"shots": -1}}, "prompts.shots: expected a whole number at least 0, got -1"),
        (
            {"prompts": {"instruction": "all"}},
            "prompts.instruction: expected a whole number at least 1 or 'drawn', got",
        ),
        ({"prediction": {"batch_size": 8}}, "prediction.batch_size: no such key; did you mean batch_tokens?"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else "",
)
def test_a_wrong_value_is_one_line_with_its_key(changes, message):
    assert refused(**changes)[0].startswith(message)


def test_all_that_is_wrong_is_said_at_once():
    assert len(refused(seeds=[], training={"epochs": 0, "rnk": 2}, run="a b")) == 4


def test_neither_torch_nor_pandas_is_loaded():
    """The workflow reads its config with these at each start."""
    modules = "sys, gorp.config.variants, gorp.config.presets, gorp.config.orders"
    code = f"import {modules}; assert not {{'torch', 'pandas'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_file_without_config_yaml_lacks():
    with pytest.raises(UserError, match=r"model: missing; put the file over config\.yaml"):
        checked_config({"run": "x"}, SCHEMA)
    assert checked_config({"seeds": "3"}, SCHEMA, whole=False)["seeds"] == [3]
    training = {"epochs": 1}
    assert checked_config({**DEFAULT, "training": training}, SCHEMA)["training"]["max_source_length"] == 512


def test_a_run_is_not_named_like_an_order_and_gpus_suffice():
    check_run(over(), ["order1"])
    with pytest.raises(UserError, match="run: demo is the name of an order; choose another"):
        check_run(over(), ["demo"])
    with pytest.raises(UserError, match="resources: train: processes: 2 need as many GPUs, not gpu: 1"):
        check_run(over("resources={train: {gpu: 1, processes: 2}}"), [])


def test_folders_whose_names_are_wildcards():
    check_folders("data", Path("a b"))
    with pytest.raises(UserError, match=r"^a\{y\}b: rename the folder; Snakemake takes \{ and \} in a path"):
        check_folders("data", Path("a{y}b"))


def test_prompt_options():
    names = {"task_name": True, "dataset_name": True}
    prompts = {"instruction": 1, "shots": 0, "min_rows": 0, "seed": 3, **names}
    assert prompt_options({**prompts, "task_name": False}, "dev", True) == ["--no-task-name"]
    assert prompt_options(prompts, "train", True) == []
    assert prompt_options({**prompts, "instruction": 2}, "test", True) == ["--instruction=2"]
    assert prompt_options({**prompts, "instruction": 2}, "test", False) == []
    assert prompt_options({**prompts, "min_rows": 9}, "test", True) == []
    assert prompt_options({**prompts, "min_rows": 9}, "train", True) == ["--min-rows=9", "--seed=3"]
    assert prompt_options({**prompts, "instruction": "drawn"}, "dev", True) == ["--instruction=drawn", "--seed=3"]
