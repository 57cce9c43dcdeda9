"""Losses of a predicted distribution: several named numbers per sample."""

from __future__ import annotations

from lossmith.formula import Expr, Real, exp, log, pi, pointwise, scaled_exp


@pointwise(
    source="Nix and Weigend 1994, doi:10.1109/ICNN.1994.374138",
    link=("identity", "log"),
    elicits="mean",
    curvature=lambda log_scale: (exp(-2 * log_scale), 2.0),  # the Fisher information
)
def gaussian_nll(y: Real, mean: Real, log_scale: Real, *, full: bool = False) -> Expr:
    """How unlikely y is under the predicted normal; predictions are the mean and the log of the standard deviation."""
    constant = log(2 * pi) / 2 if full else 0.0
    z = scaled_exp(mean - y, -log_scale)
    return z * (0.5 * z) + log_scale + constant  # the square alone may overflow
