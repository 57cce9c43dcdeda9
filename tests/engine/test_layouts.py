"""How numbers lie in memory, and what lies beside them, changes no bit; inputs are only read."""

import itertools

import numpy as np
import pytest

import lossmith as lm
from engine.calls import DTYPES, PLAIN, bits, data, exposed, fresh, outcome, priced, sized
from judges.points import cases

ASKED = (("__call__", "none"), ("value_and_gradient", "mean"), ("gradient_and_curvature", "none"))


def strided(a):
    wide = np.full([3 * size + 1 for size in a.shape], 77, a.dtype)
    view = wide[(slice(1, None, 3),) * a.ndim]
    view[...] = a
    return view


def backwards(a):
    flip = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[flip])[flip]


def unaligned(a):
    memory = bytearray(a.nbytes + 1)
    memory[1:] = a.tobytes()
    return np.frombuffer(memory, a.dtype, offset=1).reshape(a.shape)


def swapped(a):
    return a.astype(a.dtype.newbyteorder()) if a.dtype.itemsize > 1 else a


def transposed(a):
    """The last axis first in memory, with gaps."""
    wide = np.full((*a.shape[::-1], 2), 77, a.dtype)
    view = wide[..., 0].T
    view[...] = a
    return view


def read_only(a):
    out = a.copy()
    out.flags.writeable = False
    return out


def field(a):
    """Between the other fields of a table of records."""
    records = np.zeros(a.shape, dtype=[("before", "i1"), ("here", a.dtype), ("after", "i2")])
    records["here"] = a
    return records["here"]


LAYOUTS = {
    "strided": strided,
    "backwards": backwards,
    "unaligned": unaligned,
    "fortran": np.asfortranarray,
    "transposed": transposed,
    "swapped": swapped,
    "swapped and strided": lambda a: strided(swapped(a)),
    "swapped and unaligned": lambda a: unaligned(swapped(a)),
    "field of a record": field,
    "read-only": read_only,
    "subclass": lambda a: a.view(type("Numbers", (np.ndarray,), {})),
}


def flat(found):
    """The numbers of results without their axes of samples."""
    return [np.ravel(x) for result in found for x in (result if isinstance(result, tuple) else (result,))]


def answers(loss, y, f, **more):
    """Answers of a loss in bits: every output, every sum, every scale."""
    return bits(*flat(getattr(loss, method)(y, f, reduction=reduction, **more) for method, reduction in ASKED))


CHOSEN = ("squared_error", "binary_cross_entropy", "hinge", "gaussian_nll", "cross_entropy", "kl_divergence",
          "multiclass_hinge")  # fmt: skip


def chosen():
    for case, dtype, layout in itertools.product(cases(), DTYPES, LAYOUTS):
        small = case in PLAIN and case.name in CHOSEN and dtype == DTYPES[len(layout) % 2]
        yield pytest.param(case, dtype, layout, marks=() if small else pytest.mark.full, id=f"{case} {dtype} {layout}")


@pytest.mark.parametrize(("case", "dtype", "layout"), list(chosen()))
def test_every_layout_gives_the_bits_of_the_plain_arrays(case, dtype, layout):
    random, made = np.random.default_rng(1), LAYOUTS[layout]
    rows = case.formula.kind == "rowwise"
    for n, classes in ((37, 3), (40, 50)) if rows else ((37, 1), (8195, 1)):
        loss, (y, f) = sized(case, classes), data(case, random, n, dtype, classes)
        masks = {"weight": random.uniform(0.1, 2.0, n), "where": random.random(n) < 0.9}
        masks["where"][-1] = True
        plain = answers(loss, y, f)
        assert answers(loss, made(y), f) == plain, "y_true"
        assert answers(loss, y, made(f)) == plain, "y_pred"
        plain = answers(loss, y, f, **masks)
        assert answers(loss, made(y), made(f), **{k: made(a) for k, a in masks.items()}) == plain, "all"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [3, 10, 17, 49])
