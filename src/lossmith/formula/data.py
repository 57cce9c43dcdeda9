"""A formula as JSON data and back. Reading runs no code, accepts only known operations, and bounds what it accepts."""

from __future__ import annotations

import math
from typing import Any

from lossmith.formula.domains import Domain
from lossmith.formula.expr import Expr, FormulaError, leaf, walk
from lossmith.formula.model import Argument, Formula
from lossmith.formula.primitives import LEAVES, PRIMITIVES
from lossmith.record import fields

MAX_NODES = 10_000
MAX_NAME = 200
# what every call takes beside the formula's own arguments
RESERVED = {"weight", "where", "reduction", "out", "validate", "width", "labels"}
# and what some call beside its per-sample inputs, here or in an adapter
TAKEN = {"self", "loss", "y_true", "y_pred", "input", "target", "predictions", "targets"}
_PARTS = ("target", "predictions", "extras", "params")
_PLAIN = fields(Domain(""))  # what of a domain need not be said


def number_to_data(value: float) -> float | str:
    """JSON has no infinities."""
    return value if math.isfinite(value) else repr(value)


def number_from_data(value: object) -> float:
    if isinstance(value, str) and value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise ValueError(f"spec: expected a number, not {shown(value)}")


def shown(value: object) -> str:
    """A foreign value for a message: short, and never by writing out something deep."""
    return (
        repr(value[:50])
        if isinstance(value, str)
        else repr(value)
        if isinstance(value, (float, bool))
        else type(value).__name__
    )


def _name(value: object) -> str:
    if not (isinstance(value, str) and value.isidentifier() and len(value) <= MAX_NAME):
        raise ValueError(f"spec: expected a name, not {shown(value)}")
    return value


def _argument_to_data(argument: Argument) -> dict[str, Any]:
    domain = {key: value for key, value in fields(argument.domain).items() if key == "name" or value != _PLAIN[key]}
    for bound in ("low", "high", "excluded"):
        if bound in domain:
            domain[bound] = number_to_data(domain[bound])
    return {"name": argument.name, "domain": domain} | ({"per_class": True} if argument.per_class else {})


def _argument_from_data(data: object) -> Argument:
    if not (isinstance(data, dict) and isinstance(data.get("domain"), dict)):
        raise ValueError("spec: an argument needs a name and a domain")
    values: dict[str, Any] = {}
    for key, value in data["domain"].items():
        if key not in _PLAIN:
            raise ValueError(f"spec: unknown property {shown(key)} of a domain")
        if key in ("low", "high", "excluded"):
            values[key] = number_from_data(value)
            if math.isnan(values[key]):
                raise ValueError(f"spec: {key} of a domain must be a number")
        elif key in ("name", "kind"):
            if not (isinstance(value, str) and len(value) <= MAX_NAME):
                raise ValueError(f"spec: {key} of a domain must be a short text")
            values[key] = value
        elif isinstance(value, bool):
            values[key] = value
        else:
            raise ValueError(f"spec: {key} of a domain must be true or false")
    if not isinstance(data.get("per_class", False), bool):
        raise ValueError("spec: per_class must be true or false")
    if "name" not in values or values.get("kind", "real") not in ("real", "label", "class id", "level", "row"):
        raise ValueError("spec: a domain needs a name and one of the known kinds")
    return Argument(_name(data.get("name")), Domain(**values), data.get("per_class", False))


def formula_to_data(formula: Formula) -> dict[str, Any]:
    """Nodes in order, each as [operation, indices of its arguments, constant or name]."""
    roots = {"value": (formula.value,), "declared": formula.declared or ()}
    roots["class_factor"] = () if formula.class_factor is None else (formula.class_factor,)
    index: dict[Expr, int] = {}
    nodes: list[list[Any]] = []
    for node in walk([root for group in roots.values() for root in group]):
        index[node] = len(nodes)
        if node.args:
            nodes.append([node.op, [index[arg] for arg in node.args]])
        elif node.op == "const":
            nodes.append(["const", number_to_data(node.data)])
        else:
            nodes.append([node.op, node.data, node.row])
    parts: dict[str, Any] = {
        name: [_argument_to_data(a) for a in value]
        if isinstance(value := getattr(formula, name), tuple)
        else _argument_to_data(value)
        for name in _PARTS
    }
    return {"kind": formula.kind, "nodes": nodes} | parts | {k: [index[r] for r in group] for k, group in roots.items()}


def _node_from_data(item: object, done: list[Expr]) -> Expr:
    if not (isinstance(item, list) and 2 <= len(item) <= 3 and isinstance(item[0], str)):
        raise ValueError("spec: a node is [operation, arguments]")
    op, content = item[0], item[1]
    if op == "const":
        return leaf("const", number_from_data(content))
    if op in LEAVES:
        if len(item) == 3 and not isinstance(item[2], bool):
            raise ValueError(f"spec: whether {op} is a row must be true or false")
        name = None if op in ("index", "n_classes", "pi") else _name(content)
        return leaf(
            op, name, row=op == "index" or (op not in ("n_classes", "pi") and len(item) == 3 and item[2] is True)
        )
    if op not in PRIMITIVES:
        raise ValueError(f"spec: unknown operation {op[:50]!r}")
    if not (
        isinstance(content, list)
        and len(content) == PRIMITIVES[op].arity
        and all(type(i) is int and 0 <= i < len(done) for i in content)
    ):
        raise ValueError(f"spec: the arguments of {op} must be {PRIMITIVES[op].arity} earlier nodes")
    args = tuple(done[i] for i in content)
    for position, arg in enumerate(args):
        if arg.boolean != PRIMITIVES[op].takes_boolean(position):
            raise ValueError(f"spec: argument {position + 1} of {op} is of the wrong type")
    if PRIMITIVES[op].kind in ("reduction", "map") and not args[0].row:
        raise ValueError(f"spec: {op} needs a row")
    # the writer's graph is already folded, so building it again must not change it
    node = Expr(op, args, row=PRIMITIVES[op].kind != "reduction" and (op == "per_class" or any(a.row for a in args)),
                boolean=PRIMITIVES[op].kind in ("comparison", "logic"))  # fmt: skip
    return node


