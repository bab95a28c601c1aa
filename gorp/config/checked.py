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

from gorp.config.messages import Place, dotted, lines_of, shown
from gorp.config.settings import Kinds, TrainSettings, method_name, training_schema
from gorp.util.errors import UserError
from gorp.util.places import SCHEMA
from gorp.util.yaml_files import laid_over, read_yaml

LARGEST = 2**32 - 1  # of any number; numpy takes no larger seed
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}  # as in YAML 1.1
NULLS = ("null", "~", "")
FORMATS = jsonschema.FormatChecker(formats=())
TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)  # JSON schema takes 1.0 for one
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=TYPES)


@FORMATS.checks("regex", raises=(re.error, OverflowError, RecursionError))
def is_regex(text: Any) -> bool:
    return not isinstance(text, str) or re.compile(text) is not None


def read_schema(kinds: Kinds, path: Path | str = SCHEMA) -> dict[str, Any]:
    """The schema of the config, with the settings of all methods; a variant may have them too, beside its method."""
    schema, settings = read_yaml(Path(path)), training_schema(kinds)
    schema["properties"]["training"]["properties"] = settings
    variant = schema["properties"]["variants"]["additionalProperties"]
    variant["properties"] |= settings
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
    return with_method_names({**config, "training": training})


def with_method_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with the names of methods in place of their files."""
    methods = [method_name(method) for method in config.get("methods", [])]
    variants = {name: {**own, "method": method_name(own["method"])} for name, own in config.get("variants", {}).items()}
    return {**config, **{key: value for key, value in (("methods", methods), ("variants", variants)) if key in config}}


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
