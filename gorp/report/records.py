"""What the steps of the workflow note as JSON, scores.json and stage.json, checked as it is read."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from gorp.metrics.answers import SCORES, mean
from gorp.util.errors import UserError
from gorp.util.files import read_json

NUMBER, NAMES = {"type": "number"}, {"type": "array", "items": {"type": "string"}}
COUNTS = {  # rows by their score, see gorp.metrics.answers.score_predictions
    "type": "object",
    "propertyNames": {"pattern": r"^\d+(\.\d+)?(e-?\d+)?$"},
    "additionalProperties": {"type": "integer", "minimum": 1},
}
SCORES_FILE = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["group", "rows", *SCORES, "tally"],
        "properties": {
            "group": {"type": "string"},
            "rows": {"type": "integer", "minimum": 1},
            **dict.fromkeys((*SCORES, "likelihood_match"), NUMBER),
            "tally": {"type": "object", "additionalProperties": COUNTS},
        },
    },
}
STAGE = {
    "type": "object",
    "required": ["tasks", "steps", "losses", "seconds", "peak_memory_mb", "trainable"],
    "properties": {
        "tasks": NAMES,
        "steps": {"type": "integer"},
        "losses": {"type": "array", "items": NUMBER, "minItems": 1},
        "seconds": NUMBER,
        "peak_memory_mb": NUMBER,
        "trainable": {
            "type": "object",
            "required": ["lora", "full_rank"],
            "properties": {"lora": {"type": "integer"}, "full_rank": {"type": "integer"}},
        },
    },
}


def read_scores(path: Path, tasks: Sequence[str]) -> dict[str, dict]:
    """The content of a scores file. Raises UserError unless it is whole and holds these tasks; it says what to do."""
    scores = read_checked(path, SCORES_FILE)
    faults = [f"no scores of {task}" for task in tasks if task not in scores]
    faults += [f"{task}: {fault}" for task, own in scores.items() if (fault := disagreement(own))]
    if faults:
        raise damaged(path, faults[0])
    return scores


def read_stage_info(path: Path, tasks: Sequence[str]) -> dict[str, Any]:
    """The content of stage.json of a stage that has learnt these tasks. Raises UserError as `read_scores`."""
    info = read_checked(path, STAGE)
    if info["tasks"] != list(tasks):
        raise damaged(path, f"its tasks are {'/'.join(info['tasks'])}, expected {'/'.join(tasks)}")
    return info


def read_checked(path: Path, schema: Mapping[str, Any]) -> Any:
    """A JSON file that follows a schema. Raises UserError as `read_scores`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        content = read_json(path)
    except UserError as error:
        raise damaged(path, str(error).removeprefix(f"{path}: ")) from None
    worst = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(content))
    if worst is not None:
        place = f"{worst.json_path.removeprefix('$.')}: " if worst.path else ""
        raise damaged(path, place + worst.message[:200])
    return content


def disagreement(scores: Mapping[str, Any]) -> str:
    """What does not agree between the scores of one task and the tallies they were made from; "" if all does."""
    for name, counts in scores["tally"].items():
        if sum(counts.values()) != scores["rows"]:
            return f"the tally of {name} has {sum(counts.values())} rows, not {scores['rows']}"
        expected = mean({float(score): count for score, count in counts.items()})
        if name in scores and not math.isclose(scores[name], expected, abs_tol=1e-6):
            return f"{name} is {scores[name]}, but its tally gives {expected}"
    return ""


def damaged(path: Path, why: str) -> UserError:
    """The error for a file that the workflow is to make again."""
    return UserError(f"{path}: damaged: {why}; delete it and run the snakemake command again")
