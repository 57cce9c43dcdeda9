"""Three roads, one answer: the fast one for plain arrays, the direct one for any, the checked one for the rest."""

import gc
import itertools
import sys
import weakref

import numpy as np
import pytest

import lossmith as lm
import lossmith.direct
import lossmith.loss
from engine.calls import DTYPES, PLAIN, bits, data, exposed, fresh, outcome
from lossmith.engine import threads
from lossmith.engine.llvm import pool, run

POINTWISE = [case for case in PLAIN if case.formula.kind == "pointwise" and len(case.formula.predictions) == 1]
ASKED = [
    ("__call__", "mean"), ("__call__", "sum"), ("gradient", "mean"), ("gradient", "sum"), ("gradient", "none"),
    ("value_and_gradient", "mean"), ("value_and_gradient", "sum"),
]  # fmt: skip


@pytest.fixture
def roads(monkeypatch):
    """Which roads the last calls took: "fast", "direct" or "checked", in order."""
    taken = []
    monkeypatch.setattr(threads, "_chosen", 1)  # two threads would rather take the direct road

    def watched(name, road):
        def watch(*args, **more):
            before = len(taken)
            found = road(*args, **more)
            if found is not None and len(taken) == before:
                taken.append(name)
            return found

        return watch

    monkeypatch.setattr(lossmith.loss, "served", watched("fast", lossmith.loss.served))
    monkeypatch.setattr(lossmith.direct, "direct", watched("direct", lossmith.direct.direct))
    true = lossmith.loss.Call.__init__

    def init(self, *args, **more):
        taken.append("checked")
        true(self, *args, **more)

    monkeypatch.setattr(lossmith.loss.Call, "__init__", init)
    return taken


def blocked(monkeypatch):
    monkeypatch.setattr(lossmith.loss, "served", lambda *_: None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POINTWISE, ids=str)
def test_the_second_plain_call_takes_the_fast_road_to_the_same_bits(case, dtype, roads):
    random = np.random.default_rng(1)
    for n in (1, 7, 16, 100, 8192):
        y, f = data(case, random, n, dtype)
        y = y.astype(dtype)
        for method, reduction in ASKED:
            loss = fresh(case.loss)
            roads.clear()
            found = [bits(getattr(loss, method)(y, f, reduction=reduction)) for _ in range(3)]
            assert roads == ["direct", "fast", "fast"], (method, reduction)
            assert found[0] == found[1] == found[2]
            if method != "__call__":
                out = np.empty_like(f)
                result = getattr(loss, method)(y, f, reduction=reduction, out=out)
                assert roads[-1] == "fast" and (result[1] if isinstance(result, tuple) else result) is out
                assert bits(result) == found[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["huber", "poisson", "gaussian_nll", "cross_entropy", "kl_divergence", "multi_margin"])
def test_what_is_passed_as_lists_has_the_bits_of_arrays(name, dtype):
    random = np.random.default_rng(2)
    case = next(case for case in PLAIN if case.name == name)
    for n, classes in ((1, 3), (5, 3), (100, 3), (3000, 3), (20, 60)):
        y, f = data(case, random, n, dtype, classes)
        weight, where = random.uniform(0.1, 2, n), random.random(n) < 0.9
        where[0] = True
        for (method, reduction), masks in itertools.product(
            [*ASKED, ("__call__", "none"), ("hessian", "mean")], ({}, {"weight": weight, "where": where})
        ):
            plain = getattr(case.loss, method)(y, f, reduction=reduction, **masks)
            if dtype == "float64":
                listed = {k: v.tolist() for k, v in masks.items()}
                found = getattr(case.loss, method)(y.tolist(), f.tolist(), reduction=reduction, **listed)
                assert bits(found) == bits(plain), (n, method, reduction)
            objects = {k: v.astype(object) if k == "weight" else v for k, v in masks.items()}
            found = getattr(case.loss, method)(y, f, reduction=reduction, **objects)
            assert bits(found) == bits(plain), (n, method, reduction)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["huber", "poisson", "gaussian_nll", "cross_entropy", "kl_divergence", "multi_margin"])
