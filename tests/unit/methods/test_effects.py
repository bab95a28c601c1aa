"""Every setting does something, where it should; and what the shared gradient space does to a training."""

import dataclasses

import pytest
import torch
from matrices import inside

from gorp.config.result_paths import SPACE, WEIGHTS
from gorp.methods.gorp import GorpSettings
from gorp.models.stage import read_stage
from gorp.optim import projection
from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.util.errors import UserError

MEMORY = "bytes saved for the backward pass"


def values(folder, name=WEIGHTS):
    stage = read_stage(folder)
    return stage.tensors if name == WEIGHTS else stage.gradient_space


def differ(first, second):
    return first.keys() != second.keys() or any(
        first[key].shape != second[key].shape or not torch.allclose(first[key], second[key], atol=1e-6) for key in first
    )


def saved_bytes(train, family, **options):
    """The bytes of all that autograd saves for the backward passes of a training."""
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.nbytes) or x, lambda x: x):
        train(family, **options)
    return sum(sizes)


def effect(value, where=WEIGHTS, task="moods", **others):
    """A setting's other value, where it shows, in training which task, with which other settings."""
    return value, where, task, others


EFFECTS = {
    "epochs": effect(2),
    "batch_size": effect(7),
    # by the masks of dropout alone: without it the split into micro-batches changes rounding only (test_train)
    "micro_batch_size": effect(2, lora_dropout=0.5),
    "learning_rate": effect(0.01),
    "lr_schedule": effect("linear"),  # the second of the two steps at half the rate
    "warmup_steps": effect(2),
    "max_grad_norm": effect(1e-6),
    "weight_decay": effect(0.5),
    "gradient_checkpointing": effect(True, MEMORY),
    "max_source_length": effect(50),
    "max_target_length": effect(1, "max_target_length: the target 'Good' of moods, row 1, has"),
    "lora_r": effect(3),
    "lora_alpha": effect(4.0),
    "lora_dropout": effect(0.5),
    "lora_modules": effect(r".*(self_attn|SelfAttention)\.(v|v_proj)"),
    "full_rank": effect(False),
    "full_rank_modules": effect(r".*(EncDecAttention\.k|mlp\.up_proj)"),
    "full_rank_lr": effect(0.02),
    "projection": effect("reverse_std"),
    "rank": effect(2),
    "refresh_every": effect(1),
    "stagger": effect(True),  # of the two steps, half of the matrices have a refresh at the second
    # rank 3 and nothing counted as small, so that subspaces are iterated, and often enough for the error to be seen
    "exact_svd": effect(True, rank=3, refresh_every=1, epochs=3),
    "turn_moments": effect(True, epochs=2),  # the first refresh with moments to turn is at the third step
    "scale": effect(2.0),
    "gradient_space": effect(False, task="topics"),
    "energy": effect(0.3, SPACE),
    "max_directions": effect(1, SPACE),
    "project_lora": effect("none", task="topics"),
    "project_update": effect(True, task="topics"),
}


def test_the_same_settings_have_the_same_result(family, train, chain):
    """What the test below compares with is trained by `chain`, once a session."""
    moods, topics = chain(family, "gorp", 2)
    for where in (WEIGHTS, SPACE):
        assert not differ(values(train(family), where), values(moods, where))
        assert not differ(values(train(family, "topics", moods), where), values(topics, where))


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(GorpSettings)])
def test_every_setting_has_an_effect(family, train, chain, name, monkeypatch):
    value, where, task, others = EFFECTS[name]
    if name == "exact_svd":
        monkeypatch.setattr(projection, "SMALL", 0)
    assert value != getattr(family.settings(**others), name)
    parent = chain(family, "gorp", 1)[-1] if task != "moods" else None

    def run(**change):
        if not others and not change:
            return chain(family, "gorp", 1 if parent is None else 2)[-1]
        return train(family, task, parent, **others, **change)

    if where == MEMORY:
        plain, changed = (saved_bytes(train, family, **{name: on}) for on in (False, True))
        assert changed < 0.8 * plain
    elif where in (WEIGHTS, SPACE):
        assert differ(values(run(), where), values(run(**{name: value}), where))
    else:
        with pytest.raises(UserError, match=where):
            run(**{name: value})


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_project_update_keeps_the_full_rank_step_out_of_the_space(family, train, projection):
    parent = read_stage(train(family, projection=projection))
    largest = {}
    for flag in (False, True):
        child = read_stage(train(family, "topics", parent.folder, projection=projection, project_update=flag))
        largest[flag] = 0.0
        for name, weight in child.full_rank.items():
            step = weight - parent.full_rank[name]
            assert step.abs().max() > 1e-3
            mode = basis_mode(step.shape, PROJECTIONS[projection](step.shape))
            largest[flag] = max(largest[flag], inside(parent.gradient_space[name], step, mode))
    assert largest[True] < 1e-6
    assert (largest[False] < 1e-6) == (projection == "full")
    assert projection == "full" or largest[False] > 1e-4


def test_without_the_gradient_space_none_is_written(micros, train):
    assert values(train(micros["t5"], gradient_space=False), SPACE) == {}
