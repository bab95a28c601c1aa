"""The bundled data: written anew byte for byte, in the official form, and without shortcuts to the labels."""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3] / "CL_Benchmark"
LEVELS = ["very negative", "negative", "neutral", "positive", "very positive"]
LABELS = {
    "SC/amazon": LEVELS,
    "SC/yelp": LEVELS,
    "SC/IMDB": ["Good", "Bad"],
    "SC/SST-2": ["Good", "Bad"],
    "TC/agnews": ["World", "Sports", "Business", "Science or Technology"],
    "TC/dbpedia": [
        "Company",
        "Educational Institution",
        "Artist",
        "Athlete",
        "Office Holder",
        "Mean of Transportation",
        "Building",
        "Natural Place",
        "Village",
        "Animal",
        "Plant",
        "Album",
        "Film",
        "Written Work",
    ],
    "TC/yahoo": [
        "Society & Culture",
        "Science & Mathematics",
        "Health",
        "Education & Reference",
        "Computers & Internet",
        "Sports",
        "Business & Finance",
        "Entertainment & Music",
        "Family & Relationships",
        "Politics & Government",
    ],
    "NLI/MNLI": ["neutral", "entailment", "contradiction"],
    "NLI/CB": ["entailment", "contradiction", "neutral"],
    "NLI/RTE": ["contradiction", "entailment"],
    "QQP/QQP": ["False", "True"],
    "BoolQA/BoolQA": ["True", "False"],
    "COPA/COPA": ["A", "B"],
    "MultiRC/MultiRC": ["False", "True"],
    "WiC/WiC": ["True", "False"],
}
LARGE = {"SC/amazon", "SC/yelp", "TC/agnews", "TC/dbpedia", "TC/yahoo"}
SPLITS = ("train", "dev", "test")
MEGABYTE = 1_000_000

# The surface of a sentence, by data set.
LAYOUT = {
    "SC/amazon": r"Title: .+\nText: .+\n",
    "SC/yelp": r"Text: .+\n",
    "SC/IMDB": r".+",
    "SC/SST-2": r"Text: .+ ",
    "TC/agnews": r"Title: .+\nText: .+\n",
    "TC/dbpedia": r"Title: .+\nText:  .+\n",
    "TC/yahoo": r"(Title: .+\n)?Question: .+\nAnswer: .+\n",
    "NLI/MNLI": r"sentence 1: .+\nsentence 2: .+",
    "NLI/CB": r"sentence 1: .+\nsentence 2: .+",
    "NLI/RTE": r"sentence 1: .+\nsentence 2: .+",
    "QQP/QQP": r"first sentence: .+\nsecond sentence: .+",
    "BoolQA/BoolQA": r"question: .+\npassage: .+",
    "COPA/COPA": r'Which sentence is the (cause|effect) of ".+"\? Choose one between A and B\.\nA: .+\nB: .+',
    "MultiRC/MultiRC": r"paragraph: .+\nquestion: .+\ncandidate answer: .+",
    "WiC/WiC": r"word: .+\n.+\n.+",
}

# How far above chance a shortcut may come on the 180 or 300 rows that are not trained on. Chance alone varies by three
# to four points there; the rest of the margin is what one true cue among many may tell.
MARGIN = 0.15
# In sentiment and topics a word about the meaning may tell something; a function word or a comma may tell less.
FUNCTION_MARGIN = 0.10
FUNCTION_WORDS = set(
    re.findall(
        r"\S+",
        """a an the and or but so if as at by for from in into of on off out over to up with without about after
        before since until while when where why who whom how what which that this these those there here i you he
        she it we they me him her us them my your his its our their is are was were be been am do does did done
        has have had can could will would shall should may might must not no nor never none nobody nothing n't
        yes very too also just only again all any some each every both more most than then well""",
    )
)

Row = dict[str, str]
Bundle = dict[str, dict[str, list[Row]]]


def load(root: Path) -> Bundle:
    return {
        name: {split: json.loads((root / name / f"{split}.json").read_text("utf-8")) for split in SPLITS}
        for name in LABELS
    }


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load(ROOT)


def tokens(sentence: str) -> list[str]:
    return re.findall(r"[\w'-]+|[^\w\s]", sentence.lower())


def words(sentence: str) -> set[str]:
    return set(re.findall(r"[a-z]+", sentence.lower()))


