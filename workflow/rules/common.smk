# Names, checks and helper functions that the rules share.

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from gorp.benchmark import OFFICIAL, benchmark_root, check_orders, find_tasks, read_instructions
from gorp.digest import code_digest
from gorp.errors import UserError, close_names
from gorp.official import INSTRUCTIONS, official_tasks, read_manifest
from gorp.results import order_scores, prefixes
from gorp.settings import make_settings, parse_assignments, used_settings
from gorp.sources import EMBEDDED, MADE, check_model, is_local
from gorp.trainable import check_trainable, read_layers
from gorp.transfer import check_source
from gorp.zero_config import read_zero_config

# without an activated environment, the `gorp` command beside the Python that runs Snakemake
shell.prefix(f"set -euo pipefail; export PATH=$PATH:{shlex.quote(str(Path(sys.executable).parent))}; ")


FROM_OFFICIAL = config.get("benchmark") == "official"


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
        root, tasks = data_folder()
        orders = {name: tasks for suite in config["orders"].values() for name, tasks in suite.items()}
        check_orders(orders, tasks)
        if not FROM_OFFICIAL:
            for task in {task for names in orders.values() for task in names}:
                read_instructions(root, tasks[task], config["prompts"]["instruction"])
        check_model(config["model"])
        if config["run"] in orders:
            raise UserError(f"run: {config['run']} is the name of an order; choose another")
        for kind, own in config["resources"].items():
            if 0 < own["gpu"] < own["processes"]:
                raise UserError(
                    f"resources: {kind}: processes: {own['processes']} need as many GPUs, not gpu: {own['gpu']}"
                )
        for suite, stages in config["orders"].items():
            for name in config["methods"]:
                for stage in {stage for order in stages.values() for stage in prefixes(order)}:
                    training_settings(suite, name, stage)
        check_overrides(tasks)
        check_layers()
    except UserError as error:
        raise WorkflowError(f"config: {error}") from None
    return root, tasks, orders


def data_folder():
    """(folder, tasks) of the benchmark; the official tasks are known before they are fetched."""
    if not FROM_OFFICIAL:
        root = relative(benchmark_root(config["benchmark"]))
        return root, find_tasks(root)
    if config["official_source"]:
        check_source(config["official_source"])
    return OFFICIAL, official_tasks()


def variant(name):
    """(method, settings changed) behind a name in `methods:`: a variant of the config, or a method itself."""
    own = dict(config["variants"].get(name, {"method": name}))
    return own.pop("method"), own


def check_overrides(tasks):
    """Raises UserError for an override of what is not there, which would change nothing."""
    stages = {stage for orders in config["orders"].values() for order in orders.values() for stage in prefixes(order)}
    for number, override in enumerate(config["overrides"], 1):
        where = f"overrides: number {number}"
        if override.get("suite", next(iter(config["orders"]))) not in config["orders"]:
            raise UserError(
                f"{where}: no suite {override['suite']!r}; {close_names(override['suite'], config['orders'])}"
            )
        if override.get("task", next(iter(tasks))) not in tasks:
            raise UserError(f"{where}: no task {override['task']!r}; {close_names(override['task'], tasks)}")
        if not any(re.fullmatch(override.get("stage", ".*"), stage) for stage in stages):
            raise UserError(f"{where}: {override['stage']!r} matches no stage, such as {min(stages, key=len)}")


def check_layers():
    """Raises UserError where a stage's settings do not fit the model, as far as its config.json is on this machine."""
    layers = read_layers(config["model"], Path(".snakemake/gorp"))
    asked = {
        (variant(name)[0], *training_settings(suite, name, stage))
        for suite, orders in config["orders"].items()
        for stage in {stage for order in orders.values() for stage in prefixes(order)}
        for name in config["methods"]
    }
    for method, *settings in asked if layers else ():
        check_trainable(layers, make_settings(method, parse_assignments(settings)))


def overrides_of(suite, stage):
    """Settings that the config changes for a stage: the later of two wins."""
    changed = {}
    for override in config["overrides"]:
        for key, own in (("suite", suite), ("task", Path(stage).name)):
            if override.get(key, own) != own:
                break
        else:
            if re.fullmatch(override.get("stage", ".*"), stage):
                changed |= override["training"]
    return changed


def training_settings(suite, name, stage):
    """What a training by a method or variant depends on, as sorted KEY=VALUE texts.

    Neither processes nor a DeepSpeed config, which is checked here: they change a result by rounding alone.
    """
    method, changed = variant(name)
    try:
        settings = used_settings(method, {**config["training"], **overrides_of(suite, stage), **changed})
    except UserError as error:
        raise UserError(f"methods: {name}: {error}") from None
    if config["deepspeed"]:
        nodes = config["resources"]["train"]["nodes"]
        checked = make_settings(method, settings)
        read_zero_config(config["deepspeed"], checked, config["dtype"], processes("train") * nodes)
    return [f"{key}={value}" for key, value in settings.items()]


