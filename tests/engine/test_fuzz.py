"""Random calls by machine code and by the array engine: the same errors, results as near as rounded inputs allow.

``FUZZ_SEED`` chooses another start, ``FUZZ_CALLS`` another number of calls. A failure names the seed of its own round:
with ``FUZZ_SEED`` set to it, it is the first. ``FUZZ_TRACE=1`` says on stderr what is tried, should a process die.
"""

import math
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from engine.calls import by_arrays, data, exposed, fresh, outcome, priced, sized
from engine.test_layouts import backwards, read_only, strided, swapped, transposed, unaligned
from engine.test_layouts import field as record_field
from judges.points import cases

BRAIN = np.dtype(ml_dtypes.bfloat16)
DTYPES = {"float16": np.dtype("f2"), "bfloat16": BRAIN, "float32": np.dtype("f4"), "float64": np.dtype("f8")}
METHODS = ("__call__", "gradient", "hessian", "curvature", "value_and_gradient", "gradient_and_curvature")
LAYOUTS = (
    None,
    None,
    None,
    strided,
    backwards,
    unaligned,
    swapped,
    transposed,
    read_only,
    record_field,
    np.asfortranarray,
)
SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40, 64, 100, 257)
CASES = cases()


def pick(random, values):
    return values[int(random.integers(len(values)))]


@dataclass
class Call:
    """One call: everything but the loss."""

    method: str
    y: Any
    f: Any
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def arrays(self):
        return [self.y, self.f, *(self.more[k] for k in ("weight", "where", "exposure") if k in self.more)]

    def on(self, loss):
        more = dict(self.more)
        if "out" in more:
            more["out"] = np.full_like(more["out"], 7)
        return outcome(lambda: getattr(loss, self.method)(self.y, self.f, **more))


class Kind:
    """Calls that one plan serves: a loss, dtypes, layouts, masks. What differs are sizes and numbers."""

    def __init__(self, random):
        self.random = random
        case = pick(random, CASES)
        self.case = case
        self.rows = case.formula.kind == "rowwise"
        self.classes = int(pick(random, (1, 2, 3, 4, 7, 8, 9, 16, 17, 33, 48, 49, 60, 130))) if self.rows else 1
        self.extra = random.random() < 0.05
        if self.extra:
            names = {k: case for k, case in enumerate(CASES) if case.name in ("squared_error", "cross_entropy")
                     and case.kind != "row" and not case.params}  # fmt: skip
            self.case = pick(random, list(names.values()))
            self.rows = self.case.formula.kind == "rowwise"
            self.loss = priced(price=[1.0 + k % 3 for k in range(self.classes)]) if self.rows else exposed(scale=0.7)
        else:
            self.loss = sized(case, self.classes)
        self.dtype = pick(random, ("float32", "float64", "float32", "float64", "float16", "bfloat16"))
        self.target = pick(random, ("same", "same", "same", "float32", "float64", "int64", "int8", "uint16", "bool"))
        self.method = pick(random, METHODS)
        self.reduction = pick(random, ("mean", "mean", "sum", "none", "weighted_mean"))
        self.weight = pick(random, (None, None, "float64", "float32", "float16", "int64", "bool"))
        self.where = random.random() < 0.3
        self.out = (
            pick(random, (None, None, "float16", "float32", "float64")) if "and_curv" not in self.method else None
        )
        self.out = None if self.method == "__call__" else self.out
        self.layouts = [pick(random, LAYOUTS) for _ in range(4)]
        self.axes = int(pick(random, (1, 1, 1, 2, 3)))
        self.bad = random.random() < 0.15

    def __str__(self):
        masks = f"weight={self.weight} where={self.where} out={self.out} axes={self.axes} classes={self.classes}"
        return f"{self.loss} ({self.case.kind}) {self.method} {self.reduction} {self.dtype}/{self.target} {masks}"

    def call(self):
        random = self.random
        n = int(
            pick(random, SIZES) if random.random() < 0.98 else random.integers(8180, 8300) // max(1, self.classes // 4)
        )
        shape = (n,)
        if self.axes > 1:
            last = int(random.integers(1, 5))
            shape = (*(1,) * (self.axes - 2), n, last)
            n *= last
        y, f = data(self.case, random, n, "float64", self.classes)
        if random.random() < 0.3:  # confident predictions
            with np.errstate(over="ignore"):
                f = f * (20.0 if np.isinf(self.case.formula.predictions[0].domain.low) else 1.0)
        f = f.astype(DTYPES[self.dtype])
        y = self._target(y)
        if self.bad:
            self._spoil(y if random.random() < 0.5 else f)
        more: dict[str, Any] = {"reduction": self.reduction}
        if self.weight is not None:
            weight = random.uniform(0.0, 2.0, n) * (random.random(n) < 0.8)
            more["weight"] = (weight * 3).astype(self.weight) if self.weight != "float16" else weight.astype("f2")
            if self.bad and random.random() < 0.2:
                self._spoil(more["weight"])
        if self.where:
            more["where"] = random.random(n) < 0.8
        if self.extra:
            more["exposure"] = random.uniform(0.5, 1.5, n).astype(DTYPES[self.dtype])
        tail = f.shape[1:]
        y = y.reshape(shape + (tail if y.ndim > 1 else ()))
        f = f.reshape(shape + tail)
        more = {k: v.reshape(shape) if isinstance(v, np.ndarray) else v for k, v in more.items()}
        layouts = iter(self.layouts * 2)
        y, f = self._laid(y, next(layouts)), self._laid(f, next(layouts))
        more = {k: self._laid(v, next(layouts)) if isinstance(v, np.ndarray) else v for k, v in more.items()}
        if self.out is not None:
            more["out"] = np.empty(f.shape, self.out)
        return Call(self.method, y, f, more)

    def _laid(self, a, layout):
        if layout is None or (layout in (swapped, record_field, unaligned) and a.dtype == BRAIN):
            return a
        return layout(a)

    def _target(self, y):
        if self.target == "same":
            return y if y.dtype.kind == "i" else y.astype(DTYPES[self.dtype])
        if self.target.startswith("float") or y.dtype.kind != "f":
            return (y != 0) if self.target == "bool" else y.astype(self.target) if y.max() < 127 else y
        return y.astype(DTYPES[self.dtype])

    def _spoil(self, a):
        """A number that may be illegal, somewhere."""
        if a.dtype.kind in "iub":
            a.flat[int(self.random.integers(a.size))] = pick(self.random, (0, 1, 3)) if a.dtype.kind != "i" else -1
        else:
            values = (math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 2.0, 1e30, 1e-30, -0.0)
            with np.errstate(all="ignore"):
                a.flat[int(self.random.integers(a.size))] = pick(self.random, values)


