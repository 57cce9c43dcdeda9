"""What every booster needs of a loss.

Boosters leave six things to whoever brings an objective, mostly without saying so: the order of the arguments, the sign
of the derivatives, the start, the weights, the layout of several scores, and the link at prediction. Each booster's own
file says how it wants them; what they share is here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lossmith.adapters.boosting_checks import check_classes, check_derivatives, check_finite, check_scale
from lossmith.adapters.boosting_classes import size_of_class_loss
from lossmith.adapters.boosting_levels import Cuts
from lossmith.adapters.boosting_rows import (
    RAW,
    Array,
    Rows,
    Setting,
    Units,
    beside,
    heeded,
    noted,
    of_positive_weight,
    plain,
    power_of_two,
    weights,
)
from lossmith.adapters.boosting_ties import let_rest, slopes_at_targets
from lossmith.direct import served
from lossmith.formula.expr import walk
from lossmith.formula.model import WIDTH
from lossmith.inputs import check_index, to_host
from lossmith.plans import SOUND
from lossmith.start import (
    finite_start,
    has_units,
    in_units,
    redescends,
    residual_scale,
    scale_parameters,
    without_labels,
)
from lossmith.thresholds import first_cuts, parted, to_be_learned

if TYPE_CHECKING:
    from lossmith.loss import Loss

Hessian = Literal["curvature", "exact", "booster"] | Callable[[Any, Array], Any]

FLOOR = 1e-6
"""Least exact second derivative handed on, in units of the mean curvature; the loss's own curvature needs no floor."""


class Convention(NamedTuple):
    """How a booster trains a loss it has built in: second-order weight, our loss as a multiple of its, parameters."""

    hessian: Literal["curvature", "exact"] | Callable[[Loss, Any, Array], Any] = "exact"
    multiple: float = 1.0
    params: Mapping[str, Any] = {}


