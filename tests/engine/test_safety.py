"""Machine code as a good guest: the caller's floating modes, signals, forks, threads and memory."""

import ctypes
import itertools
import mmap
import os
import platform
import re
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm
from engine.calls import DTYPES, PLAIN, bits, data, fresh
from lossmith.formula import Real

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
linux = pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")


def python(code, *arguments, timeout=120, **environment):
    """What the code prints in a new interpreter that ends well."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code, *arguments], capture_output=True, text=True, check=False,
        timeout=timeout, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-3000:])
    return done.stdout


# floating modes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def flushing():
    """Whether numbers too small to be normal become 0 in this thread, as some libraries leave it."""
    torch = pytest.importorskip("torch")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot")
    torch.set_flush_denormal(False)  # data are made as usual
    try:
        yield lambda: float(np.float64(2e-308) * np.float64(0.25)) == 0.0
    finally:
        torch.set_flush_denormal(False)


def small(case, dtype, n):
    """Numbers and results around the smallest normal one, where the domain has them."""
    random = np.random.default_rng(1)
    y, f = data(case, random, n, dtype)
    tiny = float(np.finfo(dtype).tiny)
    domain = case.formula.predictions[0].domain
    for a, inside in ((y, case.formula.target.domain), (f, domain)):
        if a.dtype.kind == "f" and inside.low in (-np.inf, 0.0) and not inside.simplex:
            a[::3] *= tiny * 4
            a[1::3] *= np.sqrt(tiny) / 2
    return y, f


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_flush_to_zero_changes_no_bit(case, dtype, flushing):
    torch = pytest.importorskip("torch")
    for n in (40, 20_000) if case.name in ("squared_error", "poisson", "cross_entropy") else (40,):
        y, f = small(case, dtype, n)
        weight = np.linspace(0.1, 1.0, n).astype(dtype)
        answers = {}
        for mode in (False, True):
            torch.set_flush_denormal(mode)
            loss, found = fresh(case.loss), []
            for _ in range(2):  # the direct road, then the fast one
                for masks in ({}, {"weight": weight}):
                    asked = [{"reduction": reduction, **masks} for reduction in ("sum", "mean", "none")]
                    found += [loss.value_and_gradient(y, f, **each) for each in asked]
                    found.append(loss.hessian(y, f, **masks))
                assert flushing() == mode  # the caller's mode is as it was
            torch.set_flush_denormal(False)  # comparing is arithmetic too
            answers[mode] = bits(*found)
        assert answers[True] == answers[False]


@pytest.mark.parametrize("engine", ["llvm", "arrays"])
def test_flush_to_zero_changes_nothing_on_the_checked_road(engine, flushing, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    y, f, tiny, single = np.zeros(2), np.array([1.0, 3.0]), np.array([1e-310, 3e-310]), np.array(1e-310)
    answers = {}
    for mode in (False, True):
        torch.set_flush_denormal(mode)
        loss = fresh(lm.squared_error())
        totals = loss.total(y, f, weight=tiny)
        found = [loss(y, f, weight=tiny), *loss.value_and_gradient(y, f, weight=tiny), totals.sum, totals.weight]
        found += [loss.gradient(y, f, weight=tiny), fresh(lm.absolute_error())(0.0, single), loss.gradient(0.0, single)]
        found += loss.gradient_and_curvature(y, f, weight=tiny)
        assert flushing() == mode
        torch.set_flush_denormal(False)
        answers[mode] = bits(*found)
    assert answers[True] == answers[False]


def test_the_mode_matters():
    """NumPy itself gives other bits: the test above can fail."""
    torch = pytest.importorskip("torch")
    torch.set_flush_denormal(True)
    try:
        flushed = (np.full(8, 3e-160) * np.full(8, 1e-150)).any()
    finally:
        torch.set_flush_denormal(False)
    assert not flushed


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="MXCSR is x86's")
def test_a_mean_of_tiny_losses_keeps_its_digits(flushing):
    y, f = np.zeros(3), np.full(3, 3e-161)  # a sum that is not normal
    loss = lm.squared_error()
    torch = pytest.importorskip("torch")
    torch.set_flush_denormal(False)
    right = [loss(y, f), loss(y, f, reduction="sum"), loss.gradient(y, f)[0]]
    torch.set_flush_denormal(True)
    found = [fresh(loss)(y, f), loss(y, f), loss(y, f, reduction="sum"), loss.gradient(y, f)[0]]
    torch.set_flush_denormal(False)
    assert right[0] != 0.0
    assert found == [right[0], *right]


# signals --------------------------------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import lossmith as lm

kind, threads, together = sys.argv[1:4]
lm.set_threads(int(threads))
n = 3_000_000_000
if kind == "pointwise":
    y = np.broadcast_to(np.float32(0.5), (n,))
    loss, data, few = lm.log_cosh(), (y, y), (y[:10], y[:10])
else:
    f = np.zeros((1, 1000), np.float32) if kind == "along" else np.zeros((1, 20), np.float32)
    f = np.tile(f, (100_000_000 // f.shape[1], 1))
    data = np.broadcast_to(np.int64(1), (len(f),)), f
    loss, few = lm.cross_entropy(), (data[0][:20], f[:20])
repeats = 1 if kind == "pointwise" else 1000
loss(*few)
start = []

def interrupt():
    time.sleep(0.5)
    start.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    for _ in range(repeats):
        loss(*data)
except KeyboardInterrupt:
    print(time.perf_counter() - start[0])
else:
    print("finished")
print(loss(*few) == loss(*few))  # and all is as before
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "threads"),
    [("pointwise", 1), ("pointwise", 2), ("along", 2), pytest.param("across", 2, marks=pytest.mark.full)],
)
def test_an_interrupt_ends_a_long_call_soon(kind, threads):
    waited, after = python(INTERRUPTED, kind, str(threads), "").split()
    assert float(waited) < 1.0 and after == "True"


HANDLED = """
import os, signal, threading, time
import numpy as np
import lossmith as lm

seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(time.perf_counter()))
y = np.zeros(60_000_000, np.float32)  # one thread: the fast road, which gives the lock away
lm.set_threads(1)
loss = lm.log_cosh()
right = loss(y[:1000], y[:1000]), loss(y[:100_000], y[:100_000])
start = []

def ring():
    time.sleep(0.05)
    start.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGUSR1)

thread = threading.Thread(target=ring)
thread.start()
while not seen:
    assert loss(y, y) == 0.0
thread.join()
print(seen[0] - start[0])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
def test_other_signals_are_handled_in_between_and_the_call_goes_on():
    assert float(python(HANDLED)) < 1.0


# forks ----------------------------------------------------------------------------------------------------------------

FORKS = """
import os, signal, sys, threading, warnings
import numpy as np
import lossmith as lm
from lossmith.engine.llvm import run

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
run._PARALLEL = 0.0
lm.set_threads(3)
y, f = np.zeros(50_000, np.float32), np.linspace(-3, 3, 50_000, dtype=np.float32)
ids, scores = np.arange(3000) % 7, np.linspace(-3, 3, 21_000).reshape(3000, 7)
losses = [(lm.huber(), y, f), (lm.cross_entropy(), ids, scores)]
right = [loss.value_and_gradient(a, b) for loss, a, b in losses]
wrong, stop = [], []

def works():
    for (loss, a, b), (value, gradient) in zip(losses, right):
        found = loss.replaced().value_and_gradient(a, b)
        if found[0] != value or found[1].tobytes() != gradient.tobytes():
            return False
        if loss(a, b) != value:
            return False
    return True

def call_all_the_time():
    while not stop:
        if not works():
            wrong.append(True)

others = [threading.Thread(target=call_all_the_time, daemon=True) for _ in range(2)]
for thread in others:
    thread.start()
for n in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that waits for a lost lock dies of it
        os._exit(not works())
    assert os.waitpid(child, 0)[1] == 0, n
stop.append(True)
for thread in others:
    thread.join()
assert not wrong and works()
"""


LOADED = """
import os, sys
import lossmith as lm

lm.huber().value_and_gradient([0.0], [1.0])
def late():
    return [name for name in ("fast", "special", "across") if f"lossmith.engine.llvm.{name}" not in sys.modules]
assert late() == ["fast", "special", "across"]
child = os.fork()
if child == 0:
    os._exit(len(late()))
assert os.waitpid(child, 0)[1] == 0
"""


@fork
def test_a_child_begins_with_every_file_that_a_thread_might_be_loading():
    python(LOADED)


LAZY = """
import os, signal, threading
from lossmith.lazy import cached_property

class Slow:
    @cached_property
    def it(self):
        begun.set()
        done.wait()
        return 1

begun, done, slow, quick = threading.Event(), threading.Event(), Slow(), Slow()
thread = threading.Thread(target=lambda: slow.it, daemon=True)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)  # a child that waits for a lost lock dies of it
    done = threading.Event()
    done.set()
    os._exit(quick.it - 1)
assert os.waitpid(child, 0)[1] == 0
done.set()
thread.join()
assert slow.it == slow.it == 1
"""


@fork
def test_a_child_does_not_wait_for_an_attribute_that_a_thread_was_computing():
    python(LAZY)


