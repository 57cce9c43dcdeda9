"""Targets and weights under one loss: expressions of it at given scores, or at the product of rows and coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossmith.engine import evaluate
from lossmith.engine.choice import machine_code
from lossmith.formula.expr import ZERO, Expr, leaf, substitute

from .views import MU

if TYPE_CHECKING:
    from lossmith.engine.llvm.run import Kernel
    from lossmith.formula.model import Formula
    from lossmith.loss import Loss

    from .design import Chunk

Array = NDArray[np.float64]

WIDE = 1024
"""Bytes of a row from which on eight of them are a good part of the nearest cache."""
LARGE = 200_000
"""From so many features on a kernel that reads them is worth compiling; NumPy multiplies less of them as fast."""

# names with spaces, which no formula of a user has
FROM, TO = leaf("input", "score where a line begins"), leaf("input", "where it ends")
LENGTH, INTERCEPT = leaf("param", "how far along it"), leaf("param", "intercept of the score")
OFFSET = leaf("input", "offset of the score")


class Samples:
    """Samples of a loss of one score each. ``weight`` and ``offset`` (what is added to scores): None, or one number per
    sample. Targets are kept, and read, in the type they have."""

    def __init__(self, loss: Loss, y: NDArray[Any], weight: Array | None, offset: Array | None = None) -> None:
        self.formula = loss.formula
        self.y = np.ascontiguousarray(y if is_readable(y) else y.astype(np.float64))
        self.weight, self.offset = (None if x is None else np.ascontiguousarray(x) for x in (weight, offset))
        self.total = float(len(y) if weight is None else weight.sum())
        self.score = self.formula.predictions[0].as_input
        self._params = {p.name: float(loss.numbers[p.name]) for p in self.formula.params} | {"width": 1.0}
        kind = self.y.dtype.name, weight is None, offset is None
        self._known = _known(self.formula, tuple(self._params.items()), *kind)

    def __len__(self) -> int:
        return len(self.y)

    def each(self, roots: Sequence[Expr], f: Array, mu: float = 0.0, part: Any = slice(None)) -> list[Array]:
        """The expressions at the scores of some of the samples, an array each."""
        kernel = self._kernel(tuple(roots), (self.score.data,), summed=False)
        if kernel is None:
            arrays = {self.formula.target.name: self._numerical(part), self.score.data: f}
            (found,) = evaluate([roots], arrays, self._params | {MU.data: mu}, np, rows=False, like=f)
            return list(found)
        made = [np.empty_like(f) for _ in roots]
        kernel.run([self.y[part], f, *made], self._numbers(mu), len(f))
        return made

    def sum(self, root: Expr, f: Array, mu: float = 0.0) -> float:
        """The weighted mean of an expression at the scores; NaN where it is not defined."""
        return self._sum(root, {self.score.data: f}, mu)

    def everywhere(self, root: Expr, score: float) -> float:
        """The weighted mean of an expression where every sample's score is the same, but for its offset."""
        same = INTERCEPT + (ZERO if self.offset is None else OFFSET)
        moved = self._built(("everywhere", root), lambda: substitute((root,), {self.score: same})[0])
        return self._sum(moved, {} if self.offset is None else {OFFSET.data: self.offset}, intercept=score)

    def between(self, root: Expr, begin: Array, end: Array, length: float, mu: float = 0.0) -> float:
        """The weighted mean of an expression at begin + length * (end - begin)."""
        moved = self._built(("between", root), lambda: self._moved(root))
        return self._sum(moved, {FROM.data: begin, TO.data: end}, mu, length)

    def along(self, root: Expr, begin: Array, end: Array, length: float, mu: float = 0.0) -> float:
        """As ``between``, each sample's times its end - begin."""
        moved = self._built(("along", root), lambda: self._moved(root) * (TO - FROM))
        return self._sum(moved, {FROM.data: begin, TO.data: end}, mu, length)

    def _moved(self, root: Expr) -> Expr:
        (moved,) = substitute((root,), {self.score: FROM + LENGTH * (TO - FROM)})
        return moved

    def _sum(
        self, root: Expr, arrays: dict[str, Array], mu: float = 0.0, length: float = 0.0, intercept: float = 0.0
    ) -> float:
        kernel = self._kernel((root,), tuple(arrays), summed=True)
        if kernel is None:
            numbers = self._params | {MU.data: mu, LENGTH.data: length, INTERCEPT.data: intercept}
            targets = self._numerical()
            given = {self.formula.target.name: targets, **arrays}
            ((each,),) = evaluate([[root]], given, numbers, np, rows=False, like=targets)
            return float(each.mean() if self.weight is None else self.weight @ each / self.total)
        read = [self.y, *arrays.values(), *([] if self.weight is None else [self.weight])]
        found = kernel.run(read, self._numbers(mu, length, intercept), len(self))
        return float("nan") if found is None else found / self.total

    def passed(
        self, roots: Sequence[Expr], pulled: Expr, summed: Sequence[Expr], chunk: Chunk, coefficients: Array,
        centre: Array, intercept: float, mu: float, made: Sequence[Array],
    ) -> tuple[Array, Array, float] | None:  # fmt: skip
        """One read of the rows: expressions at (X - centre) @ coefficients + intercept, the weighted means of those
        ``summed``, that of ``pulled`` times the row less its centre, and of ``pulled`` itself.

        The expressions' values go to ``made``, an array each. Of a chunk the means are its part in those of all. None
        where the formula is too long for a kernel.
        """
        from lossmith.engine.llvm import linear

        X, places = chunk.X, chunk.places
        n, p = X.shape
        written = made if places is None else [np.empty(n) for _ in roots]
        w, c = np.zeros((2, linear.width(p)))
        w[:p], c[:p] = coefficients, centre
        pull = np.empty((-(-n // linear.rows_per_block(p)), linear.width(p, len(summed))))
        laid = Layout.of(X)
        kernel = self._linear_kernel(tuple(roots), pulled, tuple(summed), laid)
        if kernel is None:
            return None
        features = X.T if laid.columns else X
        given = [chunk.of_rows(x) for x in (self.y, self.offset) if x is not None]
        given += [] if self.weight is None else [chunk.of_rows(self.weight, 0.0)]
        given += [*written, features, w, c, pull]
        found = kernel.run(given, self._numbers(mu, 0.0, intercept), n, classes=p)
        if places is not None:
            for array, rows in zip(made, written, strict=True):
                array[:] = rows[places]
        total = pull.sum(axis=0) / self.total
        whole, *others = total[linear.padded(p) :].reshape(-1, linear.LANES).sum(axis=1)
        mean = np.nan if found is None else found / self.total
        return np.array([mean, *others]), total[:p], float(whole)

    # kernels ----------------------------------------------------------------------------------------------------------

    def _numbers(self, mu: float, length: float = 0.0, intercept: float = 0.0) -> Array:
        return np.array([*self._params.values(), mu, length, intercept])

    def _built(self, key: Any, build: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = build()
        return self._known[key]

    def _kernel(self, roots: tuple[Expr, ...], inputs: tuple[str, ...], *, summed: bool) -> Kernel | None:
        """Of expressions at scores that are given: their sum, or all of them. None where NumPy computes them."""
        if not machine_code():
            return None
        from lossmith.engine.llvm.run import kernel
        from lossmith.engine.llvm.spec import Output, Spec

        def build() -> Kernel | None:
            sums, outputs = ((0,), ()) if summed else ((), tuple(Output("float64", (k,)) for k in range(len(roots))))
            return kernel(
                Spec(
                    "float64", self._settled(roots), self._inputs(inputs), self._parameters, sums, outputs,
                    weight=self._stored_weight if summed else None, exact=True,
                )
            )  # fmt: skip

        found: Kernel | None = self._built((roots, inputs, summed), build)
        return found

    def _linear_kernel(
        self, roots: tuple[Expr, ...], pulled: Expr, summed: tuple[Expr, ...], laid: Layout
    ) -> Kernel | None:
        """Of expressions at the product of rows and coefficients."""
        from lossmith.engine.llvm import linear
        from lossmith.engine.llvm.run import kernel
        from lossmith.engine.llvm.spec import Output, Spec

        def build() -> Kernel | None:
            score = linear.PRODUCT + INTERCEPT + (ZERO if self.offset is None else OFFSET)
            given = () if self.offset is None else (OFFSET.data,)
            every = substitute(self._settled((*roots, pulled, *summed)), {self.score: score})
            return kernel(
                Spec(
                    "float64", every, self._inputs(given), self._parameters,
                    tuple(range(len(roots) + 1, len(every))),
                    tuple(Output("float64", (k,)) for k in range(len(roots))), weight=self._stored_weight, exact=True,
                    classes=0, vectors=linear.VECTORS, pulled=len(roots), **laid._asdict(),
                )
            )  # fmt: skip

        found: Kernel | None = self._built((roots, pulled, summed, laid), build)
        return found

    def _settled(self, roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
        from lossmith.engine.llvm.settle import settled

        return settled(roots, self._params)

    @property
    def _parameters(self) -> tuple[str, ...]:
        return (*self._params, MU.data, LENGTH.data, INTERCEPT.data)

    def _numerical(self, part: Any = slice(None)) -> Array:
        """Targets to compute with where no kernel turns them into numbers as it reads them."""
        return np.asarray(self.y[part], dtype=np.float64)

    @property
    def _stored_weight(self) -> Any:
        from lossmith.engine.llvm.memory import Stored

        return None if self.weight is None else Stored("float64")

    def _inputs(self, others: tuple[str, ...]) -> tuple[Any, ...]:
        from lossmith.engine.llvm.memory import Stored
        from lossmith.engine.llvm.spec import Input

        target = Input(self.formula.target.name, Stored(self.y.dtype.name))
        return (target, *(Input(name, Stored("float64")) for name in others))


@lru_cache(maxsize=64)
def _known(formula: Formula, params: tuple[Any, ...], dtype: str, unweighted: bool, plain: bool) -> dict[Any, Any]:
    """What has been built of expressions for samples of one kind: the same ones come again and again, in every fit."""
    return {}


def is_readable(y: NDArray[Any]) -> bool:
    """Whether kernels read such targets, and lose nothing of them."""
    from lossmith.engine.llvm.memory import DTYPES

    return y.dtype.name in DTYPES and y.dtype.isnative


class Layout(NamedTuple):
    """How features lie in memory, in the words of a `Spec`."""

    matrix: str
    columns: bool
    gaps: bool
    wide: bool

    @classmethod
    def of(cls, X: NDArray[Any]) -> Layout:
        columns, row = X.strides[1] != X.itemsize, X.shape[1] * X.itemsize
        return cls(X.dtype.name, columns, not columns and X.strides[0] != row, not columns and row >= WIDE)


def can_read(X: Any) -> bool:
    """Whether a kernel can read these features: many numbers, those of a row or those of a column beside each other."""
    dense = isinstance(X, np.ndarray) and X.ndim == 2 and X.size >= LARGE and X.itemsize in X.strides
    return dense and is_readable(X) and machine_code()
