"""GorpAdamW against torch's AdamW, by hand, and across interruptions."""

import io
import math

import pytest
import torch

from gorp.optimizer import GorpAdamW
from gorp.projection import remove, subspace, whole_first

SHAPES = [(7, 4), (4, 7), (5, 5)]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def orthonormal(w, m, seed=0):
    return torch.linalg.qr(random(w, m, seed=seed)).Q


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


def follow(make, parameter, targets, gradient=lambda W, T: W - T):
    """Runs an optimizer on the quadratic."""
    optimizer = make(parameter)
    for T in targets:
        parameter.grad = gradient(parameter.detach(), T)
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_rank_it_is_adamw(shape, weight_decay):
    options = dict(lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=weight_decay)
    start = random(*shape, seed=99)
    ours = follow(lambda p: GorpAdamW([("W", p)], **options), torch.nn.Parameter(start.clone()), targets(shape))
    stock = follow(lambda p: torch.optim.AdamW([p], **options), torch.nn.Parameter(start.clone()), targets(shape))
    assert (ours - start).abs().max() > 0.05
    torch.testing.assert_close(ours, stock, atol=5e-7, rtol=0)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_at_full_rank_it_is_adamw_in_the_rotated_coordinates(shape, weight_decay):
    """Adam divides element by element, so it depends on the axes: GorpAdamW at full rank is AdamW on V = W P, not on W.

    A refresh would turn the axes under the moments; hence refresh_every=1000.
    """
    options = dict(lr=0.01, weight_decay=weight_decay)
    start = 0.1 * random(*shape, seed=99)  # small, and so its rounding
    ours = follow(
        lambda p: GorpAdamW([("W", p)], rank=min(shape), refresh_every=1000, **options),
        torch.nn.Parameter(start.clone()),
        targets(shape),
    )
    P_nk = subspace(whole_first(start - targets(shape)[0]), min(shape))
    rotated = follow(
        lambda p: torch.optim.AdamW([p], **options),
        torch.nn.Parameter(whole_first(start) @ P_nk),
        targets(shape),
        lambda V, T: V - whole_first(T) @ P_nk,
    )
    torch.testing.assert_close(whole_first(ours), rotated @ P_nk.mT, atol=1e-6, rtol=0)
    plain = follow(lambda p: torch.optim.AdamW([p], **options), torch.nn.Parameter(start.clone()), targets(shape))
    assert (ours - plain).abs().max() > 1e-2, "the axes do matter"


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_at_full_rank_along_the_axes_it_is_adamw_itself(shape, weight_decay):
    """The first gradient's right singular vectors are the axes: P is a signed permutation, which Adam commutes with."""
    options = dict(lr=0.01, weight_decay=weight_decay)
    w, n = max(shape), min(shape)
    first = orthonormal(w, n) * torch.arange(1.0, n + 1)
    start = random(*shape, seed=99)
    goals = [start - (first if shape[0] >= shape[1] else first.mT), *targets(shape, 24)]
    ours = follow(
        lambda p: GorpAdamW([("W", p)], rank=n, refresh_every=1000, **options),
        torch.nn.Parameter(start.clone()),
        goals,
    )
    stock = follow(lambda p: torch.optim.AdamW([p], **options), torch.nn.Parameter(start.clone()), goals)
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


@pytest.mark.parametrize("rank", [None, 2, 4])
@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_the_basis_bounds_moments_and_updates(shape, rank):
    S_wm = orthonormal(12, 4)
    gradients = [random(*shape, seed=s) for s in range(10)]
    options = dict(bases={"W": S_wm}, rank=rank, lr=0.1, refresh_every=3)
    exact, optimizer = run(gradients, project_update=True, **options)
    assert exact.abs().max() > 0.1
    assert (S_wm.mT @ whole_first(exact)).abs().max() < 1e-6

    loose, optimizer = run(gradients, project_update=False, **options)
    moment = next(iter(optimizer.state.values()))["exp_avg"]
    assert (S_wm.mT @ moment).abs().max() < 1e-6
    # Adam's division turns the update out of the complement; the paper projects the gradient alone
    assert (S_wm.mT @ whole_first(loose)).abs().max() > 1e-2

    free, _ = run(gradients, rank=rank, lr=0.1, refresh_every=3)
    assert (S_wm.mT @ whole_first(free)).norm() > 2 * (S_wm.mT @ whole_first(loose)).norm()


