"""Plant bugs in the rules of the engine, one at a time, and count how many the gradient checks catch.

    python tests/mutations.py                       every bug there is: half a minute
    python tests/mutations.py --count 60 --seed 1   so many of them, drawn at random

A bug is one change to the syntax tree of autograd/ops.py or autograd/fused.py. The engine's modules are made anew
in memory around it, and the cases of autograd/cases.py that run the changed function are checked; no file changes.
Whether a function makes the value or sends a gradient back is seen by running each case, not read off names; one
that does both counts as making the value.

Set aside are changes that a gradient check has no right to find. "equivalent": value and gradients are the same, to
1e-12 of them, at many draws. "another function": the value has changed, and its gradient agrees with it as well as
before; only a test of values can tell which function was meant.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import click
import numpy as np

import trm_np.autograd
from trm_np.autograd.cases import DRAWS
from trm_np.autograd.gradcheck import ATOL, RTOL

FOLDER = Path(trm_np.autograd.__file__).parent
MODULES = ("ops", "fused", "graph", "tensor", "functional", "init", "nn", "gradcheck", "cases")
PLANTED = ("ops", "fused")
TREES = {name: ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES}

MORE_DRAWS = 12  # on which what was not caught is held against the unchanged engine
SAME = 1e-12  # relative: what another order of summation changes
RIGHT = 1e-9  # relative: a few times what the unchanged rules are off from finite differences
WANTED = 0.95
PARTS = ("backward", "value")

# ------------------------------------------------------------------------------------------ what is planted

OFF = 1 + 1e-5
SIZES = {"reshape", "range", "eye", "tile", "divmod", "slice", "swapaxes", "moveaxis"}  # sizes in
OPPOSITE: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OPPOSITE_CALL = {"add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply"}
OTHER_AXES = {-1: (0, -2), 0: (-1,), -2: (-1, -3), -3: (-2,)}
Change = tuple[str, Any]  # the kind of a bug, and the node that stands in the place of the right one


@dataclass(frozen=True)
class Bug:
    """A replacement for one node of a module's tree; `function` is the line where the node's function begins."""

    module: str
    function: int
    parent: Any
    field: str
    index: int | None
    node: Any
    kind: str
    replacement: Any

    def __str__(self) -> str:
        before, after = (" ".join(ast.unparse(node).split()) for node in (self.node, self.replacement))
        return f"autograd/{self.module}.py:{self.node.lineno}  {self.kind}: {before}  ->  {after}"

    def code(self) -> CodeType:
        """The module with the bug in it."""
        self.put(self.replacement)
        try:
            return compile(TREES[self.module], filename(self.module), "exec")
        finally:
            self.put(self.node)

    def put(self, node: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def filename(module: str) -> str:
    return str(FOLDER / f"{module}.py")


@cache
def bugs() -> list[Bug]:
    """All that can be planted, in the order of the source."""
    return [bug for module in PLANTED for bug in bugs_below(module, TREES[module], None, [])]


def bugs_below(module: str, node: Any, function: Any, captured: Sequence[str]) -> Iterator[Bug]:
    """Those in the functions below a node, which stands in `function` and sees names that this has `captured`."""
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        captured = sorted({*names_of(function)} - {*names_of(node)}) if function else []
        function = node
    for field, index, child in reckoning(node):
        for kind, replacement in changes(child, function, captured) if function else ():
            ast.fix_missing_locations(ast.copy_location(replacement, child))
            if ast.unparse(replacement) != ast.unparse(child):  # as the factors of a square exchanged
                yield Bug(module, first_line(function), node, field, index, child, kind, replacement)
        yield from bugs_below(module, child, function, captured)


def reckoning(node: Any) -> Iterator[tuple[str, int | None, Any]]:
    """Field, index and child, where arrays are reckoned with: no annotations, indices, sizes or refusals."""
    if isinstance(node, ast.Compare) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)):
        return
    skipped = {"annotation", "returns", "decorator_list", "slice"}
    if called(node) in SIZES or not isinstance(node, ast.Call):
        skipped.add("args")
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            refuses = isinstance(child, ast.If) and isinstance(child.body[0], ast.Raise)
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            asks_shape = isinstance(child, ast.Attribute) and child.attr in ("shape", "ndim", "size", "dtype")
            is_setting = isinstance(child, ast.keyword) and child.arg in ("axis", "out", "shape", "initial")
            if field in skipped or refuses or is_text or asks_shape or is_setting:
                continue
            if isinstance(child, ast.AST):
                yield field, index, child


def called(node: Any) -> str:
    """The last name of what is called; "" if nothing is."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def first_line(function: Any) -> int:
    """First line of the function's code by Python."""
    return min([function.lineno, *(each.lineno for each in getattr(function, "decorator_list", ()))])