def test_no_attribute_has_a_lock():
    """That of functools has one for all objects of a class, before Python 3.12."""
    for file in Path(lm.__file__).parent.rglob("*.py"):
        if file.name != "lazy.py":
            assert not re.search(r"functools.*cached_property", file.read_text(encoding="utf-8")), file


@fork
@pytest.mark.parametrize("cycles", [60, pytest.param(10_000, marks=pytest.mark.full)])
def test_forked_children_compute_while_threads_of_the_parent_do(cycles):
    python(FORKS, str(cycles), timeout=120 + cycles)


# threads of the caller ------------------------------------------------------------------------------------------------


def test_calls_from_many_threads_at_once_give_the_same_bits(monkeypatch):
    from lossmith.engine.llvm import run

    monkeypatch.setattr(run, "_PARALLEL", 0.0)
    random, jobs = np.random.default_rng(2), []
    for name, n, classes in (
        ("huber", 30_000, 1),
        ("cross_entropy", 2000, 9),
        ("cross_entropy", 300, 90),
        ("huber", 7, 1),
    ):
        case = next(case for case in PLAIN if case.name == name)
        y, f = data(case, random, n, "float32", classes)
        jobs.append((fresh(case.loss), y, f, bits(case.loss.value_and_gradient(y, f))))
    failures, start = [], threading.Barrier(6)

    def work():
        start.wait()
        try:
            for _ in range(30):
                for loss, y, f, right in jobs:  # never called before: plans and roads are made at once too
                    value, gradient = loss.value_and_gradient(y, f)
                    out = np.empty_like(f)
                    assert bits(value, gradient) == right
                    assert bits(loss.value_and_gradient(y, f, out=out)) == right
                    assert loss(y, f) == value
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_many_kinds_of_calls_from_many_threads():
    """However many kinds of calls a loss has seen, none is served wrongly, and none fails."""
    loss, y, f = lm.huber(delta=0.5), np.zeros(20), np.linspace(-2, 2, 20)
    right = loss(y, f), loss(y, f), bits(loss.gradient(y, f))
    failures = []

    def work(first):
        try:
            for k in range(400):
                loss.curvature(y, f, width=1.0 + first + k)
                assert (loss(y, f), loss(y, f), bits(loss.gradient(y, f))) == right
        except BaseException as error:
            failures.append(error)

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work, args=(first,)) for first in (0, 300, 77, 1000)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(switching)
    assert not failures
    np.full(4096, 7.7)  # what was freed is written over
    assert (loss(y, f), loss(y, f), bits(loss.gradient(y, f))) == right


# memory ---------------------------------------------------------------------------------------------------------------

MEGABYTE = 1 << 20


def traced(call):
    """The most memory that Python and NumPy held during a call, beyond what they held before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = call()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "n", "classes"), [
    ("huber", 3_000_000, 1), ("gaussian_nll", 1_500_000, 1), ("cross_entropy", 300_000, 10),
    ("cross_entropy", 10_000, 300), ("kl_divergence", 10_000, 300),
])  # fmt: skip
def test_a_call_takes_no_memory_but_for_its_result(name, n, classes, dtype):
    case = next(case for case in PLAIN if case.name == name)
    y, f = data(case, np.random.default_rng(3), 1000, dtype, classes)
    y, f = np.tile(y, (n // 1000, *(1,) * (y.ndim - 1))), np.tile(f, (n // 1000, *(1,) * (f.ndim - 1)))
    weight, where, out = np.ones(n, dtype), np.ones(n, bool), np.empty_like(f)
    loss = case.loss
    for masks in ({}, {"weight": weight, "where": where}):
        for call, allowed in (
            (lambda m: loss.value_and_gradient(y, f, out=out, **m), 0),
            (lambda m: loss.gradient(y, f, out=out, **m), 0),
            (lambda m: loss(y, f, **m), 0),
            (lambda m: loss.total(y, f, **m), 0),
            (lambda m: loss.value_and_gradient(y, f, **m), f.nbytes),
            (lambda m: loss(y, f, reduction="none", **m), n * f.itemsize),
        ):
            for _ in range(3):  # the first compiles, the last takes the fast road
                used, _result = traced(lambda c=call, m=masks: c(m))
            assert used < allowed + MEGABYTE, (masks.keys(), used, allowed)


RESIDENT = """
import re, sys
import numpy as np
import lossmith as lm

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

