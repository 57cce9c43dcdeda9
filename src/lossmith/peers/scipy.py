"""SciPy: the losses of ``scipy.optimize.least_squares``."""

from __future__ import annotations

from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Peer, Row

PEER = Peer(
    "scipy", ".",
    notes="SciPy's cost adds up over residuals, prediction minus target in any order; its rho is a function of the "
    "squared residual, and cost = f_scale^2 rho / 2.",
    reduction="sum",
    rows=(
        Row("optimize.least_squares:linear", lambda f_scale=1.0: get("squared_error"), factor=0.5,
            notes="f_scale has no effect."),
        Row("optimize.least_squares:huber", lambda f_scale=1.0: get("huber", delta=f_scale)),
        Row("optimize.least_squares:soft_l1", lambda f_scale=1.0: get("pseudo_huber", delta=f_scale),
            differs="SciPy takes sqrt(1 + z) - 1 as it stands, which loses the digits of residuals that are small "
            "beside f_scale: below 1e-8 of it they cost nothing."),
        Row("optimize.least_squares:cauchy", lambda f_scale=1.0: own.cauchy(c=f_scale)),
        Row("optimize.least_squares:arctan", lambda f_scale=1.0: own.arctan_loss(c=f_scale)),
    ),
)  # fmt: skip
