"""A digest of what the code of a step says, so that the workflow repeats the step when that changes, and only then.

It covers the statements that the step reaches by name, wherever they stand: code that moves to another module keeps its
digest. Comments, docstrings, layout and wording change nothing (see `gorp.util.code_text`), nor do texts that are
handed to `gorp.util.errors` and `gorp.util.progress`.
"""

import ast
import functools
import hashlib
from pathlib import Path

from gorp.util.code_text import Bare, without_texts

PACKAGE = Path(__file__).resolve().parents[1]
TELLING = ("errors", "progress", "code_digest", "step_code")  # modules whose functions only tell people something
Reference = tuple[Path, str | None]  # a name in a file; None: all of it


@functools.cache
def code_digest(*entries: str, without: tuple[str, ...] = (), package: Path = PACKAGE) -> str:
    """Hexadecimal digest of modules (`gorp.train.stage`), or Python files, and of all of the package that they reach by
    name.

    without: modules that the step imports and does not run. Raises ValueError for an entry that is not there.
    """
    code = "\n".join(reached_code(*entries, without=without, package=package))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def reached_code(*entries: str, without: tuple[str, ...] = (), package: Path = PACKAGE) -> list[str]:
    """The statements that `code_digest` is taken of, sorted."""
    left_out = {entry_file(module, package) for module in without}
    pending: list[Reference] = [(entry_file(entry, package), None) for entry in entries]
    seen, code = set(), set()
    while pending:
        path, name = reference = pending.pop()
        if reference in seen or path in left_out:
            continue
        seen.add(reference)
        module = read_module(path, package)
        if name in module.ours:  # handed on from elsewhere
            pending += module.targets(name)
        for statement in module.statements(name):
            text, references = module.portable(statement)
            code |= text
            pending += references
    return sorted(code)


def entry_file(entry: str, package: Path) -> Path:
    """The file of a module, or a file outside the package (`mine.py`)."""
    path = Path(entry).resolve() if entry.endswith(".py") else module_file(entry, package)
    if path is None or not path.is_file():
        raise ValueError(f"{entry}: no such module")
    return path


def module_file(module: str, package: Path) -> Path | None:
    """The source file of a module of this package; None for other names (`gorp.util.files.read_json`, a function)."""
    parts = module.split(".")
    if parts[0] != package.name:
        return None
    base = package.joinpath(*parts[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


class Module:
    """The statements of a module by the names that they bind, and what it imports."""

    def __init__(self, path: Path, package: Path):
        self.path, self.package = path, package
        self.named: dict[str, list[ast.stmt]] = {}
        self.effects: list[ast.stmt] = []  # what an import runs that binds no name
        self.ours: dict[str, tuple[str, str | None]] = {}  # (module, name in it) by the name here
        self.foreign: dict[str, str] = {}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._note_import(node)
        for statement in Bare().visit(tree).body:
            if isinstance(statement, ast.Import | ast.ImportFrom) or is_type_checking(statement):
                continue
            names = bound_names(statement)
            for name in names:
                self.named.setdefault(name, []).append(statement)
            if not names:
                self.effects.append(statement)

    def _note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            full, here = origin + alias.name, alias.asname or alias.name.partition(".")[0]
            if module_file(full, self.package):
                self.ours[here] = (full, None)
            elif origin and module_file(node.module, self.package):
                self.ours[here] = (node.module, alias.name)
            else:
                self.foreign[here] = full if alias.asname or origin else here

    def statements(self, name: str | None) -> list[ast.stmt]:
        """What binds a name (None: any), and what an import runs."""
        named = self.named.values() if name is None else [self.named.get(name, [])]
        return [*self.effects, *(statement for statements in named for statement in statements)]

    def targets(self, name: str) -> list[Reference]:
        """What an imported name of ours refers to; nothing where that only tells people something."""
        module, original = self.ours[name]
        return [] if self.tells(name) else [(module_file(module, self.package), original)]

    def tells(self, name: str) -> bool:
        return name in self.ours and self.ours[name][0].rpartition(".")[2] in TELLING

    def portable(self, statement: ast.stmt) -> tuple[set[str], list[Reference]]:
        """(texts, references) of a statement; ours by the names of their modules, foreign names with their origin."""
        copy = Portable(self)
        tree = copy.visit(ast.parse(ast.unparse(ast.fix_missing_locations(statement))))
        return {ast.unparse(ast.fix_missing_locations(tree)), *copy.foreign}, copy.references


@functools.cache
def read_module(path: Path, package: Path) -> Module:
    return Module(path, package)


class Portable(ast.NodeTransformer):
    """Takes names of our modules, and imports of them, out of a statement; notes what it refers to."""

    def __init__(self, module: Module):
        self.module = module
        self.references: list[Reference] = []
        self.foreign: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        module, original = self.module.ours.get(owner, (None, ""))
        if module is None or original is not None:
            return self.generic_visit(node)
        if not self.module.tells(owner):
            self.references.append((module_file(module, self.module.package), node.attr))
        return ast.Name(node.attr, node.ctx)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.module.ours:
            self.references += self.module.targets(node.id)
            return ast.Name(self.module.ours[node.id][1] or node.id, node.ctx)
        if node.id in self.module.named:
            self.references.append((self.module.path, node.id))
        elif node.id in self.module.foreign:
            self.foreign.add(f"import {self.module.foreign[node.id]} as {node.id}")
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and self.module.tells(node.func.id):
            node = without_texts(node)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if module_file(node.module or "", self.module.package) else node


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a statement of a module binds; [] for one that does something else, or more.

    A decorator that is called on an object of the module, `@TABLE.register("x")`, does more.
    """
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        calls = [decorator.func for decorator in statement.decorator_list if isinstance(decorator, ast.Call)]
        owners = [
            call.value.id for call in calls if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)
        ]
        return [] if any(owner.isupper() for owner in owners) else [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    names = [
        name for target in targets if target for name in (target.elts if isinstance(target, ast.Tuple) else [target])
    ]
    return [name.id for name in names] if all(isinstance(name, ast.Name) for name in names) else []


def is_type_checking(statement: ast.stmt) -> bool:
    """Whether a statement is an `if TYPE_CHECKING`, whose imports nothing runs."""
    return (
        isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    )