@dataclass(eq=False)
class Derivatives:
    """A loss's derivatives at the raw scores of trees, in either interface of a booster.

    `hessian` is what trees divide by: "curvature", the loss's positive second-order weight, which trains safely;
    "exact", the second derivative, which warns where it is not positive; "booster", the booster's own choice for a loss
    it has built in; or a function of (y, scores). `classes` is the number of classes where the targets may not show
    them all. `scale` replaces the measured size of the residuals, and derivatives are handed on as the loss has them.
    `in_mads` says that the loss's parameters in units of y (such as Huber's delta) are multiples of the size of the
    residuals at the start: 1.4826 times the median of their absolute values.
    """

    loss: Loss
    hessian: Hessian = "curvature"
    classes: int | None = None
    scale: float | None = None
    in_mads: bool = False

    FRAMEWORK: ClassVar[str]
    CONVENTIONS: ClassVar[Mapping[str, Convention]]
    START: ClassVar[str]  # what the booster calls a start given from outside
    LEARNS: ClassVar[bool] = True  # whether it shows all rows at once, from which thresholds of levels are learned
    TARGETS: ClassVar[bool] = False  # whether it trains several targets a row, with a loss of one score
    HANDED: ClassVar[Any] = np.float32  # in what the booster keeps derivatives

    def __post_init__(self) -> None:
        loss, hessian = self.loss, self.hessian
        check_classes(self.classes)
        check_scale(self.scale)
        if not (callable(hessian) or hessian in ("curvature", "exact", "booster")):
            raise ValueError(
                f'hessian is {hessian!r}: expected "curvature", "exact", "booster" or a function of (y, scores)'
            )
        if hessian == "booster" and loss.name not in self.CONVENTIONS:
            known = ", ".join(self.CONVENTIONS)
            raise ValueError(f"{self.FRAMEWORK} has no convention of its own for {loss.name}; it has for {known}")
        if loss.formula.extras:
            names = ", ".join(extra.name for extra in loss.formula.extras)
            raise ValueError(f"{loss.name} needs {names} for each sample, which a booster does not pass on")
        if self.in_mads and not scale_parameters(loss):
            raise ValueError(f"in_mads: {loss.name} has no parameter in units of the target")
        self._plain = plain(loss)
        self._convention = self.CONVENTIONS[loss.name] if hessian == "booster" else None
        self._warned: set[str] = set()
        self._known: Rows | None = None
        self._open = self._plain if to_be_learned(loss) is not None else None
        if self._open is not None and not self.LEARNS:
            raise ValueError(
                f"{self.FRAMEWORK} shows an objective a few rows at a time, from which {to_be_learned(loss)} of "
                f"{loss.name} cannot be learned: give them"
            )

    @classmethod
    def of(cls, loss: Loss, **options: Any) -> Self:
        """The objective, or which option it does not know."""
        known = [field.name for field in fields(cls) if field.name != "loss"]
        for name in options:
            if name not in known:
                raise TypeError(f"{cls.FRAMEWORK} takes no option {name!r}; it takes {', '.join(known)}")
        return cls(loss, **options)

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows seen last, which a fitted estimator has no more use for, and a file none at all."""
        return {**self.__dict__, "_known": None}

    def start(self, y: Any, weight: Any = None) -> Array:
        """Where training should start: the best constant score, made finite; shape (outputs,), or (targets,)."""
        check_index(y=y, weight=weight)
        target, kept = self._checked(y, weight)
        columns = target.T if self._has_columns(target) else [target]
        return np.concatenate([finite_start(self._plain, one, kept, self.classes) for one in columns])

    # derivatives

    def _derivatives(self, rows: Rows, u: NDArray[Any], dtype: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and second-order weight in u, the trees' own units, in the type that the booster keeps."""
        dtype = dtype or self.HANDED
        if rows.targets:
            pairs = [self._derivatives(one, u[:, j], dtype) for j, one in enumerate(rows.targets)]
            gradients, curvatures = zip(*pairs, strict=True)
            return np.column_stack(gradients), np.column_stack(curvatures)
        rule: Any = self.hessian if self._convention is None else self._convention.hessian
        cuts = rows.setting.cuts
        if cuts is not None:
            scores = rows.setting.units.scores(np.asarray(u, dtype=np.float64))
            rows = replace(rows, setting=replace(rows.setting, loss=parted(cuts.open, cuts.after(rows, scores))))
        loss, units, y, weight = rows.setting.loss, rows.setting.units, rows.y, rows.weight
        if rule == "curvature" and cuts is None and rows.setting.of_u is not None:
            wide = u if np.float64 in (u.dtype, y.dtype) else u.astype(np.float64)  # what is computed in
            read = rows.compact if wide.dtype == np.float64 else y
            found = served(
                rows.setting.of_u, ("gradient", "curvature"), SOUND, read, wide, weight, None, rows.pair(u, dtype), {}
            )
            if found is not None:
                return found[0], found[1]
        f = units.scores(u, out=rows.scratch.array(u))
        if rule == "curvature":
            gradient, curvature = self._descent(rows, f)
        else:
            gradient = np.asarray(loss.gradient(y, f, weight=weight, reduction="none"))
            asked = (loss, y, f) if self._convention is not None else (y, f)
            curvature = np.array(loss.hessian(y, f) if rule == "exact" else rule(*asked), dtype=np.float64)
            if curvature.shape != f.shape:
                raise ValueError(f"hessian returned shape {curvature.shape}, expected {f.shape}")
            curvature = curvature if weight is None else (curvature.T * weight).T
        if rows.setting.kinked:
            let_rest(gradient, loss, y, f)
        if not _sound(gradient, curvature):
            check_derivatives(loss.name, y, f, gradient, curvature)
            curvature = self._positive(curvature, weight, units)
        units.to_u(gradient, curvature)
        if dtype == np.float64:
            return gradient, curvature
        handed = rows.pair(f, dtype)
        with np.errstate(all="ignore"):
            for place, derivative in zip(handed, (gradient, curvature), strict=True):
                place[...] = derivative
        if not _sound(*handed):
            check_derivatives(loss.name, y, f, *handed)
        return handed

    def _descent(self, rows: Rows, f: Array) -> tuple[Array, Array]:
        """Gradient and curvature of the loss or, while most rows are out of its reach, of its convex relative."""
        setting, y = rows.setting, rows.y
        width, held = 1.0, f
        if setting.residual is not None:
            # How near to a kink counts as at it, and how far a step may go: between the residuals' size at first and
            # now. With the first alone, training would come to swing about kinks; with the present alone be slow.
            now = rows.spread(f)
            width = float(np.sqrt(now * setting.residual))
            if setting.reach is not None and now > min(-setting.reach[0], setting.reach[1]):
                held = y + np.clip(f - y, *setting.reach)
        gradient, curvature = setting.descent.gradient_and_curvature(
            y, held, weight=rows.weight, reduction="none", width=width,
            out=rows.pair(f),
        )  # fmt: skip
        if held is not f:  # the pull stays, so its weight falls with the distance, as Huber's does
            far = np.abs(f - y)
            curvature = curvature * np.where(held == f, 1.0, np.abs(held - y) / np.where(far > 0, far, 1.0))
        return gradient, curvature

    def _positive(self, curvature: Array, weight: Array | None, units: Units) -> Array:
        bad = ~(curvature > 0)
        if weight is not None:
            bad = (bad.T & (weight > 0)).T  # rows without weight are to stay exactly without effect
        if not bad.any():
            return curvature
        row = int(np.argwhere(bad)[0][0])
        self._warn_once(
            "positive",
            f"{self.loss.name}: the second-order weight of {int(bad.sum())} predictions is not positive (first: "
            f'row {row}), and raised to {FLOOR:g} of its mean; such training often stalls: use hessian="curvature"',
        )
        least = FLOOR * np.asarray(units.divisor) / np.square(units.scale)
        return np.where(bad, least, curvature)

    def _warn_once(self, about: str, message: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, stacklevel=2)

    # what the rows settle

    def _zeros(self, y: NDArray[Any]) -> Array:
        """Scores to check targets with."""
        if not self.loss.wide:
            return np.zeros(y.shape if self._has_columns(y) else len(y))
        seen = y.shape[-1] if y.ndim == 2 else int(np.max(y, initial=1)) + 1 if y.dtype.kind == "i" else 2
        return np.zeros((len(y), self.loss.outputs or self.classes or seen))

    def _has_columns(self, y: NDArray[Any]) -> bool:
        """Whether these are several targets a row, each with a score of its own."""
        many = not self.loss.wide and y.ndim == 2 and y.shape[1] > 1
        if many and not self.TARGETS:
            raise ValueError(
                f"y has shape {y.shape}, but {self.FRAMEWORK} trains {self.loss.name} on one target: train a model for "
                "each column"
            )
        return many

    def _settled(self, y: NDArray[Any], weight: Array | None) -> Setting:
        if self._has_columns(y):
            self._plain.total(y, self._zeros(y), weight=beside(weight, y))  # says what is wrong, and in which column
            if self.in_mads:
                raise ValueError("in_mads: residuals of several targets have several sizes: train a model for each")
            return Setting.of_targets([self._settled(np.ascontiguousarray(one), weight) for one in y.T])
        stated, loss, cuts = self.loss, self._plain, None
        if self._open is not None:
            counts = np.bincount(y, weights=weight, minlength=self.classes or 2)
            if not counts.all():
                raise ValueError(f"{loss.name}: no row of positive weight is of level {counts.argmin()}")
            cuts = Cuts(loss, first_cuts(y, weight))
            stated, loss = parted(stated, cuts.now), cuts.loss
        loss.total(y, self._zeros(y), weight=weight)  # says what is wrong with targets or weights
        start = finite_start(loss, y, weight, self.classes)
        residual = residual_scale(loss, y, start, weight)
        if self.in_mads:
            stated = in_units(stated, residual, scale_parameters(stated))
            loss = plain(stated)
            start = finite_start(loss, y, weight, self.classes)
        reach = redescends(loss)
        matters = has_units(loss) and (reach is not None or _uses_width(loss))
        share = float(np.average(y, weights=weight)) if loss.target_kind == "label" else None
        setting = Setting(
            stated, loss, Units(tuple(start.tolist())), residual if matters else None, reach, share, cuts,
            slopes_at_targets(loss, y),
        )  # fmt: skip
        if self._convention is not None:
            return replace(setting, units=replace(setting.units, divisor=(self._convention.multiple,)))
        if self.scale is not None:
            return replace(setting, units=replace(setting.units, scale=(self.scale,)))
        if loss.formula.target.domain.high == 1 or loss.target_kind in ("class id", "level"):
            size = size_of_class_loss(Rows(y, weight, setting))
            return replace(setting, units=replace(setting.units, divisor=(size,)))
        return replace(setting, units=self._normalised(Rows(y, weight, setting), residual))

    def _normalised(self, rows: Rows, residual: float) -> Units:
        """Units in which steps and curvatures at the start are near 1: what thresholds and penalties expect."""
        derivatives = self._derivatives(rows, np.zeros_like(rows.start()), np.float64)
        total = float(len(rows.y)) if rows.weight is None else float(rows.weight.sum())
        pull, curvature = (np.abs(part).reshape(len(rows.y), -1).sum(axis=0) / total for part in derivatives)
        if not pull.any():
            hint = "; in_mads=True measures its parameters by the residuals" if scale_parameters(self.loss) else ""
            self._warn_once(
                "flat", f"{self.loss.name}: no target pulls at the best constant, so there is nothing to learn{hint}"
            )
        steps = [residual] if has_units(rows.setting.loss) else pull / curvature
        scale = tuple(power_of_two(float(step)) for step in steps)
        divisor = tuple(power_of_two(float(c)) for c in curvature * np.square(scale))
        return replace(rows.setting.units, scale=scale, divisor=divisor)

    def _checked(self, y: Any, weight: Any) -> tuple[NDArray[Any], Array | None]:
        """Targets as the loss takes them, finite ones, and weights, which are 0 where the loss ignores the target."""
        kept = weights(weight)
        loss, target = without_labels(self.loss, of_positive_weight(to_host(y, "y"), kept))
        target, kept = heeded(loss, target, kept)
        check_finite(loss.name, target)
        kind = self.loss.target_kind
        if target.dtype.kind == "f" and kind in ("class id", "level") and np.array_equal(target, np.round(target)):
            target = target.astype(np.int64)  # boosters hand class ids over as floats
        elif target.dtype.kind in "fiub" and kind in ("real", "row"):
            target = target.astype(np.float64)
        return target, kept

    # datasets that were not made here

    def _given(self, first: Any, second: Any, weight: Any) -> tuple[NDArray[Any], Rows]:
        """The trees' predictions and the rows they are for, from the arguments of either interface."""
        u, y, weight, rows = _arguments(first, second, weight)
        if rows is None:
            return u, self._by_hand(y, weight, u)
        rows.setting.begin(u)
        return u, rows

    def _mean_loss(self, first: Any, second: Any, weight: Any) -> float:
        """The weighted mean loss, from the arguments of either interface."""
        u, y, weight, rows = _arguments(first, second, weight)
        if rows is None:
            self._refuse_by_hand()
            rows = Rows(*self._checked(y, weight), Setting(self.loss, self._plain, RAW))
        setting = rows.setting
        loss = setting.loss if setting.cuts is None else setting.cuts.loss  # of the scores before the last tree
        return rows.mean_loss(loss, setting.units.scores(u))

    def _by_hand(self, y: Any, weight: Any, u: NDArray[Any]) -> Rows:
        """Rows whose scores are the booster's raw ones, settled when they are first seen."""
        target, kept = self._checked(y, weight)
        rows = self._known  # read once: another thread may train on other rows meanwhile
        if rows is not None and rows.same_as(target, kept):
            return rows
        self._refuse_by_hand()
        classes = u.shape[1] if self.loss.kind == "rowwise" and u.ndim == 2 else None
        setting = replace(self, classes=classes)._settled(target, kept)
        self._check_start(u.reshape(len(target), -1), setting.units)
        rows = self._known = Rows(target, kept, _of_raw_scores(setting))
        return rows

    def _refuse_by_hand(self) -> None:
        """What is found of the rows of a dataset made elsewhere would be in no model."""
        if self.in_mads:
            raise ValueError("in_mads: train with .fit or on a .dataset of this objective, which measure the residuals")
        if self._open is not None:
            raise ValueError(
                f"{self.loss.name}: {to_be_learned(self.loss)} are learned by .fit and on a .dataset of this "
                "objective, whose model holds them; elsewhere give them"
            )

    def _check_start(self, u: NDArray[Any], units: Units) -> None:
        """Warn where all predictions are one constant, and not nearly the best."""
        start = np.asarray(units.start)
        if (
            len(u)
            and u.shape[1] == len(start)
            and (u == u[0]).all()
            and (np.abs(u[0] - start) > np.asarray(units.scale)).any()
        ):
            self._warn_once(
                "start",
                f"{self.loss.name}: training starts at {u[0].tolist()}, but the best constant is {start.tolist()}: "
                f"give it as {self.START}, or train with .fit or on a .dataset of this objective",
            )


