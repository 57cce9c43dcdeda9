"""JAX: values and two derivatives from the formula under every transformation, and equal to optax where it is right."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm
import pages
from contract import samples
from judges import oracle
from lossmith.formula import Positive, Real, exp, lgamma, log

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
jnp = jax.numpy
pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "frameworks" / "jax.md"
EVERY = samples.each_loss_at_least_once()
FEW = pytest.mark.parametrize(  # of each kind one in the covering subset
    "name", ["huber", "cross_entropy", "gaussian_nll",
             *(pytest.param(name, marks=pytest.mark.full) for name in ("binary_cross_entropy", "poisson"))],
)  # fmt: skip


@pytest.fixture(autouse=True)
def single_precision():
    """As JAX starts, whatever other tests of the same process have set."""
    with jax.enable_x64(False):
        yield


@pytest.fixture
def x64(single_precision):
    with jax.enable_x64(True):
        yield


def function(loss, reduction="none"):
    return loss.to("jax", reduction=reduction)


def summed(call, y, **given):
    """The total of a call, as a function of the prediction."""
    return lambda f: call(f, y, **given).sum()


@lm.pointwise(link="log")
def jax_shapes(y: Positive, f: Real):
    """Of a gamma law's shape, log Gamma and its derivatives."""
    return lgamma(exp(f)) - exp(f) * log(y)


# from the formula, under every transformation -------------------------------------------------------------------------