def test_the_checked_road_gives_the_same_bits_per_sample(name, dtype, monkeypatch):
    """Of means it gives the same but for the last digits: it divides where the kernel multiplies."""
    random = np.random.default_rng(3)
    case = next(case for case in PLAIN if case.name == name)
    eps = float(np.finfo(dtype).eps)
    for n, classes in ((1, 3), (100, 3), (9000, 3), (20, 60)):
        y, f = data(case, random, n, dtype, classes)
        weight, where = random.uniform(0.1, 2, n), random.random(n) < 0.9
        where[0] = True
        for (method, reduction), masks in itertools.product(
            [*ASKED, ("__call__", "none"), ("hessian", "none")], ({}, {"weight": weight, "where": where})
        ):
            plain = getattr(fresh(case.loss), method)(y, f, reduction=reduction, **masks)
            with monkeypatch.context() as patched:
                blocked(patched)
                checked = getattr(fresh(case.loss), method)(y, f, reduction=reduction, **masks)
            if reduction == "none" or (method, reduction) == ("gradient", "sum"):
                assert bits(checked) == bits(plain), (n, method, reduction, list(masks))
            parts = [x if isinstance(x, tuple) else (x,) for x in (checked, plain)]
            for a, b in zip(*parts, strict=True):
                far = 4 * eps if np.ndim(a) else 1e-14 if dtype == "float64" else 1e-6
                np.testing.assert_allclose(a, b, rtol=far, atol=1e-300 + (0 if np.ndim(a) else far))


def swapped(x):
    return x.astype(x.dtype.newbyteorder())


def apart(x):
    return np.repeat(x, 2, axis=0)[::2]


FORMS = {  # of every array of a call
    "swapped bytes": swapped,
    "apart": apart,
    "objects": lambda x: x if x.dtype == bool else x.astype(object),
    "memory map": lambda x: x.view(np.memmap),
    "lists": lambda x: x.tolist(),
}


BY_EVERY_ROAD = [
    ("__call__", "mean"), ("__call__", "none"), ("__call__", "weighted_mean"), ("gradient", "sum"),
    ("gradient", "weighted_mean"), ("value_and_gradient", "mean"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_every_road_gives_the_same_bits(case, dtype):
    """However a call is made and whichever road serves it: few samples and more, reductions, weights, masks."""
    random, labelled = np.random.default_rng(5), case.formula.target.domain.kind in ("label", "class id")
    loss, names = fresh(case.loss), ("no", "perhaps", "yes")[: 2 if case.formula.kind == "pointwise" else 3]
    others = [loss.replaced(labels=names), loss.replaced(labels=(7, -3, 12)[: len(names)])] if labelled else []
    for n, (method, reduction), masked in itertools.product((3, 40), BY_EVERY_ROAD, ((), "w", "wm")):
        y, f = data(case, random, n, dtype)
        masks = {"weight": random.uniform(0.1, 2, n)} if "w" in masked else {}
        if "m" in masked:
            masks["where"] = np.arange(n) % 7 != 1
        call, here = getattr(loss, method), (n, method, reduction, masked)
        plain = bits(call(y, f, reduction=reduction, **masks))
        assert bits(call(y, f, reduction=reduction, **masks)) == plain, here
        assert bits(call(y, f, reduction=reduction, validate=False, **masks)) == plain, here
        for name, form in FORMS.items():
            if dtype == "float64" or name not in ("objects", "lists"):
                given = {k: form(x) for k, x in masks.items()}
                assert bits(call(form(y), form(f), reduction=reduction, **given)) == plain, (name, *here)
        if method == "gradient":
            out = np.empty(f.shape, np.longdouble)
            assert call(y, f, reduction=reduction, out=out, **masks) is out
            assert bits(out.astype(dtype)) == plain and (out == out.astype(dtype)).all(), here
        for other in others:
            labels = np.array(other.labels)[y]
            assert bits(getattr(other, method)(labels, f, reduction=reduction, **masks)) == plain, here


@pytest.mark.parametrize("classes", [3, 20, 60, 1100])
@pytest.mark.parametrize("dtype", DTYPES)
def test_means_weighted_by_class_are_right_on_every_road(dtype, classes, roads):
    random = np.random.default_rng(6)
    loss = lm.cross_entropy(class_weight=tuple(random.uniform(0.1, 2, classes).tolist()))
    factors = np.array(loss.params["class_weight"])
    for n in (1, 5, 40):
        y, f = random.integers(0, classes, n), random.normal(size=(n, classes)).astype(dtype)
        weight, eye = random.uniform(0.1, 2, n), np.eye(classes, dtype=dtype)
        each, slope = loss(y, f, reduction="none"), loss.gradient(y, f, reduction="none")
        expected = np.sum(weight * each) / np.sum(weight * factors[y])
        for target in (y, eye[y]):
            value, gradient = loss.value_and_gradient(target, f, weight=weight, reduction="weighted_mean")
            assert value == pytest.approx(expected, rel=1e-6 if dtype == "float32" else 1e-13)
            wanted = weight[:, None] * slope / np.sum(weight * factors[y])
            np.testing.assert_allclose(gradient, wanted, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-30)
    assert "checked" not in roads


def test_gradients_have_the_byte_order_of_the_machine():
    y, f = swapped(np.linspace(-1, 1, 5)), swapped(np.linspace(2, -2, 5))
    for more in ({}, {"validate": False}, {"validate": True}, {"weight": swapped(np.ones(5))}):
        for method, reduction in ASKED[2:]:
            found = getattr(lm.huber(), method)(y, f, reduction=reduction, **more)
            assert (found[1] if isinstance(found, tuple) else found).dtype == np.dtype("=f8")
    wrong = y.copy()
    wrong[2] = np.nan  # nothing serves this but the checked road
    assert lm.huber().gradient(wrong, f, validate=False).dtype == np.dtype("=f8")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "weighted_mean"])
