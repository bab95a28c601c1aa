"""Gradients reduced while the backward pass goes on, over accumulated passes; and when subspaces are due."""

from copy import deepcopy

import pytest
import torch
from accelerate import Accelerator
from matrices import orthonormal, random

from gorp.optim import projection
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.modes import PROJECTIONS
from gorp.optim.projection import subspace
from gorp.optim.reduced_gradient import whole_gradient

PASSES = 4
SHAPES = {"a": (3, 8), "b": (12, 7), "c": (7, 12), "d": (40, 30), "e": (6, 4, 5)}  # of d the subspace is iterated


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    """Subspaces of small matrices are iterated too, where the rank lets them."""
    monkeypatch.setattr(projection, "SMALL", 0)


def make(early, **options):
    """Parameters of which "a" is trained as it is and the others in subspaces; the optimizer; one with a basis."""
    parameters = {key: torch.nn.Parameter(0.1 * random(*shape, seed=9)) for key, shape in SHAPES.items()}
    named = list(parameters.items())
    options = {"rank": 3, "refresh_every": 3, **options}
    groups = [{"params": named[:1], "projection": "left"}, {"params": named[1:], **options}]
    optimizer = GorpAdamW(groups, {"a": orthonormal(8, 2)}, lr=0.01)
    if early:
        optimizer.project_early()
    return parameters, optimizer


def backward(parameters, step, number):
    """One of the passes of a step: a quadratic with targets of its own for each."""
    seed = 10 * step + number
    sum(((p - random(*p.shape, seed=seed)) ** 2).sum() for p in parameters.values()).div(2 * PASSES).backward()


def accumulate(parameters, optimizer, step):
    for number in range(PASSES):
        optimizer.complete = number == PASSES - 1
        backward(parameters, step, number)


@pytest.mark.parametrize("options", [{}, {"stagger": True}, {"stagger": True, "turn_moments": True}], ids=str)
@pytest.mark.parametrize("name", PROJECTIONS)
def test_projected_early_or_late_is_the_same_to_rounding(name, options):
    early, late = make(True, projection=name, **options), make(False, projection=name, **options)
    for step in range(8):
        for parameters, optimizer in (early, late):
            accumulate(parameters, optimizer, step)
            optimizer.step()
            optimizer.zero_grad()
        for key, expected in late[0].items():
            distance = (early[0][key] - expected).detach().abs().max()
            assert distance <= 2e-6 * expected.detach().abs().max(), (step, key)


@pytest.mark.parametrize("stagger", [False, True])
def test_a_whole_gradient_is_kept_only_where_a_subspace_is_due(stagger):
    parameters, optimizer = make(True, stagger=stagger)
    for step in range(6):
        for number in range(PASSES):
            optimizer.complete = number == PASSES - 1
            backward(parameters, step, number)
            kept = {key for key, parameter in parameters.items() if whole_gradient(parameter) is not None}
            due = {"a"}  # which has no subspace
            if not optimizer.complete:
                refreshed = {0: "bcde", 1: "d", 2: "e"} if stagger else {0: "bcde"}
                due |= set(refreshed.get(step if step == 0 else step % 3, ""))
                if stagger and step == 3:
                    due -= {"d", "e"}
            assert kept == due, (step, number)
        optimizer.step()
        optimizer.zero_grad()


def refreshes(sizes, period, steps=13, **options):
    """By group and parameter, the steps at which it got a new subspace."""
    groups = [[(f"{g}{i}", torch.nn.Parameter(torch.zeros(6, 4))) for i in range(n)] for g, n in enumerate(sizes)]
    optimizer = GorpAdamW([{"params": pairs} for pairs in groups], rank=2, refresh_every=period, **options)
    seen, at = {}, {name: [] for pairs in groups for name, _ in pairs}
    for step in range(steps):
        for pairs in groups:
            for _, parameter in pairs:
                parameter.grad = random(6, 4, seed=step)
        optimizer.step()
        for pairs in groups:
            for name, parameter in pairs:
                P_nk = optimizer.state[parameter]["subspaces"][1]
                if name not in seen or not torch.equal(seen[name], P_nk):
                    at[name].append(step)
                seen[name] = P_nk
    return list(at.values())


