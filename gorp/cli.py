"""The `gorp` command. Each sub-command is one step of the workflow and can be run alone."""

import argparse
import os
import sys
from pathlib import Path

from gorp.errors import Interrupted, UserError

EXAMPLES = """\
A stream of two tasks by hand, without Snakemake:

  gorp base --name tiny-t5 --output model
  gorp preprocess --benchmark bundled --task dbpedia --split train --output dbpedia.jsonl
  gorp train --model model --data dbpedia.jsonl --method gorp --set epochs=4 batch_size=32 --output dbpedia
  gorp train --model model --data amazon.jsonl --parent dbpedia --method gorp --output dbpedia/amazon
  gorp predict --model model --stage dbpedia/amazon --data dbpedia.test.jsonl amazon.test.jsonl --output p.jsonl
  gorp score --predictions p.jsonl --output scores.json
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one sub-command; returns the exit status. A user's mistake is one line on stderr, without a traceback."""
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except (UserError, FloatingPointError, Interrupted) as error:
        print(f"gorp {args.command}: error: {error}", file=sys.stderr)
        return getattr(error, "status", 1)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command-line parser with all sub-commands."""
    top = argparse.ArgumentParser(
        prog="gorp",
        description="Continual fine-tuning of language models by gradient low-rank projection.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    text = "Make a base model of the workflow: an embedded one, pretrained, or SmolLM2 from its PyPI package."
    sub = command("base", run_base, text)
    sub.add_argument("--name", required=True, help="tiny-t5, tiny-llama or smollm2-135m")
    add_common(sub, "the folder of the model")

    sub = command("preprocess", run_preprocess, "Check one split of a task and render its rows as prompts.")
    sub.add_argument("--benchmark", required=True, help="'bundled', or a folder of GROUP/DATASET folders")
    sub.add_argument("--task", required=True, help="the data set, such as amazon")
    sub.add_argument("--split", required=True, choices=["train", "dev", "test"])
    sub.add_argument("--output", type=Path, required=True, help="JSON lines: task, id, source, target, sentence_at")

    sub = command("train", run_train, "Train one stage: a task on top of the stage before, or of the base model.")
    sub.add_argument("--model", required=True, help="base model: a folder or a hub id")
    sub.add_argument("--data", type=Path, required=True, help="rendered train rows of one task")
    sub.add_argument("--parent", type=Path, help="the stage to go on from (default: the base model)")
    add_dtype(sub)
    sub.add_argument("--method", required=True, help="gorp or seqlora")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="settings to change")
    sub.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=10,
        help="a training that was stopped goes on from its last checkpoint, saved this often (default: 10)",
    )
    add_common(sub, "the folder of the stage")

    sub = command("plan", run_plan, "Print parameters by group and the memory that a training takes; loads no weights.")
    sub.add_argument("--preset", type=Path, help="a file for --configfile, such as workflow/presets/t5-large.yaml")
    sub.add_argument("--model", help="base model: a folder or a hub id (default: the preset's)")
    sub.add_argument("--method", help="gorp or seqlora, or a variant of the preset (default: its first)")
    sub.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the frozen base model")
    sub.add_argument("--tasks", type=int, default=0, help="earlier tasks, whose directions are kept (default: 0)")
    sub.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="settings to change")
    sub.add_argument("--json", action="store_true", help="sizes in bytes, for programs")

    sub = command("predict", run_predict, "Generate answers for test rows, greedily.")
    sub.add_argument("--model", required=True, help="base model: a folder or a hub id")
    add_dtype(sub)
    sub.add_argument("--stage", type=Path, help="the stage to load (default: none, the zero-shot model)")
    sub.add_argument("--data", type=Path, nargs="+", required=True, help="rendered rows, one file a task")
    sub.add_argument("--max-source-length", type=int, default=512, help="tokens of a prompt (default: 512)")
    sub.add_argument("--max-new-tokens", type=int, default=50, help="tokens of an answer (default: 50)")
    sub.add_argument("--batch-size", type=int, default=32, help="rows at a time (default: 32)")
    add_common(sub, "JSON lines: task, id, prediction, target")

    sub = command("score", run_score, "Exact match and ROUGE of a predictions file, by task.")
    sub.add_argument("--predictions", type=Path, required=True)
    sub.add_argument("--output", type=Path, required=True, help="JSON: scores in percent by task")

    sub = command("aggregate", run_aggregate, "Tables and figure of one order: summary.csv, matrix.csv, accuracy.svg.")
    sub.add_argument("--order", required=True, help="name of the order")
    sub.add_argument("--tasks", nargs="+", required=True, help="its tasks, in sequence")
    sub.add_argument("--runs", nargs="+", required=True, metavar="METHOD/seedN", help="rows of the summary")
    sub.add_argument(
        "--evaluate",
        choices=["full", "final"],
        default="full",
        help="full: each stage was scored on all tasks seen; final: on its own alone, and the last on all",
    )
    sub.add_argument("--stages", type=Path, required=True, help="the folder above METHOD/seedN")
    sub.add_argument("--zero-shot", type=Path, required=True, help="the folder of the base model's scores by task")
    sub.add_argument("--model", required=True, help="name for the tables")
    sub.add_argument("--benchmark", required=True, help="name for the tables")
    sub.add_argument("--output", type=Path, required=True, help="the folder of the tables")

    sub = command("summarize", run_summarize, "The table of all orders: means over orders and seeds, published scores.")
    sub.add_argument(
        "--suite",
        nargs="+",
        action="append",
        required=True,
        metavar=("SUITE", "SUMMARY"),
        help="a suite and the summary.csv of each of its orders; once for each suite",
    )
    sub.add_argument("--published", type=Path, help="YAML: {MODEL: {SUITE: {METHOD: {METRIC: percent}}}}")
    sub.add_argument("--output", type=Path, required=True, help="CSV")

    sub = command("status", run_status, "Which stages of a run are done, training (step, loss, time left) and to come.")
    sub.add_argument("--configfile", type=Path, nargs="+", default=[Path("config.yaml")], help="as for snakemake")
    sub.add_argument("--results", type=Path, default=Path("results"), help="the results folder (default: results)")
    return top


def add_dtype(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="of the frozen base model (default: float32); what is trained is always float32",
    )


def add_common(sub: argparse.ArgumentParser, output: str) -> None:
    """Options of the commands that run a model."""
    sub.add_argument("--threads", type=int, help="CPU threads (default: as torch chooses)")
    sub.add_argument("--output", type=Path, required=True, help=output)


def prepare_torch(threads: int | None) -> None:
    """Sets threads, and quietens libraries whose bars would fill a log file."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def run_base(args: argparse.Namespace) -> None:
    from gorp.benchmark import BUNDLED
    from gorp.errors import close_names
    from gorp.sources import EMBEDDED, MADE

    if args.name not in MADE:
        raise UserError(f"--name: no base model {args.name!r}; {close_names(args.name, MADE)}")
    prepare_torch(args.threads)
    if args.name in EMBEDDED:
        from gorp.embedded import make_embedded

        make_embedded(args.name, BUNDLED, args.output, seed=0)
    else:
        from gorp.smollm2 import make_smollm2

        make_smollm2(args.output)


