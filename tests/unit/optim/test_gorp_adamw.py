"""GorpAdamW against torch's AdamW and by hand; options, and what it refuses."""

import math

import pytest
import torch
from matrices import orthonormal, random

from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.modes import PROJECTIONS
from gorp.optim.projection import down, subspace, unfold, up

SHAPES = [(7, 4), (4, 7), (5, 5), (6, 3, 4)]
NAMES = pytest.mark.parametrize("name", PROJECTIONS)


def run(gradients, start=None, **options):
    """The weight after steps with given gradients (a tensor, or a function of weight and step), and the optimizer."""
    first = gradients[0]
    W = torch.nn.Parameter(torch.zeros_like(first) if start is None else start.clone())
    optimizer = GorpAdamW([("W", W)], **options)
    for gradient in gradients:
        W.grad = gradient.clone()
        optimizer.step()
    return W.detach(), optimizer


def targets(shape, count=25):
    """Targets of a quadratic 0.5 ||W - T_t||^2 that move, so that no gradient dies out."""
    return [random(*shape, seed=t) for t in range(count)]


def follow(make, start, targets, gradient=lambda W, T: W - T):
    """The weight after an optimizer has followed the targets of the quadratic."""
    parameter = torch.nn.Parameter(start.clone())
    optimizer = make(parameter)
    for T in targets:
        parameter.grad = gradient(parameter.detach(), T)
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", [*SHAPES, (6,)])
def test_without_a_rank_it_is_adamw(shape, weight_decay):
    options = dict(lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=weight_decay)
    start = random(*shape, seed=99)
    ours = follow(lambda p: GorpAdamW([("W", p)], **options), start, targets(shape))
    stock = follow(lambda p: torch.optim.AdamW([p], **options), start, targets(shape))
    assert (ours - start).abs().max() > 0.05
    torch.testing.assert_close(ours, stock, atol=5e-7, rtol=0)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("rank", [2, 7])
@pytest.mark.parametrize("shape", SHAPES)
@NAMES
def test_it_is_adamw_in_the_coordinates_of_its_subspaces(name, shape, rank, weight_decay):
    """Adam divides element by element, so it depends on the axes: it is AdamW on V = W P, not on W.

    Outside the subspaces the weight decays alone. A refresh would turn the axes under the moments: hence the long
    period. At first R of "full" is diagonal but for rounding, which Adam would divide up to full steps: hence eps.
    """
    options = dict(lr=0.01, eps=0.01, weight_decay=weight_decay)
    start = 0.1 * random(*shape, seed=99)  # small, and so its rounding
    goals = targets(shape)
    ours = follow(
        lambda p: GorpAdamW([("W", p)], projection=name, rank=rank, refresh_every=1000, **options), start, goals
    )
    subspaces = {mode: subspace(unfold(start - goals[0], mode), rank) for mode in PROJECTIONS[name](shape)}
    reduced = follow(
        lambda p: torch.optim.AdamW([p], **options),
        down(start, subspaces),
        goals,
        lambda V, T: V - down(T, subspaces),
    )
    outside = start - up(down(start, subspaces), subspaces)
    if all(P_nk.shape[0] == P_nk.shape[1] for P_nk in subspaces.values()):
        assert outside.abs().max() < 1e-6, "at full rank nothing is"
    expected = up(reduced, subspaces) + outside * (1 - 0.01 * weight_decay) ** len(goals)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=0)
    plain = follow(lambda p: torch.optim.AdamW([p], **options), start, goals)
    assert (ours - plain).abs().max() > 1e-2, "the axes do matter"


def along_the_axes(*shape):
    """A tensor whose singular vectors are the axes, on every mode that it fills, with distinct singular values."""
    G = torch.zeros(shape)
    for i in range(max(shape)):
        G[tuple(i % size for size in shape)] = i + 1.0
    return G


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, (5, 5)) for name in PROJECTIONS),
        *((name, (6, 3, 4)) for name in PROJECTIONS),
        ("std", (7, 4)),
        ("std", (4, 7)),
        ("left", (4, 7)),
        ("right", (7, 4)),
    ],
)
def test_at_full_rank_along_the_axes_it_is_adamw_itself(name, shape, weight_decay):
    """Each P is a signed permutation then, which Adam commutes with."""
    options = dict(lr=0.01, weight_decay=weight_decay)
    start = random(*shape, seed=99)
    goals = [start - along_the_axes(*shape), *targets(shape, 24)]
    ours = follow(lambda p: GorpAdamW([("W", p)], projection=name, rank=7, refresh_every=1000, **options), start, goals)
    stock = follow(lambda p: torch.optim.AdamW([p], **options), start, goals)
    torch.testing.assert_close(ours, stock, atol=1e-6, rtol=0)


# By hand: G = u v^T with u = (3, -4), v = (0.6, 0.8); P = +-v, R = +-u, and Adam's first step is R / (|R| + eps).
HAND_G = [[1.8, 2.4], [-2.4, -3.2]]
HAND_W = [[1.0, 2.0], [3.0, 4.0]]


