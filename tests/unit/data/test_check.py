"""`gorp check`: its errors are what `gorp preprocess` refuses, no more and no less; warnings by count and row."""

import json
import re
import shutil
from pathlib import Path

import pytest

from gorp.cli import main
from gorp.data.check import SHOWN, Limit, as_text, check_benchmark
from gorp.data.prompts import render
from gorp.data.tasks import BUNDLED, SPLITS
from gorp.data.tokens import tokenize
from gorp.util.errors import UserError

LABELS = ["Good", "Bad"]
INSTRUCTION = "How does it feel? Pick one option.\n"
REAL = Path(__file__).parents[4] / "shared/CL_Benchmark"  # a cut of the official data, no part of the repository


def rows(split, count=6):
    return [{"label": LABELS[i % 2], "sentence": f"Sentence {i} of {split}."} for i in range(count)]


@pytest.fixture
def folder(tmp_path):
    """A sound task, SC/moods, in a benchmark of its own; returns the task's folder."""
    folder = tmp_path / "data/SC/moods"
    folder.mkdir(parents=True)
    for name, content in [("labels", LABELS), *((split, rows(split)) for split in SPLITS)]:
        (folder / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "data/instruction_config.json").write_text(json.dumps({"SC": [{"instruction": INSTRUCTION}]}))
    return folder


def root_of(folder):
    return folder.parents[1]


def edit(folder, split, change):
    """Puts the rows of a split through `change`, which edits them in place."""
    path = folder / f"{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def warnings(folder):
    """{(file name, kind): (count, row)} of a benchmark without errors."""
    report = check_benchmark(root_of(folder))
    assert report["errors"] == []
    return {(Path(w["file"]).name, w["kind"]): (w["count"], w["row"]) for w in report["warnings"]}