def names_of(function: Any) -> list[str]:
    """Arguments and variables of a function."""
    given, stored = function.args, (n for n in ast.walk(function) if isinstance(n, ast.Name))
    arguments = [*given.args, *given.kwonlyargs, *([given.vararg] if given.vararg else [])]
    return [each.arg for each in arguments] + [n.id for n in stored if isinstance(n.ctx, ast.Store)]


def changes(node: Any, function: Any, captured: Sequence[str]) -> Iterator[Change]:
    """Changes that can replace this node."""
    match node:
        case ast.BinOp():
            yield from of_operation(node)
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", node.operand
        case ast.Constant(value=int() | float()) if node.value and not isinstance(node.value, bool):
            yield "off by 1e-5", ast.Constant(node.value * OFF)
        case ast.Call():
            yield from of_call(node)
        case ast.Attribute(attr="T"):
            yield "axis", node.value
        case ast.Subscript(slice=ast.Tuple(elts=[ast.Constant(value=first), ast.Constant(value=None)])):
            if first is ...:
                yield "axis", ast.Subscript(node.value, ast.Constant(None), ast.Load())
        case ast.Name(ctx=ast.Load()) if node.id in captured:
            yield "stale cache", stale(node)
        case ast.Assign(targets=[ast.Name()], value=ast.Call() | ast.BinOp()):
            yield "stale cache", ast.Assign(node.targets, stale(node.value))
        case ast.AugAssign():
            yield "operator", ast.AugAssign(node.target, OPPOSITE[type(node.op)](), node.value)
            yield missing(node.op), ast.Pass()
        case ast.Expr():
            yield "missing step", ast.Pass()
        case ast.Return():
            yield from ((kind, ast.Return(value)) for kind, value in of_result(node.value))
        case ast.Tuple() if isinstance(function, ast.Lambda) and node is function.body:
            yield from of_result(node)


def of_operation(node: ast.BinOp) -> Iterator[Change]:
    left, op, right = node.left, node.op, node.right
    if type(op) in OPPOSITE:
        yield "operator", ast.BinOp(left, OPPOSITE[type(op)](), right)
        yield missing(op), left
        without_left = {ast.Sub: negative(right), ast.Div: ast.BinOp(ast.Constant(1), op, right)}
        yield missing(op), without_left.get(type(op), right)
    if isinstance(op, (ast.Sub, ast.Div, ast.MatMult)):
        yield "swapped arguments", ast.BinOp(right, op, left)
    if isinstance(op, (ast.Mult, ast.Div, ast.MatMult)):
        yield "off by 1e-5", off(node)


def of_call(node: ast.Call) -> Iterator[Change]:
    name, given, keywords = called(node), node.args, node.keywords
    if name in OPPOSITE_CALL and isinstance(node.func, ast.Attribute):
        opposite = ast.Attribute(node.func.value, OPPOSITE_CALL[name], ast.Load())
        yield "operator", ast.Call(opposite, given, keywords)
    if len(given) > 1 and not any(isinstance(each, ast.Starred) for each in given[:2]):
        yield "swapped arguments", ast.Call(node.func, [given[1], given[0], *given[2:]], keywords)
    if name in ("swapaxes", "transpose", "sum") and isinstance(node.func, ast.Attribute):
        yield "axis", node.func.value
    for place, argument in enumerate(given if name in ("swapaxes", "moveaxis", "expand_dims") else ()):
        for axis in other_axes(argument):
            yield "axis", ast.Call(node.func, [*given[:place], axis, *given[place + 1 :]], keywords)
    for place, keyword in enumerate(keywords):
        for axis in other_axes(keyword.value) if keyword.arg == "axis" else ():
            changed = ast.keyword("axis", axis)
            yield "axis", ast.Call(node.func, given, [*keywords[:place], changed, *keywords[place + 1 :]])


def other_axes(node: Any) -> list[ast.expr]:
    """Replacements of an axis, or of a name that holds one or several."""
    if isinstance(node, ast.Name):
        return [ast.Constant(0), ast.Constant(-1)] if node.id in ("axis", "axes", "lead") else []
    return [ast.Constant(axis) for axis in OTHER_AXES[ast.literal_eval(node)]]


