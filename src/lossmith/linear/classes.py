"""Classes: how labels become the numbers that a loss takes, and what each class weighs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from lossmith.parameters import by_class
from lossmith.start import without_labels

from .arrays import as_array, shown

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

_PART = 1 << 13  # samples that are looked at at a time
_NEAR = 1 << 16  # whole numbers in a table
_TRIED = 16  # samples
_ROUNDING = 1e-12


def as_classes(y: NDArray[Any], weight: Array | None = None, known: Iterable[Any] | None = None) -> NDArray[Any]:
    """A target of classes: anything that sorts, but not measurements and not NaN.

    Labels of samples without ``weight`` may be anything: what is no class, or none of those that are ``known``, becomes
    that of the first sample that counts.
    """
    if weight is not None and (known is not None or y.dtype.kind in "fOmM") and not weight.all():
        y = _without_strangers(y, weight, known)
    if y.dtype.kind in "OmM":
        missing = _missing(y)
        if missing.any():
            i = int(missing.argmax())
            raise ValueError(f"y[{i}] is {y[i]}: Input y contains NaN, NaT or None; classes must be known")
    if y.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(y))
        if len(bad):
            raise ValueError(
                f"y[{int(bad[0])}] is {y[bad[0]]}: Input y contains NaN or infinity; classes must be finite"
            )
        for first in range(0, len(y), _PART):
            part = y[first : first + _PART]
            odd = np.flatnonzero(part != np.round(part))
            if len(odd):
                raise ValueError(
                    f"y[{first + int(odd[0])}] is {part[odd[0]]}: Unknown label type: continuous. A classifier needs "
                    "classes; for measurements use LinearRegressor"
                )
    return y


def _without_strangers(y: NDArray[Any], weight: Array, known: Iterable[Any] | None) -> NDArray[Any]:
    if known is not None:
        names = set(known)
        strange = np.array([label not in names for label in y.tolist()])
    elif y.dtype.kind == "f":
        strange = ~np.isfinite(y) | (y != np.round(y))
    else:  # what is missing among objects or times, where it would have to be sorted
        strange = _missing(y)
    return np.where(strange & (weight == 0), y[np.argmax(weight > 0)], y)


def _missing(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Which times are NaT, and which objects None or NaN, or NA of pandas, which says of no comparison whether it
    holds."""
    if y.dtype.kind in "mM":
        return np.asarray(np.isnat(y))
    return np.array([label is None or not _equals_itself(label) for label in y.tolist()], dtype=bool)


def _equals_itself(label: Any) -> bool:
    try:
        return bool(label == label)
    except TypeError:
        return False


def as_known(classes: Any) -> NDArray[Any] | None:
    """All the classes that a stream may hold; None where they were not given."""
    if classes is None:
        return None
    if isinstance(classes, (str, bytes)) or not isinstance(classes, Iterable):
        raise TypeError(f"classes is {classes!r}: it must be a list of classes")
    array = as_array(classes if hasattr(classes, "__array__") else list(classes), "classes")
    if array.ndim != 1:
        raise ValueError(f"classes has shape {array.shape}: it must be a list of classes")
    missing = _missing(array)
    if missing.any():
        i = int(missing.argmax())
        raise ValueError(f"classes[{i}] is {shown(array[i])}: classes must be known")
    return array


def ordered_categories(y: Any) -> list[Any] | None:
    """The order of an ordered categorical of pandas or of an Enum of Polars, also as the one column of a frame; None
    of anything else."""
    found = nw.from_native(y, pass_through=True, allow_series=True)
    if isinstance(found, nw.DataFrame) and found.shape[1] == 1:
        found = found[:, 0]
    if isinstance(found, nw.Series):
        return list(found.dtype.categories) if isinstance(found.dtype, nw.Enum) else None
    dtype: Any = getattr(y, "dtype", None)  # of what pandas calls a Categorical, which is no series
    return list(dtype.categories) if getattr(dtype, "ordered", False) is True else None


