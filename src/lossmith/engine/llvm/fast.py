"""The fast road: a function of CPython's own kind, in machine code, for ordinary numbers on one thread.

It asks its arguments for their buffers, checks what can be checked without words (kind, length, overlap), runs the
kernel and returns the sum or mean. Anything else returns None, and Python takes the slower roads. For one block, which
takes microseconds, it keeps the interpreter's lock; for more it gives it away, and looks at signals now and then.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.frame import ADDED
from lossmith.engine.llvm.run import Kernel, rows_per_block
from lossmith.engine.llvm.spec import NEVER

_MOST_ARRAYS = 16
# words in front of the job's template; of every argument: format, axes, numbers per sample, bytes per number
_KERNEL, _ARGUMENTS, _MEAN, _SUMS, _STEP, _LEAST, _ARRAYS, _LENGTH, _ABOUT = range(9)
_WORDS_PER_ARGUMENT = 4
_SOURCES = _ABOUT + 3 * _WORDS_PER_ARGUMENT  # which argument each array of the kernel is; -1: it is in the template
_JOB = _SOURCES + _MOST_ARRAYS
_MOST_WORDS = job.ARRAYS + _MOST_ARRAYS * job.WORDS_PER_ARRAY
_VIEW = 80  # bytes of a Py_buffer: data, object, length, item size, read-only, axes, format ...
_FAST_CALL = 0x80  # METH_FASTCALL
_TEXT = f"""
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)
declare void @PyErr_Clear()
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyBytes_AsString(ptr)
declare ptr @PyBytes_FromStringAndSize(ptr, i64)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyErr_CheckSignals()
declare ptr @PyErr_Occurred()
declare ptr @malloc(i64)
declare void @free(ptr)
@_Py_NoneStruct = external global i8

define internal ptr @word(ptr %at, i64 %k) {{
  %p = getelementptr i64, ptr %at, i64 %k
  ret ptr %p
}}

define internal i64 @read(ptr %at, i64 %k) {{
  %p = getelementptr i64, ptr %at, i64 %k
  %v = load i64, ptr %p
  ret i64 %v
}}

; contiguous (the buffer was asked for so), of the format, axes and length of so many samples
define internal i1 @fits(ptr %view, ptr %about, i64 %n) {{
entry:
  %format.at = call ptr @word(ptr %view, i64 5)
  %format = load ptr, ptr %format.at
  %char = load i16, ptr %format, align 1
  %wide = zext i16 %char to i64
  %wanted = call i64 @read(ptr %about, i64 0)
  %same.format = icmp eq i64 %wide, %wanted
  %axes.at = getelementptr i8, ptr %view, i64 36
  %axes = load i32, ptr %axes.at
  %axes.wide = sext i32 %axes to i64
  %axes.wanted = call i64 @read(ptr %about, i64 1)
  %same.axes = icmp eq i64 %axes.wide, %axes.wanted
  %width = call i64 @read(ptr %about, i64 2)
  %item = call i64 @read(ptr %about, i64 3)
  %per.sample = mul i64 %width, %item
  %all = mul i64 %per.sample, %n
  %length = call i64 @read(ptr %view, i64 2)
  %same.length = icmp eq i64 %length, %all
  %a = and i1 %same.format, %same.axes
  %b = and i1 %a, %same.length
  %two = icmp eq i32 %axes, 2
  %look = and i1 %b, %two
  br i1 %look, label %columns, label %end
columns:
  %shape.at = call ptr @word(ptr %view, i64 6)
  %shape = load ptr, ptr %shape.at
  %second = call i64 @read(ptr %shape, i64 1)
  %same.width = icmp eq i64 %second, %width
  br label %end
end:
  %r = phi i1 [%b, %entry], [%same.width, %columns]
  ret i1 %r
}}

define internal i1 @apart(ptr %view, ptr %other) {{
  %a = call i64 @read(ptr %view, i64 0)
  %b = call i64 @read(ptr %other, i64 0)
  %length = call i64 @read(ptr %view, i64 2)
  %length.other = call i64 @read(ptr %other, i64 2)
  %a.end = add i64 %a, %length
  %b.end = add i64 %b, %length.other
  %before = icmp ule i64 %a.end, %b
  %after = icmp ule i64 %b.end, %a
  %r = or i1 %before, %after
  ret i1 %r
}}

define internal ptr @run(ptr %views, i64 %count, ptr %config) {{
entry:
  %job = alloca [{_MOST_WORDS + 8} x i64], align 64
  %words = call i64 @read(ptr %config, i64 {_LENGTH})
  %template = call ptr @word(ptr %config, i64 {_JOB})
  %f = getelementptr i8, ptr %views, i64 {_VIEW}
  %g = getelementptr i8, ptr %views, i64 {2 * _VIEW}
  %about.y = call ptr @word(ptr %config, i64 {_ABOUT})
  %about.f = call ptr @word(ptr %config, i64 {_ABOUT + _WORDS_PER_ARGUMENT})
  %about.g = call ptr @word(ptr %config, i64 {_ABOUT + 2 * _WORDS_PER_ARGUMENT})
  %bytes = call i64 @read(ptr %f, i64 2)
  %width = call i64 @read(ptr %about.f, i64 2)
  %item = call i64 @read(ptr %about.f, i64 3)
  %per.sample = mul i64 %width, %item
  %n = udiv i64 %bytes, %per.sample
  %least = call i64 @read(ptr %config, i64 {_LEAST})
  %enough = icmp sge i64 %n, %least
  %ok.y = call i1 @fits(ptr %views, ptr %about.y, i64 %n)
  %ok.f = call i1 @fits(ptr %f, ptr %about.f, i64 %n)
  %ok.inputs = and i1 %ok.y, %ok.f
  %ok = and i1 %ok.inputs, %enough
  br i1 %ok, label %inputs, label %none
inputs:
  %writes = icmp eq i64 %count, 3
  br i1 %writes, label %output, label %sized
output:
  %ok.g = call i1 @fits(ptr %g, ptr %about.g, i64 %n)
  %from.y = call i1 @apart(ptr %g, ptr %views)
  %from.f = call i1 @apart(ptr %g, ptr %f)
  %from = and i1 %from.y, %from.f
  %ok.out = and i1 %ok.g, %from
  br i1 %ok.out, label %sized, label %none
sized:
  %step = call i64 @read(ptr %config, i64 {_STEP})
  %step.less = sub i64 %step, 1
  %more.n = add i64 %n, %step.less
  %blocks = sdiv i64 %more.n, %step
  %room = mul i64 %blocks, 8
  br label %memory
memory:
  %sums = call ptr @malloc(i64 %room)
  %missing = icmp eq ptr %sums, null
  br i1 %missing, label %none, label %copy
copy:
  %k = phi i64 [0, %memory], [%k.next, %copy]
  %v = call i64 @read(ptr %template, i64 %k)
  %to = call ptr @word(ptr %job, i64 %k)
  store i64 %v, ptr %to
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %words
  br i1 %more, label %copy, label %feed
feed:
  %m = phi i64 [0, %copy], [%m.next, %fed]
  %source.word = add i64 %m, {_SOURCES}
  %source = call i64 @read(ptr %config, i64 %source.word)
  %known = icmp slt i64 %source, 0
  br i1 %known, label %fed, label %look.up
look.up:
  %offset = mul i64 %source, {_VIEW}
  %view = getelementptr i8, ptr %views, i64 %offset
  %data = call i64 @read(ptr %view, i64 0)
  %triple = mul i64 %m, {job.WORDS_PER_ARRAY}
  %place = add i64 %triple, {job.ARRAYS}
  %place.at = call ptr @word(ptr %job, i64 %place)
  store i64 %data, ptr %place.at
  br label %fed
fed:
  %m.next = add i64 %m, 1
  %arrays = call i64 @read(ptr %config, i64 {_ARRAYS})
  %again = icmp slt i64 %m.next, %arrays
  br i1 %again, label %feed, label %go
go:
  %count.at = call ptr @word(ptr %job, i64 {job.COUNT})
  store i64 %n, ptr %count.at
  %sums.at = call ptr @word(ptr %job, i64 {job.SUMS})
  store ptr %sums, ptr %sums.at
  %blocks.at = call ptr @word(ptr %job, i64 {job.BLOCKS})
  store i64 %blocks, ptr %blocks.at
  %mean = call i64 @read(ptr %config, i64 {_MEAN})
  %is.mean = icmp ne i64 %mean, 0
  %as.double = sitofp i64 %n to double
  %by = select i1 %is.mean, double %as.double, double 1.0
  %scale = fdiv double 1.0, %by
  %scale.at = call ptr @word(ptr %job, i64 {job.SCALE})
  store double %scale, ptr %scale.at
  %kernel.at = call ptr @word(ptr %config, i64 {_KERNEL})
  %kernel = load ptr, ptr %kernel.at
  %many = icmp sgt i64 %blocks, 1
  br i1 %many, label %release, label %one
one:
  %none.left = call i64 %kernel(ptr %job)
  br label %judge
release:
  %state = call ptr @PyEval_SaveThread()
  %left = call i64 %kernel(ptr %job)
  call void @PyEval_RestoreThread(ptr %state)
  %paused = icmp ne i64 %left, 0
  br i1 %paused, label %signals, label %judge
signals:
  %signal = call i32 @PyErr_CheckSignals()
  %interrupted = icmp ne i32 %signal, 0
  br i1 %interrupted, label %interrupt, label %release
interrupt:
  call void @free(ptr %sums)
  ret ptr null
judge:
  %writes.sum = call i64 @read(ptr %config, i64 {_SUMS})
  %counted = mul i64 %blocks, %writes.sum
  %total = call double @added(ptr %sums, i64 %counted, i64 1, double %by)
  call void @free(ptr %sums)
  %bad = call i64 @read(ptr %job, i64 {job.BAD})
  %good = icmp eq i64 %bad, {NEVER}
  br i1 %good, label %value, label %none
value:
  %zero = fsub double %total, %total
  %finite = fcmp oeq double %zero, 0.0
  br i1 %finite, label %return, label %none
return:
  %float = call ptr @PyFloat_FromDouble(double %total)
  ret ptr %float
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}}