def test_refreshes_are_all_at_once_or_spread_over_the_period():
    assert refreshes([3], 4) == [[0, 4, 8, 12]] * 3
    first, second, third, last = [0, 4, 8, 12], [0, 1, 5, 9], [0, 2, 6, 10], [0, 3, 7, 11]
    assert refreshes([4], 4, stagger=True) == [first, second, third, last]
    assert refreshes([6], 4, stagger=True) == [first, first, second, third, third, last]
    assert refreshes([2], 4, stagger=True) == [first, third], "evenly"
    assert refreshes([2, 4], 4, stagger=True) == [first, third, first, second, third, last], "each group by itself"
    assert refreshes([3], 1, steps=3, stagger=True) == [[0, 1, 2]] * 3


@pytest.mark.parametrize("of_the_model", [False, True])
def test_zero_grad_drops_reduced_gradients(of_the_model):
    (plain, optimizer), (twice, other) = make(True), make(True)
    for step in range(5):
        accumulate(plain, optimizer, step)
        if step % 3:  # a refresh of what is dropped would be where the next one starts from
            accumulate(twice, other, 77)
            (torch.nn.ParameterDict(twice) if of_the_model else other).zero_grad()
        accumulate(twice, other, step)
        for each in (optimizer, other):
            each.step()
            each.zero_grad()
        before = {key: parameter.detach().clone() for key, parameter in plain.items()}
        optimizer.step()  # without a gradient nothing moves
        for key, parameter in plain.items():
            assert torch.equal(parameter, before[key])
            assert torch.equal(parameter, twice[key]), (step, key)


@pytest.mark.parametrize("early", [False, True])
def test_parameters_without_gradient_are_skipped(early):
    """They keep their own count of steps, and so get a subspace with their first gradient."""
    parameters, optimizer = make(early, stagger=True)
    absent = parameters["c"]
    before = absent.detach().clone()
    for step in range(2):
        accumulate({key: p for key, p in parameters.items() if p is not absent}, optimizer, step)
        assert "c" not in optimizer.reduce()
        optimizer.step()
        optimizer.zero_grad()
    assert torch.equal(absent, before)
    assert "step" not in optimizer.state[absent]
    accumulate(parameters, optimizer, 2)
    optimizer.step()
    assert not torch.equal(absent, before)
    assert [optimizer.state[p]["step"] for p in parameters.values()] == [3, 3, 1, 3, 3]


def test_a_parameter_absent_from_the_last_pass_is_not_lost():
    """Its whole gradient, kept for a refresh, is reduced when the step is taken."""
    weights = []
    for early in (False, True):
        parameters, optimizer = make(early)
        for number in range(PASSES):
            optimizer.complete = number == PASSES - 1
            backward({k: p for k, p in parameters.items() if k != "b" or number < PASSES - 1}, 0, number)
        optimizer.step()
        weights.append(parameters["b"].detach())
    assert torch.equal(*weights)
    assert not torch.equal(weights[0], make(False)[0]["b"])


def test_where_all_passes_pass_for_the_last_the_first_decides():
    """As if `complete` were forgotten: one subspace a step all the same, and all gradients are in it."""
    parameters, optimizer = make(True)
    expected = 0.0
    for number in range(PASSES):
        backward(parameters, 0, number)
        expected = expected + (parameters["b"].detach() - random(12, 7, seed=number)) / PASSES
    P_nk = subspace(parameters["b"].detach() - random(12, 7), 3)
    torch.testing.assert_close(optimizer.state[parameters["b"]]["subspaces"][1], P_nk)
    torch.testing.assert_close(optimizer.reduce()["b"], expected @ P_nk, atol=1e-6, rtol=0)


