"""Each model family of docs/models.md, as a tiny random model: trained, written, loaded by stock peft, asked."""

import json
import re
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MT5Config,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    T5Config,
)

import gorp.train.stage
from gorp.config.result_paths import CONFIG
from gorp.data.batches import collate
from gorp.data.tokens import tokenize
from gorp.methods.registry import method_settings
from gorp.models.families import FAMILIES, choose_modules
from gorp.models.loading import autocast, load_base
from gorp.models.stage import read_stage
from gorp.prediction.predict import generate, load_stage
from gorp.train.stage import train_stage

DOCS = Path(__file__).resolve().parents[3] / "docs" / "models.md"
T5 = {"d_model": 16, "d_kv": 6, "num_heads": 2, "d_ff": 24, "num_layers": 2, "dropout_rate": 0.0}
T5 |= {"decoder_start_token_id": 0, "initializer_factor": 0.3}
DECODER = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
DECODER |= {"initializer_range": 0.3}
LLAMA = {**DECODER, "num_key_value_heads": 1, "head_dim": 6}
GEMMA = {**LLAMA, "num_hidden_layers": 2, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
BART = {f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in (("layers", 2), ("attention_heads", 2))}
BART |= {"d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 256, "dropout": 0.0}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 24, "n_positions": 256, "initializer_range": 0.3}
CONFIGS = {
    "t5": (T5Config, T5),
    "mt5": (MT5Config, T5),
    "bart": (BartConfig, {**BART, "init_std": 0.3, "decoder_start_token_id": 1, "forced_eos_token_id": None}),
    "llama": (LlamaConfig, LLAMA),
    "mistral": (MistralConfig, {**LLAMA, "sliding_window": 8}),
    "qwen2": (Qwen2Config, LLAMA),
    "qwen3": (Qwen3Config, LLAMA),
    "gemma2": (Gemma2Config, {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0}),
    "gemma3_text": (Gemma3TextConfig, GEMMA),
    "olmo2": (Olmo2Config, LLAMA),
    "phi3": (Phi3Config, LLAMA),
    "gpt2": (GPT2Config, {**GPT2, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}),
    "gpt_neox": (GPTNeoXConfig, {**DECODER, "max_position_embeddings": 256}),
}
SETTINGS = {"batch_size": 4, "micro_batch_size": 4, "learning_rate": 0.02, "lora_r": 2, "lora_alpha": 8.0}
SETTINGS |= {"rank": 3, "refresh_every": 2, "full_rank_lr": 0.02, "max_source_length": 200, "lora_dropout": 0.0}


def make_model(family: str, tokenizer, folder: Path) -> None:
    """Saves a tiny random model of a family, every bias of it random too."""
    torch.manual_seed(1)
    kind, sizes = CONFIGS[family]
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": tokenizer.bos_token_id}
    config = kind(**sizes, **ids, eos_token_id=tokenizer.eos_token_id)
    base = (AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM).from_config(config)
    with torch.no_grad():
        for name, parameter in base.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.2)
            if "EncDecAttention" in name:  # else answers hardly depend on the prompt
                parameter *= 20
    base.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def logits(model, tokenizer, rows):
    inputs, _ = collate(tokenize(rows, tokenizer, 200, 50), tokenizer, model.config)
    with autocast(model):
        return model.eval()(**inputs).logits


@pytest.mark.parametrize("family", CONFIGS)
def test_a_family_is_trained_and_read_by_stock_peft(family, micros, tasks, task_rows, tmp_path, monkeypatch):
    model = tmp_path / "model"
    make_model(family, micros["t5"].tokenizer, model)
    kept, original = [], gorp.train.stage.concatenated_lora
    monkeypatch.setattr(gorp.train.stage, "concatenated_lora", lambda *args: kept.append(args[0]) or original(*args))
    settings, rows, parent = method_settings("gorp", SETTINGS), task_rows["causes"], None
    base, tokenizer = load_base(str(model))
    before = [logits(base, tokenizer, rows)]
    for task in ("moods", "topics"):
        train_stage(str(model), tasks[task], tmp_path / task, "gorp", settings, 1, parent)
        parent = tmp_path / task
        trained = logits(kept[-1].model, tokenizer, rows)
        stock = PeftModel.from_pretrained(load_base(str(model))[0], str(parent))
        largest = max(1.0, trained.abs().max().item())  # rounding grows with the logits
        torch.testing.assert_close(logits(stock, tokenizer, rows), trained, atol=1e-5 * largest, rtol=0)
        assert all((trained - other).abs().max() > 1e-3 for other in before), "it has learnt something"
        before.append(trained)

    first, second = read_stage(tmp_path / "moods"), read_stage(parent)
    assert json.loads((parent / CONFIG).read_text())["fan_in_fan_out"] == (base.config.model_type == "gpt2")
    patterns, names = FAMILIES[base.config.model_type], [name for name, _ in base.named_modules()]
    assert list(second.lora_modules) == sorted(
        choose_modules(names, patterns["lora_modules"], "lora_modules", base.config.model_type)
    )
    full = choose_modules(names, patterns["full_rank_modules"], "full_rank_modules", base.config.model_type)
    assert second.full_rank.keys() == {f"{name}.weight" for name in full} == kept[-1].full_rank.keys()
    for name, weight in second.full_rank.items():
        own = base.get_parameter(name)
        assert weight.shape == own.shape
        assert not torch.equal(weight, own) and not torch.equal(weight, first.full_rank[name])
        bias = base.get_submodule(name.removesuffix(".weight")).bias
        saved = second.tensors.get(f"base_model.model.{name.removesuffix('.weight')}.bias")
        assert (saved is None) == (bias is None)
        assert bias is None or torch.equal(saved, bias)

    # answers are those that the library's own loop gives, row by row, though ours come from padded batches
    asked = [row for name in ("moods", "causes") for row in task_rows[name]]
    ours = generate(load_stage(load_base(str(model))[0], parent, str(model), "float32"), tokenizer, asked, 200, 6, 2000)
    for row, answer in zip(asked, ours, strict=True):
        ids = torch.tensor([tokenizer(row["source"])["input_ids"]])
        with torch.no_grad():
            new = stock.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False)[
                0
            ]
        new = new[1:] if base.config.is_encoder_decoder else new[ids.shape[1] :]
        assert answer["prediction"] == tokenizer.decode(new, skip_special_tokens=True).strip()
    assert len({answer["prediction"] for answer in ours}) > 1, "they depend on the prompt"


