"""The workflow's configuration as users write it: values of the right type, and a message for each wrong one.

`--config` gives numbers inside of lists and mappings as text, YAML 1.1 takes 1e-3 for text, and a list of one is easily
written as a single value: what the schema leaves no doubt about is put right, all else is refused by name.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

from gorp.errors import UserError, close_names
from gorp.settings import TrainSettings
from gorp.yaml_files import laid_over, read_yaml

SCHEMA = Path(__file__).resolve().parent.parent / "workflow/schemas/config.schema.yaml"
LARGEST = 2**32 - 1  # of any number; numpy takes no larger seed
NAMES = {  # of types, in messages
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "KEY: VALUE pairs",
    "null": "null",
}
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}  # as in YAML 1.1
NULLS = ("null", "~", "")
FORMATS = jsonschema.FormatChecker(formats=())
TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)  # JSON schema takes 1.0 for one
Place = tuple[str | int, ...]  # keys and list indices, from the outermost
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=TYPES)


@FORMATS.checks("regex", raises=(re.error, OverflowError, RecursionError))
def is_regex(text: Any) -> bool:
    return not isinstance(text, str) or re.compile(text) is not None


def read_schema(path: Path | str = SCHEMA) -> dict[str, Any]:
    """The schema of the config. A variant may have every setting of a training, beside its method."""
    schema = read_yaml(Path(path))
    variant = schema["properties"]["variants"]["additionalProperties"]
    variant["properties"] |= schema["properties"]["training"]["properties"]
    variant["additionalProperties"] = False
    return schema


def checked_config(config: Mapping[str, Any], schema: Mapping[str, Any], whole: bool = True) -> dict[str, Any]:
    """The config with each value of the type that the schema wants, where there is one way to read it so.

    whole: whether every key must be there. Raises UserError with a line for each key that is wrong: what was expected,
    and what stands there.
    """
    schema = schema if whole else {**schema, "required": []}
    bad = list(unusable(config, ()))
    if not bad:
        config = coerced(config, schema, schema)
        errors = Validator(schema, format_checker=FORMATS).iter_errors(config)
        bad = [line for error in errors for line in lines_of(error)]
    if bad:
        raise UserError("\n".join(dict.fromkeys(bad)))
    training = dict(config.get("training", {}))
    training.setdefault("max_source_length", TrainSettings.max_source_length)  # predictions use it too
    return {**config, "training": training}


def with_defaults(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A config of a few keys laid over the workflow's own; orders, where any is given, stand in place of the others."""
    merged = laid_over(defaults, given)
    orders = given.get("orders")
    if isinstance(orders, Mapping) and any(orders.values()):
        merged["orders"] = orders
    return merged


def check_folders(*folders: Path | str) -> None:
    """Raises UserError for a folder that Snakemake cannot work with."""
    for folder in map(str, folders):
        if "{" in folder or "}" in folder:
            raise UserError(f"{folder}: rename the folder; Snakemake takes {{ and }} in a path for wildcards")