def test_options_of_a_loaded_state_hold_for_early_projection_too():
    (trained, optimizer), results = make(False, refresh_every=2), []
    accumulate(trained, optimizer, 0)
    optimizer.step()
    state = optimizer.state_dict()
    for early in (False, True):
        parameters, optimizer = make(early, refresh_every=5)
        optimizer.load_state_dict(deepcopy(state))
        for step in range(1, 4):
            accumulate(parameters, optimizer, step)
            optimizer.step()
            optimizer.zero_grad()
        results.append(parameters)
    for key, expected in results[0].items():
        torch.testing.assert_close(results[1][key], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("good_steps", [0, 1, 3])  # with refresh_every 3: at, after, and at a refresh
def test_a_gradient_that_is_not_finite_names_parameter_and_step(good_steps):
    parameters, optimizer = make(True)
    for step in range(good_steps):
        accumulate(parameters, optimizer, step)
        optimizer.step()
        optimizer.zero_grad()
    before = {key: parameter.detach().clone() for key, parameter in parameters.items()}
    parameters["d"].register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(FloatingPointError, match=f"^d, step {good_steps + 1}: the gradient is not finite"):
        accumulate(parameters, optimizer, good_steps)
        optimizer.step()
    for key, parameter in parameters.items():
        assert torch.equal(parameter, before[key])


def accelerated(parameters):
    return Accelerator(cpu=True).clip_grad_norm_(parameters.values(), 1.0)


CLIPPING = {
    "torch": lambda parameters: torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0),
    "torch, one by one": lambda parameters: torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0, foreach=False),
    "torch, together": lambda parameters: torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0, foreach=True),
    "torch, by value": lambda parameters: torch.nn.utils.clip_grad_value_(parameters.values(), 1.0),
    "accelerate": accelerated,
    "by hand": lambda parameters: parameters["b"].grad.norm(),
    "in place": lambda parameters: parameters["b"].grad.mul_(0.5),
}


@pytest.mark.parametrize("name", CLIPPING)
def test_others_clipping_is_refused_rather_than_passed_over(name):
    """It would see "a" alone, which has no subspace, and clip that."""
    parameters, optimizer = make(True)
    accumulate(parameters, optimizer, 0)
    with pytest.raises(
        RuntimeError, match=r"^[bcde]: its gradient is already reduced, .* optimizer\.clip_grad_norm_\(max_norm\)"
    ):
        CLIPPING[name](parameters)
    assert parameters["b"].grad.shape == (12, 7), "that it is there may be asked"
    assert optimizer.reduce().keys() == parameters.keys()
    optimizer.step()
    torch.nn.Module.to(torch.nn.ParameterDict(parameters), torch.float64)  # as it could not with such a gradient


@pytest.mark.parametrize("drop", [lambda o: o.zero_grad(), lambda o: o.zero_grad(set_to_none=False)])
def test_the_optimizer_clips_what_it_takes(drop):
    """The norm over reduced gradients and others; and its gradients can be dropped, accumulated and clipped again."""
    parameters, optimizer = make(True)
    for step in range(2):
        accumulate(parameters, optimizer, step)
        before = {name: gradient.clone() for name, gradient in optimizer.reduce().items()}
        total = torch.stack([gradient.norm() for gradient in before.values()]).norm()
        torch.testing.assert_close(optimizer.clip_grad_norm_(0.5), total)
        assert total > 1
        for name, gradient in optimizer.reduce().items():
            torch.testing.assert_close(gradient, before[name] * (0.5 / total), msg=name)
        drop(optimizer)
    parameters["b"].register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(FloatingPointError, match=r"^b, step 1: the gradient is not finite"):
        accumulate(parameters, optimizer, 2)
        optimizer.clip_grad_norm_(0.5)
