"""Only what an edit invalidates runs again: the exact list of jobs after each, from real dry runs."""

import json
import shutil

import pytest
import yaml
from calls import REPOSITORY, planned, run

TARGET = "results/abc/summary.csv"
PAGE = "results/abc/audit/gorp/seed0/audit.html"
AUDIT = ["Audit the last stage of abc, gorp, seed 0", "Show abc/audit/gorp/seed0/audit.html of the run"]
SEEN = ("amazon", "amazon/agnews", "amazon/agnews/yahoo")


def train(*stages):
    return [f"Train {stage} with gorp, seed 0" for stage in stages]


def predict(*stages):
    """Predictions of the tasks seen."""
    return [f"Predict the tasks seen by {stage}, gorp, seed 0" for stage in stages]


def only(*pairs):
    """Predictions of one task by a stage."""
    return [f"Predict only {task} by {stage}, gorp, seed 0" for task, stage in pairs]


def base(*tasks):
    return [f"Predict {task} by the base model" for task in tasks]


def render(task, *splits):
    return [f"Render {split} of {task}" for split in splits]


def scores(predictions):
    """One scoring for each prediction, whatever it is called."""
    named = []
    for text in predictions:
        words = text.replace(",", "").split()
        if "by the base model" in text:
            named.append(f"Score zero-shot/{words[1]}")
        else:
            stage = f"stages/short/gorp/seed0/{words[words.index('by') + 1]}"
            named.append(f"Score {stage}" if "tasks seen" in text else f"Score {stage}/only/{words[2]}")
    return named


def all_of(order, *predictions, others=()):
    """The jobs of an order whose tables change."""
    end = [f"Aggregate {order}", f"Show {order}/summary.csv of the run"]
    return sorted([*others, *predictions, *scores(predictions), *end])


NEXT = (("agnews", "amazon"), ("yahoo", "amazon/agnews"))


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished project, with its own workflow and its own code to edit."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("workflow", "Snakefile"))
    shutil.copytree(REPOSITORY / "workflow", folder / "workflow")
    shutil.copy(REPOSITORY / "Snakefile", folder)
    shutil.copytree(REPOSITORY / "gorp", folder / "code" / "gorp", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "code/CL_Benchmark").symlink_to(REPOSITORY / "CL_Benchmark")
    return folder


def plan(folder, *targets, **config):
    """The jobs that the targets need; without any, those of the order abc."""
    done = run(folder, "--dry-run", *(targets or [TARGET]), code=folder / "code", **config)
    assert done.returncode == 0, done.stdout
    return planned(done.stdout)


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_nothing_runs_without_an_edit(copied):
    assert plan(copied, TARGET, PAGE) == []


NO_EFFECT = [
    ("methods/seqlora", "(Method):", "(Method):\n    new_lora = True\n"),
    ("models/made/embedded", "0.07", "0.08"),  # the base model is a folder here
    ("commands/predict", "greedily", "Greedily"),
    ("train/loop", '"""The training loop', '"""A training loop'),
]


def test_what_changes_no_result_runs_nothing_again(copied):
    """All at once: any one that counted would add jobs, and none takes any away."""
    for module, old, new in NO_EFFECT:
        edit(copied / f"code/gorp/{module}.py", old, new)
    for path in (copied / "code/gorp").rglob("*.py"):
        path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    file = copied / "data/TC/agnews/train.json"  # its layout, not its content
    file.write_text(json.dumps(json.loads(file.read_text()), indent=4))
    (copied / "model/model.safetensors").touch()
    add_instruction(copied)
    for path in (copied / "workflow/report").glob("*.rst"):
        path.write_text("Another title\n")
    edit(copied / "workflow/rules/aggregate.smk", 'category="Orders"', 'category="All"')
    edit(copied / "workflow/rules/audit.smk", 'category="Errors"', 'category="All"')
    own = yaml.safe_load((copied / "config.yaml").read_text())
    changes = {"benchmark": "data/", "model": "model", "orders": {**own["orders"], "other": {"o": ["yahoo"]}}}
    changes |= {"overrides": [{"suite": "other", "training": {"epochs": 3}}], "prediction": {"batch_tokens": 100}}
    resources = {kind: {"threads": 2, "mem_mb": 99, "runtime": 9, "gpu": 1} for kind in ("train", "predict")}
    resources["train"] |= {"processes": 1, "nodes": 1}
    resources["predict"] |= {"processes": 1}
    assert plan(copied, TARGET, PAGE, **changes, resources=resources, checkpoint_minutes=1) == []