# ---------------------------------------------------------------- form


def test_written_anew_byte_for_byte(tmp_path):
    subprocess.run([sys.executable, ROOT / "generate.py", "--out", tmp_path], check=True)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == 4 * len(LABELS) + 1
    assert written == {path.relative_to(ROOT) for path in ROOT.rglob("*.json")} - {Path("official.json")}
    for path in written:
        assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes(), path


def test_another_seed_gives_other_data(tmp_path, bundle):
    subprocess.run([sys.executable, ROOT / "generate.py", "--out", tmp_path, "--seed", "1"], check=True)
    others = load(tmp_path)
    assert all(others[name]["train"] != bundle[name]["train"] for name in LABELS)


@pytest.mark.parametrize("name", LABELS)
def test_form(name, bundle):
    assert json.loads((ROOT / name / "labels.json").read_text("utf-8")) == LABELS[name]
    sizes = tuple(len(bundle[name][split]) for split in SPLITS)
    assert sizes == ((980 if name == "TC/dbpedia" else 800, 100, 200) if name in LARGE else (600, 60, 120))
    for rows in bundle[name].values():
        for row in rows:
            assert set(row) == {"label", "sentence"}
            assert re.fullmatch(LAYOUT[name], row["sentence"]), row
            assert not re.search(r"[{}\[\]|]|\(n\)|  (?!\w)", row["sentence"]), row
        counts = Counter(row["label"] for row in rows)
        assert set(counts) == set(LABELS[name])
        assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", LABELS)
def test_one_row_a_line(name):
    for split in SPLITS:
        lines = (ROOT / name / f"{split}.json").read_text("utf-8").splitlines()
        assert all(json.loads(line.rstrip(",")).keys() == {"label", "sentence"} for line in lines[1:-1])


def repeated(splits: dict[str, list[Row]]) -> list[str]:
    """The sentences that occur twice, where other numbers or another case do not make a sentence new."""
    counts = Counter(
        " ".join(re.findall(r"[a-z]+", row["sentence"].lower())) for rows in splits.values() for row in rows
    )
    return [sentence for sentence, count in counts.items() if count > 1]


@pytest.mark.parametrize("name", LABELS)
def test_no_sentence_twice(name, bundle):
    assert not repeated(bundle[name])


def test_repeated_finds_a_renumbered_row(bundle):
    splits = dict(bundle["SC/yelp"])
    splits["test"] = [*splits["test"], {"label": "neutral", "sentence": splits["train"][0]["sentence"] + " 7"}]
    assert len(repeated(splits)) == 1


def test_small(bundle):
    assert sum(path.stat().st_size for path in ROOT.rglob("*.json")) < 5 * MEGABYTE
    for name, splits in bundle.items():
        lengths = [len(row["sentence"].split()) for row in splits["train"]]
        assert sum(lengths) / len(lengths) < (40 if name[0] in "BCM" else 25), name


def test_instructions():
    config = json.loads((ROOT / "instruction_config.json").read_text("utf-8"))
    assert set(config) == {"NLI", "QQP", "SC", "TC", "BoolQA", "MultiRC", "WiC"}
    for entries in config.values():
        assert [set(entry) for entry in entries] == [{"instruction_type", "instruction"}]
        assert entries[0]["instruction_type"] == "zero-shot"
        assert entries[0]["instruction"].endswith("\n")
        assert len(entries[0]["instruction"].split()) < 14


# ---------------------------------------------------------------- no shortcuts


def lookup_accuracy(train: list[Row], test: list[Row], feature) -> float:
    """The accuracy of guessing, for each value of one feature, the label it most often has in train."""
    seen: dict[object, Counter] = defaultdict(Counter)
    for row in train:
        seen[feature(row["sentence"])][row["label"]] += 1
    fallback = train[0]["label"]
    right = 0
    for row in test:
        counts = seen.get(feature(row["sentence"]))
        right += row["label"] == (counts.most_common(1)[0][0] if counts else fallback)
    return right / len(test)


def at(position: int):
    """The token at a place from the start, or from the end (where punctuation does not count)."""

    def feature(sentence: str) -> str:
        found = tokens(sentence) if position >= 0 else re.findall(r"[\w'-]+", sentence.lower())
        return found[position] if -len(found) <= position < len(found) else ""

    return feature


