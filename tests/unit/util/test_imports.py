"""Who may import whom in the package: the table in docs/architecture.md."""

import ast
import graphlib
import re
import subprocess
import sys

from gorp.util.code_digest import PACKAGE, is_type_checking, module_file

ROOT = PACKAGE.parent
HEAVY = ("torch", "transformers", "peft", "pandas", "matplotlib")


def allowed():
    """{package: those that it may import} of the table; "anything" for one without a rule."""
    table = re.findall(r"^\| `gorp/(\w+)/` \|.*\| (.+) \|$", (ROOT / "docs/architecture.md").read_text(), re.M)
    return {room: "anything" if rule == "anything" else set(re.findall(r"\w+", rule)) for room, rule in table}


def imports(tree, at_the_top=False):
    """(line, module of ours) of the imports in a module; all of them, or those that run when it is imported."""
    nodes = tree.body if at_the_top else ast.walk(tree)
    for node in nodes:
        if at_the_top and isinstance(node, ast.If | ast.Try) and not is_type_checking(node):
            yield from imports(node, at_the_top)
        if isinstance(node, ast.ImportFrom) and module_file(node.module or "", PACKAGE):
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                yield node.lineno, name if module_file(name, PACKAGE) else node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if module_file(alias.name, PACKAGE))


def modules():
    """{module: its tree}."""
    names = {
        path: path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for path, name in names.items()}


def room(module):
    """The package that a module is in, such as `data`; `gorp` for those above all, such as gorp.cli."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else "gorp"


def circle(graph):
    """A circle in a graph, as text; "" if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " <- ".join(error.args[1])
    return ""


def test_packages_import_only_what_the_table_allows():
    rule, wrong, graph = allowed(), [], {}
    assert rule.keys() == {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    for module, tree in modules().items():
        own = room(module)
        for line, other in imports(tree):
            graph.setdefault(own, set()).update({room(other)} - {own})
            free = own in (room(other), "gorp") or (rule[own] == "anything" and room(other) != "gorp")
            if not free and room(other) not in rule[own]:
                wrong.append(f"{module}, line {line}: {own} may not import {other}; see docs/architecture.md")
            if room(other) == "commands" and own != "commands":
                wrong.append(f"{module}, line {line}: the commands are for gorp.cli alone, which loads them by name")
    assert not wrong, "\n".join(wrong)
    assert not circle(graph)


def test_no_module_imports_itself_through_others():
    assert not circle(
        {name: {other for _, other in imports(tree, at_the_top=True)} - {name} for name, tree in modules().items()}
    )


def test_a_room_begins_with_nothing_but_its_docstring():
    """What a package does when it is imported, the code digest does not see."""
    for module, tree in modules().items():
        if (PACKAGE.parent / module.replace(".", "/")).is_dir() and module != "gorp":
            assert len(tree.body) == 1 and ast.get_docstring(tree), f"{module}: code in its __init__.py"


def test_what_the_workflow_imports_is_light():
    """It is parsed by each job anew, and needs a method's settings for that."""
    lines = [line for path in (ROOT / "workflow/rules").glob("*.smk") for line in path.read_text().splitlines()]
    code = [line for line in lines if re.match(r"(from|import) gorp\b", line)]
    code += ["from gorp.methods.registry import find_method, method_names", "[find_method(n) for n in method_names()]"]
    code += [f"import sys; print(*set({HEAVY}) & sys.modules.keys())"]
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"loaded while the workflow is parsed: {done.stdout}"
