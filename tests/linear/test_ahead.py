"""Memory is asked for features ahead of time in another way on other processors: nothing but the time may show it."""

import re

import numpy as np
import pytest

import lossmith as lm
from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import run
from lossmith.engine.llvm.ahead import Look, ask, ask_column
from lossmith.engine.llvm.compile import available
from lossmith.engine.llvm.emit import DOUBLE, LINE, Emitter
from lossmith.engine.llvm.spec import Spec
from lossmith.linear import moments, samples
from lossmith.linear.design import Design
from lossmith.linear.problem import Problem

pytestmark = pytest.mark.skipif(not available(), reason="without llvmlite there are no kernels")
N = 5_003


def laid(columns, order):
    X = np.asarray(np.random.default_rng(0).normal(size=(N, columns)), order="F" if order == "F" else "C")
    return np.hstack([X, X])[:, :columns] if order == "gaps" else X


def anew():
    for known in (run.kernel, moments._kernel, samples._known):
        known.cache_clear()


@pytest.fixture
def texts(monkeypatch):
    """The texts of all kernels that are made meanwhile, and none that were made before."""
    found, load = [], machine.load
    monkeypatch.setattr(machine, "load", lambda text, names: found.append(text) or load(text, names))
    anew()
    yield found
    anew()


@pytest.mark.parametrize("columns", [60, 160])
@pytest.mark.parametrize("order", ["C", "F", "gaps"])
@pytest.mark.parametrize("name", ["huber", "cross_entropy"])
def test_the_bits_are_the_same(name, order, columns, texts, monkeypatch):
    X, rng = laid(columns, order), np.random.default_rng(1)
    y, classes = (rng.integers(0, 3, N), 3) if name == "cross_entropy" else (rng.normal(size=N), 1)
    theta, found, asked = rng.normal(size=(columns + 1, classes)), [], []
    for far in (False, True):
        anew()
        texts.clear()
        monkeypatch.setattr(machine, "looks_far", lambda far=far: far)
        problem = Problem(lm.get(name), Design(X, None), y, None, 0.1, 0.0, 1.0)
        point = problem.at(theta)
        found.append((point.support, point.v.tobytes(), problem.design.centre.tobytes()))
        asked.append([re.findall(r"call void @llvm\.prefetch.*", text) for text in texts])
    assert found[0] == found[1]
    assert len(asked[0]) == len(asked[1]) > 1  # moments, and the pass
    assert asked[0] != asked[1] or (name, order) == ("cross_entropy", "F")  # which is asked for in one way


LOOKS = (Look.FIRST, Look.SECOND)


def places(write, looks):
    """How far from what is read the lines are that are asked for, at all these looks."""
    e = Emitter(DOUBLE)
    for look in looks:
        write(e, look)
    text = "\n".join(e.lines)
    steps = dict(re.findall(r"(\S+) = getelementptr i8, ptr \S+, i64 (\d+)$", text, re.MULTILINE))
    return sorted(int(steps[name]) for name in re.findall(r"prefetch\S*\(ptr (\S+),", text))


@pytest.mark.parametrize("matrix", ["float64", "float32"])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("looks", [LOOKS, (Look.ONLY,)])
def test_rows_in_order_are_asked_for_line_by_line(looks, wide, matrix):
    spec = Spec("float64", (), (), (), matrix=matrix, wide=wide, far=True)
    found = places(lambda e, look: ask(e, spec, "%row", "%stride", "%at", look), looks)
    assert found == list(range(found[0], found[0] + 64 * np.dtype(matrix).itemsize, LINE))


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("looks", [LOOKS, (Look.ONLY,)])
def test_columns_are_asked_for_line_by_line(looks, far):
    spec = Spec("float64", (), (), (), matrix="float32", columns=True, far=far)
    found = places(lambda e, look: ask_column(e, spec, "%place", 128, look), looks)
    assert found == list(range(found[0], found[0] + 512, LINE)) and found[0] % 512 == 0
