"""The second-order weight of labels: what the other class would cost counts in it, be it rare or not in a leaf at all.

In a leaf of one class the exponential loss has a curvature as small as its gradient, so that every Newton step has the
same length, and scores run away; yet one rare row of the other class costs e to the score there. A row's weight is
therefore at least the mean curvature at its score over both classes, in the shares that they have among all rows. Steps
then shrink as the score leaves what the shares know of, and it grows with the logarithm of the number of rounds only.
Where curvature does not depend on the class, as of cross-entropy, nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossmith import record
from lossmith.formula import maximum
from lossmith.formula.domains import Domain
from lossmith.formula.expr import const, substitute, walk
from lossmith.formula.model import Argument, Formula

if TYPE_CHECKING:
    from lossmith.loss import Loss

_SHARE = Argument("share of positives", Domain("a real number"))


def guarded(loss: Loss, share: float) -> Loss:
    """The loss of labels 0 and 1 with that weight as its curvature; `share` is that of the ones among all rows."""
    formulas = {kind: _with_both_classes(formula) for kind, formula in loss.formulas.items()}
    return loss.replaced(formulas=formulas, params={**loss.params, _SHARE.name: share})


def _with_both_classes(formula: Formula) -> Formula:
    y, ones = formula.target.as_input, _SHARE.as_param
    if not any(node is y for node in walk(formula.curvature)):
        return formula
    if_0, if_1 = (substitute(formula.curvature, {y: const(label)}) for label in (0.0, 1.0))
    declared = tuple(
        maximum(own, (1 - ones) * of_0 + ones * of_1)
        for own, of_0, of_1 in zip(formula.curvature, if_0, if_1, strict=True)
    )
    return record.replace(formula, declare=declared, params=(*formula.params, _SHARE))
