# What the rules read, and what tells one input from another.

CURVES = config["learning_curves"]


def method_of(wildcards):
    """The method of a training, by name or file."""
    return METHODS[TRAININGS.variant(wildcards.method)[0]]


def training_settings(wildcards):
    """What a training by a method or variant depends on, as sorted KEY=VALUE texts.

    Neither processes nor a DeepSpeed config: they change a result by rounding alone.
    """
    settings = TRAININGS.settings(wildcards.suite, wildcards.method, wildcards.stage)
    return [f"{key}={value}" for key, value in settings.items()]


def earlier_rows(wildcards):
    """The train rows of the earlier tasks, in their order, for a method that mixes them in."""
    tasks = wildcards.stage.split("/")[:-1]
    return rendered(tasks, "train") if find_method(method_of(wildcards)).needs_earlier_rows else []


def earlier_option(wildcards, input):
    """`--earlier FILES`, or nothing."""
    return ["--earlier", *input.earlier] if input.earlier else []


def known_instructions(task, which):
    """The instructions of a task while the graph is built; none of the official ones, a file that may be to fetch."""
    return [] if FROM_OFFICIAL else read_instructions(ROOT_OF_BENCHMARK, TASKS[task], which)


def prompt_options(task, split):
    """The options of `gorp preprocess` that change the rows of a split."""
    several = FROM_OFFICIAL or len(known_instructions(task, "drawn")) > 1
    return prompts.prompt_options(config["prompts"], split, several)


def resource(rule, key):
    """A resource of the config's, for jobs of a kind; memory and time grow with each attempt."""
    value = config["resources"][rule][key]
    return (lambda w, attempt: value * attempt) if key in ("mem_mb", "runtime") else value


def model_files(wildcards):
    """The files of a base model that the workflow makes; another one is watched by `model_key`."""
    return [f"results/models/{config['model']}/{name}" for name in BASE_FILES] if config["model"] in MADE else []


def model_key(wildcards):
    """What tells one base model from another: its name or hub id, of a folder a digest of the content."""
    local = config["model"] not in MADE and is_local(config["model"])
    return DIGESTS.folder(Path(config["model"]).expanduser()) if local else config["model"]


def stage_folder(wildcards):
    """The folder of a stage."""
    return placed(STAGE.format(**dict(wildcards.items())))


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
    runs = [f"{stages}/{run}/{file}" for run in order_runs() for file in result_paths.order_scores(tasks, FULL)]
    return runs + [f"{RUN}/zero-shot/{task}/scores.json" for task in tasks]


def last_predictions(wildcards):
    """The predictions of an order's last stage, of all its tasks."""
    suite, stage = SUITES[wildcards.order], "/".join(ORDERS[wildcards.order])
    return f"{STAGE}/predictions.jsonl".format(suite=suite, stage=stage, **wildcards)


def order_runs():
    """The rows of a summary: METHOD/seedN."""
    return [f"{method}/seed{seed}" for method in config["methods"] for seed in config["seeds"]]


def bundled_text(wildcards):
    """What the embedded models are pretrained on, as digests."""
    tasks = find_tasks(benchmark_root("bundled")).values() if wildcards.base in EMBEDDED else []
    return [DIGESTS.rows(task.file(part)) for task in tasks for part in ("train", "labels")]


def sources(wildcards):
    """The files that a split is rendered from; after fetching, for the official benchmark."""
    task = TASKS[wildcards.task]
    examples = [task.file("train")] if config["prompts"]["shots"] else []
    return [task.file(wildcards.split), task.label_file(), *examples]


def predicted_tasks(what):
    """The tasks in predictions: one, by the base model or alone; or else all that a stage has learnt."""
    kind, *parts = what.split("/")
    return parts[-1:] if kind == "zero-shot" or "only" in parts else parts[3:]


def evaluated_tasks(stage):
    """The task that a stage trains, and on request those before it."""
    tasks = stage.split("/")
    return tasks if CURVES["earlier_tasks"] else tasks[-1:]


def learning_files(wildcards):
    """The evaluations of all trainings of an order. Raises WorkflowError where the config asks for none."""
    if not CURVES["every"]:
        raise WorkflowError(
            "config: learning_curves: every: 0 scores nothing while a task is trained; give it a number of steps"
        )
    stages = f"{RUN}/stages/{SUITES[wildcards.order]}"
    return [
        f"{stages}/{run}/{table}"
        for run in order_runs()
        for table in result_paths.evaluation_tables(ORDERS[wildcards.order])
    ]
