"""Forms of Python that the code digest follows, and that the package does without those that it could not."""

import ast

import pytest

from gorp.util import code_digest
from gorp.util.code_digest import PACKAGE, bound_names, is_type_checking
from gorp.util.code_text import dotted, is_check


def digest_of(folder, **files):
    """The digest of p.a in a package p of these files, b, c, ... by their names."""
    for name, text in files.items():
        path = folder / "p" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for cached in (code_digest.code_digest, code_digest.read_module, code_digest.module_file):
        cached.cache_clear()
    return code_digest.code_digest("p.a", package=folder / "p")


B = "VALUE = 1\n\n\ndef double(x):\n    return VALUE * x\n"
FORMS = {
    "a name": "from p.b import double\nprint(double(1), file=out)",
    "another name": "from p.b import double as twice\ntwice(1)",
    "a module": "from p import b\nb.double(1)",
    "a dotted module": "import p.b\np.b.double(1)",
    "a module by another name": "import p.b as other\nother.double(1)",
    "relative": "from .b import double\ndouble(1)",
    "relative module": "from . import b\nb.double(1)",
    "star": "from p.b import *\ndouble(1)",
    "getattr on a module": "from p import b\ngetattr(b, 'dou' + 'ble')(1)",
    "handed on": "from p.c import double\ndouble(1)",
    "handed on lazily": "from p import double\ndouble(1)",
    "inside a function": "def run():\n    from p.b import double\n    return double(1)",
    "inside a method": "class A:\n    def run(self):\n        from p.b import double\n        return double(1)",
    "under a condition": "if x:\n    from p.b import double\nelse:\n    double = None\nprint(double(1), file=out)",
    "in a try": "try:\n    from p.b import double\nexcept ImportError:\n    double = None\ny = double(1)",
    "in a table": "from p.b import double\nTABLE = {'x': lambda x: double(x)}",
    "as a default": "from p.b import double\ndef f(g=double): ...",
    "as a decorator": "from p.b import double\n@double\ndef f(): ...",
    "as a base class": "from p.b import double\nclass A(double): ...",
    "as a field": "from p.b import VALUE\nclass A:\n    x: int = VALUE",
    "in a loop of the module": "from p.b import double\nfor x in range(3):\n    TABLE[x] = double(x)",
    "by a walrus": "from p.b import double\nif (y := double(1)) > 1:\n    pass",
    "in a check that is caught": "from p.b import double\ntry:\n    check_it(double(1))\nexcept ValueError:\n    y = 1",
    "in a refusal that is caught": (
        "from p.b import VALUE\ntry:\n    if VALUE:\n        raise UserError('no')\nexcept UserError:\n    y = 1"
    ),
    "in the condition of a refusal that does more": "from p.b import double\nif double(1):\n    raise UserError('no')",
    "in a match": "from p.b import double\nmatch x:\n    case 1:\n        double(1)",
    "with a key that unpacks": "from p.b import double\nx = {**y, 'z': double(1)}",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_use_is_seen(tmp_path, form):
    files = {"a": FORMS[form], "b": B, "c": "from p.b import double\n", "__init__": "LAZY = {'double': 'p.b'}\n"}
    before = digest_of(tmp_path, **files)
    assert digest_of(tmp_path, b=B.replace("VALUE = 1", "VALUE = 2")) != before
    assert digest_of(tmp_path, b=B + "\n\ndef unused(): ...\n") != before or form not in ("star", "getattr on a module")
    assert digest_of(tmp_path, b='"""A docstring."""\n' + B) == before


OWN = "def f():\n    from p.{} import X\n    return X\ndef g():\n    from p.{} import X\n    return X"
CHANGES = {  # of a module itself, or of two: each changes the digest
    "attribute of a class, from outside": ({"a": "class A: ...\nA.x = 1"}, {"a": "class A: ...\nA.x = 2"}),
    "unpacking with a star": ({"a": "x, *y = 1, 2"}, {"a": "x, *y = 1, 3"}),
    "a walrus": ({"a": "(x := 1)"}, {"a": "(x := 2)"}),
    "a global": ({"a": "def f():\n    global X\n    X = 'a'"}, {"a": "def f():\n    global X\n    X = 'b'"}),
    "a decorator": ({"a": "@f\ndef g(): ..."}, {"a": "@h\ndef g(): ..."}),
    "type of a field": ({"a": "class A:\n    x: int = 1"}, {"a": "class A:\n    x: float = 1"}),
    "origin of a foreign name": ({"a": "from math import sin as f\nf(1)"}, {"a": "from math import cos as f\nf(1)"}),
    "print into a file": ({"a": "def f(g):\n    print(1, file=g)"}, {"a": "def f(g):\n    print(2, file=g)"}),
    "foreign name of a check": ({"a": "x.requires_grad_(True)"}, {"a": "x.requires_grad_(False)"}),
    "a default": ({"a": "x = setting(1, 'of x')"}, {"a": "x = setting(2, 'of x')"}),
    "two of one name": (
        {"a": "from p.b import X\nfrom p.c import X as Y\nz = X / Y", "b": "X = 1", "c": "X = 2"},
        {"a": "from p.b import X\nfrom p.c import X as Y\nz = X / Y", "b": "X = 2", "c": "X = 1"},
    ),
    "one function's own import": (
        {"a": OWN.format("b", "c"), "b": "X = 1", "c": "X = 2"},
        {"a": OWN.format("c", "b"), "b": "X = 1", "c": "X = 2"},
    ),
}  # fmt: skip

SAME = {  # pairs that say the same
    "a log line": ("def f():\n    return 1", "def f():\n    logger.info('now')\n    return 1"),
    "a standard stream": ("def f():\n    return 1", "def f():\n    sys.stderr.write('now')\n    return 1"),
    "a message": ("def f(x): ...", "def f(x):\n    m = 'a'\n    m += f'{x}'\n    if x:\n        raise UserError(m)"),
    "description of a setting": ("x = setting(1, 'of x', minimum=1)", "x = setting(1, 'of an x', minimum=0)"),
    "an import of type checkers": ("x = 1", "if TYPE_CHECKING:\n    from p.b import X\nx = 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_a_module_says_counts(tmp_path, case):
    one, other = CHANGES[case]
    assert digest_of(tmp_path, **one) != digest_of(tmp_path, **other)


@pytest.mark.parametrize("case", SAME)
def test_what_it_tells_people_does_not(tmp_path, case):
    one, other = SAME[case]
    assert digest_of(tmp_path, a=one) == digest_of(tmp_path, a=other)


# ---- forms that the digest could not follow, or goes by: the package keeps to what it can ----

EFFECTS = {  # statements of a module that bind no name: run by an import, whoever makes it
    "__main__.py": ["sys.exit(main())"],
    "config/checked.py": ["@FORMATS.checks('regex', raises=(re.error, OverflowError, RecursionError))"],
}
WRAPPERS = {"full_precision", "processes.started", "FORMATS.checks"}  # decorators of ours: they note nothing elsewhere
DYNAMIC = {
    "__init__.py",
    "cli.py",
    "methods/__init__.py",
    "methods/registry.py",
}  # import by a name that is put together
MAY_GO_ON = {  # a UserError is caught, and something else done: none of it in a step that makes results
    *("cli.py", "config/content_digests.py", "data/check.py", "data/official/fetch.py", "models/trainable.py"),
    *("report/status.py", "util/snakemake_lock.py"),
}


def sources():
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}


def test_the_package_has_no_form_that_the_digest_cannot_follow():
    found = []
    for file, tree in sources().items():
        for statement in tree.body:
            text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            imports = isinstance(statement, ast.Import | ast.ImportFrom) or is_type_checking(statement)
            known = ast.unparse(statement).split("\n")[0] in EFFECTS.get(file, [])
            if not (text or imports or known or bound_names(statement)):
                found.append(f"{file}:{statement.lineno}: an effect of importing it")
        for node in ast.walk(tree):
            where = f"{file}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                name = dotted(node.func)
                if name in ("globals", "eval", "exec", "locals", "__import__"):
                    found.append(f"{where}: {name}")
                if name == "importlib.import_module" and file not in DYNAMIC:
                    found.append(f"{where}: {name}")
            if isinstance(node, ast.ImportFrom) and (node.level or node.names[0].name == "*"):
                found.append(f"{where}: {ast.unparse(node)}")
            if isinstance(node, ast.FunctionDef) and node.name in ("__init_subclass__", "__set_name__"):
                found.append(f"{where}: {node.name}")
            goes_on = isinstance(node, ast.ExceptHandler) and not isinstance(node.body[-1], ast.Raise)
            if goes_on and "UserError" in ast.unparse(node.type or ast.Name("UserError")) and file not in MAY_GO_ON:
                found.append(f"{where}: goes on after a UserError")
        own = {name for statement in tree.body for name in bound_names(statement)}
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gorp")
            for alias in node.names
        }
        for node in ast.walk(tree):
            for decorator in getattr(node, "decorator_list", ()):
                name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
                if name.partition(".")[0] in own | imported and name not in WRAPPERS:
                    found.append(f"{file}:{node.lineno}: the decorator {name}, of ours")
            called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
            if isinstance(called, ast.Name) and is_check(called.id) and called.id not in own | imported:
                found.append(f"{file}:{node.lineno}: {called.id} is not ours, and need not be a check")
    assert not found, "\n".join(found)


def test_a_check_does_nothing_but_raise():
    """The digest leaves out functions named as checks where their value is not used."""
    found = []
    for file, tree in sources().items():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or not is_check(function.name):
                continue
            assigned = {
                node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            for node in ast.walk(function):
                stored = isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
                if stored and dotted(node.value).partition(".")[0] not in assigned:
                    found.append(f"{file}:{node.lineno}: {function.name} changes {ast.unparse(node)}")
                if isinstance(node, ast.Global | ast.Nonlocal):
                    found.append(f"{file}:{node.lineno}: {function.name} has a global")
                name = dotted(node.func) if isinstance(node, ast.Call) else ""
                if name.endswith("_") or name.rpartition(".")[2] in ("unlink", "write_text", "mkdir", "manual_seed"):
                    found.append(f"{file}:{node.lineno}: {function.name} calls {name}")
    assert not found, "\n".join(found)
