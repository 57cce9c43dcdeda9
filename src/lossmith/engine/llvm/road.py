"""The fast road in machine code: functions of CPython's own kind that read NumPy's arrays where they lie.

``call`` is given the arrays of a call in its order, those to write last. It looks at kind, dtype, layout, shape and
overlap of each, adds up the weights where there are any, runs the kernel and returns the sum or mean. Anything it does
not know returns None, and Python takes the slower roads. For one block, which takes microseconds, it keeps the
interpreter's lock; for more it gives it away, and looks at signals now and then; with more samples than are work for
one thread it calls a function of Python's, which has threads. Fewer rows than the kernel needs are copied to where
there is room in front of them.
"""

from __future__ import annotations

from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.frame import DECLARATIONS, added
from lossmith.engine.llvm.spec import NEVER

# The words of a road, then those of every array of the call, then two parts, each followed by what its arrays are
# (numbers of arrays of the call; -1: the template knows where) and by the template of its job.
INPUTS, ARGUMENTS, MANY, MEAN, TOTAL, SMALLEST, LARGEST, TYPE, WEIGH, MAIN, ABOUT = range(11)
DTYPE, OWN, WIDTH, BYTES, WORDS_PER_ARGUMENT = range(5)  # dtype, has a last axis of its own, its length, per sample
KERNEL, STEP, SUMS, LEAST, ROOM, ALONE, TEAM, ARRAYS, LENGTH, SOURCES = range(10)

MOST_ARRAYS = 16
_MOST_WORDS = job.ARRAYS + MOST_ARRAYS * job.WORDS_PER_ARRAY
# what of an array is where, in words behind the head of every object (NumPy's C interface, fixed since its first day)
_DATA, _AXES, _SHAPE, _, _BASE, _DESCRIPTION, _FLAGS = range(7)  # words of an array; its strides are not needed
_KIND = 1  # of a description: its letters, byte order and number in one word
_DENSE, _WRITABLE = 0x101, 0x501  # flags: contiguous and aligned, and writable too
_FINE, _AGAIN, _INTERRUPTED = range(3)


def _get(name: str, base: str, word: int | str, type_: str = "i64") -> str:
    """A word behind a pointer."""
    return f"  %{name}.at = getelementptr i64, ptr %{base}, i64 {word}\n  %{name} = load {type_}, ptr %{name}.at\n"


def _put(name: str, base: str, word: int | str, value: str, type_: str = "i64") -> str:
    return f"  %{name}.to = getelementptr i64, ptr %{base}, i64 {word}\n  store {type_} {value}, ptr %{name}.to\n"