# comparison -----------------------------------------------------------------------------------------------------------


def epsilon(dtype):
    return 2.0**-7 if dtype == BRAIN else float(np.finfo(dtype).eps)


def moved(a, factor):
    """Numbers a few units in the last place away; labels, counts and all that is whole stay."""
    if a.dtype.kind in "iub":
        return a
    wide = a.astype(np.float64)
    with np.errstate(all="ignore"):
        return np.where(wide == np.floor(wide), wide, wide * factor)


class Tolerance:
    """How far a result may move: a few units in the last place, or what that does when the inputs move so far."""

    def __init__(self, kind, call, expected):
        self.kind, self.call = kind, call
        floats = [a.dtype for a in (call.y, call.f) if a.dtype.kind not in "iub"]
        wide = any(d == np.float64 for d in floats) or not floats
        self.eps = 2.0**-52 if wide else 2.0**-23
        step = 16 * self.eps
        self.around = []
        for first, second in ((step, step), (-step, step), (step, -step)):
            y, f = moved(call.y, 1 + first), moved(call.f, 1 + second)
            more = {k: v for k, v in call.more.items() if k != "out"}
            with by_arrays():
                found = outcome(lambda: getattr(fresh(kind.loss), call.method)(y, f, **more))  # noqa: B023
            if not (isinstance(found, tuple) and isinstance(found[0], type)):
                self.around.append(parts(found))
        self.expected = parts(expected)

    def of(self, k, found):
        """Of the k-th result."""
        center = np.asarray(self.expected[k], np.float64)
        with np.errstate(all="ignore"):
            spread = sum((np.abs(np.asarray(a[k], np.float64) - center) for a in self.around), np.zeros(center.shape))
            size = np.abs(center) + (np.max(np.abs(center[np.isfinite(center)]), initial=0.0) if center.ndim else 0)
            allowed = 8 * np.nan_to_num(spread, nan=np.inf) + 64 * self.eps * size + 1e-300
            out = np.asarray(found).dtype
            if out in (np.float16, BRAIN, np.float32):
                limits = ml_dtypes.finfo(out)
                allowed = allowed + epsilon(out) * np.abs(center) + float(limits.smallest_subnormal)
                allowed = np.where(np.abs(center) > float(limits.max) / 1.01, np.inf, allowed)  # or infinite
        return np.where(np.isnan(allowed), np.inf, allowed) if self.around else np.full(center.shape, np.inf)


def shown(result):
    """What a result is, apart from its numbers and their byte order."""
    return type(result), np.shape(result), np.asarray(result).dtype.name


