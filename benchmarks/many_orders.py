"""What planning many orders costs: jobs, CPU seconds and memory of a dry run, for growing numbers of orders.

    python benchmarks/many_orders.py                       # 10, 30 and 100 orders of 4 tasks, 3 methods, 5 seeds
    python benchmarks/many_orders.py --orders 100 --tasks 15

The orders are drawn at random from the fifteen bundled tasks, so that few share more than their first stage. Time and
memory are those of the whole call of Snakemake, printing included; beside them the cost of a job, which tells how they
grow.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from gorp.data.tasks import BUNDLED, find_tasks

REPOSITORY = Path(__file__).resolve().parents[1]


def dry_run(orders: int, length: int, methods: list[str], seeds: int) -> tuple[int, float, float]:
    """(jobs, CPU seconds, megabytes) of planning `results/summary.csv`."""
    tasks, rng = sorted(find_tasks(BUNDLED)), random.Random(0)
    drawn = {f"order{i}": rng.sample(tasks, length) for i in range(orders)}
    config = {"run": "many", "methods": methods, "seeds": list(range(seeds)), "orders": {"many": drawn}}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "over.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        call = ["--snakefile", REPOSITORY / "Snakefile", "--configfile", "over.yaml", "--dry-run", "--quiet", "rules"]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "results/summary.csv", *call],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(process.pid, 0)
            output.seek(0)
            printed = output.read().decode()
    if status:
        raise SystemExit(printed[-2000:])
    total = re.search(r"^total +(\d+)$", printed, re.M)
    return int(total[1]), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--tasks", type=int, default=4, help="of each order")
    parser.add_argument("--methods", nargs="+", default=["gorp", "seqlora", "gorp-lora"])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    print(f"orders of {args.tasks} tasks, {len(args.methods)} methods, {args.seeds} seeds")
    print(f"{'orders':>8}{'jobs':>10}{'CPU s':>10}{'MB':>10}{'ms a job':>12}{'kB a job':>12}")
    for count in args.orders:
        jobs, seconds, megabytes = dry_run(count, args.tasks, args.methods, args.seeds)
        each = f"{1000 * seconds / jobs:>12.2f}{1024 * megabytes / jobs:>12.1f}"
        print(f"{count:>8}{jobs:>10}{seconds:>10.1f}{megabytes:>10.0f}{each}", flush=True)


if __name__ == "__main__":
    main()
