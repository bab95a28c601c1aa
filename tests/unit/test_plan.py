"""`gorp plan`: fake tensors take what real ones take, and a plan needs neither weights nor a network."""

import dataclasses
import json
import resource
from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gorp.architectures import read_architecture
from gorp.cli import main
from gorp.fake import LiveBytes, storage_bytes
from gorp.methods import make_method
from gorp.models import attach
from gorp.plan import attach_on_meta, build_base, make_plan, parts_of
from gorp.prompts import Example
from gorp.train import fit

PRESETS = Path(__file__).parents[2] / "workflow/presets"
SIZES = {"max_source_length": 40, "max_target_length": 6, "refresh_every": 1}
VARIANTS = {
    "gorp": {},
    "both sides": {"projection": "full", "exact_svd": True},
    "LoRA alone": {"full_rank": False, "gradient_space": False},
    "accumulated": {"batch_size": 12, "rank": 100, "project_update": True},
    "checkpointing": {"gradient_checkpointing": True, "projection": "reverse_std"},
}


def trained_steps(family, settings, method_name="gorp", dtype="float32"):
    """(what was attached, optimizer, LiveBytes) of two real steps, on rows as long as allowed and a little less."""
    base = build_base(read_architecture(family.path), dtype)
    method = make_method(method_name, settings)
    adapted = attach(base, settings, method.full_rank_modules, None, method.new_lora)
    optimizer = method.optimizer(adapted, {})
    live = LiveBytes(lambda: parts_of(adapted, optimizer, {}))
    for tensor in tree_leaves([list(adapted.model.parameters()), list(adapted.model.buffers())]):
        live.add(tensor)
    lengths = [settings.max_source_length - i for i in range(settings.batch_size)]
    rows = [Example([5] * length, [5] * settings.max_target_length) for length in lengths]
    with live:
        fit(adapted, optimizer, rows, family.tokenizer, dataclasses.replace(settings, epochs=2), "steps")
    return adapted, optimizer, live


@pytest.mark.parametrize("name", VARIANTS)
def test_a_plan_takes_what_real_steps_take(family, name):
    settings = family.settings(**{**SIZES, **VARIANTS[name]})
    plan = make_plan(family.path, "gorp", settings)
    adapted, optimizer, live = trained_steps(family, settings)
    assert plan.parameters == {
        "frozen": sum(p.numel() for p in adapted.model.parameters() if not p.requires_grad),
        "lora": sum(p.numel() for p in adapted.lora.values()),
        "full_rank": sum(p.numel() for p in adapted.full_rank.values()),
    }
    state = [tensor for tensor in tree_leaves(list(optimizer.state.values())) if isinstance(tensor, torch.Tensor)]
    assert plan.between_steps["optimizer_state"] == storage_bytes(state) > 0
    assert plan.between_steps["weights"] == storage_bytes([*adapted.model.parameters(), *adapted.model.buffers()])
    assert plan.between_steps["gradients"] == plan.between_steps["gradient_space"] == 0
    assert plan.peak == pytest.approx(live.peak, rel=0.02)


def test_seqlora_and_bfloat16_are_planned_as_they_run(family):
    for method, dtype in (("seqlora", "float32"), ("gorp", "bfloat16")):
        sizes = {key: SIZES[key] for key in ("max_source_length", "max_target_length")}
        settings = family.settings(method, **sizes)
        adapted, _optimizer, live = trained_steps(family, settings, method, dtype)
        plan = make_plan(family.path, method, settings, dtype)
        assert plan.between_steps["optimizer_state"] == live.bytes_by_part()["optimizer_state"] > 0
        assert plan.parameters["lora"] == sum(p.numel() for p in adapted.lora.values())
        assert plan.peak == pytest.approx(live.peak, rel=0.02)


def test_more_rows_take_more_and_checkpointing_less(micros):
    def plan(**changes):
        return make_plan(micros["llama"].path, "gorp", micros["llama"].settings(**{**SIZES, **changes})).at_peak

    plain = plan()
    assert plan(micro_batch_size=8, batch_size=8)["activations"] > 1.8 * plain["activations"]
    assert plan(max_source_length=80)["activations"] > 1.5 * plain["activations"]
    assert plan(gradient_checkpointing=True)["activations"] < 0.8 * plain["activations"]
    # whole gradients wait for a step's last pass where a subspace is due: staggered, that is the first step
    small = {"batch_size": 12, "rank": 1, "lora_r": 1}
    accumulated, staggered = plan(**small), plan(**small, stagger=True, refresh_every=10)
    assert accumulated["gradients"] > plan(**small | {"batch_size": 4})["gradients"]
    assert staggered["gradients"] == accumulated["gradients"]
    assert staggered["optimizer_state"] < accumulated["optimizer_state"]