def parts(found):
    return list(found) if isinstance(found, tuple) else [found]


def disagreement(kind, call, machine, other):
    """What is wrong with the result of machine code; None if nothing."""
    found, expected = call.on(machine), None
    with by_arrays():
        expected = call.on(other)
    failed = [isinstance(x, tuple) and isinstance(x[0], type) for x in (found, expected)]
    if any(failed):
        return None if all(failed) and found == expected else f"{found!r} instead of {expected!r}"
    tolerance = None
    for k, (a, b) in enumerate(zip(parts(found), parts(expected), strict=True)):
        if shown(a) != shown(b):
            return f"{shown(a)} instead of {shown(b)}"
        x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if (np.isnan(x) != np.isnan(y)).any():
            return f"NaN: {x} instead of {y}"
        with np.errstate(all="ignore"):
            distance = np.where((x == y) | np.isnan(x), 0.0, np.abs(x - y))
        if (distance <= 2.0**-50 * np.abs(y)).all():
            continue
        tolerance = tolerance or Tolerance(kind, call, expected)
        allowed = tolerance.of(k, a)
        if not (distance <= allowed).all():
            place = tuple(np.argwhere(~(distance <= allowed))[0])
            return f"result {k} at {place}: {x[place]!r} instead of {y[place]!r} (within {allowed[place]:.2g})"
    return None


def rounds(seed, calls, calls_a_kind):
    """Every kind of call has a seed of its own."""
    for kind_seed in range(seed, seed + -(-calls // calls_a_kind)):
        kind = Kind(np.random.default_rng(kind_seed))
        if os.environ.get("FUZZ_TRACE"):
            print(kind_seed, kind, file=sys.__stderr__, flush=True)
        machine, other = fresh(kind.loss), fresh(kind.loss)
        for _ in range(calls_a_kind):
            call = kind.call()
            before = [np.asarray(a).tobytes() for a in call.arrays]
            wrong = disagreement(kind, call, machine, other)
            assert wrong is None, f"FUZZ_SEED={kind_seed}: {kind}: {wrong}"
            assert [np.asarray(a).tobytes() for a in call.arrays] == before, f"FUZZ_SEED={kind_seed}: {kind}: written"


SEED = os.environ.get("FUZZ_SEED")


def test_random_calls_agree_with_the_array_engine():
    rounds(int(SEED or 20_000), int(os.environ.get("FUZZ_CALLS", "2000")), 25)


@pytest.mark.full
def test_a_million_random_calls_agree_with_the_array_engine():
    rounds(int(SEED) if SEED else int(time.time()) * 1000, int(os.environ.get("FUZZ_CALLS", "1_000_000")), 200)


def test_the_two_engines_are_two(monkeypatch):
    """The array engine runs no kernel, and what is compared with it runs one."""
    from lossmith.engine.llvm.run import Kernel

    ran, true = [], Kernel.job
    monkeypatch.setattr(Kernel, "job", lambda *args: ran.append(1) or true(*args))
    for case in CASES[:40:5]:
        y, f = data(case, np.random.default_rng(1), 20, "float64", 3)
        with by_arrays():
            fresh(case.loss).value_and_gradient(y, f)
        assert not ran
        fresh(case.loss).value_and_gradient(y, f)
        assert ran
        ran.clear()


def test_a_wrong_result_is_noticed(monkeypatch):
    """A number in the last lane that is off by a thousandth, a swallowed error, NaN."""
    true = Call.on

    def spoiled(how):
        def on(call, loss):
            result = true(call, loss)
            return how(result) if "machine" in loss.__dict__ else result

        return on

    def shifted(result):
        if isinstance(result, np.ndarray) and result.size:
            result = result.copy()
            result.flat[-1] = result.flat[-1] * 1.001 + 0.001
        return result

    for how in (shifted, lambda result: result * math.nan if isinstance(result, np.ndarray) else result):
        seen = 0
        monkeypatch.setattr(Call, "on", spoiled(how))
        for seed in range(400):
            kind = Kind(np.random.default_rng(seed))
            if kind.reduction != "none" or kind.dtype not in ("float32", "float64") or kind.bad or kind.out:
                continue
            machine = fresh(kind.loss)
            machine.__dict__["machine"] = True
            call = kind.call()
            first = true(call, fresh(kind.loss))
            told = isinstance(first, np.ndarray) and np.isfinite(first).all()  # and is not lost beside the largest
            if told and np.abs(first.flat[-1]) > 0.01 * max(1.0, float(np.abs(first).max())):
                assert disagreement(kind, call, machine, fresh(kind.loss)) is not None, kind
                seen += 1
            if seen == 5:
                break
        assert seen == 5