define ptr @call(ptr %self, ptr %args, i64 %count) {{
entry:
  %views = alloca [{3 * _VIEW} x i8], align 16
  %config = call ptr @PyBytes_AsString(ptr %self)
  %wanted = call i64 @read(ptr %config, i64 {_ARGUMENTS})
  %right = icmp eq i64 %count, %wanted
  br i1 %right, label %open, label %refuse
open:
  %k = phi i64 [0, %entry], [%k.next, %opened]
  %offset = mul i64 %k, {_VIEW}
  %view = getelementptr i8, ptr %views, i64 %offset
  %from.at = getelementptr ptr, ptr %args, i64 %k
  %from = load ptr, ptr %from.at
  %written = icmp eq i64 %k, 2
  %flags = select i1 %written, i32 61, i32 60
  %failed = call i32 @PyObject_GetBuffer(ptr %from, ptr %view, i32 %flags)
  %is.open = icmp eq i32 %failed, 0
  br i1 %is.open, label %opened, label %clear
opened:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %open, label %work
clear:
  call void @PyErr_Clear()
  %any = icmp sgt i64 %k, 0
  br i1 %any, label %close, label %refuse
work:
  %result = call ptr @run(ptr %views, i64 %count, ptr %config)
  br label %close
close:
  %found = phi ptr [null, %clear], [%result, %work], [%found, %close]
  %left = phi i64 [%k, %clear], [%count, %work], [%left.next, %close]
  %left.next = sub i64 %left, 1
  %last = mul i64 %left.next, {_VIEW}
  %view.last = getelementptr i8, ptr %views, i64 %last
  call void @PyBuffer_Release(ptr %view.last)
  %others = icmp sgt i64 %left.next, 0
  br i1 %others, label %close, label %end
end:
  %is.null = icmp eq ptr %found, null
  br i1 %is.null, label %fail, label %give
fail:
  %error = call ptr @PyErr_Occurred()
  %raised = icmp ne ptr %error, null
  br i1 %raised, label %give, label %refuse
give:
  ret ptr %found
refuse:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}}