def test_earlier_tasks_take_their_directions_and_kept_factors(family):
    settings = family.settings(**SIZES)
    method = make_method("gorp", settings)
    trained = attach_on_meta(read_architecture(family.path), method, settings, "float32", None).trained
    plans = {tasks: make_plan(family.path, "gorp", settings, "bfloat16", tasks) for tasks in (0, 3, 100)}
    for tasks, plan in plans.items():
        numbers = 0
        for name, parameter in trained.items():
            side = parameter.shape[1] if name.endswith("lora_A") else max(parameter.shape)
            each = settings.lora_r if name.endswith("lora_A") else settings.rank
            numbers += 0 if name.endswith("lora_B") else side * min(tasks * each, side)
        assert plan.between_steps["gradient_space"] == 2 * 4 * numbers  # float32; as read, and the optimizer's copy
        # the factors of earlier tasks, frozen beside the bfloat16 weights
        assert plan.parameters["frozen"] == plans[0].parameters["frozen"] + tasks * plan.parameters["lora"]
    capped = make_plan(family.path, "gorp", family.settings(**SIZES, max_directions=4), "float32", 3)
    assert capped.parameters == plans[0].parameters  # merged into float32 weights
    assert 0 < capped.between_steps["gradient_space"] < plans[3].between_steps["gradient_space"]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("google-t5/t5-large", 737_668_096), ("meta-llama/Llama-2-7b-hf", 6_738_415_616), ("smollm2-135m", 134_515_008)],
)
def test_shipped_architectures_have_the_published_sizes(model, parameters):
    with torch.device("meta"):
        base = build_base(read_architecture(model), "float32")
    assert sum(parameter.numel() for parameter in base.parameters()) == parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "rows", "full_rank", "peak"),
    [("t5-large", 4, 48 * 1024**2, 13e9), ("llama2-7b", 1, 32 * 4096 * 11008, 19.6e9)],
)
def test_a_preset_is_planned_without_weights(preset, rows, full_rank, peak, capsys):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert main(["plan", "--preset", str(PRESETS / f"{preset}.yaml"), "--json", "--set", f"batch_size={rows}"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["parameters"]["full_rank"] == full_rank
    assert plan["peak"] == sum(plan["at_peak"].values()) == pytest.approx(peak, rel=0.05)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_overrides_of_a_preset_are_planned_where_they_are_asked_for(micros, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    training = {"lora_modules": ".*[qv]", "full_rank": False, "max_source_length": 40}
    overrides = [
        {"suite": "long", "training": {"lora_r": 2}},
        {"suite": "long", "stage": ".+/MNLI", "training": {"lora_r": 4}},
    ]
    preset = {"run": "mine", "model": micros["t5"].path, "training": training | {"lora_r": "1"}, "overrides": overrides}
    Path("own.yaml").write_text(json.dumps(preset))

    def plan(*arguments):
        assert main(["plan", "--preset", "own.yaml", *arguments]) == 0
        return capsys.readouterr().out

    stage = "MultiRC/BoolQA/WiC/MNLI"
    options = ([], ["--suite", "long"], ["--suite", "long", "--stage", stage])
    standard, long, mnli = (json.loads(plan("--json", *of)) for of in options)
    assert long["parameters"]["lora"] == 2 * standard["parameters"]["lora"] > 0
    assert mnli["parameters"]["lora"] == 4 * standard["parameters"]["lora"]
    assert [of["earlier_tasks"] for of in (standard, long, mnli)] == [0, 0, 3]
    table = plan()
    lines = ("--suite standard: no overrides", "--suite long: lora_r=2", f"--suite long --stage {stage}: lora_r=4")
    assert table.splitlines()[-3:] == [f"  {line}" for line in lines]


def test_the_table_says_what_is_assumed(family, capsys):
    settings = ["lora_modules=.*[qv](_proj)?", "full_rank=false", "max_source_length=40", "batch_size=8"]
    assert main(["plan", "--model", family.path, "--method", "gorp", "--tasks", "2", "--set", *settings]) == 0
    table = capsys.readouterr().out
    for text in ("device cpu", "after 2 earlier tasks", "1 passes of 8 rows, each 40 tokens", "lora", "at the peak"):
        assert text in table


PRESET = "run: mine\nmodel: ./nowhere\n"
MISTAKES = {
    "no model": ([], "give --preset FILE, or --model and --method"),
    "no preset": (["--preset", "nowhere.yaml"], "nowhere.yaml: No such file"),
    "an unknown key": (["--preset", "{preset}"], "trainig: not a key of config.yaml; did you mean training?"),
    "an unknown method": (["--model", "smollm2-135m", "--method", "grop"], "no method 'grop'; did you mean gorp?"),
    "an unknown setting": (["--model", "smollm2-135m", "--method", "gorp", "--set", "rnk=2"], "did you mean rank?"),
    "no folder": (["--model", "./nowhere", "--method", "gorp"], "model: ./nowhere: no such folder"),
    "modules": (
        ["--model", "smollm2-135m", "--method", "gorp", "--set", r"lora_modules=.*SelfAttention\.q"],
        r"lora_modules: '.*SelfAttention\.q' matches no linear module",
    ),
    "an unknown suite": (["--preset", "suite.yaml", "--suite", "lang"], "--suite: no suite 'lang'; did you mean long?"),
    "an unknown stage": (["--preset", "suite.yaml", "--stage", "agnws"], "no order of standard has the stage 'agnws'"),
    "a suite of no preset": (["--model", "x", "--method", "gorp", "--suite", "long"], "overrides of a preset; give"),
    "a wrong value": (
        ["--preset", "value.yaml"],
        "value.yaml: training.rank: expected a whole number at least 1, got 0",
    ),
    "tasks": (["--model", "smollm2-135m", "--method", "gorp", "--tasks", "-1"], "--tasks: -1 is not at least 0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(PRESET + "trainig: {rank: 2}\n")
    Path("suite.yaml").write_text(PRESET)
    Path("value.yaml").write_text("training: {rank: 0}\n")
    arguments, message = MISTAKES[name]
    assert main(["plan", *(argument.replace("{preset}", "own.yaml") for argument in arguments)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("gorp plan: error: ")
    assert error.count("\n") == 1