def of_result(result: Any) -> Iterator[Change]:
    """Replacements of a function's result: a rule's (value, vjp), a vjp's gradients, or one array."""
    is_method = isinstance(result, ast.Call) and isinstance(result.func, ast.Attribute)
    if is_method or isinstance(result, (ast.BinOp, ast.Name)):
        yield from of_array(result)
    parts = result.elts if isinstance(result, ast.Tuple) else []
    is_rules = any(isinstance(part, ast.Lambda) or getattr(part, "id", "") == "vjp" for part in parts)
    for place, part in enumerate(parts[:1] if is_rules else parts):
        zero = () if is_rules else (("missing term", ast.BinOp(part, ast.Mult(), ast.Constant(0))),)
        for kind, other in (*of_array(part), *zero):
            yield kind, ast.Tuple([*parts[:place], other, *parts[place + 1 :]], ast.Load())
    if len(parts) > 1 and not is_rules:
        yield "swapped arguments", ast.Tuple([parts[1], parts[0], *parts[2:]], ast.Load())


def of_array(node: Any) -> Iterator[Change]:
    """Replacements of an array, except those planted in the operation that makes it."""
    if not isinstance(node, ast.UnaryOp):
        yield "sign", negative(node)
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult))):
        yield "off by 1e-5", off(node)


def missing(op: ast.operator) -> str:
    return "missing term" if isinstance(op, (ast.Add, ast.Sub)) else "missing factor"


def negative(node: Any) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def off(node: Any) -> ast.expr:
    return ast.BinOp(node, ast.Mult(), ast.Constant(OFF))


def stale(node: Any) -> ast.expr:
    """Expression for this node's first value at this place and of this shape: `first_seen` in `engine`."""
    place = ast.Constant((node.lineno, node.col_offset))
    return ast.Call(ast.Name("first_seen", ast.Load()), [place, node], [])


# ------------------------------------------------------------------------------------------ how it is judged


@contextmanager
def engine(changed: Mapping[str, CodeType]) -> Iterator[ModuleType]:
    """The engine's modules made anew, some of them `changed`, under a name of their own; gives their `cases`."""
    names = {name: f"planted.{name}" for name in MODULES}
    package = sys.modules["planted"] = ModuleType("planted")
    package.__path__ = []
    kept: dict[Any, Any] = {}

    def first_seen(place: Any, value: Any) -> Any:
        return kept.setdefault((place, getattr(value, "shape", None)), value)

    try:
        for name, full_name in names.items():
            module = sys.modules[full_name] = ModuleType(full_name)
            setattr(package, name, module)
            vars(module).update(__package__="planted", first_seen=first_seen)
            exec(changed.get(name) or unchanged(name), vars(module))
        yield sys.modules[names["cases"]]
    finally:
        for full_name in ("planted", *names.values()):
            sys.modules.pop(full_name, None)


@cache
def unchanged(module: str) -> CodeType:
    return compile(TREES[module], filename(module), "exec")


Function = tuple[str, int]  # module and first line


@dataclass
class Reach:
    """The cases, by name, that run a function for the value, and those that run it on the way back."""

    forward: set[str]
    backward: set[str]


@cache
def reaches() -> dict[Function, Reach]:
    """Cases that run each function, for every function that any of them runs."""
    found: dict[Function, Reach] = defaultdict(lambda: Reach(set(), set()))
    with engine({}) as cases:
        for case in cases.CASES:
            for seed in range(DRAWS):
                run, result = functions_run(case.function, *leaves_of(cases, case, seed))
                for function in run:
                    found[function].forward.add(case.name)
                for function in functions_run(result.backward, np.ones(result.shape))[0]:
                    found[function].backward.add(case.name)
    return dict(found)


def functions_run(call: Callable[..., Any], *arguments: Any) -> tuple[set[Function], Any]:
    """The functions of the planted modules that a call runs, and its result."""
    modules = {filename(name): name for name in PLANTED}
    seen: set[Function] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename in modules:
            seen.add((modules[code.co_filename], code.co_firstlineno))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        return seen, call(*arguments)
    finally:
        sys.setprofile(before)


def leaves_of(cases: ModuleType, case: Any, seed: int) -> list[Any]:
    return [cases.Tensor(a, requires_grad=True) for a in case.draw(np.random.default_rng(seed))]


@dataclass(frozen=True)
class Judged:
    """`part` is one of PARTS; `verdict` "caught", "error", "survived", "equivalent" or "another function"."""

    bug: Bug
    part: str
    verdict: str

    @property
    def is_caught(self) -> bool:
        return self.verdict in ("caught", "error")


