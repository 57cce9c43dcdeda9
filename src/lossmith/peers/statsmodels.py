"""statsmodels: the norms of ``statsmodels.robust.norms``."""

from __future__ import annotations

from typing import Any

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Peer, Row, refuse


def _of_base(q: float, base_norm: Any) -> Loss:
    """An asymmetric norm, of a base given as an object or by name."""
    name = base_norm if isinstance(base_norm, str) else type(base_norm).__name__
    if name == "LeastSquares":
        return get("expectile", q=q) / 2
    if name == "HuberT":
        return own.m_quantile(q=q, t=getattr(base_norm, "t", 1.345))
    return refuse(f"base_norm {name} is neither LeastSquares nor HuberT; nearest: expectile, quantile")


def _ordered(a: float, b: float, c: float) -> Loss:
    return own.hampel(a=a, b=b, c=c) if a <= b < c else refuse(f"needs a <= b < c, not {a!r}, {b!r}, {c!r}")


PEER = Peer(
    "statsmodels", ".",
    notes="A norm takes z = (y - prediction) / scale: here y and the prediction, both divided by the scale. psi is the "
    "derivative in z, minus the gradient here.",
    reduction="sum",
    rows=(
        Row("robust.norms.LeastSquares", lambda: get("squared_error"), factor=0.5),
        Row("robust.norms.HuberT", lambda t=1.345: get("huber", delta=t)),
        Row("robust.norms.RamsayE", lambda a=0.3: own.ramsay(a=a)),
        Row("robust.norms.AndrewWave", lambda a=1.339: own.andrews(a=a)),
        Row("robust.norms.TrimmedMean", lambda c=2.0: own.trimmed(c=c)),
        Row("robust.norms.Hampel", lambda a=2.0, b=4.0, c=8.0: _ordered(a, b, c)),
        Row("robust.norms.TukeyBiweight", lambda c=4.685: own.tukey_biweight(c=c)),
        Row("robust.norms.TukeyQuartic", lambda c=3.61752, k=4: own.tukey_quartic(c=c, k=k),
            differs="With an odd k statsmodels takes the power of a signed number, and its norm is not symmetric."),
        Row("robust.norms.StudentT", lambda c=2.3849, df=4: own.student_t(c=c, df=df)),
        Row("robust.norms.MQuantileNorm", _of_base,
            notes="base_norm is LeastSquares or HuberT, as an object or by name."),
    ),
)  # fmt: skip
