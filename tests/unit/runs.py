"""Runs of a method over an order of three tasks, with scores that the tests know."""

from gorp.report.order_tables import Run

TASKS = ["b", "a", "c"]  # not in alphabetical order: columns follow the order of training
ROWS = {"b": 100, "a": 100, "c": 200}
GROUPS = {"b": "X", "a": "Y", "c": "X"}


def tallies(rows, exact_match):
    """As the rows of exact match are; of ROUGE all rows alike, or all but two."""
    hits = round(rows * exact_match / 100)
    alike = {str(exact_match + 1): rows}
    spread = {str(exact_match + 0.5): rows - 2, "0.0": 1, str(2 * exact_match + 1): 1}
    return {"exact_match": {"0.0": rows - hits, "100.0": hits}, "rouge1": alike, "rougeL": spread}


def scores(**exact_match):
    return {
        task: {
            "group": GROUPS[task],
            "rows": ROWS[task],
            "exact_match": value,
            "rouge1": value + 1,
            "rougeL": value + 0.5,
            "tally": tallies(ROWS[task], value),
        }
        for task, value in exact_match.items()
    }


def stage(seconds, memory, full_rank):
    return {
        "seconds": seconds,
        "peak_memory_mb": memory,
        "trainable": {"lora": 10, "full_rank": full_rank},
        "other": "ignored",
    }


def run(method="gorp", seed=1):
    return Run(
        method=method,
        seed=seed,
        model="tiny",
        benchmark="bundled",
        stage_scores=[scores(b=50.0), scores(b=90.0, a=60.0), scores(b=70.0, a=40.0, c=80.0)],
        forward_scores=[scores(a=20.0), scores(c=35.0)],
        zero_shot=scores(b=5.0, a=10.0, c=30.0),
        stages=[stage(1.5, 800.0, 7), stage(2.25, 812.0, 8), stage(3.0, 700.0, 9)],
    )
