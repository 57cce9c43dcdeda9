"""The rows a booster trains on, and what they settle: where it starts, and in which units its trees learn.

The trees learn u, where score = start + scale * u. Start is the loss's best constant, scale the size of the residuals
about it (of the Newton steps from it, where scores have no units), so that targets far from zero, tiny or huge train as
well as any, whatever digits a booster keeps and whatever gain it takes for none. Scale and the divisor that brings the
mean curvature near 1 are powers of two: they change no digit of a gradient.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith import record
from lossmith.adapters.boosting_guard import guarded
from lossmith.adapters.boosting_levels import Cuts
from lossmith.formula.domains import Domain
from lossmith.formula.expr import substitute
from lossmith.formula.model import Argument, Formula
from lossmith.lazy import cached_property
from lossmith.start import of_numbers, residual_scale

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """score = start + scale * u, u what the trees learn; gradient and curvature are divided by `divisor`.

    A number for each output, or one for all of them.
    """

    start: tuple[float, ...]
    scale: tuple[float, ...] = (1.0,)
    divisor: tuple[float, ...] = (1.0,)

    def scores(self, u: NDArray[Any], out: Array | None = None) -> Array:
        """Scores of u's shape, (n,) or (n, outputs); in new memory where `out` is none."""
        if self.scale != (1.0,):
            u = out = np.multiply(u, np.asarray(self.scale), out=out, dtype=np.float64)
        return np.asarray(np.add(u, np.asarray(self.start), out=out, dtype=np.float64))

    def to_u(self, gradient: Array, curvature: Array) -> None:
        """Turns derivatives in the score into derivatives in u, over the divisor."""
        scale = np.asarray(self.scale)
        first = scale / np.asarray(self.divisor)
        for derivative, factor in ((gradient, first), (curvature, first * scale)):
            if (factor != 1).any():
                derivative *= factor


RAW = Units((0.0,))
"""Of trees that predict scores themselves, however many."""

_BEGUN = {RAW}
"""Units in which trees learn, in this process: boosters have no place for them, and copy the objectives that have."""


@dataclass(frozen=True)
class Setting:
    """What the training rows settle, once, for every set of rows and for the model."""

    stated: Loss  # as the user reads it, its parameters in units of y
    loss: Loss  # as it is trained: of numbers, not labels, and of any score
    units: Units
    residual: float | None = None  # size of the residuals at the start, where scores have units and it matters
    reach: tuple[float, float] | None = None  # where a redescending loss pulls hardest
    share: float | None = None  # of ones among the targets, where these are labels
    cuts: Cuts | None = None  # between levels, where the loss leaves them open
    kinked: bool = False  # whether a sample whose score is its target has a slope, of one side of a kink or of none
    targets: tuple[Setting, ...] = ()  # what each column settles, where targets are several numbers a row
    referred: bool = False  # whether these are another dataset's units, said to be those of the trees

    @classmethod
    def of_targets(cls, targets: Sequence[Setting]) -> Setting:
        """Columns of numbers that one booster learns side by side, each from its own start and in its own units."""
        first, each = targets[0], [setting.units for setting in targets]
        start, scale, divisor = (
            tuple(number for units in each for number in getattr(units, name)) for name in ("start", "scale", "divisor")
        )
        return cls(first.stated, first.loss, Units(start, scale, divisor), targets=tuple(targets))

    def __getstate__(self) -> dict[str, Any]:
        """Without what follows from the rest."""
        return {name: value for name, value in self.__dict__.items() if name not in ("of_u", "descent")}

    @property
    def learnt_in(self) -> bool:
        """Whether trees may have learnt in these units: what began elsewhere is not known here, nor ruled out."""
        return self.referred or self.units in _BEGUN or len(_BEGUN) == 1

    def begin(self, u: NDArray[Any]) -> None:
        """Note that trees learn in these units; refuse trees that learnt in others, whose u would be misread."""
        if self.referred or self.units in _BEGUN:
            return
        if u.any():
            if not _asked_by_booster():
                return
            raise ValueError(
                f"{self.loss.name}: training goes on from trees that did not learn in the units of this dataset, which "
                "were measured on its own rows: make it with dataset(X, y, reference=first), first being the dataset "
                "of the first training"
            )
        _BEGUN.add(self.units)

    @cached_property
    def descent(self) -> Loss:
        """The loss with the curvature that trees divide by."""
        return self.loss if self.share is None else guarded(self.loss, self.share)

    @cached_property
    def of_u(self) -> Loss | None:
        """The loss over the divisor, of what the trees learn: one pass where scores are nobody else's business."""
        loss, units, (prediction, *more) = self.descent, self.units, self.loss.formula.predictions
        if self.residual is not None or self.kinked or more or not prediction.domain.any_number:
            return None
        if len(units.scale) > 1 or len(units.divisor) > 1:
            return None
        settings = {"start": units.start, "scale": units.scale, "divisor": units.divisor}
        arguments = [
            Argument(f"{name} of the trees", Domain("a real number"), per_class=len(numbers) > 1)
            for name, numbers in settings.items()
        ]
        start, scale, divisor = (argument.as_param for argument in arguments)
        score = {prediction.as_input: start + scale * prediction.as_input}

        def moved(formula: Formula) -> Formula:
            value, *curvature = substitute((formula.value, *formula.curvature), score)
            return record.replace(
                formula, value=value / divisor, declare=tuple(c * (scale * scale / divisor) for c in curvature),
                params=(*formula.params, *arguments),
            )  # fmt: skip

        pairs = zip(arguments, settings.values(), strict=True)
        params = {argument.name: numbers if argument.per_class else numbers[0] for argument, numbers in pairs}
        formulas = {kind: moved(formula) for kind, formula in loss.formulas.items()}
        return loss.replaced(formulas=formulas, params={**loss.params, **params})


