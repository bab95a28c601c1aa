"""Source code without what changes no result: docstrings, annotations, wording, log lines and checks.

It goes by names. A function called `..._problem` or `..._problems` only makes messages. One called `check_...`,
`refuse_...` or `require...`, whose value is not used, only raises, as does an `if` that ends in `raise UserError(...)`:
a step that came to its end passed them. Inside a `try` that goes on after an error they stay.
"""

import ast
from collections.abc import Container

MESSAGES = ("_problem", "_problems")
CHECKS = ("check_", "refuse_", "require_")
TELLING = ("print", "warn", "warnings.warn", "tqdm.write")  # calls that only tell people something
STREAMS = ("sys.stdout", "sys.stderr")
LOGS = ("logging", "logger", "log")
HELP = ("help", "metavar", "description", "epilog")  # of an option
PURE = {  # what the condition of a refusal, or of a log line, may call
    *(
        "abs",
        "all",
        "any",
        "bool",
        "getattr",
        "hasattr",
        "int",
        "isinstance",
        "len",
        "max",
        "min",
        "set",
        "sorted",
        "str",
    ),
    *(
        "dim",
        "endswith",
        "exists",
        "fullmatch",
        "get",
        "is_dir",
        "is_file",
        "isatty",
        "isdigit",
        "items",
        "keys",
        "lower",
    ),
    *("rank", "resolve", "size", "startswith", "strip", "values"),
}


class Rewriter:
    """Visits a tree and changes it in place, like `ast.NodeTransformer` but twice as fast.

    A method `visit_CLASS` returns what takes the node's place, None for nothing.
    """

    def visit(self, node: ast.AST) -> ast.AST | None:
        method = getattr(self, f"visit_{type(node).__name__}", None)
        return method(node) if method else self.inside(node)

    def inside(self, node: ast.AST) -> ast.AST:
        """The node with all that is in it visited; a body that becomes empty gets a `pass`."""
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                kept = [(old, self.visit(old) if isinstance(old, ast.AST) else old) for old in value]
                value[:] = [new for old, new in kept if new is not None or old is None]  # None: the key of `**more`
                if not value and field == "body" and not isinstance(node, ast.Module):
                    value.append(ast.Pass())
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                setattr(node, field, self.visit(value))
        return node


class Bare(Rewriter):
    """Takes all of that out of a statement, in place; what is left is valid code.

    telling: names of the module at hand whose functions and classes only tell people something.
    """

    def __init__(self, telling: Container[str] = ()):
        self.telling = telling
        self.fields = False  # whether an annotation at hand is that of a class's field
        self.caught = False  # whether an error here may be caught, and something else done
        self.place = False  # whether an assignment at hand tells where the package lies
        self.texts = False  # whether a variable of a function holds a text

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            argument.annotation = None
        for rest in filter(None, (arguments.vararg, arguments.kwarg)):
            rest.annotation = None
        outside, self.fields, self.texts = self.fields, False, False
        self.inside(node)
        self.fields = outside
        if self.texts:
            without_unread_texts(node, self.is_text)
        return without_texts(node) if node.name.endswith(MESSAGES) else node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outside, self.fields = self.fields, True
        self.inside(node)
        self.fields = outside
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if self.fields:  # a dataclass makes a field of it, and settings are read by its type
            return self.inside(node)
        if node.value is None:
            return None
        return self.visit_Assign(ast.Assign([node.target], node.value, lineno=0))

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(kind if isinstance(kind, ast.Name) and kind.id[0].isupper() else None)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.inside(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):
            return None
        if isinstance(node.value, ast.Call):
            check = isinstance(node.value.func, ast.Name) and is_check(node.value.func.id)
            if only_tells(node.value) or (check and not self.caught):
                return None
        return self.inside(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        self.inside(node)
        if node.orelse or not is_pure(node.test):
            return node
        return None if isinstance(node.body[0], ast.Pass) or (refuses(node.body) and not self.caught) else node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        before = self.caught
        self.caught = before or not all(isinstance(handler.body[-1], ast.Raise) for handler in node.handlers)
        self.inside(node)
        self.caught = before
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.inside(node)
        if self.place:
            node.value, self.place = ast.Constant(None), False
        self.texts = self.texts or self.is_text(node.value)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.place = self.place or node.id == "__file__"
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = dotted(node.func)
        if name.rpartition(".")[2] in ("add_argument", "add_parser", "ArgumentParser"):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in HELP]
        if name == "setting":  # its description and limits
            node.args, node.keywords = node.args[:1], []
        if name in self.telling or name.partition(".")[0] in self.telling:
            without_texts(node)
        return self.inside(node)

    def is_text(self, node: ast.expr) -> bool:
        """Whether an expression is a text, put together of nothing that does more."""
        if isinstance(node, ast.IfExp):
            return self.is_text(node.body) and self.is_text(node.orelse)
        if isinstance(node, ast.BinOp):
            return self.is_text(node.left) and self.is_text(node.right)
        if isinstance(node, ast.Call):
            joined = isinstance(node.func, ast.Attribute) and node.func.attr == "join" and self.is_text(node.func.value)
            return joined or dotted(node.func) in self.telling
        return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