@pytest.mark.parametrize("size", [1e-300, 1e-42, 1e38, 1e39, 1e300, 1e308])
def test_weights_of_any_size_meet_float32(size, reduction):
    """Weights that float32 does not hold, beside values that it does, and 0 among them."""
    y, f = np.array([0, 1, 1], np.float32), np.array([-0.5, 0, 2], np.float32)
    weight = size * np.array([1.5, 1.0, 0.25])
    for loss in (lm.squared_error(), lm.hinge()):
        unweighted = loss(y, f, reduction="none"), loss.gradient(y, f, reduction="none")
        scale = np.longdouble(1) / np.sum(weight.astype(np.longdouble)) if "mean" in reduction else 1
        with np.errstate(over="ignore", under="ignore"):
            values, slopes = [(x.astype(np.longdouble) * weight * scale).astype(np.float32) for x in unweighted]
        for _ in range(2):
            found = loss.gradient(y, f, weight=weight, reduction=reduction)
            np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=2e-45)
            if reduction == "none":
                found = loss(y, f, weight=weight, reduction="none")
                np.testing.assert_allclose(found, values, rtol=1e-6, atol=2e-45)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-300, 1e308])
def test_weights_of_any_size_share_out_a_mean(size, dtype):
    """One denormal weight has no digits, but as many as any beside its equals."""
    y, f = np.array([0, 1, 1, 0], dtype), np.array([0.5, -2, 3, 1], dtype)
    weight, where = np.array([size, size, size, 0]), np.array([True, True, False, True])
    loss = lm.binary_cross_entropy()
    for _ in range(2):
        for more in ({}, {"where": where}):
            equal = np.sign(weight)
            expected = loss(y, f, weight=equal, **more), loss.gradient(y, f, weight=equal, **more)
            found = loss(y, f, weight=weight, **more), loss.gradient(y, f, weight=weight, **more)
            for both in (found, loss.value_and_gradient(y, f, weight=weight, **more)):
                for number, truth in zip(both, expected, strict=True):
                    np.testing.assert_allclose(number, truth, rtol=1e-6 if dtype is np.float32 else 1e-14)