def formula_from_data(data: object) -> Formula:
    """Raises ValueError on anything but a well-formed, bounded formula."""
    if not isinstance(data, dict) or data.get("kind") not in ("pointwise", "rowwise"):
        raise ValueError("spec: a formula needs a kind, pointwise or rowwise")
    nodes = data.get("nodes")
    if not isinstance(nodes, list) or not 0 < len(nodes) <= MAX_NODES:
        raise ValueError(f"spec: a formula has between 1 and {MAX_NODES} nodes")
    done: list[Expr] = []
    for item in nodes:
        done.append(_node_from_data(item, done))

    def picked(key: str, most: int = 1) -> tuple[Expr, ...]:
        indices = data.get(key, [])
        if not (
            isinstance(indices, list)
            and len(indices) <= most
            and all(type(i) is int and 0 <= i < len(done) for i in indices)
        ):
            raise ValueError(f"spec: {key} must list nodes")
        return tuple(done[i] for i in indices)

    def arguments(key: str) -> tuple[Argument, ...]:
        found = data.get(key, [])
        if not (isinstance(found, list) and len(found) <= MAX_NODES):
            raise ValueError(f"spec: {key} must be a list of arguments")
        return tuple(_argument_from_data(item) for item in found)

    predictions = arguments("predictions")
    value, factor, declared = picked("value"), picked("class_factor"), picked("declared", len(predictions))
    if len(value) != 1:
        raise ValueError("spec: a formula has one value")
    formula = Formula(
        kind=data["kind"], value=value[0],
        target=_argument_from_data(data.get("target")), predictions=predictions, extras=arguments("extras"),
        params=arguments("params"), class_factor=factor[0] if factor else None, declare=declared or None,
    )  # fmt: skip
    check(formula)
    return formula


def check(formula: Formula) -> None:
    """A formula is whole: it uses only what it names, and gives one number per sample."""
    known = {a.as_input for a in (formula.target, *formula.predictions, *formula.extras)} | {
        p.as_param for p in formula.params
    }
    names = [a.name for a in (formula.target, *formula.predictions, *formula.extras, *formula.params)]
    if len(set(names)) != len(names) or not formula.predictions:
        raise ValueError("a formula needs at least one prediction, and every argument a name of its own")
    long = max(names, key=len)
    if len(long) > MAX_NAME:
        raise FormulaError(f"a name has at most {MAX_NAME} characters, but {long[:50]!r}... has {len(long)}")
    reserved = sorted(set(names) & RESERVED | {e.name for e in formula.extras} & TAKEN)
    if reserved:
        raise FormulaError(
            f"{reserved[0]!r} cannot name an argument of a formula: every loss takes an argument of that name"
        )
    if formula.kind == "rowwise" and not all(p.domain.row for p in formula.predictions):
        raise FormulaError("a row formula predicts a row: annotate its prediction with Scores or Probabilities")
    if formula.kind == "rowwise" and len(formula.predictions) > 1:
        raise FormulaError(f"a row formula predicts one row, not {', '.join(p.name for p in formula.predictions)}")
    for extra in formula.extras:
        if extra.domain.row:
            raise FormulaError(f"{extra.name}: a per-sample input is one number per sample, not {extra.domain.name}")
    if formula.value.row or formula.value.boolean:
        raise FormulaError(
            "a loss is one number per sample, but this formula ends in "
            + ("a condition" if formula.value.boolean else "a row: reduce it with sum, max, logsumexp or pick")
        )
    declared = () if callable(formula.declare) else formula.declare or ()
    factor = () if formula.class_factor is None else (formula.class_factor,)
    if declared and len(declared) != len(formula.predictions):
        raise FormulaError(
            f"a declared curvature is one expression per prediction, here {len(formula.predictions)} "
            f"({', '.join(p.name for p in formula.predictions)}), not {len(declared)}"
        )
    if any(part.boolean for part in declared):
        raise FormulaError("a declared curvature is a number, not a condition: use where")
    if any(part.boolean or part.row for part in factor):
        raise FormulaError("a class_factor is one number per sample: of a condition use where, of a row pick or sum")
    nodes = list(walk((formula.value, *declared, *factor)))
    if len(nodes) > MAX_NODES:
        raise FormulaError(f"a formula has at most {MAX_NODES:,} operations, but this one has {len(nodes):,}")
    for node in nodes:
        if node.op in ("input", "param") and node not in known and node.data != "width":
            raise ValueError(f"the formula uses {node.data!r}, which is not one of its arguments")
        if formula.kind == "pointwise" and (node.row or node.op == "n_classes"):
            raise FormulaError("a pointwise formula cannot use rows: decorate it with rowwise")
