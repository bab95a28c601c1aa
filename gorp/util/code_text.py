"""Source code without what changes no result: docstrings, annotations of functions, wording, checks, and its place.

It goes by names. A function called `..._problem` or `..._problems` only makes messages; one called `check_...`,
`refuse_...` or `require...`, whose value is not used, only raises: where a step comes to its end it did nothing.
"""

import ast

MESSAGES = ("_problem", "_problems")
CHECKS = ("check_", "refuse_", "require")
TELLING = ("print", "warn", "warning", "info")  # calls that only tell people something
HELP = ("help", "metavar", "description", "epilog")  # of an option


class Bare(ast.NodeTransformer):
    """Takes all of that out of a tree, in place; what is left is valid code."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            argument.annotation = None
        for rest in (arguments.vararg, arguments.kwarg):
            if rest:
                rest.annotation = None
        without_docstring(node)
        self.generic_visit(node)
        return without_texts(node) if node.name.endswith(MESSAGES) else node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        without_docstring(node)
        return self.generic_visit(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        without_docstring(node)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(kind if isinstance(kind, ast.Name) and kind.id[0].isupper() else None)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        name = called_name(node.value) if isinstance(node.value, ast.Call) else ""
        if name in TELLING or name.startswith(CHECKS):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(isinstance(inner, ast.Name) and inner.id == "__file__" for inner in ast.walk(node.value)):
            node.value = ast.Constant(None)  # where the package lies
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if called_name(node) in ("add_argument", "add_parser", "ArgumentParser"):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in HELP]
        if called_name(node) == "setting" and len(node.args) > 1:  # its description
            node.args[1] = ast.Constant("")
        return self.generic_visit(node)


class Blank(ast.NodeTransformer):
    """Makes every text in a tree empty."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node


def without_texts(node: ast.AST) -> ast.AST:
    """The tree with every text made empty, in place."""
    return Blank().visit(node)


def without_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
    """Takes away a docstring, in place."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def called_name(call: ast.Call) -> str:
    """The last part of the name of what is called: `warn` of `warnings.warn(...)`."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))