# what the fast road refuses -------------------------------------------------------------------------------------------


class Numbers(np.ndarray):
    """A subclass."""


Y, F = np.linspace(-1, 1, 50), np.linspace(2, -2, 50)
ODD = {
    "subclass": (Y.view(Numbers), F),
    "subclass as prediction": (Y, F.view(Numbers)),
    "list": (Y.tolist(), F),
    "other dtype": (Y.astype("f4"), F),
    "other dtype of prediction": (Y, F.astype("f4")),
    "half": (Y.astype("f2"), F.astype("f2")),
    "whole": ((Y > 0).astype(int), F),
    "other byte order": (Y.astype(">f8"), F.astype(">f8")),
    "strided": (np.repeat(Y, 2)[::2], F),
    "strided prediction": (Y, np.repeat(F, 2)[::2]),
    "backwards": (Y[::-1].copy()[::-1], F),
    "unaligned": (np.frombuffer(b"\0" + Y.tobytes(), offset=1), F),
    "two axes": (Y.reshape(5, 10), F.reshape(5, 10)),
    "no axis": (Y[3:4].reshape(()), F[3:4].reshape(())),
    "records": (np.array(list(zip(Y, Y, strict=True)), dtype=[("a", "f8"), ("b", "f8")])["a"], F),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("method", ["__call__", "gradient", "value_and_gradient"])
def test_odd_arrays_are_served_by_other_roads(odd, method, roads):
    loss = fresh(lm.huber(delta=0.5))
    for _ in range(2):
        getattr(loss, method)(Y, F)
    assert roads == ["direct", "fast"]
    roads.clear()
    y, f = ODD[odd]
    found = [getattr(loss, method)(y, f) for _ in range(2)]
    plain_enough = odd in ("other dtype", "other dtype of prediction", "half", "whole", "two axes")
    assert "fast" not in roads or plain_enough
    shape = np.shape(f)
    plain = np.asarray(y).astype(float).ravel(), np.asarray(f).astype(float).ravel()
    expected = fresh(loss).value_and_gradient(*plain)
    eps = (
        float(np.finfo("f2" if odd == "half" else "f4").eps) if odd in ("half", "other dtype of prediction") else 1e-14
    )
    for result in found:
        value, gradient = result if method == "value_and_gradient" else (result, result)
        if method != "gradient":
            assert type(value) is float and value == pytest.approx(expected[0], rel=2 * eps)
        if method != "__call__":
            assert gradient.shape == shape
            np.testing.assert_allclose(np.ravel(gradient).astype(float), expected[1], rtol=2 * eps, atol=eps)


def test_a_masked_array_is_refused_also_where_plain_ones_went_before():
    loss = fresh(lm.huber())
    for _ in range(3):
        loss(Y, F)
    for y, f in ((np.ma.masked_array(Y, Y > 0), F), (Y, np.ma.masked_array(F, F > 0))):
        for method in ("__call__", "gradient", "value_and_gradient"):
            with pytest.raises(TypeError, match="masked"):
                getattr(loss, method)(y, f)


@pytest.mark.parametrize("method", ["__call__", "gradient", "value_and_gradient"])
def test_wrong_lengths_are_refused(method):
    loss = fresh(lm.huber())
    for _ in range(3):
        getattr(loss, method)(Y, F)
    for y, f in (
        (Y[1:], F),
        (Y, F[1:]),
        (Y[:0], F),
        (Y, F[:0]),
        (Y.reshape(50, 1), F),
        (Y, F.reshape(50, 1)),
        (Y[:1], F),
    ):
        with pytest.raises(ValueError, match="shapes must be equal"):
            getattr(loss, method)(y, f)
    with pytest.raises(ValueError, match="nothing to average"):
        getattr(loss, method)(Y[:0], F[:0])


OUTS = {
    "too short": (lambda y, f: np.empty(49), ValueError, "shape"),
    "too long": (lambda y, f: np.empty(51), ValueError, "shape"),
    "two axes": (lambda y, f: np.empty((50, 1)), ValueError, "shape"),
    "whole numbers": (lambda y, f: np.empty(50, int), TypeError, "floating"),
    "a list": (lambda y, f: [0.0] * 50, TypeError, "out must be"),
    "y_true": (lambda y, f: y, ValueError, "shares memory"),
    "y_pred": (lambda y, f: f, ValueError, "shares memory"),
    "part of y_pred": (lambda y, f: f[::-1], ValueError, "shares memory"),
}


@pytest.mark.parametrize("kind", OUTS)
@pytest.mark.parametrize("before", [0, 3])
def test_an_out_that_cannot_be_is_refused_and_nothing_is_written(kind, before):
    make, error, words = OUTS[kind]
    loss, y, f = fresh(lm.huber()), Y.copy(), F.copy()
    for _ in range(before):
        loss.gradient(Y, F, out=np.empty(50)), loss.value_and_gradient(Y, F)
    for method in ("gradient", "value_and_gradient", "hessian"):
        with pytest.raises(error, match=words):
            getattr(loss, method)(y, f, out=make(y, f))
    assert (y == Y).all() and (f == F).all()


def test_an_out_that_overlaps_by_one_number_is_refused():
    memory, loss = np.linspace(-1, 1, 200), fresh(lm.huber())
    before = memory.copy()
    for _ in range(3):
        loss.gradient(Y, F, out=np.empty(50))
    for y, f, out in ((slice(0, 50), slice(50, 100), slice(99, 149)), (slice(51, 101), slice(101, 151), slice(2, 52))):
        with pytest.raises(ValueError, match="shares memory"):
            loss.gradient(memory[y], memory[f], out=memory[out])
    assert (memory == before).all()
    beside = loss.gradient(memory[:50], memory[50:100], out=memory[100:150])  # touching is not overlapping
    assert bits(beside) == bits(loss.gradient(before[:50], before[50:100]))


COPIED = {
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": lambda a: np.frombuffer(bytearray(b"\0" + a.tobytes()), a.dtype, offset=1).reshape(a.shape),
}


@pytest.mark.parametrize("layout", COPIED)
@pytest.mark.parametrize("which", ["y_true", "y_pred", "weight"])
def test_out_may_be_no_input_even_where_the_input_is_copied(layout, which):
    """A copy of an input shares no memory with out, but the input itself does."""
    y, f = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(2, -2, 12).reshape(3, 4)
    arrays = {"y_true": y, "y_pred": f, "weight": np.ones((3, 4))}
    arrays[which] = COPIED[layout](arrays[which])
    before = arrays[which].copy()
    for method in ("gradient", "value_and_gradient", "hessian"):
        for loss in (lm.squared_error(), fresh(lm.squared_error())):
            with pytest.raises(ValueError, match="shares memory"):
                getattr(loss, method)(arrays["y_true"], arrays["y_pred"], weight=arrays["weight"], out=arrays[which])
    assert (np.asarray(arrays[which]) == np.asarray(before)).all()


def test_an_out_that_is_read_only_is_refused():
    loss, out = fresh(lm.huber()), np.zeros(50)
    out.flags.writeable = False
    for _ in range(3):
        with pytest.raises(ValueError, match="read-only"):
            loss.gradient(Y, F, out=out)
        loss.gradient(Y, F, out=np.empty(50))
    assert not out.any()


def test_read_only_inputs_are_taken(roads):
    y, f = Y.copy(), F.copy()
    y.flags.writeable = f.flags.writeable = False
    loss = fresh(lm.huber())
    assert loss(y, f) == loss(y, f) == loss(Y, F)
    assert roads == ["direct", "fast", "fast"]


def test_a_value_outside_the_domain_leaves_the_fast_road(roads):
    loss, f = fresh(lm.binary_cross_entropy()), F.copy()
    y = (Y > 0).astype(float)
    for _ in range(2):
        loss(y, f)
    f[49] = np.nan
    with pytest.raises(ValueError, match=r"y_pred\[49\] = nan"):
        loss(y, f)
    assert roads == ["direct", "fast", "checked"]


def test_arguments_that_ask_for_more_leave_the_fast_road():
    loss, weight = fresh(lm.squared_error()), np.linspace(0, 1, 50)
    for _ in range(3):
        loss(Y, F)
    assert loss(Y, F, weight=weight) == pytest.approx(np.average((Y - F) ** 2, weights=weight))
    assert loss(Y, F, where=Y > 0) == pytest.approx(np.mean(((Y - F) ** 2)[Y > 0]))
    with pytest.raises(TypeError, match="takes no argument"):
        loss(Y, F, exposure=weight)
    with pytest.raises(TypeError, match="exposure"):
        exposed()(Y, F)
    for wrong in ("average", "MEAN", "", None, 3, ["mean"], {}):
        for method in ("__call__", "gradient", "value_and_gradient"):
            with pytest.raises(ValueError, match="reduction must be"):
                getattr(loss, method)(Y, F, reduction=wrong)


# rows on the fast road ------------------------------------------------------------------------------------------------

ROWED = [case for case in PLAIN if case not in POINTWISE]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ROWED, ids=str)
def test_rows_keep_their_bits_on_every_road_and_for_every_number_of_classes(case, dtype):
    """One loss, called with few and many rows, few and many classes, other targets, in every order."""
    random = np.random.default_rng(4)
    group = case.formula.kind == "pointwise"
    sizes = (
        [(n, 1) for n in (1, 2, 40)]
        if group
        else [(1, 3), (40, 3), (40, 5), (15, 3), (16, 3), (17, 5), (40, 60), (3, 60)]
    )
    loss, calls = fresh(case.loss), []
    for n, classes in sizes:
        y, f = data(case, random, n, dtype, classes)
        kinds = ("int64", "int32", dtype) if case.kind == "class id" else (dtype,)
        for kind, (method, reduction) in itertools.product(kinds, (ASKED[0], ASKED[2], ASKED[-1])):
            calls.append((y.astype(kind), f, method, reduction))
    expected = [bits(getattr(fresh(loss), m)(y, f, reduction=r)) for y, f, m, r in calls]
    for k in random.permutation(len(calls) * 3) % len(calls):
        y, f, method, reduction = calls[k]
        assert bits(getattr(loss, method)(y, f, reduction=reduction)) == expected[k], (f.shape, method, reduction)
        if method != "__call__":
            room = np.full(f.size + 64, 7.0, dtype)
            found = getattr(loss, method)(y, f, reduction=reduction, out=room[32:-32].reshape(f.shape))
            assert bits(found) == expected[k]
            assert (room[:32] == 7.0).all() and (room[-32:] == 7.0).all()


