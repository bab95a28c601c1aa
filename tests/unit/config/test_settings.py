"""Settings: every field of every class is checked, and a stage depends on its own method's settings alone."""

import dataclasses

import pytest

from gorp.config.settings import (
    TrainSettings,
    parse_assignments,
    setting,
    settings_class,
    training_schema,
    used_settings,
)
from gorp.methods.registry import method_settings, settings_of
from gorp.optim.modes import PROJECTIONS
from gorp.util.errors import UserError

SETTINGS = settings_of({})
FIELDS = [(method, field) for method, kind in SETTINGS.items() for field in dataclasses.fields(kind)]
FIELD_IDS = [f"{method}-{field.name}" for method, field in FIELDS]
WRONG_TYPES = {int: (1.5, "2", True, None), float: ("0.1", False, None), bool: (1, "true", None), str: (3, True, None)}
BAD = {  # out of range; a new field has to be entered here (or below)
    "epochs": (0, -1),
    "batch_size": (0,),
    "micro_batch_size": (0,),
    "max_source_length": (0,),
    "max_target_length": (0,),
    "lora_r": (0,),
    "rank": (0,),
    "refresh_every": (0,),
    "learning_rate": (0.0, -1e-3, float("nan")),
    "max_grad_norm": (0.0, -1.0, float("nan")),
    "lora_alpha": (0.0, -32.0),
    "full_rank_lr": (0.0, -1e-5, float("nan")),
    "scale": (0.0, -1.0),
    "weight_decay": (-0.1, float("nan")),
    "max_directions": (-1,),
    "projection": ("", "up", "STD"),
    "project_lora": ("", "AB", "a"),
    "lr_schedule": ("", "Linear", "polynomial"),
    "warmup_steps": (-1,),
    "lora_dropout": (-0.1, 1.0, float("nan")),
    "energy": (0.0, 1.1, float("nan")),
}
UNBOUNDED = {"lora_modules", "full_rank_modules"} | {field.name for _, field in FIELDS if field.type is bool}
EDGE = {
    "lora_dropout": 0.0,
    "energy": 1.0,
    "epochs": 1,
    "rank": 1,
    "refresh_every": 1,
    "lora_r": 1,
    "weight_decay": 0.0,
    "max_directions": 0,
    "warmup_steps": 0,
}


def test_methods():
    assert set(SETTINGS) == {"gorp", "seqlora"}
    with pytest.raises(UserError, match=r"method: no method 'grop'; did you mean gorp\?"):
        settings_class("grop", SETTINGS)


@pytest.mark.parametrize(("method", "field"), FIELDS, ids=FIELD_IDS)
def test_each_field_refuses_wrong_types(method, field):
    for value in WRONG_TYPES[field.type]:
        with pytest.raises(UserError, match=f"{field.name}: expected {field.type.__name__}, got "):
            method_settings(method, {field.name: value})


@pytest.mark.parametrize(("method", "field"), FIELDS, ids=FIELD_IDS)
def test_each_field_refuses_values_out_of_range(method, field):
    assert (field.name in BAD) != (field.name in UNBOUNDED), "enter the new field in one of the two tables"
    for value in BAD.get(field.name, ()):
        with pytest.raises(UserError, match=f"{field.name}: {value} is not "):
            method_settings(method, {field.name: value})
    if field.name in EDGE:
        assert getattr(method_settings(method, {field.name: EDGE[field.name]}), field.name) == EDGE[field.name]


@pytest.mark.parametrize(("method", "field"), FIELDS, ids=FIELD_IDS)
def test_misspelled_fields_name_the_close_one(method, field):
    with pytest.raises(UserError, match=rf"^{field.name}x: not a setting of {method}; did you mean .*{field.name}"):
        method_settings(method, {field.name + "x": field.default})


def test_the_schema_of_the_config_says_what_the_classes_say():
    """A setting is stated once: type, limits and description come from the field."""
    schema = training_schema(SETTINGS)
    assert list(schema) == [field.name for field in dataclasses.fields(SETTINGS["gorp"])]
    assert schema["projection"]["enum"] == list(PROJECTIONS)
    assert schema["energy"].items() >= {"type": "number", "exclusiveMinimum": 0, "maximum": 1}.items()
    assert schema["energy"]["description"].startswith("gorp: ") and ": " not in schema["epochs"]["description"]


def test_two_methods_cannot_take_one_key_for_different_settings():

    @dataclasses.dataclass(frozen=True)
    class Other(TrainSettings):
        rank: str = setting("a", "Another rank.")

    with pytest.raises(UserError, match="rank: the method other takes it for another setting"):
        training_schema({**SETTINGS, "other": Other})

    @dataclasses.dataclass(frozen=True)
    class Same(TrainSettings):
        rank: int = setting(3, "As in gorp.", minimum=1)

    assert training_schema({**SETTINGS, "same": Same}).keys() == training_schema(SETTINGS).keys()


