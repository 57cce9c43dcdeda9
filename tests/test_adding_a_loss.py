"""A new loss touches one file: a temporary one appears in the names, the sweep, the lists and the docs' data."""

import subprocess
import sys

import pytest

import lossmith as lm
import lossmith.losses
from judges.points import cases
from lossmith import registry

SOURCE = '''
"""A family of one."""

from lossmith.formula import Expr, Positive, Real, log1p, pointwise, sqrt1pm1


@pointwise(source="Cauchy 1853", aliases=("lorentzian",))
def temporary_cauchy(y: Real, f: Real, *, c: Positive = 1.0) -> Expr:
    """Grows like the logarithm of the error."""
    return c**2 * log1p(sqrt1pm1((f - y) / c))  # half of the logarithm of 1 + a square that may overflow
'''


@pytest.fixture
def one_more_file(tmp_path, monkeypatch):
    (tmp_path / "temporary.py").write_text(SOURCE)
    monkeypatch.setattr(lossmith.losses, "__path__", [*lossmith.losses.__path__, str(tmp_path)])
    registry.catalogue.cache_clear()
    registry._by_any_name.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    sys.modules.pop("lossmith.losses.temporary", None)
    lm.__dict__.pop("temporary_cauchy", None)
    registry.catalogue.cache_clear()
    registry._by_any_name.cache_clear()


@pytest.mark.usefixtures("one_more_file")
def test_a_new_file_is_all_it_takes():
    assert "temporary_cauchy" in lm.names() and lm.names(family="temporary") == ["temporary_cauchy"]
    assert lm.get("lorentzian", c=2.0) == lm.temporary_cauchy(c=2.0)
    assert lm.from_spec(lm.temporary_cauchy(c=2.0).spec()) == lm.temporary_cauchy(c=2.0)
    assert "temporary_cauchy" in {case.name for case in cases()}
    described = {entry["name"]: entry for entry in registry.describe()}
    assert described["temporary_cauchy"]["sentence"] == "Grows like the logarithm of the error."
    assert described["temporary_cauchy"]["latex"]


@pytest.mark.usefixtures("one_more_file")
def test_the_new_loss_is_swept():
    import numpy as np

    from judges.points import Case
    from judges.sweep import OUTPUTS, measure

    for output in OUTPUTS:
        assert measure(Case("temporary_cauchy", (), "real"), output, "float64", np.asarray).ulps <= 4


def test_the_new_loss_is_on_the_command_line(one_more_file):
    script = (
        "import lossmith.losses, sys; "
        f"lossmith.losses.__path__.append({str(one_more_file)!r}); "
        "from lossmith.cli import main; sys.argv = ['lossmith', 'losses']; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "temporary_cauchy" in result.stdout, result.stderr


def test_two_losses_cannot_share_a_name(tmp_path, monkeypatch):
    (tmp_path / "clash.py").write_text(SOURCE.replace("temporary_cauchy", "another").replace("lorentzian", "mse"))
    monkeypatch.setattr(lossmith.losses, "__path__", [*lossmith.losses.__path__, str(tmp_path)])
    registry.catalogue.cache_clear()
    try:
        with pytest.raises(ValueError, match="mse"):
            registry.catalogue()
    finally:
        monkeypatch.undo()
        sys.modules.pop("lossmith.losses.clash", None)
        registry.catalogue.cache_clear()
