"""What is wrong with a config, in words: each error of the JSON schema as a line with its key."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from gorp.config.settings import BOUNDS
from gorp.util.errors import close_names

NAMES = {  # of types, in messages
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "KEY: VALUE pairs",
    "null": "null",
}
Place = tuple[str | int, ...]  # keys and list indices, from the outermost


# ---- messages ----


def dotted(at: Place) -> str:
    """A place in the config: training.epochs, or overrides: number 1: training.epochs."""
    text = ""
    for part in at:
        text += f": number {part + 1}: " if isinstance(part, int) else f".{part}"
    return text.replace(": .", ": ").strip(".: ")


def lines_of(error: jsonschema.ValidationError) -> Iterator[str]:
    """What an error of the validator means to a user, each line with its key."""
    at: Place = tuple(error.absolute_path)
    value: Any = error.instance
    schema: Any = error.schema
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
    value: Any = error.instance
    schema: Any = error.schema
    kinds = schema.get("type", ())
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