def test_make_settings_keeps_defaults_and_takes_whole_numbers_for_floats():
    settings = method_settings("gorp", {"lora_alpha": 16, "rank": 4})
    assert settings == dataclasses.replace(SETTINGS["gorp"](), lora_alpha=16.0, rank=4)
    assert type(settings.lora_alpha) is float
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.rank = 5


def test_published_defaults():
    """Those of T5-large on the standard suite; a change is a change of what users get."""
    assert dataclasses.asdict(SETTINGS["gorp"]()) == {
        "epochs": 1,
        "batch_size": 64,
        "micro_batch_size": 8,
        "learning_rate": 1e-3,
        "lr_schedule": "constant",
        "warmup_steps": 0,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "gradient_checkpointing": False,
        "max_source_length": 512,
        "max_target_length": 50,
        "lora_r": 8,
        "lora_alpha": 32.0,
        "lora_dropout": 0.1,
        "lora_modules": "auto",
        "full_rank": True,
        "full_rank_modules": "auto",
        "full_rank_lr": 1e-5,
        "projection": "std",
        "rank": 8,
        "refresh_every": 10,
        "stagger": False,
        "exact_svd": False,
        "turn_moments": False,
        "scale": 1.0,
        "gradient_space": True,
        "energy": 0.9,
        "max_directions": 0,
        "project_lora": "A",
        "project_update": False,
    }


def test_used_settings_drops_other_methods_keys_and_sorts():
    values = {"rank": 3, "epochs": 2}
    ours, seqlora = used_settings("gorp", SETTINGS, values), used_settings("seqlora", SETTINGS, values)
    assert ours["rank"] == 3
    assert ours["epochs"] == seqlora["epochs"] == 2
    for method, used in (("gorp", ours), ("seqlora", seqlora)):
        assert list(used) == sorted(field.name for field in dataclasses.fields(SETTINGS[method]))
    assert used_settings("seqlora", SETTINGS, {"rank": 3}) == used_settings("seqlora", SETTINGS, {"rank": 4})
    assert used_settings("gorp", SETTINGS, {"lora_alpha": 32}) == used_settings("gorp", SETTINGS, {"lora_alpha": 32.0})


def test_used_settings_refuses_keys_of_no_method_and_checks_its_own():
    with pytest.raises(UserError, match=r"^rnk: no method has this setting; did you mean rank"):
        used_settings("seqlora", SETTINGS, {"rnk": 3})
    with pytest.raises(UserError, match=r"^zzz: no method has this setting; known are: .*epochs"):
        used_settings("gorp", SETTINGS, {"zzz": 3})
    with pytest.raises(UserError, match="epochs: 0 is not at least 1"):
        used_settings("seqlora", SETTINGS, {"epochs": 0})
    with pytest.raises(UserError, match="no method 'lora'"):
        used_settings("lora", SETTINGS, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("epochs=2", 2),
        ("epochs=-2", -2),
        ("learning_rate=1e-3", 1e-3),
        ("learning_rate=1E3", 1e3),
        ("learning_rate=0.5", 0.5),
        ("scale=.5", 0.5),
        ("full_rank=true", True),
        ("full_rank=false", False),
        (r"lora_modules=.*SelfAttention\.(q|v)", r".*SelfAttention\.(q|v)"),
        (r"lora_modules=(.*)\.q_proj|x=y", r"(.*)\.q_proj|x=y"),
        ("lora_modules=*q", "*q"),
        (r"lora_modules=[qv]\w+", r"[qv]\w+"),
        ("lora_modules=", None),
        ("lora_modules=2024-13-13", "2024-13-13"),
        ("epochs=" + "9" * 5000, "9" * 5000),
    ],
)
def test_parse_assignments(text, value):
    parsed = parse_assignments([text])
    assert parsed == {text.partition("=")[0]: value}
    assert type(next(iter(parsed.values()))) is type(value)


def test_parse_assignments_takes_several_and_the_last_wins():
    assert parse_assignments(["rank=4", "epochs=1", "rank=5"]) == {"rank": 5, "epochs": 1}
    assert parse_assignments([]) == {}


@pytest.mark.parametrize("text", ["epochs", "epochs: 2", ""])
def test_parse_assignments_needs_an_equals_sign(text):
    with pytest.raises(UserError, match="expected KEY=VALUE"):
        parse_assignments(["rank=4", text])
