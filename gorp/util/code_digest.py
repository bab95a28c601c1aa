"""A digest of what the code of a step says, so that the workflow repeats the step when that changes, and only then.

It covers the statements that the step reaches by name, wherever they stand: code that moves to another module keeps its
digest. Comments, docstrings, layout and wording change nothing (see `gorp.util.code_text`), nor do texts that are
handed to `gorp.util.errors` and `gorp.util.progress`.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

from gorp.util.code_text import Bare, Rewriter, dotted
from gorp.util.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]
TELLING = ("util.errors", "util.progress", "util.code_digest", "config.step_code")  # these only tell people something
ROUNDS = 3  # how far a name is told from another of the same spelling by what stands behind it
EFFECTS = ""  # in place of a name: what an import of the module runs that binds none
Reference = tuple[Path, str | None]  # a name in a file; None: all of it


@functools.cache
def code_digest(*entries: str, without: tuple[str, ...] = (), package: Path = PACKAGE) -> str:
    """Hexadecimal digest of modules (`gorp.train.stage`), or Python files, and of all of the package that they reach by
    name.

    without: modules that the step imports and does not run. Raises ValueError for an entry that is not there, UserError
    for a file that is not Python.
    """
    code = reached_code(*entries, without=without, package=package)
    colours = {reference: short_digest(text) for reference, (text, _) in code.items()}
    for _ in range(ROUNDS):
        behind = {reference: [colours.get(other, "") for other in others] for reference, (_, others) in code.items()}
        colours = {reference: short_digest(text, *behind[reference]) for reference, (text, _) in code.items()}
    return short_digest(*sorted(colours.values()))


def short_digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def reached_code(
    *entries: str, without: tuple[str, ...] = (), package: Path = PACKAGE
) -> dict[Reference, tuple[str, list[Reference]]]:
    """What `code_digest` is taken of: by each name that the entries reach, its text and the names that it reaches."""
    left_out = {entry_file(module, package) for module in without}
    pending: list[Reference] = [(entry_file(entry, package), None) for entry in entries]
    code: dict[Reference, tuple[str, list[Reference]]] = {}
    whole: set[Path] = set()
    while pending:
        path, name = reference = pending.pop()
        if reference in code or path in left_out:
            continue
        module = read_module(path, package)
        if name is None:
            pending += [] if path in whole else [(path, each) for each in (EFFECTS, *module.named)]
            whole.add(path)
        else:
            code[reference] = module.portable(name)
            pending += [*code[reference][1], (path, EFFECTS)]
    return code


def entry_file(entry: str, package: Path) -> Path:
    """The file of a module, or a file outside the package (`mine.py`)."""
    path = Path(entry).resolve() if entry.endswith(".py") else module_file(entry, package)
    if path is None or not path.is_file():
        raise ValueError(f"{entry}: no such module")
    return path


@functools.cache
def module_file(module: str, package: Path) -> Path | None:
    """The source file of a module of this package; None for other names (`gorp.util.files.read_json`, a function)."""
    parts = module.split(".")
    if parts[0] != package.name:
        return None
    base = package.joinpath(*parts[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


class Imports:
    """What imports bind: (module, name in it) of ours, names None for a module, and the origin of foreign ones."""

    def __init__(self, nodes: Iterable[ast.AST], path: Path, package: Path):
        self.ours: dict[str, set[tuple[str, str | None]]] = {}
        self.foreign: dict[str, str] = {}
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._note(alias.asname or alias.name.partition(".")[0], alias, alias.name, package)
            elif isinstance(node, ast.ImportFrom):
                module = absolute(node, path, package)
                for alias in node.names:
                    self._note(alias.asname or alias.name, alias, f"{module}.{alias.name}", package)

    def _note(self, here: str, alias: ast.alias, full: str, package: Path) -> None:
        module, _, name = full.rpartition(".")
        if full.partition(".")[0] == package.name and here == package.name:
            self.ours[here] = {(here, None)}  # `import gorp.x`, used as gorp.x.name
        elif module_file(full, package):
            self.ours.setdefault(here, set()).add((full, None))
        elif module_file(module, package):
            self.ours.setdefault(here, set()).add((module, name))
        else:
            self.foreign[here] = full if alias.asname or full.endswith(f".{here}") else here


def absolute(node: ast.ImportFrom, path: Path, package: Path) -> str:
    """The module that an import names, `from .x import` made whole."""
    if not node.level or not path.is_relative_to(package):
        return node.module or ""
    above = (package.name, *path.relative_to(package).with_suffix("").parts)[: -node.level]
    return ".".join(filter(None, (*above, node.module)))


class Module:
    """The statements of a module by the names that they bind, and what it imports."""

    def __init__(self, path: Path, package: Path):
        self.path, self.package = path, package
        self.named: dict[str, list[ast.stmt]] = {EFFECTS: []}
        outside: list[ast.AST] = []  # of functions and classes, which have imports of their own
        for statement in parse(path).body:
            if is_type_checking(statement):
                continue
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                outside += statements(statement)
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for name in bound_names(statement) or [EFFECTS]:
                    self.named.setdefault(name, []).append(statement)
        self.imports = Imports(outside, path, package)
        self.ours = {**lazy_names(self.named, package), **self.imports.ours}
        self._portable: dict[ast.stmt, tuple[str, list[Reference]]] = {}

    def portable(self, name: str) -> tuple[str, list[Reference]]:
        """The text of what binds a name, and what it refers to."""
        parts = [self._statement(statement) for statement in self.named[name]]
        return "\n".join(text for text, _ in parts), [reference for _, found in parts for reference in found]

    def _statement(self, statement: ast.stmt) -> tuple[str, list[Reference]]:
        if statement not in self._portable:
            own = Imports(statements(statement), self.path, self.package)
            copy = Portable(self, {**self.ours, **own.ours}, {**self.imports.foreign, **own.foreign})
            bare = Bare(copy.telling()).visit(statement)
            kept = copy.visit(bare) if bare else None
            text = ast.unparse(kept) if kept else ""
            self._portable[statement] = "\n".join([text, *sorted(copy.origins)]), copy.references
        return self._portable[statement]

    def resolve(self, name: str) -> list[Reference]:
        """What a name refers to: here, or where it is imported from; all of the module if it is neither."""
        if name in self.named:
            return [(self.path, name)]
        if name in self.ours:
            return [found for target in sorted(self.ours[name], key=str) for found in find(target, self.package)]
        return [
            (self.path, None),
            *(found for target in self.ours.get("*", ()) for found in find(target, self.package)),
        ]


def find(target: tuple[str, str | None], package: Path) -> list[Reference]:
    """What an import of ours refers to; nothing where that only tells people something."""
    module, name = target
    if tells(module):
        return []
    path = module_file(module, package)
    assert path is not None  # `Imports` notes no other modules
    return [(path, None)] if name is None or name == "*" else read_module(path, package).resolve(name)


def tells(module: str) -> bool:
    return module.partition(".")[2] in TELLING


def lazy_names(named: dict[str, list[ast.stmt]], package: Path) -> dict[str, set[tuple[str, str | None]]]:
    """What a module hands on by a table {name: module}, as a package does whose names are loaded when they are used."""
    values = [getattr(statement, "value", None) for statements in named.values() for statement in statements]
    pairs = [
        pair for value in values if isinstance(value, ast.Dict) for pair in zip(value.keys, value.values, strict=True)
    ]
    texts = [(str(key.value), str(value.value)) for key, value in pairs if is_constant(key) and is_constant(value)]
    return {name: {(module, name)} for name, module in texts if module_file(module, package)}


def statements(statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement and all within it."""
    yield statement
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        for inner in getattr(statement, field, ()):
            yield from statements(inner)


