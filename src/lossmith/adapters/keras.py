"""Keras 3: a loss for ``model.compile``, and the same loss as a metric, saved with every parameter.

Keras reduces: sample_weight, masks and ``reduction`` mean what they mean for its own losses. What is handed to it is
the loss of each sample; samples of no weight, or masked, are removed before their loss is computed, so that no padding
of theirs can spoil the sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import keras
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask  # JAX's placeholders hold no attributes of their own

from lossmith.specs import from_spec

if TYPE_CHECKING:
    from lossmith.loss import Loss

Tensor = Any
BACKENDS = ("jax", "torch", "numpy")


def adapt(
    loss: Loss, *, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None
) -> KerasLoss:
    """A ``keras.losses.Loss``, called as ``(y_true, y_pred)``; y_pred holds raw scores unless the loss says otherwise.

    ``reduction``, ``name`` and ``dtype`` are Keras's; the name is the loss's own by default. ``.metric()`` gives the
    metric. A saved model is read back after ``import lossmith.adapters.keras``.
    """
    return KerasLoss(loss, name=name, reduction=reduction, dtype=dtype)


@keras.saving.register_keras_serializable(package="lossmith")
class KerasLoss(keras.losses.Loss):
    """A loss as Keras takes it. The last axis of y_pred is the features, averaged as in Keras's own losses; of losses
    of rows or of several predictions it is theirs."""

    def __init__(
        self, loss: Any, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.loss: Loss = _read(loss)
        super().__init__(name=name or self.loss.name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        y_true, y_pred = _array(y_true), _array(y_pred)
        kept = _kept(self.loss, y_true, y_pred, sample_weight)
        return _Beside(self, y_true, kept)((), y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor, kept: Tensor | None = None) -> Tensor:
        """The loss of each sample; ``kept`` has the flags of the samples that count."""
        y_true = _target(self.loss, y_true, y_pred, self.dtype)
        values = _per_sample(self.loss, y_true, y_pred, kept)
        counted = _counted(self.loss, y_true, y_pred)
        if counted is not None:  # as Keras's own losses do: what is ignored is not counted either
            set_keras_mask(values, counted)
        return values

    def metric(self, name: str | None = None) -> KerasMetric:
        """The weighted mean of this loss over all batches, for ``model.compile(metrics=[...])``."""
        return KerasMetric(self.loss, name=name or self.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype, "loss": self.loss.spec()}


class _Beside(keras.losses.Loss):
    """One call: Keras rounds what it hands on to the dtype of the loss, so the target does not go through its hands."""

    def __init__(self, loss: KerasLoss, y_true: Tensor, kept: Tensor | None) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss, self.y_true, self.kept = loss, y_true, kept

    def call(self, _: tuple[()], y_pred: Tensor) -> Tensor:
        return self.loss.call(self.y_true, y_pred, self.kept)


@keras.saving.register_keras_serializable(package="lossmith")
class KerasMetric(keras.metrics.Mean):
    """sum of weight * loss / sum of weight, over everything seen."""

    def __init__(self, loss: Any, name: str | None = None, dtype: Any = None) -> None:
        self.loss: Loss = _read(loss)
        super().__init__(name=name or self.loss.name, dtype=dtype)
        self._direction = "down"

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        y_true, y_pred = _array(y_true), _array(y_pred)
        kept = _kept(self.loss, y_true, y_pred, sample_weight)
        y_true = _target(self.loss, y_true, y_pred, self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        for counted in (get_keras_mask(y_pred), _counted(self.loss, y_true, y_pred)):
            if counted is not None:
                counted = ops.cast(counted, self.dtype)
                if sample_weight is not None:
                    weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
                    counted = counted * _spread(weight, tuple(counted.shape))
                sample_weight = counted
        super().update_state(_per_sample(self.loss, y_true, y_pred, kept), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "loss": self.loss.spec()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def _array(x: Any) -> Any:
    """An array or tensor as it is, with its mask; a list as a tensor."""
    return x if hasattr(x, "shape") else ops.convert_to_tensor(x)


def _read(loss: Any) -> Loss:
    """A loss, or the spec of one."""
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise ValueError(
            f"lossmith computes with Keras's backends {', '.join(BACKENDS)}, not with {backend}: set KERAS_BACKEND "
            "before Keras is imported"
        )
    found: Loss = from_spec(loss) if isinstance(loss, dict) else loss
    if found.formula.extras:
        names = ", ".join(extra.name for extra in found.formula.extras)
        raise ValueError(f"{found.name} needs {names} for each sample, which Keras does not pass on")
    return found


def _target(loss: Loss, y_true: Tensor, y_pred: Tensor, dtype: str) -> Tensor:
    """y_true in the loss's dtype, or at least float32; classes that come as integers stay what they are.

    Raises ValueError for class ids in half precision that does not hold them all: Keras's ``floatx`` rounds floats
    before any loss sees them.
    """
    own, exact = keras.backend.standardize_dtype(y_true.dtype), {"float16": 2048, "bfloat16": 256}
    y_true = _aligned(loss, y_true, y_pred)
    if "int" in own and (loss.labels is not None or loss.target_kind in ("class id", "label", "level")):
        return ops.convert_to_tensor(y_true)
    ids = loss.target_kind == "class id" and len(y_true.shape) < len(y_pred.shape)
    if ids and own in exact and y_pred.shape[-1] - 1 > exact[own]:
        raise ValueError(
            f"{loss.name}: y_true has dtype {own}, which does not hold every class id from 0 to "
            f"{y_pred.shape[-1] - 1}: pass integers"
        )
    return ops.convert_to_tensor(y_true, dtype="float32" if dtype in exact else dtype)


def _per_sample(loss: Loss, y_true: Tensor, y_pred: Tensor, kept: Tensor | None) -> Tensor:
    """The loss of each sample: of shape (n,), or (n, ...) where y_pred has more axes."""
    y_true = _aligned(loss, y_true, y_pred)
    where = None if kept is None else ops.cast(kept, "bool")
    values = loss(y_true, y_pred, where=where, reduction="none")
    return ops.mean(values, axis=-1) if not loss.wide and len(values.shape) > 1 else values


def _aligned(loss: Loss, y_true: Tensor, y_pred: Tensor) -> Tensor:
    """y_true with or without a last axis of 1, as Keras lets it have either."""
    axes, gap = tuple(y_true.shape), len(y_pred.shape) - len(y_true.shape)
    if loss.wide:
        single = axes[-1:] == (1,) and gap == 0 and y_pred.shape[-1] != 1
        return ops.squeeze(y_true, axis=-1) if single and loss.target_kind != "row" else y_true
    if gap == 1 and y_pred.shape[-1] == 1:
        return ops.expand_dims(y_true, axis=-1)
    return ops.squeeze(y_true, axis=-1) if gap == -1 and axes[-1] == 1 else y_true


def _kept(loss: Loss, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> Tensor | None:
    """Which of the numbers that the loss computes count; None where all do."""
    shape = tuple(ops.shape(y_pred))[: -1 if loss.wide else None]
    mask, weighty = get_keras_mask(y_pred), None
    if sample_weight is not None:
        weighty = ops.not_equal(ops.convert_to_tensor(sample_weight), 0)
    kept = None
    for flags in (mask, weighty, _counted(loss, y_true, y_pred)):
        if flags is not None:
            spread = _spread(ops.cast(flags, "bool"), shape)
            kept = spread if kept is None else ops.logical_and(kept, spread)
    return kept


def _counted(loss: Loss, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
    """Which class ids are not the ignored one; None where none is ignored."""
    ignored = loss.params.get("ignore_index")
    target = None if ignored is None else _aligned(loss, ops.convert_to_tensor(y_true), y_pred)
    return ops.not_equal(target, ignored) if target is not None and len(target.shape) < len(y_pred.shape) else None


def _spread(per_sample: Tensor, shape: tuple[int, ...]) -> Tensor:
    """With an axis for every one of the shape: missing ones are added behind, one of 1 too many is dropped."""
    if len(per_sample.shape) == len(shape) + 1 and per_sample.shape[-1] == 1:
        per_sample = ops.squeeze(per_sample, axis=-1)
    axes = tuple(per_sample.shape) + (1,) * (len(shape) - len(per_sample.shape))
    known = all(isinstance(n, int) for n in (*axes, *shape))  # of what is traced they may not be
    if known and (len(axes) > len(shape) or any(m not in (1, n) for m, n in zip(axes, shape, strict=True))):
        raise ValueError(f"sample_weight or mask has shape {tuple(per_sample.shape)}, the loss of each sample {shape}")
    return ops.broadcast_to(ops.reshape(per_sample, axes), shape)