def add_instruction(folder):
    """A second one of the group TC, which prompts with the first do not use; returns all of the file."""
    file = folder / "data/instruction_config.json"
    entries = json.loads(file.read_text())
    entries["TC"].append({"instruction": "Another?\n"})
    file.write_text(json.dumps(entries))
    return entries


def test_where_unchanged_content_lies(copied):
    """Rows and models count by their content."""
    assert plan(copied, benchmark=str(copied / "data"), model=str(copied / "model")) == []
    shutil.move(copied / "data", copied / "elsewhere")
    shutil.move(copied / "model", copied / "elsewhere/model")
    assert plan(copied, benchmark="elsewhere", model="elsewhere/model") == [
        "Aggregate abc",
        "Show abc/summary.csv of the run",
    ]


def test_another_weight_of_the_model(copied):
    """With the size and the name of the file as they were."""
    file = copied / "model/model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert plan(copied) == all_of("abc", *EVERY_PREDICTION, others=train(*SEEN))


def test_the_learning_rate_of_one_task(copied):
    """The stages that train the task, or build on one that did."""
    found = plan(copied, overrides=[{"task": "agnews", "training": {"learning_rate": 0.5}}])
    assert found == all_of("abc", *predict(*SEEN[1:]), *only(NEXT[1]), others=train(*SEEN[1:]))


def test_the_text_of_a_train_file(copied):
    file = copied / "data/TC/agnews/train.json"
    rows = json.loads(file.read_text())
    rows[0]["sentence"] += " And more."
    file.write_text(json.dumps(rows))
    others = [*train(*SEEN[1:]), *render("agnews", "train")]
    assert plan(copied) == all_of("abc", *predict(*SEEN[1:]), *only(NEXT[1]), others=others)


def test_the_text_of_a_test_file(copied):
    file = copied / "data/TC/yahoo/test.json"
    rows = json.loads(file.read_text())
    rows[0]["sentence"] += " And more."
    file.write_text(json.dumps(rows))
    predictions = [*predict(SEEN[2]), *only(NEXT[1]), *base("yahoo")]
    assert plan(copied) == all_of("abc", *predictions, others=render("yahoo", "test"))


def test_a_label(copied):
    """Labels stand in the prompt of every row of the task."""
    file = copied / "data/TC/yahoo/labels.json"
    file.write_text(json.dumps([*json.loads(file.read_text()), "Another"]))
    predictions = [*predict(SEEN[2]), *only(NEXT[1]), *base("yahoo")]
    others = [*train(SEEN[2]), *render("yahoo", "train", "test")]
    assert plan(copied) == all_of("abc", *predictions, others=others)
    assert plan(copied, PAGE) == sorted([*others, *predict(SEEN[2]), *AUDIT])


def test_an_added_task(copied):
    shutil.copytree(copied / "data/TC/yahoo", copied / "data/TC/dbpedia")
    orders = {"short": {"abcd": ["amazon", "agnews", "yahoo", "dbpedia"]}}
    stage = f"{SEEN[2]}/dbpedia"
    predictions = [*predict(stage), *only(("dbpedia", SEEN[2])), *base("dbpedia")]
    others = [*train(stage), *render("dbpedia", "train", "test")]
    assert plan(copied, "results/abcd/summary.csv", orders=orders) == all_of("abcd", *predictions, others=others)


def test_two_tasks_swapped(copied):
    orders = {"short": {"acb": ["amazon", "yahoo", "agnews"]}}
    stages = ("amazon/yahoo", "amazon/yahoo/agnews")
    predictions = [*predict(*stages), *only(("yahoo", "amazon"), ("agnews", "amazon/yahoo"))]
    assert plan(copied, "results/acb/summary.csv", orders=orders) == all_of("acb", *predictions, others=train(*stages))


EVERY_PREDICTION = [*predict(*SEEN), *only(*NEXT), *base("amazon", "agnews", "yahoo")]


