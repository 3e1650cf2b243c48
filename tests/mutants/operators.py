"""What a mutant is: one place of a hardware source, changed in a way that means something there.

Only what becomes hardware is changed: methods other than ``__init__``, and functions that take a
module or values. A change of Python's own flow (a range, a slice) is hardware as well, as it is
elaborated; one that cannot be elaborated is found out before any test runs.
"""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["OPERATORS", "Mutant", "mutants_of"]

#: What each operator does.
OPERATORS = {
    "comparison": "the bound belongs to the other side (`<` and `<=`), or equal means different",
    "condition-dropped": "what stands under `m.If` or `m.Elif` happens always",
    "condition-inverted": "it happens when it should not",
    "and-or": "`&` and `|` change places",
    "term-dropped": "one of two terms of `&` or `|` no longer counts",
    "negation-dropped": "`~` is gone",
    "plus-minus": "`+` and `-` change places",
    "mux-swapped": "the two choices of `Mux` change places",
    "assignment-dropped": "a register or signal is not assigned",
    "constant": "an assigned or compared constant is one more, 1 becomes 0",
    "register-added": "a combinational assignment comes a cycle late",
    "index": "a constant index is one more, or the last becomes the first",
    "field": "another field of the same record, or `any` for `all`",
}

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
_SYMBOLS: dict[type[ast.operator], str] = {
    ast.BitAnd: "&", ast.BitOr: "|", ast.Add: "+", ast.Sub: "-"}
