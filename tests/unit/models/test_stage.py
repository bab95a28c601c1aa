"""The stage artifact: stock peft computes what was trained, and a bad artifact is refused by name."""

import json
import re
import shutil

import pytest
import safetensors.torch
import torch
from peft import PeftModel

import gorp.train.stage
from gorp.config.result_paths import CONFIG, INFO, SPACE, WEIGHTS
from gorp.config.result_paths import NEW_LORA as FOLDER
from gorp.config.result_paths import NEW_LORA_FILES as FILES
from gorp.data.batches import collate
from gorp.data.tokens import tokenize
from gorp.models.adapters import lora_config
from gorp.models.stage import read_stage, write_stage
from gorp.train.stage import train_stage
from gorp.util.errors import UserError
from gorp.util.files import sha256

METHODS = ["gorp", "seqlora"]


@torch.no_grad()
def logits(model, family, rows):
    inputs, _ = collate(tokenize(rows, family.tokenizer, 200, 50), family.tokenizer, model.config)
    return model.eval()(**inputs).logits


@pytest.mark.parametrize("method", METHODS)
def test_stock_peft_gives_the_logits_of_the_trained_model(family, method, tasks, task_rows, tmp_path, monkeypatch):
    kept = []

    def keep(adapted, *args):
        kept.append(adapted)
        return original(adapted, *args)

    original = gorp.train.stage.concatenated_lora
    monkeypatch.setattr(gorp.train.stage, "concatenated_lora", keep)
    parent, seen, rows = None, [], task_rows["moods"]
    plain = logits(family.load(), family, rows)
    for name in tasks:
        train_stage(family.path, tasks[name], tmp_path / name, method, family.settings(method), 1, parent)
        parent = tmp_path / name
        stock = PeftModel.from_pretrained(family.load(), str(parent))
        trained = logits(kept.pop().model, family, rows)
        torch.testing.assert_close(logits(stock, family, rows), trained, atol=1e-5, rtol=1e-5)
        for other in (plain, *seen):
            assert (trained - other).abs().max() > 1e-3, "training did something"
        seen.append(trained)


def test_lora_grows_with_gorp_and_stays_with_seqlora(family, chain):
    for method, ranks in (("gorp", [2, 4, 6]), ("seqlora", [2, 2, 2])):
        for folder, r in zip(chain(family, method), ranks, strict=True):
            stage, config = read_stage(folder), json.loads((folder / CONFIG).read_text())
            assert (stage.lora_r, stage.lora_alpha) == (config["r"], config["lora_alpha"]) == (r, 4.0 * r)
            for key, value in stage.lora_state().items():
                assert value.shape[0 if "lora_A" in key else 1] == r
            assert config["inference_mode"] is True
            assert (config["modules_to_save"] is not None) == (method == "gorp")


def test_earlier_factors_stay_bit_for_bit(family, chain):
    first, second, third = map(read_stage, chain(family))
    for key, new in third.lora_state().items():
        for r, before in ((2, first), (4, second)):
            assert torch.equal(new[:r] if "lora_A" in key else new[:, :r], before.tensors[key])
        assert new[4:].any() if "lora_A" in key else new[:, 4:].any()


def test_full_rank_matrices_move_and_are_carried_on(family, chain):
    stages = list(map(read_stage, chain(family)))
    base = family.load()
    before = {name: base.get_parameter(name).detach() for name in stages[0].full_rank}
    start = before
    assert before
    for stage in stages:
        for name, weight in stage.full_rank.items():
            step = (weight - before[name]).abs().max()
            assert 1e-3 < step < 0.1, name
        before = stage.full_rank
    # steps are of rank 4 twice at most, so what a stage adds to its parent is of low rank: it did start there
    for name, weight in stages[1].full_rank.items():
        sigma = torch.linalg.svdvals(weight - stages[0].full_rank[name])
        assert sigma[8:].max() < 1e-5 < sigma[0]
        assert (stages[0].full_rank[name] - start[name]).norm() > 1e-3