def _asked_by_booster() -> bool:
    """Whether a booster's training waits for the answer, and not somebody with scores of their own."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if str(frame.f_globals.get("__name__")).partition(".")[0] in ("lightgbm", "xgboost", "catboost"):
            return True
    return False


class Scratch:
    """Memory for the arrays of a round, made once: pages that a process gets anew cost more than what is computed.

    An array goes back when nobody holds it or a part of it any more, so none is ever overwritten before its holder's
    eyes.
    """

    def __init__(self) -> None:
        self._free: dict[Any, list[Any]] = {}

    def array(self, like: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
        """An array of this one's shape and order."""
        by_column = like.ndim == 2 and like.flags.f_contiguous and not like.flags.c_contiguous
        free = self._free.setdefault((like.shape, dtype, by_column), [])
        room = free.pop() if free else _room(like.size * np.dtype(dtype).itemsize)
        loan = _Loan(like.shape, dtype, room, order="F" if by_column else "C")
        loan.free = free
        return loan.view(np.ndarray)

    def __reduce__(self) -> tuple[type[Scratch], tuple[()]]:
        return Scratch, ()  # copies of rows share nothing, and need none of it


class _Loan(np.ndarray[Any, Any]):
    """What every array made of the memory keeps alive, as none of them is of this kind."""

    free: list[Any]

    def __del__(self) -> None:
        if len(self.free) < _KEPT:
            self.free.append(self.base)


def _room(size: int) -> Any:
    """Memory for so many bytes, in whole cache lines, which are written faster.

    It is no array itself: NumPy would have a part of a loan keep that alive, and not the loan.
    """
    memory = np.empty(size + _LINE, np.uint8)
    return (ctypes.c_char * size).from_buffer(memory.data, -memory.ctypes.data % _LINE)


_LINE = 64
_KEPT = 3  # scores, gradients and curvatures of one round


@dataclass(frozen=True, eq=False)
class Rows:
    """Targets with all their digits (boosters keep 24 bits) and weights."""

    y: NDArray[Any]
    weight: Array | None
    setting: Setting
    scratch: Scratch = field(default_factory=Scratch)

    @cached_property
    def targets(self) -> tuple[Rows, ...]:
        """The rows once for each column of several targets, and with them what it settled; else none."""
        columns = enumerate(self.setting.targets)
        return tuple(Rows(np.ascontiguousarray(self.y[:, j]), self.weight, setting) for j, setting in columns)

    @cached_property
    def compact(self) -> NDArray[Any]:
        """The same targets in less memory, where float32 holds every one of them: a round reads little else."""
        with np.errstate(all="ignore"):
            narrow = self.y.astype(np.float32) if self.y.dtype == np.float64 else self.y
        return narrow if np.array_equal(narrow, self.y) else self.y

    def part(self, chosen: Any) -> Rows:
        """Some of the rows, in the units of all."""
        return Rows(self.y[chosen], None if self.weight is None else self.weight[chosen], self.setting)

    def mean_loss(self, loss: Loss, scores: Array) -> float:
        """The weighted mean, over the columns too where there are several targets."""
        columns = not loss.wide and self.y.ndim == 2
        return float(loss(self.y, scores, weight=beside(self.weight, self.y) if columns else self.weight))

    def pair(self, like: NDArray[Any], dtype: Any = np.float64) -> tuple[NDArray[Any], NDArray[Any]]:
        """Memory for gradient and curvature at such scores."""
        return self.scratch.array(like, dtype), self.scratch.array(like, dtype)

    def start(self) -> Array:
        """The start as scores of these rows."""
        loss, start, n = self.setting.loss, self.setting.units.start, len(self.y)
        one = not loss.wide and not self.setting.targets
        return np.full(n, start[0]) if one else np.tile(np.asarray(start), (n, 1))

    def spread(self, f: Array) -> float:
        """The size of the residuals about these scores."""
        return residual_scale(self.setting.loss, self.y, f, self.weight)

    def same_as(self, y: NDArray[Any], weight: Array | None) -> bool:
        """Whether these are the rows of such targets and weights."""
        if (weight is None) is not (self.weight is None) or not np.array_equal(y, self.y):
            return False
        return weight is None or self.weight is None or np.array_equal(weight, self.weight)


