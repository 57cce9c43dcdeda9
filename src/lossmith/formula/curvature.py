"""Curvature where it follows from the formula: a positive weight for Newton-type trainers, not always the Hessian.

* A loss of the residual alone, L(f - y): the majoriser weight L'(r) / r of Huber and iteratively reweighted least
  squares, or the Hessian where that is larger.
* Anything else: the Hessian, but at least abs(gradient) / width, so that no Newton step is longer than ``width`` (a
  trust region in units of the prediction).
"""

from __future__ import annotations

from lossmith.formula.expr import ZERO, Expr, apply, const, div, leaf, sub, substitute, walk, where

# A floor keeps the weight positive where loss and gradient are flat: far below any weight that matters, above what
# float32 flushes.
_FLOOR = const(1e-30)
_RESIDUAL = leaf("input", "residual of f - y")


def of_residual(root: Expr, y: Expr, f: Expr) -> bool:
    """Whether target and prediction enter only as f - y or y - f."""
    (reduced,) = substitute((root,), {sub(f, y): _RESIDUAL, sub(y, f): -_RESIDUAL})
    return not any(node is y or node is f for node in walk((reduced,)))


def default_curvature(value: Expr, gradient: Expr, hessian: Expr, y: Expr, f: Expr, width: Expr) -> Expr:
    """See the module's docstring; ``width`` is the symbol of the trust region."""
    if of_residual(value, y, f):
        r = sub(f, y)
        return where(apply("eq", r, ZERO), hessian, apply("maximum", div(gradient, r), hessian))
    return apply("maximum", hessian, div(abs(gradient), width))


def positive(curvature: Expr) -> Expr:
    """The curvature, kept above zero where loss and gradient are flat."""
    return apply("maximum", curvature, _FLOOR)
