"""The disk cache: whatever is on the disk, the caller gets what he would have made, and is told what was wrong."""

import errno
import os
import stat
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import pytest

from lossmith.engine.llvm import cache
from lossmith.engine.llvm.cache import CacheWarning, kept

PARTS = ("define void @f()", "a processor")
CODE = bytes(range(256))
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are POSIX's")


class Maker:
    """Makes the code, and counts how often it had to."""

    def __init__(self, code: bytes = CODE) -> None:
        self.code, self.calls = code, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.code


@pytest.fixture
def directory(tmp_path, monkeypatch) -> Path:
    home = tmp_path / "deep" / "kernels"
    monkeypatch.setenv("LOSSMITH_CACHE", str(home))
    monkeypatch.setattr(cache, "_warned", False)
    return home


@pytest.fixture
def file(directory) -> Path:
    """The only file of the cache, good."""
    kept(PARTS, Maker())
    (path,) = directory.iterdir()
    return path


def is_right_and_warns(reason: str) -> None:
    maker = Maker()
    with pytest.warns(CacheWarning, match=reason) as caught:
        assert kept(PARTS, maker) == CODE
    assert maker.calls == 1 and len(caught) == 1


def is_kept() -> bool:
    """Whether the code now comes from the disk, with no word said."""
    maker = Maker()
    assert kept(PARTS, maker) == CODE
    return maker.calls == 0


def test_what_was_made_once_is_not_made_again(directory):
    maker = Maker()
    assert kept(PARTS, maker) == kept(PARTS, maker) == CODE
    assert maker.calls == 1


def test_empty_code_is_kept_too(directory):
    maker = Maker(b"")
    assert kept(PARTS, maker) == kept(PARTS, maker) == b""
    assert maker.calls == 1


@pytest.mark.parametrize("others", [("define void @g()", PARTS[1]), (PARTS[0], "another processor"), ("".join(PARTS),)])
def test_other_parts_are_another_entry(file, others):
    maker = Maker(b"other")
    assert kept(others, maker) == b"other"
    assert maker.calls == 1 and is_kept()


@posix
def test_only_the_owner_may_look(directory):
    before = os.umask(0)
    try:
        kept(PARTS, Maker())
    finally:
        os.umask(before)
    (path,) = directory.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_any_flipped_byte_is_seen(file):
    good = file.read_bytes()
    assert len(good) > len(CODE)
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        file.write_bytes(bad)
        cache._warned = False
        is_right_and_warns("is damaged")
        assert file.read_bytes() == good  # and mended


def test_any_other_length_is_seen(file):
    good = file.read_bytes()
    for bad in [*(good[:length] for length in range(len(good))), good + b"\0", good * 2]:
        file.write_bytes(bad)
        cache._warned = False
        is_right_and_warns("is damaged")
        assert file.read_bytes() == good


def test_a_good_file_under_another_name_is_not_taken(file):
    good = file.read_bytes()
    kept(("other",), Maker(b"other"))
    (other,) = set(file.parent.iterdir()) - {file}
    file.write_bytes(other.read_bytes())
    is_right_and_warns("is damaged")
    assert file.read_bytes() == good


def test_a_process_warns_once_and_names_the_file(file):
    file.write_bytes(b"")
    is_right_and_warns(file.name)
    file.write_bytes(b"")
    assert not is_kept()  # no warning: it would be an error here
    assert is_kept()


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_taken(file, mode):
    file.chmod(mode)
    is_right_and_warns("can be written by other users")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and is_kept()


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_may_write_is_not_used(file, mode):
    file.parent.chmod(mode)
    before = file.read_bytes(), file.stat().st_mtime_ns
    is_right_and_warns("can be written by other users")
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def owned_by_another(status: os.stat_result) -> os.stat_result:
    return os.stat_result((*status[:4], status.st_uid + 1, *status[5:]))


@posix
def test_a_file_of_another_owner_is_not_taken(file, monkeypatch):
    true = os.fstat
    monkeypatch.setattr(cache.os, "fstat", lambda descriptor: owned_by_another(true(descriptor)))
    is_right_and_warns("belongs to another user")


@posix
def test_a_directory_of_another_owner_is_not_used(file, monkeypatch):
    true = os.lstat
    monkeypatch.setattr(cache.os, "lstat", lambda path: owned_by_another(true(path)))
    file.unlink()
    is_right_and_warns("belongs to another user")
    assert not file.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_what_root_finds_of_another_user_is_not_taken(file):
    os.chown(file, 12345, -1)
    is_right_and_warns("belongs to another user")
    assert file.stat().st_uid == 0 and is_kept()
    os.chown(file.parent, 12345, -1)
    cache._warned = False
    is_right_and_warns("belongs to another user")