EVERY_TEST = [text for task in ("amazon", "agnews", "yahoo") for text in render(task, "test")]
EVERY_TRAIN = [text for task in ("amazon", "agnews", "yahoo") for text in render(task, "train")]
OF_YAHOO = [*predict(SEEN[2]), *only(NEXT[1]), *base("yahoo")]  # predictions of it, or by a model that learnt it


def with_prompts(**changes):
    return {"prompts": {"instruction": 1, "shots": 0, "min_rows": 0, "seed": 0, **changes}}


def test_examples_and_names_in_prompts(copied):
    expected = all_of("abc", *EVERY_PREDICTION, others=[*train(*SEEN), *EVERY_TRAIN, *EVERY_TEST])
    assert plan(copied, **with_prompts(shots=1)) == expected
    assert plan(copied, **with_prompts(dataset_name=False)) == expected


def test_repeated_rows(copied):
    """Of the train splits alone: the base model's predictions stay."""
    expected = all_of("abc", *predict(*SEEN), *only(*NEXT), others=[*train(*SEEN), *EVERY_TRAIN])
    assert plan(copied, **with_prompts(min_rows=9)) == expected


def test_drawn_instructions_and_their_seed(copied):
    """They concern tasks with several instructions alone, and the seed concerns what is drawn."""
    assert plan(copied, **with_prompts(instruction="drawn", seed=3)) == []
    (copied / "data/TC/yahoo/task.json").write_text(json.dumps({"instruction": ["One?", "Two?"]}))
    yahoo = all_of("abc", *OF_YAHOO, others=[*train(SEEN[2]), *render("yahoo", "train", "test")])
    for changes in ({}, {"instruction": "drawn"}):
        assert plan(copied, **with_prompts(**changes)) == yahoo


def test_an_instruction_that_is_used(copied):
    entries = add_instruction(copied)
    entries["SC"][0]["instruction"] = "Another?\n"
    (copied / "data/instruction_config.json").write_text(json.dumps(entries))
    renders = render("amazon", "train", "test")
    expected = [*predict(*SEEN), *only(*NEXT), *base("amazon")]
    assert plan(copied) == all_of("abc", *expected, others=[*train(*SEEN), *renders])


def test_the_score_of_a_task(copied):
    (copied / "data/TC/yahoo/task.json").write_text(json.dumps({"score": "rougeL"}))
    assert plan(copied, TARGET, "results/ab/summary.csv") == all_of("abc")


def test_labels_from_the_train_rows(copied):
    (copied / "data/TC/yahoo/labels.json").unlink()
    expected = all_of("abc", *OF_YAHOO, others=[*train(SEEN[2]), *render("yahoo", "train", "test")])
    assert plan(copied) == expected


def test_prediction_settings(copied):
    assert plan(copied, prediction={"max_new_tokens": 4}) == all_of("abc", *EVERY_PREDICTION)
    assert plan(copied, prediction={"label_likelihood": True}) == all_of("abc", *EVERY_PREDICTION)


@pytest.mark.parametrize(
    ("module", "old", "new", "expected"),
    [
        (
            "metrics/answers",
            "100.0 * exact_match",
            "99.0 * exact_match",
            sorted([*scores(EVERY_PREDICTION), *all_of("abc")]),
        ),
        ("report/order_tables", '"AA": metrics', '"A": metrics', all_of("abc")),
        ("report/order_page", "#f2f5f8", "#ffffff", all_of("abc")),
        ("prediction/predict", "text.strip()", "text.lstrip()", all_of("abc", *EVERY_PREDICTION)),
        ("prediction/decoding", "ROUNDING = 512", "ROUNDING = 256", all_of("abc", *EVERY_PREDICTION)),
        ("data/batches", "len(row.source))", "-len(row.source))", None),
        ("methods/gorp", "new_lora = True", "new_lora = False", None),
    ],
)
def test_a_changed_line_of_code(copied, module, old, new, expected):
    edit(copied / f"code/gorp/{module}.py", old, new)
    if expected is None:
        expected = all_of("abc", *predict(*SEEN), *only(*NEXT), others=train(*SEEN))
    assert plan(copied) == expected


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [("report/answer_audit", "ALIKE = 0.8", "ALIKE = 0.7"), ("report/audit_page", "EXAMPLES = 8", "EXAMPLES = 9")],
)
def test_the_code_of_the_audit(copied, module, old, new):
    edit(copied / f"code/gorp/{module}.py", old, new)
    assert plan(copied, TARGET, PAGE) == sorted(AUDIT)


