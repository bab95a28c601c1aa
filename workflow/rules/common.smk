# Names, checks and helper functions that the rules share.

import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from gorp.config import launchers, prompt_options as prompts, result_paths
from gorp.config.checked import check_folders, check_run, checked_config, read_schema, with_defaults
from gorp.config.content_digests import Digests
from gorp.config.deepspeed_file import check_deepspeed
from gorp.config.model_names import BASE_FILES, EMBEDDED, MADE, check_model, is_local, tidy
from gorp.config.orders import Orders, kept
from gorp.config.result_paths import AUDIT_FILES, LEARNING, STAGE_FILES, TABLES
from gorp.config.step_code import base_model_code, step_code
from gorp.config.variants import Trainings
from gorp.data.instructions import read_instructions
from gorp.data.official.manifest import INSTRUCTIONS, official_tasks, read_manifest
from gorp.data.official.transfer import check_source
from gorp.data.tasks import OFFICIAL, benchmark_root, find_tasks
from gorp.methods.registry import find_method, make_method, methods_of, settings_of
from gorp.models.trainable import read_layers
from gorp.util import places
from gorp.util.errors import UserError
from gorp.util.snakemake_lock import note_run, remove_stale_lock
from gorp.util.yaml_files import read_yaml

# the folder of the root Snakefile
HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
HOME = HOME if HOME.is_dir() else places.HOME  # the rules were fetched from a repository, file by file
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
    """(benchmark folder, tasks, orders, trainings); values of the config get the types that the schema wants.

    Raises UserError that names the file or key where the config cannot be run.
    """
    for file in workflow.configfiles:  # Snakemake itself takes the last of two equal keys
        read_yaml(Path(os.path.relpath(file)))
    defaults, own, here = read_yaml(HOME / "config.yaml"), config.get("orders"), Path("config.yaml")
    if not workflow.modifier.skip_configfile and defaults == (read_yaml(here) if here.is_file() else {}):
        own = workflow.config_settings.overwrite_config.get("orders")  # all that is put over config.yaml
    schema = read_schema(KINDS, workflow.source_path("../schemas/config.schema.yaml"))
    config.update(checked_config(with_defaults(defaults, config), schema))
    if config["benchmark"] == "official":  # whose tasks are known before they are fetched
        root, tasks = OFFICIAL, official_tasks()
        if config["official_source"]:
            check_source(config["official_source"])
    else:
        root = benchmark_root(config["benchmark"])
        tasks = find_tasks(root)
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
    trainings, own = Trainings(config, KINDS), config["resources"]["train"]
    for method, settings in trainings:
        if layers is not None:
            make_method(METHODS[method], settings).check(layers)
        check_deepspeed(config["deepspeed"], settings, config["dtype"], launchers.processes_of(own) * own["nodes"])
    config["orders"] = kept(config["orders"])
    return root, tasks, orders, trainings


for key, value in (workflow.resource_settings.default_resources or {}).items():
    if "FILL-IN" in str(getattr(value, "raw", value)):
        raise WorkflowError(
            f"{key}: not filled in; put your own into workflow/profiles/slurm/config.yaml, or run Snakemake with "
            f"--default-resources slurm_partition=NAME slurm_account=NAME"
        )

try:
    METHODS = methods_of(config)  # by name, as the config gives them: a name or a file
    KINDS = settings_of(config)
    ROOT_OF_BENCHMARK, TASKS, ORDERS, TRAININGS = check_config()
except UserError as error:
    raise WorkflowError("\n".join(f"config: {line}" for line in str(error).splitlines())) from None
if workflow.is_main_process and ORDERS.warning():
    logger.warning(ORDERS.warning())

FROM_OFFICIAL = config["benchmark"] == "official"
TASK_PATTERN = "|".join(map(re.escape, TASKS))
SUITES = {order: suite for suite, orders in config["orders"].items() for order in orders}
RUN = f"results/{config['run']}"
STAGE = f"{RUN}/{result_paths.STAGE}"
FULL = config["evaluate"] == "full"
AUDIT = rf"audit/[\w-]+/seed\d+/({'|'.join(AUDIT_FILES)})"  # below an order's folder, METHOD/seedN
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