def noted(dataset: Any) -> Rows | None:
    """What an objective's `dataset` noted on a dataset, or on that which it is a part of, as folds are."""
    rows: Rows | None = getattr(dataset, "_lossmith", None)
    chosen = getattr(dataset, "used_indices", None)
    if rows is None and chosen is not None:
        whole = noted(dataset.reference)
        rows = dataset._lossmith = None if whole is None else whole.part(np.asarray(chosen))
    return rows


def rows_of(dataset: Any) -> Rows:
    """What an objective's `dataset` noted on a dataset; of any other, an error."""
    rows = noted(dataset)
    if not isinstance(rows, Rows):
        raise ValueError("this dataset was not made by the objective's own dataset(): start and scale are unknown")
    return rows


def beside(weight: Array | None, y: NDArray[Any]) -> Array | None:
    """A row's weight for each of its targets; weights that are not one a row as they are, for the loss to refuse."""
    return weight if weight is None or weight.shape != y.shape[:1] else np.broadcast_to(weight[:, None], y.shape)


def weights(given: Any) -> Array | None:
    """Weights as numbers; boosters say none in several ways."""
    if given is None or (np.ndim(given) and not len(given)):
        return None
    if not np.ndim(given):
        raise ValueError(f"weight is {given!r}: expected one number for each row")
    return np.asarray(given, dtype=np.float64)


def of_positive_weight(y: NDArray[Any], weight: Array | None) -> NDArray[Any]:
    """Targets with, where the weight is 0, that of a row which counts: a gap there is nobody's business."""
    if weight is None or weight.shape != y.shape[:1] or weight.all() or not (weight > 0).any():
        return y
    kept = y.copy()
    kept[weight == 0] = y[np.argmax(weight > 0)]
    return kept


def heeded(loss: Loss, y: NDArray[Any], weight: Array | None) -> tuple[NDArray[Any], Array | None]:
    """Targets and weights without the label that the loss ignores: such rows weigh 0, and it is not counted as a
    class."""
    ignored = loss.params.get("ignore_index")
    if ignored is None or y.ndim != 1 or (weight is not None and weight.shape != y.shape):
        return y, weight
    left_out = y == ignored
    if not left_out.any():
        return y, weight
    weight = np.where(left_out, 0.0, 1.0 if weight is None else weight)
    if not weight.any():
        raise ValueError(
            f"{loss.name}: there is nothing to average: no row of positive weight has another label than {ignored}, "
            "which is ignored"
        )
    return of_positive_weight(y, weight), weight


def plain(loss: Loss) -> Loss:
    """As it is trained: of numbers, not labels (targets are translated once, when they arrive), and of any score."""
    return unbounded(of_numbers(loss))


def unbounded(loss: Loss) -> Loss:
    """The loss of a score that may be any number, which is what trees emit: probabilities and means get their link."""
    from lossmith.links import get_link

    domain, *more = (p.domain for p in loss.formula.predictions)
    if all(np.isinf([d.low, d.high]).all() for d in (domain, *more)):
        return loss
    share = "softmax" if domain.row else "logit"
    links = {(0.0, 1.0): share, (0.0, np.inf): "log", (-1.0, np.inf): "log1p"}
    if more or (domain.low, domain.high) not in links:
        raise ValueError(
            f"{loss.name}: a booster emits any number, but a prediction must be {domain.describe()}: "
            "write the loss for a raw score"
        )
    link = links[domain.low, domain.high]
    return _of_scores(loss, link) or loss.replaced(link=get_link("identity")).with_link(link)


def _of_scores(loss: Loss, link: str) -> Loss | None:
    """The catalogue's own form for scores of this link: what it knows of their curvature no derivation finds."""
    recipe = loss.recipe
    for option, default in {} if recipe is None else recipe.option_defaults.items():
        assert recipe is not None
        params = {**loss.params, option: not loss.params.get(option, default)}
        other = type(loss).from_recipe(recipe, loss.labels, **params)
        if other.link.name == link and all(p.domain.any_number for p in other.formula.predictions):
            return other
    return None


def power_of_two(x: float) -> float:
    """The nearest one, which multiplies without changing a digit; 1 where there is none."""
    return float(2.0 ** np.round(np.log2(x))) if np.isfinite(x) and x > 0 else 1.0
