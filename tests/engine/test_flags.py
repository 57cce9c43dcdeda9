"""What is illegal is found wherever it lies, by machine code as by the array engine, unless its sample is left out."""

import itertools
import math
import re

import numpy as np
import pytest

import lossmith as lm
from engine.calls import DTYPES, PLAIN, bits, by_arrays, data, exposed, fresh, outcome, priced, sized
from judges.points import cases, points

RAW = (math.nan, math.inf, -math.inf, -1.0, -0.5, -1e-30, 0.0, 0.5, 1.0 + 1e-6, 1.5, 2.0, 3.0, 7.0)


class Judge:
    """A loss as machine code serves it, fast and direct road open, and as the array engine does."""

    def __init__(self, loss):
        self.loss, self.other = fresh(loss), fresh(loss)

    def outcomes(self, method, *data, **more):
        """What machine code says, and what the array engine says."""
        first = outcome(lambda: getattr(self.loss, method)(*data, **more))
        with by_arrays():
            return first, outcome(lambda: getattr(self.other, method)(*data, **more))

    def refusal(self, *data, **more):
        """The words of the ValueError, the same from both for values and derivatives."""
        said = []
        for method, reduction in (("__call__", "mean"), ("gradient", "none"), ("value_and_gradient", "sum")):
            found, expected = self.outcomes(method, *data, reduction=reduction, **more)
            assert refused(expected), (method, expected)
            assert refused(found) and found == expected, (method, found)
            said.append(found[1])
        assert len(set(said)) == 1
        return said[0]


def refused(found):
    return isinstance(found, tuple) and found[0] is ValueError


def illegal(domain, classes, dtype):
    """Numbers outside a domain that an array of the dtype can hold."""
    whole = np.dtype(dtype).kind in "iub"
    found = []
    for x in RAW:
        if whole and x != round(x, 0) if math.isfinite(x) else whole:
            continue
        held = float(np.dtype(dtype).type(x))
        inside = domain.contains(held) and (domain.kind != "class id" or held < classes)
        if not inside:
            found.append(held)
    return found


def prepared(case, random, n, dtype, classes):
    loss, (y, f) = sized(case, classes), data(case, random, n, dtype, classes)
    judge = Judge(loss)
    for _ in range(2):  # opens the roads
        judge.loss(y, f), judge.loss.gradient(y, f), judge.loss.value_and_gradient(y, f)
    return judge, y, f


def chosen():
    for case, dtype in itertools.product(cases(), DTYPES):
        plain = case in PLAIN or case.params == (("from_logits", False),)
        small = plain and dtype == DTYPES[len(case.name) % 2]
        yield pytest.param(case, dtype, marks=() if small else pytest.mark.full, id=f"{case} {dtype}")


