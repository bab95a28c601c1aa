"""What a model's config alone tells: its linear modules, and whether it can be trained with some settings."""

import json
import subprocess
import sys

import pytest

from gorp.cli import main
from gorp.config.model_names import EMBEDDED, SHIPPED
from gorp.methods.registry import make_method, method_settings
from gorp.models.adapters import matching_modules
from gorp.models.architecture import read_architecture
from gorp.models.families import FAMILIES, choose_modules, folded
from gorp.models.made.embedded import VOCABULARY, build_model
from gorp.models.trainable import find_layers, read_layers
from gorp.util.errors import UserError


@pytest.fixture(scope="module")
def llama():
    return find_layers(read_architecture("meta-llama/Llama-2-7b-hf"))


def check(layers, method, values):
    make_method(method, method_settings(method, values)).check(layers)


def test_layers_are_folded_where_their_numbers_differ():
    names = [f"encoder.block.{i}.layer.{j}.wi_0" for i in range(3) for j in (1,)] + ["lm_head", "a.7.b", "h.0.c.0.d"]
    assert folded(names) == ["encoder.block.N.layer.1.wi_0 (3)", "lm_head", "a.7.b", "h.0.c.0.d"]
    assert folded(["a.0.b", "a.1.b", "N.N.N"]) == ["a.N.b (2)", "N.N.N"]


def test_a_pattern_that_matches_nothing_is_told_what_there_is(llama):
    with pytest.raises(UserError) as wrong:
        check(llama, "gorp", {"lora_modules": "nothing-like-it"})
    text = str(wrong.value)
    assert text.startswith("lora_modules: 'nothing-like-it' matches no linear module; known are: ")
    assert "model.layers.N.self_attn.q_proj (32), " in text and "layers.0" not in text and len(text) < 700
    assert text.endswith(r"auto takes '.*self_attn\.(q_proj|v_proj)'")


MISTAKES = {
    "lora_r: 5000 is larger than a side of model.layers.N.self_attn.q_proj (32), 4096 x 4096; at most 4096": {
        "lora_r": 5000
    },
    "rank: 4097 is larger than a side of model.layers.N.mlp.gate_proj (32), 11008 x 4096; at most 4096": {"rank": 4097},
    "full_rank_modules: model.layers.N.self_attn.q_proj (32) is matched by lora_modules too": {
        "full_rank_modules": r".*q_proj"
    },
    "max_source_length, max_target_length: 4090 and 50 tokens are more than the model can read, 4096 together": {
        "max_source_length": 4090
    },
}


@pytest.mark.parametrize("message", MISTAKES)
def test_settings_that_do_not_fit_the_matrices_are_refused(llama, message):
    with pytest.raises(UserError) as wrong:
        check(llama, "gorp", MISTAKES[message])
    assert str(wrong.value).startswith(message)
    largest = {"lora_r": 4096, "rank": 4096, "max_source_length": 4046}
    check(llama, "gorp", largest)
    check(llama, "seqlora", {"lora_modules": ".*q_proj"})
    check(llama, "gorp", {"full_rank": False, "full_rank_modules": "nothing"})


def test_a_weight_that_two_modules_share_is_not_trained(micros, tmp_path):
    layers = read_layers("tiny-llama", tmp_path)
    assert layers.tied == {"lm_head": "model.embed_tokens"}
    message = "lora_modules: lm_head shares its weight with model.embed_tokens, which would be trained too"
    with pytest.raises(UserError, match=message):
        check(layers, "gorp", {"lora_modules": ".*q_proj|lm_head"})
    base = micros["llama"].load()
    assert matching_modules(base, "lm_head", "lora_modules") == ["lm_head"], "here it has a weight of its own"
    base.lm_head.weight = base.model.embed_tokens.weight
    with pytest.raises(UserError, match=message):
        matching_modules(base, "lm_head", "lora_modules")


def test_an_unknown_family_is_to_be_given_patterns():
    with pytest.raises(
        UserError, match=r"lora_modules: auto knows no modules of model type 'opt', only of t5, .*gpt_neox"
    ):
        choose_modules(["a.0.q", "a.1.q"], "auto", "lora_modules", "opt")
    with pytest.raises(UserError, match=r"over these linear modules: a\.N\.q \(2\)$"):
        choose_modules(["a.0.q", "a.1.q"], "auto", "full_rank_modules", "opt")
    assert choose_modules(["a.0.q", "a.1.q"], r".*1\.q", "full_rank_modules", "opt") == ["a.1.q"]


