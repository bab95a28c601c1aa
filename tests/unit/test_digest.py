"""The code digest: what a step runs counts, how it is written does not."""

import shutil

import pytest

from gorp.util import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that may be edited."""
    folder = tmp_path / "gorp"
    shutil.copytree(code_digest.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_digest, "PACKAGE", folder)
    code_digest.code_digest.cache_clear()
    yield folder
    code_digest.code_digest.cache_clear()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    code_digest.read_module.cache_clear()
    code_digest.code_digest.cache_clear()


TRAIN = ("gorp.train.stage", "gorp.methods.gorp")


def test_comments_and_docstrings_change_nothing(package):
    before = code_digest.code_digest(*TRAIN)
    edit(package / "train.py", '"""The training loop', '# a comment\n"""Another docstring; the training loop')
    assert code_digest.code_digest(*TRAIN) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "touched"),
    [
        ("optimizer.py", "lr: float = 1e-3", "lr: float = 2e-3", {"train"}),
        ("methods/gorp.py", "new_lora = True", "new_lora = False", {"train"}),
        ("prompts.py", "IGNORED = -100", "IGNORED = -101", {"train", "predict", "embedded"}),
        ("predict.py", "skip_special_tokens=True", "skip_special_tokens=False", {"predict"}),
        ("metrics.py", "def exact_match", "def exactly_matched", {"score"}),
        ("embedded.py", "VOCABULARY = 4096", "VOCABULARY = 4097", {"embedded"}),
        ("smollm2.py", "individual_digits=True", "individual_digits=False", {"smollm2"}),
        ("cli.py", "return 0", "return 2", set()),
    ],
)
def test_a_changed_line_touches_the_steps_that_run_it(package, file, old, new, touched):
    def digests():
        alone = {"predict": "predict", "score": "metrics", "embedded": "embedded", "smollm2": "smollm2"}
        steps = {"train": TRAIN, **{step: [f"gorp.{module}"] for step, module in alone.items()}}
        return {step: code_digest.code_digest(*modules) for step, modules in steps.items()}

    before = digests()
    edit(package / file, old, new)
    after = digests()
    assert {step for step in before if before[step] != after[step]} == touched