def unusable(value: Any, at: Place) -> Iterator[str]:
    """What no key may hold: names that are not text, characters that cannot be printed, numbers that are too large."""
    where = f"{dotted(at)}: " if at else ""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f'{where}expected text for a name, got {shown(key)}; put it in quotes: "{key}"'
            else:
                yield from unusable(key, at)
                yield from unusable(inner, (*at, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from unusable(inner, (*at, number))
    elif isinstance(value, str):
        for character in value:
            if unicodedata.category(character) in ("Cc", "Cs"):
                yield f"{where}{shown(value)} holds {character!r}, which cannot be printed"
                break
    elif isinstance(value, int | float) and not abs(value) <= LARGEST:
        yield f"{where}{shown(value)} is not a number of at most {LARGEST}"


def coerced(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The value in the type that the schema wants, where it can be read so; else as it is, for the validator to refuse.

    Text that is a number, true, false or null; a single value for a list; null for a key with a default.
    """
    while "$ref" in schema:
        target: Mapping[str, Any] = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    for option in schema.get("anyOf", ()):
        candidate = coerced(value, option, root)
        if Validator(option).is_valid(candidate):
            return candidate
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if value is None and "default" in schema:
        return schema["default"]
    if isinstance(value, Mapping) and "object" in kinds:
        own, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, Mapping) else {}
        return {key: coerced(inner, own.get(key, others), root) for key, inner in value.items()}
    if "array" in kinds and value is not None:
        items = schema.get("items", {})
        if not isinstance(value, Mapping) or items.get("type") == "object":
            values = value if isinstance(value, list | tuple) else [value]
            return [coerced(inner, items, root) for inner in values]
    return from_text(value, kinds) if isinstance(value, str) else value


def from_text(text: str, kinds: list[str]) -> Any:
    """What a text says where one of these types is wanted; the text itself where it says none of them."""
    if "null" in kinds and text.strip().lower() in NULLS:
        return None
    if "string" in kinds:
        return text
    if "boolean" in kinds:
        return WORDS.get(text.strip().lower(), text)
    for kind, read in (("integer", int), ("number", int), ("number", float)):
        if kind in kinds:
            try:
                number = read(text)
            except ValueError:
                continue
            return number if abs(number) <= LARGEST else text
    return text


def check_run(config: Mapping[str, Any], orders: Iterable[str]) -> None:
    """Raises UserError for a run named like an order, whose folders would be one, or processes without a GPU each."""
    if config["run"] in orders:
        raise UserError(f"run: {config['run']} is the name of an order; choose another")
    for kind, own in config["resources"].items():
        if 0 < own["gpu"] < own["processes"]:
            need = f"processes: {own['processes']} need as many GPUs, not gpu: {own['gpu']}"
            raise UserError(f"resources: {kind}: {need}")


def prompt_options(prompts: Mapping[str, Any], split: str, several: bool) -> list[str]:
    """The options of `gorp preprocess` that change the rows of a split; several: whether the task has instructions to
    choose from."""
    options = {"shots": prompts["shots"], "min-rows": prompts["min_rows"] if split == "train" else 0}
    drawn = any(options.values())
    if several and prompts["instruction"] != 1:
        options["instruction"] = prompts["instruction"]
        drawn = drawn or prompts["instruction"] == "drawn"
    if drawn:
        options["seed"] = prompts["seed"]
    left_out = [f"--no-{name.replace('_', '-')}" for name in ("dataset_name", "task_name") if not prompts[name]]
    return [*(f"--{key}={value}" for key, value in sorted(options.items()) if value), *left_out]


# ---- messages ----


def dotted(at: Place) -> str:
    """A place in the config: training.epochs, or overrides: number 1: training.epochs."""
    text = ""
    for part in at:
        text += f": number {part + 1}: " if isinstance(part, int) else f".{part}"
    return text.replace(": .", ": ").strip(".: ")


def lines_of(error: jsonschema.ValidationError) -> Iterator[str]:
    """What an error of the validator means to a user, each line with its key."""
    at, value, schema = tuple(error.absolute_path), error.instance, error.schema
    where = f"{dotted(at)}: " if at else ""
    if error.validator == "additionalProperties":
        for key in value:
            if key not in schema["properties"]:
                yield f"{dotted((*at, key))}: no such key; {close_names(key, schema['properties'])}"
    elif error.validator == "required":
        for key in schema["required"]:
            if key not in value:
                yield f"{dotted((*at, key))}: missing" + ("" if at else "; put the file over config.yaml")
    elif error.validator == "uniqueItems":
        yield f"{where}{shown(next(item for item in value if value.count(item) > 1))} appears twice"
    elif error.validator in ("minItems", "minProperties"):
        yield f"{where}expected {expected(schema)}, got {'nothing' if not value else 'too little'}"
    else:
        yield f"{where}expected {expected(schema)}, got {shown(value)}{hint(error)}"


def hint(error: jsonschema.ValidationError) -> str:
    """How a value is written that was meant otherwise, as the end of a message."""
    value, kinds = error.instance, error.schema.get("type", ())
    if error.validator == "format":
        return f": {error.cause}"
    if isinstance(value, str) and "," in value and isinstance(error.absolute_path[-1], int):
        return f"; write a list as [{', '.join(map(str.strip, value.split(',')))}]"
    if kinds == "object" and isinstance(value, str):
        return "; on the command line: --config 'KEY={INNER: VALUE}'"
    if "string" in kinds and not isinstance(value, str | Mapping | list | None):
        return "; in a config file, put it in quotes"
    return ""


def expected(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in words."""
    if "expected" in schema:
        return schema["expected"]
    if "anyOf" in schema:
        return " or ".join(expected(option) for option in schema["anyOf"])
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("format") == "regex":
        return "a regular expression"
    kinds = schema.get("type", [])
    words = " or ".join(NAMES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    bounds = [f"{word} {schema[key]}" for key, word in BOUNDS.items() if key in schema]
    return f"{words} {' and '.join(bounds)}" if bounds else words


def shown(value: Any) -> str:
    """A value as a user would write it, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping | list | tuple):
        return NAMES["object" if isinstance(value, Mapping) else "array"]
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"
