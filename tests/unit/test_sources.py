"""Folders and hub ids are told apart by how they are written."""

import pytest

from gorp.errors import UserError
from gorp.sources import MADE, check_model, is_local


@pytest.mark.parametrize(
    "model", ["t5-large", "google-t5/t5-large", "meta-llama/Llama-2-7b-hf", "owner/na.me_x", *MADE]
)
def test_hub_ids(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_local(model)
    check_model(model)


@pytest.mark.parametrize("model", ["/models/t5", "./t5", "../t5", "~/t5", "models/t5/large", ".hidden", "a b", ""])
def test_missing_folders(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    if model:
        assert is_local(model)
        with pytest.raises(UserError, match="no such folder; give tiny-t5, tiny-llama, smollm2-135m, a folder"):
            check_model(model)


def test_a_folder_that_is_there_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "t5").mkdir(parents=True)
    for model in ("models/t5", "models", "./models", "~/models", str(tmp_path / "models")):
        assert is_local(model)
        check_model(model)
