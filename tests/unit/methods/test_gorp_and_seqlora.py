"""What the methods decide: which parameters, in which groups, with which memory."""

import pytest
import torch
from matrices import inside, orthonormal

from gorp.methods.registry import make_method, method_names
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.optim.projection import up
from gorp.optim.reduced_gradient import ReducedGradient
from gorp.util.errors import UserError


def attached(family, method, settings):
    return method.attach(family.load(), None)


def step(adapted, optimizer, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapted.trained.values():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def test_every_method_of_the_settings_is_there(micros):
    for name in method_names():
        method = make_method(name, micros["t5"].settings(name))
        assert isinstance(method.new_lora, bool)
    with pytest.raises(UserError, match=r"no method 'seqlra'; did you mean seqlora"):
        make_method("seqlra", micros["t5"].settings())


def test_gorp_trains_two_groups(family):
    options = {
        "projection": "reverse_std",
        "rank": 3,
        "refresh_every": 5,
        "stagger": True,
        "exact_svd": True,
        "turn_moments": True,
        "scale": 0.5,
    }
    settings = family.settings(project_update=True, weight_decay=0.1, full_rank_lr=0.03, **options)
    method = make_method("gorp", settings)
    adapted = attached(family, method, settings)
    optimizer = method.optimizer(adapted, {})
    assert isinstance(optimizer, GorpAdamW)
    lora, full_rank = optimizer.param_groups
    assert lora["param_names"] == list(adapted.lora)
    assert full_rank["param_names"] == list(adapted.full_rank)
    assert (lora["lr"], lora["rank"], lora["projection"], lora["scale"]) == (0.02, None, "left", 1.0)
    assert full_rank.items() >= {"lr": 0.03, **options}.items()
    for group in (lora, full_rank):
        assert (group["weight_decay"], group["project_update"], group["betas"]) == (0.1, True, (0.9, 0.999))


def test_gorp_projects_the_gradients_of_full_rank_matrices_early(family):
    settings = family.settings()
    method = make_method("gorp", settings)
    adapted = attached(family, method, settings)
    method.optimizer(adapted, {})
    sum(parameter.square().sum() for parameter in adapted.trained.values()).backward()
    assert all(parameter.grad is not None for parameter in adapted.lora.values())
    assert all(isinstance(parameter.grad, ReducedGradient) for parameter in adapted.full_rank.values())


def test_gorp_without_its_parts_is_lora_alone(family):
    settings = family.settings(full_rank=False, gradient_space=False)
    method = make_method("gorp", settings)
    adapted = attached(family, method, settings)
    assert adapted.full_rank == {}
    name = next(iter(adapted.lora))
    optimizer = method.optimizer(adapted, {name: torch.eye(32)[:, :2]})
    assert len(optimizer.param_groups) == 1
    stock = {key: torch.nn.Parameter(p.detach().clone()) for key, p in adapted.lora.items()}
    reference = torch.optim.AdamW(stock.values(), lr=settings.learning_rate, weight_decay=0.0)
    for seed in range(3):
        step(adapted, optimizer, seed)
        for key, parameter in stock.items():
            parameter.grad = adapted.lora[key].grad.clone()
        reference.step()
    for key, parameter in stock.items():
        torch.testing.assert_close(adapted.lora[key], parameter, atol=1e-6, rtol=0)
    assert method.carry(adapted, optimizer, {}) == {}


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_gorp_keeps_bases_of_a_and_of_the_full_rank_matrices(family, projection):
    settings = family.settings(projection=projection)
    method = make_method("gorp", settings)
    adapted = attached(family, method, settings)
    modes = {name: 1 for name in adapted.lora if name.endswith("lora_A")}  # the inputs, whatever r is
    for name, parameter in adapted.full_rank.items():
        modes[name] = basis_mode(parameter.shape, PROJECTIONS[projection](parameter.shape))
    old = {name: orthonormal(adapted.trained[name].shape[mode], 3) for name, mode in modes.items()}
    optimizer = method.optimizer(adapted, old)
    step(adapted, optimizer)
    for name, S_wm in old.items():
        state = optimizer.state[adapted.trained[name]]
        assert inside(S_wm, up(state["exp_avg"], state.get("subspaces", {})), modes[name]) < 1e-6, name
    memory = method.carry(adapted, optimizer, old)
    assert set(memory) == set(old)
    for name, S_wm in memory.items():
        assert torch.equal(S_wm[:, :3], old[name])
        assert S_wm.shape[1] > 3


def test_gorp_keeps_as_much_as_it_is_asked_to(family):
    sizes = []
    for changes in ({"energy": 1.0}, {"energy": 0.1}, {"energy": 1.0, "max_directions": 2}):
        settings = family.settings(**changes)
        method = make_method("gorp", settings)
        adapted = attached(family, method, settings)
        optimizer = method.optimizer(adapted, {})
        step(adapted, optimizer)
        sizes.append({basis.shape[1] for basis in method.carry(adapted, optimizer, {}).values()})
    assert sizes == [{2, 4}, {1}, {2}], "of LoRA A with r 2, and of matrices with rank 4"


def test_seqlora_is_plain_adamw_on_the_factors(family):
    settings = family.settings("seqlora", weight_decay=0.1)
    method = make_method("seqlora", settings)
    adapted = attached(family, method, settings)
    optimizer = method.optimizer(adapted, {})
    assert type(optimizer) is torch.optim.AdamW
    (group,) = optimizer.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in adapted.lora.values()}
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.02, 0.1, (0.9, 0.999))
    assert not adapted.full_rank
    assert method.carry(adapted, optimizer, {}) == {}


@pytest.mark.parametrize("project_update", [True, False])
def test_projected_updates_keep_the_whole_lora_product_outside_the_space(family, project_update):
    settings = family.settings(project_update=project_update)
    method = make_method("gorp", settings)
    adapted = attached(family, method, settings)
    name = next(key for key in adapted.lora if key.endswith("lora_A"))
    S_im = orthonormal(adapted.lora[name].shape[1], 3)
    optimizer = method.optimizer(adapted, {name: S_im})
    for seed in range(3):
        step(adapted, optimizer, seed)
    product = adapted.lora[name.replace("lora_A", "lora_B")] @ adapted.lora[name] @ S_im
    assert bool(product.abs().max() < 1e-6) is project_update


def test_the_space_of_lora_a_lies_in_its_inputs_even_where_r_is_larger(family):
    settings = family.settings(lora_r=40)
    method = make_method("gorp", settings)
    adapted = attached(family, method, settings)
    optimizer = method.optimizer(adapted, {})
    step(adapted, optimizer)
    for name, basis in method.carry(adapted, optimizer, {}).items():
        if name.endswith("lora_A"):
            assert adapted.lora[name].shape[0] == 40 > basis.shape[0] == adapted.lora[name].shape[1]
