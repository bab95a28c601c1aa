"""YAML files that users write, read strictly: a key that appears twice is refused, with its line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gorp.util.errors import UserError
from gorp.util.places import how_to_get


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader takes the last of two equal keys without a word; this one refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag != "tag:yaml.org,2002:merge":
                key, line = self.construct_object(key_node), key_node.start_mark.line + 1
                if key in lines:
                    raise RepeatedKey(key, line, lines[key])
                lines[key] = line
        return super().construct_mapping(node, deep=deep)


class RepeatedKey(Exception):
    """A key appears twice in one mapping."""

    def __init__(self, key: Any, line: int | None, first: int | None):
        before = f", first on line {first}" if first else ""
        super().__init__(f"the key {key!r} appears twice{before}; keep one")
        self.line = line


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML or JSON file that holds a mapping.

    Raises UserError that names the file, and the line where it can be told: if the file is not there, is not YAML,
    holds something else than a mapping, or a key twice.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}{how_to_get(path)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except RepeatedKey as error:
        raise UserError(f"{path}: {f'line {error.line}: ' if error.line else ''}{error}") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{path}: {line}not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # such as the date 2024-13-13
        raise UserError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected KEY: VALUE lines")
    return content


def parse(text: str) -> Any:
    """The content of a text that is JSON, which may be indented by tabs, or else YAML."""
    try:
        return json.loads(text, object_pairs_hook=without_repeats)
    except json.JSONDecodeError:
        return yaml.load(text, Loader=StrictLoader)  # a subclass of yaml.SafeLoader


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise RepeatedKey(key, None, None)
    return dict(pairs)


def laid_over(defaults: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `over` in place of those of `defaults`; mappings are merged, anything else is replaced."""
    merged = dict(defaults)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged
