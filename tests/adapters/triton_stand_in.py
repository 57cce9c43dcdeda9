"""As much of Triton as the printed kernels use, on tensors in host memory: one program after the other.

It is stricter than a GPU: reading or writing outside an array, writing a place twice, and a block whose length is no
power of two are errors.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch


class Pointer:
    """Into the numbers of a tensor."""

    def __init__(self, memory, offset=0, written=None):
        self.memory, self.offset = memory, torch.as_tensor(offset)
        self.written = set() if written is None else written

    def __add__(self, steps):
        return Pointer(self.memory, self.offset + steps, self.written)

    def places(self, mask):
        mask = torch.ones_like(self.offset, dtype=torch.bool) if mask is None else mask
        places = self.offset[mask]
        if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < self.memory.numel():
            raise IndexError("a kernel left the array")
        return mask, places


def _policy(word):
    assert word in ("", "evict_first", "evict_last")


def load(pointer, mask=None, other=None, eviction_policy=""):
    _policy(eviction_policy)
    assert (mask is None) == (other is None)
    mask, places = pointer.places(mask)
    found = torch.full(pointer.offset.shape, other or 0, dtype=pointer.memory.dtype)
    found[mask] = pointer.memory[places]
    return found


def store(pointer, value, mask=None, eviction_policy=""):
    _policy(eviction_policy)
    mask, places = pointer.places(mask)
    once = set(places.reshape(-1).tolist())
    assert len(once) == places.numel() and not once & pointer.written, "a place was written twice"
    pointer.written |= once
    pointer.memory[places] = torch.as_tensor(value).broadcast_to(pointer.offset.shape)[mask].to(pointer.memory.dtype)


def arange(start, stop):
    assert start == 0 and _power_of_two(stop)
    return torch.arange(stop)


def where(condition, a, b):
    return torch.where(torch.as_tensor(condition), a, b)


def cast(number, dtype):
    return torch.tensor(number, dtype=dtype)


def maximum(a, b):
    return torch.where(b > a, b, a)


def minimum(a, b):
    return torch.where(b < a, b, a)


def _power_of_two(number):
    return number > 0 and not number & (number - 1)


class Kernel:
    """What triton.jit makes: called inside a kernel, or launched over a grid."""

    program = 0

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)

    def __getitem__(self, grid):
        def launch(*args, num_warps=4, **constants):
            assert _power_of_two(num_warps) and num_warps <= 32
            assert all(_power_of_two(number) for number in constants.values())
            given = [self._given(x) for x in args]
            for number in range(*grid):
                Kernel.program = number
                self.function(*given, **constants)

        return launch

    @staticmethod
    def _given(x):
        if isinstance(x, torch.Tensor):
            assert x.is_contiguous() and not x.requires_grad
            return Pointer(x.view(-1))
        return torch.tensor(x, dtype=torch.float32) if isinstance(x, float) else x


def program_id(axis):
    assert axis == 0
    return torch.tensor(Kernel.program, dtype=torch.int32)


def installed(monkeypatch):
    """Let ``import triton`` find this, and kernels run without a GPU."""
    package, language = ModuleType("triton"), ModuleType("triton.language")
    own = {"load": load, "store": store, "arange": arange, "where": where, "cast": cast}
    own |= {"maximum": maximum, "minimum": minimum}
    own |= {"program_id": program_id, "constexpr": int}
    own |= {name: getattr(torch, name) for name in ("abs", "exp", "log", "sqrt", "sin", "cos", "floor", "sum", "max")}
    own |= {name: getattr(torch, name) for name in ("float32", "float64", "int64")}
    vars(language).update(own)
    package.jit, package.language, package.__spec__ = Kernel, language, ModuleSpec("triton", None)
    monkeypatch.setitem(sys.modules, "triton", package)
    monkeypatch.setitem(sys.modules, "triton.language", language)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
