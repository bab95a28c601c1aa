"""Check one split of a task and render its rows as prompts."""

import argparse
from pathlib import Path

from gorp.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--benchmark", required=True, help="'bundled', 'official' (after `gorp fetch`), or a folder")
    parser.add_argument("--task", required=True, help="the data set, such as amazon")
    parser.add_argument("--split", required=True, choices=["train", "dev", "test"])
    parser.add_argument(
        "--instruction",
        type=number_or_drawn,
        default=1,
        metavar="N|drawn",
        help="number of the task's instruction (default: 1), or 'drawn' to draw one for each row",
    )
    parser.add_argument("--shots", type=int, default=0, help="train rows shown as examples in each prompt (default: 0)")
    parser.add_argument("--min-rows", type=int, default=0, help="train: repeat rows up to this number (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random choices (default: 0)")
    for name, line in (("task-name", "Task:GROUP"), ("dataset-name", "Dataset:TASK")):
        parser.add_argument(f"--no-{name}", action="store_true", help=f"leave the line {line} out of the prompts")
    fields = "JSON lines: task, group, id, source, target, labels, sentence_at"
    parser.add_argument("--output", type=Path, required=True, help=fields)


def number_or_drawn(text: str) -> int | str:
    return text if text == "drawn" else int(text)


def run(args: argparse.Namespace) -> None:
    from gorp.data.official.manifest import check_fetched, official_tasks
    from gorp.data.prompts import Prompts, render_split
    from gorp.data.tasks import OFFICIAL, benchmark_root, find_tasks
    from gorp.util.errors import close_names, require
    from gorp.util.files import write_jsonl

    require("--shots", args.shots, args.shots >= 0, "at least 0")
    require("--min-rows", args.min_rows, args.min_rows >= 0, "at least 0")
    official = args.benchmark == "official"
    root = OFFICIAL if official else benchmark_root(args.benchmark)
    tasks = official_tasks() if official else find_tasks(root)
    if args.task not in tasks:
        raise UserError(f"--task: no task {args.task!r} in {root}; {close_names(args.task, tasks)}")
    if official:
        check_fetched(tasks[args.task])
    names = (not args.no_task_name, not args.no_dataset_name)
    prompts = Prompts(args.instruction, args.shots, args.min_rows, args.seed, *names)
    write_jsonl(args.output, list(render_split(root, tasks[args.task], args.split, prompts)))
