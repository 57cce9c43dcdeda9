"""Object code on disk, so that a process compiles only what none before it has compiled.

Loading a damaged object aborts the process, and loading a stranger's runs his code. So nothing is loaded but what this
user wrote: directory and files must be his, closed to other writers and no links, and the bytes must match their seal.
Whatever is wrong, the caller gets the right object, compiled anew, and one warning a process says why.

``LOSSMITH_CACHE`` names another directory, or says ``off``.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Callable
from contextlib import suppress

try:  # as Python's random does: hashlib loads OpenSSL, and takes as long as writing a kernel
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

LIMIT = 64 << 20
"""Bytes kept; what was used longest ago goes first."""

_SUFFIX = ".kernel"
_SEAL = 32  # bytes at the head of a file
_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link, no waiting for a pipe

_warned = False


class CacheWarning(RuntimeWarning):
    """The cache of compiled kernels could not be used: results are right, first calls take longer."""


def kept(parts: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
    """What ``make`` gives, taken from disk if it was made before from the same parts."""
    if os.environ.get("LOSSMITH_CACHE") == "off":
        return make()
    name = blake2b("\0".join(parts).encode(), digest_size=_SEAL).hexdigest()
    path = ""
    try:
        path = os.path.join(_directory(), name + _SUFFIX)
        return _read(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        _warn(error, path)
    payload = make()
    if path:
        try:
            _write(path, payload)
        except FileNotFoundError:  # another process made room, or the user removed it all
            pass
        except OSError as error:
            _warn(error, path)
    return payload


def _directory() -> str:
    """The cache's own directory, there and closed to others."""
    directory = os.environ.get("LOSSMITH_CACHE")
    if not directory:
        from platformdirs import user_cache_dir

        directory = user_cache_dir("lossmith", appauthor=False)
        if not os.path.isabs(directory):
            raise NotADirectoryError(errno.ENOTDIR, "is not in any home directory", directory)
    directory = os.path.normpath(os.path.expanduser(directory))  # with a slash at its end a link would be followed
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except FileNotFoundError as error:  # to the caller that would mean: not kept yet
        raise NotADirectoryError(errno.ENOTDIR, error.strerror, directory) from error
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is a link, not a directory", directory)
    _check_owner(directory, status)
    return directory


def _check_owner(path: str, status: os.stat_result) -> None:
    if not hasattr(os, "geteuid"):  # Windows: a user's profile is closed to others
        return
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", path)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "can be written by other users", path)


def _seal(path: str, payload: bytes) -> bytes:
    """The checksum of a payload and its name: what lies under another's name is not taken either."""
    return blake2b(os.path.basename(path).encode() + payload, digest_size=_SEAL).digest()


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | _CAREFULLY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            error.strerror = "is a link"
        raise


def _read(path: str) -> bytes:
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a plain file", path)
        _check_owner(path, status)
        content = file.read()
    payload = content[_SEAL:]
    if content[:_SEAL] != _seal(path, payload):
        raise OSError(errno.EIO, "is damaged", path)
    with suppress(OSError):  # a cache that is only read is a cache
        os.utime(path)
    return payload


def _write(path: str, payload: bytes) -> None:
    """Whole or not at all, whoever else reads or writes."""
    directory, name = os.path.split(path)
    import tempfile  # with random numbers and more: only to write

    descriptor, temporary = tempfile.mkstemp(_SUFFIX, "new-", directory)  # for the owner only
    try:
        with open(descriptor, "wb") as file:
            file.write(_seal(path, payload) + payload)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if name.startswith("0"):  # one write in sixteen
        _trim(directory)


def _trim(directory: str) -> None:
    files = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX):
                with suppress(FileNotFoundError):  # another process trims too
                    status = entry.stat(follow_symlinks=False)
                    files.append((status.st_mtime_ns, status.st_size, entry.path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > LIMIT:
            with suppress(OSError):
                os.unlink(path)


def _warn(error: OSError, path: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"the cache of compiled kernels is not used: {error.filename or path}: {error.strerror}. "
            "Results are right, first calls slower. LOSSMITH_CACHE names another directory, or says off",
            CacheWarning,
            stacklevel=2,
        )