@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence"])
def test_rows_that_lie_class_by_class(name, classes, dtype):
    """More numbers than are copied: as they lie, by kernels of their own."""
    random, case = np.random.default_rng(4), next(case for case in PLAIN if case.name == name)
    n, loss = 4100 // classes + 40, sized(case, classes)
    y, f = data(case, random, n, dtype, classes)
    masks = {"weight": random.uniform(0.1, 2.0, n), "where": random.random(n) < 0.9}
    turned = np.asfortranarray(f)
    plain = bits(*loss.gradient_and_curvature(y, f, **masks))
    assert bits(*loss.gradient_and_curvature(np.asfortranarray(y), turned, **masks)) == plain
    for order in "CF":
        out = tuple(np.empty(f.shape, dtype, order=order) for _ in "ab")
        loss.gradient_and_curvature(y, turned, out=out, **masks)
        assert bits(*out) == plain
    turned[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"y_pred\[7, 1\] = nan"):
        loss.gradient_and_curvature(y, turned)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_per_sample_and_per_class_too(layout, dtype):
    random, made = np.random.default_rng(2), LAYOUTS[layout]
    n, classes = 37, 5
    exposure = random.uniform(0.5, 2.0, n).astype(dtype)
    y, f = random.normal(size=(2, n)).astype(dtype)
    loss = exposed(scale=0.7)
    assert answers(loss, y, made(f), exposure=made(exposure)) == answers(loss, y, f, exposure=exposure)
    loss = priced(price=[1.0, 2.0, 0.5, 3.0, 1.5])
    y, f = random.integers(0, classes, n), random.normal(size=(n, classes)).astype(dtype)
    assert answers(loss, made(y), made(f), exposure=made(exposure)) == answers(loss, y, f, exposure=exposure)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_in_memory_gives_the_same_bits(tmp_path, dtype):
    random = np.random.default_rng(3)
    y, f = random.normal(size=(2, 20_011)).astype(dtype)
    held = [np.memmap(tmp_path / name, dtype, "w+", shape=a.shape) for name, a in (("y", y), ("f", f))]
    for file, a in zip(held, (y, f), strict=True):
        file[:] = a
    assert answers(lm.huber(), *held) == answers(lm.huber(), y, f)
    out = np.memmap(tmp_path / "out", dtype, "w+", shape=f.shape)
    assert lm.huber().gradient(*held, out=out) is out
    assert bits(np.asarray(out)) == bits(lm.huber().gradient(y, f))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_number_spread_over_an_array_is_that_array(dtype):
    f = np.linspace(-3, 3, 8200).astype(dtype)
    spread = np.broadcast_to(np.array(0.25, dtype), f.shape)
    for y, x in ((spread, f), (f, spread), (spread, spread)):
        assert answers(lm.log_cosh(), y, x) == answers(lm.log_cosh(), y.copy(), x.copy())
    row = np.broadcast_to(np.array([0.5, 1.0, -1.0], dtype), (100, 3))
    column = np.broadcast_to(np.linspace(0, 1, 100).astype(dtype)[:, None], (100, 3))
    ids = np.arange(100) % 3
    for x in (row, column):
        assert answers(lm.cross_entropy(), ids, x) == answers(lm.cross_entropy(), ids, x.copy())
    assert answers(lm.cross_entropy(), np.broadcast_to(1, 100), row) == answers(
        lm.cross_entropy(), np.ones(100, int), row.copy()
    )


# shapes ---------------------------------------------------------------------------------------------------------------

SHAPES = ((6, 1), (2, 3), (1, 1, 1), (3, 4, 5), (41, 7))


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_more_axes_are_the_same_samples(case):
    """Results of (2, 3) samples are those of 6 samples, whatever lies behind them in memory."""
    random, dtype = np.random.default_rng(4), DTYPES[len(case.name) % 2]
    rows, row_target = case.formula.kind == "rowwise", case.formula.target.domain.row
    many = rows or len(case.formula.predictions) > 1
    for classes, shape in itertools.product((3, 50) if rows else (1,), SHAPES):
        n = int(np.prod(shape))
        y, f = data(case, random, 4 * n, dtype, classes)  # what is read beyond the first n is not what should be
        weight = random.uniform(0.5, 1.5, 4 * n)
        y, f, weight = y[:n], f[:n], weight[:n]
        plain = answers(case.loss, y, f, weight=weight)
        tail = f.shape[1:] if many else ()
        shaped = y.reshape(shape + tail if row_target else shape), f.reshape(shape + tail), weight.reshape(shape)
        assert answers(case.loss, *shaped[:2], weight=shaped[2]) == plain, shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [case for case in PLAIN if case.kind == "row"], ids=str)
@pytest.mark.parametrize("classes", [1, 3, 60])
def test_one_row_alone_needs_no_axis_of_samples(case, dtype, classes):
    random = np.random.default_rng(5)
    y, f = data(case, random, 1, dtype, classes)
    for method in ("__call__", "gradient"):
        for reduction in ("none", "mean"):
            alone = getattr(fresh(case.loss), method)(y[0], f[0], reduction=reduction)
            batch = getattr(case.loss, method)(y, f, reduction=reduction)
            assert bits(np.ravel(batch)) == bits(np.ravel(alone).astype(np.asarray(batch).dtype))
            if method == "__call__":
                assert type(alone) is float
    out = np.full(classes + 64, 7.0, dtype)  # and nothing beside the row is written
    fresh(case.loss).gradient(y[0], f[0], out=out[32 : 32 + classes])
    assert (out[:32] == 7.0).all() and (out[32 + classes :] == 7.0).all()


# neighbours -----------------------------------------------------------------------------------------------------------

