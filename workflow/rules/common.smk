# Names, checks and helper functions that the rules share.

import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from gorp.benchmark import benchmark_root, check_orders, find_tasks, read_instruction
from gorp.digest import code_digest
from gorp.errors import UserError
from gorp.results import order_scores
from gorp.settings import used_settings
from gorp.sources import EMBEDDED, MADE, check_model, is_local

# without an activated environment, the `gorp` command beside the Python that runs Snakemake
shell.prefix(f"set -euo pipefail; export PATH=$PATH:{shlex.quote(str(Path(sys.executable).parent))}; ")


def relative(path):
    """The path as seen from the working directory, so that moving a checkout changes no job."""
    return Path(os.path.relpath(path))


def check_config():
    """Raises a WorkflowError that names the key where the config cannot be run."""
    try:
        validate(config, "../schemas/config.schema.yaml")
    except WorkflowError as error:
        cause = error.__cause__ or error.__context__
        if hasattr(cause, "json_path"):
            places = [cause.json_path.removeprefix("$.")] if cause.path else []
            raise WorkflowError(": ".join(["config", *places, cause.message])) from None
        raise
    try:
        root = relative(benchmark_root(config["benchmark"]))
        tasks = find_tasks(root)
        orders = {name: tasks for suite in config["orders"].values() for name, tasks in suite.items()}
        check_orders(orders, tasks)
        check_model(config["model"])
        if config["run"] in orders:
            raise UserError(f"run: {config['run']} is the name of an order; choose another")
        for name in config["methods"]:
            training_settings(name)
    except UserError as error:
        raise WorkflowError(f"config: {error}") from None
    return root, tasks, orders


def variant(name):
    """(method, settings changed) behind a name in `methods:`: a variant of the config, or a method itself."""
    own = dict(config["variants"].get(name, {"method": name}))
    return own.pop("method"), own


def training_settings(name):
    """What a training by a method or variant depends on, as sorted KEY=VALUE texts."""
    method, changed = variant(name)
    try:
        settings = used_settings(method, {**config["training"], **changed})
    except UserError as error:
        raise UserError(f"methods: {name}: {error}") from None
    return [f"{key}={value}" for key, value in settings.items()]


ROOT_OF_BENCHMARK, TASKS, ORDERS = check_config()
SUITES = {order: suite for suite, orders in config["orders"].items() for order in orders}
RUN = f"results/{config['run']}"
STAGE = f"{RUN}/stages/{{suite}}/{{method}}/seed{{seed}}/{{stage}}"
STAGE_FILES = ("adapter_model.safetensors", "adapter_config.json", "gradient_space.safetensors", "stage.json")
TABLES = ("summary.csv", "matrix.csv", "accuracy.svg")
BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MODEL_SUFFIXES = (".json", ".safetensors", ".model")
MODEL = f"results/models/{config['model']}" if config["model"] in MADE else config["model"]


wildcard_constraints:
    suite="|".join(config["orders"]),
    method=r"[\w-]+",
    seed=r"\d+",
    task="|".join(TASKS),
    stage=r"[\w.-]+(/[\w.-]+)*",
    split="train|dev|test",
    order="|".join(ORDERS),
    base="|".join(MADE),


def model_files(wildcards):
    """The files of the base model, where it is a folder; a hub id has none to watch."""
    if config["model"] in MADE:
        return [f"{MODEL}/{name}" for name in BASE_FILES]
    if is_local(MODEL):
        return sorted(str(path) for path in Path(MODEL).expanduser().glob("*") if path.suffix in MODEL_SUFFIXES)
    return []


def stage_folder(wildcards):
    """The folder of a stage."""
    return STAGE.format(**dict(wildcards.items()))


def parent_files(wildcards):
    """The artifact of the stage before; none for the first task."""
    before, _, _ = wildcards.stage.rpartition("/")
    folder = STAGE.format(**{**dict(wildcards.items()), "stage": before})
    return [f"{folder}/{name}" for name in STAGE_FILES] if before else []


def parent_option(wildcards, input):
    """`--parent FOLDER`, or nothing for the first task."""
    return ["--parent", str(Path(input.parent[0]).parent)] if input.parent else []


def rendered(tasks, split):
    """Rendered rows of tasks."""
    return [f"{RUN}/data/{task}/{split}.jsonl" for task in tasks]


def order_files(wildcards):
    """All that the tables of an order are made from."""
    tasks = ORDERS[wildcards.order]
    stages = f"{RUN}/stages/{SUITES[wildcards.order]}"
    runs = [f"{stages}/{run}/{file}" for run in order_runs() for file in order_scores(tasks)]
    return runs + [f"{RUN}/zero-shot/{task}/scores.json" for task in tasks]


def order_runs():
    """The rows of a summary: METHOD/seedN."""
    return [f"{method}/seed{seed}" for method in config["methods"] for seed in config["seeds"]]
