"""The strongest NumPy we can write: blocks that stay in cache, buffers made once, every operation with out=.

A block returns the sum of its losses and leaves in g the gradient of the mean. Sums are dot products, NumPy's fastest.
"""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

Array = np.ndarray
Block = Callable[[Array, Array, Array, SimpleNamespace, float], float]

BLOCK = 1 << 18  # bytes of an array that are worked on at a time: a few of them fit the second cache
FLOATS = ("a", "b", "c", "d")
QUANTILE = 0.9


def squared_error(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.subtract(f, y, out=k.a)
    np.multiply(k.a, 2 * per, out=g)
    return np.dot(k.a, k.a)


def absolute_error(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.subtract(f, y, out=k.a)
    np.sign(k.a, out=k.b)
    np.multiply(k.b, per, out=g)
    return np.dot(k.a, k.b)


def huber(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.subtract(f, y, out=k.a)
    np.clip(k.a, -1, 1, out=k.b)
    np.multiply(k.b, per, out=g)
    return np.dot(k.a, k.b) - np.dot(k.b, k.b) / 2


def quantile(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.subtract(f, y, out=k.a)
    np.greater(k.a, 0, out=k.mask)
    np.subtract(k.mask, k.dtype(QUANTILE), out=k.b)
    np.multiply(k.b, per, out=g)
    return np.dot(k.a, k.b)


def hinge(sign: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.multiply(sign, f, out=k.a)
    np.less(k.a, 1, out=k.mask)
    np.multiply(sign, k.mask, out=k.b)
    np.multiply(k.b, -per, out=g)
    return np.count_nonzero(k.mask) - np.dot(f, k.b)


def binary_cross_entropy(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.abs(f, out=k.a)
    np.negative(k.a, out=k.b)
    np.exp(k.b, out=k.b)
    np.log1p(k.b, out=k.c)
    value = np.dot(k.c, k.ones) + (np.dot(k.a, k.ones) + np.dot(f, k.ones)) / 2 - np.dot(y, f)
    np.greater(f, 0, out=k.mask)
    np.maximum(k.b, k.mask, out=k.c)  # 1 or exp(-|f|)
    np.add(k.b, 1, out=k.b)
    np.divide(k.c, k.b, out=k.c)
    np.subtract(k.c, y, out=k.c)
    np.multiply(k.c, per, out=g)
    return value


def poisson(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.exp(f, out=k.a)
    np.subtract(k.a, y, out=k.b)
    np.multiply(k.b, per, out=g)
    return np.dot(k.a, k.ones) - np.dot(y, f)


def log_cosh(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.subtract(f, y, out=k.a)
    np.tanh(k.a, out=k.b)
    np.multiply(k.b, per, out=g)
    np.abs(k.a, out=k.a)
    np.multiply(k.a, -2, out=k.b)
    np.exp(k.b, out=k.b)
    np.log1p(k.b, out=k.b)
    return np.dot(k.a, k.ones) + np.dot(k.b, k.ones) - len(y) * np.log(2)


def focal(sign: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    np.multiply(sign, f, out=k.a)  # the margin
    np.abs(k.a, out=k.b)
    np.negative(k.b, out=k.c)
    np.exp(k.c, out=k.c)
    np.log1p(k.c, out=k.d)  # surprise = log1p(exp(-|a|)) + (|a| - a) / 2
    np.subtract(k.b, k.a, out=k.b)
    np.multiply(k.b, 0.5, out=k.b)
    np.add(k.d, k.b, out=k.d)
    np.less(k.a, 0, out=k.mask)
    np.maximum(k.c, k.mask, out=k.b)
    np.add(k.c, 1, out=k.c)
    np.divide(k.b, k.c, out=k.b)  # wrong = the probability of the other label
    np.multiply(k.b, k.b, out=k.a)
    value = np.dot(k.a, k.d)
    np.subtract(1, k.b, out=k.c)
    np.multiply(k.c, k.d, out=k.c)
    np.multiply(k.c, 2, out=k.c)
    np.add(k.c, k.b, out=k.c)
    np.multiply(k.c, k.a, out=k.c)
    np.multiply(k.c, sign, out=k.c)
    np.multiply(k.c, -per, out=g)
    return value


def gaussian_nll(y: Array, f: Array, g: Array, k: SimpleNamespace, per: float) -> float:
    mean, log_scale = f[:, 0], f[:, 1]
    np.negative(log_scale, out=k.a)
    np.exp(k.a, out=k.a)
    np.subtract(mean, y, out=k.b)
    np.multiply(k.b, k.a, out=k.b)
    np.multiply(k.a, per, out=k.a)
    np.multiply(k.a, k.b, out=g[:, 0])
    value = np.dot(k.b, k.b)
    np.multiply(k.b, k.b, out=k.b)
    np.subtract(1, k.b, out=k.b)
    np.multiply(k.b, per, out=g[:, 1])
    return value / 2 + np.dot(log_scale, k.ones)


SIGNED = (hinge, focal)  # work on labels -1 and 1
BLOCKS: dict[str, Block] = {
    block.__name__: block
    for block in (
        squared_error, absolute_error, huber, quantile, hinge,
        binary_cross_entropy, poisson, log_cosh, focal, gaussian_nll,
    )
}  # fmt: skip


def contestant(name: str, y: Array, f: Array) -> Callable[[], tuple[float, Array]]:
    """Mean loss and its gradient of labels 0 and 1, amounts or numbers."""
    block, g, n = BLOCKS[name], np.empty_like(f), len(y)
    y = 2 * y - 1 if block in SIGNED else y
    size = min(n, BLOCK // f.itemsize)

    def buffers(length: int) -> SimpleNamespace:
        floats = {word: np.empty(length, f.dtype) for word in FLOATS}
        mask, ones = np.empty(length, bool), np.ones(length, f.dtype)
        return SimpleNamespace(**floats, mask=mask, ones=ones, dtype=f.dtype.type)

    work = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    whole, rest = buffers(size), buffers(n % size)

    def run() -> tuple[float, Array]:
        total = 0.0
        for part in work:
            kept = whole if part.stop - part.start == size else rest
            total += float(block(y[part], f[part], g[part], kept, 1 / n))
        return total / n, g

    return run
