"""The pool: every block is done once whoever helps, and after a call nobody holds its job, whatever came in between."""

import ctypes
import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import pool

# Words of a job: next block, blocks, blocks a turn, stop, address of the counts, loops a block.
KERNEL = """
define i64 @kernel(ptr %job) {
entry:
  %blocks.at = getelementptr i64, ptr %job, i64 1
  %turn.at = getelementptr i64, ptr %job, i64 2
  %stop.at = getelementptr i64, ptr %job, i64 3
  %counts.at = getelementptr i64, ptr %job, i64 4
  %loops.at = getelementptr i64, ptr %job, i64 5
  %blocks = load i64, ptr %blocks.at
  %turn = load i64, ptr %turn.at
  %counts = load ptr, ptr %counts.at
  %loops = load i64, ptr %loops.at
  br label %claim
claim:
  %done = phi i64 [0, %entry], [%done.next, %finish]
  %stop = load atomic i64, ptr %stop.at monotonic, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %end, label %look
look:
  %pause = icmp sge i64 %done, %turn
  br i1 %pause, label %breath, label %take
take:
  %k = atomicrmw add ptr %job, i64 1 monotonic
  %more = icmp slt i64 %k, %blocks
  br i1 %more, label %work, label %end
work:
  %i = phi i64 [0, %take], [%i.next, %work]
  %sum = phi double [0.0, %take], [%sum.next, %work]
  %sum.next = fadd double %sum, 1.0
  %i.next = add i64 %i, 1
  %again = icmp slt i64 %i.next, %loops
  br i1 %again, label %work, label %finish
finish:
  %mine = getelementptr i64, ptr %counts, i64 %k
  %old = load i64, ptr %mine
  %worked = fptosi double %sum.next to i64
  %new = add i64 %old, %worked
  store i64 %new, ptr %mine
  %done.next = add i64 %done, 1
  br label %claim
breath:
  ret i64 1
end:
  ret i64 0
}
"""
LIBRARY = machine.load(KERNEL, ("kernel",))
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(LIBRARY.addresses["kernel"])


class Job:
    """So many blocks, each of which adds its number of loops, about a nanosecond a loop, to its own count."""

    def __init__(self, blocks: int, loops: int = 1, turn: int = 1 << 60) -> None:
        self.counts, self.loops = np.zeros(blocks, dtype=np.int64), loops
        self.words = np.array([0, blocks, turn, 0, self.counts.ctypes.data, loops], dtype=np.int64)

    def cancel(self) -> None:
        self.words[3] = 1

    def run(self, helpers: int) -> None:
        pool.run(FUNCTION, self.words.ctypes.data, helpers, self.cancel)

    @property
    def is_right(self) -> bool:
        return bool((self.counts == self.loops).all())


def right(blocks: int, helpers: int, loops: int = 1, turn: int = 1 << 60) -> bool:
    job = Job(blocks, loops, turn)
    job.run(helpers)
    return job.is_right


def nothing() -> None: ...