CLASSES = (1, 2, 3, 5, 8, 9, 16, 17, 47, 48, 49, 64, 100, 300, 700, 1000)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence", "multi_margin"])
def test_a_row_does_not_depend_on_the_rows_around_it(name, classes, dtype):
    random = np.random.default_rng(6)
    case = next(case for case in PLAIN if case.name == name)
    y, f = data(case, random, 40, dtype, classes)
    loss = case.loss
    values, gradients = loss.value_and_gradient(y, f, reduction="none")
    for i in range(40):
        value, gradient = loss.value_and_gradient(y[i : i + 1], f[i : i + 1], reduction="none")
        assert bits(value, gradient) == bits(values[i : i + 1], gradients[i : i + 1]), i
    for n in range(1, 40):
        value, gradient = loss.value_and_gradient(y[40 - n :], f[40 - n :], reduction="none")
        assert bits(value, gradient) == bits(values[40 - n :], gradients[40 - n :]), n


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [case for case in PLAIN if case.formula.kind == "pointwise"], ids=str)
def test_a_sample_does_not_depend_on_the_samples_around_it(case, dtype):
    random = np.random.default_rng(7)
    y, f = data(case, random, 40, dtype)
    loss = case.loss
    values, gradients = loss.value_and_gradient(y, f, reduction="none")
    for start, stop in [(i, i + 1) for i in range(40)] + [(40 - n, 40) for n in range(1, 40)]:
        value, gradient = loss.value_and_gradient(y[start:stop], f[start:stop], reduction="none")
        assert bits(value, gradient) == bits(values[start:stop], gradients[start:stop]), (start, stop)


def test_what_lies_beyond_the_end_is_neither_read_nor_written():
    """NaN around the inputs harms nothing, and what surrounds the output stays."""
    random = np.random.default_rng(8)
    for name, classes, n in itertools.product(("poisson", "gaussian_nll", "cross_entropy"), (3, 60), range(1, 36)):
        case = next(case for case in PLAIN if case.name == name)
        y, f = data(case, random, n, "float32", classes)
        room_y, room_f = (
            np.full((n + 40, *y.shape[1:]), -9).astype(y.dtype),
            np.full((n + 40, *f.shape[1:]), np.nan, "f4"),
        )
        room_y[20:-20], room_f[20:-20] = y, f
        out = np.full_like(room_f, 7.0)
        expected = case.loss.value_and_gradient(y, f)
        found = case.loss.value_and_gradient(room_y[20:-20], room_f[20:-20], out=out[20:-20])
        assert bits(found) == bits(expected)
        assert (out[:20] == 7.0).all() and (out[-20:] == 7.0).all()


# out= -----------------------------------------------------------------------------------------------------------------

OUTS = {
    "plain": np.empty,
    "strided": lambda shape, dtype: np.empty([2 * s for s in shape], dtype)[(slice(None, None, 2),) * len(shape)],
    "backwards": lambda shape, dtype: np.empty(shape, dtype)[(slice(None, None, -1),) * len(shape)],
    "fortran": lambda shape, dtype: np.empty(shape, dtype, order="F"),
    "swapped": lambda shape, dtype: np.empty(shape, np.dtype(dtype).newbyteorder()),
    "unaligned": lambda shape, dtype: unaligned(np.zeros(shape, dtype)),
    "slice": lambda shape, dtype: np.empty((shape[0] + 9, *shape[1:]), dtype)[4:-5],
}


OUT_ASKED = (("gradient", "mean"), ("hessian", "none"), ("value_and_gradient", "sum"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("written", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", OUTS)
def test_any_out_receives_the_same_numbers(kind, written, dtype):
    random = np.random.default_rng(9)
    for name, n, classes in (
        ("huber", 33, 1),
        ("gaussian_nll", 33, 1),
        ("cross_entropy", 33, 4),
        ("cross_entropy", 9, 60),
    ):
        case = next(case for case in PLAIN if case.name == name)
        y, f = data(case, random, n, dtype, classes)
        for method, reduction in OUT_ASKED:
            loss = fresh(case.loss)
            plain = getattr(loss, method)(y, f, reduction=reduction)
            out = OUTS[kind](f.shape, written)
            found = getattr(loss, method)(y, f, reduction=reduction, out=out)
            expected = plain[1] if isinstance(plain, tuple) else plain
            assert (found[1] if isinstance(found, tuple) else found) is out
            assert bits(out) == bits(expected.astype(written)), (name, method, reduction)
            if isinstance(plain, tuple):
                assert bits(found[0]) == bits(plain[0])


# inputs are only read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_inputs_are_never_written_to_also_where_the_call_fails(case):
    random, dtype = np.random.default_rng(10), DTYPES[len(case.name) % 2]
    for bad, n in itertools.product((False, True), (5, 50)):
        y, f = data(case, random, n, dtype, 3)
        weight, where = random.uniform(0.5, 1.0, n), random.random(n) < 0.8
        where[-1] = True
        if bad:
            f[-1] = np.nan
        held = [y, f, weight, where]
        before = [a.tobytes() for a in held]
        for masks in ({}, {"weight": weight, "where": where}):
            found = outcome(lambda k=masks: answers(case.loss, y, f, **k))  # noqa: B023
            assert bad == (isinstance(found, tuple) and found[0] is ValueError)
        assert [a.tobytes() for a in held] == before


def test_a_changed_bit_would_be_seen():
    """The comparison of this file can fail."""
    y, f = np.zeros(20), np.linspace(-1, 1, 20)
    other = f.copy()
    other[7] = np.nextafter(other[7], 2.0)
    assert answers(lm.squared_error(), y, f) != answers(lm.squared_error(), y, strided(other))
