"""How many threads: what the user says; else the least of what affinity, control groups and the environment allow."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import lossmith as lm
from lossmith.engine import threads


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """As in a process that nobody has said anything about, on a machine of 64 processors."""
    for name in ("OMP_NUM_THREADS", "LOSSMITH_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_chosen", 0)
    monkeypatch.setattr(threads, "_limit", threads._Limit())
    monkeypatch.setattr(threads, "_processors", lambda: 64)
    monkeypatch.setattr(threads, "_quota", lambda: float("inf"))
    threads._granted.cache_clear()
    yield
    threads._granted.cache_clear()


@pytest.mark.parametrize("n", [0, -1, 1.0, 2.5, "2", None, True, np.True_, np.zeros(2, int)])
def test_only_a_count_is_a_count(n):
    with pytest.raises(ValueError, match="n must be a whole number >= 1"):
        lm.set_threads(n)
    assert threads.thread_count() == 64


def test_the_user_has_the_last_word(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for n in (1, 5, 200, np.int64(2)):
        lm.set_threads(n)
        assert threads.thread_count() == n


@pytest.mark.parametrize(
    ("openmp", "lossmith", "count"),
    [
        ("3", "", 3),
        ("", "5", 5),
        ("3", "5", 3),
        ("5", "3", 3),
        (" 4 ", "", 4),
        ("6,2", "", 6),  # one number per level
        ("100", "100", 64),
        ("0", "-2", 64),
        ("many", "2.5", 64),
    ],
)
def test_the_environment_may_ask_for_less(monkeypatch, openmp, lossmith, count):
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    monkeypatch.setenv("LOSSMITH_NUM_THREADS", lossmith)
    assert threads.thread_count() == count


@pytest.mark.parametrize(("quota", "count"), [(float("inf"), 64), (1.5, 2), (2.0, 2), (0.1, 1), (1000.0, 64)])
def test_a_quota_is_rounded_up(monkeypatch, quota, count):
    monkeypatch.setattr(threads, "_quota", lambda: quota)
    assert threads.thread_count() == count


TWO = "0::/user.slice/job\n"
ONE = "12:memory:/elsewhere\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        (TWO, {}, float("inf")),
        (TWO, {"cpu.max": "max 100000"}, float("inf")),
        (TWO, {"cpu.max": "150000 100000"}, 1.5),
        (TWO, {"user.slice/cpu.max": "300000 100000"}, 3),
        (TWO, {"user.slice/cpu.max": "300000 100000", "user.slice/job/cpu.max": "50000 50000"}, 1),
        (TWO, {"user.slice/cpu.max": "300000 100000", "user.slice/job/cpu.max": "max 100000"}, 3),
        (TWO, {"another/cpu.max": "100000 100000"}, float("inf")),
        (TWO, {"cpu.max": ""}, float("inf")),
        (ONE, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        (ONE, {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 2.5),
        (
            ONE,
            {"cpu/docker/abc/cpu.cfs_quota_us": "400000", "cpu/docker/abc/cpu.cfs_period_us": "100000"},
            4,
        ),
        (ONE, {"memory/elsewhere/cpu.max": "100000 100000"}, float("inf")),
        (None, {"cpu.max": "100000 100000"}, float("inf")),
    ],
)
def test_the_least_quota_of_a_group_and_those_around_it(monkeypatch, tmp_path, membership, files, quota):
    monkeypatch.undo()
    mount, groups = tmp_path / "mount", tmp_path / "groups"
    for name, text in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    if membership is not None:
        groups.write_text(membership)
    assert threads._quota(mount, groups) == quota


def fresh(code: str) -> str:
    """What the code prints in a new interpreter that is not told how many threads to use."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_affinity_counts():
    code = (
        "import os\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from lossmith.engine.threads import thread_count\n"
        "print(thread_count())"
    )
    assert fresh(code) == "1\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_counts_anew():
    code = (
        "import os\n"
        "from lossmith.engine.threads import thread_count\n"
        "os.environ['LOSSMITH_NUM_THREADS'] = '1'\n"
        "assert thread_count() == 1\n"
        "os.environ['LOSSMITH_NUM_THREADS'] = str(os.cpu_count())\n"
        "assert thread_count() == 1\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(thread_count())\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert fresh(code) == fresh("from lossmith.engine.threads import thread_count; print(thread_count())")


# threadpoolctl --------------------------------------------------------------------------------------------------------


@pytest.fixture
def limits():
    found = pytest.importorskip("threadpoolctl")
    assert threads.thread_count() == 64  # which makes it known
    return found.threadpool_limits


def test_threadpoolctl_limits_within_its_context(limits):
    with limits(1):
        assert threads.thread_count() == 1
        with limits(3):
            assert threads.thread_count() == 3
        assert threads.thread_count() == 1
    assert threads.thread_count() == 64


def test_limits_of_others_are_not_ours(limits):
    with limits(1, user_api="blas"):
        assert threads.thread_count() == 64
    with limits(1, user_api="lossmith"):
        assert threads.thread_count() == 1


def test_after_a_limit_all_is_as_before(limits):
    for n in (2, 8):
        lm.set_threads(n)
        with limits(1):
            assert threads.thread_count() == 1
        assert threads.thread_count() == n
    lm.set_threads(5)
    assert threads.thread_count() == 5


def test_a_limit_is_for_the_thread_that_asked(limits):
    found = []
    with limits(1):
        thread = threading.Thread(target=lambda: found.append(threads.thread_count()))
        thread.start()
        thread.join()
        lm.set_threads(7)
        assert threads.thread_count() == 7  # whoever speaks last
    assert found == [64]


def test_threadpoolctl_tells_of_us(limits):
    from threadpoolctl import threadpool_info

    lm.set_threads(7)
    (ours,) = (library for library in threadpool_info() if library["user_api"] == "lossmith")
    assert ours["num_threads"] == 7


@pytest.mark.parametrize("first", ["threadpoolctl", "lossmith.engine.threads"])
def test_the_order_of_imports_does_not_matter(first):
    pytest.importorskip("threadpoolctl")
    code = (
        f"import {first}\n"
        "from lossmith.engine.threads import set_threads, thread_count\n"
        + ("" if first == "threadpoolctl" else "thread_count()\n")
        + "from threadpoolctl import threadpool_limits\n"
        "with threadpool_limits(1): print(thread_count())\n"
        "set_threads(3)\n"
        "print(thread_count())"
    )
    assert fresh(code) == "1\n3\n"


def test_without_threadpoolctl_nothing_is_missed():
    code = (
        "import sys\n"
        "sys.modules['threadpoolctl'] = None\n"
        "from lossmith.engine.threads import thread_count\n"
        "print(thread_count())"
    )
    assert int(fresh(code)) >= 1
