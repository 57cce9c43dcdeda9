"""From LLVM IR to functions in this process: object code for this processor, cached on disk and linked."""

from __future__ import annotations

import functools
import gc
import importlib.util
import itertools
import os
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# The small model reaches constants at a distance from the code. LLVM JITLink lays both out in one piece of memory; its
# older linker does not: where the address space was full of holes they came to lie too far apart.
_OPTIONS = {"opt": 2, "reloc": "pic", "codemodel": "small"}

_number = itertools.count()
_lock = threading.RLock()  # one thread at a time in LLVM, importing it included, and none while the process forks


def _load_all() -> None:
    """Load what is otherwise loaded when first needed: a child would wait for ever for what a thread was loading."""
    package = __name__.rpartition(".")[0]
    if f"{package}.run" in sys.modules:
        for module in pkgutil.iter_modules(sys.modules[package].__path__, f"{package}."):
            importlib.import_module(module.name)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
    os.register_at_fork(before=_load_all)  # who comes last is called first: no lock is held while files are loaded


@functools.cache
def available() -> bool:
    """Whether kernels can be compiled here; says so without loading LLVM."""
    return importlib.util.find_spec("llvmlite") is not None


@functools.cache
def _llvm() -> Any:
    """LLVM, loaded when a kernel is first needed: it takes longer than the rest of a first call."""
    with _collector_paused():
        import llvmlite.binding

    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    return llvmlite.binding


@functools.cache
def _host() -> tuple[str, str]:
    return _llvm().get_host_cpu_name(), _llvm().get_host_cpu_features().flatten()


def has_avx512() -> bool:
    """Whether this processor knows the instructions that ``Emitter.avx512`` stands for."""
    return {"+avx512f", "+avx512dq"} <= set(_host()[1].split(","))


def looks_far() -> bool:
    """Whether memory is better asked for early, into the second cache, or where it is read in order not at all.

    So it is with AMD's: their first cache waits for few lines at once, which halves what a thread gets of memory where
    it does not read one line after the other.
    """
    return str(_host()[0]).startswith("znver")


@functools.lru_cache(maxsize=8)
def target_machine(cpu: str = "", features: str = "") -> Any:
    """The code generator for a processor: this one, or a named one such as "haswell" (an AVX2 machine)."""
    if not cpu:
        cpu, features = _host()
    return _llvm().Target.from_default_triple().create_target_machine(cpu=cpu, features=features, **_OPTIONS)


@functools.cache
def _linker() -> Any:
    return _llvm().create_lljit_compiler(target_machine(), use_jit_link=True)


def object_code(text: str, cpu: str = "", features: str = "") -> bytes:
    with _lock:
        module = _llvm().parse_assembly(text)
        module.verify()
        return bytes(target_machine(cpu, features).emit_object(module))


def assembly(text: str, cpu: str = "", features: str = "") -> str:
    with _lock:
        return str(target_machine(cpu, features).emit_assembly(_llvm().parse_assembly(text)))


class Library:
    """Linked object code. Keep it alive as long as its functions are called."""

    def __init__(self, code: bytes, names: tuple[str, ...]) -> None:
        self._tracker: Any = None
        with _lock:
            builder = _llvm().JITLibraryBuilder().add_object_img(code).add_current_process()
            for name in names:
                builder.export_symbol(name)
            self._tracker = builder.link(_linker(), f"lossmith{next(_number)}")
        self.addresses = {name: int(self._tracker[name]) for name in names}

    def __del__(self, lock: Any = _lock, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not ending():  # else a thread that Python has stopped may have the lock
            with lock:  # LLVM unloads the code
                del self._tracker


def load(text: str, names: tuple[str, ...]) -> Library:
    """The functions of a module, from the disk cache if any process on such a processor has compiled it before."""
    with _lock:  # the import too: no process forks in the midst of it
        from lossmith.engine.llvm.cache import kept

        return Library(kept((text, *_target()), lambda: object_code(text)), names)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nearly all that is made while LLVM is imported stays: looking for garbage in it would take milliseconds."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@functools.cache
def _target() -> tuple[str, ...]:
    """All that decides which object code a text becomes."""
    from llvmlite import __version__

    llvm = _llvm()
    return (llvm.get_default_triple(), *_host(), __version__, str(llvm.llvm_version_info), str(_OPTIONS))
