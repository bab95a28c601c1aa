"""The names of `import gorp`: lazy, where type checkers look for them, and in the code digest; and load_model."""

import ast
import json
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gorp
from gorp.models.loading import autocast
from gorp.prediction.predict import generate
from gorp.util.code_digest import code_digest
from gorp.util.errors import UserError
from gorp.util.files import read_jsonl

HEAVY = {"torch", "transformers", "peft", "pandas", "numpy", "yaml"}
LISTED = [  # as documented
    *("GorpAdamW", "Method", "TrainSettings", "aggregate", "load_model", "parameter_groups", "predict", "read_stage"),
    *("score_predictions", "train_stage"),
]


def test_importing_loads_nothing_heavy():
    code = "import json, sys, gorp; dir(gorp); print(json.dumps([list(sys.modules), gorp.__all__]))"
    root = Path(gorp.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    modules, names = json.loads(done.stdout)
    assert not HEAVY & set(modules)
    assert [name for name in modules if name.startswith("gorp.")] == []
    assert names == LISTED


def test_each_name_is_there_and_hidden_by_no_package():
    for name in gorp.__all__:
        assert callable(getattr(gorp, name)) and name in dir(gorp)
    assert gorp.predict.__module__ == "gorp.prediction.predict", "imported above, as a module of that name"
    assert not set(gorp.__all__) & {module.name for module in pkgutil.iter_modules(gorp.__path__)}
    with pytest.raises(AttributeError, match="module 'gorp' has no attribute 'train_'"):
        _ = gorp.train_


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(gorp.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    assert {alias.asname: node.module for node in block.body for alias in node.names} == gorp._MODULES


@pytest.mark.parametrize("name", gorp.__all__)
def test_the_code_digest_sees_through_a_public_name(tmp_path, name):
    (tmp_path / "short.py").write_text(f"from gorp import {name}\n\nused = {name}\n")
    (tmp_path / "long.py").write_text(f"from {gorp._MODULES[name]} import {name}\n\nused = {name}\n")
    (tmp_path / "none.py").write_text("used = None\n")
    short, long, none = (code_digest(str(tmp_path / f"{kind}.py")) for kind in ("short", "long", "none"))
    assert short == long != none


def test_load_model_answers_as_predict_does(family, chain, tasks, tmp_path, monkeypatch):
    stage = chain(family, "gorp", 2)[-1]
    gorp.predict(family.path, stage, [tasks["moods"]], tmp_path / "out.jsonl", 200, 5, 900)
    expected = [row["prediction"] for row in read_jsonl(tmp_path / "out.jsonl")]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(family.path, tmp_path / "moved")
    for model, tokenizer in (gorp.load_model(stage), gorp.load_model(str(stage), "moved")):
        assert not model.training
        assert [
            row["prediction"] for row in generate(model, tokenizer, read_jsonl(tasks["moods"]), 200, 5, 900)
        ] == expected


def test_load_model_in_bfloat16_keeps_the_factors_beside(family, train):
    model, tokenizer = gorp.load_model(train(family, dtype="bfloat16"))
    assert any("lora" in name for name, _ in model.named_parameters())
    with autocast(model), torch.inference_mode():
        assert model.generate(**tokenizer("Is it?", return_tensors="pt"), max_new_tokens=2).shape[0] == 1


def test_load_model_wants_the_base_model_of_the_stage(micros, chain, tmp_path):
    stage = tmp_path / "stage"
    shutil.copytree(chain(micros["t5"], "gorp", 1)[0], stage)
    with pytest.raises(UserError, match=rf"stage: it was trained on the base model .*, not on {micros['llama'].path}"):
        gorp.load_model(stage, micros["llama"].path)
    info = json.loads((stage / "stage.json").read_text())
    (stage / "stage.json").write_text(json.dumps({**info, "base_model": "gone"}))  # could be a hub id by its form
    with pytest.raises(
        UserError, match="stage: its base model gone is no folder here; give base_model, where it lies now"
    ):
        gorp.load_model(stage)
    with pytest.raises(UserError, match="elsewhere: no such stage"):
        gorp.load_model(tmp_path / "elsewhere")
