"""Tables pair up by position: where their names say otherwise they are refused rather than guessed about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossmith.loss import Loss


def check_index(**named: Any) -> None:
    """ValueError for pandas objects of unequal indexes."""
    indexed = [(name, x) for name, x in named.items() if hasattr(x, "iloc") and hasattr(x, "index")]
    for name, x in indexed[1:]:
        first, other = indexed[0]
        if not x.index.equals(other.index):
            raise ValueError(
                f"{first} and {name} have unequal pandas indexes; values pair up by position, "
                "so align them first or pass .to_numpy()"
            )


def check_columns(loss: Loss, y_true: Any, y_pred: Any) -> None:
    """ValueError for columns with the names of the other table's, of classes or predictions, in another order."""
    found = _columns(y_pred)
    own = _columns(y_true)
    what = "the columns of y_true" if own else "the classes" if loss.outputs is None else "its predictions"
    if not own:
        predictions = [p.name for p in loss.formula.predictions]
        own = list(loss.labels or range(len(found))) if loss.outputs is None else predictions
    if found != own and len(found) == len(own) and set(found) == set(own):
        raise ValueError(
            f"{loss.name}: the columns of y_pred are {_few(found)}, but {what} {_few(own)}; "
            "values pair up by position, so bring them into one order or pass .to_numpy()"
        )


def _columns(x: Any) -> list[Any]:
    """The names of a pandas or Polars table's columns; none of columns that are only numbered, or of anything else."""
    found = list(x.columns) if hasattr(x, "columns") and hasattr(x, "to_numpy") else []
    return [] if found == list(range(len(found))) else found


def _few(names: list[Any]) -> str:
    return ", ".join(map(repr, names[:10])) + (" ..." if len(names) > 10 else "")
