"""Write the bundled benchmark: fifteen small generated data sets in the layout of the official one.

Run ``python CL_Benchmark/generate.py``; the same seed gives the same bytes.
"""

import argparse
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from grammars import copa, dbpedia, news, nli, questions, reading, sentiment, wic, yahoo
from grammars.base import shuffled

SEED = 20240817
SPLITS = ("train", "dev", "test")
LARGE, SMALL = (800, 100, 200), (600, 60, 120)


class DataSet(NamedTuple):
    """A data set's labels in their official order, its rows in each split, and the grammar that writes a sentence."""

    labels: list[str]
    sizes: tuple[int, int, int]
    sentence: Callable[[random.Random, str], str]


LEVELS = list(sentiment.ADJECTIVES)
DATA_SETS = {
    "SC/amazon": DataSet(LEVELS, LARGE, sentiment.amazon),
    "SC/yelp": DataSet(LEVELS, LARGE, sentiment.yelp),
    "SC/IMDB": DataSet(["Good", "Bad"], SMALL, sentiment.imdb),
    "SC/SST-2": DataSet(["Good", "Bad"], SMALL, sentiment.sst2),
    "TC/agnews": DataSet(list(news.TOPICS), LARGE, news.sentence),
    "TC/dbpedia": DataSet(list(dbpedia.CLASSES), (980, 100, 200), dbpedia.sentence),
    "TC/yahoo": DataSet(list(yahoo.TOPICS), LARGE, yahoo.sentence),
    "NLI/MNLI": DataSet(["neutral", "entailment", "contradiction"], SMALL, nli.mnli),
    "NLI/CB": DataSet(["entailment", "contradiction", "neutral"], SMALL, nli.cb),
    "NLI/RTE": DataSet(["contradiction", "entailment"], SMALL, nli.rte),
    "QQP/QQP": DataSet(["False", "True"], SMALL, questions.sentence),
    "BoolQA/BoolQA": DataSet(["True", "False"], SMALL, reading.boolqa),
    "COPA/COPA": DataSet(["A", "B"], SMALL, copa.sentence),
    "MultiRC/MultiRC": DataSet(["False", "True"], SMALL, reading.multirc),
    "WiC/WiC": DataSet(["True", "False"], SMALL, wic.sentence),
}

INSTRUCTIONS = {
    "NLI": "How does sentence 2 follow from sentence 1? Pick one option.\n",
    "QQP": "Do the first and the second sentence ask the same? Pick one option.\n",
    "SC": "Which sentiment does this text express? Pick one option.\n",
    "TC": "Which topic is this text about? Pick one option.\n",
    "BoolQA": "Is the answer to the question true by the passage? Pick one option.\n",
    "MultiRC": "Is the given answer right by the paragraph? Pick one option.\n",
    "WiC": "Does the word mean the same in both sentences? Pick one option.\n",
}


def key(sentence: str) -> str:
    """What makes a sentence new: its words, so that another number, case or comma is not enough."""
    return " ".join(re.findall(r"[a-z]+", sentence.lower()))


def rows(name: str, seed: int) -> dict[str, list[dict[str, str]]]:
    """The three splits of a data set, each with its labels balanced (to within one row) and no sentence used twice."""
    data_set = DATA_SETS[name]
    rng = random.Random(f"{seed}/{name}")
    seen: set[str] = set()
    splits = {}
    for split, size in zip(SPLITS, data_set.sizes, strict=True):
        labels = [data_set.labels[i % len(data_set.labels)] for i in range(size)]
        splits[split] = [
            {"label": label, "sentence": _new(rng, data_set, label, seen)} for label in shuffled(rng, labels)
        ]
    return splits


def _new(rng: random.Random, data_set: DataSet, label: str, seen: set[str]) -> str:
    """A sentence that was not drawn before; gives up when a grammar is too poor for the size asked of it."""
    for _ in range(1000):
        sentence = data_set.sentence(rng, label)
        if key(sentence) not in seen:
            seen.add(key(sentence))
            return sentence
    raise RuntimeError(f"the grammar has no more new sentences for {label!r}")


def dump_rows(content: list) -> str:
    """A JSON list with one row a line, so that a change of the data can be read as a diff."""
    return "[\n" + ",\n".join(json.dumps(row) for row in content) + "\n]\n"


def write(out: Path, seed: int) -> None:
    """Write every data set and the instructions below the directory."""
    for name, data_set in DATA_SETS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "labels.json", json.dumps(data_set.labels) + "\n")
        for split, content in rows(name, seed).items():
            _write(folder / f"{split}.json", dump_rows(content))
    config = {
        group: [{"instruction_type": "zero-shot", "instruction": instruction}]
        for group, instruction in INSTRUCTIONS.items()
    }
    _write(out / "instruction_config.json", json.dumps(config, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """Write bytes, so that line ends are the same on every system."""
    path.write_bytes(text.encode("utf-8"))


def main() -> None:
    """Read the command line and write the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="directory to write to")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of all draws (default: %(default)s)")
    args = parser.parse_args()
    write(args.out, args.seed)


if __name__ == "__main__":
    main()