def text(head: int) -> str:
    """The IR, for an interpreter whose objects have a head of so many bytes."""
    head //= 8
    data, axes, shape, description, flags = (head + k for k in (_DATA, _AXES, _SHAPE, _DESCRIPTION, _FLAGS))
    return f"""
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyComplex_FromDoubles(double, double)
declare ptr @PyBytes_AsString(ptr)
declare ptr @PyBytes_FromStringAndSize(ptr, i64)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_CallFunction(ptr, ptr, ...)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyErr_CheckSignals()
declare ptr @malloc(i64)
declare void @free(ptr)
declare ptr @memcpy(ptr, ptr, i64)
@_Py_NoneStruct = external global i8
@two.numbers = internal constant [3 x i8] c"LL\\00"

; an array of NumPy's own type, of this dtype and flags, of the shape of the samples and perhaps an axis of its own
define internal i1 @fits(ptr %array, ptr %about, ptr %type, i32 %wanted, i64 %axes, ptr %shape) {{
entry:
{_get("kind", "array", head - 1, "ptr")}  %same.kind = icmp eq ptr %kind, %type
  br i1 %same.kind, label %look, label %no
look:
{_get("flags", "array", flags, "i32")}  %set = and i32 %flags, %wanted
  %lies = icmp eq i32 %set, %wanted
{_get("description", "array", description, "ptr")}{_get("dtype", "description", head + _KIND)}\
{_get("dtype.wanted", "about", DTYPE)}  %same.dtype = icmp eq i64 %dtype, %dtype.wanted
{_get("own", "about", OWN)}  %axes.wanted = add i64 %axes, %own
{_get("count", "array", axes, "i32")}  %count.wide = sext i32 %count to i64
  %same.axes = icmp eq i64 %count.wide, %axes.wanted
  %a = and i1 %lies, %same.dtype
  %b = and i1 %a, %same.axes
  br i1 %b, label %sizes, label %no
sizes:
{_get("mine", "array", shape, "ptr")}  br label %each
each:
  %k = phi i64 [0, %sizes], [%k.next, %next]
  %more = icmp slt i64 %k, %axes
  br i1 %more, label %next, label %last
next:
{_get("size", "mine", "%k")}{_get("size.wanted", "shape", "%k")}  %k.next = add i64 %k, 1
  %same.size = icmp eq i64 %size, %size.wanted
  br i1 %same.size, label %each, label %no
last:
  %has = icmp ne i64 %own, 0
  br i1 %has, label %width, label %yes
width:
{_get("wide", "mine", "%axes")}{_get("wide.wanted", "about", WIDTH)}  %same.width = icmp eq i64 %wide, %wide.wanted
  br i1 %same.width, label %yes, label %no
yes:
  ret i1 true
no:
  ret i1 false
}}

; run one kernel: its sum, divided
define internal i32 @part(ptr %args, ptr %config, ptr %part, i64 %n, double %scale, double %divisor, ptr %result) {{
entry:
  %job = alloca [{_MOST_WORDS} x i64], align 64
{_get("step", "part", STEP)}{_get("sums", "part", SUMS)}{_get("least", "part", LEAST)}{_get("arrays", "part", ARRAYS)}\
{_get("length", "part", LENGTH)}{_get("room", "part", ROOM)}{_get("inputs", "config", INPUTS)}\
  %sources = getelementptr i64, ptr %part, i64 {SOURCES}
  %template = getelementptr i64, ptr %sources, i64 %arrays
  %bytes = mul i64 %length, 8
  call ptr @memcpy(ptr %job, ptr %template, i64 %bytes)
  %step.less = sub i64 %step, 1
  %n.more = add i64 %n, %step.less
  %blocks = sdiv i64 %n.more, %step
  %counted = mul i64 %blocks, %sums
  %counted.bytes = mul i64 %counted, 8
  %missing = sub i64 %least, %n
  %short = icmp sgt i64 %missing, 0
  %room.used = select i1 %short, i64 %room, i64 8
  %size = add i64 %counted.bytes, %room.used
  %memory = call ptr @malloc(i64 %size)
  %none = icmp eq ptr %memory, null
  br i1 %none, label %again, label %fixed
fixed:
{_put("count", "job", job.COUNT, "%n")}{_put("sums", "job", job.SUMS, "%memory", "ptr")}\
{_put("blocks", "job", job.BLOCKS, "%blocks")}{_put("scale", "job", job.SCALE, "%scale", "double")}\
  %rooms = getelementptr i8, ptr %memory, i64 %counted.bytes
  br label %feed
feed:
  %m = phi i64 [0, %fixed], [%m.next, %fed]
  %free = phi ptr [%rooms, %fixed], [%free.next, %fed]
  %feeding = icmp slt i64 %m, %arrays
  br i1 %feeding, label %source, label %run
source:
{_get("number", "sources", "%m")}  %known = icmp slt i64 %number, 0
  br i1 %known, label %fed, label %find
find:
  %from.arg = getelementptr ptr, ptr %args, i64 %number
  %from = load ptr, ptr %from.arg
{_get("data", "from", data, "ptr")}  %place = mul i64 %m, {job.WORDS_PER_ARRAY}
  %word = add i64 %place, {job.ARRAYS}
  br i1 %short, label %pad, label %give
pad:
  %offset = mul i64 %number, {WORDS_PER_ARGUMENT}
  %offset.more = add i64 %offset, {ABOUT + BYTES}
{_get("each", "config", "%offset.more")}  %real = mul i64 %each, %n
  %front = mul i64 %each, %missing
  %padded = getelementptr i8, ptr %free, i64 %front
  %free.after = getelementptr i8, ptr %padded, i64 %real
  call ptr @memcpy(ptr %padded, ptr %data, i64 %real)
  br label %first
first:
  %j = phi i64 [0, %pad], [%j.next, %first]
  %first.offset = mul i64 %j, %each
  %first.to = getelementptr i8, ptr %free, i64 %first.offset
  call ptr @memcpy(ptr %first.to, ptr %data, i64 %each)
  %j.next = add i64 %j, 1
  %more.first = icmp slt i64 %j.next, %missing
  br i1 %more.first, label %first, label %give
give:
  %at = phi ptr [%data, %find], [%padded, %first]
  %free.given = phi ptr [%free, %find], [%free.after, %first]
{_put("address", "job", "%word", "%at", "ptr")}  br label %fed
fed:
  %free.next = phi ptr [%free, %source], [%free.given, %give]
  %m.next = add i64 %m, 1
  br label %feed
run:
{_get("kernel", "part", KERNEL, "ptr")}  %several = icmp sgt i64 %blocks, 1
  br i1 %several, label %many, label %one
many:
{_get("alone", "part", ALONE)}  %together = icmp sgt i64 %n, %alone
  br i1 %together, label %gather, label %release
gather:
{_get("team", "part", TEAM, "ptr")}  %address = ptrtoint ptr %job to i64
  %done = call ptr (ptr, ptr, ...) @PyObject_CallFunction(ptr %team, ptr @two.numbers, i64 %address, i64 %blocks)
  %failed = icmp eq ptr %done, null
  br i1 %failed, label %interrupt, label %gathered
gathered:
  call void @Py_DecRef(ptr %done)
  br label %judge
one:
  %left.one = call i64 %kernel(ptr %job)
  br i1 %short, label %back, label %judge
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
  call void @free(ptr %memory)
  ret i32 {_INTERRUPTED}
back:
  %b = phi i64 [0, %one], [%b.next, %copied]
  %backing = icmp slt i64 %b, %arrays
  br i1 %backing, label %whose, label %judge
whose:
{_get("owner", "sources", "%b")}  %written = icmp sge i64 %owner, %inputs
  br i1 %written, label %copy, label %copied
copy:
  %owner.arg = getelementptr ptr, ptr %args, i64 %owner
  %array = load ptr, ptr %owner.arg
{_get("target", "array", data, "ptr")}  %back.place = mul i64 %b, {job.WORDS_PER_ARRAY}
  %back.word = add i64 %back.place, {job.ARRAYS}
{_get("filled", "job", "%back.word", "ptr")}  %back.offset = mul i64 %owner, {WORDS_PER_ARGUMENT}
  %back.about = add i64 %back.offset, {ABOUT + BYTES}
{_get("back.each", "config", "%back.about")}  %back.bytes = mul i64 %back.each, %n
  call ptr @memcpy(ptr %target, ptr %filled, i64 %back.bytes)
  br label %copied
copied:
  %b.next = add i64 %b, 1
  br label %back
judge:
  %total = call double @added(ptr %memory, i64 %counted, double %divisor)
  call void @free(ptr %memory)
  store double %total, ptr %result
{_get("bad", "job", job.BAD)}  %good = icmp eq i64 %bad, {NEVER}
  %zero = fsub double %total, %total
  %finite = fcmp oeq double %zero, 0.0
  %right = and i1 %good, %finite
  br i1 %right, label %fine, label %again
fine:
  ret i32 {_FINE}
again:
  ret i32 {_AGAIN}
}}

define ptr @call(ptr %self, ptr %args, i64 %count) {{
entry:
  %weight.at = alloca double
  %sum.at = alloca double
  %config = call ptr @PyBytes_AsString(ptr %self)
{_get("wanted", "config", ARGUMENTS)}{_get("inputs", "config", INPUTS)}{_get("type", "config", TYPE, "ptr")}\
  %right = icmp eq i64 %count, %wanted
  br i1 %right, label %prediction, label %refuse
prediction:
  %f.arg = getelementptr ptr, ptr %args, i64 1
  %f = load ptr, ptr %f.arg
{_get("kind", "f", head - 1, "ptr")}  %is.array = icmp eq ptr %kind, %type
  br i1 %is.array, label %samples, label %refuse
samples:
{_get("all.axes", "f", axes, "i32")}{_get("shape", "f", shape, "ptr")}{_get("many", "config", MANY)}\
  %all.wide = sext i32 %all.axes to i64
  %axes = sub i64 %all.wide, %many
  %any.axis = icmp sgt i64 %axes, 0
  br i1 %any.axis, label %number, label %refuse
number:
  %a = phi i64 [0, %samples], [%a.next, %number]
  %n.before = phi i64 [1, %samples], [%n, %number]
{_get("size", "shape", "%a")}  %n = mul i64 %n.before, %size
  %a.next = add i64 %a, 1
  %more.axes = icmp slt i64 %a.next, %axes
  br i1 %more.axes, label %number, label %some
some:
  %any = icmp sgt i64 %n, 0
  br i1 %any, label %check, label %refuse
check:
  %k = phi i64 [0, %some], [%k.next, %checked]
  %array.arg = getelementptr ptr, ptr %args, i64 %k
  %array = load ptr, ptr %array.arg
  %offset = mul i64 %k, {WORDS_PER_ARGUMENT}
  %offset.more = add i64 %offset, {ABOUT}
  %about = getelementptr i64, ptr %config, i64 %offset.more
  %read = icmp slt i64 %k, %inputs
  %flags = select i1 %read, i32 {_DENSE}, i32 {_WRITABLE}
  %fits = call i1 @fits(ptr %array, ptr %about, ptr %type, i32 %flags, i64 %axes, ptr %shape)
  br i1 %fits, label %ends, label %refuse
ends:
{_get("start", "array", data)}{_get("each", "about", BYTES)}  %bytes = mul i64 %each, %n
  %stop = add i64 %start, %bytes
  br label %others
others:
  %o = phi i64 [0, %ends], [%o.next, %apart]
  %earlier = icmp slt i64 %o, %k
  %compare = xor i1 %read, true
  %look = and i1 %earlier, %compare
  br i1 %look, label %other, label %checked
other:
  %other.arg = getelementptr ptr, ptr %args, i64 %o
  %other.array = load ptr, ptr %other.arg
{_get("other.start", "other.array", data)}  %other.offset = mul i64 %o, {WORDS_PER_ARGUMENT}
  %other.about = add i64 %other.offset, {ABOUT + BYTES}
{_get("other.each", "config", "%other.about")}  %other.bytes = mul i64 %other.each, %n
  %other.stop = add i64 %other.start, %other.bytes
  %before = icmp ule i64 %stop, %other.start
  %after = icmp ule i64 %other.stop, %start
  %are.apart = or i1 %before, %after
  br i1 %are.apart, label %apart, label %refuse
apart:
  %o.next = add i64 %o, 1
  br label %others
checked:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %check, label %weights
weights:
{_get("weigh", "config", WEIGH)}{_get("mean", "config", MEAN)}  %as.double = sitofp i64 %n to double
  store double %as.double, ptr %weight.at
  %is.weighed = icmp ne i64 %weigh, 0
  br i1 %is.weighed, label %add.weights, label %divide
add.weights:
  %weigh.part = getelementptr i64, ptr %config, i64 %weigh
  %weighed = call i32 @part(ptr %args, ptr %config, ptr %weigh.part, i64 %n, double 1.0, double 1.0, ptr %weight.at)
  %weighed.fine = icmp eq i32 %weighed, {_FINE}
  br i1 %weighed.fine, label %divide, label %unserved
divide:
  %weight = load double, ptr %weight.at
  %is.mean = icmp ne i64 %mean, 0
  %divisor = select i1 %is.mean, double %weight, double 1.0
  %scale = fdiv double 1.0, %divisor
{_get("smallest", "config", SMALLEST, "double")}{_get("largest", "config", LARGEST, "double")}\
  %positive = fcmp ogt double %divisor, 0.0
  %not.small = fcmp oge double %scale, %smallest
  %not.large = fcmp ole double %scale, %largest
  %inside = and i1 %not.small, %not.large
  %possible = and i1 %positive, %inside
  br i1 %possible, label %go, label %refuse
go:
{_get("main", "config", MAIN)}  %main.part = getelementptr i64, ptr %config, i64 %main
  %served = call i32 @part(ptr %args, ptr %config, ptr %main.part, i64 %n, double %scale, double %divisor, ptr %sum.at)
  %served.fine = icmp eq i32 %served, {_FINE}
  br i1 %served.fine, label %return, label %unserved
return:
  %sum = load double, ptr %sum.at
{_get("total", "config", TOTAL)}  %is.total = icmp ne i64 %total, 0
  br i1 %is.total, label %both, label %single
both:
  %pair = call ptr @PyComplex_FromDoubles(double %sum, double %weight)
  ret ptr %pair
single:
  %float = call ptr @PyFloat_FromDouble(double %sum)
  ret ptr %float
unserved:
  %status = phi i32 [%weighed, %add.weights], [%served, %go]
  %raised = icmp eq i32 %status, {_INTERRUPTED}
  br i1 %raised, label %raise, label %refuse
raise:
  ret ptr null
refuse:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}}

; dtype(data: nothing)(array) -> the word that says which dtype the array has
define ptr @dtype(ptr %self, ptr %args, i64 %count) {{
  %array = load ptr, ptr %args
{_get("description", "array", description, "ptr")}{_get("kind", "description", head + _KIND)}\
  %number = call ptr @PyLong_FromLongLong(i64 %kind)
  ret ptr %number
}}
{DECLARATIONS}{added("noinline")}"""
