"""The new LoRA alone, beside the concatenated one: stock peft loads it, and with the earlier ones it is the whole."""

import json

import pytest
import torch
from peft import PeftModel

from gorp.config.result_paths import CONFIG, INFO, WEIGHTS
from gorp.config.result_paths import NEW_LORA as FOLDER
from gorp.config.result_paths import NEW_LORA_FILES as FILES
from gorp.data.batches import collate
from gorp.data.tasks import TASK_NAME
from gorp.data.tokens import tokenize
from gorp.models.stage import read_stage
from gorp.util.errors import UserError


@torch.no_grad()
def logits(model, family, rows):
    inputs, _ = collate(tokenize(rows, family.tokenizer, 200, 50), family.tokenizer, model.config)
    return model.eval()(**inputs).logits


def test_no_task_has_the_name_of_the_folder():
    assert not TASK_NAME.fullmatch(FOLDER)


def test_earlier_ones_merged_and_the_new_one_are_the_whole(family, train, task_rows):
    first = train(family, full_rank=False)
    # another scaling, 16 for 4, which the concatenated factors take over
    second = train(family, "topics", first, full_rank=False, lora_r=3, lora_alpha=48.0)
    whole = logits(PeftModel.from_pretrained(family.load(), str(second)), family, task_rows["topics"])
    earlier = PeftModel.from_pretrained(family.load(), str(first)).merge_and_unload()
    before = logits(earlier, family, task_rows["topics"])
    together = PeftModel.from_pretrained(earlier, str(second / FOLDER))
    torch.testing.assert_close(logits(together, family, task_rows["topics"]), whole, atol=1e-5, rtol=1e-5)
    assert (whole - before).abs().max() > 1e-3


def test_it_is_what_one_task_trained(family, chain):
    for number, folder in enumerate(chain(family), 1):
        stage, config = read_stage(folder), json.loads((folder / FOLDER / CONFIG).read_text())
        assert (config["r"], config["lora_alpha"], config["modules_to_save"]) == (2, 8.0, None), "LoRA alone"
        new = PeftModel.from_pretrained(family.load(), str(folder / FOLDER)).state_dict()
        for key, value in stage.lora_state().items():
            own = value[2 * (number - 1) :] if "lora_A" in key else value[:, 2 * (number - 1) :]
            assert torch.equal(new[key.removesuffix(".weight") + ".default.weight"], own)
        assert set(FILES) < set(stage.info["files"])
        assert (folder / FILES[0]).stat().st_size < 4 * stage.info["trainable"]["lora"] + 6000, "fp32 and a header"
    (folder,) = chain(family, "seqlora", 1)
    assert (folder / FILES[0]).read_bytes() == (folder / WEIGHTS).read_bytes(), "one pair for all tasks is the whole"


@pytest.mark.parametrize("name", FILES)
def test_damage_is_named_and_an_older_stage_loads(micros, train, name):
    folder = train(micros["t5"])
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(UserError, match=f"{folder / name}: its SHA-256 differs from the one in stage.json"):
        read_stage(folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{folder / name}: the file is missing"):
        read_stage(folder)
    info = json.loads((folder / INFO).read_text())
    del info["files"][name]
    (folder / INFO).write_text(json.dumps(info))
    assert read_stage(folder).lora_r == 2
