"""Folders and hub ids are told apart by how they are written, and a folder has to hold a model."""

import pytest

from gorp.config.model_names import MADE, check_model, is_local
from gorp.models.loading import load_base
from gorp.util.errors import UserError


@pytest.mark.parametrize(
    "model", ["t5-large", "google-t5/t5-large", "meta-llama/Llama-2-7b-hf", "owner/na.me_x", *MADE]
)
def test_hub_ids(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_local(model)
    check_model(model)


MISSING = ["/models/t5", "./t5", "../t5", "~/t5", "models/t5/large", ".hidden", "a b", "initial_model/llama", "mine/t5"]


@pytest.mark.parametrize("model", MISSING)
def test_missing_folders_are_not_looked_for_on_the_hub(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cwd" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd")
    assert is_local(model)
    hint = "mine is a folder here" if model == "mine/t5" else "give tiny-t5, tiny-llama, smollm2-135m, a folder"
    for refuse in (check_model, load_base):
        with pytest.raises(UserError, match=f"model: {model}: no such folder; {hint}"):
            refuse(model)


def test_a_folder_that_is_there_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "t5").mkdir(parents=True)
    for folder in ("models", "models/t5"):
        for name in ("config.json", "model.safetensors"):
            (tmp_path / folder / name).touch()
    for model in ("models/t5", "models", "./models", "~/models", str(tmp_path / "models")):
        assert is_local(model)
        check_model(model)


def test_a_folder_that_holds_no_model_says_what_it_lacks(tmp_path):
    inner = tmp_path / "llama"
    inner.mkdir()
    (inner / "config.json").touch()
    with pytest.raises(UserError, match=rf"the folder has no config\.json, .*; did you mean {inner}\?"):
        check_model(str(tmp_path))
    with pytest.raises(UserError, match=r"llama: the folder has no weights, \*\.safetensors or \*\.bin"):
        check_model(str(inner))


def test_a_model_that_the_workflow_makes_is_given_as_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="model: tiny-t5: give the folder that `gorp base --name tiny-t5 --output "):
        load_base("tiny-t5")
