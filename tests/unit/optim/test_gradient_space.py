"""The shared gradient space through the optimizer: what it keeps out, and how it grows, for every projection."""

import pytest
import torch
from matrices import inside, off_orthonormal, orthonormal, random

from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.optim.projection import remove, subspace, unfold, up

SHAPES = [(12, 7), (7, 12), (9, 9), (6, 11, 5), (3, 4, 9, 5)]
NAMES = pytest.mark.parametrize("name", PROJECTIONS)


def mode_of(name, shape):
    return basis_mode(shape, PROJECTIONS[name](shape))


def train(gradients, basis=None, **options):
    """The weight after steps with given gradients, and the first moments at full size after each."""
    W = torch.nn.Parameter(torch.zeros_like(gradients[0]))
    optimizer = GorpAdamW([("W", W)], {} if basis is None else {"W": basis}, lr=0.1, refresh_every=3, **options)
    moments = []
    for gradient in gradients:
        W.grad = gradient.clone()
        optimizer.step()
        moments.append(up(optimizer.state[W]["exp_avg"], optimizer.state[W].get("subspaces", {})))
    return W.detach(), moments, optimizer


@pytest.mark.parametrize("rank", [3, 12, None])
@pytest.mark.parametrize("shape", SHAPES)
@NAMES
def test_the_basis_bounds_moments_and_updates(name, shape, rank):
    mode = mode_of(name, shape)
    basis = orthonormal(shape[mode], 4)
    gradients = [random(*shape, seed=s) for s in range(8)]
    exact, moments, _ = train(gradients, basis, projection=name, rank=rank, project_update=True)
    assert exact.abs().max() > 0.1
    assert inside(basis, exact, mode) < 1e-6
    for moment in moments:  # a sum of gradients as they were projected
        assert moment.abs().max() > 0.02
        assert inside(basis, moment, mode) < 1e-6

    loose, moments, _ = train(gradients, basis, projection=name, rank=rank)
    assert max(inside(basis, moment, mode) for moment in moments) < 1e-6
    free, moments, _ = train(gradients, projection=name, rank=rank)
    assert inside(basis, free, mode) > 0.1
    assert inside(basis, moments[-1], mode) > 1e-2
    if name == "full" and rank is not None:
        assert inside(basis, loose, mode) < 1e-6, "the subspace itself lies outside"
    else:  # Adam's division turns the update out of the complement; the paper projects the gradient alone
        assert 1e-2 < inside(basis, loose, mode) < inside(basis, free, mode)


@pytest.mark.parametrize("outside", [1.0, 1e-2, 1e-4, 0.0])
@pytest.mark.parametrize("directions", [4, 12])
@NAMES
def test_no_update_gets_in_where_gradients_lie_inside(name, directions, outside):
    """What is left of such a gradient is small, down to rounding, and Adam makes steps of full size of it."""
    shape = 12, 12
    mode, basis = mode_of(name, shape), orthonormal(12, directions)
    gradients = []
    for step in range(8):
        G = random(*shape, seed=step)
        gradients.append(G - (1 - outside) * remove(G, basis, mode))
    W, _, _ = train(gradients, basis, projection=name, rank=3, project_update=name != "full")
    assert inside(basis, W, mode) < 1e-6
    assert directions < 12 or W.abs().max() < 1e-6, "no direction is left"


@pytest.mark.parametrize("shape", SHAPES)
def test_full_takes_the_leading_directions_outside_the_basis(shape):
    mode, G = mode_of("full", shape), random(*shape)
    basis = orthonormal(shape[mode], 4)
    _, _, optimizer = train([G], basis, projection="full", rank=3)
    subspaces = next(iter(optimizer.state.values()))["subspaces"]
    for each, P_nk in subspaces.items():
        expected = subspace(unfold(remove(G, basis, mode), each), 3)
        torch.testing.assert_close(P_nk.abs(), expected.abs(), atol=1e-5, rtol=0)
        assert off_orthonormal(P_nk) < 1e-5


