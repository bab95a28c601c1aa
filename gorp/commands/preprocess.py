"""Check one split of a task and render its rows as prompts."""

import argparse
from pathlib import Path

from gorp.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--benchmark", required=True, help="'bundled', or a folder of GROUP/DATASET folders")
    parser.add_argument("--task", required=True, help="the data set, such as amazon")
    parser.add_argument("--split", required=True, choices=["train", "dev", "test"])
    parser.add_argument("--output", type=Path, required=True, help="JSON lines: task, id, source, target, sentence_at")


def run(args: argparse.Namespace) -> None:
    from gorp.benchmark import benchmark_root, find_tasks, read_instruction, read_labels, read_split
    from gorp.errors import close_names
    from gorp.files import write_jsonl
    from gorp.prompts import render

    root = benchmark_root(args.benchmark)
    tasks = find_tasks(root)
    if args.task not in tasks:
        raise UserError(f"--task: no task {args.task!r} in {root}; {close_names(args.task, tasks)}")
    task = tasks[args.task]
    labels = read_labels(task)
    instruction = read_instruction(root, task.group)
    rows = read_split(task, args.split, labels)
    write_jsonl(args.output, (render(row, i, task.name, task.group, instruction, labels) for i, row in enumerate(rows)))
