"""Tables pair up by position: where their names say otherwise they are refused rather than guessed about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossmith.refusals import few

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
    what = "the columns of y_true"
    if not own and loss.outputs is None:
        what, own = "the classes", tuple(map(str, loss.labels or range(len(found))))
    elif not own:
        what, own = "its predictions", tuple(p.name for p in loss.formula.predictions)
    if found != own and len(found) == len(own) and set(found) == set(own):
        raise ValueError(
            f"{loss.name}: the columns of y_pred are {few(found)}, but {what} are {few(own)}; "
            "values pair up by position, so bring them into one order or pass .to_numpy()"
        )


def _columns(x: Any) -> tuple[Any, ...]:
    """The names of a pandas or Polars table's columns as texts, which files make of numbers; none of columns that are
    only numbered, or of anything else."""
    found = tuple(map(str, x.columns)) if hasattr(x, "columns") and hasattr(x, "to_numpy") else ()
    return () if found == tuple(map(str, range(len(found)))) else found