@posix
def test_a_link_is_not_followed(file, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(file.read_bytes())
    target.chmod(0o600)
    file.unlink()
    file.symlink_to(target)
    is_right_and_warns("is a link")
    assert not file.is_symlink() and target.exists() and is_kept()


@posix
@pytest.mark.parametrize("end", ["", "/", "//", "/."])
def test_a_directory_that_is_a_link_is_not_used(directory, tmp_path, monkeypatch, end):
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    directory.parent.mkdir()
    directory.symlink_to(target)
    monkeypatch.setenv("LOSSMITH_CACHE", f"{directory}{end}")
    is_right_and_warns("is a link")
    assert not list(target.iterdir())


@posix
def test_a_directory_may_lie_in_the_home_of_the_user(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOSSMITH_CACHE", "~/kernels")
    kept(PARTS, Maker())
    assert is_kept() and len(list((tmp_path / "kernels").iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_waited_for(file):
    file.unlink()
    os.mkfifo(file, 0o600)
    is_right_and_warns("is not a plain file")
    assert is_kept()


def test_a_directory_in_the_place_of_a_file(file):
    file.unlink()
    file.mkdir()
    is_right_and_warns(file.name)


def test_a_file_in_the_place_of_the_directory(directory):
    directory.parent.write_bytes(b"")
    is_right_and_warns(str(directory.parent))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written(directory):
    directory.mkdir(0o500, parents=True)
    is_right_and_warns("Permission denied")


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing(directory, monkeypatch, code):
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(cache.os, "replace", refuse)
    is_right_and_warns(os.strerror(code))
    assert not list(directory.iterdir())


def test_a_disk_that_is_only_read_is_still_read(file, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "replace"):
        monkeypatch.setattr(cache.os, name, refuse)
    assert is_kept()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody can write, not even root")
def test_a_home_that_cannot_be_written(directory, monkeypatch):
    monkeypatch.delenv("LOSSMITH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self/no")
    is_right_and_warns("/proc/self/no")


def test_no_home_at_all(directory, monkeypatch, tmp_path):
    monkeypatch.delenv("LOSSMITH_CACHE")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/lossmith")
    monkeypatch.chdir(tmp_path)
    is_right_and_warns("is not in any home directory")
    assert not list(tmp_path.iterdir())


def test_off_is_off(directory, monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSMITH_CACHE", "off")
    monkeypatch.chdir(tmp_path)
    assert not is_kept() and not is_kept()
    assert not list(tmp_path.iterdir())


def test_by_default_it_is_where_the_system_keeps_caches(directory, monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSMITH_CACHE", "")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, **_: str(tmp_path / name))
    assert not is_kept() and is_kept()
    assert [path.name for path in tmp_path.iterdir()] == ["lossmith"]


def test_what_was_used_longest_ago_goes_first(directory, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 50 * (len(CODE) + 100))
    kept(PARTS, Maker())
    (always,) = directory.iterdir()
    kept(("never used again",), Maker())
    (never,) = set(directory.iterdir()) - {always}
    theirs = directory / "thesis.txt"
    theirs.write_bytes(bytes(cache.LIMIT))
    for path in (always, never, theirs):
        os.utime(path, (0, 0))
    most = 0
    for n in range(400):
        kept((str(n),), Maker())
        assert is_kept()
        most = max(most, sum(path.stat().st_size for path in directory.iterdir() if path != theirs))
    assert most <= 3 * cache.LIMIT  # it is not looked at with every file
    assert always.exists() and not never.exists() and theirs.exists()


def test_files_may_vanish_while_they_are_counted(file, monkeypatch):
    true = os.scandir

    @contextmanager
    def scan(path: str):
        with true(path) as entries:
            listed = list(entries)
        file.unlink()
        yield listed

    monkeypatch.setattr(cache.os, "scandir", scan)
    cache._trim(str(file.parent))


def test_a_new_file_may_vanish_too(directory, monkeypatch):
    true = os.replace

    def replace(old: str, new: str) -> None:
        os.unlink(old)
        true(old, new)

    with monkeypatch.context() as changed:
        changed.setattr(cache.os, "replace", replace)
        assert not is_kept()  # without a word
    assert not is_kept() and is_kept()


HAMMER = """
import random, sys
from lossmith.engine.llvm import cache
cache.LIMIT = 50_000
for _ in range(600):
    n = random.randrange(40)
    assert cache.kept((str(n),), lambda: bytes([n]) * 3000) == bytes([n]) * 3000
"""


def test_processes_do_not_hinder_each_other(directory):
    command = [sys.executable, "-W", "error", "-c", HAMMER]
    at_once = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in at_once:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert not [path.name for path in directory.iterdir() if path.name.startswith("new-")]


def test_the_warning_can_be_silenced_by_its_class(file):
    file.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert not is_kept()
