"""Settings of a stage: the config's, those of overrides that fit it, and a variant's over them."""

import json

import pytest

from gorp.config.deepspeed_file import check_deepspeed
from gorp.config.variants import Trainings
from gorp.methods.registry import settings_of
from gorp.util.errors import UserError

LONG = {"suite": "long", "training": {"rank": 32, "epochs": 3}}
CONFIG = {
    "methods": ["gorp"],
    "variants": {"small": {"method": "gorp", "rank": 2}},
    "training": {"rank": 8, "epochs": 1, "batch_size": 8},
    "overrides": [],
    "orders": {"short": {"ab": ["a", "b"]}, "long": {"abc": ["a", "b", "c"], "ca": ["c", "a"]}},
    "deepspeed": None,
    "dtype": "float32",
}


KINDS = settings_of({})


def trainings(of):
    return Trainings(of, KINDS)


def check(of):
    """As the workflow does."""
    for _, settings in trainings(of):
        check_deepspeed(of["deepspeed"], settings, of["dtype"], 1)


def config(*overrides, **changes):
    return {**CONFIG, "overrides": list(overrides), **changes}


def test_names():
    assert trainings(CONFIG).variant("small") == ("gorp", {"rank": 2})
    assert trainings(CONFIG).variant("seqlora") == ("seqlora", {})
    with pytest.raises(UserError, match=r"methods: no method 'smal'; did you mean small\?"):
        trainings(CONFIG).variant("smal")


@pytest.mark.parametrize(
    ("override", "fitting"),
    [
        ({"suite": "long"}, ["long:a", "long:a/b", "long:a/b/c", "long:c", "long:c/a"]),
        ({"task": "a"}, ["short:a", "long:a", "long:c/a"]),
        ({"suite": "long", "task": "a"}, ["long:a", "long:c/a"]),
        ({"stage": ".+/b"}, ["short:a/b", "long:a/b"]),
        ({"stage": "a"}, ["short:a", "long:a"]),  # the whole stage must match
    ],
)
def test_the_stages_that_an_override_fits(override, fitting):
    changed = config({**override, "training": {"rank": 5}})
    stages = ["short:a", "short:a/b", "long:a", "long:a/b", "long:a/b/c", "long:c", "long:c/a"]
    assert [place for place in stages if trainings(changed).overrides(*place.split(":"))] == fitting


def test_the_later_override_wins_and_a_variant_over_both():
    two = trainings(config(LONG, {"task": "a", "training": {"rank": 16}}))
    assert two.settings("long", "gorp", "c/a")["rank"] == 16
    assert two.settings("long", "gorp", "c/a")["epochs"] == 3
    assert two.settings("long", "gorp", "c")["rank"] == 32
    assert two.settings("long", "gorp", None)["rank"] == 32
    assert two.settings("short", "gorp", None)["rank"] == 8
    assert two.settings("long", "small", "c/a")["rank"] == 2
    assert "rank" not in two.settings("long", "seqlora", "c")


def test_distinct_settings():
    found = list(trainings(config(LONG, {"suite": "long", "stage": ".+/b", "training": {"epochs": 2}})).distinct())
    assert found == [("short", None, {}), ("long", None, LONG["training"]), ("long", "a/b", {"rank": 32, "epochs": 2})]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["grop"]}, r"methods: no method 'grop'; did you mean gorp\?"),
        ({"variants": {"gorp": {"method": "seqlora"}}}, "variants: gorp is a method, which it would hide"),
        ({"variants": {"x": {"method": "small"}}}, "variants: x: no method 'small'; known are: gorp, seqlora"),
        ({"variants": {"x": {"method": "seqlora", "rank": 2}}}, "variants: x: rank: not a setting of seqlora"),
        ({"variants": {"x": {"method": "gorp", "energy": 2}}}, "variants: x: energy: 2.0 is not above 0 and at most 1"),
        ({"training": {"energy": 1.5}}, "methods: gorp: energy: 1.5 is not"),
        (
            {"overrides": [{"suite": "lang", "training": {}}]},
            r"overrides: number 1: no suite 'lang'; did you mean long\?",
        ),
        (
            {"overrides": [LONG, {"task": "d", "training": {}}]},
            "overrides: number 2: no order has a task 'd'; known are",
        ),
        (
            {"overrides": [{"suite": "short", "task": "c", "training": {}}]},
            "overrides: number 1: no stage fits suite 'short', task 'c'; a stage of short is a",
        ),
        ({"overrides": [{"stage": "b/.*", "training": {}}]}, "no stage fits stage 'b/.*'; a stage of the orders is a"),
        ({"overrides": [{"task": "b", "training": {"energy": 7}}]}, "methods: gorp: energy: 7"),
        ({"deepspeed": "nowhere.json"}, r"deepspeed: nowhere\.json: no such file"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        check({**CONFIG, **changes})


def test_an_override_of_a_dropped_suite_is_no_mistake():
    check(config(LONG, orders={**CONFIG["orders"], "long": None}))


def test_a_deepspeed_file_is_checked_against_each_training(tmp_path):
    path = tmp_path / "zero.json"
    path.write_text(json.dumps({"train_batch_size": 8}))
    check(config(deepspeed=str(path)))
    other = config({"task": "c", "training": {"batch_size": 4}}, deepspeed=str(path))
    with pytest.raises(UserError, match="train_batch_size: 8 contradicts 4"):
        check(other)
    with pytest.raises(UserError, match="Is a directory"):
        check(config(deepspeed=str(tmp_path)))