@pytest.mark.parametrize("method", ["__call__", "gradient", "value_and_gradient"])
def test_rows_that_do_not_fit_are_refused_by_every_road(method):
    scores, ids = np.linspace(-2, 2, 120).reshape(40, 3), np.arange(40) % 3
    loss = fresh(lm.cross_entropy())
    for _ in range(3):
        getattr(loss, method)(ids, scores)
    call = getattr(loss, method)
    for y, f in (
        (ids[1:], scores), (ids, scores[1:]), (ids.reshape(40, 1), scores), (ids, scores.reshape(3, 40)),
        (ids, scores.ravel()), (ids, scores.reshape(40, 3, 1)), (ids.reshape(1, 40), scores), (ids[:0], scores),
        (np.repeat(ids, 2), scores),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"shapes must be equal|has shape|is not a class id|sums to"):
            call(y, f)
    wrong = ids.copy()
    for label in (3, -1, 255, 1 << 40):
        wrong[39] = label
        with pytest.raises(ValueError, match=rf"y_true\[39\] = {label} is not a class id"):
            call(wrong, scores)
    if method != "__call__":
        before = scores.copy()
        for out in (
            np.empty((40, 2)),
            np.empty((3, 40)),
            np.empty(120),
            np.empty((39, 3)),
            np.empty((40, 3, 1)),
            scores,
        ):
            with pytest.raises(ValueError, match=r"shape|shares memory"):
                call(ids, scores, out=out)
        with pytest.raises(ValueError, match="shares memory"):
            call(scores[:, 0].astype(int), scores, out=scores[::-1])
        assert (scores == before).all()
        memory = np.zeros(160)
        whole = memory[:40].view(np.int64)
        with pytest.raises(ValueError, match="shares memory"):  # the targets end where out begins, one number later
            call(whole, scores, out=memory[39:159].reshape(40, 3))