LENGTHS = {"length in words": lambda sentence: len(sentence.split()), "length in characters": lambda s: len(s) // 6}
EDGES = {f"token {position}": at(position) for position in (0, 1, -2, -1)}
# Further inside, a sentence on sentiment or a topic may have its cues at any place; a pair has no cue in one word.
INSIDE = {f"token {position}": at(position) for position in (2, 3, 4, 5, -5, -4, -3)}


def presence_accuracies(train: list[Row], test: list[Row]) -> dict[str, float]:
    """For each token, the accuracy of guessing one label where it occurs and another where it does not."""
    counts, occurs = [], []
    for rows in (train, test):
        counts.append(Counter(row["label"] for row in rows))
        table: dict[str, Counter] = defaultdict(Counter)
        for row in rows:
            for token in set(tokens(row["sentence"])):
                table[token][row["label"]] += 1
        occurs.append(table)
    result = {}
    for token, with_token in occurs[0].items():
        present = max(counts[0], key=lambda label: with_token[label])
        absent = max(counts[0], key=lambda label: counts[0][label] - with_token[label])
        tested = occurs[1].get(token, Counter())
        result[token] = (tested[present] + counts[1][absent] - tested[absent]) / len(test)
    return result


def leaks(name: str, splits: dict[str, list[Row]]) -> dict[str, float]:
    """Each shortcut that gets more than the margin above chance on the rows that are not trained on."""
    train, held_out = splits["train"], splits["dev"] + splits["test"]
    limit = 1 / len(LABELS[name]) + MARGIN
    shortcuts = LENGTHS | EDGES | ({} if name[:2] in ("SC", "TC") else INSIDE)
    scores = {what: lookup_accuracy(train, held_out, feature) for what, feature in shortcuts.items()}
    for token, accuracy in presence_accuracies(train, held_out).items():
        scores[f"{token!r} occurs"] = accuracy
    return {what: score for what, score in scores.items() if score > limit}


@pytest.mark.parametrize("name", LABELS)
def test_no_label_leaks(name, bundle):
    assert leaks(name, bundle[name]) == {}


@pytest.mark.parametrize("name", [name for name in LABELS if name[:2] in ("SC", "TC")])
def test_function_words_tell_little(name, bundle):
    splits = bundle[name]
    accuracies = presence_accuracies(splits["train"], splits["dev"] + splits["test"])
    limit = 1 / len(LABELS[name]) + FUNCTION_MARGIN
    assert {
        token: accuracy
        for token, accuracy in accuracies.items()
        if (token in FUNCTION_WORDS or not token.isalnum()) and accuracy > limit
    } == {}


@pytest.mark.parametrize("where", ["{} indeed", "indeed {}", "{} a b c d e f g h i j k l m n o p q r s t u v w x y z"])
def test_a_leak_is_found(where, bundle):
    leaky = {
        split: [row | {"sentence": where.format(row["sentence"])} if row["label"] == "True" else row for row in rows]
        for split, rows in bundle["WiC/WiC"].items()
    }
    assert leaks("WiC/WiC", leaky)


def overlap(sentence: str) -> float:
    """The share of words that the two lines of a pair have in common."""
    first, second = (words(line.split(":", 1)[1]) for line in sentence.split("\n"))
    return round(len(first & second) / len(first | second), 1)


def test_overlap_does_not_tell_paraphrases(bundle):
    splits = bundle["QQP/QQP"]
    assert lookup_accuracy(splits["train"], splits["dev"] + splits["test"], overlap) < 0.5 + MARGIN


def test_negation_occurs_under_every_label(bundle):
    for name in ("NLI/MNLI", "NLI/CB"):
        negated = Counter(row["label"] for row in bundle[name]["train"] if "not" in tokens(row["sentence"]))
        assert all(negated[label] >= 20 for label in LABELS[name]), (name, negated)


def test_topics_are_not_named(bundle):
    """The words of a label hardly occur in the sentences of that label."""
    for name in (name for name in LABELS if name.startswith("TC")):
        rows = bundle[name]["train"]
        named = [row for row in rows if (words(row["label"]) - {"or", "of"}) & words(row["sentence"])]
        assert len(named) < 0.03 * len(rows), (name, len(named))