def run_preprocess(args: argparse.Namespace) -> None:
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


def run_train(args: argparse.Namespace) -> None:
    from gorp.settings import make_settings, parse_assignments

    settings = make_settings(args.method, parse_assignments(args.settings))
    prepare_torch(args.threads)
    from gorp.train import train_stage

    stage = (args.model, args.data, args.output, args.method, settings, args.seed, args.parent, args.dtype)
    train_stage(*stage, args.checkpoint_minutes)


def run_plan(args: argparse.Namespace) -> None:
    from gorp.presets import asked_training
    from gorp.settings import require

    require("--tasks", args.tasks, args.tasks >= 0, "at least 0")
    model, method, settings, dtype = asked_training(args.preset, args.model, args.method, args.dtype, args.settings)
    prepare_torch(None)
    from gorp.plan import as_json, as_table, make_plan

    plan = make_plan(model, method, settings, dtype, args.tasks)
    print(as_json(plan) if args.json else as_table(plan))


def run_predict(args: argparse.Namespace) -> None:
    prepare_torch(args.threads)
    from gorp.predict import predict

    predict(
        args.model,
        args.stage,
        args.data,
        args.output,
        args.max_source_length,
        args.max_new_tokens,
        args.batch_size,
        args.dtype,
    )


def run_score(args: argparse.Namespace) -> None:
    from gorp.files import read_jsonl, write_json
    from gorp.metrics import score_predictions

    try:
        scores = score_predictions(read_jsonl(args.predictions))
    except ValueError as error:
        raise UserError(f"{args.predictions}: {error}") from None
    write_json(args.output, scores)


def run_aggregate(args: argparse.Namespace) -> None:
    from gorp.report import accuracy_figure, aggregate, save_figure, write_tables
    from gorp.results import read_run

    runs = []
    for name in args.runs:
        method, _, seed = name.rpartition("/seed")
        if not method or not seed.isdigit():
            raise UserError(f"--runs: {name}: expected METHOD/seedN")
        folder = args.stages / name
        where = (folder, args.zero_shot, args.tasks, args.evaluate == "full")
        runs.append(read_run(method, int(seed), args.model, args.benchmark, *where))
    try:
        summary, matrix = aggregate(args.order, args.tasks, runs)
    except ValueError as error:
        raise UserError(str(error)) from None
    write_tables(summary, matrix, args.output)
    save_figure(accuracy_figure(matrix, args.order), args.output / "accuracy.svg")


def run_summarize(args: argparse.Namespace) -> None:
    from gorp.overview import overview, read_published, read_summaries
    from gorp.report import write_table

    suites = {suite: read_summaries([Path(path) for path in paths]) for suite, *paths in args.suite}
    write_table(overview(suites, read_published(args.published) if args.published else {}), args.output)


def run_status(args: argparse.Namespace) -> None:
    from gorp.status import read_config, status

    table = status(read_config(args.configfile), args.results)
    counts = table["state"].value_counts(sort=False)
    print(table.to_string(index=False, justify="left"))
    print(f"\n{len(table)} stages: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