def known_instructions(task, which):
    """The instructions of a task while the graph is built; none of the official ones, a file that may be to fetch."""
    return [] if FROM_OFFICIAL else read_instructions(ROOT_OF_BENCHMARK, TASKS[task], which)


def prompt_options(task, split):
    """The options of `gorp preprocess` that change the rows of a split."""
    prompts = config["prompts"]
    options = {"shots": prompts["shots"], "min-rows": prompts["min_rows"] if split == "train" else 0}
    drawn = any(options.values())
    several = FROM_OFFICIAL or len(known_instructions(task, "drawn")) > 1
    if several and prompts["instruction"] != 1:
        options["instruction"] = prompts["instruction"]
        drawn = drawn or prompts["instruction"] == "drawn"
    if drawn:
        options["seed"] = prompts["seed"]
    return [f"--{key}={value}" for key, value in sorted(options.items()) if value]


def resource(rule, key):
    """A resource of the config's, for jobs of a kind; memory and time grow with each attempt."""
    value = config["resources"][rule][key]
    return (lambda w, attempt: value * attempt) if key in ("mem_mb", "runtime") else value


def processes(rule):
    """Processes of a job on each of its machines: one a GPU, or as many as the config says."""
    return max(config["resources"][rule]["processes"], config["resources"][rule]["gpu"])


def launcher(rule):
    """What stands before the sub-command: gorp alone, or a launcher of many."""
    count, nodes = processes(rule), config["resources"][rule].get("nodes", 1)
    if nodes > 1:  # a torchrun on each node, which meet at the first
        head = '"$(scontrol show hostnames "$(squeue -h -j $SLURM_JOB_ID -o %N)" | head -n 1)'
        return (
            f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --kill-on-bad-exit=1"
            f" torchrun --nnodes {nodes} --nproc-per-node {count} --rdzv-id $SLURM_JOB_ID --rdzv-backend c10d"
            f' --rdzv-endpoint {head}:$((20000 + SLURM_JOB_ID % 10000))" -m gorp'
        )
    return f"torchrun --standalone --nproc-per-node {count} -m gorp" if count > 1 else "gorp"


def machines(rule):
    """The resources by which SLURM gives a job its GPUs, on one machine or on several."""
    gpu, nodes = config["resources"][rule]["gpu"], config["resources"][rule]["nodes"]
    if nodes == 1:
        return {"gpu": gpu}
    extra = f"--ntasks-per-node=1{f' --gpus-per-node={gpu}' if gpu else ''}"
    return {"mpi": "srun", "nodes": nodes, "tasks": nodes, "slurm_extra": extra}


ROOT_OF_BENCHMARK, TASKS, ORDERS = check_config()
TASK_PATTERN = "|".join(map(re.escape, TASKS))
SUITES = {order: suite for suite, orders in config["orders"].items() for order in orders}
RUN = f"results/{config['run']}"
STAGE = f"{RUN}/stages/{{suite}}/{{method}}/seed{{seed}}/{{stage}}"
STAGE_FILES = ("adapter_model.safetensors", "adapter_config.json", "gradient_space.safetensors", "stage.json")
FULL = config["evaluate"] == "full"
TABLES = ("summary.csv", "summary.html", "matrix.csv", "groups.csv", "accuracy.svg")
AUDIT_FILES = ("audit.html", "confusion.svg", "confusion.csv", "kinds.csv")
AUDIT = rf"audit/[\w-]+/seed\d+/({'|'.join(AUDIT_FILES)})"  # below an order's folder, METHOD/seedN
BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MODEL_SUFFIXES = (".json", ".safetensors", ".model")
MODEL = f"results/models/{config['model']}" if config["model"] in MADE else config["model"]


wildcard_constraints:
    suite="|".join(config["orders"]),
    method=r"[\w-]+",
    seed=r"\d+",
    task=TASK_PATTERN,
    stage=f"({TASK_PATTERN})(/({TASK_PATTERN}))*",
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
    runs = [f"{stages}/{run}/{file}" for run in order_runs() for file in order_scores(tasks, FULL)]
    return runs + [f"{RUN}/zero-shot/{task}/scores.json" for task in tasks]


def last_predictions(wildcards):
    """The predictions of an order's last stage, of all its tasks."""
    suite, stage = SUITES[wildcards.order], "/".join(ORDERS[wildcards.order])
    return f"{STAGE}/predictions.jsonl".format(suite=suite, stage=stage, **wildcards)


def order_runs():
    """The rows of a summary: METHOD/seedN."""
    return [f"{method}/seed{seed}" for method in config["methods"] for seed in config["seeds"]]
