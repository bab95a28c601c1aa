"""The tokenizers that a model's folder may hold: a SentencePiece model alone is enough."""

import io
import json

import pytest
import sentencepiece

from gorp.data.tokenizers import load_tokenizer
from gorp.data.tokens import tokenize
from gorp.util.errors import UserError

LLAMA = {  # what LLaMA's tokenizer.model was trained with
    "model_type": "bpe",
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "split_digits": True,
    **{"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1, "vocab_size": 400},
}
T5 = {"model_type": "unigram", "unk_id": 2, "bos_id": -1, "eos_id": 1, "pad_id": 0, "vocab_size": 140}
LAYOUTS = {"llama": ("tokenizer.model", LLAMA), "t5": ("spiece.model", T5)}


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request, task_rows, tmp_path_factory):
    """(folder, SentencePiece processor) of a folder with config.json and a SentencePiece model, no tokenizer.json."""
    name, options = LAYOUTS[request.param]
    texts = [row["source"].replace("\n", " ") for rows in task_rows.values() for row in rows]
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=trained, minloglevel=2, **options
    )
    folder = tmp_path_factory.mktemp(request.param)
    (folder / name).write_bytes(trained.getvalue())
    (folder / "config.json").write_text(json.dumps({"model_type": request.param}))
    if request.param == "llama":
        own = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": False}
        (folder / "tokenizer_config.json").write_text(json.dumps(own))
    return folder, sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())


def test_a_sentencepiece_model_alone_gives_its_own_tokens(layout, task_rows):
    folder, processor = layout
    tokenizer = load_tokenizer(str(folder))
    assert tokenizer.is_fast
    for row in task_rows["moods"] + task_rows["causes"]:
        ids = tokenizer(row["source"], add_special_tokens=False)["input_ids"]
        assert ids == processor.encode(row["source"])
    (example,) = tokenize(task_rows["moods"][1:2], tokenizer, 60, 50)
    assert len(example.source) <= 60, "long prompts can be cut"
    assert example.target[-1] == processor.eos_id()
    assert (example.source[0] == 1) == (folder / "tokenizer.model").is_file(), "LLaMA has one beginning of sequence"
    assert example.source[1] != 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"the folder has none: tokenizer\.json, tokenizer\.model, spiece\.model, "),
        ({"config.json": b'{"model_type": "gpt2"}'}, r"the folder has none: tokenizer\.json, "),
        ({"tokenizer.json": b"{"}, r"tokenizer\.json cannot be read; is it complete\?"),
        ({"tokenizer.model": b"nothing of the kind"}, r"tokenizer\.model is no SentencePiece model"),
    ],
)
def test_a_tokenizer_that_cannot_be_loaded_says_why(files, message, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"model: {tmp_path}: its tokenizer cannot be loaded: {message}"):
        load_tokenizer(str(tmp_path))


def test_packages_that_are_missing_are_named(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.model").write_bytes(b"")
    monkeypatch.setattr("gorp.config.model_names.installed", lambda name: name != "protobuf")
    with pytest.raises(UserError, match=r"tokenizer\.model needs: pip install protobuf$"):
        load_tokenizer(str(tmp_path))
