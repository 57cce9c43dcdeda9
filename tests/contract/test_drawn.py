"""Pictures of losses: every one can be drawn, and what is drawn is the loss."""

import numpy as np
import pytest

import lossmith as lm
from lossmith.formula import Label, PerSample, Positive, Real
from lossmith.plotting import curves


@lm.pointwise
def contract_observed(y: Real, f: Real, *, event: PerSample[Label], size: PerSample[Positive]):
    """Counts where something was observed."""
    return event * size * (f - y) ** 2


DRAWN = {
    **{name: lm.get(name) for name in lm.names()},
    "further inputs": contract_observed(),
    "two classes": lm.cross_entropy(class_weight=[1, 2]),
    "four classes": lm.cross_entropy(class_weight=[1, 2, 3, 4]),
    "four classes, chances": lm.cross_entropy(class_weight=[1, 2, 3, 4], from_logits=False),
    "named classes": lm.cross_entropy(labels=("a", "b")),
    "weighted classes": lm.multiclass_hinge().class_weighted({0: 1, 1: 2, 2: 3, 3: 1}),
    "sum": lm.cross_entropy(class_weight=[1, 2]) + lm.focal_cross_entropy(),
    "other scale": lm.huber().with_link("log"),
}


@pytest.mark.parametrize("loss", DRAWN.values(), ids=DRAWN.keys())
def test_the_gradient_drawn_is_the_slope_of_the_loss_drawn(loss):
    for label, x, value, gradient in curves(loss, points=6001):
        assert label.startswith("y = ")
        middle = np.abs(np.diff(gradient)) < 0.05 * np.abs(gradient).max()  # but for jumps
        found = np.diff(value) / np.diff(x)
        size = np.abs(gradient).max()
        np.testing.assert_allclose(found[middle], ((gradient[1:] + gradient[:-1]) / 2)[middle], atol=0.03 * size)
    assert "<svg" in loss._repr_html_()


def test_further_inputs_are_said_where_they_are_drawn():
    ((label, x, value, gradient),) = curves(contract_observed())
    assert label == "y = 0.0, event = 1.0, size = 1.0"
    np.testing.assert_array_equal(value, x**2)
    np.testing.assert_array_equal(gradient, 2 * x)
