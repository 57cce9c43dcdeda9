"""The bug museum: public reports of losses gone wrong, replayed on ours.

`cases.json` holds the reports about losses of the catalogue, with expectations computed to 50 digits. Its conventions
are not ours, so the first half of this file is the translation, in tables. `siblings.json` holds further members of the
same families with other numbers, in our own terms.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm

CASES = json.loads(Path(__file__).with_name("cases.json").read_text())
SIBLINGS = json.loads(Path(__file__).with_name("siblings.json").read_text())
RTOL = {"float16": 2e-3, "float32": 2e-6}

# museum loss: (our loss, parameters it fixes, what is done to it)
LOSSES = {
    "absolute_error": ("absolute_error", {}, "as is"),
    "binary_cross_entropy": ("binary_cross_entropy", {"from_logits": False}, "as is"),
    "binary_cross_entropy_with_logits": ("binary_cross_entropy", {}, "as is"),
    "binary_focal_with_logits": ("focal", {}, "as is"),
    "brier": ("brier", {"from_logits": False}, "as is"),
    "cross_entropy_with_logits": ("cross_entropy", {}, "as is"),
    "exponential": ("exponential", {}, "as is"),
    "gamma_deviance": ("gamma", {"log_input": False}, "deviance"),  # 2 (loss(mu) - loss(y))
    "gamma_nll_log_link": ("gamma", {}, "as is"),
    "gaussian_nll": ("gaussian_nll", {}, "heads"),  # a variance comes beside the mean
    "generalized_kl_divergence": ("generalized_kl_divergence", {}, "rows"),  # one row, without its axis
    "huber": ("huber", {}, "as is"),
    "kl_divergence": ("kl_divergence", {}, "as is"),
    "kl_divergence_with_log_predictions": ("kl_divergence", {"log_input": True}, "as is"),
    "log_cosh": ("log_cosh", {}, "as is"),
    "lq": ("lq", {}, "as is"),
    "mean_absolute_percentage_error": ("absolute_percentage_error", {}, "as is"),
    "multi_margin": ("multi_margin", {}, "as is"),
    "multiclass_hinge": ("multiclass_hinge", {}, "as is"),
    "poisson_nll": ("poisson", {}, "as is"),
    "quantile": ("quantile", {}, "as is"),
    "relative_entropy": ("generalized_kl_divergence", {}, "relative"),  # y log(y/q) = generalised + y - q
    "smooth_l1": ("smooth_l1", {}, "as is"),
    "squared_error": ("squared_error", {}, "as is"),
    "squared_log_error": ("squared_log_error", {}, "as is"),
    "tweedie_deviance": ("tweedie", {"log_input": False}, "deviance"),
}
PARAMETERS = {"tau": "q", "class_weight_mode": "weighting"}
VALUES = {"exact": True, "per_true_class": "target"}
NOT_OF_THE_LOSS = {"reduction", "var", "micro_batches"}
# (museum reduction, with sample weights): (our reduction, whether the result is then divided by the number of samples)
REDUCTIONS = {
    ("none", False): ("none", False),
    ("sum", False): ("sum", False),
    ("sum", True): ("sum", False),
    ("mean", False): ("mean", False),
    ("mean", True): ("sum", True),
    ("weighted_mean", True): ("mean", False),
    ("weighted_mean", False): ("weighted_mean", False),  # weights of classes
}


def numbers(stored):
    if isinstance(stored, dict):
        return np.full(stored["shape"], stored["fill"])
    if isinstance(stored, list):
        return [numbers(item) for item in stored]
    return float(stored) if isinstance(stored, str) else stored


def array(stored, dtype):
    """Integers of a case stay integers; its floats take its dtype."""
    made = np.asarray(numbers(stored))
    wanted = np.dtype(dtype)
    return made.astype(wanted) if wanted.kind == "u" or made.dtype.kind == "f" else made


def spread(contiguous):
    """The same numbers as a view of every second element along every axis."""
    if contiguous.ndim == 0:
        return contiguous
    wide = np.zeros([2 * size for size in contiguous.shape], contiguous.dtype)
    view = wide[(slice(None, None, 2),) * contiguous.ndim]
    view[...] = contiguous
    return view


class Translated:
    """A case in our terms."""

    def __init__(self, case, layout=None):
        params = dict(case["params"])
        name, fixed, self.way = LOSSES[case["loss"]]
        given = {PARAMETERS.get(k, k): v for k, v in params.items() if k not in NOT_OF_THE_LOSS}
        given = {k: VALUES.get(v, v) if isinstance(v, str) else v for k, v in given.items()}
        self.loss = lm.get(name, **fixed, **given)
        y, f = array(case["y"], case["dtype"]), array(case["pred"], case["dtype"])
        weight = None if case["weight"] is None else np.asarray(case["weight"])
        if weight is not None and "uint8" in case["note"]:
            weight = weight.astype(np.uint8)
        if self.way == "heads":
            log_scale = np.log(np.asarray(params["var"])) / 2
            f = np.stack([f if f.shape == log_scale.shape else f[..., 0], log_scale], axis=-1)
        if self.way in ("rows", "relative"):
            y, f = y[None], f[None]
        if (layout or case["layout"]) == "strided":
            y, f, weight = spread(y), spread(f), None if weight is None else spread(weight)
        for each in (y, f, weight):
            if each is not None:
                each.flags.writeable = False
        self.y, self.f, self.weight = y, f, weight
        self.reduction, divided = REDUCTIONS[params["reduction"], weight is not None]
        self.divisor = y.shape[0] if divided else 1
        self.micro_batches = params.get("micro_batches")

    def arguments(self, rows=slice(None)):
        weight = {} if self.weight is None else {"weight": self.weight[rows]}
        return (self.y[rows], self.f[rows]), weight

    def value(self):
        (y, f), weight = self.arguments()
        if self.micro_batches:
            first, second = (self.loss.total(*self.arguments(rows)[0], **weight) for rows in self.micro_batches)
            both = first + second
            return both.sum / both.weight
        result = self.loss(y, f, reduction=self.reduction, **weight) / self.divisor
        if self.way == "deviance":
            return 2 * (result - self.loss(y, y, reduction=self.reduction, **weight) / self.divisor)
        return result + np.sum(y) - np.sum(f) if self.way == "relative" else result

    def gradient(self):
        (y, f), weight = self.arguments()
        result = self.loss.gradient(y, f, reduction=self.reduction, **weight) / self.divisor
        result = 2 * result if self.way == "deviance" else result
        return result[..., 0] if self.way == "heads" else result[0] if self.way in ("rows", "relative") else result


def chosen(wanted):
    return [pytest.param(case, id=case["id"]) for case in CASES if wanted(case)]


def finite(case):
    return case["expect_value"] != "raises" and not case["policy"]


def same(got, wanted, rtol, atol=0.0):
    wanted = np.asarray(numbers(wanted), dtype=np.float64)
    assert np.shape(got) == wanted.shape
    np.testing.assert_allclose(np.asarray(got, dtype=np.float64), wanted, rtol=rtol, atol=atol)


def close_gradient(got, wanted, slack=0.0):
    """Within 8 eps (or the slack) of the largest component; infinite components exactly."""
    wanted = np.asarray(numbers(wanted), dtype=np.float64)
    reach = np.max(np.abs(wanted), where=np.isfinite(wanted), initial=0.0)
    eps = float(np.finfo(got.dtype).eps)
    same(got, wanted.tolist(), rtol=0.0, atol=max(8 * eps, slack) * reach)


@pytest.mark.parametrize("case", chosen(finite))
def test_value(case):
    same(Translated(case).value(), case["expect_value"], case["rtol"], case["atol"])


@pytest.mark.parametrize("case", chosen(lambda case: finite(case) and case["expect_grad"] is not None))
def test_gradient(case):
    translated = Translated(case)
    got, wanted = translated.gradient(), case["expect_grad"]
    floating = translated.f.dtype.kind == "f"
    assert got.dtype == (translated.f.dtype if floating else np.float64)
    if isinstance(wanted, dict):
        low, high = wanted["interval"]
        assert np.all((low <= got) & (got <= high))
    else:
        close_gradient(got, wanted)


@pytest.mark.parametrize("case", chosen(lambda case: finite(case) and case["expect_hess"] is not None))
def test_hessian(case):
    translated = Translated(case)
    (y, f), weight = translated.arguments()
    got = translated.loss.hessian(y, f, reduction=translated.reduction, **weight)
    same(got, case["expect_hess"], case["rtol"], case["atol"])


@pytest.mark.parametrize("case", chosen(lambda case: case["expect_value"] == "raises"))
@pytest.mark.parametrize("method", ["value", "gradient"])
def test_raises(case, method):
    translated = Translated(case)
    with pytest.raises((ValueError, TypeError)):
        getattr(translated, method)()


@pytest.mark.parametrize("case", chosen(lambda case: case["policy"] and case["expect_value"] != "raises"))
def test_where_the_report_leaves_a_choice_we_raise_or_give_the_limit(case):
    try:
        value = Translated(case).value()
    except ValueError:
        return
    same(value, case["expect_value"], case["rtol"])


@pytest.mark.parametrize("case", chosen(finite))
def test_layout_changes_no_bit(case):
    packed, strided = Translated(case, "contiguous"), Translated(case, "strided")
    assert np.asarray(packed.value()).tobytes() == np.asarray(strided.value()).tobytes()
    assert packed.gradient().tobytes() == strided.gradient().tobytes()


@pytest.mark.parametrize("case", chosen(finite))
def test_a_saved_loss_comes_back_the_same(case):
    translated = Translated(case)
    before = np.asarray(translated.value())
    translated.loss = lm.from_spec(json.loads(json.dumps(translated.loss.spec())))
    assert np.asarray(translated.value()).tobytes() == before.tobytes()


@pytest.mark.parametrize("case", chosen(finite))
def test_inputs_are_not_written_to(case):
    translated = Translated(case)
    held = [each for each in (translated.y, translated.f, translated.weight) if each is not None]
    before = [each.tobytes() for each in held]
    translated.value()
    translated.gradient()
    assert [each.tobytes() for each in held] == before


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in SIBLINGS])
def test_sibling(case):
    loss = lm.get(case["loss"], **case["params"])
    y, f = array(case["y"], case["dtype"]), array(case["pred"], case["dtype"])
    rest = {"weight": case["weight"], "reduction": case["reduction"]}
    rtol = RTOL.get(case["dtype"], 1e-12)
    same(loss(y, f, **rest), case["expect_value"], rtol)
    if case["expect_grad"] is not None:
        close_gradient(loss.gradient(y, f, **rest), case["expect_grad"], slack=rtol)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint64"])
def test_labels_of_any_integer_dtype_are_class_ids(dtype):
    """An id of one byte is compared as a number, never wrapped."""
    scores = np.zeros((3, 3))
    ignored = 255 if dtype.startswith("u") else -100
    loss = lm.cross_entropy(ignore_index=ignored)
    y = np.array([0, ignored, 2], dtype)
    np.testing.assert_allclose(loss(y, scores, reduction="none"), [np.log(3), 0.0, np.log(3)], rtol=1e-15)


@pytest.mark.parametrize("label", [3, -1, 255, 1.5, -1e12, 2**40])
@pytest.mark.parametrize("name", ["cross_entropy", "focal_cross_entropy", "multiclass_hinge", "multi_margin"])
def test_a_label_that_is_no_class_raises(name, label):
    with pytest.raises(ValueError, match=name):
        lm.get(name)(np.array([0, label]), np.zeros((2, 3)))


def test_all_rows_ignored_is_nothing_to_average():
    loss, y, scores = lm.cross_entropy(ignore_index=-100), np.array([-100, -100]), np.zeros((2, 3))
    assert loss(y, scores, reduction="sum") == 0.0
    assert np.array_equal(loss.gradient(y, scores, reduction="sum"), np.zeros((2, 3)))
    with pytest.raises(ValueError):
        loss(y, scores)


def test_half_precision_sums_do_not_overflow():
    y, f = np.zeros(70000, np.float16), np.full(70000, 2.0, np.float16)
    assert lm.squared_error()(y, f, reduction="sum") == 280000.0
    assert lm.squared_error()(y, f) == 4.0


def test_weights_equal_repeated_rows():
    y, f = np.array([0, 2, 1]), np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5], [0.25, 0.75, 0.0]])
    repeats = np.array([3, 1, 2])
    loss = lm.cross_entropy(label_smoothing=0.1, class_weight=[1.0, 2.0, 3.0])
    for reduction in ("mean", "sum", "weighted_mean"):
        repeated = loss(np.repeat(y, repeats), np.repeat(f, repeats, axis=0), reduction=reduction)
        assert loss(y, f, weight=repeats, reduction=reduction) == pytest.approx(repeated, rel=1e-14)
