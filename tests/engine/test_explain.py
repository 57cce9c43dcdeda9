"""The text of a kernel: wherever calls have a kernel there is one, and what is no output or dtype is said."""

import pytest

import lossmith as lm
from lossmith.engine.choice import machine_code
from lossmith.explain import explain_kernel

WEIGHTED = lm.cross_entropy(class_weight=[1, 2, 3.0])


@pytest.mark.skipif(not machine_code(), reason="where nothing is compiled, there is no text")
@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (WEIGHTED, {}),
        (WEIGHTED, {"classes": 3}),
        (lm.cross_entropy(labels=("a", "b")), {}),
        (lm.cross_entropy().class_weighted({0: 1, 1: 2}), {"outputs": ("hessian",)}),
        (lm.bce(labels=("n", "y")), {"dtype": "float16"}),
        (lm.cumulative_logit(labels=("bad", "fair", "good")), {}),
        (lm.huber(), {"outputs": ["gradient", "curvature"], "dtype": "float32"}),
    ],
    ids=str,
)
def test_a_kernel_has_a_text(loss, options):
    assert "define i64 @kernel" in explain_kernel(loss, **options)


@pytest.mark.skipif(not machine_code(), reason="where nothing is compiled, there is no text")
def test_bfloat16_has_a_text_where_numpy_knows_it():
    pytest.importorskip("ml_dtypes")
    assert "define i64 @kernel" in explain_kernel(lm.huber(), dtype="bfloat16")


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (lm.huber(), {"outputs": "value"}, "outputs must be a tuple of some of value, .*, not 'value'"),
        (lm.huber(), {"outputs": ("values",)}, r"value, gradient, hessian, curvature, not \('values',\)"),
        (lm.huber(), {"outputs": ()}, r"outputs must be a tuple of some of .*, not \(\)"),
        (lm.huber(), {"dtype": "int32"}, "dtype must be one of float64, float32, float16, bfloat16, not 'int32'"),
        (lm.cross_entropy(), {"classes": 0}, "classes must be a whole number from 1 on, not 0"),
        (lm.cross_entropy(), {"classes": 2.5}, "classes must be a whole number from 1 on, not 2.5"),
        (WEIGHTED, {"classes": 4}, "cross_entropy: classes must be 3, not 4"),
        (lm.cross_entropy(labels=("a", "b")), {"classes": 3}, "cross_entropy: classes must be 2, not 3"),
    ],
    ids=str,
)
def test_what_is_none_is_said(loss, options, message):
    with pytest.raises(ValueError, match=message):
        explain_kernel(loss, **options)