@EVERY
def test_values_and_gradients_are_the_formulas(sample, x64):
    y, f, w = (jnp.asarray(x) for x in (sample.y, sample.f, sample.weight))
    keep = jnp.asarray(np.arange(len(sample.f)) != 2)
    tangent = jnp.cos(jnp.arange(f.size)).reshape(f.shape)
    calls = [("none", {}), ("mean", {"weight": w, "where": keep})]
    if sample.loss.formula.class_factor is not None:
        calls.append(("weighted_mean", {"weight": w}))
    for reduction, given in calls:
        call = function(sample.loss, reduction)
        total = summed(call, y, **given)
        found = jax.jit(
            lambda p, call=call, given=given, total=total: (
                call(p, y, **given), jax.grad(total)(p), jax.jvp(total, (p,), (tangent,))[1]
            )
        )(f)  # fmt: skip
        plain = {name: np.asarray(x) for name, x in given.items()}
        value, slope = sample.loss.value_and_gradient(sample.y, sample.f, reduction=reduction, **plain)
        expected = value, slope, np.sum(slope * np.asarray(tangent))
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-14)
    eager = jax.value_and_grad(function(sample.loss, "mean"))(f, y)
    for got, wanted in zip(eager, sample.loss.value_and_gradient(sample.y, sample.f), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
def test_no_axis_is_added_in_silence(sample):
    """As in programs that ask JAX to refuse that."""
    with jax.numpy_rank_promotion("raise"):
        y, f, weight = jnp.asarray(sample.y), jnp.asarray(sample.f, jnp.float32), jnp.asarray(sample.weight)
        mean = function(sample.loss, "mean")
        jax.value_and_grad(mean)(f, y, weight=weight, where=weight > 0.6)
        for name in ("gradient", "hessian", "curvature"):
            getattr(sample.loss, name)(y, f)


def test_derivatives_of_the_log_of_gamma(x64):
    loss, y, f = jax_shapes(), np.array([1.0, 2.0, 0.5]), np.array([0.5, 1.0, -3.0])
    expected = loss.hessian(y, f)
    np.testing.assert_allclose(loss.hessian(jnp.asarray(y), jnp.asarray(f)), expected, rtol=1e-12)
    found = jax.jit(jax.hessian(summed(function(loss), jnp.asarray(y))))(jnp.asarray(f))
    np.testing.assert_allclose(found, np.diag(expected), rtol=1e-12)


@EVERY
def test_hessians_are_the_formulas(sample, x64):
    y, f = jnp.asarray(sample.y), jnp.asarray(sample.f)
    total = summed(function(sample.loss, "sum"), y)
    kinds = {
        "forward over reverse": jax.hessian(total), "reverse over reverse": jax.jacrev(jax.jacrev(total)),
        "forward over forward": jax.jacfwd(jax.jacfwd(total)), "reverse over forward": jax.jacrev(jax.jacfwd(total)),
    }  # fmt: skip
    made = jax.jit(lambda p: {kind: matrix(p).reshape(f.size, f.size) for kind, matrix in kinds.items()})(f)
    full = made.pop("forward over reverse")
    exact = sample.loss.hessian(sample.y, sample.f)
    np.testing.assert_allclose(np.diag(full).reshape(f.shape), exact, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(full, full.T, rtol=1e-12, atol=1e-14)
    for kind, other in made.items():
        np.testing.assert_allclose(other, full, rtol=1e-12, atol=1e-14, err_msg=kind)
    step = 1e-6 * np.sin(np.arange(f.size)).reshape(f.shape)
    ends = [sample.loss.gradient(sample.y, sample.f + side * step, reduction="sum") for side in (0.5, -0.5)]
    np.testing.assert_allclose(full @ step.ravel(), (ends[0] - ends[1]).ravel(), rtol=1e-3, atol=1e-10)


@FEW
def test_transformations_compose(name, x64):
    sample = samples.of(name)[0]
    y, f = jnp.asarray(sample.y), jnp.asarray(sample.f)
    call, mean = function(sample.loss), function(sample.loss, "mean")
    value, slope = sample.loss.value_and_gradient(sample.y, sample.f)
    each, slopes = sample.loss.value_and_gradient(sample.y, sample.f, reduction="none")
    close = partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-14)

    def step(total, pair):
        return total + call(*pair), None

    def found(f, y):
        return {
            "one sample at a time": (jax.vmap(call)(f, y), each),
            "per-sample gradients": (jax.vmap(jax.grad(call))(f, y), slopes),  # museum ADP-09
            "batches": (jax.vmap(mean, in_axes=(0, None))(jnp.stack([f, f]), y), [value, value]),
            "vjp": (jax.vjp(lambda p: mean(p, y), f)[1](3.0)[0], 3 * slope),
            "linearize": (jax.linearize(lambda p: mean(p, y), f)[1](f), np.sum(slope * sample.f)),
            "checkpoint": (jax.grad(lambda p: jax.checkpoint(mean)(p, y))(f), slope),
            "map": (jax.grad(lambda p: jax.lax.map(lambda pair: call(*pair), (p, y)).sum())(f), slopes),
            "cond": (
                jax.grad(lambda p: jax.lax.cond(p[0].sum() > -99, mean, lambda p, y: p.sum(), p, y))(f), slope,
            ),
            "scan": (jax.grad(lambda p: jax.lax.scan(step, 0.0, (p, y))[0])(f), slopes),
        }  # fmt: skip

    hessians = jax.jit(jax.vmap(jax.hessian(call)))(f, y)
    exact = sample.loss.hessian(sample.y, sample.f)
    close(jnp.diagonal(hessians, axis1=-2, axis2=-1) if sample.row else hessians, exact)
    for what, (got, wanted) in jax.jit(found)(f, y).items():
        close(got, wanted, err_msg=what)
    exported = jax.export.export(jax.jit(jax.value_and_grad(mean)))(f, y).call(f, y)
    close(exported[0], value)
    close(exported[1], slope)


SHARDED = """
import jax, jax.numpy as jnp, numpy as np, lossmith as lm
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
assert len(jax.devices()) == 2
mesh = Mesh(np.array(jax.devices()), ("x",))
place = lambda x: jax.device_put(jnp.asarray(x), NamedSharding(mesh, P("x", *(None,) * (np.ndim(x) - 1))))
ids, rows, weight = np.arange(8) % 3, np.linspace(-2, 2, 24).reshape(8, 3), np.linspace(0.1, 2, 8)
labels, scores = np.arange(8) % 2, np.linspace(-2, 2, 8)
for loss, y, f in ((lm.cross_entropy(), ids, rows), (lm.binary_cross_entropy(), labels, scores)):
    value, slope = loss.value_and_gradient(y, f, weight=weight)
    mean = loss.to("jax", reduction="mean")
    for made in (lambda g: g, jax.jit) if f.ndim == 1 else (jax.jit,):
        got = made(jax.value_and_grad(mean))(place(f), place(y), weight=place(weight))
        np.testing.assert_allclose(got[0], value, rtol=1e-6)
        np.testing.assert_allclose(got[1], slope, rtol=1e-5, atol=1e-7)
        assert len(got[1].sharding.device_set) == 2
        each = made(loss.to("jax"))(place(f), place(y))
        assert len(each.sharding.device_set) == 2
        product = made(lambda p, v: jax.jvp(jax.grad(lambda q: mean(q, place(y))), (p,), (v,))[1])
        assert np.isfinite(product(place(f), place(f))).all()
    mixed = jax.jit(mean)(place(f), y, weight=weight)  # host arrays beside it
    np.testing.assert_allclose(mixed, value, rtol=1e-6)
    halves = [x.reshape(2, 4, *x.shape[1:]) for x in (f, y)]
    got = jax.pmap(jax.value_and_grad(loss.to("jax", reduction="sum")))(*halves)
    np.testing.assert_allclose(got[0].sum(), loss(y, f, reduction="sum"), rtol=1e-6)
    shared = jax.shard_map(lambda p, t: jax.lax.psum(loss.to("jax", reduction="sum")(p, t), "x"),
                           mesh=mesh, in_specs=(P("x"), P("x")), out_specs=P())
    np.testing.assert_allclose(jax.jit(shared)(f, y), loss(y, f, reduction="sum"), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(shared))(jnp.asarray(f), jnp.asarray(y)),
                               loss.gradient(y, f, reduction="sum"), rtol=1e-5, atol=1e-7)
print("sharded")
"""


def test_arrays_over_two_devices():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", SHARDED],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "sharded", done.stderr


# a function of arrays -------------------------------------------------------------------------------------------------


def test_both_conventions():
    y, f = jnp.array([0.0, 0.0]), jnp.array([1.0, -1.0])
    loss = lm.quantile(q=0.9)  # not symmetric: the order shows
    optax_like, ours = loss.to("jax"), loss.to("jax", convention="lossmith")
    np.testing.assert_allclose(optax_like(f, y), [0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(optax_like(predictions=f, targets=y), [0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(ours(y, f), 0.5, rtol=1e-6)
    np.testing.assert_allclose(ours(y_true=y, y_pred=f), 0.5, rtol=1e-6)
    np.testing.assert_allclose(loss.to("jax", convention="lossmith", reduction="none")(y, f), [0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(ours, argnums=1)(y, f), [0.05, -0.45], rtol=1e-6)
    with pytest.raises(ValueError, match="convention is 'torch': expected one of 'optax', 'lossmith'"):
        loss.to("jax", convention="torch")
    with pytest.raises(ValueError, match="reduction must be one of"):
        loss.to("jax", reduction="average")


def test_targets_left_out_are_zeros():
    f = jnp.array([1.0, -3.0])
    for name, peer in (("squared_error", optax.squared_error), ("huber", optax.huber_loss)):
        np.testing.assert_allclose(lm.get(name).to("jax")(f), peer(f), rtol=1e-6)
    with pytest.raises(ValueError, match=r"gamma: y_true\[0\] = 0"):
        lm.gamma().to("jax")(f)


def test_host_arrays_become_jax_arrays():
    for f in (np.array([0.5, 1.0]), [0.5, 1.0], jnp.array([0.5, 1.0])):
        each = lm.squared_error().to("jax")(f, [0.0, 0.0])
        assert isinstance(each, jax.Array) and each.dtype == jnp.float32
        mean = lm.squared_error().to("jax", reduction="mean")
        assert isinstance(mean(f, np.zeros(2)), jax.Array)
        if not isinstance(f, list):
            for made in (jax.grad(mean), jax.jacrev(jax.grad(mean)), jax.jit(jax.grad(mean))):
                assert np.isfinite(made(f, np.zeros(2))).all()


ROWS_OF_ANY_NUMBER = [
    lm.cross_entropy(), lm.cross_entropy(label_smoothing=0.1, ignore_index=2), lm.multiclass_hinge(),
    lm.focal_cross_entropy(class_weight=[1.0, 2.0, 3.0, 4.0]), lm.gaussian_nll(), lm.huber(),
]  # fmt: skip


@pytest.mark.parametrize("reduction", ["none", "mean", "weighted_mean"])
@pytest.mark.parametrize("loss", ROWS_OF_ANY_NUMBER, ids=repr)
def test_exported_for_any_number_of_samples(loss, reduction):
    call, (n,) = loss.to("jax", reduction=reduction), jax.export.symbolic_shape("n")
    ids = loss.target_kind == "class id"

    def everything(f, y, weight, where):
        def total(f):
            return jnp.sum(call(f, y, weight=weight, where=where))

        return call(f, y), total(f), jax.grad(total)(f), jax.jvp(jax.grad(total), (f,), (f,))[1]

    f = jnp.linspace(-2, 2, 20).reshape(5, 4)[:, : 4 if ids else loss.outputs]
    f = f if loss.wide else f[:, 0]
    y = jnp.array([1, 0, 2, 3, 1]) if ids else jnp.linspace(1, -1, 5)
    given = f, y, jnp.linspace(0.5, 2, 5), jnp.arange(5) != 1
    shapes = [jax.ShapeDtypeStruct((n, *x.shape[1:]), x.dtype) for x in given]
    found = jax.export.export(jax.jit(everything))(*shapes).call(*given)
    for ours, wanted in zip(found, jax.jit(everything)(*given), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-7)


def test_equal_losses_compile_once():
    traced = []

    @partial(jax.jit, static_argnums=0)
    def mean(call, f, y):
        traced.append(call)
        return call(f, y).mean()

    for _ in range(3):
        mean(lm.huber(delta=0.5).to("jax"), jnp.ones(3), jnp.zeros(3))
    mean(lm.huber(delta=0.6).to("jax"), jnp.ones(3), jnp.zeros(3))
    assert len(traced) == 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_short_floats_are_computed_in_float32(dtype):
    f = jnp.linspace(-3, 3, 8, dtype=dtype)
    y = jnp.asarray([0, 1] * 4)
    call = lm.binary_cross_entropy().to("jax", reduction="mean")
    value, slope = jax.jit(jax.value_and_grad(call))(f, y)
    exact, exact_slope = lm.binary_cross_entropy().value_and_gradient(np.asarray(y), np.asarray(f, dtype=np.float64))
    assert value.dtype == jnp.float32 and slope.dtype == f.dtype
    np.testing.assert_allclose(value, exact, rtol=1e-6)
    np.testing.assert_allclose(
        np.asarray(slope, dtype=np.float64), exact_slope, rtol=2 * float(jnp.finfo(dtype).eps), atol=1e-7
    )
    assert jax.eval_shape(jax.hessian(call), f, y).dtype == f.dtype


@pytest.mark.parametrize("wide", [False, True])
def test_float64_where_it_is_switched_on(wide):
    with jax.enable_x64(wide):
        f, y = jnp.asarray([0.1, 0.7]), jnp.asarray([0, 1])
        value, slope = jax.value_and_grad(lm.brier().to("jax", reduction="mean"))(f, y)
        assert value.dtype == slope.dtype == f.dtype == (jnp.float64 if wide else jnp.float32)
        exact = lm.brier()([0, 1], [0.1, 0.7])
        assert abs(float(value) / exact - 1) < (1e-15 if wide else 1e-6)


# far ahead, tied, far behind, close, at infinity
HARD = [
    [80, 0, 0, 0], [700, 0, 1, -3], [3e4, 1, 2, 3], [0, 0, 0, 0], [30, 10, 9, -5], [1e-3, 1e-3, -20, -20],
    [0, -20, -20, -20], [0, -16, -17, -90], [1e-4, 0, -1e-4, 2e-4], [100, -1e38, 1e-30, 99.99999],
    [-np.inf, 0, 1, 2], [np.inf, 0, 1, 2], [0, -np.inf, -np.inf, 1], [0, -np.inf, -np.inf, -np.inf],
]  # fmt: skip


@pytest.mark.parametrize(
    ("weight", "dtype"),
    [(None, np.float32), (None, np.float64), pytest.param([0.5, 2, 3, 1], np.float32, marks=pytest.mark.full)],
)
def test_odds_keep_their_digits(weight, dtype):
    loss = lm.cross_entropy(class_weight=weight)
    formula, tiny = loss.formulas["class id"], np.finfo(dtype).tiny
    f, y = np.repeat(np.asarray(HARD, dtype=dtype), 4, axis=0), np.tile(np.arange(4), len(HARD))
    with jax.enable_x64(dtype is np.float64):
        values, slopes = jax.jit(jax.vmap(jax.value_and_grad(function(loss))))(jnp.asarray(f), jnp.asarray(y))
    for row, label, value, slope in zip(f, y, values, slopes, strict=True):
        env = oracle.environment(formula, loss.params, label, row, dtype)
        for output, found in (("value", [value]), ("gradient", slope)):
            truth = oracle.outputs(formula, output, env, 4)
            condition = oracle.condition(formula, output, env, 4, truth)
            for a, b, k in zip(found, truth, condition, strict=True):
                allowed = 4 * max(1.0, float(k)) if np.isfinite(float(k)) else 4.0
                flushed = abs(float(b)) < tiny and float(a) == 0
                assert flushed or oracle.ulps(float(a), b, dtype) <= allowed, (output, row, label, a, b)


@pytest.mark.parametrize("f", [[np.inf, np.inf, 0.0], [-np.inf] * 3])
def test_odds_without_a_limit(f):
    call = function(lm.cross_entropy())
    value, slope = jax.jit(jax.value_and_grad(call))(jnp.array(f), jnp.array(0))
    assert np.isnan(value) and np.isnan(slope).all()
    with pytest.raises(ValueError, match="the value has no limit"):
        call(jnp.array(f), jnp.array(0))


# what is refused ------------------------------------------------------------------------------------------------------


def test_concrete_values_are_checked():
    with pytest.raises(ValueError, match=r"poisson: y_true\[1\] = -1 is not a number >= 0"):
        lm.poisson().to("jax")(jnp.zeros(2), jnp.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="shapes must be equal"):
        jax.jit(lm.squared_error().to("jax"))(jnp.zeros((3, 1)), jnp.zeros(3))
    with pytest.raises(ValueError, match="nothing to average"):
        lm.squared_error().to("jax", reduction="mean")(jnp.zeros(0), jnp.zeros(0))


@pytest.mark.parametrize(
    ("name", "y", "f"),
    [
        ("binary_cross_entropy", [1.0, 1.5], [0.5, 0.5]),
        ("huber", [1.0, np.nan], [0.0, 0.0]),
        ("hinge", [1.0, 1.0], [0.0, np.nan]),
        ("hinge", [1.0, 0.5], [0.0, 0.0]),
        ("hinge", [1.0, np.inf], [0.0, 0.0]),
        ("hinge", [1.0, np.nan], [0.0, 2.0]),
        ("poisson", [1.0, -1.0], [0.0, 0.0]),
        ("poisson", [1.0, np.nan], [0.0, 0.0]),
        ("squared_error", [1.0, 1.0], [0.0, np.nan]),
        ("cross_entropy", [1, 3], [[0.0, 1.0, 2.0]] * 2),
        ("multiclass_hinge", [1, -1], [[0.0, 1.0, 2.0]] * 2),
    ],
)
def test_traced_invalid_values_are_nan_in_every_derivative(name, y, f):
    """Museum ADP-11: a fault is never replaced by a plausible number."""
    y, f = jnp.asarray(y), jnp.asarray(f)
    call = function(lm.get(name))
    assert np.isnan(jax.jit(function(lm.get(name), "mean"))(f, y))
    for made in (call, jax.grad(call), jax.hessian(call), jax.jacrev(jax.jacrev(call))):
        each = jax.jit(jax.vmap(made))(f, y)
        assert np.isfinite(each[0]).all() and np.isnan(each[1]).any()
        if made is not call and y.ndim == f.ndim:
            assert np.isnan(each[1]).all()


@pytest.mark.parametrize("loss", [lm.cross_entropy(label_smoothing=0.1), lm.cross_entropy(), lm.multiclass_hinge()])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weight", [None, [1.0, 3.0, 0.5, 2.0]])
def test_a_row_of_an_illegal_class_spoils_no_other(weight, reduction, loss):
    y, f = np.array([2, 3, -1, 0]), np.array([[0.5, 1.0, -2.0], [0.0, 1.0, 2.0], [3.0, 0.0, 1.0], [9.0, -3.0, 0.0]])
    options = {} if weight is None else {"weight": np.array(weight)}
    slope = jax.jit(jax.grad(partial(loss.to("jax", reduction=reduction), **options)))(jnp.asarray(f), jnp.asarray(y))
    legal = {name: x[[0, 3]] for name, x in options.items()}
    each = loss.gradient(y[[0, 3]], f[[0, 3]], reduction="sum", **legal)
    total = 1.0 if reduction == "sum" else 4.0 if weight is None else sum(weight)
    assert np.isnan(slope[1:3]).all()
    np.testing.assert_allclose(slope[np.array([0, 3])], each / total, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_softmax_in_half_precision_is_a_row_of_probabilities(dtype):
    rows = jax.nn.softmax(2 * jax.random.normal(jax.random.PRNGKey(0), (500, 10)).astype(dtype))
    call = lm.cross_entropy().to("jax", reduction="mean")
    for made in (call, jax.jit(call)):
        assert made(jnp.zeros((500, 10), dtype), rows) == pytest.approx(np.log(10), rel=1e-2)


def test_a_gradient_in_half_precision_is_rounded_once():
    rng = np.random.default_rng(0)
    f, y = jnp.asarray(rng.normal(size=(300, 5))).astype(jnp.bfloat16), rng.integers(0, 5, 300)
    found = jax.jit(jax.grad(lm.cross_entropy().to("jax", reduction="mean")))(f, jnp.asarray(y))
    wanted = lm.cross_entropy().gradient(y, np.asarray(f, dtype=np.float32))
    np.testing.assert_array_equal(np.asarray(found), wanted.astype(found.dtype))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("jit", [False, True])
def test_a_gradient_in_half_precision_is_scaled_before_it_is_rounded(dtype, jit):
    rng = np.random.default_rng(0)
    f, y = jnp.asarray(rng.normal(size=(300, 5))).astype(dtype), rng.integers(0, 5, 300)
    mean = lm.cross_entropy().to("jax", reduction="mean")
    slope = jax.grad(lambda f: 2.0**16 * mean(f, jnp.asarray(y)))  # no number of float16
    found = (jax.jit(slope) if jit else slope)(f)
    wanted = 2.0**16 * lm.cross_entropy().gradient(y, np.asarray(f, dtype=np.float32))
    np.testing.assert_array_equal(np.asarray(found), wanted.astype(found.dtype))


@pytest.mark.parametrize("left_out", ["where", "weight"])
@pytest.mark.parametrize(
    ("name", "y", "f"),
    [
        ("huber", [0.0, np.nan, 0.0], [0.5, np.nan, 0.2]),
        ("cross_entropy", [0, 7, 1], [[0.5, 1.0], [np.nan] * 2, [1.0, 0.0]]),
    ],
)
def test_what_is_left_out_may_be_anything_in_every_derivative(name, y, f, left_out):
    keep = np.array([True, False, True])
    call = lm.get(name).to("jax", reduction="sum")
    call = partial(call, **{left_out: jnp.asarray(keep if left_out == "where" else keep * 1.0)})
    whole = jax.jit(jax.hessian(call))(jnp.asarray(f), jnp.asarray(y))
    kept = jax.hessian(lm.get(name).to("jax", reduction="sum"))(jnp.asarray(f)[keep], jnp.asarray(y)[keep])
    size = int(np.sqrt(kept.size))
    classes = size // 2
    whole = whole.reshape(3, classes, 3, classes)
    found = whole[keep][:, :, keep].reshape(size, size)
    np.testing.assert_allclose(found, kept.reshape(size, size), rtol=1e-6)
    assert not whole[1].any() and not whole[:, :, 1].any()


def test_what_is_not_differentiable_says_so():
    call = lm.squared_error().to("jax", reduction="sum")
    f, y = jnp.ones(3), jnp.zeros(3)
    for argument, given in (("y_true", {}), ("weight", {"weight": jnp.ones(3)})):
        moving = (lambda t: call(f, t)) if argument == "y_true" else (lambda w: call(f, y, weight=w))
        with pytest.raises(TypeError, match=f"in the predictions only, not in {argument}: put jax.lax.stop_gradient"):
            jax.grad(moving)(next(iter(given.values()), y))
    assert jax.grad(lambda t: call(f, jax.lax.stop_gradient(t)) + t.sum())(y).tolist() == [1, 1, 1]
    for name, f, y in (("log_cosh", jnp.array([0.3]), jnp.zeros(1)), ("cross_entropy", jnp.eye(2), jnp.arange(2))):
        total = summed(function(lm.get(name), "sum"), y)
        for third in (
            jax.jacfwd(jax.jacfwd(jax.jacfwd(total))), jax.jacrev(jax.jacrev(jax.jacrev(total))),
            jax.jacfwd(jax.hessian(total)), jax.jacrev(jax.hessian(total)),
        ):  # fmt: skip
            with pytest.raises(TypeError, match="third derivatives are not available"):
                jax.eval_shape(third, f)


# optax ----------------------------------------------------------------------------------------------------------------

rng = np.random.default_rng(0)
N = 200
REAL = rng.normal(size=N) * 2, rng.normal(size=N) * 2
LABELS = rng.normal(size=N) * 3, rng.integers(0, 2, N)
ROWS = rng.normal(size=(N, 4)) * 3, rng.integers(0, 4, N)
SHARES = np.log(rng.dirichlet(np.ones(4), N)), rng.dirichlet(np.ones(4), N)
OPTAX = {
    "squared_error": (optax.squared_error, lm.squared_error(), REAL),
    "l2_loss": (optax.l2_loss, 0.5 * lm.squared_error(), REAL),
    "huber_loss": (partial(optax.huber_loss, delta=0.7), lm.huber(delta=0.7), REAL),
    "log_cosh": (optax.log_cosh, lm.log_cosh(), REAL),
    "hinge_loss": (optax.hinge_loss, lm.hinge(labels=(-1, 1)), (LABELS[0], 2 * LABELS[1] - 1)),
    "sigmoid_binary_cross_entropy": (optax.sigmoid_binary_cross_entropy, lm.binary_cross_entropy(), LABELS),
    "sigmoid_binary_cross_entropy of shares": (
        optax.sigmoid_binary_cross_entropy, lm.binary_cross_entropy(), (LABELS[0], rng.uniform(size=N))),
    "sigmoid_focal_loss": (
        partial(optax.sigmoid_focal_loss, alpha=0.3, gamma=1.5), lm.focal(alpha=0.3, gamma=1.5), LABELS),
    "softmax_cross_entropy": (optax.softmax_cross_entropy, lm.cross_entropy(), (ROWS[0], SHARES[1])),
    "softmax_cross_entropy_with_integer_labels": (
        optax.softmax_cross_entropy_with_integer_labels, lm.cross_entropy(), ROWS),
    "multiclass_hinge_loss": (optax.losses.multiclass_hinge_loss, lm.multiclass_hinge(), ROWS),
    "kl_divergence": (optax.losses.kl_divergence, lm.kl_divergence(log_input=True), SHARES),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTAX)
def test_is_a_drop_in_for_optax(name, x64):
    theirs, loss, (f, y) = OPTAX[name]
    f, y = jnp.asarray(f), jnp.asarray(y)
    curved = name != "multiclass_hinge_loss"  # max of ties aside, flat on both sides

    @partial(jax.jit, static_argnums=0)
    def made(call, f, y):
        batches = [call(*(x.reshape(*shape, *x.shape[1:]) for x in (f, y))) for shape in ((N,), (5, 40))]
        slopes = jax.grad(lambda p: call(p, y).mean())(f)
        return batches, slopes, jax.vmap(jax.hessian(call))(f[:20], y[:20]) if curved else ()

    (ours, slopes, hessians), (each, their_slopes, their_hessians) = made(loss.to("jax"), f, y), made(theirs, f, y)
    for a, b in zip(ours, each, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(slopes, their_slopes, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(hessians, their_hessians, rtol=1e-8, atol=1e-11)


# where optax 0.2.8 in float32 is NaN or more than a thousand units in the last place from the 50-digit truth
WRONG = [
    ("log_cosh", "value", 1e-3, 0.0),
    ("sigmoid_binary_cross_entropy", "value", np.inf, 1),
    ("softmax_cross_entropy_with_integer_labels", "value", [30.0, 10.0, 9.0, -5.0], 0),
    ("softmax_cross_entropy_with_integer_labels", "gradient", [30.0, 10.0, 9.0, -5.0], 0),
    ("softmax_cross_entropy", "value", [30.0, 10.0, 9.0, -np.inf], [1.0, 0.0, 0.0, 0.0]),
    ("softmax_cross_entropy", "gradient", [30.0, 10.0, 9.0, -5.0], [1.0, 0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("name", "output", "f", "y"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_is_right_where_optax_is_not(name, output, f, y):
    theirs, loss, _ = OPTAX[name]
    formula = loss.formulas["row"] if isinstance(y, list) else loss.formula
    f32 = np.float32(f)
    env = oracle.environment(formula, loss.params, y, f32, np.float32)
    classes = f32.size if f32.ndim else 0
    truth = oracle.outputs(formula, output, env, classes)
    allowed = [4 * max(1.0, float(k)) for k in oracle.condition(formula, output, env, classes, truth)]
    target = jnp.asarray(y, dtype=jnp.float32 if isinstance(y, (float, list)) else jnp.int32)
    found = {}
    for who, call in (("ours", loss.to("jax")), ("theirs", theirs)):
        made = jax.jit(jax.grad(call) if output == "gradient" else call)
        numbers = np.ravel(made(jnp.asarray(f32), target))
        found[who] = [oracle.ulps(float(a), b, np.float32) for a, b in zip(numbers, truth, strict=True)]
    assert all(ulps <= most for ulps, most in zip(found["ours"], allowed, strict=True))
    assert max(found["theirs"]) > 1000


def test_the_page_runs():
    assert len(pages.blocks(PAGE.read_text(encoding="utf-8"))) >= 3
    pages.run(PAGE)