@pytest.mark.parametrize(
    ("deepspeed", "resources"),
    [
        (None, {"processes": 2}),
        ("workflow/presets/deepspeed/zero3.json", {"gpu": 4}),
        ("workflow/presets/deepspeed/zero3-offload.json", {"gpu": 2, "nodes": 2}),
    ],
)
def test_the_launcher_and_deepspeed(copied, deepspeed, resources):
    """They change rounding alone: the same stage trained on one or two processes is not trained again."""
    own = yaml.safe_load((copied / "config.yaml").read_text())["resources"]
    changed = {"train": own["train"] | resources, "predict": own["predict"] | {"processes": 2}}
    assert plan(copied, deepspeed=deepspeed, resources=changed) == []


def test_learning_curves(copied):
    """Each stage is trained once more for them, beside the finished ones, which stay as they are."""
    on = {"learning_curves": {"every": 2, "rows": 5}}
    again = [f"Train {stage} with gorp, seed 0, again and evaluate it on the way" for stage in SEEN]
    renders = [text for task in ("amazon", "agnews", "yahoo") for text in render(task, "dev")]
    end = ["Draw the learning curves of abc", "Show abc/learning.svg of the run"]
    assert plan(copied, "results/abc/learning.svg", **on) == sorted([*again, *renders, *end])
    stage = copied / "results/test/stages/short/gorp/seed0/amazon/agnews"
    before = {path: path.stat().st_mtime_ns for path in stage.iterdir() if path.is_file()}
    on["learning_curves"]["earlier_tasks"] = True
    done = run(copied, str((stage / "learning/evaluations.csv").relative_to(copied)), code=copied / "code", **on)
    assert done.returncode == 0, done.stdout
    lines = [line.split(",")[:3] for line in (stage / "learning/evaluations.csv").read_text().splitlines()]
    assert lines[1:] == [[str(step), task, "5"] for step in (0, 1, 2) for task in ("amazon", "agnews")]
    assert before == {path: path.stat().st_mtime_ns for path in stage.iterdir() if path.is_file()}


def test_another_run_has_everything_of_its_own(copied):
    expected = all_of("abc", *EVERY_PREDICTION, others=[*train(*SEEN), *EVERY_TRAIN, *EVERY_TEST])
    assert plan(copied, run="another") == expected


def test_final_evaluation_predicts_less(copied):
    """Each stage its own task, the next one, and the last stage all: what is there already is not run again."""
    found = plan(copied, evaluate="final")
    assert found == all_of("abc", *only(("amazon", "amazon"), ("agnews", "amazon/agnews")))


def test_a_method_of_ones_own_from_the_page(copied):
    """The worked example of docs/methods.md, as it stands there: it runs, and its code alone runs it again."""
    page = (REPOSITORY / "docs/methods.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    (copied / "replay.py").write_text(example)
    methods, stage = {"methods": ["gorp", "replay.py"]}, "results/test/stages/short/replay/seed0/amazon/agnews"
    done = run(copied, f"{stage}/stage.json", code=copied / "code", **methods)
    assert done.returncode == 0, done.stdout
    info = json.loads((copied / stage / "stage.json").read_text())
    assert (info["method"], info["settings"]["replay_rows"]) == ("replay", 20)
    assert info["rows"] == 8 + 8, "all of a task that has fewer than 20"
    target, train = f"{stage}/stage.json", [f"Train {name} with replay, seed 0" for name in SEEN[:2]]
    assert plan(copied, target, **methods) == []
    edit(copied / "replay.py", "Rows of each earlier task that", "Rows that")
    edit(copied / "code/gorp/methods/gorp.py", "new_lora = True", "new_lora = False")
    assert plan(copied, target, **methods) == []
    edit(copied / "replay.py", "random.Random(0)", "random.Random(1)")
    assert plan(copied, target, **methods) == train
    changed = {"methods": ["replay-5"], "variants": {"replay-5": {"method": "replay.py", "replay_rows": 5}}}
    assert plan(copied, target.replace("/replay/", "/replay-5/"), **changed) == [
        text.replace("with replay", "with replay-5") for text in train
    ]