def test_first_step_by_hand():
    W, _ = run([torch.tensor(HAND_G)], torch.tensor(HAND_W), rank=1, lr=0.1, eps=1.0, weight_decay=0.5, scale=2.0)
    # N = (3/4, -4/5); W 0.95 - 0.2 N v^T
    expected = [[0.95 - 0.2 * 0.45, 1.9 - 0.2 * 0.6], [2.85 + 0.2 * 0.48, 3.8 + 0.2 * 0.64]]
    torch.testing.assert_close(W, torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize("project_update", [False, True])
def test_first_step_with_a_basis_by_hand(project_update):
    S = torch.tensor([[1.0], [1.0]]) / math.sqrt(2)
    # R = u - S S^T u = (3.5, -3.5); N = (7/9, -7/9) already lies in the complement of S
    W, _ = run([torch.tensor(HAND_G)], bases={"W": S}, rank=1, lr=0.1, eps=1.0, project_update=project_update)
    torch.testing.assert_close(W, -0.1 * 7 / 9 * torch.tensor([[0.6, 0.8], [-0.6, -0.8]]), atol=1e-6, rtol=0)

    S = torch.tensor([[0.8], [0.6]])
    # S^T u = 0: R = u, but N = (3/4, -4/5) has S^T N = 0.12
    N = torch.tensor([[0.75 - 0.096], [-0.8 - 0.072]]) if project_update else torch.tensor([[0.75], [-0.8]])
    W, _ = run([torch.tensor(HAND_G)], bases={"W": S}, rank=1, lr=0.1, eps=1.0, project_update=project_update)
    torch.testing.assert_close(W, -0.1 * N @ torch.tensor([[0.6, 0.8]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("options", [{}, {"rank": 2}, {"rank": 2, "projection": "full"}], ids=str)
@pytest.mark.parametrize("good_steps", [0, 1, 3])  # with refresh_every 3: at, after, and at a refresh
def test_a_non_finite_gradient_names_parameter_and_step(good_steps, options, bad):
    V, W = (torch.nn.Parameter(torch.zeros(4, 3)) for _ in range(2))
    optimizer = GorpAdamW([("block.0.k", V), ("block.0.q", W)], refresh_every=3, **options)
    for step in range(good_steps):
        V.grad = W.grad = random(4, 3, seed=step)
        optimizer.step()
    before = V.detach().clone(), W.detach().clone()
    V.grad, W.grad = random(4, 3), random(4, 3)
    W.grad[1, 2] = bad
    with pytest.raises(FloatingPointError, match=rf"^block\.0\.q, step {good_steps + 1}: the gradient is not finite"):
        optimizer.step()
    assert torch.equal(V, before[0]), "no weight is touched, not even one before"
    assert torch.equal(W, before[1])


def test_what_cannot_be_projected_is_refused():
    W, v = torch.nn.Parameter(torch.zeros(4, 3)), torch.nn.Parameter(torch.zeros(4))
    half = torch.nn.Parameter(torch.zeros(4, 3).bfloat16())
    for named, options, message in (
        ([("W", W)], {"bases": {"W": orthonormal(4, 1), "nobody": orthonormal(4, 1)}}, "not trained: nobody"),
        ([("W", W)], {"bases": {"W": orthonormal(3, 1)}}, r"W: expected a basis \[4, directions\], got \[3, 1\]"),
        ([("W", W)], {"bases": {"W": orthonormal(4, 1)}, "projection": "left"}, r"a basis \[3, directions\]"),
        ([("W", W)], {"bases": {"W": torch.ones(4)}}, r"a basis \[4, directions\], got \[4\]"),
        ([("norm", v)], {"rank": 2}, "norm: expected two or more dimensions, got 1"),
        ([("norm", v)], {"bases": {"norm": orthonormal(4, 1)}}, "norm: expected two or more dimensions, got 1"),
        ([("half", half)], {}, "half: expected float32, got torch.bfloat16"),
    ):
        with pytest.raises(ValueError, match=message):
            GorpAdamW(named, **options)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", -0.1),
        ("lr", float("nan")),
        ("betas", (1.0, 0.999)),
        ("betas", (0.9, -0.1)),
        ("eps", 0.0),
        ("weight_decay", -1.0),
        ("projection", "up"),
        ("rank", 0),
        ("refresh_every", 0),
    ],
)
def test_options_out_of_range_are_refused(key, value):
    W = torch.nn.Parameter(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=key):
        GorpAdamW([("W", W)], **{key: value})
    with pytest.raises(ValueError, match=key):
        GorpAdamW([{"params": [("W", W)], key: value}])


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.02},
        {"betas": (0.8, 0.999)},
        {"betas": (0.9, 0.9)},
        {"eps": 0.1},
        {"weight_decay": 0.1},
        {"rank": 3},
        {"rank": None},
        {"refresh_every": 4},
        {"exact_svd": True},
        {"turn_moments": True},
        {"scale": 2.0},
        {"project_update": True},
        {"bases": {}},
        {"projection": "full"},
        {"projection": "left", "bases": {"W": orthonormal(130, 2)}},
    ],
    ids=str,
)
def test_each_option_changes_the_result(change):
    """Stagger, which needs more than one parameter, is in test_early_projection."""
    shape = 140, 130  # large enough that the subspace is iterated
    gradients, start = [random(*shape, seed=s) for s in range(6)], random(*shape, seed=9)
    plain = dict(lr=0.01, rank=2, refresh_every=2, bases={"W": orthonormal(140, 2)})
    ours, _ = run(gradients, start, **{**plain, **change})
    expected, _ = run(gradients, start, **plain)
    again, _ = run(gradients, start, **plain)
    assert torch.equal(again, expected)
    assert (ours - expected).abs().max() > 1e-4


def test_the_closure_gives_the_loss_and_the_gradient():
    W = torch.nn.Parameter(random(4, 3))
    optimizer = GorpAdamW([("W", W)], lr=0.1)

    def closure():
        loss = W.square().sum()
        loss.backward()
        return loss

    expected = W.detach().square().sum().item()
    assert optimizer.step(closure).item() == pytest.approx(expected)
    assert W.detach().square().sum() < expected