def coded(
    y: NDArray[Any], loss: Loss | None, ordered: list[Any] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The classes, sorted, and each sample's place among them, in as few bytes as will do; in the loss's own order
    where it names its labels, or a loss of levels in that of the categories that y was one of."""
    if loss is not None and loss.labels is not None:
        return np.asarray(loss.labels), without_labels(loss, y)[1].astype(np.min_scalar_type(-len(loss.labels)))
    if loss is not None and loss.target_kind == "level" and ordered is not None:
        present = set(y.tolist())
        classes = np.asarray([label for label in ordered if label in present])
        return classes, places(y, classes).astype(np.min_scalar_type(-len(classes)))
    if y.dtype.kind in "iub" and (found := _counted(y)) is not None:
        return found
    try:
        classes = np.unique(y)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(f"y holds labels that cannot be sorted, of types {', '.join(kinds)} ({error})") from error
    code = np.empty(len(y), np.min_scalar_type(-len(classes)))
    for first in range(0, len(y), _PART):
        code[first : first + _PART] = np.searchsorted(classes, y[first : first + _PART])
    return classes, code


def _counted(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """As `coded`, of whole numbers near each other: they are counted, not sorted. None where they are not."""
    low, high = int(y.min()), int(y.max())
    if high - low >= _NEAR or high > np.iinfo(np.int64).max:
        return None
    present = np.zeros(high - low + 1, dtype=bool)
    for first in range(0, len(y), _PART):
        present[y[first : first + _PART].astype(np.int64) - low] = True
    values = np.flatnonzero(present)
    table = np.zeros(len(present), np.min_scalar_type(-len(values)))
    table[values] = np.arange(len(values))
    code = np.empty(len(y), table.dtype)
    for first in range(0, len(y), _PART):
        code[first : first + _PART] = table[y[first : first + _PART].astype(np.int64) - low]
    return (values + low).astype(y.dtype), code


def distinct(y: NDArray[Any], weight: Array | None) -> tuple[NDArray[Any], Array]:
    """The targets of one byte each that there are, and what the samples of each weigh."""
    totals = weights(y.view(np.uint8), weight, 256)
    present = np.flatnonzero(totals)
    return present.astype(np.uint8).view(y.dtype), totals[present]


def weights(code: NDArray[Any], weight: Array | None, count: int) -> Array:
    """What the samples of each of so many codes weigh. A part at a time: NumPy makes long numbers of what it counts."""
    found = np.zeros(count)
    for first in range(0, len(code), _PART):
        part = slice(first, first + _PART)
        found += np.bincount(code[part], None if weight is None else weight[part], minlength=count)
    return found


def places(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Each sample's place among classes that are known."""
    place = {label: i for i, label in enumerate(classes.tolist())}
    labels = y.tolist()
    for i, label in enumerate(labels):
        if label not in place:
            raise ValueError(f"y[{i}] is {label!r}, which is not one of the classes {classes.tolist()}")
    return np.array([place[label] for label in labels], dtype=np.intp)


def unlabelled(loss: Loss) -> Loss:
    """The loss of places among the classes, whatever it calls these; of them it ignores none."""
    heeded = {} if loss.params.get("ignore_index") is None else {"ignore_index": None}
    if loss.labels is None and not heeded:
        return loss
    return loss.replaced(labels=None, params={**loss.params, **heeded})


def check_heeded(loss: Loss, y: NDArray[Any]) -> None:
    """Refuses the label that the loss ignores: as a class of its own it would be learned all the same."""
    ignored = loss.params.get("ignore_index")
    if ignored is not None and (there := np.asarray(y == ignored)).any():
        raise ValueError(
            f"y[{int(there.argmax())}] is {ignored}, which {loss.name} ignores (ignore_index={ignored}), but which "
            "would be a class here: leave these samples out of X and y"
        )


def is_binary(loss: Loss) -> bool:
    """Whether the targets are two classes, or numbers from one class (0) to the other (1)."""
    domain = loss.formula.target.domain
    return loss.kind == "pointwise" and (loss.target_kind == "label" or (domain.low, domain.high) == (0.0, 1.0))


def weighted_by_class(
    class_weight: Any, classes: NDArray[Any], code: NDArray[Any], weight: Array | None
) -> Array | None:
    """Sample weights times class weights: what a dict says of a class (else 1), or "balanced": as much for each."""
    class_weight = by_class(class_weight)
    if class_weight is None:
        return weight
    if isinstance(class_weight, Mapping):
        known = classes.tolist()
        for label, value in class_weight.items():
            if label not in known:
                raise ValueError(f"class_weight names {label!r}, which is not one of the classes {known}")
            if not (isinstance(value, Real) and 0 <= float(value) < np.inf):
                raise ValueError(f"class_weight[{label!r}] is {value!r}: it must be a number, finite and not negative")
        each = np.array([float(class_weight.get(label, 1.0)) for label in known])
    elif isinstance(class_weight, str) and class_weight == "balanced":
        counts = weights(code, weight, len(classes))
        each = counts.sum() / (np.count_nonzero(counts) * np.where(counts > 0, counts, 1.0))
    else:
        raise ValueError(f"class_weight is {class_weight!r}: it must be None, 'balanced' or a dict of classes")
    found = np.asarray(each[code])
    return found if weight is None else np.asarray(np.multiply(found, weight, out=found))


def level_is_free(loss: Loss, classes: int) -> bool:
    """Whether a loss of a score per class sees their differences alone, so that nothing tells their common level."""
    if loss.kind != "rowwise" or loss.target_kind != "class id":
        return False
    rng, code = np.random.default_rng(0), np.resize(np.arange(classes), _TRIED)
    f = rng.normal(size=(_TRIED, classes)) * np.geomspace(1e-2, 1e2, _TRIED)[:, None]
    here, there = (np.asarray(loss(code, scores, reduction="none")) for scores in (f, f + rng.normal(size=(_TRIED, 1))))
    return bool(np.abs(here - there).max() <= _ROUNDING * (np.abs(here).max() + np.abs(f).max()))