def _arguments(first: Any, second: Any, weight: Any) -> tuple[NDArray[Any], Any, Any, Rows | None]:
    """(prediction, dataset) or (y_true, prediction, weight) as prediction, target, weight and what was noted."""
    if not hasattr(second, "get_label"):
        u, y, rows = np.asarray(second), first, None
    else:
        u, rows = np.asarray(first), noted(second)
        y, weight = (None, None) if rows is not None else (second.get_label(), second.get_weight())
    if u.ndim == 2 and u.shape[1] > 1 and np.shape(y) == (u.size,):
        y = np.reshape(y, u.shape)  # several targets a row, which the booster lays out one row after the other
    return u, y, weight, rows


def _of_raw_scores(setting: Setting) -> Setting:
    """Divided so that neither penalties (which want curvatures of 1) nor least gains are larger than what is to be
    learnt."""
    divisor = tuple((np.asarray(setting.units.divisor) / np.maximum(setting.units.scale, 1.0) ** 2).tolist())
    targets = tuple(map(_of_raw_scores, setting.targets))
    return replace(setting, units=replace(RAW, divisor=divisor), targets=targets)


def _uses_width(loss: Loss) -> bool:
    return any(node is WIDTH for node in walk(loss.formula.curvature))


def _sound(gradient: NDArray[Any], curvature: NDArray[Any]) -> bool:
    """Whether curvatures are positive and all is finite: else a product with a positive number is not. NaN says no."""
    return bool(curvature.min(initial=np.inf) > 0 and abs(np.vdot(gradient, curvature)) < np.inf)
