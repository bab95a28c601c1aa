"""A digest of the code that a step runs, so that the workflow repeats a step when its code changes, and only then."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@functools.cache
def code_digest(*modules: str) -> str:
    """Hexadecimal digest over modules (`gorp.train`) and all modules of the package that they import, directly or not.

    It is taken over the parsed source without docstrings: comments, docstrings and layout change nothing.
    Imports made inside functions count; ones under `if TYPE_CHECKING` count too, which errs towards running again.
    """
    pending, seen = list(modules), {}
    while pending:
        module = pending.pop()
        path = module_file(module)
        if path is None or module in seen:
            continue
        imported, seen[module] = read_module(path)
        pending += imported
    text = "\n".join(f"{module}\n{dump}" for module, dump in sorted(seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def read_module(path: Path) -> tuple[list[str], str]:
    """The names that a module may import, and what its code says."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return imported_modules(tree), ast.dump(without_docstrings(tree))


def module_file(module: str) -> Path | None:
    """The source file of a module of this package; None for other names (`gorp.files.read_json`, a function)."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imported_modules(tree: ast.AST) -> list[str]:
    """Dotted names that a module may import; names that are no modules are sorted out by `module_file`."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def without_docstrings(tree: ast.AST) -> ast.AST:
    """The tree with the docstrings of modules, classes and functions removed, in place."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            del body[0]
    return tree