REFUSED = {
    "fills gaps in a text": {"model_type": "bert", "num_hidden_layers": 1},
    "generates no text": {"model_type": "vit", "num_hidden_layers": 1},
    "takes no position_ids": {"model_type": "bloom", "n_layer": 1, "hidden_size": 16, "n_head": 2},
    "its weights are quantized": {"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4}},
    "comes with its own code": {"model_type": "own", "auto_map": {"AutoConfig": "code.OwnConfig"}},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_model_that_cannot_be_trained_is_refused(message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(REFUSED[message]))
    layers = read_layers(str(tmp_path), tmp_path / "cache")
    assert layers == read_layers(str(tmp_path), tmp_path / "cache"), "kept"
    with pytest.raises(UserError, match=rf"model: .*{tmp_path}.*{message}"):
        check(layers, "gorp", {})


def test_what_was_found_is_kept_until_the_config_changes(tmp_path, monkeypatch):
    small = {"model_type": "llama", "num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 24}
    small |= {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 9}
    (tmp_path / "config.json").write_text(json.dumps(small))
    found = read_layers(str(tmp_path), tmp_path / "cache")
    assert found.shapes["model.layers.0.self_attn.v_proj"] == (8, 16)
    (kept,) = (tmp_path / "cache").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("gorp.models.trainable.find_or_refuse", None)
        again = read_layers(str(tmp_path), tmp_path / "cache")
    assert {name: tuple(shape) for name, shape in again.shapes.items()} == found.shapes
    (tmp_path / "config.json").write_text(json.dumps(small | {"hidden_size": 32}))
    assert read_layers(str(tmp_path), tmp_path / "cache").shapes["model.layers.0.self_attn.v_proj"] == (16, 32)
    kept.write_text("damaged")
    (tmp_path / "config.json").write_text(json.dumps(small))
    assert read_layers(str(tmp_path), tmp_path / "cache") == found


def test_what_is_kept_is_read_without_torch(tmp_path):
    """As the workflow reads it in each of its jobs."""
    found = read_layers("tiny-t5", tmp_path)
    code = (
        "import sys; from pathlib import Path; from gorp.models.trainable import read_layers;"
        "print(len(read_layers('tiny-t5', Path(sys.argv[1])).shapes), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], text=True, capture_output=True, check=True)
    assert done.stdout.split() == [str(len(found.shapes)), "False"]


def test_a_hub_id_is_looked_up_on_this_machine_alone(tmp_path, monkeypatch):
    """The tests' network refuses; where neither the package nor the local cache has the config, nothing is said."""
    assert read_layers("google-t5/t5-large", tmp_path).model_type == "t5"
    assert read_layers("nobody/nothing", tmp_path) is None
    assert read_layers("./nowhere", tmp_path) is None
    (tmp_path / "config.json").write_text((SHIPPED / "tiny-llama.json").read_text())
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: str(tmp_path / "config.json"))
    assert read_layers("somebody/something", tmp_path).model_type == "llama"


@pytest.mark.parametrize("name", EMBEDDED)
def test_shipped_configs_are_those_of_the_models_that_are_made(name):
    class Ids:
        pad_token_id, eos_token_id, bos_token_id = 0, 1, 3

        def __len__(self):
            return VOCABULARY

    def known(config):
        other = ("_name_or_path", "transformers_version", "architectures", "dtype")
        return {key: value for key, value in config.to_dict().items() if key not in other}

    made = build_model(name, Ids())
    assert known(read_architecture(name)) == known(made.config)
    assert made.config.model_type in FAMILIES


def test_gorp_train_refuses_before_weights_are_loaded(micros, tasks, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gorp.train.stage.load_base", None)
    options = ["train", "--model", micros["t5"].path, "--data", str(tasks["moods"]), "--method", "gorp"]
    for settings, message in (
        (["rank=500"], "rank: 500 is larger than a side of decoder.block.N.layer.1.EncDecAttention.q (2), 24 x 32"),
        (["lora_modules=.*q_proj"], "lora_modules: '.*q_proj' matches no linear module; "),
    ):
        assert main([*options, "--output", str(tmp_path / "out"), "--set", *settings]) == 1
        assert f"gorp train: error: {message}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