def judged(bug: Bug, seed: int = 0, rtol: float = RTOL, atol: float = ATOL) -> Judged:
    """Whether the checks of the cases that run the bug's function catch it, at DRAWS draws from this seed on.

    What no case runs, such as a decorator, is left to all of them.
    """
    reach = reaches().get((bug.module, bug.function))
    part = "value" if reach is None or reach.forward else "backward"
    running = None if reach is None else reach.forward | reach.backward
    with np.errstate(all="ignore"):
        return Judged(bug, part, verdict(bug, running, part, range(seed, seed + DRAWS), rtol, atol))


def verdict(bug: Bug, running: set[str] | None, part: str, seeds: range, rtol: float, atol: float) -> str:
    try:
        with engine({bug.module: bug.code()}) as cases:
            chosen = [case for case in cases.CASES if running is None or case.name in running]
            for seed in seeds:
                for case in chosen:
                    cases.check_case(case, seed, rtol, atol)
            return verdict_on_uncaught(cases, chosen, part, range(seeds.stop, seeds.stop + MORE_DRAWS))
    except Exception as error:
        return "caught" if type(error).__name__ == "GradientError" else "error"


def verdict_on_uncaught(cases: ModuleType, chosen: Sequence[Any], part: str, seeds: range) -> str:
    draws = [(case, seed) for seed in seeds for case in chosen]
    try:
        if all(is_same(outcome(cases, *draw), right_outcome(draw[0].name, draw[1])) for draw in draws):
            return "equivalent"
        if part == "value" and all(cases.check_case(*draw, rtol=RIGHT) <= RIGHT for draw in draws):
            return "another function"
    except Exception:  # these draws would have caught it
        return "survived"
    return "survived"


def outcome(cases: ModuleType, case: Any, seed: int) -> list[Any]:
    """Value and gradients."""
    leaves = leaves_of(cases, case, seed)
    result = case.function(*leaves)
    result.backward(np.random.default_rng(seed).normal(size=result.shape))
    return [result.data, *(leaf.grad for leaf in leaves)]


@cache
def right_outcome(name: str, seed: int) -> list[Any]:
    with engine({}) as cases:
        return outcome(cases, next(case for case in cases.CASES if case.name == name), seed)


def is_same(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    pairs = zip(found, wanted, strict=True)
    return all(np.linalg.norm(a - b) <= SAME * np.linalg.norm(b) for a, b in pairs)


def campaign(count: int | None, seed: int, rtol: float = RTOL, atol: float = ATOL) -> Iterator[Judged]:
    """Draw so many bugs at random, or all of them, and judge each."""
    chosen = np.random.default_rng(seed).permutation(len(bugs()))[:count]
    return (judged(bugs()[place], seed, rtol, atol) for place in sorted(chosen.tolist()))


# ------------------------------------------------------------------------------------------ what came of it


def share_caught(results: Sequence[Judged], part: str) -> float:
    """Share of the real bugs in this part that was caught."""
    found = [each for each in results if each.part == part]
    caught = sum(each.is_caught for each in found)
    return caught / max(caught + sum(each.verdict == "survived" for each in found), 1)


def table(results: Sequence[Judged]) -> Iterator[str]:
    yield f"{'planted':30}{'bugs':>6}{'caught':>8}{'by an error':>13}{'survived':>10}{'set aside':>11}"
    for part in PARTS:
        found = [each for each in results if each.part == part]
        for kind in (*sorted({each.bug.kind for each in found}), "all"):
            count = Counter(each.verdict for each in found if kind in (each.bug.kind, "all"))
            caught, aside = count["caught"] + count["error"], count["equivalent"] + count["another function"]
            yield (
                f"{part + ', ' + kind:30}{caught + count['survived']:6}{caught:8}{count['error']:13}"
                f"{count['survived']:10}{aside:11}"
            )


@click.command()
@click.option("--count", type=click.IntRange(min=1), help="So many bugs, drawn at random; all without it.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all draws.")
@click.option("--rtol", default=RTOL, show_default=True, help="Of the gradient checks.")
@click.option("--atol", default=ATOL, show_default=True, help="Of the gradient checks.")
def main(count: int | None, seed: int, rtol: float, atol: float) -> None:
    """Plant bugs in the rules; exits 1 if the gradient checks catch less than 95 % of those in either part."""
    results = []
    for each in campaign(count, seed, rtol, atol):
        results.append(each)
        if not each.is_caught:
            click.echo(f"{each.verdict:17} {each.part:9} {each.bug}")
    for line in table(results):
        click.echo(line)
    shares = {part: share_caught(results, part) for part in PARTS}
    click.echo("caught: " + ", ".join(f"{part} {share:.1%}" for part, share in shares.items()))
    sys.exit(min(shares.values()) < WANTED)


if __name__ == "__main__":
    main()
