"""Samples of a loss of classes, a score for each: one read of their features tells the loss and its derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call, products
from lossmith.formula.expr import apply
from lossmith.formula.model import WIDTH

from .samples import Layout, can_read, is_readable

if TYPE_CHECKING:
    from lossmith.engine.llvm.run import Kernel
    from lossmith.engine.llvm.spec import Spec
    from lossmith.loss import Loss

    from .design import Chunk

Array = NDArray[np.float64]

_COEFFICIENTS = 1 << 15  # up to so many stay in the nearer caches, beside what they pull
_LEAST = 8  # rows


class Passed(NamedTuple):
    """Weighted means over the samples."""

    loss: float
    size: float  # of the loss
    pulled: Array  # derivative of the loss in each coefficient, (features, classes), and in the intercepts, (classes,)
    total: Array


class Several:
    """``weight`` and ``offset`` (what is added to scores): None, or a number, or a row of them, per sample."""

    def __init__(self, loss: Loss, y: NDArray[Any], weight: Array | None, offset: Array | None) -> None:
        self.y = np.ascontiguousarray(y)
        self.weight, self.offset = (None if x is None else np.ascontiguousarray(x) for x in (weight, offset))
        self.total = float(len(y) if weight is None else weight.sum())
        self._params, self._formula = loss.numbers, loss.formulas.get("class id")
        self._ignored = loss.params.get("ignore_index")
        self._kernels: dict[tuple[Layout, int], Kernel | None] = {}

    def can_pass(self, X: Any, classes: int) -> bool:
        """Whether a kernel can read these: as few classes as it has rows in lanes for, and few coefficients."""
        from lossmith.engine.llvm.spec import MOST_ACROSS

        if self._formula is None or self._formula.extras or not (can_read(X) and is_readable(self.y)):
            return False
        few = classes <= MOST_ACROSS and classes * X.shape[1] <= _COEFFICIENTS
        return few and len(self.y) >= _LEAST and self._kernel(Layout.of(X), classes) is not None

    def passed(self, chunk: Chunk, coefficients: Array, centre: Array, intercepts: Array) -> Passed:
        """At the scores (X - centre) @ coefficients + intercepts + offset; of a chunk, its part in the means of all."""
        from lossmith.engine.llvm.linear import LANES, VECTORS, padded
        from lossmith.engine.llvm.linear_several import width
        from lossmith.engine.llvm.run import rows_per_block

        X = chunk.X
        (n, p), classes, laid = X.shape, len(intercepts), Layout.of(X)
        kernel = self._kernel(laid, classes)
        assert kernel is not None
        spec, height = kernel.spec, padded(p)
        w, c = np.zeros((1 + height, classes)), np.zeros(height)
        w[0], w[1 : 1 + p], c[:p] = intercepts, coefficients, centre
        pull = np.zeros((-(-n // rows_per_block(spec, p)), width(p, classes)))
        scores = w if self.offset is None else chunk.of_rows(self.offset)  # without an offset nothing is read there
        weight = [] if self.weight is None else [chunk.of_rows(self.weight, 0.0)]
        vectors = [np.array(self._params[name], dtype=np.float64) for name in spec.vectors[: -len(VECTORS)]]
        given = [chunk.of_rows(self.y), scores, *weight, *vectors, X.T if laid.columns else X, w, c, pull]
        found = kernel.run(given, np.array(self._numbers), n, classes=p)
        total = pull.sum(axis=0) / self.total
        each = total[:-LANES].reshape(-1, classes, LANES)  # of so many features at a time, of the intercepts in the end
        pulled = each[:-1].transpose(0, 2, 1).reshape(height, classes)[:p]
        mean = float("nan") if found is None else found / self.total
        return Passed(mean, float(total[-LANES:].sum()), pulled, each[-1].sum(axis=1))

    @property
    def _numbers(self) -> list[float]:
        assert self._formula is not None
        return [*(float(self._params[p.name]) for p in self._formula.params if not p.per_class), 1.0]

    def _kernel(self, laid: Layout, classes: int) -> Kernel | None:
        """None where the formula is too long to be one."""
        from lossmith.engine.llvm.run import kernel

        if (laid, classes) not in self._kernels:
            self._kernels[laid, classes] = kernel(self._spec(laid, classes))
        return self._kernels[laid, classes]

    def _spec(self, laid: Layout, classes: int) -> Spec:
        from lossmith.engine.llvm.linear import VECTORS
        from lossmith.engine.llvm.memory import Stored
        from lossmith.engine.llvm.settle import settled
        from lossmith.engine.llvm.spec import Input, Spec

        formula, stored = self._formula, Stored("float64")
        assert formula is not None
        (slope,), numbers = formula.gradient, [p.name for p in formula.params if not p.per_class]
        roots = (formula.value, slope if slope.row else apply("per_class", slope), apply("abs", formula.value))
        ignored = None if self._ignored is None else float(self._ignored)
        return Spec(
            "float64", settled(roots, {name: float(self._params[name]) for name in numbers}),
            (Input(formula.target.name, Stored(self.y.dtype.name), ignored=ignored),
             Input(formula.predictions[0].name, stored, row=True)),
            (*numbers, WIDTH.data), sums=(0, 2), weight=None if self.weight is None else stored, exact=True,
            classes=classes, vectors=(*(p.name for p in formula.params if p.per_class), *VECTORS),
            offset=self.offset is not None, pulled=1, **laid._asdict(),
        )  # fmt: skip


def hessian_products(loss: Loss, y: NDArray[Any], f: Array, tangents: Array) -> Array:
    """Second derivatives of each sample's loss in its scores f times a tangent, (n, outputs).

    Targets and scores are those of a fit, which looked at them: what a call would look for takes longer than this.
    """
    if loss.params.get("ignore_index") is not None:
        return np.asarray(Call(loss, y, f, None, None, {}).hessian_product(tangents, "none"))
    rows = loss.kind == "rowwise"
    formula = loss.formulas["class id"] if rows else loss.formula
    params = {name: np.array(x, dtype=np.float64) if np.ndim(x) else float(x) for name, x in loss.numbers.items()}
    scores, directions = ([f], [tangents]) if rows else (list(f.T), list(tangents.T))
    target = np.asarray(y, dtype=np.float64)
    arrays = {formula.target.name: target[:, None] if rows else target}
    arrays |= {p.name: score for p, score in zip(formula.predictions, scores, strict=True)}
    found = products(formula, arrays, directions, params | {"width": 1.0}, np, scores[0])
    if not rows:
        return np.stack(found, axis=-1)
    return np.asarray(found[0] if formula.products[0].row else np.broadcast_to(found[0][:, None], f.shape))
