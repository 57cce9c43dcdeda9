"""A loss is a value: immutable, hashable, equal by what it means, and it survives every way of being sent."""

import contextlib
import copy
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import lossmith as lm
from lossmith.engine.choice import machine_code
from lossmith.formula import ClassId, Positive, Real, Scores, exp, is_class, log1p, logsumexp, pick, softplus, sqrt
from lossmith.parameters import with_parameters

from . import samples


@lm.pointwise(source="Cauchy's distribution")
def contract_cauchy(y: Real, f: Real, *, scale: Positive = 1.0):
    """Grows like a logarithm."""
    return log1p(((f - y) / scale) ** 2)


@lm.pointwise
def contract_heads(y: Real, mean: Real, log_scale: Real):
    """Two predictions a sample."""
    return ((y - mean) * exp(-log_scale)) ** 2 / 2 + log_scale


@lm.rowwise
def contract_rows(y: ClassId, f: Scores):
    """Surprise of the softmax."""
    return softplus(logsumexp(f, where=~is_class(y)) - pick(f, y))


MADE = {
    "scaled": (2 * lm.huber(), *samples.REAL),
    "sum": (2 * lm.huber(delta=0.5) + lm.absolute_error(), *samples.REAL),
    "sum of sums": (lm.huber() + (lm.log_cosh() + 0.25 * lm.quantile(q=0.9)), *samples.REAL),
    "labels": (lm.hinge(labels=(-1, 1)), 2 * samples.LABEL[0] - 1, samples.LABEL[1]),
    "class weighted": (lm.hinge().class_weighted({0: 1, 1: 9}), *samples.LABEL),
    "weighted rows": (lm.multiclass_hinge().class_weighted({0: 1, 1: 9, 2: 0.5}), samples.IDS, samples.SCORES),
    "weighted sum": ((lm.hinge() + lm.squared_hinge()).class_weighted({0: 1, 1: 9}), *samples.LABEL),
    "linked": (lm.squared_error().with_link("log"), *samples.COUNT),
    "own": (contract_cauchy(scale=2.5), *samples.REAL),
    "own, heads": (contract_heads(), *samples.HEADS),
    "own, rows": (contract_rows(), samples.IDS, samples.SCORES),
    "own, composed": (0.5 * contract_cauchy() + lm.squared_error(), *samples.REAL),
    "ignore": (lm.cross_entropy(ignore_index=-1), samples.IDS, samples.SCORES),
}
LOSSES = {each.id: (each.loss, each.y, each.f) for each in samples.everything()} | MADE
EVERY = pytest.mark.parametrize(("loss", "y", "f"), LOSSES.values(), ids=LOSSES.keys())


def test_what_is_asked_for_twice_is_one_object():
    """So what was found out about a loss, its kernels above all, is known the next time it is asked for by name."""
    assert lm.get("huber", delta=2) is lm.huber(delta=2.0) is not lm.huber(delta=2.5)
    assert lm.get("mse") is lm.squared_error()
    assert lm.cross_entropy(class_weight=[1, 2]) is lm.cross_entropy(class_weight=np.array([1.0, 2.0]))
    assert lm.binary_cross_entropy(from_logits=False) is not lm.binary_cross_entropy(from_logits=True)
    assert lm.hinge(labels=(False, True)).labels[1] is True  # though it equals 1
    assert lm.hinge(labels=(0, 1)).labels[1] is not True


def test_another_formula_and_another_engine_are_heard_afterwards(monkeypatch):
    @lm.pointwise
    def contract_grows(y: Real, f: Real):
        """A square, which learns of a root."""
        return (f - y) ** 2

    before = contract_grows()

    @contract_grows.variant(rooted=True)
    def contract_grows_rooted(y: Real, f: Real):
        return sqrt((f - y) ** 2)

    assert contract_grows(rooted=False) is not before and contract_grows(rooted=True)([1.0], [3.0]) == 2.0
    monkeypatch.setenv("LOSSMITH_ENGINE", "arrays")
    by_arrays = lm.huber(delta=0.625)
    assert by_arrays([1.0], [2.0]) > 0 and not by_arrays.roads
    monkeypatch.delenv("LOSSMITH_ENGINE")
    assert lm.huber(delta=0.625) is not by_arrays or not machine_code()