def fresh(code: str, *arguments: str, timeout: float = 60) -> str:
    """What the code prints in a new interpreter, which knows this file as ``jobs``."""
    head = f"import importlib.util, sys\nspec = importlib.util.spec_from_file_location('jobs', {__file__!r})\n"
    head += "jobs = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(jobs)\n"
    command = [sys.executable, "-c", head + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


# work -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("helpers", [0, 1, 2, 7])
@pytest.mark.parametrize(("blocks", "loops", "turn"), [(0, 1, 9), (1, 1, 1), (2, 1, 9), (1000, 1, 9), (300, 2000, 5)])
def test_every_block_is_done_once(helpers, blocks, loops, turn):
    for _ in range(50):
        assert right(blocks, helpers, loops, turn)


def help_comes(helpers: int) -> bool:
    """Whether so many helpers come, if they are waited for."""
    seen, end = set(), time.monotonic() + 10

    def function(address: int) -> int:
        seen.add(threading.get_ident())
        return len(seen) <= helpers and time.monotonic() < end

    pool.run(function, 0, helpers, nothing)
    return len(seen) == helpers + 1


def test_helpers_help():
    assert help_comes(3)


def test_helpers_that_do_not_wake_delay_nobody(monkeypatch):
    monkeypatch.setattr(pool, "_pool", pool._Pool())
    monkeypatch.setattr(pool, "start_new_thread", lambda *_: 0)
    assert right(1000, 3) and right(1000, 3)


@pytest.fixture(params=["at leisure", "in a hurry"])
def pace(request):
    """How often Python changes threads: in a hurry, between any two of its instructions."""
    before = sys.getswitchinterval()
    if request.param == "in a hurry":
        sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("pace")
def test_several_callers_at_once():
    wrong, start = [], threading.Barrier(3)

    def call() -> None:
        start.wait()
        wrong.extend(n for n in range(400) if not right(n % 50, 2, 300, 7))

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not any(caller.is_alive() for caller in callers) and not wrong


def test_calls_within_calls_are_right_and_do_not_wait():
    found = []

    def outer(address: int) -> int:
        found.append(right(100, 3))
        return len(found) < 20

    pool.run(outer, 0, 2, nothing)
    assert len(found) >= 20 and all(found)


def test_as_many_threads_as_the_system_grants(monkeypatch):
    monkeypatch.setattr(pool, "_pool", pool._Pool())
    true, granted = pool.start_new_thread, []

    def start(*args: object) -> None:
        if len(granted) == 2:
            raise RuntimeError("can't start new thread")
        granted.append(true(*args))

    monkeypatch.setattr(pool, "start_new_thread", start)
    for _ in range(20):
        assert right(100, 5)
    assert len(granted) == 2


def test_threads_are_started_once(monkeypatch):
    monkeypatch.setattr(pool, "_pool", pool._Pool())
    for helpers in (1, 3, 2, 3):
        for _ in range(20):
            assert right(100, helpers)
    assert len(pool._pool._workers) == 3


# nobody holds a job that is over --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("pace")
def test_nobody_enters_a_job_that_is_over():
    late = []
    for _ in range(3000):
        open_ = [True]
        pool.run(lambda address, open_=open_: 0 if open_ else late.append(1) or 0, 0, 3, nothing)
        open_.clear()
    assert not late


@pytest.mark.usefixtures("pace")
def test_nobody_keeps_what_a_job_refers_to():
    for helpers in (0, 1, 3):
        for _ in range(200):
            job = Job(50, 100)
            job.run(helpers)
            gone = weakref.ref(job)
            del job
            assert gone() is None


def test_the_call_waits_for_who_took_the_job():
    caller, took, over = threading.get_ident(), threading.Event(), []

    def function(address: int) -> int:
        if threading.get_ident() == caller:
            took.wait(10)
        else:
            took.set()
            time.sleep(0.2)
            over.append(True)
        return 0

    pool.run(function, 0, 1, nothing)
    assert over


def test_an_error_of_the_caller_cancels_waits_and_is_raised():
    caller, took, cancelled, over = threading.get_ident(), threading.Event(), threading.Event(), []

    def function(address: int) -> int:
        if threading.get_ident() == caller:
            took.wait(10)
            raise ZeroDivisionError
        took.set()
        assert cancelled.wait(10)
        time.sleep(0.2)
        over.append(True)
        return 0

    with pytest.raises(ZeroDivisionError):
        pool.run(function, 0, 1, cancelled.set)
    assert over and right(100, 1)


INTERRUPTED_WAIT = """
import os, signal, threading, time

main, took, over, given = threading.get_ident(), threading.Event(), [], []

def function(address):
    if threading.get_ident() == main:
        took.wait(10)  # and the rest is the helper's
    else:
        took.set()
        for _ in range(int(sys.argv[1])):
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        over.append(True)
    return 0

try:
    jobs.pool.run(function, 0, 1, lambda: given.append(True))
except KeyboardInterrupt:
    print(bool(over))
assert all(jobs.right(100, 1) for _ in range(100))
"""


@pytest.mark.parametrize("times", ["1", "5"])
def test_an_interrupted_wait_is_waited_to_its_end(times):
    assert fresh(INTERRUPTED_WAIT, times) == "True\n"


INTERRUPTED_WORK = """
import os, signal, threading, time

helpers, turn = int(sys.argv[1]), int(sys.argv[2])
job = jobs.Job(200, 30_000_000, turn)  # 200 blocks of about 30 ms, so 3 seconds at the least
interrupted = []

def interrupt():
    time.sleep(0.4)
    interrupted.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    job.run(helpers)
except KeyboardInterrupt:
    passed, claimed = time.perf_counter() - interrupted[0], job.words[0]
else:
    passed = 0
assert 0 < claimed < 200
time.sleep(0.2)
assert job.words[0] == claimed  # nobody goes on
assert all(jobs.right(100, helpers) for _ in range(100))
print(passed)
"""


@pytest.mark.parametrize("helpers", ["0", "1", "3"])
def test_a_long_call_is_interrupted_soon(helpers):
    assert float(fresh(INTERRUPTED_WORK, helpers, "1")) < 1


# processes ------------------------------------------------------------------------------------------------------------

FORKS = """
import os, signal, threading, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
stop, wrong = [], []

def call_all_the_time():
    while not stop:
        if not jobs.right(64, 2, 5000):
            wrong.append(True)

other = threading.Thread(target=call_all_the_time, daemon=True)
other.start()
for n in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that hangs dies of it
        os._exit(not (jobs.right(64, 2) and jobs.right(64, 3, 500, 4) and jobs.help_comes(2)))
    assert os.waitpid(child, 0)[1] == 0, n
    if n % 10 == 0:
        assert jobs.right(64, 2)
stop.append(True)
other.join()
assert not wrong
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize(
    "cycles", [pytest.param(200, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.full)]
)
def test_forked_children_compute_while_the_parent_does(cycles):
    fresh(FORKS, str(cycles), timeout=60 + cycles / 5)


ENDS = {
    "parked": "assert jobs.right(100, 3)",
    "raised": "assert jobs.right(100, 3)\nsys.exit()",
    "at work": (
        "import threading, time\n"
        "def work():\n"
        "    while True: jobs.right(1000, 2, 10_000)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.3)"
    ),
    "at exit": "import atexit\natexit.register(lambda: print(jobs.right(100, 3)))\nassert jobs.right(100, 1)",
    "first at exit": "import atexit\natexit.register(lambda: print(jobs.right(100, 3)))",
}


@pytest.mark.parametrize("end", ENDS)
def test_python_ends_quietly(end):
    for _ in range(2):
        assert fresh(ENDS[end]) == ("True\n" if "exit" in end else "")
