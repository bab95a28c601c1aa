"""Orders: which the tables of all orders ask for, and what becomes of those that a benchmark cannot run."""

import pytest

from gorp.config.orders import Orders, kept, wanted
from gorp.util.errors import UserError

DEFAULT = {"standard": {"one": ["a", "b"], "two": ["b", "a"]}, "long": {"three": ["a", "b", "c"]}}


def orders(suites=DEFAULT, own=None, tasks="abc"):
    return Orders(kept(suites), own, tasks, "data")


def test_one_name_in_two_suites_is_refused():
    with pytest.raises(UserError, match="orders: two is in two suites, standard and mine; rename one"):
        kept({**DEFAULT, "mine": {"two": ["c"]}})


def test_null_drops_a_suite():
    assert kept({**DEFAULT, "standard": None}) == {"long": DEFAULT["long"]}
    with pytest.raises(UserError, match="orders: no suite is left"):
        kept({"standard": None})


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, {"standard": ["one", "two"], "long": ["three"]}),
        ({"mine": {"own": ["a"]}}, {"mine": ["own"]}),
        ({"standard": {"two": ["a"]}}, {"standard": ["two"]}),
        ({"standard": None}, {"long": ["three"]}),
        ({"standard": None, "mine": {"own": ["a"]}}, {"mine": ["own"]}),
        ("text", {"standard": ["one", "two"], "long": ["three"]}),
    ],
)
def test_orders_of_a_users_file_are_all_that_the_tables_ask_for(own, expected):
    given = own if isinstance(own, dict) else {}
    suites = kept({**DEFAULT, **{suite: {**DEFAULT.get(suite, {}), **of} if of else of for suite, of in given.items()}})
    assert {suite: names for suite, names in wanted(suites, own).items() if names} == expected
    known = orders(suites, own)
    assert known.wanted == expected
    assert known.left == []
    assert known.warning() == ""
    assert list(known) == [order for of in suites.values() for order in of], "the others can still be asked for"


def test_an_order_whose_tasks_are_missing_is_left_aside_and_refused_when_asked_for():
    found = orders(tasks="ab")
    assert found.wanted == {"standard": ["one", "two"]}
    assert found["one"] == ["a", "b"]
    assert found.warning() == "Skipped: three; the benchmark data has no task 'c'; known are: a, b"
    assert "three" in found
    with pytest.raises(UserError, match="orders: three: the benchmark data has no task 'c'; known are: a, b"):
        found["three"]


def test_no_order_that_can_run_is_an_error():
    with pytest.raises(UserError, match=r"orders: o: the benchmark data has no task 'agnwes'; did you mean agnews\?"):
        orders({"s": {"o": ["agnwes"]}}, tasks=["agnews"])
    with pytest.raises(UserError, match="orders: three: the benchmark data has no task 'c'"):
        orders(own={"long": {"three": ["a"]}}, tasks="ab")


def test_of_many_missing_tasks_a_few_are_named():
    with pytest.raises(UserError, match="has no task 'a', 'b', 'c' and 2 more; known are: x"):
        orders({"s": {"o": list("abcde")}}, tasks="x")


def test_a_task_appears_once_in_an_order():
    with pytest.raises(UserError, match="orders: one: the task 'a' appears twice"):
        orders({"s": {"one": ["a", "b", "a"]}})
