"""Finds methods: those of this package by name, one of a user's own by the path of its Python file."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gorp.config.settings import TrainSettings, is_file, make_settings, method_name
from gorp.methods.base import Method
from gorp.util.errors import UserError, close_names

PACKAGE = "gorp.methods"
NO_METHODS = ("base", "registry")  # modules of the package


def method_names() -> list[str]:
    """The names of the methods of this package: those of its files."""
    found = pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__)
    return [module.name for module in found if module.name not in NO_METHODS]


def find_method(name: str) -> type[Method]:
    """The class of a method: of a name, or in a Python file. Raises UserError if there is none."""
    if is_file(name):
        if method_name(name) in method_names():
            raise UserError(f"method: {name}: gorp has a method {method_name(name)}; give the file another name")
        return method_in(load_file(Path(name).expanduser()), name)
    if name not in method_names():
        raise UserError(f"method: no method {name!r}; {close_names(name, method_names())}, or a Python file")
    return method_in(importlib.import_module(f"{PACKAGE}.{name}"), name)


def load_file(path: Path) -> ModuleType:
    """Runs a Python file as a module. Raises UserError if it is not there or fails."""
    if not path.is_file():
        raise UserError(f"method: {path}: no such file")
    name = f"gorp_method_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the module of a class
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UserError(f"method: {path}{line}: {type(error).__name__}: {error}") from error
    return module


def method_in(module: ModuleType, name: str) -> type[Method]:
    """The one class of a module that is a Method. Raises UserError if there is none, or two."""
    own = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]
    found = [kind for kind in own if issubclass(kind, Method)]
    if len(found) != 1:
        what = " and ".join(kind.__name__ for kind in found) or "none"
        raise UserError(f"method: {name}: expected one class derived from gorp.Method, found {what}")
    return found[0]


def methods_of(config: Mapping[str, Any], more: Sequence[str] = ()) -> dict[str, str]:
    """All methods that a config may use, by name: those of the package, and the files that it gives; as it gives them.

    more: methods that are asked for beside it. The config may be one as users write it, not checked yet. Raises
    UserError where two have one name.
    """
    listed = config.get("methods") or []
    variants = config.get("variants")
    varied = [own.get("method") for own in variants.values() if isinstance(own, Mapping)] if variants else []
    given = [*([listed] if isinstance(listed, str) else listed), *varied, *more]
    found = {name: name for name in method_names()}
    for method in (method for method in given if isinstance(method, str) and is_file(method)):
        name = method_name(method)
        if found.setdefault(name, method) != method:
            raise UserError(f"methods: {found[name]} and {method} have one name; give one file another name")
    return found


def settings_of(config: Mapping[str, Any], more: Sequence[str] = ()) -> dict[str, type[TrainSettings]]:
    """The settings classes of the methods of `methods_of`, by the name of the method."""
    return {name: find_method(method).Settings for name, method in methods_of(config, more).items()}


def method_settings(method: str, values: Mapping[str, Any] | None = None) -> TrainSettings:
    """The settings of a method, by name or file, from a mapping (`gorp.config.settings.make_settings`)."""
    return make_settings(method_name(method), find_method(method).Settings, values or {})


def make_method(method: str, settings: TrainSettings) -> Method:
    """A method, by name or file, with its settings."""
    return find_method(method)(settings)