def test_bases_are_orthonormal_and_grow(family, chain):
    before = {}
    for folder in chain(family):
        stage = read_stage(folder)
        trained = {f"{name}.lora_A" for name in stage.lora_modules} | set(stage.full_rank)
        assert set(stage.gradient_space) == trained, "B has no basis"
        for name, S_wm in stage.gradient_space.items():
            weight = stage.tensors.get("base_model.model." + name)
            side = max(weight.shape) if weight is not None else 32
            assert S_wm.shape[0] == side
            assert (S_wm.mT @ S_wm - torch.eye(S_wm.shape[1])).abs().max() < 1e-5
            m = before[name].shape[1] if name in before else 0
            assert max(m, 1) <= S_wm.shape[1] <= side
            assert m == 0 or torch.equal(S_wm[:, :m], before[name])
        grown = [sum(S_wm.shape[1] for S_wm in spaces.values()) for spaces in (before, stage.gradient_space)]
        assert grown[0] < grown[1]  # one matrix may be explained already, not all of them
        before = stage.gradient_space
    assert all(not read_stage(folder).gradient_space for folder in chain(family, "seqlora"))


@pytest.mark.parametrize("method", METHODS)
def test_stage_info(family, method, chain, tasks, task_rows):
    parent = None
    for number, folder in enumerate(chain(family, method), 1):
        stage, info = read_stage(folder), json.loads((folder / INFO).read_text())
        assert sorted(p.name for p in folder.iterdir()) == sorted([WEIGHTS, CONFIG, SPACE, INFO, FOLDER])
        assert info["tasks"] == list(tasks)[:number]
        assert (info["method"], info["seed"], info["base_model"]) == (method, 7, family.path)
        assert info["load_with"] == {"dtype": "float32", "autocast": None}
        assert info["parent"] == (parent.digest if parent else None)
        assert info["files"] == {name: sha256(folder / name) for name in (WEIGHTS, CONFIG, SPACE, *FILES)}
        assert info["rows"] == len(task_rows[info["tasks"][-1]])
        assert info["steps"] == len(info["losses"]) == -(-info["rows"] // 4)
        assert info["settings"]["batch_size"] == 4
        assert info["trainable"]["full_rank"] == sum(w.numel() for w in stage.full_rank.values())
        lora = sum(w.numel() for w in stage.lora_state().values())
        assert info["trainable"]["lora"] == (lora // number if method == "gorp" else lora)
        parent = stage


@pytest.fixture
def copied(micros, chain, tmp_path):
    """A stage that may be damaged."""
    return shutil.copytree(chain(micros["t5"], "gorp", 1)[-1], tmp_path / "stage")


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, SPACE])
def test_damaged_and_missing_content_is_named(copied, name):
    whole = (copied / name).read_bytes()
    where = re.escape(str(copied / name))
    for content in (whole[:-1], whole + b" ", b"", whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]):
        (copied / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{where}: its SHA-256 differs from the one in stage.json"):
            read_stage(copied)
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"{where}: the file is missing"):
        read_stage(copied)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "not a stage of this project"),
        ("[1]", "not a stage of this project"),
        ('{"format": "other-2"}', "not a stage of this project"),
        ('{"format": ', "not JSON: .*; delete it and run the snakemake command again"),
    ],
)
def test_a_foreign_stage_file_is_refused(copied, content, message):
    (copied / INFO).write_text(content)
    with pytest.raises(UserError, match=f"stage/stage.json: {message}"):
        read_stage(copied)


def test_a_stage_without_hashes_or_file_is_refused(copied):
    (copied / INFO).write_text('{"format": "gorp-stage-1"}')
    with pytest.raises(UserError, match=r"adapter_model\.safetensors: its SHA-256 differs"):
        read_stage(copied)
    (copied / INFO).unlink()
    with pytest.raises(UserError, match=r"stage: not a stage, or an incomplete one: it has no stage\.json"):
        read_stage(copied)
    with pytest.raises(UserError, match="nowhere: no such stage"):
        read_stage(copied.parent / "nowhere")


