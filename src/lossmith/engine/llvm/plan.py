"""In how many passes over the classes a row formula is computed, and what each pass does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lossmith.engine.llvm.lower import INDEX
from lossmith.engine.llvm.nodes import CHEAP
from lossmith.formula.expr import Expr, walk
from lossmith.lazy import cached_property
from lossmith.record import Record

REDUCTIONS = ("sum", "max", "count")
SCANS = ("cumsum", "reverse_cumsum")


class Plain(Record):
    """A pass where no class is the exceptional one (the target's, as a rule): what to compute instead of its nodes."""

    exception: Expr  # the number of the exceptional class
    order: tuple[Expr, ...]
    instead: dict[Expr, Expr]


class Pass(Record):
    """One sweep over the classes.

    ``before``: per-sample nodes to compute first; ``loads``: rows that earlier passes kept; ``order``: row nodes to
    compute; ``reductions`` of them; ``keeps``: rows to keep; ``outputs``: roots that are complete here.
    """

    backward: bool
    before: tuple[Expr, ...]
    loads: tuple[Expr, ...]
    order: tuple[Expr, ...]
    reductions: tuple[Expr, ...]
    keeps: tuple[Expr, ...]
    outputs: tuple[Expr, ...]
    plain: Plain | None


LOOK = Pass(False, (), (), (), (), (), (), None)  # where nothing is computed class by class, but inputs are checked


class Plan:
    """The passes of the roots, and the per-sample nodes after the last."""

    def __init__(self, roots: tuple[Expr, ...], known: set[Expr]) -> None:
        """``known`` nodes have values before the first pass: they are the same for all samples."""
        self._roots = roots
        self._nodes = [node for node in walk(roots) if node not in known]
        self._ready: dict[Expr, int] = {}
        for node in self._nodes:
            self._ready[node] = self._step(node)
        self.passes, self.after = self._passes()

    def _step(self, node: Expr) -> int:
        """The number of the first pass (or, for a number per sample, before which pass) that can have the node."""
        least = max((self._ready.get(arg, 0) for arg in node.args), default=0)
        return least + 1 if node.op in (*REDUCTIONS, "reverse_cumsum") else least

    @cached_property
    def kept(self) -> tuple[Expr, ...]:
        return tuple(node for one in self.passes for node in one.keeps)

    def _passes(self) -> tuple[tuple[Pass, ...], tuple[Expr, ...]]:
        targets = self._targets()
        first: dict[Expr, int] = {}
        closures = [self._closure(wanted, number, first) for number, (_, _, wanted) in enumerate(targets)]
        stored = {node for _, loads in closures for node in loads}
        done: set[Expr] = set()
        passes = []
        for number, (step, backward, wanted) in enumerate(targets):
            order, loads = closures[number]
            reductions = [n for n in self._nodes if n.op in REDUCTIONS and self._ready[n] == step + 1]
            outputs = [r for r in dict.fromkeys(self._roots) if r.row and r in set(wanted)]
            keeps = tuple(n for n in order if n in stored and first[n] == number)
            before = self._samples(step, done)
            if backward:
                reductions, outputs = [], []
            plain = self._plain(order, loads, (*wanted, *keeps))
            passes.append(Pass(backward, before, loads, order, tuple(reductions), keeps, tuple(outputs), plain))
        return tuple(passes), self._samples(None, done)

    def _at(self, node: Expr) -> int:
        return self._ready.get(node, 0)

    def _targets(self) -> list[tuple[int, bool, tuple[Expr, ...]]]:
        """(step, direction, row nodes wanted) of every pass."""
        found: dict[tuple[int, bool], dict[Expr, None]] = {}
        for node in self._nodes:
            if node.op in REDUCTIONS:
                found.setdefault((self._at(node.args[0]), False), {})[node.args[0]] = None
            elif node.op in SCANS:
                found.setdefault((self._at(node.args[0]), node.op == "reverse_cumsum"), {})[node] = None
        for root in self._roots:
            if root.row:
                found.setdefault((self._at(root), False), {})[root] = None
        return [(step, backward, tuple(found[step, backward])) for step, backward in sorted(found)]

    def _closure(
        self, wanted: tuple[Expr, ...], number: int, first: dict[Expr, int]
    ) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
        """(row nodes to compute in order, rows to load): what was dear is kept, what was cheap is computed again."""
        order: dict[Expr, None] = {}
        loads: dict[Expr, None] = {}
        stack = [(node, False) for node in reversed(wanted)]
        while stack:
            node, ready = stack.pop()
            if ready:
                order[node] = None
            elif node.row and node not in order and node not in loads:
                if node.args and node.op not in CHEAP and first.setdefault(node, number) < number:
                    loads[node] = None
                else:
                    stack.append((node, True))
                    stack.extend((arg, False) for arg in reversed(node.args))
        return tuple(order), tuple(loads)

    def _samples(self, step: int | None, done: set[Expr]) -> tuple[Expr, ...]:
        """Per-sample nodes that can be computed before the pass and have not been."""
        found = []
        for node in self._nodes:
            if node.row or node.op in REDUCTIONS or not node.args or node in done:
                continue
            if step is None or self._at(node) <= step:
                found.append(node)
                done.add(node)
        return tuple(found)

    def _plain(self, order: tuple[Expr, ...], loads: tuple[Expr, ...], wanted: tuple[Expr, ...]) -> Plain | None:
        """The same nodes where every ``where(index == y, a, b)`` is b; None where it is not as simple as that."""
        tests = {node: _other_side(node) for node in order if node.op == "eq" and _other_side(node) is not None}
        exceptions = dict.fromkeys(tests.values())
        if len(exceptions) != 1 or any(node.op in SCANS for node in order):
            return None
        new: dict[Expr, Expr] = {node: node for node in loads}
        for node in order:
            if node in tests:
                continue
            if node.op == "where" and node.args[0] in tests:
                new[node] = new.get(node.args[2], node.args[2])
            elif any(arg in tests for arg in node.args):
                return None
            elif node.args:
                args = tuple(new.get(arg, arg) for arg in node.args)
                new[node] = Expr(node.op, args, row=any(arg.row for arg in args), boolean=node.boolean)
            else:
                new[node] = node
        (exception,) = exceptions
        targets = tuple(new[node] for node in wanted)
        given = set(loads)
        needed = [n for n in walk_until(targets, given) if n.row or n not in self._ready]
        return None if exception is None else Plain(exception, tuple(needed), new)


def _other_side(test: Expr) -> Expr | None:
    """y in ``index == y``, where y is one number per sample."""
    found = [side for side in test.args if not side.row]
    return found[0] if len(found) == 1 and any(side is INDEX for side in test.args) else None


def walk_until(roots: Iterable[Expr], given: set[Expr]) -> Iterator[Expr]:
    """Every node of the rows below the roots once, arguments first; what is given is not looked into."""
    done = set(given)
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready or not node.args:
                done.add(node)
                yield node
            elif not (node.op in REDUCTIONS or node.op == "at_class"):
                stack.append((node, True))
                stack.extend((arg, False) for arg in reversed(node.args))