def write(name, text):
    return lambda folder: (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def with_row(row):
    return write("train.json", json.dumps([*rows("train"), row]))


BAD_ROW = '{"label": "Good", "sentence": "x" "y"}'
DAMAGE = {  # how, and the rows of train.json that are named; None: a file as a whole; no list: nothing is wrong
    "sound": (lambda folder: None, []),
    "no sentence": (with_row({"label": "Good"}), [7]),
    "blank sentence": (with_row({"label": "Good", "sentence": " \n"}), [7]),
    "sentence is a number": (with_row({"label": "Good", "sentence": 5}), [7]),
    "neither label nor sentence": (with_row({}), [7, 7]),
    "a text for a row": (with_row("text"), [7, 7]),
    "unknown label": (with_row({"label": "good", "sentence": "x"}), [7]),
    "unknown label, blank sentence": (with_row({"label": "good", "sentence": ""}), [7, 7]),
    "no annotators' label": (with_row({"label": "-", "sentence": "x"}), []),
    "half a pair": (with_row({"label": "Good", "sentence": "x \ud83d"}), [7]),
    "whole pair": (with_row({"label": "Good", "sentence": "x \ud83d\ude00"}), []),
    "control character": (with_row({"label": "Good", "sentence": "x \u0007"}), []),
    "empty list": (write("train.json", "[]"), [None]),
    "null": (write("train.json", "null"), [None]),
    "absent": (lambda folder: (folder / "dev.json").unlink(), []),
    "an object": (write("train.json", "{}"), [None]),
    "empty file": (write("train.json", ""), [1]),
    "cut short": (write("train.json", json.dumps(rows("train"))[:-30]), [6]),
    "bracket missing": (write("train.json", json.dumps(rows("train"))[:-1]), [7]),
    "text behind": (write("train.json", json.dumps(rows("train")) + "x"), [7]),
    "row not JSON": (write("train.json", f"[{BAD_ROW}, {BAD_ROW}]"), [1]),
    "raw control character": (write("train.json", b'[{"label": "Good", "sentence": "x\x07"}]'), [1]),
    "not UTF-8": (write("train.json", json.dumps([*rows("train"), "?"]).encode().replace(b'"?"', b'"\xe9"')), None),
    "labels: not a list": (write("labels.json", '{"Good": 1}'), [None]),
    "labels: one twice": (write("labels.json", '["Good", "Bad", "Good"]'), [None]),
    "labels: blank": (write("labels.json", '["Good", "Bad", " "]'), [None]),
    "labels: half a pair": (write("labels.json", '["Good", "Bad", "\\ud83d"]'), [None]),
    "labels: absent": (lambda folder: (folder / "labels.json").unlink(), []),
    "labels: one fewer": (write("labels.json", '["Good"]'), [2, 4, 6]),
    "instruction: wrong form": (write("../../instruction_config.json", '{"SC": []}'), [None]),
    "instruction: half a pair": (
        write("../../instruction_config.json", '{"SC": [{"instruction": "\\ud83d"}]}'),
        [None],
    ),
    "instruction: none for the group": (write("../../instruction_config.json", "{}"), []),
    "instruction: absent": (lambda folder: (folder / "../../instruction_config.json").unlink(), [None]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_errors_are_what_preprocess_refuses(folder, name, tmp_path, capsys):
    damage, expected = DAMAGE[name]
    damage(folder)
    errors = check_benchmark(root_of(folder))["errors"]
    everywhere = [e for e in errors if Path(e["file"]).name in ("labels.json", "instruction_config.json")]
    for split in SPLITS:
        own = [e for e in errors if Path(e["file"]) == folder / f"{split}.json"]
        if split == "train" and expected is not None:
            assert [e["row"] for e in own + everywhere] == expected
        output = tmp_path / "out.jsonl"
        where = ["--benchmark", str(root_of(folder)), "--task", "moods", "--split", split, "--output", str(output)]
        assert main(["preprocess", *where]) == bool(own + everywhere), split
        refusal = capsys.readouterr().err.partition("error: ")[2].strip()
        # the message is check's first one for that file, up to what check adds
        assert not refusal or any(e["message"].startswith(refusal) for e in own + everywhere)
        output.unlink(missing_ok=True)


def test_it_goes_on_after_errors_and_names_each(folder):
    """Across files, and within a file across rows, before the place where it stops being JSON as well."""
    edit(folder, "dev", lambda content: [content[1].update(label="Bda"), content[4].update(sentence="")])
    (folder / "test.json").write_text('[{"label": "Good"}, {"label": "Goood", "sentence": "x"}, {"label": }, {}]')
    report = check_benchmark(root_of(folder))
    errors = report["errors"]
    assert report["warnings"] == []  # labels may stand in what was not read
    assert [(Path(e["file"]).name, e["row"]) for e in errors] == [
        ("dev.json", 2),
        ("dev.json", 5),
        ("test.json", 3),
        ("test.json", 1),
        ("test.json", 2),
    ]
    assert "row 2 has the label 'Bda', not one of labels.json; did you mean Bad?" in errors[0]["message"]
    assert "at line 1, column 68; it breaks off in row 3; the rest is not checked" in errors[2]["message"]


def test_rows_with_bytes_that_are_not_utf8_are_named(folder):
    content = json.dumps(rows("train")).encode().replace(b"Sentence 2", b"Caf\xe9").replace(b"Sentence 5", b"\xff")
    (folder / "train.json").write_bytes(content)
    report = check_benchmark(root_of(folder))
    assert [e["row"] for e in report["errors"]] == [None, 3, 6]
    assert f"not UTF-8 text (byte {content.index(0xE9)}); save it as UTF-8" in report["errors"][0]["message"]
    assert report["tasks"]["SC/moods"]["splits"]["train"]["rows"] == 6


def test_two_tasks_of_one_name_and_their_shared_errors(folder):
    shutil.copytree(folder, root_of(folder) / "TC/moods")
    (root_of(folder) / "instruction_config.json").write_text("{")
    report = check_benchmark(root_of(folder))
    assert set(report["tasks"]) == {"SC/moods", "TC/moods"}
    assert ["rename one" in e["message"] for e in report["errors"]] == [True, False]  # the broken file once, not twice


def test_no_task_is_one_message(tmp_path):
    with pytest.raises(UserError, match="no task found"):
        check_benchmark(tmp_path)


# ---- warnings ----


def test_a_sound_task_has_no_warnings(folder):
    assert warnings(folder) == {}


def test_repeated_rows(folder):
    def repeat(content):
        content += [content[0], dict(content[1]), {**content[2], "label": "Bad"}]

    edit(folder, "train", repeat)
    assert warnings(folder) == {("train.json", "duplicate"): (2, 7), ("train.json", "contradiction"): (1, 9)}
    [first, second] = check_benchmark(root_of(folder))["warnings"]
    assert first["message"].endswith("train.json: 2 rows that repeat an earlier one, such as row 7 (of row 1)")
    assert second["message"].endswith(
        "1 row that repeat an earlier sentence with another label, such as row 9 (of row 3)"
    )


def test_leaks_between_splits(folder):
    train, dev = rows("train"), rows("dev")
    edit(folder, "test", lambda content: content.extend([train[3], {**train[4], "label": "Bad"}, dev[1]]))
    edit(folder, "dev", lambda content: content.append(train[5]))
    assert warnings(folder) == {
        ("dev.json", "in train"): (1, 7),
        ("test.json", "in train"): (2, 7),
        ("test.json", "in dev"): (1, 9),
    }
    messages = [w["message"] for w in check_benchmark(root_of(folder))["warnings"]]
    assert messages[1].endswith("test.json: 2 rows with a sentence of train, such as row 7 (row 4 of train)")


def test_dev_equal_to_test_in_another_sequence(folder):
    (folder / "dev.json").write_text(json.dumps(rows("test")[::-1]))
    assert warnings(folder) == {("dev.json", "dev equals test"): (6, None)}
    edit(folder, "dev", lambda content: content[0].update(label="Good"))  # one label differs: not equal, all shared
    assert warnings(folder) == {("test.json", "in dev"): (6, 1)}


def test_labels_without_rows_and_labels_alike(folder):
    (folder / "labels.json").write_text(json.dumps(["Good", "Bad", "good!", "So-so"]))
    found = warnings(folder)
    assert found.pop(("labels.json", "labels alike")) == (2, None)
    assert found == {(f"{split}.json", "unused label"): (2, None) for split in SPLITS}
    (folder / "labels.json").write_text(json.dumps(["Good", "Bad", "+", "?"]))  # compared as they are
    assert set(warnings(folder)) == {(f"{split}.json", "unused label") for split in SPLITS}


def test_rows_no_option_matches(folder):
    edit(folder, "test", lambda content: [content[i].update(label="-") for i in (2, 4)])
    assert warnings(folder) == {("test.json", "no label"): (2, 3)}
    (folder / "labels.json").write_text(json.dumps([*LABELS, "-"]))
    assert ("test.json", "no label") not in warnings(folder)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Lut\ufffdce", "replacement character"),
        ("a \x96 b", "control character"),
        ("a \x00", "control character"),
        ("\ufeffa", "byte order mark"),
        ("tab\tand\r\nlines é ü 漢字", None),
    ],
)
def test_damaged_text(folder, text, kind):
    edit(folder, "dev", lambda content: content[3].update(sentence=text))
    assert warnings(folder) == ({("dev.json", kind): (1, 4)} if kind else {})


def test_a_folder_without_a_train_split(folder):
    other = root_of(folder) / "SC/topics"
    other.mkdir()
    (other / "training.json").write_text("[]")
    assert warnings(folder) == {("topics", "not a task"): (1, None)}


# ---- facts ----


def test_counts_and_lengths_in_characters(folder):
    def change(content):
        content[0]["sentence"] = "x" * 100
        content[1]["sentence"] = "x"

    edit(folder, "train", change)
    edit(folder, "dev", lambda content: content.clear() or content.append({"label": "Good", "sentence": "x"}))
    report = check_benchmark(root_of(folder))
    head = len(render({"label": "", "sentence": ""}, 0, "moods", "SC", INSTRUCTION, LABELS)["source"])
    middle = head + len("Sentence 2 of train.")
    train, dev = (report["tasks"]["SC/moods"]["splits"][split] for split in ("train", "dev"))
    assert report["length_unit"] == "characters"
    assert train["rows"] == 6
    assert train["label_counts"] == {"Good": 3, "Bad": 3}
    assert train["length"] == {"min": head + 1, "p50": middle, "p90": head + 100, "p99": head + 100, "max": head + 100}
    assert train["cut"] is None
    assert set(dev["length"].values()) == {head + 1}


def test_rows_cut_by_the_limit(folder, micros):
    """As many as `tokenize` cuts; at a limit that not even the head fits, its own message."""
    tokenizer = micros["t5"].tokenizer
    edit(folder, "train", lambda content: [content[i].update(sentence="word " * 40) for i in (1, 4)])
    rendered = [
        render(row, 0, "moods", "SC", INSTRUCTION, LABELS) for row in json.loads((folder / "train.json").read_text())
    ]
    whole = [len(e.source) for e in tokenize(rendered, tokenizer, 10_000)]
    report = check_benchmark(root_of(folder), Limit(tokenizer, max(whole) - 1))
    facts = report["tasks"]["SC/moods"]["splits"]["train"]
    assert (facts["cut"], facts["length"]["max"], facts["length"]["min"]) == (2, max(whole), min(whole))
    assert report["errors"] == []
    assert (
        check_benchmark(root_of(folder), Limit(tokenizer, max(whole)))["tasks"]["SC/moods"]["splits"]["train"]["cut"]
        == 0
    )
    with pytest.raises(UserError) as refused:
        tokenize(rendered, tokenizer, 10)
    [error] = [e for e in check_benchmark(root_of(folder), Limit(tokenizer, 10))["errors"] if "train.json" in e["file"]]
    assert error["message"] == f"{folder / 'train.json'}: {refused.value}"


# ---- the command ----


def test_the_command(folder, micros, capsys):
    root = str(root_of(folder))
    edit(folder, "test", lambda content: content[2].update(label="-"))
    assert main(["check", root]) == 0  # warnings alone
    text = capsys.readouterr().out
    assert re.search(r"SC/moods +train +6 +Bad 3, Good 3 ", text)
    assert "1 row with the label '-', which is no option of the prompt, such as row 3" in text
    assert "0 errors, 1 warnings" in text
    assert "cut" not in text
    assert main(["check", root, "--model", micros["t5"].path, "--max-source-length", "90", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["length_unit"], report["max_source_length"]) == ("tokens", 90)
    edit(folder, "train", lambda content: content.extend({"label": "Good", "sentence": ""} for _ in range(SHOWN + 3)))
    assert main(["check", root]) == 1
    shown = capsys.readouterr()
    assert shown.out.count("has no sentence") == SHOWN
    assert "train.json: and 3 more, which --json lists" in shown.out
    assert shown.err.splitlines()[-1] == f"gorp check: error: {root}: 23 errors"
    assert main(["check", root, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["errors"]) == SHOWN + 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-source-length", "9"], "--max-source-length counts tokens: also give --model"),
        (["--model", "./nowhere"], "model: ./nowhere: no such folder"),
        (["--model", "./nowhere", "--max-source-length", "0"], "--max-source-length: 0 is not at least 1"),
    ],
)
def test_wrong_options(options, message, capsys):
    assert main(["check", "bundled", *options]) == 1
    assert message in capsys.readouterr().err


def test_the_bundled_benchmark_is_sound():
    report = check_benchmark(BUNDLED)
    assert (len(report["tasks"]), report["errors"], report["warnings"]) == (15, [], [])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not here")
def test_the_defects_of_the_real_data():
    report = check_benchmark(REAL)
    assert report["errors"] == []
    found = {(w["file"].removeprefix(f"{REAL}/"), w["kind"]): w["count"] for w in report["warnings"]}
    assert found[("NLI/MNLI/test.json", "no label")] == 20
    assert found[("NLI/RTE/train.json", "duplicate")] == 2
    assert found[("SC/IMDB/train.json", "control character")] == 39
    assert as_text(report).count(" train ") == 15