; addresses(arrays...) -> bytes: for every array its address, its first stride, and 0
define ptr @addresses(ptr %self, ptr %args, i64 %count) {{
entry:
  %zero.at = alloca i64
  store i64 0, ptr %zero.at
  %view = alloca [{_VIEW} x i8], align 16
  %size = mul i64 %count, {8 * job.WORDS_PER_ARRAY}
  %result = call ptr @PyBytes_FromStringAndSize(ptr null, i64 %size)
  %missing = icmp eq ptr %result, null
  br i1 %missing, label %fail, label %start
start:
  %words = call ptr @PyBytes_AsString(ptr %result)
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %loop, label %end
loop:
  %k = phi i64 [0, %start], [%k.next, %done]
  %from.at = getelementptr ptr, ptr %args, i64 %k
  %from = load ptr, ptr %from.at
  %failed = call i32 @PyObject_GetBuffer(ptr %from, ptr %view, i32 24)
  %opened = icmp eq i32 %failed, 0
  br i1 %opened, label %read.it, label %drop
read.it:
  %data = call i64 @read(ptr %view, i64 0)
  %strides.at = call ptr @word(ptr %view, i64 7)
  %strides = load ptr, ptr %strides.at
  %axes.at = getelementptr i8, ptr %view, i64 36
  %axes = load i32, ptr %axes.at
  %scalar = icmp eq i32 %axes, 0
  %stride.at = select i1 %scalar, ptr %zero.at, ptr %strides
  %stride = load i64, ptr %stride.at
  call void @PyBuffer_Release(ptr %view)
  %place = mul i64 %k, {job.WORDS_PER_ARRAY}
  %to = call ptr @word(ptr %words, i64 %place)
  store i64 %data, ptr %to, align 1
  %to.stride = call ptr @word(ptr %to, i64 1)
  store i64 %stride, ptr %to.stride, align 1
  %to.zero = call ptr @word(ptr %to, i64 2)
  store i64 0, ptr %to.zero, align 1
  br label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %loop, label %end
end:
  ret ptr %result
drop:
  call void @PyErr_Clear()
  call void @Py_DecRef(ptr %result)
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
fail:
  ret ptr null
}}
{ADDED}"""


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


class _Glue:
    """Machine code as functions of this interpreter."""

    def __init__(self) -> None:
        self._library = machine.load(_TEXT, ("call", "addresses"))
        self._make = ctypes.pythonapi.PyCFunction_NewEx
        self._make.restype = ctypes.py_object
        self._make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
        addresses = self._library.addresses
        self._methods = {name: _MethodDef(name.encode(), addresses[name], _FAST_CALL, None) for name in addresses}

    def function(self, name: str, data: bytes, keep: object) -> Callable[..., Any]:
        """A function that is given the data, and keeps something alive."""
        return self._make(ctypes.addressof(self._methods[name]), data, (self, keep))  # type: ignore[no-any-return]


@functools.cache
def _glue() -> _Glue | None:
    """None where the interpreter is of another kind."""
    return _Glue() if platform.python_implementation() == "CPython" and struct.calcsize("P") == 8 else None


@functools.cache
def _reader() -> Callable[..., bytes | None] | None:
    glue = _glue()
    return None if glue is None else glue.function("addresses", b"", None)


def addresses(arrays: Sequence[Any]) -> bytes:
    """The words of a job that say where its arrays are: address, stride between samples, 0."""
    reader = _reader()
    found = None if reader is None else reader(*arrays)
    if found is None:  # an array of a kind that exports no buffer
        found = b"".join(struct.pack("=3q", array.ctypes.data, array.strides[0], 0) for array in arrays)
    return found


@dataclass(frozen=True)
class Argument:
    """What the fast road takes: an array of this dtype with so many numbers per sample, along one axis or two."""

    dtype: np.dtype[Any]
    axes: int
    width: int

    def words(self) -> tuple[int, ...]:
        view: Any = np.empty(1, self.dtype)
        return ord(memoryview(view).format), self.axes, self.width, self.dtype.itemsize


def fast(
    kernel: Kernel, arguments: Sequence[Argument], sources: Sequence[int], known: bytes, parameters: int, *, mean: bool,
    classes: int, least: int, keep: object,
) -> Callable[..., float | None] | None:  # fmt: skip
    """A function (y, f) or (y, f, out) -> sum or mean of at least so many samples; None on odd arguments.

    ``sources`` says which argument each array of the kernel is, -1 where the words in ``known`` hold it. ``keep`` owns
    the memory of parameters and known arrays.
    """
    glue = _glue()
    if glue is None or len(sources) > _MOST_ARRAYS:
        return None
    template = kernel.job(known, parameters, 1, classes, 1.0, 0)
    about = [word for argument in arguments for word in argument.words()]
    about += [0] * (3 * _WORDS_PER_ARGUMENT - len(about))
    head = struct.pack(
        f"={_JOB}q", kernel.address, len(arguments), int(mean), len(kernel.spec.sums),
        rows_per_block(kernel.spec, classes), least, len(sources), len(template) // 8,
        *about, *sources, *[-1] * (_MOST_ARRAYS - len(sources)),
    )  # fmt: skip
    return glue.function("call", head + template, (kernel, keep))
