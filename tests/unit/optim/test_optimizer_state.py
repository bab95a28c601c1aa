"""What GorpAdamW keeps between steps: subspaces, moments at a refresh, and resuming from a saved state."""

import io

import pytest
import torch
from matrices import orthonormal, random

from gorp.optim import projection
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.optim.projection import down, subspace, unfold, up

NAMES = pytest.mark.parametrize("name", PROJECTIONS)


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    """Subspaces of small matrices are iterated too, where the rank lets them."""
    monkeypatch.setattr(projection, "SMALL", 0)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (6, 3, 4)])
@NAMES
def test_subspaces_change_at_refreshes_alone_and_moments_are_kept(name, shape):
    W = torch.nn.Parameter(torch.zeros(shape))
    optimizer = GorpAdamW([("W", W)], projection=name, rank=2, refresh_every=3)
    previous, changed, moment = {}, [], 0.0
    for step in range(10):
        G = W.grad = random(*shape, seed=step)
        optimizer.step()
        current = optimizer.state[W]["subspaces"]
        assert tuple(current) == PROJECTIONS[name](shape)
        if any(not torch.equal(P_nk, previous.get(mode, torch.zeros(()))) for mode, P_nk in current.items()):
            changed.append(step)
            expected = {mode: subspace(unfold(G, mode), 2, previous.get(mode)) for mode in current}
            torch.testing.assert_close(current, expected, atol=1e-6, rtol=0)
        moment = 0.9 * moment + 0.1 * down(G, current)  # at a refresh too: coordinates keep their place
        torch.testing.assert_close(optimizer.state[W]["exp_avg"], moment, atol=1e-6, rtol=0)
        previous = current
    assert changed == [0, 3, 6, 9]


@pytest.mark.parametrize("turn_moments", [False, True])
@pytest.mark.parametrize("shape", [(12, 9), (9, 12), (6, 5, 8)])
@NAMES
def test_turned_moments_are_the_same_at_full_size(name, shape, turn_moments):
    """Where the new subspace holds the old one, the first moment keeps its meaning; kept moments keep their numbers."""
    W = torch.nn.Parameter(torch.zeros(shape))
    optimizer = GorpAdamW([("W", W)], projection=name, rank=4, refresh_every=3, turn_moments=turn_moments)
    small = {mode: orthonormal(size, 2, seed=mode) for mode, size in enumerate(shape)}
    for step in range(3):
        W.grad = up(random(*[2] * len(shape), seed=step), small)
        optimizer.step()
    state = optimizer.state[W]
    old, kept = dict(state["subspaces"]), (state["exp_avg"].clone(), state["exp_avg_sq"].clone())
    large = {mode: torch.linalg.qr(torch.cat([Q, random(len(Q), 2)], 1)).Q for mode, Q in small.items()}
    W.grad = up(random(*[4] * len(shape), seed=5), large)
    optimizer.reduce()  # refreshes, and updates no moment yet
    moments = state["exp_avg"], state["exp_avg_sq"]
    before, after = up(kept[0], old), up(moments[0], state["subspaces"])
    assert before.abs().max() > 0.1
    if turn_moments:
        torch.testing.assert_close(after, before, atol=2e-6, rtol=0)
        torch.testing.assert_close(moments[1].sum(), kept[1].sum())
        assert (moments[1] >= 0).all()
    else:
        assert torch.equal(moments[0], kept[0])
        assert torch.equal(moments[1], kept[1])
        assert (after - before).abs().max() > 1e-2, "the coordinates are others"


def test_a_refresh_without_a_step_can_be_repeated():
    """A step may be given up after the backward pass, the first one too, when there are no moments to turn yet."""
    G = [random(9, 6, seed=s) for s in range(2)]
    weights = []
    for given_up in (G[:1], []):
        W = torch.nn.Parameter(torch.zeros(9, 6))
        optimizer = GorpAdamW([("W", W)], rank=2, turn_moments=True)
        for gradient in given_up:
            W.grad = gradient.clone()
            optimizer.reduce()
            optimizer.zero_grad()
        W.grad = G[1].clone()
        optimizer.step()
        weights.append(W.detach())
    torch.testing.assert_close(*weights, atol=1e-6, rtol=0)


def resumable(name, options):
    """LoRA-like and full-rank parameters, one with a basis each; "d" is large enough that its subspace is iterated."""
    shapes = {"a": (2, 8), "b": (8, 6), "c": (6, 8), "d": (40, 30), "e": (6, 5, 8)}
    named = {key: torch.nn.Parameter(random(*shape, seed=50)) for key, shape in shapes.items()}
    lora = {"params": [("a", named.pop("a"))], "lr": 0.05, "projection": "left"}
    full_rank = {"params": list(named.items()), "lr": 0.02, "projection": name, "rank": 3, "refresh_every": 3}
    whole = basis_mode((8, 6), PROJECTIONS[name]((8, 6)))
    bases = {"a": orthonormal(8, 2), "b": orthonormal((8, 6)[whole], 3)}
    optimizer = GorpAdamW([lora, full_rank | options], bases)
    return optimizer, [p for group in optimizer.param_groups for p in group["params"]]


def advance(optimizer, parameters, step):
    for number, parameter in enumerate(parameters):
        parameter.grad = random(*parameter.shape, seed=100 * number + step) + parameter.detach()
    optimizer.step()


@pytest.mark.parametrize("options", [{}, {"stagger": True, "turn_moments": True}, {"exact_svd": True}], ids=str)
@NAMES
def test_resuming_changes_no_bit(name, options):
    """From each step, before and after refreshes, through a file that holds no code."""
    optimizer, parameters = resumable(name, options)
    saved, steps = [], 8
    for step in range(steps):
        advance(optimizer, parameters, step)
        file = io.BytesIO()
        torch.save({"optimizer": optimizer.state_dict(), "weights": [p.detach() for p in parameters]}, file)
        saved.append(file)
    for stop, file in enumerate(saved, start=1):
        file.seek(0)
        loaded = torch.load(file, weights_only=True)
        second, resumed = resumable(name, options)
        with torch.no_grad():
            for parameter, weight in zip(resumed, loaded["weights"], strict=True):
                parameter.copy_(weight)
        second.load_state_dict(loaded["optimizer"])
        for step in range(stop, steps):
            advance(second, resumed, step)
        for ours, expected in zip(resumed, parameters, strict=True):
            assert torch.equal(ours, expected), stop
        for key, space in optimizer.gradient_space(0.9).items():
            assert torch.equal(second.gradient_space(0.9)[key], space), stop


@NAMES
def test_the_state_holds_tensors_and_numbers_only(name):
    optimizer, parameters = resumable(name, {})
    advance(optimizer, parameters, 0)
    state = optimizer.state_dict()["state"]
    assert {key for entry in state.values() for key in entry} == {"basis", "step", "exp_avg", "exp_avg_sq", "subspaces"}
    for entry in state.values():
        subspaces = entry.pop("subspaces", {})
        assert all(isinstance(mode, int) and isinstance(P_nk, torch.Tensor) for mode, P_nk in subspaces.items())
        assert all(isinstance(value, torch.Tensor | int | float) for value in entry.values())
        assert entry["exp_avg"].shape == entry["exp_avg_sq"].shape
    d = optimizer.state[parameters[3]]["exp_avg"].shape
    expected = {"std": (40, 3), "reverse_std": (3, 30), "left": (3, 30), "right": (40, 3), "full": (3, 3)}
    assert d == expected[name], "moments are low-rank"