n, classes = int(sys.argv[1]), int(sys.argv[2])
f = np.ones((n, classes), np.float32) if classes else np.ones(n, np.float32)
y = np.zeros(n, np.int64 if classes else np.float32)
out, weight = np.ones_like(f), np.ones(n)
loss = lm.cross_entropy() if classes else lm.log_cosh()
for part in (500, 20_000):  # compiles, starts the threads
    for masks in ({}, {"weight": weight[:part]}):
        loss.value_and_gradient(y[:part], f[:part], out=out[:part], **masks)
        loss(y[:part], f[:part], **masks)
before = peak()
loss.value_and_gradient(y, f, out=out)
loss.value_and_gradient(y, f, out=out, weight=weight)
loss(y, f)
print(peak() - before)
"""


@linux
@pytest.mark.parametrize(("n", "classes"), [(20_000_000, 0), (1_000_000, 20), (20_000, 1000)])
def test_nor_does_machine_code_itself(n, classes):
    used = int(python(RESIDENT, str(n), str(classes)))
    assert used < 2 * MEGABYTE  # of 80 MB read and 80 MB written


# the edge of memory ---------------------------------------------------------------------------------------------------

PAGE = mmap.PAGESIZE


def at_the_edge(a, *, end):
    """A copy that memory which may not be touched follows (or precedes)."""
    a = np.ascontiguousarray(a)
    size = -(-a.nbytes // PAGE) * PAGE
    memory = mmap.mmap(-1, size + 2 * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (base, base + PAGE + size):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(page), PAGE, 0) == 0
    made = np.frombuffer(memory, a.dtype, a.size, PAGE + size - a.nbytes if end else PAGE).reshape(a.shape)
    made[...] = a
    return made


@lm.pointwise
def product(y: Real, f: Real):
    return y * f


def walk(share, seed):
    """Calls on arrays at the edge of memory; a touch beyond it ends the process."""
    import ml_dtypes

    random = np.random.default_rng(seed)
    floats = ("f2", ml_dtypes.bfloat16, "f4", "f8")
    targets = ("i1", "i8", "u2", "?", *floats)
    for n, classes in [*itertools.product((16, 17, 33), (0, 1, 2, 7, 9, 17, 25, 33, 48, 60, 65))] + [
        (n, 0) for n in range(1, 40)
    ]:
        for f_kind, y_kind, out_kind, end in itertools.product(floats, targets, floats, (True, False)):
            if random.random() > share:
                continue
            print(n, classes, f_kind, y_kind, out_kind, end, flush=True)
            for loss, shape in (
                ((lm.cross_entropy(), (n, classes)),) if classes else ((product(), n), (lm.gaussian_nll(), (n, 2)))
            ):
                y = random.integers(0, min(classes, 2) or 2, n).astype(y_kind)
                f = at_the_edge(random.normal(size=shape).astype(f_kind), end=end)
                weight = random.integers(1, 3, n).astype(random.choice(["f2", "f4", "f8", "i1"]))
                masks = {"weight": at_the_edge(weight, end=end), "where": at_the_edge(np.ones(n, bool), end=end)}
                out = at_the_edge(np.zeros(shape, out_kind), end=end)
                loss.gradient(at_the_edge(y, end=end), f, out=out, **(masks if random.random() < 0.5 else {}))


@linux
@pytest.mark.parametrize("share", [0.003, pytest.param(0.2, marks=pytest.mark.full)])
def test_nothing_beyond_an_array_is_touched(share):
    head = (
        f"import importlib.util as u; s = u.spec_from_file_location('safety', {__file__!r}); m = u.module_from_spec(s)"
    )
    python(f"{head}\ns.loader.exec_module(m)\nm.walk({share}, 4)", timeout=3600)


@pytest.mark.parametrize("written", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_beside_an_output_stays(dtype, written):
    import ml_dtypes

    kind = np.dtype(ml_dtypes.bfloat16 if written == "bfloat16" else written)
    random = np.random.default_rng(5)
    for classes, n in itertools.product((2, 8, 9, 16, 17, 33, 48, 49, 65), (3, 16, 17)):
        y, f = random.integers(0, classes, n), random.normal(size=(n, classes)).astype(dtype)
        room = np.full(f.size + 128, 7.0, kind)
        lm.cross_entropy().gradient(y, f, out=room[64:-64].reshape(f.shape))
        assert (room[:64] == 7.0).all() and (room[-64:] == 7.0).all(), (classes, n)
    for n in range(1, 36):
        for loss, shape in ((product(), (n,)), (lm.gaussian_nll(), (n, 2))):
            room = np.full(int(np.prod(shape)) + 128, 7.0, kind)
            loss.gradient(np.ones(n, dtype), np.ones(shape, dtype), out=room[64:-64].reshape(shape))
            assert (room[:64] == 7.0).all() and (room[-64:] == 7.0).all(), n
