"""From LLVM IR to a function in this process."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import llvmlite.binding as llvm

_number = itertools.count()


@functools.lru_cache(maxsize=8)
def target_machine(cpu: str = "", features: str = "") -> Any:
    """The code generator for a processor: this one, or a named one such as "haswell" (an AVX2 machine)."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if not cpu:
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small")


@functools.lru_cache(maxsize=1)
def _linker() -> Any:
    return llvm.create_lljit_compiler(target_machine())


def object_code(text: str, cpu: str = "", features: str = "") -> bytes:
    module = llvm.parse_assembly(text)
    module.verify()
    return bytes(target_machine(cpu, features).emit_object(module))


def assembly(text: str, cpu: str = "", features: str = "") -> str:
    return str(target_machine(cpu, features).emit_assembly(llvm.parse_assembly(text)))


class Library:
    """Linked object code. Keep it alive as long as its functions are called."""

    def __init__(self, code: bytes, names: tuple[str, ...]) -> None:
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in names:
            builder.export_symbol(name)
        self._tracker = builder.link(_linker(), f"lossmith{next(_number)}")
        self.addresses = {name: int(self._tracker[name]) for name in names}