class Blank(Rewriter):
    """Makes every text in a tree empty."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node


class Unassigned(Rewriter):
    """Takes assignments to names out of a tree; functions inside it keep theirs."""

    def __init__(self, names: Container[str]):
        self.names = names

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        return None if isinstance(target, ast.Name) and target.id in self.names else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | None:
        return None if isinstance(node.target, ast.Name) and node.target.id in self.names else node


def without_texts(node: ast.AST) -> ast.AST:
    """The tree with every text made empty, in place."""
    blank = Blank().visit(node)
    assert blank is not None  # it takes nothing away
    return blank


def without_unread_texts(function: ast.FunctionDef, is_text) -> None:
    """Takes away, in place, the texts that a function only puts together for messages, which are gone."""
    while True:
        read: set[str] = set()
        texts: set[str] = set()
        others: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                read.add(node.id)
            elif isinstance(node, ast.Assign | ast.AugAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and len(getattr(node, "targets", [target])) == 1:
                    (texts if is_text(node.value) else others).add(target.id)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                others.update(node.names)
        unread = texts - read - others
        if not unread:
            return
        Unassigned(unread).inside(function)


def refuses(body: list[ast.stmt]) -> bool:
    """Whether statements, once begun, end in a UserError."""
    if not isinstance(body[-1], ast.Raise) or dotted(body[-1].exc) != "UserError":
        return False
    ways_out = ast.Return | ast.Break | ast.Continue | ast.Yield | ast.YieldFrom
    return not any(isinstance(node, ways_out) for statement in body for node in ast.walk(statement))


def is_check(name: str) -> bool:
    """Whether a function of this name, whose value is not used, only raises."""
    return name.startswith(CHECKS) or name == "require"


def only_tells(call: ast.Call) -> bool:
    """Whether a call writes to a log or a terminal, and nothing else."""
    name = dotted(call.func)
    owner, _, last = name.rpartition(".")
    if owner in STREAMS or owner in LOGS:
        return last in ("write", "flush", "debug", "info", "warning", "error", "exception", "critical")
    streams = [dotted(keyword.value) for keyword in call.keywords if keyword.arg == "file"]
    return name in TELLING and all(stream in STREAMS for stream in streams)


def is_pure(test: ast.expr) -> bool:
    """Whether a condition does nothing but look."""
    return not any(
        isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Call) and called_name(node) not in PURE)
        for node in ast.walk(test)
    )


def called_name(call: ast.Call) -> str:
    """The last part of the name of what is called: `warn` of `warnings.warn(...)`."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def dotted(node: ast.AST | None) -> str:
    """`a.b.c` of an expression that is written so; "" for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return ""
    owner = dotted(node.value)
    return f"{owner}.{node.attr}" if owner else ""