def test_weight_decay_shrinks_the_weight_inside_the_basis_too():
    S_wm, start = orthonormal(6, 2), random(6, 3, seed=5)
    options = dict(bases={"W": S_wm}, lr=0.1, weight_decay=0.5, project_update=True)
    W, _ = run([random(6, 3)], start, **options)
    torch.testing.assert_close(S_wm.mT @ W, S_wm.mT @ start * 0.95, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_subspace_changes_at_refreshes_alone(shape):
    W = torch.nn.Parameter(torch.zeros(shape))
    optimizer = GorpAdamW([("W", W)], rank=2, refresh_every=3)
    previous, changed, moments = None, [], []
    for step in range(10):
        W.grad = random(*shape, seed=step)
        optimizer.step()
        current = optimizer.state[W]["subspace"].clone()
        if previous is None or not torch.equal(previous, current):
            changed.append(step)
            torch.testing.assert_close(current, subspace(whole_first(W.grad), 2))
        moments.append(optimizer.state[W]["exp_avg"].clone())
        previous = current
    assert changed == [0, 3, 6, 9]
    R_wk = whole_first(random(*shape, seed=3)) @ subspace(whole_first(random(*shape, seed=3)), 2)
    torch.testing.assert_close(moments[3], 0.9 * moments[2] + 0.1 * R_wk, atol=1e-6, rtol=0)  # moments are kept


def two_groups():
    """LoRA-like and full-rank parameters with bases, as the method makes them."""
    a, b = torch.nn.Parameter(random(2, 8, seed=50)), torch.nn.Parameter(random(8, 6, seed=51))
    groups = [{"params": [("a", a)], "lr": 0.05}, {"params": [("b", b)], "lr": 0.02, "rank": 3, "refresh_every": 3}]
    return groups, (a, b)


def advance(optimizer, parameters, steps):
    for step in steps:
        for number, parameter in enumerate(parameters):
            parameter.grad = random(*parameter.shape, seed=100 * number + step) + parameter.detach()
        optimizer.step()


@pytest.mark.parametrize("stop", range(1, 8))  # refreshes come before steps 0, 3 and 6
def test_resuming_changes_no_bit(stop):
    bases = {"a": orthonormal(8, 2), "b": orthonormal(8, 3, seed=1)}
    groups, whole = two_groups()
    uninterrupted = GorpAdamW(groups, bases, project_update=True)
    advance(uninterrupted, whole, range(9))

    groups, parameters = two_groups()
    first = GorpAdamW(groups, bases, project_update=True)
    advance(first, parameters, range(stop))
    saved = io.BytesIO()
    torch.save({"optimizer": first.state_dict(), "weights": [p.detach() for p in parameters]}, saved)
    saved.seek(0)
    loaded = torch.load(saved, weights_only=True)

    groups, parameters = two_groups()
    with torch.no_grad():
        for parameter, weight in zip(parameters, loaded["weights"], strict=True):
            parameter.copy_(weight)
    second = GorpAdamW(groups, bases, project_update=True)
    second.load_state_dict(loaded["optimizer"])
    advance(second, parameters, range(stop, 9))
    for ours, expected in zip(parameters, whole, strict=True):
        assert torch.equal(ours, expected)
    for name, space in uninterrupted.gradient_space(0.9).items():
        assert torch.equal(second.gradient_space(0.9)[name], space)


def test_the_state_holds_tensors_and_numbers_only():
    groups, parameters = two_groups()
    optimizer = GorpAdamW(groups, {"a": orthonormal(8, 2)})
    advance(optimizer, parameters, range(2))
    state = optimizer.state_dict()["state"]
    assert {key for entry in state.values() for key in entry} == {"basis", "step", "exp_avg", "exp_avg_sq", "subspace"}
    for entry in state.values():
        for key, value in entry.items():
            assert isinstance(value, torch.Tensor | int | float), key
    moments = optimizer.state[parameters[1]]
    assert moments["exp_avg"].shape == moments["exp_avg_sq"].shape == (8, 3), "moments are low-rank"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("good_steps", [0, 1, 3])  # with refresh_every 3: at, after, and at a refresh
def test_a_non_finite_gradient_names_parameter_and_step(good_steps, rank, bad):
    W = torch.nn.Parameter(torch.zeros(4, 3))
    optimizer = GorpAdamW([("block.0.q", W)], rank=rank, refresh_every=3)
    for step in range(good_steps):
        W.grad = random(4, 3, seed=step)
        optimizer.step()
    before = W.detach().clone()
    W.grad = random(4, 3)
    W.grad[1, 2] = bad
    with pytest.raises(FloatingPointError, match=rf"block\.0\.q.*step {good_steps + 1}\b"):
        optimizer.step()
    assert torch.equal(W, before), "the weight is not touched"


def test_unknown_basis_names_and_vectors_are_refused():
    W = torch.nn.Parameter(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="nobody"):
        GorpAdamW([("W", W)], {"W": orthonormal(4, 1), "nobody": orthonormal(4, 1)})
    with pytest.raises(ValueError, match="norm: expected a matrix, got 1 dim"):
        GorpAdamW([("norm", torch.nn.Parameter(torch.zeros(4)))])
    with pytest.raises(ValueError, match="conv: expected a matrix, got 3 dim"):
        GorpAdamW([("conv", torch.nn.Parameter(torch.zeros(4, 2, 2)))])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", -0.1),
        ("lr", float("nan")),
        ("betas", (1.0, 0.999)),
        ("betas", (0.9, -0.1)),
        ("eps", 0.0),
        ("weight_decay", -1.0),
        ("whole", "out"),
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
        {"scale": 2.0},
        {"project_update": True},
        {"bases": {}},
        {"whole": "in", "bases": {"W": orthonormal(5, 2)}},
    ],
    ids=str,
)
def test_each_option_changes_the_result(change):
    gradients, start = [random(8, 5, seed=s) for s in range(6)], random(8, 5, seed=9)
    plain = dict(lr=0.01, rank=2, refresh_every=2, bases={"W": orthonormal(8, 2)})
    ours, _ = run(gradients, start, **{**plain, **change})
    expected, _ = run(gradients, start, **plain)
    again, _ = run(gradients, start, **plain)
    assert torch.equal(again, expected)
    assert (ours - expected).abs().max() > 1e-4


def test_a_step_skips_parameters_without_gradient_and_keeps_their_bases():
    a, b, c = (torch.nn.Parameter(random(6, 4, seed=s)) for s in range(3))
    S_wm = orthonormal(6, 2)
    optimizer = GorpAdamW([("a", a), ("b", b), ("c", c)], {"a": S_wm, "b": S_wm}, lr=0.1, weight_decay=0.1)
    before = b.detach().clone()
    a.grad = random(6, 4, seed=7)
    optimizer.step()
    assert torch.equal(b, before)
    spaces = optimizer.gradient_space(0.9)
    assert set(spaces) == {"a", "b"}, "c has neither a basis nor a moment"
    assert torch.equal(spaces["b"], S_wm)
    assert spaces["a"].shape[1] > 2
    assert torch.equal(spaces["a"][:, :2], S_wm)


def test_gradient_space_spans_the_moments():
    gradients = [random(12, 5, seed=s) for s in range(4)]
    _, optimizer = run(gradients, rank=3)
    moment = next(iter(optimizer.state.values()))["exp_avg"]
    S_wm = optimizer.gradient_space(1.0)["W"]
    assert S_wm.shape == (12, 3)
    assert remove(moment, S_wm).abs().max() < 1e-6


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