def same(one, other, y, f):
    assert one == other
    assert hash(one) == hash(other)
    assert one.name == other.name and one.params == other.params and one.latex == other.latex
    for method in ("__call__", "gradient", "hessian", "curvature"):
        assert np.array_equal(
            getattr(one, method)(y, f, reduction="none"), getattr(other, method)(y, f, reduction="none")
        )
    np.testing.assert_array_equal(one.best_constant(y), other.best_constant(y))
    np.testing.assert_array_equal(one.link.inverse(f), other.link.inverse(f))


@EVERY
def test_copies_are_equal(loss, y, f):
    same(copy.copy(loss), loss, y, f)
    assert copy.deepcopy(loss) == loss


def read_back(loss):
    return lm.from_spec(json.loads(json.dumps(loss.spec())))


def pickled(loss):
    return pickle.loads(pickle.dumps(loss))


@pytest.mark.parametrize("sent", [copy.copy, copy.deepcopy, pickled, read_back])
@pytest.mark.parametrize(
    ("made", "given", "wrong"),
    [
        (contract_cauchy, {"scale": 3.0}, {"scale": 0.0}),
        (lambda **given: 2 * contract_cauchy(**given), {"scale": 3.0}, {"scale": -1.0}),
        (lambda **given: 2 * lm.huber(**given), {"delta": 3.0}, {"delta": 0.0}),
        (lambda delta=1.0, delta_2=9.0: lm.huber(delta=delta) + lm.huber(delta=delta_2), {"delta_2": 4.0},
         {"delta_2": -1.0}),
        (lambda **given: lm.expectile(**given).with_link("log"), {"q": 0.7}, {"q": 1.0}),
        (lambda **given: lm.focal(**given).class_weighted({0: 1, 1: 9}), {"gamma": 0.5}, {"gamma": -1.0}),
        (lambda class_weights=(1, 1, 1): lm.cross_entropy().class_weighted(dict(enumerate(class_weights))),
         {"class_weights": (1.0, 2.0, 3.0)}, {"class_weights": (1.0, -1.0, 1.0)}),
    ],
)  # fmt: skip
def test_parameters_of_what_was_sent_or_composed_are_set(made, given, wrong, sent):
    loss = sent(made())
    assert with_parameters(loss, given) == made(**given)
    assert with_parameters(loss, given).params == {**loss.params, **given}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        with_parameters(loss, wrong)


@pytest.mark.parametrize(
    ("loss", "name", "message"),
    [
        (2 * lm.huber(), "detla", r"2 \* huber has no parameter 'detla' that can be set \(it has delta\); did you"),
        (lm.cross_entropy() * 2, "label_smoothing", "has no parameter 'label_smoothing' that can be set"),
        (2 * lm.cumulative_logit(thresholds=(0.0, 1.0)), "thresholds", "has no parameter 'thresholds'"),
    ],
)
def test_what_is_settled_in_a_formula_is_not_set(loss, name, message):
    with pytest.raises(TypeError, match=message):
        with_parameters(loss, {name: 0.1})


@EVERY
def test_a_loss_is_picklable(loss, y, f):
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        sent = pickle.loads(pickle.dumps(loss, protocol=protocol))
        assert sent == loss and hash(sent) == hash(loss)
        assert sent(y, f) == loss(y, f)


@EVERY
def test_a_spec_is_json_and_lossless(loss, y, f):
    text = json.dumps(loss.spec(), allow_nan=False)
    same(lm.from_spec(json.loads(text)), loss, y, f)
    assert json.loads(text) == json.loads(json.dumps(lm.from_spec(json.loads(text)).spec()))


@EVERY
def test_a_spec_is_the_callers_own(loss, y, f):
    spec = loss.spec()
    spec.clear()
    assert loss.spec() and lm.from_spec(loss.spec()) == loss


