"""What GorpAdamW is given, and loads: for each wrong form a message that says what to give."""

import copy

import pytest
import torch
from matrices import orthonormal, random

from gorp.optim.gorp_adamw import GorpAdamW

NAMED = r"give GorpAdamW named parameters: model\.named_parameters\(\), or groups"


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))


def frozen():
    made = model()
    made[0].requires_grad_(False)
    return made


def used_up():
    pairs = model().named_parameters()
    list(pairs)
    return pairs


def matrices(made):
    return [(name, p) for name, p in made.named_parameters() if p.dim() > 1]


def vectors(made):
    return [p for p in made.parameters() if p.dim() == 1]


W = torch.nn.Parameter(random(4, 3))
V = torch.nn.Parameter(random(4, 3))
MISTAKES = {
    "parameters": (lambda: model().parameters(), TypeError, "got a Parameter where a pair.*" + NAMED),
    "a list of them": (lambda: list(model().parameters()), TypeError, "got a Parameter where a pair.*" + NAMED),
    "one parameter": (lambda: W, TypeError, "got a Parameter; " + NAMED),
    "a model": (lambda: model(), TypeError, "got a Sequential; " + NAMED),
    "a state dict": (lambda: model().state_dict(), TypeError, "got a OrderedDict; " + NAMED),
    "names": (lambda: ["0.weight"], TypeError, "got a str where a pair.*" + NAMED),
    "nothing": (lambda: None, TypeError, "got a NoneType; " + NAMED),
    "a name for a parameter": (lambda: [("W", "W")], TypeError, "W: got a str, not a parameter"),
    "an empty list": (
        lambda: [],
        ValueError,
        "no parameters: an empty list, or a generator that was used up.*" + NAMED,
    ),
    "a used generator": (used_up, ValueError, "no parameters: an empty list, or a generator that was used up"),
    "an empty group": (lambda: [{"params": [("W", W)]}, {"params": []}], ValueError, "no parameters"),
    "pairs, then tensors": (lambda: [("W", W), V], TypeError, "got a Parameter where a pair"),
    "groups of tensors": (lambda: [{"params": [W]}], TypeError, "got a Parameter where a pair.*" + NAMED),
    "a group of a tensor": (lambda: [{"params": W}], TypeError, "a group has no list of pairs under 'params'"),
    "groups, then pairs": (lambda: [{"params": [("W", W)]}, ("V", V)], TypeError, "got a dict where a pair"),
    "a group of one of each": (
        lambda: [{"params": matrices(model())}, {"params": vectors(model()), "rank": None}],
        TypeError,
        "got a Parameter where a pair",
    ),
    "a vector": (
        lambda: model().named_parameters(),
        ValueError,
        r"^0\.bias: expected two or more dimensions, got 1.* own: \{\"params\": \[\('0\.bias', parameter\)\], \"rank\"",
    ),
    "a frozen one": (
        lambda: frozen().named_parameters(),
        ValueError,
        r"^0\.weight: it is frozen .*; leave it out, as by \[.* if p\.requires_grad\]",
    ),
    "half precision": (lambda: matrices(model().half()), ValueError, "expected float32, got torch.float16.* a copy in"),
    "a name twice": (lambda: [("W", W), ("W", V)], ValueError, "^W: two parameters have this name"),
    "a name in two groups": (
        lambda: [{"params": [("W", W)]}, {"params": [("W", V)]}],
        ValueError,
        "^W: two parameters have this name",
    ),
    "one under two names": (lambda: [("W", W), ("V", W)], ValueError, "^V: it is the parameter W again; give it once"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_form_says_what_to_give(name):
    make, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        GorpAdamW(make(), rank=2)


def test_generators_groups_and_later_groups_are_taken():
    made = model()
    plain = ((name, p) for name, p in made.named_parameters() if p.dim() == 1)
    optimizer = GorpAdamW([{"params": matrices(made), "rank": 2}, {"params": plain}])
    optimizer.add_param_group({"params": [["W", W]], "rank": 1})
    with pytest.raises(ValueError, match=r"^0\.weight: two parameters have this name"):
        optimizer.add_param_group({"params": made.named_parameters()})
    with pytest.raises(ValueError, match="rank: 0 is out of range"):
        optimizer.add_param_group({"params": [("V", V)], "rank": 0})
    assert [group["param_names"] for group in optimizer.param_groups] == [
        ["0.weight"],
        ["0.bias", "1.weight", "1.bias"],
        ["W"],
    ]
    before = [p.detach().clone() for p in made.parameters()]
    optimizer.project_early()
    made(random(5, 4)).square().sum().backward()
    optimizer.step()
    assert not any(torch.equal(*pair) for pair in zip(before, made.parameters(), strict=True))


def stepped(pairs, **options):
    optimizer = GorpAdamW(pairs, **options)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = random(*parameter.shape)
    optimizer.step()
    return optimizer


def new(*shapes):
    return [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]


@pytest.mark.parametrize("projection", ["std", "full"])
def test_a_state_of_other_parameters_is_refused(projection):
    """By names, where torch would put it in by position, and by shapes; a refused one changes nothing."""
    options = {"rank": 2, "projection": projection}
    saved = stepped(zip("ab", new((4, 3), (5, 6)), strict=True), **options).state_dict()
    bases = {"a": orthonormal(4, 1)} if projection == "std" else {}
    for names, shapes, message in (
        ("ac", ((4, 3), (5, 6)), "the state has b where the optimizer has c; create the optimizer with"),
        ("ba", ((4, 3), (5, 6)), "the state has a where the optimizer has b"),
        ("a", ((4, 3),), "the state has 2 parameters, the optimizer 1"),
        ("ab", ((4, 3), (5, 7)), r"b: the state has shape \[5, 6\], the parameter \[5, 7\]"),
        ("ab", ((3, 4), (5, 6)), r"a: the state has shape \[4, 3\], the parameter \[3, 4\]"),
    ):
        other = GorpAdamW(zip(names, new(*shapes), strict=True), **options)
        before = copy.deepcopy(other.state_dict())
        with pytest.raises(ValueError, match="^" + message):
            other.load_state_dict(saved)
        assert str(other.state_dict()) == str(before)
    other = GorpAdamW([{"params": [pair]} for pair in zip("ab", new((4, 3), (5, 6)), strict=True)], **options)
    with pytest.raises(ValueError, match="the state has the same parameters in other groups"):
        other.load_state_dict(saved)
    with pytest.raises(ValueError, match="the state has no names of parameters: it was not saved by a GorpAdamW"):
        other.load_state_dict(torch.optim.AdamW(new((4, 3), (5, 6))).state_dict())
    again = GorpAdamW(zip("ab", new((4, 3), (5, 6)), strict=True), bases, **options)
    again.load_state_dict(saved)
    assert [state["step"] for state in again.state.values()] == [1, 1]
