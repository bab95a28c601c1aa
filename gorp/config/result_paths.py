"""Where the workflow keeps what a run produces.

A stage lies under the sequence of tasks that it has learnt, so that orders which start alike share their stages:

    ROOT/stages/SUITE/METHOD/seedN/dbpedia/amazon/{stage.json, predictions.jsonl, scores.json, ...}
    ROOT/stages/SUITE/METHOD/seedN/dbpedia/amazon/only/yahoo/scores.json         one task: the next one, or its own
    ROOT/stages/SUITE/METHOD/seedN/dbpedia/amazon/learning/evaluations.csv       amazon while it was trained
    ROOT/zero-shot/yahoo/scores.json                                             the base model
"""

from collections.abc import Sequence

STAGE = "stages/{suite}/{method}/seed{seed}/{stage}"  # below the folder of a run

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"  # as peft names them
SPACE, INFO = "gradient_space.safetensors", "stage.json"
NEW_LORA = "_new_lora"  # stands among the folders of later tasks; names of tasks begin with a letter or a digit
NEW_LORA_FILES = (f"{NEW_LORA}/{WEIGHTS}", f"{NEW_LORA}/{CONFIG}")
STAGE_FILES = (WEIGHTS, CONFIG, *NEW_LORA_FILES, SPACE, INFO)

# of an order, in its folder below that of a run
TABLES = ("summary.csv", "summary.html", "matrix.csv", "groups.csv", "accuracy.svg")
LEARNING = ("learning.csv", "learning.svg")
AUDIT_FILES = ("audit.html", "confusion.svg", "confusion.csv", "kinds.csv")  # below audit/METHOD/seedN


def prefixes(tasks: Sequence[str]) -> list[str]:
    """The stages of an order: `["dbpedia", "dbpedia/amazon", ...]`."""
    return ["/".join(tasks[: i + 1]) for i in range(len(tasks))]


def seen_scores(tasks: Sequence[str], full: bool) -> list[str]:
    """For each stage of an order, the file with its scores of tasks seen: of all of them if `full`, or it is the last.

    Else of its own task alone, which is all that AA, BWT, LA and FWT need.
    """
    stages = prefixes(tasks)
    own = [f"{stage}/only/{task}/scores.json" for stage, task in zip(stages, tasks, strict=True)]
    return [f"{stage}/scores.json" for stage in stages] if full else [*own[:-1], f"{stages[-1]}/scores.json"]


def forward_scores(tasks: Sequence[str]) -> list[str]:
    """For each stage but the last, the file with its score of the task that comes next."""
    return [f"{stage}/only/{task}/scores.json" for stage, task in zip(prefixes(tasks), tasks[1:], strict=False)]


def evaluation_tables(tasks: Sequence[str]) -> list[str]:
    """For each stage of an order, the file with the evaluations of its training."""
    return [f"{stage}/learning/evaluations.csv" for stage in prefixes(tasks)]


def order_scores(tasks: Sequence[str], full: bool) -> list[str]:
    """Files below METHOD/seedN that an order is aggregated from."""
    info = [f"{stage}/stage.json" for stage in prefixes(tasks)]
    return list(dict.fromkeys([*seen_scores(tasks, full), *info, *forward_scores(tasks)]))
