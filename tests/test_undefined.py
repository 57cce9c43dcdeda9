"""Where a formula is said to hand NaN on by itself, it does: nobody looks for NaN there."""

import numpy as np
import pytest

import lossmith as lm
from contract import samples
from lossmith.compute import Call
from lossmith.engine import arrays


@pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
def test_what_is_said_to_be_nan_is(sample):
    formula = Call(sample.loss, sample.y, sample.f, None, None, {}).data.formula
    for output in ("value", "gradient", "hessian"):
        for name in formula.undefined_with(output):
            call = Call(sample.loss, sample.y, sample.f, None, None, {})
            inputs = {**call.data.arrays, name: np.full_like(call.data.arrays[name], np.nan)}
            (found,) = arrays.evaluate(
                [formula.output(output)], inputs, call._params(call.data.like), np, rows=False, like=call.data.like
            )
            assert np.isnan(found).all(), (output, name)


def test_what_is_said():
    said = {name: lm.get(name).formula.undefined_with("value") for name in ("squared_error", "poisson", "huber")}
    assert said == {"squared_error": ("y", "f"), "poisson": ("f",), "huber": ("y", "f")}
    assert lm.squared_error().formula.undefined_with("hessian") == ()
    assert lm.gaussian_nll().formula.undefined_with("gradient") == ("y", "mean", "log_scale")
    assert lm.binary_cross_entropy().formula.undefined_with("gradient") == ()  # 0 times anything is 0 there