_OPPOSITES = {"&": "|", "|": "&", "+": "-", "-": "+"}
_FIELDS = {
    "any": "all", "all": "any", "price": "new_price", "new_price": "price",
    "quantity": "new_quantity", "new_quantity": "quantity", "reference": "new_reference",
    "new_reference": "reference", "shares": "price", "first": "last", "last": "first",
    "valid": "ready", "ready": "valid", "bid": "ask", "ask": "bid", "count": "quantity",
    "present": "known", "known": "present", "hits": "forward", "rows": "ways",
}
#: Calls whose arguments are Python's, not values of the hardware.
_PYTHON_CALLS = {"range", "enumerate", "zip", "len", "Signal", "C", "Const", "Memory", "Repl",
                 "isinstance", "getattr", "like"}


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes
    ----------
    key : str
        File, place and operator; the same as long as the statement is the same, whatever its line.
    path : str
        File, from the root of the project.
    line : int
        Where the change begins.
    operator : str
        One of :data:`OPERATORS`.
    before, after : str
        The source that is replaced, and what by.
    start, end : int
        Its place in the file, in characters.
    """

    key: str
    path: str
    line: int
    operator: str
    before: str
    after: str
    start: int
    end: int

    def apply(self, source: str) -> str:
        """Return the file with the change in it; lines keep their numbers.

        Raises
        ------
        ValueError
            If the file is another than that the mutant was made from.
        """
        if source[self.start:self.end] != self.before:
            raise ValueError(f"{self.path} is not the file that {self.key} was made from")
        rest = "\n" * (self.before.count("\n") - self.after.count("\n"))
        if self.operator == "assignment-dropped":
            return source[:self.start] + self.after + rest + source[self.end:]
        # Within brackets or as a statement of its own: the line breaks go behind the parenthesis.
        return f"{source[:self.start]}({self.after}{rest}){source[self.end:]}" \
            if self.operator != "register-added" else \
            source[:self.start] + self.after + source[self.end:]


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Return every mutant of a file, in the order of its text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    seen: Counter[str] = Counter()
    found: list[Mutant] = []
    for scope, operator, line, start, end, after, statement in sorted(
            finder.found, key=lambda entry: entry[3:5]):
        before = source[start:end]
        text = "\0".join((scope, operator, statement, before, after))
        digest = hashlib.sha256(f"{text}\0{seen[text]}".encode()).hexdigest()[:6]
        seen[text] += 1
        key = f"{path.removesuffix('.py')}:{scope}:{operator}:{digest}"
        found.append(Mutant(key, path, line, operator, before, after, start, end))
    return found


class _Finder(ast.NodeVisitor):
    """Collect (scope, operator, line, start, end, replacement, statement) of a file."""

    def __init__(self, source: str) -> None:
        self.found: list[tuple[str, str, int, int, int, str, str]] = []
        self._source = source
        self._offsets = [0]
        for text in source.splitlines(keepends=True):
            self._offsets.append(self._offsets[-1] + len(text))
        self._lines = source.splitlines(keepends=True)
        self._scope: list[str] = []
        self._statement = ""
        self._inside = False

    def _place(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        def offset(line: int, column: int) -> int:
            text = self._lines[line - 1].encode()[:column].decode()
            return self._offsets[line - 1] + len(text)

        assert node.end_lineno is not None and node.end_col_offset is not None
        return (offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset))

    def _text(self, node: ast.AST) -> str:
        return ast.unparse(node)

    def _add(self, operator: str, node: ast.expr | ast.stmt, after: str) -> None:
        start, end = self._place(node)
        self.found.append((".".join(self._scope), operator, node.lineno, start, end, after,
                           self._statement))

    # ---- Where we are ----

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.append(node.name)
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                self.visit(child)
        self._scope.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        decorators = {self._text(decorator) for decorator in node.decorator_list}
        if node.name == "__init__" or "property" in decorators:
            return
        self._scope.append(node.name)
        outer, self._inside = self._inside, True
        for child in node.body:
            self.visit(child)
        self._inside = outer
        self._scope.pop()

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            super().visit(node)
            return
        if not self._inside or isinstance(node, ast.Assert | ast.Raise | ast.Import):
            return
        if isinstance(node, ast.stmt):
            outer, self._statement = self._statement, self._head(node)
            super().visit(node)
            self._statement = outer
        else:
            super().visit(node)

    def _head(self, node: ast.stmt) -> str:
        """Return a statement without its body."""
        if isinstance(node, ast.With):
            return ", ".join(self._text(item) for item in node.items)
        if isinstance(node, ast.For | ast.While | ast.If):
            return self._text(node).split("\n")[0]
        return self._text(node)

    # ---- Statements ----

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):    # a docstring
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        domain = self._text(node.target)
        if isinstance(node.op, ast.Add) and domain.startswith("m.d."):
            value = node.value
            if isinstance(value, ast.List):
                whole = self._statement
                for element in value.elts:
                    if self._is_assignment(element):
                        self._statement = self._text(element)
                        self._add("assignment-dropped", element, "[]")
                    self._statement = whole
            elif self._is_assignment(value):
                self._add("assignment-dropped", value, "[]")
                if domain == "m.d.comb":
                    self._add("register-added", node.target, "m.d.sync")
        self.visit(node.value)

    def visit_List(self, node: ast.List) -> None:
        whole = self._statement
        for element in node.elts:
            self._statement = self._text(element) if self._is_assignment(element) else whole
            self.visit(element)
        self._statement = whole

    @staticmethod
    def _is_assignment(node: ast.expr) -> bool:
        return (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                and node.func.attr == "eq")

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            if (isinstance(call, ast.Call) and self._text(call.func) in ("m.If", "m.Elif")
                    and call.args):
                condition = call.args[0]
                self._add("condition-dropped", condition, "1")
                self._add("condition-inverted", condition,
                          f"Value.cast({self._text(condition)}) == 0")
            self.visit(call)
        for child in node.body:
            self.visit(child)

    def visit_For(self, node: ast.For) -> None:
        for child in node.body:
            self.visit(child)

    def visit_If(self, node: ast.If) -> None:
        for child in [*node.body, *node.orelse]:
            self.visit(child)

    # ---- Expressions ----

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            left, right = node.left, node.comparators[0]
            symbol = _COMPARISONS[type(node.ops[0])]
            self._add("comparison", node, f"{self._text(left)} {symbol} {self._text(right)}")
            self._constant(right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        symbol = _SYMBOLS.get(type(node.op))
        if symbol is not None:
            left, right = self._text(node.left), self._text(node.right)
            operator = "and-or" if symbol in "&|" else "plus-minus"
            self._add(operator, node, f"({left}) {_OPPOSITES[symbol]} ({right})")
            if operator == "and-or":
                self._add("term-dropped", node, left)
                self._add("term-dropped", node, right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Invert):
            self._add("negation-dropped", node, self._text(node.operand))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else self._text(node.func)
        if name == "Mux" and len(node.args) == 3:
            select, first, second = map(self._text, node.args)
            self._add("mux-swapped", node, f"Mux({select}, {second}, {first})")
        if name == "eq" and node.args:
            self._constant(node.args[0])
        if isinstance(node.func, ast.Attribute):
            self._field(node.func, name in ("any", "all"))
            self.visit(node.func.value)
        if name not in _PYTHON_CALLS:
            for argument in node.args:
                self.visit(argument)
            for keyword in node.keywords:
                if keyword.arg != "name":
                    self.visit(keyword.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._field(node, node.attr not in ("any", "all") and isinstance(node.ctx, ast.Load))
        self.visit(node.value)

    def _field(self, node: ast.Attribute, wanted: bool) -> None:
        if wanted and node.attr in _FIELDS:
            self._add("field", node, f"{self._text(node.value)}.{_FIELDS[node.attr]}")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        index = node.slice
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            self._add("index", node, f"{self._text(node.value)}[{index.value + 1}]")
        elif self._text(index) == "-1":
            self._add("index", node, f"{self._text(node.value)}[0]")
        self.visit(node.value)      # an index is Python's

    def _constant(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            self._add("constant", node, "0" if node.value == 1 else str(node.value + 1))


def operators_of(mutants: list[Mutant]) -> Iterator[tuple[str, int]]:
    """Yield how many mutants each operator has made."""
    counts = Counter(mutant.operator for mutant in mutants)
    for operator in OPERATORS:
        yield operator, counts[operator]
