"""Where the workflow keeps what a run produces, and how an order's files are found again.

A stage lies under the sequence of tasks that it has learnt, so that orders which start alike share their stages:

    ROOT/stages/SUITE/METHOD/seedN/dbpedia/amazon/{stage.json, predictions.jsonl, scores.json, ...}
    ROOT/stages/SUITE/METHOD/seedN/dbpedia/amazon/forward/yahoo/scores.json      a task before it is learnt
    ROOT/zero-shot/yahoo/scores.json                                             the base model
"""

from collections.abc import Sequence
from pathlib import Path

from gorp.files import read_json
from gorp.report import Run


def prefixes(tasks: Sequence[str]) -> list[str]:
    """The stages of an order: `["dbpedia", "dbpedia/amazon", ...]`."""
    return ["/".join(tasks[: i + 1]) for i in range(len(tasks))]


def order_scores(tasks: Sequence[str]) -> list[str]:
    """Files below METHOD/seedN that an order is aggregated from."""
    stages = prefixes(tasks)
    own = [f"{stage}/{name}" for stage in stages for name in ("scores.json", "stage.json")]
    forward = [f"{stage}/forward/{task}/scores.json" for stage, task in zip(stages, tasks[1:], strict=False)]
    return own + forward


def read_run(
    method: str, seed: int, model: str, benchmark: str, stages: Path, zero_shot: Path, tasks: Sequence[str]
) -> Run:
    """One method and seed over an order. Raises UserError if a file is missing or not JSON."""
    names = prefixes(tasks)
    base: dict = {}
    for task in tasks:
        base |= read_json(zero_shot / task / "scores.json")
    return Run(
        method=method,
        seed=seed,
        model=model,
        benchmark=benchmark,
        stage_scores=[read_json(stages / stage / "scores.json") for stage in names],
        forward_scores=[
            read_json(stages / stage / "forward" / task / "scores.json")
            for stage, task in zip(names, tasks[1:], strict=False)
        ],
        zero_shot=base,
        stages=[read_json(stages / stage / "stage.json") for stage in names],
    )