@EVERY
def test_a_loss_is_immutable(loss, y, f):
    before = hash(loss)
    for name in ("name", "params", "link", "formula", "labels", "anything"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(loss, name, None)
    with pytest.raises((AttributeError, TypeError)):
        del loss.name
    with contextlib.suppress(TypeError):
        loss.params["delta"] = 77.0
    assert "delta" not in loss.params or loss.params["delta"] != 77.0
    assert hash(loss) == before


def test_nothing_a_loss_hands_out_changes_it():
    loss = lm.huber(delta=2.0)
    before = loss(*samples.REAL), loss.spec()
    for name in ("params", "formulas", "labels", "link", "formula"):
        held = getattr(loss, name, None)
        with contextlib.suppress(AttributeError, TypeError):
            held.clear()
    assert (loss(*samples.REAL), loss.spec()) == before
    spec = loss.spec()
    spec["params"]["delta"] = 9.0
    assert loss.spec() == before[1]


def test_parameters_given_as_arrays_are_copied():
    weights = np.array([1.0, 2.0, 3.0])
    loss = lm.cross_entropy(class_weight=weights)
    before = loss(samples.IDS, samples.SCORES)
    weights[:] = 100.0
    assert loss(samples.IDS, samples.SCORES) == before
    assert loss == lm.cross_entropy(class_weight=[1.0, 2.0, 3.0]) == lm.cross_entropy(class_weight=(1, 2, 3))


def test_equality_is_formula_parameters_link_and_labels():
    assert lm.huber(delta=1) == lm.huber(delta=1.0) == lm.huber() == lm.get("huber")
    assert hash(lm.huber(delta=1)) == hash(lm.huber(delta=1.0))
    different = [
        lm.huber(),
        lm.huber(delta=2.0),
        lm.squared_error(),
        lm.absolute_error(),
        lm.hinge(),
        lm.hinge(labels=(-1, 1)),
        2 * lm.huber(),
        3 * lm.huber(),
        lm.huber() + lm.absolute_error(),
        lm.poisson(),
        lm.poisson(log_input=False),
        lm.poisson(full=True),
        lm.cross_entropy(),
        lm.cross_entropy(class_weight=[1, 2]),
        lm.cross_entropy(ignore_index=-1),
        lm.hinge().class_weighted({0: 1, 1: 9}),
    ]
    assert len(set(different)) == len(different)
    assert all(one != other for i, one in enumerate(different) for other in different[:i])
    assert lm.huber() != "huber" and lm.huber() != 1.0 and lm.huber() is not None


def test_losses_are_keys():
    table = {lm.huber(delta=2.0): "a", lm.hinge(): "b"}
    assert table[lm.huber(delta=2)] == "a" and lm.huber() not in table


@EVERY
def test_repr_names_the_loss(loss, y, f):
    assert isinstance(repr(loss), str)
    assert loss.name.split("(")[0].split(" ")[0] in repr(loss) or "+" in repr(loss) or "*" in repr(loss)


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (lm.huber(delta=2), "huber(delta=2.0)"),
        (2 * lm.squared_error() + lm.absolute_error(), "2 * squared_error + absolute_error"),
        (lm.huber() + lm.huber(delta=2), "(huber + huber)(delta=1.0, delta_2=2.0)"),
    ],
)
def test_repr_brackets_what_parameters_belong_to(loss, shown):
    assert repr(loss) == shown


ELSEWHERE = """
import json, sys
import lossmith as lm
spec, y, f = json.load(sys.stdin)
loss = lm.from_spec(spec)
print(json.dumps([loss.name, loss(y, f), loss.gradient(y, f).tolist()]))
"""


def test_the_spec_of_a_users_loss_holds_its_expression():
    """It works in a process that never saw the definition."""
    loss, y, f = MADE["own, composed"]
    sent = json.dumps([loss.spec(), y.tolist(), f.tolist()])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    name, value, gradient = json.loads(done.stdout)
    assert (name, value, gradient) == (loss.name, loss(y, f), loss.gradient(y, f).tolist())