def test_a_bias_stays_exact_beside_bfloat16(micros, tasks, task_rows, tmp_path, monkeypatch):
    """That of Qwen2's v, as a full-rank module; the base model's own is rounded already."""
    kept, original = [], gorp.train.stage.concatenated_lora
    monkeypatch.setattr(gorp.train.stage, "concatenated_lora", lambda *args: kept.append(args[0]) or original(*args))
    model, parent = str(tmp_path / "model"), None
    make_model("qwen2", micros["t5"].tokenizer, Path(model))
    patterns = {"lora_modules": r".*self_attn\.q_proj", "full_rank_modules": r".*self_attn\.v_proj"}
    settings = method_settings("gorp", SETTINGS | patterns)
    for task in ("moods", "topics"):
        train_stage(model, tasks[task], tmp_path / task, "gorp", settings, 1, parent, "bfloat16")
        parent = tmp_path / task
        base, tokenizer = load_base(model, "bfloat16")
        biases = {name: p.float() for name, p in base.named_parameters() if name.endswith("v_proj.bias")}
        stage = read_stage(parent)
        assert biases and all(torch.equal(stage.tensors[f"base_model.model.{n}"], b) for n, b in biases.items())
        assert not biases.keys() & stage.full_rank.keys()
        trained, stock = kept[-1].model, PeftModel.from_pretrained(base, str(parent))
        plain, written, expected = (
            logits(each, tokenizer, task_rows["causes"]).float()
            for each in (load_base(model, "bfloat16")[0], stock, trained)
        )
        if task == "moods":
            assert torch.equal(written, expected)
        else:  # two adapters in training are one in the file, and their sum is rounded once less
            assert (written - expected).abs().mean() < 0.05 * (plain - expected).abs().mean()


def test_the_docs_list_what_is_run():
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| `(.+?)` \|", DOCS.read_text(), re.M)
    listed = {kind: {"lora_modules": lora, "full_rank_modules": full} for kind, lora, full in rows}
    written = {kind: {key: text.replace("|", "\\|") for key, text in own.items()} for kind, own in FAMILIES.items()}
    assert listed == written
    assert FAMILIES.keys() == CONFIGS.keys()
