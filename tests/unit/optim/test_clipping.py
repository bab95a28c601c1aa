"""Gradients between the backward passes and the step: which they are, and how they are clipped."""

import pytest
import torch
from matrices import orthonormal, random

from gorp.config.settings import TrainSettings
from gorp.methods.base import Method
from gorp.models.adapters import Adapted
from gorp.optim.clipping import clip_
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.projection import down


def make(early=False, basis=False):
    """A parameter trained as it is and one in a subspace, with gradients, and the optimizer."""
    a, b = torch.nn.Parameter(random(2, 8)), torch.nn.Parameter(random(9, 6))
    groups = [{"params": [("a", a)]}, {"params": [("b", b)], "rank": 2}]
    optimizer = GorpAdamW(groups, {"b": orthonormal(9, 3)} if basis else {}, lr=0.1)
    if early:
        optimizer.project_early()
    gradients = {"a": random(2, 8, seed=1), "b": random(9, 6, seed=2)}
    (a * gradients["a"]).sum().add((b * gradients["b"]).sum()).backward()
    return {"a": a, "b": b}, gradients, optimizer


def norm(tensors):
    return torch.stack([tensor.norm() for tensor in tensors]).norm().item()


def test_they_are_those_of_the_parameters_where_there_is_no_subspace():
    a, b, absent = (torch.nn.Parameter(random(3, 2)) for _ in range(3))
    a.grad, b.grad = random(3, 2, seed=1), random(3, 2, seed=2)
    named = {"a": a, "b": b, "absent": absent}
    gradients = Method(TrainSettings()).gradients(Adapted(None, named, {}), None)
    assert list(gradients) == ["a", "b"]
    assert gradients["a"] is a.grad
    assert gradients["b"] is b.grad


@pytest.mark.parametrize("early", [False, True])
def test_they_are_the_reduced_ones_where_there_is(early):
    parameters, whole, optimizer = make(early)
    gradients = optimizer.reduce()
    assert gradients["a"] is parameters["a"].grad
    assert gradients["b"].shape == (9, 2)
    subspaces = optimizer.state[parameters["b"]]["subspaces"]
    torch.testing.assert_close(gradients["b"], down(whole["b"], subspaces))
    assert optimizer.reduce()["b"] is gradients["b"], "asking again changes nothing"


@pytest.mark.parametrize("basis", [False, True])
@pytest.mark.parametrize("early", [False, True])
def test_the_norm_is_that_of_the_reduced_gradients(early, basis):
    """Of the part inside the subspace, before a shared gradient space is taken out of it."""
    _parameters, whole, optimizer = make(early, basis)
    leading = torch.linalg.svdvals(whole["b"])[:2]
    expected = norm([whole["a"], leading])
    assert expected < 0.95 * norm(whole.values())
    assert clip_(optimizer.reduce(), 0.5, 1).item() == pytest.approx(expected, rel=1e-6)
    gradients = optimizer.reduce()
    assert norm(gradients.values()) == pytest.approx(0.5, rel=1e-5)
    torch.testing.assert_close(gradients["a"], whole["a"] * 0.5 / expected)


def test_the_step_takes_the_clipped_ones():
    parameters, _, optimizer = make()
    clip_(optimizer.reduce(), 0.5, 1)
    optimizer.step()
    moments = [optimizer.state[parameter]["exp_avg"] for parameter in parameters.values()]
    assert norm(moments) == pytest.approx(0.1 * 0.5, rel=1e-5)


@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_projected_early_or_late_they_are_clipped_the_same(max_norm):
    late, early = (make(early) for early in (False, True))
    for step in range(1, 4):
        norms = []
        for parameters, whole, optimizer in (late, early):
            norms.append(clip_(optimizer.reduce(), max_norm, step))
            optimizer.step()
            optimizer.zero_grad()
            for name, parameter in parameters.items():
                (parameter * whole[name].roll(step)).sum().backward()
        torch.testing.assert_close(*norms)
    for name, parameter in late[0].items():
        torch.testing.assert_close(early[0][name], parameter, atol=1e-6, rtol=0)


def test_below_the_limit_nothing_changes():
    _parameters, _, optimizer = make()
    gradients = optimizer.reduce()
    before = {name: gradient.clone() for name, gradient in gradients.items()}
    total = norm(gradients.values())
    assert clip_(gradients, total * 1.01, 1).item() == pytest.approx(total)
    for name, gradient in gradients.items():
        assert torch.equal(gradient, before[name])
    clip_(gradients, total * 0.99, 1)
    assert not torch.equal(gradients["a"], before["a"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["a", "b"])
def test_the_first_gradient_that_is_not_finite_is_named(name, bad):
    _parameters, _, optimizer = make()
    gradients = optimizer.reduce()
    gradients[name][1, 1] = bad
    others = {key: gradient.clone() for key, gradient in gradients.items() if key != name}
    with pytest.raises(FloatingPointError, match=f"^{name}, step 7: the gradient is not finite"):
        clip_(gradients, 1.0, 7)
    for key, gradient in others.items():
        assert torch.equal(gradients[key], gradient), "not spread over the others"


def test_a_norm_that_overflows_is_refused():
    """Finite gradients, whose squares are not: a factor of 1 / inf would silently drop the step."""
    huge = {"W": torch.full((3, 3), 1e30)}
    with pytest.raises(FloatingPointError, match="step 4: the norm of the gradients is too large"):
        clip_(huge, 1.0, 4)
    assert (huge["W"] == 1e30).all()
