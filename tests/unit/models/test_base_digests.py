"""A base model that `gorp base` made is checked against its digests before it is used; other models are not."""

import json
import shutil

import pytest

import gorp.models.made.embedded
from gorp.cli import main
from gorp.models.base_digests import DIGESTS, write_digests
from gorp.models.loading import load_base
from gorp.util.errors import UserError
from gorp.util.files import sha256


@pytest.fixture
def made(micros, tmp_path, monkeypatch):
    """A folder that `gorp base` made; the pretraining is replaced by a copy."""
    folder = tmp_path / "my models" / "tiny-t5"
    monkeypatch.setattr(
        gorp.models.made.embedded, "make_embedded", lambda *_, **__: shutil.copytree(micros["t5"].path, folder)
    )
    assert main(["base", "--name", "tiny-t5", "--threads", "1", "--output", str(folder)]) == 0
    return folder


def test_each_file_is_noted(made):
    noted = json.loads((made / DIGESTS).read_text())
    files = {path.name: sha256(path) for path in made.iterdir() if path.name != DIGESTS}
    assert noted == {"name": "tiny-t5", "files": files}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= files.keys()
    load_base(str(made))


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("model.safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "its SHA-256 differs"),
        ("tokenizer.json", lambda content: content.replace(b"\n", b" ", 1), "its SHA-256 differs from the one in"),
        ("config.json", None, "the file is missing"),
        (DIGESTS, lambda content: content[:-9], "not JSON"),
        (DIGESTS, lambda content: b"[]", "expected"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(made, file, damage, message):
    content = (made / file).read_bytes()
    (made / file).unlink()
    if damage:
        (made / file).write_bytes(damage(content))
    with pytest.raises(UserError) as caught:
        load_base(str(made))
    text = str(caught.value)
    assert text.startswith(f"model: {made / file}: {message}")
    assert f"to make the model again, delete {made} and run the snakemake command again, or run gorp base" in text
    if file != DIGESTS:
        assert text.endswith(f"gorp base --name tiny-t5 --output '{made}'")


def test_models_from_elsewhere_and_new_files_are_not_checked(made, micros):
    load_base(micros["llama"].path)
    (made / "notes.txt").write_text("of the user's own")
    load_base(str(made))
    write_digests(made, "tiny-t5")
    assert "notes.txt" in json.loads((made / DIGESTS).read_text())["files"]


def test_digests_of_an_older_model_do_not_stay_beside_new_files(made, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(gorp.models.made.embedded, "make_embedded", stopped)
    with pytest.raises(KeyboardInterrupt):
        main(["base", "--name", "tiny-t5", "--threads", "1", "--output", str(made)])
    assert not (made / DIGESTS).exists()
