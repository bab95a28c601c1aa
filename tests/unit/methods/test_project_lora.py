"""`project_lora`: which LoRA factors have a shared gradient space, and what it keeps them from."""

import pytest
import torch
from matrices import inside, off_orthonormal

from gorp.models.stage import PREFIX, read_stage

FACTORS = {"A": {"A"}, "B": {"B"}, "both": {"A", "B"}, "none": set()}
SIDE = {"A": 1, "B": 0}  # the mode of A [r, in] and of B [out, r] that the space lies on


def of_lora(stage, factor):
    return {name: S for name, S in stage.gradient_space.items() if name.endswith(f".lora_{factor}")}


def largest_inside(parent, child):
    """By factor, the largest entry of S^T of what the child's new factors have inside the parent's bases."""
    r, found = parent.lora_r, {}
    for factor in FACTORS["both"]:
        new = {name: child.tensors[f"{PREFIX}{name}.weight"] for name in of_lora(parent, factor)}
        new = {name: factors[r:] if factor == "A" else factors[:, r:] for name, factors in new.items()}
        found[factor] = max(
            (inside(parent.gradient_space[name], W, SIDE[factor]) for name, W in new.items()), default=None
        )
    return found


@pytest.mark.parametrize("which", FACTORS)
def test_the_factors_that_are_named_stay_outside_their_bases(family, train, which):
    parent = read_stage(train(family, project_lora=which))
    for factor in FACTORS["both"]:
        bases = of_lora(parent, factor)
        assert set(bases) == (
            {f"{m}.lora_{factor}" for m in parent.lora_modules} if factor in FACTORS[which] else set()
        )
        for name, S in bases.items():
            assert len(S) == parent.tensors[f"{PREFIX}{name}.weight"].shape[SIDE[factor]]
            assert S.shape[1] >= 1
            assert off_orthonormal(S) < 1e-5
    assert set(parent.full_rank) <= set(parent.gradient_space), "full-rank matrices have theirs, whatever the value"
    plain, exact = (
        read_stage(train(family, "topics", parent.folder, project_lora=which, project_update=flag))
        for flag in (False, True)
    )
    for factor in FACTORS[which]:
        assert largest_inside(parent, exact)[factor] < 1e-6 < 1e-4 < largest_inside(parent, plain)[factor]
    r = parent.lora_r
    for module in parent.lora_modules:  # what the new task adds to the weight: S_B^T B A = 0, B A S_A = 0
        A_ri, B_or = (exact.tensors[f"{PREFIX}{module}.lora_{factor}.weight"] for factor in "AB")
        added_oi = B_or[:, r:] @ A_ri[r:]
        assert added_oi.abs().max() > 1e-4
        for factor in FACTORS[which]:
            assert inside(parent.gradient_space[f"{module}.lora_{factor}"], added_oi, SIDE[factor]) < 1e-6


def test_every_value_trains_to_another_result(micros, train):
    family, ends = micros["t5"], {}
    for which in FACTORS:
        parent = train(family, project_lora=which)
        ends[which] = torch.cat(
            [x.flatten() for x in read_stage(train(family, "topics", parent, project_lora=which)).tensors.values()]
        )
    for one in FACTORS:
        for other in FACTORS:
            assert torch.equal(ends[one], ends[other]) == (one == other), (one, other)


def test_bases_of_what_a_stage_does_not_project_are_handed_on(micros, train):
    family = micros["t5"]
    first = read_stage(train(family, project_lora="A"))
    for changes in ({"project_lora": "B"}, {"project_lora": "none"}, {"gradient_space": False}):
        second = read_stage(train(family, "topics", first.folder, **changes))
        for name, S in of_lora(first, "A").items():
            assert torch.equal(second.gradient_space[name], S), changes
        assert bool(of_lora(second, "B")) == (changes.get("project_lora") == "B"), (
            "B's space begins where it is asked for"
        )
    third = read_stage(train(family, "causes", second.folder, project_lora="both", project_update=True))
    assert largest_inside(second, third)["A"] < 1e-6, "kept out of what the first task left, though the second did not"