@NAMES
def test_weight_decay_shrinks_the_weight_inside_the_basis_too(name):
    mode, start = mode_of(name, (8, 6)), random(8, 6, seed=5)
    basis, W = orthonormal((8, 6)[mode], 2), torch.nn.Parameter(start.clone())
    options = dict(lr=0.1, weight_decay=0.5, projection=name, rank=3, project_update=True)
    W.grad = random(8, 6)
    GorpAdamW([("W", W)], {"W": basis}, **options).step()
    moved = W.detach() - 0.95 * start
    assert moved.abs().max() > 0.01
    assert inside(basis, moved, mode) < 1e-6


@pytest.mark.parametrize("shape", [(30, 16), (16, 30), (5, 30, 6)])
@NAMES
def test_it_grows_over_fifteen_tasks_by_the_fewest_directions(name, shape):
    energy, mode = 0.9, mode_of(name, shape)
    size = shape[mode]
    space = torch.zeros(size, 0)
    sizes = []
    for task in range(15):
        gradients = [random(*shape, seed=10 * task + step) for step in range(4)]
        _, moments, optimizer = train(gradients, space, projection=name, rank=3)
        before, space = space, optimizer.gradient_space(energy)["W"]
        m, added = before.shape[1], space.shape[1] - before.shape[1]
        assert space.shape[0] == size >= space.shape[1]
        assert torch.equal(space[:, :m], before)
        assert off_orthonormal(space) < 1e-5
        M_wk = unfold(moments[-1], mode).mT.double()
        if space.shape[1] < size:
            assert remove(M_wk, space.double()).square().sum() <= (1 - energy + 1e-5) * M_wk.square().sum()
        if added:  # brute force: the best choice of one direction less does not reach the energy
            rest = torch.linalg.svdvals(remove(M_wk, before.double())).square()
            assert rest[added - 1 :].sum() > (1 - energy - 1e-6) * M_wk.square().sum()
        sizes.append(space.shape[1])
    assert 0 < sizes[0] < sizes[1], "a random gradient brings something new"
    assert sizes[-1] > size / 2


@pytest.mark.parametrize("shape", SHAPES)
@NAMES
def test_it_is_capped_and_keeps_the_earlier_directions(name, shape):
    mode = mode_of(name, shape)
    basis = orthonormal(shape[mode], 2)
    _, moments, optimizer = train([random(*shape, seed=s) for s in range(4)], basis, projection=name, rank=3)
    free = optimizer.gradient_space(1.0)["W"]
    assert remove(moments[-1], free, mode).abs().max() < 1e-6, "all energy is all directions"
    assert free.shape[1] >= 5
    for most, size in ((0, free.shape[1]), (4, 4), (3, 3), (1, 2)):
        capped = optimizer.gradient_space(1.0, most)["W"]
        assert torch.equal(capped[:, :2], basis)
        torch.testing.assert_close(capped, free[:, :size])


def test_the_bases_are_copied():
    """So that it does not matter how a file had them in memory, by which the last bits of products differ."""
    gradients, whole = [random(12, 7, seed=s) for s in range(3)], torch.zeros(12 * 4 + 1)
    basis = whole[1:].view(12, 4).copy_(orthonormal(12, 4))
    aligned, askew = (train(gradients, each, rank=3) for each in (basis.clone(), basis))
    assert torch.equal(aligned[0], askew[0])
    (state,) = askew[2].state.values()
    assert torch.equal(state["basis"], basis)
    assert state["basis"].data_ptr() != basis.data_ptr()


def test_parameters_without_gradient_keep_their_bases():
    a, b, c = (torch.nn.Parameter(random(6, 4, seed=s)) for s in range(3))
    d = torch.nn.Parameter(random(6))
    S_wm = orthonormal(6, 2)
    named = [("a", a), ("b", b), ("c", c), ("d", d)]
    optimizer = GorpAdamW(named, {"a": S_wm, "b": S_wm}, lr=0.1, weight_decay=0.1)
    before = b.detach().clone()
    a.grad, d.grad = random(6, 4, seed=7), random(6)
    optimizer.step()
    assert torch.equal(b, before), "not even decayed"
    spaces = optimizer.gradient_space(0.9)
    assert set(spaces) == {"a", "b"}, "c has neither a basis nor a moment, and d no side for one"
    assert torch.equal(spaces["b"], S_wm)
    assert spaces["a"].shape[1] > 2
    assert torch.equal(spaces["a"][:, :2], S_wm)