def is_constant(node: ast.AST | None) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant)


@functools.cache
def read_module(path: Path, package: Path) -> Module:
    return Module(path, package)


def parse(path: Path) -> ast.Module:
    """The tree of a file. Raises UserError that names its line where it is not Python."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: not Python: {error.msg}") from None


class Portable(Rewriter):
    """Takes names of our modules, and imports of them, out of a statement, in place; notes what it refers to."""

    def __init__(self, module: Module, ours: dict[str, set[tuple[str, str | None]]], foreign: dict[str, str]):
        self.module, self.ours, self.foreign = module, ours, foreign
        self.references: list[Reference] = []
        self.origins: set[str] = {f"from {origin}" for name, origin in foreign.items() if name == "*"}
        self.references += [found for target in ours.get("*", ()) for found in find(target, module.package)]

    def telling(self) -> set[str]:
        """Names of ours that only tell people something."""
        return {name for name, targets in self.ours.items() if all(tells(module) for module, _ in targets)}

    def modules(self, node: ast.expr) -> list[str]:
        """The modules of ours that an expression may stand for."""
        if isinstance(node, ast.Name):
            return sorted(module for module, name in self.ours.get(node.id, ()) if name is None)
        if not isinstance(node, ast.Attribute):
            return []
        inner = [f"{module}.{node.attr}" for module in self.modules(node.value)]
        return [module for module in inner if module_file(module, self.module.package)]

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owners, itself = self.modules(node.value), self.modules(node)
        if not owners:
            return self.inside(node)
        targets: list[tuple[str, str | None]] = [(module, None) for module in itself]
        for target in targets or [(module, node.attr) for module in owners]:
            self.references += find(target, self.module.package)
        return ast.Name(node.attr)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.ours:
            targets = sorted(self.ours[node.id], key=str)
            self.references += [found for target in targets for found in find(target, self.module.package)]
            names = {name or node.id for _, name in targets}
            return ast.Name(names.pop() if len(names) == 1 else node.id)
        if node.id in self.module.named:
            self.references.append((self.module.path, node.id))
        elif node.id in self.foreign:
            self.origins.add(f"import {self.foreign[node.id]} as {node.id}")
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [alias for alias in node.names if alias.name.partition(".")[0] != self.module.package.name]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        module = absolute(node, self.module.path, self.module.package)
        return None if module_file(module, self.module.package) else node


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a statement of a module binds; [] for one that does something else, or more.

    A decorator that is called on an object of the module, `@TABLE.register("x")`, does more.
    """
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        calls = [dotted(decorator.func) for decorator in statement.decorator_list if isinstance(decorator, ast.Call)]
        return [] if any(call.rpartition(".")[0].isupper() for call in calls) else [statement.name]
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) else []


def is_type_checking(statement: ast.stmt) -> bool:
    """Whether a statement is an `if TYPE_CHECKING`, whose imports nothing runs."""
    return isinstance(statement, ast.If) and dotted(statement.test).rpartition(".")[2] == "TYPE_CHECKING"
