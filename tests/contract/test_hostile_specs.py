"""from_spec runs no code, bounds its size, and answers every bad spec with a ValueError."""

import json
import time

import pytest

import lossmith as lm
from lossmith.formula import Positive, Real, log1p

from . import samples

pytestmark = pytest.mark.slow


@lm.pointwise
def hostile_target(y: Real, f: Real, *, scale: Positive = 1.0):
    """A loss with an expression in its spec."""
    return log1p(((f - y) / scale) ** 2)


ORIGINALS = {
    "built-in": lm.huber(delta=1.5),
    "own": hostile_target(scale=2.0),
    "sum": 2 * lm.huber(delta=0.5) + hostile_target(),
    "weighted": lm.hinge(labels=(-1, 1)).class_weighted({-1: 1, 1: 9}),
    "rows": lm.cross_entropy(class_weight=[1.0, 2.0, 3.0], ignore_index=-1),
}


def nested(depth, wrap):
    spec = []
    for _ in range(depth):
        spec = wrap(spec)
    return spec


def cyclic_list():
    spec = []
    spec.append(spec)
    return spec


def cyclic_dict():
    spec = {}
    spec["formula"] = spec["loss"] = spec["name"] = spec
    return spec


CODE = [
    "__import__('os').system('touch touched')",
    "().__class__.__bases__[0].__subclasses__()",
    "open('touched', 'w')",
    "exec('raise SystemExit')",
    "os.system",
    "../../etc/passwd",
    "\x00",
    "a" * 100_000,
]


@pytest.mark.parametrize(
    "spec",
    [
        None,
        True,
        0,
        1.5,
        "",
        "huber",
        b"huber",
        [],
        {},
        [[]],
        {"a": 1},
        {"name": "huber"},
        {"name": None},
        {"name": ["huber"]},
        {"name": {"name": "huber"}},
        {1: 2},
        {None: None},
        object(),
        len,
        lm.huber,
        float("nan"),
        {"loss": "huber", "params": {"delta": float("nan")}},
        {"version": 10**400},
        {"op": "call", "args": ["os.system", "touch touched"]},
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_what_is_no_spec_is_a_value_error(spec):
    with pytest.raises(ValueError):
        lm.from_spec(spec)


@pytest.mark.parametrize("depth", [1000, 200_000])
@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"formula": inner}], ids=["lists", "objects"])
def test_a_deeply_nested_spec_is_a_value_error(depth, wrap):
    with pytest.raises(ValueError):
        lm.from_spec(nested(depth, wrap))


@pytest.mark.parametrize("made", [cyclic_list, cyclic_dict])
def test_a_spec_that_contains_itself_is_a_value_error(made):
    with pytest.raises(ValueError):
        lm.from_spec(made())


def places(spec, path=()):
    """Every place in a spec: the keys and indices that lead to it."""
    yield path
    children = spec.items() if isinstance(spec, dict) else enumerate(spec) if isinstance(spec, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def replaced(spec, path, value):
    """A copy of the spec with another value at one place."""
    fresh = json.loads(json.dumps(spec))
    if not path:
        return value
    inner = fresh
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return fresh


def refused_or_usable(spec):
    try:
        loss = lm.from_spec(spec)
    except ValueError:
        return
    assert isinstance(loss.name, str) and isinstance(hash(loss), int)
    assert lm.from_spec(json.loads(json.dumps(loss.spec()))) == loss


HOSTILE = {
    "null": None,
    "true": True,
    "minus one": -1,
    "zero": 0,
    "large": 10**9,
    "huge integer": 10**400,
    "fraction": 0.5,
    "nan": float("nan"),
    "infinite": float("inf"),
    "word": "nonsense",
    "empty word": "",
    "empty list": [],
    "empty object": {},
    "nested": [[[[1]]]],
    "object": {"name": "huber"},
    "not JSON": object(),
    "code": CODE[0],
    "long word": "a" * 100_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("original", ORIGINALS)
def test_any_part_may_be_anything(original, kind):
    spec = json.loads(json.dumps(ORIGINALS[original].spec()))
    for path in places(spec):
        refused_or_usable(replaced(spec, path, HOSTILE[kind]))


@pytest.mark.parametrize("original", ORIGINALS)
def test_any_part_may_be_missing_or_one_too_many(original):
    spec = json.loads(json.dumps(ORIGINALS[original].spec()))
    for path in [path for path in places(spec) if path]:
        fresh = json.loads(json.dumps(spec))
        inner = fresh
        for key in path[:-1]:
            inner = inner[key]
        held = inner.pop(path[-1])
        refused_or_usable(fresh)
        if isinstance(inner, dict):
            inner[path[-1]], inner["unknown"] = held, 1
        else:
            inner.extend([held, held])
        refused_or_usable(fresh)


@pytest.mark.parametrize("original", ORIGINALS)
def test_any_part_may_refer_to_any_other(original):
    """Whole numbers in a spec may be references: to itself, forward, past the end."""
    spec = json.loads(json.dumps(ORIGINALS[original].spec()))
    for path in places(spec):
        for number in (*range(12), 99, -2):
            refused_or_usable(replaced(spec, path, number))


@pytest.mark.parametrize("original", ORIGINALS)
def test_any_part_may_be_deep_or_cyclic(original):
    spec = json.loads(json.dumps(ORIGINALS[original].spec()))
    for path in places(spec):
        for value in (nested(5000, lambda inner: [inner]), nested(5000, lambda inner: {"a": inner}), cyclic_list()):
            if path:
                with pytest.raises(ValueError):
                    lm.from_spec(replaced(spec, path, value))


@pytest.mark.parametrize("code", CODE, ids=lambda code: code[:20])
def test_from_spec_runs_no_code(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for original in ORIGINALS.values():
        spec = json.loads(json.dumps(original.spec()))
        for path in places(spec):
            refused_or_usable(replaced(spec, path, code))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("original", ["own", "sum"])
def test_a_spec_of_a_million_nodes_is_refused_quickly(original):
    spec = json.loads(json.dumps(ORIGINALS[original].spec()))
    grown = 0
    for path in places(spec):
        inner = spec
        for key in path:
            inner = inner[key]
        if not isinstance(inner, list) or not inner:
            continue
        large = replaced(spec, path, inner * (1_000_000 // len(inner) + 1))
        started = time.perf_counter()
        with pytest.raises(ValueError):
            lm.from_spec(large)
        assert time.perf_counter() - started < 1.0
        grown += 1
    assert grown


def test_a_long_sum_is_refused_or_built_but_never_overflows():
    loss = lm.huber()
    try:
        for _ in range(300):
            loss = loss + lm.absolute_error()
        value = loss(*samples.REAL)
        assert lm.from_spec(json.loads(json.dumps(loss.spec())))(*samples.REAL) == value
    except ValueError:
        return
