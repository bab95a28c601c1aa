"""The code digest: what a step runs counts; how it is written, where it lies and what it tells people do not."""

import ast
import functools
import shutil

import pytest

from gorp.config import step_code as code_of_steps
from gorp.config.step_code import COMMANDS, base_model_code, step_code
from gorp.util import code_digest
from gorp.util.code_digest import PACKAGE

TRAIN = {"train gorp", "train seqlora", "evaluate gorp"}
GORP = {"train gorp", "evaluate gorp"}
ANSWERS = {"score", "audit", "aggregate", "evaluate gorp"}
MODEL = {*TRAIN, "predict"}
BASES = {"base tiny-t5", "base smollm2"}
TABLES = {"aggregate", "curves", "summarize", "audit"}
NOTHING: set[str] = set()

EDITS = [  # (what is edited, file or pattern of files, old, new, the steps that run again)
    ("Adam's second moment", "optim/gorp_adamw.py", "1 - betas[1] ** step", "1 - betas[1] ** (step + 1)", GORP),
    ("iterations of the subspace", "optim/projection.py", "OVERSAMPLING = ", "OVERSAMPLING = 1 + ", GORP),
    ("clipping", "optim/clipping.py", "norm + 1e-6", "norm + 1e-5", TRAIN),
    ("schedule", "train/schedule.py", "return step / warmup", "return 1 / warmup", TRAIN),
    ("a default of all methods", "config/settings.py", "lora_r: int = ", "lora_r: int = 4 or ", TRAIN),
    ("a method", "methods/gorp.py", "new_lora = True", "new_lora = False", GORP),
    ("another method", "methods/seqlora.py", "class SeqLora", "SHARE = 1\n\n\nclass SeqLora", {"train seqlora"}),
    ("module patterns of a family", "models/families.py", r".*SelfAttention\.(q|v)", r".*SelfAttention\.(q|k)", TRAIN),
    ("what is frozen", "models/adapters.py", '(f".{CURRENT}." in name)', "(True)", TRAIN),
    ("the frozen base model", "models/loading.py", ".requires_grad_(False)", ".requires_grad_(True)", MODEL),
    ("sum over processes", "parallel/processes.py", "dist.all_reduce(flat)", "dist.all_reduce(flat, 'max')", TRAIN),
    ("TF32", "commands/common.py", "allow_tf32 = True", "allow_tf32 = False", {*MODEL, *BASES}),
    ("threads", "commands/common.py", "max(1, threads //", "max(2, threads //", {*MODEL, *BASES}),
    ("gorp train", "commands/train.py", "type=at_least(0), default=0", "type=at_least(0), default=1", TRAIN),
    ("gorp predict", "commands/predict.py", "default=8192", "default=4096", {"predict"}),
    ("gorp score", "commands/score.py", ", args.tasks)", ", [])", {"score"}),
    ("gorp aggregate", "commands/aggregate.py", 'args.evaluate == "full"', "True", {"aggregate"}),
    ("normalised answers", "metrics/answers.py", "text.lower()", "text", ANSWERS),
    ("seed of the bootstrap", "metrics/bootstrap.py", "SEED = 0", "SEED = 1", {"aggregate"}),
    ("prompt", "data/prompts.py", "f\"Option: {', '", "f\"Options: {', '", {"preprocess", "base tiny-t5"}),
    ("tokens of an answer", "data/tokens.py", "[*known[text], tokenizer.eos_token_id]", "known[text]", MODEL),
    ("labels without a loss", "data/batches.py", "IGNORED = -100", "IGNORED = -101", {*TRAIN, "base tiny-t5"}),
    ("loss", "models/loss.py", 'reduction="sum"', 'reduction="mean"', {*TRAIN, "base tiny-t5"}),
    ("writing a stage", "models/stage.py", "(folder / INFO).unlink(missing_ok=True)", "...", TRAIN),
    ("form of a stage", "models/stage.py", "gorp-stage-1", "gorp-stage-2", TRAIN),
    ("decoding", "predict*/*.py", "special_tokens=True", "special_tokens=False", {"predict", "evaluate gorp"}),
    ("dev rows that are drawn", "predict*/*.py", "Random(0)", "Random(1)", {"evaluate gorp"}),
    ("colours", "report/accuracy_figure.py", '"#0072B2"', '"#0072B3"', {"aggregate", "curves"}),
    ("decimals of a table", "report/writing.py", '"train_seconds": 1', '"train_seconds": 2', TABLES),
    ("axis of the curves", "report/learning_curves.py", "linthresh=1", "linthresh=2", {"curves"}),
    ("deviations", "report/all_orders.py", "ddof=1", "ddof=0", {"summarize"}),
    ("kinds of answers", "report/answer_audit.py", "ALIKE = 0.8", "ALIKE = 0.7", {"audit"}),
    ("title in a page", "commands/aggregate.py", "Scores by group of tasks", "Scores by group", {"aggregate"}),
    ("pretraining", "models/made/embedded.py", '"tiny-t5": 1800', '"tiny-t5": 1700', {"base tiny-t5"}),
    ("SmolLM2's tokenizer", "models/made/smollm2.py", "digits=True", "digits=False", {"base smollm2"}),
    # what reruns nothing
    ("comment", "optim/gorp_adamw.py", "import torch\n", "import torch  # a comment\n\n", NOTHING),
    ("docstring of a module", "train/loop.py", '"""The training loop', '"""Another text; the training loop', NOTHING),
    ("docstring of a function", "models/loss.py", '"""Cross-entropy', '"""The cross-entropy', NOTHING),
    ("version", "__init__.py", '__version__ = "0.1.0"', '__version__ = "9.9.9"', NOTHING),
    ("the package's own module", "__init__.py", "__version__", "LATER = 1\n__version__", NOTHING),
    ("docstring of a room", "optim/__init__.py", '"""', '"""Here: ', NOTHING),
    ("command line", "cli.py", "return 0", "return 2", NOTHING),
    ("help", "commands/train.py", "rendered train rows of one task", "train rows", NOTHING),
    ("help of a command", "commands/predict.py", '"""', '"""Really: ', NOTHING),
    ("error message", "data/tasks.py", "no task found; expected", "no tasks; expected", NOTHING),
    ("error message put together before", "models/architecture.py", "a model of type", "one of type", NOTHING),
    ("hint in an error message", "config/model_names.py", "is a folder here", "is here", NOTHING),
    ("advice of all errors", "util/errors.py", "did you mean ", "perhaps ", NOTHING),
    ("wording of a problem", "data/splits.py", "the split is empty", "there are no rows", NOTHING),
    ("what progress says", "predict*/*.py", 'Progress("predict"', 'Progress("answer"', NOTHING),
    ("how progress is shown", "util/progress.py", "every: float = 10.0", "every: float = 20.0", NOTHING),
    ("print", "train/checkpoint.py", "the stage starts from its first", "it starts from the first", NOTHING),
    ("line through tqdm", "predict*/*.py", "evaluation at step", "scores at step", NOTHING),
    ("one more print", "train/schedule.py", "    if step <=", "    print(step)\n    if step <=", NOTHING),
    (
        "a log line with a condition",
        "models/loss.py",
        "    return cross_entropy",
        "    if labels.dim() > 2:\n        print('odd', file=sys.stderr)\n    return cross_entropy",
        NOTHING,
    ),
    ("a check is called no more", "commands/predict.py", "    check_output(args.output)\n", "", NOTHING),
    ("what is checked", "models/stage.py", "for what, keys in ((", "for what, keys in () or ((", NOTHING),
    ("a refusal", "train/schedule.py", "warmup_steps > steps:", "warmup_steps >= steps:", NOTHING),
    ("annotation", "models/loss.py", "labels: Tensor) -> Tensor:", "labels) -> 'Tensor':", NOTHING),
    ("annotation of a variable", "predict*/*.py", "answers: dict[tuple, dict] = {}", "answers = {}", NOTHING),
    ("an unused function", "models/loss.py", "\n\ndef ", "\n\ndef unused(): ...\n\n\ndef ", NOTHING),
    ("gorp status", "report/status.py", "damaged", "broken", NOTHING),
    ("gorp plan", "train/memory_plan.py", "return ", "return None or ", NOTHING),
    ("gorp check", "data/check.py", "return ", "return None or ", NOTHING),
    ("gorp fetch", "data/official/fetch.py", "LOCK_EX", "LOCK_SH", NOTHING),
]  # fmt: skip