@pytest.mark.parametrize(("case", "dtype"), list(chosen()))
def test_an_illegal_number_is_found_in_every_lane(case, dtype):
    random = np.random.default_rng(1)
    rows = case.formula.kind == "rowwise"
    for n, classes in ((37, 3), (19, 60)) if rows else ((37, 1), (1, 1)):
        judge, y, f = prepared(case, random, n, dtype, classes)
        arguments = [("y_true", y, case.formula.target.domain), ("y_pred", f, case.formula.predictions[0].domain)]
        places = sorted({0, n // 2, n - 1, *random.integers(0, n, 3)})
        for (name, array, domain), place in itertools.product(arguments, places):
            for value in random.permutation(illegal(domain, classes, array.dtype))[:4]:
                index = (place,) if array.ndim == 1 else (place, int(random.integers(array.shape[1])))
                old = array[index]
                array[index] = value
                said = judge.refusal(y, f)
                array[index] = old
                where = ", ".join(map(str, index))
                assert re.search(rf"{name}\[{where}\] = {re.escape(f'{value:.17g}')} ", said), said


@pytest.mark.parametrize("name", ["binary_cross_entropy", "poisson", "gaussian_nll", "hinge"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_of_several_is_named_whatever_block_it_is_in(name, dtype):
    random = np.random.default_rng(2)
    case, n = next(case for case in PLAIN if case.name == name), 3 * 8192 + 5
    judge, y, f = prepared(case, random, n, dtype, 1)
    try:
        for threads in (1, 3):
            lm.set_threads(threads)
            for place in (0, 8191, 8192, 16383, n - 6, n - 1):
                bad = f.copy()
                for k in (place, *random.integers(place, n, 4)):
                    bad[(k, 0) if f.ndim > 1 else k] = math.nan
                assert re.search(rf"y_pred\[{place}(, 0)?\] = nan", judge.refusal(y, bad))
    finally:
        lm.set_threads(2)


@pytest.mark.parametrize("classes", [3, 17, 60])
@pytest.mark.parametrize("name", ["cross_entropy", "multiclass_hinge", "kl_divergence"])
def test_rows_are_checked_in_every_block(name, classes):
    random = np.random.default_rng(3)
    case, n = next(case for case in PLAIN if case.name == name), 2 * 8192 // classes + 9
    judge, y, f = prepared(case, random, n, "float32", classes)
    for place, k in itertools.product((0, 8192 // classes, n - 2, n - 1), (0, classes - 1)):
        bad = f.copy()
        bad[place, k] = math.nan
        assert f"y_pred[{place}, {k}] = nan" in judge.refusal(y, bad)
        if y.ndim == 1:
            wrong = y.copy()
            wrong[place] = classes
            assert f"y_true[{place}] = {classes} is not a class id" in judge.refusal(wrong, f)
        else:
            wrong = y.copy()
            wrong[place] *= 0.5
            assert f"y_true[{place}] sums to 0.5" in judge.refusal(wrong, f)


@pytest.mark.parametrize("weighed", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["huber", "gaussian_nll", "cross_entropy", "kl_divergence"])
def test_an_illegal_weight_is_refused(name, weighed):
    random = np.random.default_rng(4)
    case = next(case for case in PLAIN if case.name == name)
    for n, classes in ((37, 3), (20, 60)):
        judge, y, f = prepared(case, random, n, "float32", classes)
        for value, place in itertools.product((-1.0, math.nan, math.inf, -math.inf, -1e-7), (0, n // 2, n - 1)):
            weight = random.uniform(0.5, 1.0, n).astype(weighed)
            weight[place] = value
            assert f"weight[{place}] = " in judge.refusal(y, f, weight=weight)
            where = np.ones(n, bool)
            where[place] = False
            found, expected = judge.outcomes("__call__", y, f, weight=weight, where=where)
            assert found == pytest.approx(expected, rel=1e-5)
        weight[place] = -0.0
        found, expected = judge.outcomes("__call__", y, f, weight=weight)
        assert found == pytest.approx(expected, rel=1e-5)


def test_integers_may_be_illegal_weights_too():
    y, f, weight = np.zeros(20), np.ones(20), np.ones(20, np.int8)
    weight[19] = -1
    judge = Judge(lm.huber())
    assert "weight[19] = -1 is not" in judge.refusal(y, f, weight=weight)


def test_numbers_per_sample_are_checked():
    judge, y, f = Judge(exposed()), np.zeros(20), np.ones(20)
    for place, value in itertools.product((0, 16, 19), (0.0, -1.0, math.nan)):
        exposure = np.ones(20)
        exposure[place] = value
        assert f"exposure[{place}] = {value:.17g} is not" in judge.refusal(y, f, exposure=exposure)
    judge = Judge(priced(price=[1.0, 2.0, 3.0]))
    exposure[:] = 1.0
    exposure[19] = 0.0
    said = judge.refusal(np.zeros(20, int), np.ones((20, 3)), exposure=exposure)
    assert "exposure[19] = 0 is not" in said


# what is left out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "dtype"), list(chosen()))
def test_a_sample_that_is_left_out_may_hold_anything(case, dtype):
    random = np.random.default_rng(5)
    rows = case.formula.kind == "rowwise"
    for n, classes in ((37, 3), (19, 60)) if rows else ((37, 1),):
        loss, (y, f) = sized(case, classes), data(case, random, n, dtype, classes)
        places = np.array(sorted({0, n // 2, n - 1, *random.integers(0, n, 2)}))
        where, weight = np.ones(n, bool), random.uniform(0.5, 1.0, n).astype(dtype)
        where[places] = False
        other_y, other_f = y.copy(), f.copy()
        worst = illegal(case.formula.target.domain, classes, y.dtype)
        other_f[places] = np.where(random.random(f[places].shape) < 0.5, math.nan, -math.inf)
        if worst:
            other_y[places] = random.choice(worst, y[places].shape)
        for masks in ({"where": where}, {"weight": weight * where}, {"weight": weight / where.clip(1e-300)}):
            with np.errstate(all="ignore"):
                if "weight" in masks:
                    masks["weight"] = np.where(where, weight, 0).astype(dtype)
            for method, reduction in (("__call__", "mean"), ("value_and_gradient", "mean"), ("hessian", "none")):
                call = getattr(fresh(loss), method)
                expected = call(y, f, reduction=reduction, **masks)
                assert bits(call(other_y, other_f, reduction=reduction, **masks)) == bits(expected)
            values = loss(other_y, other_f, reduction="none", **masks)
            gradients = loss.gradient(other_y, other_f, reduction="none", **masks)
            assert (values[places] == 0).all() and (gradients[places] == 0).all()
        rubbish = np.where(where, weight, random.choice([math.nan, -1.0, math.inf], n)).astype(dtype)
        assert bits(loss(other_y, other_f, weight=rubbish, where=where)) == bits(loss(y, f, weight=weight, where=where))


@pytest.mark.parametrize("name", ["huber", "gaussian_nll", "cross_entropy", "kl_divergence"])
def test_nothing_to_average(name):
    case = next(case for case in PLAIN if case.name == name)
    for n, classes in ((1, 3), (20, 3), (20, 60)):
        y, f = data(case, np.random.default_rng(6), n, "float32", classes)
        judge = Judge(case.loss)
        for masks in ({"where": np.zeros(n, bool)}, {"weight": np.zeros(n)}):
            for method in ("__call__", "gradient", "value_and_gradient"):
                found, expected = judge.outcomes(method, y, f, **masks)
                assert refused(found) and found == expected and "nothing to average" in found[1]
            assert judge.loss(y, f, reduction="sum", **masks) == 0.0
            assert not judge.loss.gradient(y, f, reduction="sum", **masks).any()
        for method in ("__call__", "gradient", "value_and_gradient"):
            found, expected = judge.outcomes(method, y[:0], f[:0])
            assert refused(found) and found == expected and "nothing to average" in found[1]
        assert judge.loss(y[:0], f[:0], reduction="sum") == 0.0
        assert judge.loss.gradient(y[:0], f[:0], reduction="none").shape == f[:0].shape


@pytest.mark.parametrize("kind", ["int64", "int8", "float32", "float64"])
@pytest.mark.parametrize("ignored", [-100, -1, 2, 255])
@pytest.mark.parametrize("classes", [5, 60])
def test_an_ignored_label_leaves_its_sample_out(classes, ignored, kind):
    if kind == "int8" and ignored == 255:
        pytest.skip("no such number")
    random, n = np.random.default_rng(7), 37
    f, y = random.normal(size=(n, classes)), random.integers(0, classes, n)
    y[[0, 16, 36]] = ignored
    y = y.astype(kind)
    where, weight = y != ignored, random.uniform(0.5, 1.0, n)
    loss, plain = lm.cross_entropy(ignore_index=ignored), lm.cross_entropy()
    assert bits(loss(y, f)) == bits(plain(np.where(where, y, 0), f, where=where))
    f[0] = math.nan
    legal = np.where(where, y, 0)
    for masks, others in (({}, {"where": where}), ({"weight": weight}, {"where": where, "weight": weight})):
        for method, reduction in (("__call__", "none"), ("gradient", "sum"), ("hessian", "none")):
            assert bits(getattr(loss, method)(y, f, reduction=reduction, **masks)) == bits(
                getattr(plain, method)(legal, f, reduction=reduction, **others)
            )
        np.testing.assert_allclose(loss.gradient(y, f, **masks), plain.gradient(legal, f, **others), rtol=1e-14)
    y[5] = classes if ignored != classes else classes + 1
    assert f"y_true[5] = {classes}" in Judge(loss).refusal(y, f)


# labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["int8", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("labels", [(-1, 1), (1, 0), (3, -7), (-1.0, 1.0), (0, 1)])
@pytest.mark.parametrize("name", ["binary_cross_entropy", "hinge", "focal"])
def test_labels_stand_for_zero_and_one(name, labels, kind):
    random, n = np.random.default_rng(8), 37
    numbers, f = random.integers(0, 2, n), random.normal(size=n)
    y = np.array(labels)[numbers].astype(kind)
    loss, plain = lm.get(name, labels=labels), lm.get(name)
    for method in ("__call__", "value_and_gradient", "hessian"):
        assert bits(getattr(loss, method)(y, f)) == bits(getattr(plain, method)(numbers, f))
    judge = Judge(loss)
    for wrong, place in itertools.product((2, 5, -2), (0, 16, 36)):
        bad = y.copy()
        bad[place] = wrong
        assert f"y_true[{place}] = " in judge.refusal(bad, f)
        where = np.arange(n) != place
        assert bits(loss(bad, f, where=where)) == bits(plain(numbers, f, where=where))


@pytest.mark.parametrize("classes", [3, 16, 17, 60])
def test_classes_may_have_other_numbers(classes):
    random, n = np.random.default_rng(9), 37
    labels = tuple(int(x) for x in random.permutation(1000)[:classes] - 500)
    numbers, f = random.integers(0, classes, n), random.normal(size=(n, classes))
    y = np.array(labels)[numbers]
    loss, plain = lm.cross_entropy(labels=labels), lm.cross_entropy()
    for method in ("__call__", "gradient", "hessian"):
        for reduction in ("sum", "none") if method == "__call__" else ("none",):
            found = getattr(loss, method)(y, f, reduction=reduction)
            np.testing.assert_allclose(found, getattr(plain, method)(numbers, f, reduction=reduction), rtol=1e-15)
    y[17] = 777
    assert "y_true[17] = 777 is not one of" in Judge(loss).refusal(y, f)


# limits ---------------------------------------------------------------------------------------------------------------


def hard():
    for case, dtype in itertools.product(cases(), DTYPES):
        small = case in PLAIN and dtype == DTYPES[len(case.name) % 2]
        yield pytest.param(case, dtype, 25 if small else None, marks=() if small else pytest.mark.full,
                           id=f"{case} {dtype}")  # fmt: skip


@pytest.mark.parametrize(("case", "dtype", "some"), list(hard()))
def test_hard_points_are_infinite_or_refused_as_by_the_array_engine(case, dtype, some):
    """One sample at a time: the same errors, the same signs of infinity, and never NaN."""
    judge, pairs = Judge(case.loss), points(case, dtype)
    random = np.random.default_rng(10)
    for k in range(len(pairs)) if some is None else random.permutation(len(pairs))[:some]:
        y, f = (np.array([x], np.int64 if isinstance(x, int) else dtype) for x in pairs[k])
        for method in ("__call__", "gradient", "hessian"):
            found, expected = judge.outcomes(method, y, f, reduction="none")
            if refused(expected) or refused(found):
                assert refused(expected) and refused(found) and found == expected, (pairs[k], found, expected)
                continue
            assert not np.isnan(found).any()
            limit = np.isinf(expected) | np.isinf(found)
            assert (found[limit] == expected[limit]).all(), (method, pairs[k], found, expected)


def test_two_judges_can_disagree():
    """The comparison of this file sees a number that only one engine refuses."""
    judge = Judge(lm.binary_cross_entropy())
    judge.other = lm.squared_error()
    with pytest.raises(AssertionError):
        judge.refusal(np.full(3, 2.0), np.zeros(3))


@pytest.mark.parametrize("classes", [3, 20, 60, 1100])
def test_a_probability_of_minus_zero_is_zero(classes):
    """The one of the true class, which is taken as it lies, too."""
    f = np.full((1, classes), 0.5)
    f[0, 1] = -0.0
    gradient = lm.focal_cross_entropy(from_logits=False).gradient([1], f, reduction="none")
    assert gradient[0, 1] == -np.inf
