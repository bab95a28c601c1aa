# Names, checks and helper functions that the rules share.

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from gorp import run_config, variants
from gorp.benchmark import OFFICIAL, benchmark_root, find_tasks, read_instructions
from gorp.content import Digests
from gorp.digest import code_digest
from gorp.errors import UserError
from gorp.locks import note_run, remove_stale_lock
from gorp.official import INSTRUCTIONS, official_tasks, read_manifest
from gorp.orders import Orders, kept
from gorp.results import evaluation_tables, order_scores
from gorp.run_config import check_folders, check_run, checked_config, read_schema, with_defaults
from gorp.sources import EMBEDDED, MADE, check_model, is_local
from gorp.trainable import read_layers
from gorp.transfer import check_source
from gorp.variants import check_trainings
from gorp.yaml_files import read_yaml

# the folder of the Snakefile
HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
DIGESTS = Digests(Path(".snakemake/gorp/digests.json"))

if workflow.is_main_process:
    if said := remove_stale_lock():
        logger.warning(said)
    note_run()


onstart:
    note_run(workflow.executor_plugin.name)


# the `gorp` beside the Python that runs Snakemake comes first, but for an environment that Snakemake makes for a job
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    shell.prefix(f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

placed = workflow.modifier.path_modifier.replace_prefix  # where a path lies when this is a module with a prefix


def check_config():
    """(benchmark folder, tasks, orders); values of the config get the types that the schema wants.

    Raises a WorkflowError that names the file or key where the config cannot be run.
    """
    try:
        for file in workflow.configfiles:  # Snakemake itself takes the last of two equal keys
            read_yaml(Path(os.path.relpath(file)))
        defaults, own = read_yaml(HOME / "config.yaml"), config.get("orders")
        if not workflow.modifier.skip_configfile and defaults == read_yaml_here():  # then all that is put over it
            own = workflow.config_settings.overwrite_config.get("orders")
        schema = read_schema(workflow.source_path("../schemas/config.schema.yaml"))
        config.update(checked_config(with_defaults(defaults, config), schema))
        root, tasks = data_folder()
        check_folders(workflow.basedir, root)
        orders = Orders(kept(config["orders"]), own, tasks, config["benchmark"])
        if config["benchmark"] != "official":
            for task in {task for names in orders.wanted.values() for order in names for task in orders[order]}:
                read_instructions(root, tasks[task], config["prompts"]["instruction"])
        if config["deepspeed"] and not Path(config["deepspeed"]).exists() and (HOME / config["deepspeed"]).exists():
            config["deepspeed"] = str(HOME / config["deepspeed"])
        check_model(config["model"])
        layers = read_layers(config["model"], Path(".snakemake/gorp"))  # as far as its config.json is here
        check_run(config, orders)
        check_trainings(config, processes("train") * config["resources"]["train"]["nodes"], layers)
    except UserError as error:
        raise WorkflowError("\n".join(f"config: {line}" for line in str(error).splitlines())) from None
    if workflow.is_main_process and orders.warning():
        logger.warning(orders.warning())
    config["orders"] = kept(config["orders"])
    return root, tasks, orders


def read_yaml_here():
    """The config.yaml of the working directory, as far as there is one."""
    return read_yaml(Path("config.yaml")) if Path("config.yaml").is_file() else {}


def tidy(place):
    """A folder by its path from here where it lies below, in full elsewhere; the names that are no folders as they are."""
    if not is_local(place):
        return place
    full, here = Path(place).expanduser().resolve(), Path().resolve()
    return str(full.relative_to(here) if full.is_relative_to(here) else full)


def data_folder():
    """(folder, tasks) of the benchmark; the official tasks are known before they are fetched."""
    if config["benchmark"] != "official":
        root = benchmark_root(config["benchmark"])
        return root, find_tasks(root)
    if config["official_source"]:
        check_source(config["official_source"])
    return OFFICIAL, official_tasks()


def variant(name):
    """(method, settings changed) behind a name in `methods:`."""
    return variants.variant(config, name)


def training_settings(suite, name, stage):
    """What a training by a method or variant depends on, as sorted KEY=VALUE texts.

    Neither processes nor a DeepSpeed config: they change a result by rounding alone.
    """
    return [f"{key}={value}" for key, value in variants.training_settings(config, suite, name, stage).items()]


def known_instructions(task, which):
    """The instructions of a task while the graph is built; none of the official ones, a file that may be to fetch."""
    return [] if FROM_OFFICIAL else read_instructions(ROOT_OF_BENCHMARK, TASKS[task], which)


def prompt_options(task, split):
    """The options of `gorp preprocess` that change the rows of a split."""
    several = FROM_OFFICIAL or len(known_instructions(task, "drawn")) > 1
    return run_config.prompt_options(config["prompts"], split, several)


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
    """The resources by which SLURM gives a job its CPUs and GPUs, on one machine or on several."""
    own = config["resources"][rule]
    cpus, gpu, nodes = {"cpus_per_task": own["threads"]}, own["gpu"], own.get("nodes", 1)
    if nodes == 1:
        return {**cpus, "gpu": gpu}
    extra = f"--ntasks-per-node=1{f' --gpus-per-node={gpu}' if gpu else ''}"
    return {**cpus, "mpi": "srun", "nodes": nodes, "tasks": nodes, "slurm_extra": extra}


def check_placeholders():
    """Raises a WorkflowError where the partition or the account of the SLURM profile is not filled in."""
    for key, value in (workflow.resource_settings.default_resources or {}).items():
        if "FILL-IN" in str(getattr(value, "raw", value)):
            raise WorkflowError(
                f"{key}: not filled in; put your own into workflow/profiles/slurm/config.yaml, or run Snakemake with "
                f"--default-resources slurm_partition=NAME slurm_account=NAME"
            )


check_placeholders()


ROOT_OF_BENCHMARK, TASKS, ORDERS = check_config()
FROM_OFFICIAL = config["benchmark"] == "official"
TASK_PATTERN = "|".join(map(re.escape, TASKS))
SUITES = {order: suite for suite, orders in config["orders"].items() for order in orders}
RUN = f"results/{config['run']}"
STAGE = f"{RUN}/stages/{{suite}}/{{method}}/seed{{seed}}/{{stage}}"
ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
STAGE_FILES = (*ADAPTER, *(f"_new_lora/{name}" for name in ADAPTER), "gradient_space.safetensors", "stage.json")
FULL = config["evaluate"] == "full"
TABLES = ("summary.csv", "summary.html", "matrix.csv", "groups.csv", "accuracy.svg")
LEARNING = ("learning.csv", "learning.svg")
AUDIT_FILES = ("audit.html", "confusion.svg", "confusion.csv", "kinds.csv")
AUDIT = rf"audit/[\w-]+/seed\d+/({'|'.join(AUDIT_FILES)})"  # below an order's folder, METHOD/seedN
BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "digests.json")
MODEL = placed(f"results/models/{config['model']}") if config["model"] in MADE else tidy(config["model"])
BENCHMARK = placed(str(OFFICIAL)) if FROM_OFFICIAL and placed("results") != "results" else tidy(config["benchmark"])


wildcard_constraints:
    suite="|".join(config["orders"]),
    method=r"[\w-]+",
    seed=r"\d+",
    task=TASK_PATTERN,
    stage=f"({TASK_PATTERN})(/({TASK_PATTERN}))*",
    split="train|dev|test",
    order="|".join(ORDERS),
    base="|".join(MADE),