class Copy:
    """A copy of the package that may be edited; after an edit only the file edited is read anew."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.modules = folder, {}
        monkeypatch.setattr(code_digest, "read_module", self.read)
        monkeypatch.setattr(code_of_steps, "code_digest", functools.partial(code_digest.code_digest, package=folder))

    def read(self, path, package):
        if path not in self.modules:
            self.modules[path] = code_digest.Module(path, package)
        return self.modules[path]

    def edit(self, file, old, new):
        paths = sorted(self.folder.glob(file)) if old else [self.folder / file]  # a new file
        path = next((path for path in paths if not old or old in path.read_text()), None)
        assert path, f"{file}: no {old!r}"
        text = path.read_text() if old else ""
        path.write_text(text.replace(old, new, 1) if old else new)
        ast.parse(path.read_text())
        self.modules.pop(path, None)
        return lambda: (path.write_text(text), self.modules.pop(path, None))

    def digests(self):
        code_digest.code_digest.cache_clear()
        code_digest.module_file.cache_clear()
        alone = {step: step_code(step) for step in sorted(COMMANDS.keys() - {"train", "evaluate"})}
        trainings = {
            f"{step} {method}": step_code(step, method)
            for step, method in (("train", "gorp"), ("train", "seqlora"), ("evaluate", "gorp"))
        }
        models = {"base tiny-t5": "tiny-t5", "base smollm2": "smollm2-135m"}
        return {**alone, **trainings, **{step: base_model_code(name) for step, name in models.items()}}

    def changed(self, before):
        after = self.digests()
        return {step for step in before if before[step] != after[step]}


@pytest.fixture
def package(tmp_path, monkeypatch):
    shutil.copytree(PACKAGE, tmp_path / "gorp", ignore=shutil.ignore_patterns("__pycache__"))
    yield Copy(tmp_path / "gorp", monkeypatch)
    code_digest.code_digest.cache_clear()
    code_digest.module_file.cache_clear()


def test_each_edit_reruns_the_steps_that_it_touches(package):
    before, wrong = package.digests(), []
    for what, file, old, new, steps in EDITS:
        undo = package.edit(file, old, new)
        if (changed := package.changed(before)) != steps:
            wrong.append(f"{what} ({file}): reruns {sorted(changed)}, expected {sorted(steps)}")
        undo()
    assert not wrong, "\n".join(wrong)
    assert package.digests() == before


def test_a_place_a_name_of_a_module_or_a_new_method_reruns_nothing(package):
    before = package.digests()
    package.edit("methods/mine.py", "", "class Mine:\n    new_lora = True\n")
    assert package.changed(before) == set()
    # a function moves to another module, and is imported from there
    for file, importer in (("train/schedule.py", "train/loop.py"), ("metrics/bootstrap.py", "report/order_tables.py")):
        moved = f"gorp.{file[:-3].replace('/', '.')}"
        text = (package.folder / file).read_text()
        package.edit(f"util/moved_{moved[-3:]}.py", "", text)
        (package.folder / file).unlink()
        for path in package.folder.rglob("*.py"):
            path.write_text(
                path.read_text().replace(f"from {moved} import", f"from gorp.util.moved_{moved[-3:]} import")
            )
        assert f"gorp.util.moved_{moved[-3:]}" in (package.folder / importer).read_text()
    # a whole module is renamed, and used by its name rather than by those in it
    (package.folder / "models/loss.py").rename(package.folder / "models/cross_entropy.py")
    for path in package.folder.rglob("*.py"):
        text = path.read_text().replace(
            "from gorp.models.loss import summed_loss", "from gorp.models import cross_entropy as ce"
        )
        path.write_text(text if path.name == "cross_entropy.py" else text.replace("summed_loss(", "ce.summed_loss("))
    package.modules.clear()
    assert package.changed(before) == set()


def test_a_file_outside_the_package_is_digested_as_our_own(package, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("from gorp.optim.projection import remove\n\n\ndef change(G, S):\n    return remove(G, S, 0)\n")
    before = step_code("train", str(mine))

    def after(path, old, new):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        package.modules.clear()
        code_digest.code_digest.cache_clear()
        return step_code("train", str(mine))

    assert after(mine, "def change", "# a comment\ndef change") == before
    assert after(package.folder / "methods/gorp.py", "new_lora = True", "new_lora = False") == before
    assert after(mine, "remove(G, S, 0)", "remove(G, S, 1)") != before
    assert after(mine, "remove(G, S, 1)", "remove(G, S, 0)") == before
    assert after(package.folder / "optim/projection.py", "def remove(", "def remove(*, ") != before
    with pytest.raises(code_digest.UserError, match=r"mine\.py: line 5: not Python"):
        after(mine, "def change", "def change change")
