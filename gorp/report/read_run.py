"""The files of one method and seed over an order, read and checked."""

from collections.abc import Sequence
from pathlib import Path

from gorp.config.result_paths import forward_scores, prefixes, seen_scores
from gorp.report.order_tables import Run
from gorp.report.records import read_scores, read_stage_info


def read_run(
    method: str, seed: int, model: str, benchmark: str, stages: Path, zero_shot: Path, tasks: Sequence[str], full: bool
) -> Run:
    """One method and seed over an order. Raises UserError that names a file which is missing or damaged."""
    base: dict = {}
    for task in tasks:
        base |= read_scores(zero_shot / task / "scores.json", [task])
    seen = [tasks[: i + 1] if full or i + 1 == len(tasks) else [task] for i, task in enumerate(tasks)]
    return Run(
        method=method,
        seed=seed,
        model=model,
        benchmark=benchmark,
        stage_scores=[read_scores(stages / n, of) for n, of in zip(seen_scores(tasks, full), seen, strict=True)],
        forward_scores=[read_scores(stages / n, [of]) for n, of in zip(forward_scores(tasks), tasks[1:], strict=True)],
        zero_shot=base,
        stages=[read_stage_info(stages / stage / "stage.json", stage.split("/")) for stage in prefixes(tasks)],
    )