@pytest.mark.parametrize("key", ["tasks", "method", "base_model", "files"])
def test_a_stage_file_that_lacks_a_part_is_refused(copied, micros, tasks, key):
    """By whoever reads the part: reading, going on from the stage, or predicting with it."""
    info = json.loads((copied / INFO).read_text())
    del info[key]
    (copied / INFO).write_text(json.dumps(info))
    family, output = micros["t5"], copied.parent / "out"
    with pytest.raises(UserError, match="stage/"):
        train_stage(family.path, tasks["topics"], output, "gorp", family.settings(), 1, copied)
    assert not output.exists()


def test_what_is_no_safetensors_file_is_refused_even_with_its_hash(copied):
    (copied / SPACE).write_bytes(b"not tensors")
    info = json.loads((copied / INFO).read_text())
    info["files"][SPACE] = sha256(copied / SPACE)
    (copied / INFO).write_text(json.dumps(info))
    with pytest.raises(UserError, match=r"gradient_space\.safetensors: not a safetensors file"):
        read_stage(copied)


@pytest.mark.parametrize("failing", ["safetensors", "config"])
def test_a_failed_write_leaves_no_stage_that_vouches_for_its_files(copied, micros, monkeypatch, failing):
    stage = read_stage(copied)
    config = lora_config(micros["t5"].load(), 2, 8.0, list(stage.lora_modules), 0.0)

    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    if failing == "safetensors":
        monkeypatch.setattr(safetensors.torch, "save_file", fail)
    else:
        monkeypatch.setattr(type(config), "save_pretrained", fail)
    with pytest.raises(OSError, match="disk full"):
        write_stage(copied, config, stage.lora_state(), stage.full_rank, {}, {"tasks": ["x"]})
    with pytest.raises(UserError, match="it has no stage"):
        read_stage(copied)
    assert not [p for p in copied.iterdir() if p.name.startswith(".") or p.name.startswith("tmp")]


@pytest.mark.parametrize("change", ["lacks a matrix", "has one too many", "has another shape"])
def test_a_stage_that_stock_peft_does_not_load_is_none(copied, micros, change):
    stage, base = read_stage(copied), micros["t5"].load()
    full = [name.removesuffix(".weight") for name in stage.full_rank]
    config = lora_config(base, 2, 8.0, list(stage.lora_modules), 0.0, full)
    matrices = dict(stage.full_rank)
    if change == "lacks a matrix":
        del matrices[f"{full[0]}.weight"]
    elif change == "has one too many":
        matrices["lm_head.weight"] = base.lm_head.weight
    else:
        matrices[f"{full[0]}.weight"] = torch.zeros(3, 3)
    arguments = (config, stage.lora_state(), matrices, {}, stage.info)
    with pytest.raises(UserError, match=r"adapter_model\.safetensors: stock peft does not load this stage"):
        write_stage(copied, *arguments, architecture=base.config)
    assert not (copied / INFO).exists()
    assert not base.lm_head.weight.is_meta
    write_stage(copied, config, stage.lora_state(), stage.full_rank, {}, stage.info, architecture=base.config)
    assert read_stage(copied).full_rank.keys() == stage.full_rank.keys()


def test_empty_bases_survive_the_round_trip(copied, micros):
    stage = read_stage(copied)
    config = lora_config(micros["t5"].load(), 2, 8.0, list(stage.lora_modules), 0.0)
    spaces = {"a": torch.zeros(5, 0), "b": torch.eye(6)[:, :2].T.contiguous().T}
    write_stage(copied, config, stage.lora_state(), {}, spaces, stage.info)
    again = read_stage(copied)
    assert again.gradient_space["a"].shape == (5, 0)
    assert torch.equal(again.gradient_space["b"], spaces["b"])
    assert again.full_rank == {}
