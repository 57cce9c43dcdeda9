"""The outside of every kernel: claim blocks until none is left, with the processor's floating modes set aside."""

from __future__ import annotations

import platform

from lossmith.engine.llvm import spec as job

_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_ROUND_TO_NEAREST = 0x1F80  # MXCSR: exceptions masked, denormals kept

_MODES = (
    (
        "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n",
        f"""  %theirs = alloca i32
  %ours = alloca i32
  store i32 {_ROUND_TO_NEAREST}, ptr %ours
  call void @llvm.x86.sse.stmxcsr(ptr %theirs)
  call void @llvm.x86.sse.ldmxcsr(ptr %ours)
""",
        "  call void @llvm.x86.sse.ldmxcsr(ptr %theirs)\n",
    )
    if _X86
    else (
        "declare i64 @llvm.aarch64.get.fpcr()\ndeclare void @llvm.aarch64.set.fpcr(i64)\n",
        "  %theirs = call i64 @llvm.aarch64.get.fpcr()\n  call void @llvm.aarch64.set.fpcr(i64 0)\n",
        "  call void @llvm.aarch64.set.fpcr(i64 %theirs)\n",
    )
)


DECLARATIONS = _MODES[0]
_PLAIN = "noinline optnone"


def _word(name: str, number: int, type_: str) -> str:
    return f"""  %{name}.at = getelementptr i64, ptr %job, i64 {number}
  %{name} = load {type_}, ptr %{name}.at
"""


def kernel(sums: int) -> str:
    """The function ``kernel(job) -> i64`` around ``block(job, start, stop, sums) -> i1 bad``.

    It returns 1 when it stopped for a breath (every TURN blocks, so that signals are seen) and 0 when nothing is left.
    A block that is bad is remembered if no earlier one is. After it comes ``added``. Neither is optimised: it
    saves milliseconds of compiling, and no run is slower.
    """
    _, enter, leave = _MODES
    mark = """  br i1 %bad, label %mark, label %done
mark:
  %old = atomicrmw umin ptr %first.bad, i64 %k monotonic
  br label %done
"""
    return f"""{DECLARATIONS}
define i64 @kernel(ptr %job) {_PLAIN} {{
entry:
{enter}{_word("n", job.COUNT, "i64")}{_word("blocks", job.BLOCKS, "i64")}{_word("turn", job.TURN, "i64")}\
{_word("sums", job.SUMS, "ptr")}{_word("step", job.STEP, "i64")}\
{_word("parts", job.PARTS, "i64")}  %first.bad = getelementptr i64, ptr %job, i64 {job.BAD}
  %stop.at = getelementptr i64, ptr %job, i64 {job.STOP}
  %block = mul i64 %parts, %step
  %counted = mul i64 %parts, {max(sums, 1)}
  br label %claim
claim:
  %count = phi i64 [0, %entry], [%count.next, %done]
  %pause = icmp sge i64 %count, %turn
  br i1 %pause, label %breath, label %look
look:
  %halt = load atomic i64, ptr %stop.at monotonic, align 8
  %halted = icmp ne i64 %halt, 0
  br i1 %halted, label %end, label %take
take:
  %k = atomicrmw add ptr %job, i64 1 monotonic
  %more = icmp slt i64 %k, %blocks
  br i1 %more, label %work, label %end
work:
  %s = mul i64 %k, %block
  %u = add i64 %s, %block
  %inside = icmp slt i64 %u, %n
  %t = select i1 %inside, i64 %u, i64 %n
  %offset = mul i64 %k, %counted
  %mine = getelementptr double, ptr %sums, i64 %offset
  %bad = call i1 @block(ptr %job, i64 %s, i64 %t, ptr %mine)
{mark}
done:
  %count.next = add i64 %count, 1
  br label %claim
breath:
{leave}  ret i64 1
end:
{leave}  ret i64 0
}}
{added(_PLAIN)}"""


def added(attributes: str) -> str:
    """The function ``added(numbers, count, divisor)``: their sum in order with what rounding took from it, divided.

    The lost digits are those of Knuth 1969, The Art of Computer Programming 2, section 4.2.2.
    """
    return f"""
define double @added(ptr %numbers, i64 %count, double %divisor) {attributes} {{
entry:
{_MODES[1]}  %any = icmp sgt i64 %count, 0
  br i1 %any, label %loop, label %end
loop:
  %k = phi i64 [0, %entry], [%k.next, %loop]
  %s = phi double [0.0, %entry], [%t, %loop]
  %c = phi double [0.0, %entry], [%c.next, %loop]
  %at = getelementptr double, ptr %numbers, i64 %k
  %x = load double, ptr %at
  %t = fadd double %s, %x
  %b = fsub double %t, %s
  %a = fsub double %t, %b
  %lost.s = fsub double %s, %a
  %lost.x = fsub double %x, %b
  %lost = fadd double %lost.s, %lost.x
  %c.next = fadd double %c, %lost
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %loop, label %end
end:
  %high = phi double [0.0, %entry], [%t, %loop]
  %low = phi double [0.0, %entry], [%c.next, %loop]
  %sum = fadd double %high, %low
  %result = fdiv double %sum, %divisor
{_MODES[2]}  ret double %result
}}
"""