# life -----------------------------------------------------------------------------------------------------------------


def test_a_thread_that_helps_keeps_the_arrays_alive(monkeypatch):
    """An interruption may end a call while another thread is still at work on a block."""
    cancels, true = [], pool.run
    monkeypatch.setattr(run, "_PARALLEL", 0.0)
    monkeypatch.setattr(threads, "_chosen", 2)
    monkeypatch.setattr(pool, "run", lambda *args: cancels.append(args[-1]) or true(*args))
    y, f, weight, out = np.zeros(20_000), np.ones(20_000), np.ones(20_000), np.empty(20_000)
    huber = lm.huber(delta=0.75) + 0.375 * lm.absolute_error()  # no other test has made its kernel
    huber.gradient(y, f, weight=weight, out=out)
    alive = [weakref.ref(x) for x in (y, f, weight, out)]
    del y, f, weight, out
    assert all(ref() is not None for ref in alive)
    cancels.clear()
    assert all(ref() is None for ref in alive)


def test_no_reference_is_lost_or_kept():
    loss, out = fresh(lm.huber()), np.empty(50)
    y, f = Y.copy(), F.copy()
    bad, short, other = F.copy(), F[:-1].copy(), F.astype("f4")
    bad[3] = np.nan
    held = (y, f, out, bad, short, other, None, True)

    def calls():
        loss(y, f), loss.gradient(y, f), loss.gradient(y, f, out=out), loss.value_and_gradient(y, f, out=out)
        for arguments in ((y, bad), (bad, y), (y, short), (y, other), (other, y), (y, None), ("text", f)):
            outcome(lambda a=arguments: loss(*a))
            outcome(lambda a=arguments: loss.gradient(*a, out=out))
        outcome(lambda: loss.gradient(y, f, out=y))

    for _ in range(3):
        calls()
    gc.collect()
    before = [sys.getrefcount(x) for x in held]
    blocks = sys.getallocatedblocks()
    for _ in range(200):
        calls()
    gc.collect()
    after = [sys.getrefcount(x) for x in held]
    assert before[:-2] == after[:-2]
    assert all(abs(a - b) < 100 for a, b in zip(before[-2:], after[-2:], strict=True))  # None and True are everyone's
    assert sys.getallocatedblocks() - blocks < 150
    for array in held[:-2]:  # nobody holds a buffer: they may be resized
        array.resize(len(array) + 1, refcheck=False)


def test_a_result_is_freed_with_its_last_reference():
    loss = fresh(lm.huber())
    for _ in range(3):
        gradient = loss.gradient(Y, F)
    dead = weakref.ref(gradient)
    del gradient
    assert dead() is None


def test_a_road_outlives_what_it_was_made_of():
    """Other kinds of calls may make a loss forget its plans, and the engine its kernels."""
    loss = fresh(lm.huber(delta=0.75))
    right = [loss(Y, F), loss(Y, F), bits(loss.gradient(Y, F))]
    rubbish = []
    for k in range(600):
        loss.curvature(Y, F, width=1.0 + k)
        rubbish += [np.full(2, 7.7) for _ in range(9)]  # over what was freed
    assert [loss(Y, F), loss(Y, F), bits(loss.gradient(Y, F))] == right


def test_equal_losses_with_other_parameters_have_roads_of_their_own():
    losses = [lm.huber(delta=0.1 + k / 10) for k in range(20)]
    for _ in range(3):
        for k, loss in enumerate(losses):
            assert loss(Y, F) == lm.huber(delta=0.1 + k / 10)(Y.tolist(), F.tolist())
