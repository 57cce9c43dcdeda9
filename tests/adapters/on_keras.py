"""What test_keras.py runs on each of Keras's backends, in a process of its own."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import losses as theirs
from keras import ops

import lossmith as lm
import pages
from contract import samples
from judges import oracle
from lossmith.adapters.keras import KerasLoss, KerasMetric

# Keras 3.15 on NumPy 2.4
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

PAGE = Path(__file__).parents[2] / "docs" / "frameworks" / "keras.md"
JAX, TORCH = (keras.backend.backend() == name for name in ("jax", "torch"))
EVERY = samples.each_loss_at_least_once()


def numbers(x):
    return np.asarray(ops.convert_to_numpy(x), dtype=np.float64)


def gradient(loss, y, f):
    """d loss / d f, as the backend differentiates it."""
    f = np.asarray(f, dtype=np.float32)
    if JAX:
        import jax

        return numbers(jax.jit(jax.grad(lambda p: ops.sum(loss(y, p))))(f))
    import torch

    prediction = torch.tensor(f, requires_grad=True)
    ops.sum(loss(y, prediction)).backward()
    return numbers(prediction.grad)


# numbers --------------------------------------------------------------------------------------------------------------


@EVERY
def test_every_loss_and_gradient(sample):
    loss = sample.loss.to("keras", reduction=None)
    f = sample.f.astype(np.float32)
    each, slopes = sample.loss.value_and_gradient(sample.y.astype(np.float32), f.astype(np.float64), reduction="none")
    np.testing.assert_allclose(numbers(loss(sample.y, f)), each, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(gradient(loss, sample.y, f), slopes, rtol=5e-5, atol=1e-6)


rng = np.random.default_rng(0)
N = 60
REAL = rng.normal(size=(N, 3)), rng.normal(size=(N, 3)) * 2
LABEL = rng.integers(0, 2, (N, 3)).astype(float), rng.normal(size=(N, 3)) * 2
CHANCE = LABEL[0], rng.uniform(0.05, 0.95, size=(N, 3))
IDS = rng.integers(0, 4, (N, 1)), rng.normal(size=(N, 4)) * 2
HOT = np.eye(4)[IDS[0][:, 0]], IDS[1]
SHARES = rng.dirichlet(np.ones(4), N) * 0.9 + 0.025, rng.dirichlet(np.ones(4), N) * 0.9 + 0.025
POSITIVE = rng.gamma(2.0, 1.0, (N, 3)) + 0.1, rng.gamma(2.0, 1.0, (N, 3)) + 0.1
COUNT = rng.poisson(2.0, (N, 3)).astype(float), rng.gamma(2.0, 1.0, (N, 3)) + 0.5
BUILT_IN = {
    "MeanSquaredError": (theirs.MeanSquaredError, {}, lm.squared_error(), REAL, 1.0),
    "MeanAbsoluteError": (theirs.MeanAbsoluteError, {}, lm.absolute_error(), REAL, 1.0),
    "MeanAbsolutePercentageError": (
        theirs.MeanAbsolutePercentageError, {}, lm.absolute_percentage_error(), POSITIVE, 100.0),
    "MeanSquaredLogarithmicError": (theirs.MeanSquaredLogarithmicError, {}, lm.squared_log_error(), POSITIVE, 1.0),
    "Huber": (theirs.Huber, {"delta": 0.7}, lm.huber(delta=0.7), REAL, 1.0),
    "LogCosh": (theirs.LogCosh, {}, lm.log_cosh(), REAL, 1.0),
    "Hinge": (theirs.Hinge, {}, lm.hinge(), LABEL, 1.0),
    "Hinge of -1 and 1": (theirs.Hinge, {}, lm.hinge(labels=(-1, 1)), (2 * LABEL[0] - 1, LABEL[1]), 1.0),
    "SquaredHinge": (theirs.SquaredHinge, {}, lm.squared_hinge(), LABEL, 1.0),
    "CategoricalHinge": (theirs.CategoricalHinge, {}, lm.multiclass_hinge(), (HOT[0], np.abs(HOT[1])), 1.0),
    "BinaryCrossentropy": (theirs.BinaryCrossentropy, {"from_logits": True}, lm.binary_cross_entropy(), LABEL, 1.0),
    "BinaryCrossentropy, smoothed": (
        theirs.BinaryCrossentropy, {"from_logits": True, "label_smoothing": 0.2},
        lm.binary_cross_entropy(label_smoothing=0.2), LABEL, 1.0),
    "BinaryCrossentropy of probabilities": (
        theirs.BinaryCrossentropy, {}, lm.binary_cross_entropy(from_logits=False), CHANCE, 1.0),
    "BinaryFocalCrossentropy": (
        theirs.BinaryFocalCrossentropy, {"from_logits": True, "gamma": 1.5}, lm.focal(gamma=1.5), LABEL, 1.0),
    "BinaryFocalCrossentropy, balanced": (
        theirs.BinaryFocalCrossentropy, {"from_logits": True, "apply_class_balancing": True, "alpha": 0.3},
        lm.focal(alpha=0.3), LABEL, 1.0),
    "CategoricalCrossentropy": (theirs.CategoricalCrossentropy, {"from_logits": True}, lm.cross_entropy(), HOT, 1.0),
    "CategoricalCrossentropy, smoothed": (
        theirs.CategoricalCrossentropy, {"from_logits": True, "label_smoothing": 0.2},
        lm.cross_entropy(label_smoothing=0.2), HOT, 1.0),
    "CategoricalCrossentropy of probabilities": (
        theirs.CategoricalCrossentropy, {}, lm.cross_entropy(from_logits=False), (HOT[0], SHARES[1]), 1.0),
    "SparseCategoricalCrossentropy": (
        theirs.SparseCategoricalCrossentropy, {"from_logits": True}, lm.cross_entropy(), IDS, 1.0),
    "SparseCategoricalCrossentropy, a class ignored": (
        theirs.SparseCategoricalCrossentropy, {"from_logits": True, "ignore_class": 2},
        lm.cross_entropy(ignore_index=2), IDS, 1.0),
    "CategoricalFocalCrossentropy": (
        theirs.CategoricalFocalCrossentropy, {"from_logits": True, "alpha": 1.0, "gamma": 2.0},
        lm.focal_cross_entropy(), (HOT[0], IDS[1]), 1.0),
    "KLDivergence": (theirs.KLDivergence, {}, lm.kl_divergence(), SHARES, 1.0),
    "Poisson": (theirs.Poisson, {}, lm.poisson(log_input=False), COUNT, 1.0),
}  # fmt: skip


def of_ids(name, y):
    """Class ids where Keras has hot rows and ours takes ids only."""
    return y.argmax(axis=-1) if name in ("CategoricalFocalCrossentropy", "CategoricalHinge") else y


@pytest.mark.parametrize("name", BUILT_IN)
def test_equals_the_built_in_loss(name):
    kind, options, loss, (y, f), factor = BUILT_IN[name]
    f = f.astype(np.float32)
    weight = np.linspace(0, 2, N)
    for reduction in (None, "sum", "sum_over_batch_size", "mean", "mean_with_sample_weight"):
        peer, ours = kind(**options, reduction=reduction), loss.to("keras", reduction=reduction)
        for w in (None, weight, weight[:, None]):
            a, b = numbers(ours(of_ids(name, y), f, sample_weight=w)), numbers(peer(y, f, sample_weight=w))
            assert a.shape == b.shape
            np.testing.assert_allclose(factor * a, b, rtol=2e-4, atol=1e-5)
    slopes = [gradient(loss.to("keras"), of_ids(name, y), f), gradient(kind(**options), y, f)]
    if name == "CategoricalCrossentropy of probabilities":  # Keras's own divides rows by their sum: equal along them
        slopes = [each - each.mean(axis=-1, keepdims=True) for each in slopes]
    np.testing.assert_allclose(factor * slopes[0], slopes[1], rtol=2e-3, atol=2e-6)


# where Keras 3.15 in float32 is NaN or more than a thousand units in the last place from the 50-digit truth
WRONG = [
    ("LogCosh", "value", 0.0, 1e-3),
    ("KLDivergence", "value", [0.0, 1.0], [0.001, 0.999]),
    ("KLDivergence", "gradient", [0.5, 0.5, 0.0, 0.0], [0.5, 0.3, 0.2, 1e-9]),
    ("Poisson", "value", 3.0, 1e-6),
    ("Poisson", "gradient", 3.0, 1e-6),
    ("MeanSquaredLogarithmicError", "value", 1.0, -0.5),
    ("MeanSquaredLogarithmicError", "gradient", 1.0, -0.5),
    ("MeanAbsolutePercentageError", "value", 1e-9, 2e-9),
    ("BinaryCrossentropy of probabilities", "value", 1.0, 1e-9),
    ("BinaryCrossentropy of probabilities", "gradient", 1.0, 1e-9),
    ("CategoricalCrossentropy of probabilities", "value", [1.0, 0.0], [1e-9, 1.0]),
    ("CategoricalHinge", "value", [1.0, 0.0, 0.0], [-3.0, -1.0, -2.0]),
    ("CategoricalHinge", "gradient", [1.0, 0.0, 0.0], [-3.0, -1.0, -2.0]),
    ("SparseCategoricalCrossentropy", "value", 0, [30.0, 10.0, 9.0, -5.0]),
    ("SparseCategoricalCrossentropy", "gradient", 0, [30.0, 10.0, 9.0, -5.0]),
    ("BinaryFocalCrossentropy", "value", 1.0, 20.0),
    ("BinaryFocalCrossentropy", "gradient", 1.0, 20.0),
]


@pytest.mark.parametrize(("name", "output", "y", "f"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_is_right_where_keras_is_not(name, output, y, f):
    kind, options, loss, _, factor = BUILT_IN[name]
    ids = name == "CategoricalHinge"
    formula = loss.formulas["row"] if isinstance(y, list) and not ids else loss.formula
    f32 = np.float32(f)
    classes = f32.size if f32.ndim else 0
    env = oracle.environment(formula, loss.params, int(np.argmax(y)) if ids else np.float32(y), f32, np.float32)
    truth = oracle.outputs(formula, output, env, classes)
    allowed = [4 * max(1.0, float(k)) for k in oracle.condition(formula, output, env, classes, truth)]
    batch = np.asarray(y)[None, ...] if f32.ndim else np.asarray([[y]])
    found = {}
    for who, call, target, scale in (
        ("ours", loss.to("keras", reduction=None), of_ids(name, batch), 1.0),
        ("theirs", kind(**options, reduction=None), batch, factor),
    ):
        prediction = f32[None, :] if f32.ndim else f32[None, None]
        made = gradient(call, target, prediction) if output == "gradient" else numbers(call(target, prediction))
        got = made.ravel() / scale
        found[who] = [oracle.ulps(float(np.float32(a)), b, np.float32) for a, b in zip(got, truth, strict=True)]
    assert all(ulps <= most for ulps, most in zip(found["ours"], allowed, strict=True))
    assert max(found["theirs"]) > 1000


# shapes, weights, masks -----------------------------------------------------------------------------------------------


def test_trailing_axes():
    y, f = REAL[0][:, 0], REAL[1][:, 0].astype(np.float32)
    value = lm.huber()(y, f.astype(float))
    loss = lm.huber().to("keras")
    for a, b in ((y, f), (y[:, None], f), (y, f[:, None]), (y[:, None], f[:, None])):
        np.testing.assert_allclose(numbers(loss(a, b)), value, rtol=1e-5)
    assert numbers(lm.huber().to("keras", reduction=None)(y, f)).shape == (N,)
    ids, scores = IDS
    loss = lm.cross_entropy().to("keras", reduction=None)
    for target in (ids, ids[:, 0], HOT[0]):
        np.testing.assert_allclose(
            numbers(loss(target, scores)), lm.cross_entropy()(ids[:, 0], scores, reduction="none"), rtol=1e-4
        )
    heads = np.stack([REAL[1][:, 0], REAL[1][:, 1]], axis=-1)
    expected = lm.gaussian_nll()(y, heads)
    for target in (y, y[:, None]):
        np.testing.assert_allclose(numbers(lm.gaussian_nll().to("keras")(target, heads)), expected, rtol=1e-5)
    for target, scores in ((np.zeros((4, 2)), np.zeros((4, 3))), (np.zeros(3), np.zeros((4, 1)))):
        with pytest.raises(ValueError, match="huber: shapes must be equal"):
            lm.huber().to("keras")(target, scores)


def test_samples_of_no_weight_cannot_spoil_the_sum():
    y, f = np.array([[1.0], [np.nan], [-7.0]]), np.array([[0.5], [1.0], [1.0]], dtype=np.float32)
    weight = np.array([2.0, 0.0, 0.0])
    loss = lm.poisson().to("keras")
    expected = 2 * lm.poisson()([1.0], [0.5]) / 3
    for w in (weight, weight[:, None]):
        np.testing.assert_allclose(numbers(loss(y, f, sample_weight=w)), expected, rtol=1e-6)
    slopes = gradient(lambda t, p: loss(t, p, sample_weight=weight), y, f)
    assert np.isfinite(slopes).all() and slopes[0] != 0 and (slopes[1:] == 0).all()
    metric = KerasMetric(lm.poisson())
    metric.update_state(y, f, sample_weight=weight)
    np.testing.assert_allclose(numbers(metric.result()), lm.poisson()([1.0], [0.5]), rtol=1e-6)


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_weights_of_another_number_of_samples_are_refused(shape):
    loss, zeros = lm.huber().to("keras"), np.zeros(shape)
    for of in (loss, loss.metric()):
        with pytest.raises(ValueError, match=r"sample_weight or mask has shape \(3,\), the loss of each sample"):
            of(zeros, zeros, sample_weight=np.ones(3))


def test_lists_are_taken_as_built_in_losses_take_them():
    loss = lm.huber().to("keras")
    assert float(loss([1.0, 2.0], [2.0, 5.0])) == float(keras.losses.Huber()([1.0, 2.0], [2.0, 5.0])) == 1.5
    metric = loss.metric()
    metric.update_state([1.0, 2.0], [2.0, 5.0])
    assert float(metric.result()) == 1.5


CODES = 100_000_001, 100_000_003, 7  # of which float32 does not hold two
WIDE = np.random.default_rng(0).normal(size=(3, 3000)).astype(np.float32)
EXACT = [
    (lm.cross_entropy(), np.array([2049, 257, 2999]), WIDE),
    (lm.focal_cross_entropy(), np.array([[2049], [257], [2999]]), WIDE),
    (lm.multiclass_hinge(), np.array([2049, 257, 2999], dtype=np.float32), WIDE),
    (lm.cross_entropy(ignore_index=301), np.array([513, 301, 299]), WIDE[:, :520]),
    (lm.cross_entropy(labels=CODES), np.array(CODES), WIDE[:, :3]),
    (lm.hinge(labels=(2049, 2050)), np.array([[2049.0], [2050.0], [2050.0]]), WIDE[:, :1]),
    (lm.absolute_error(), np.array([[2049.0], [2047.0], [2053.0]]), 2048 + 0 * WIDE[:, :1]),
    (lm.poisson(log_input=False), np.array([[2049], [257], [3001]]), 2048 + 0 * WIDE[:, :1]),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("loss", "y", "f"), EXACT, ids=lambda x: repr(x) if isinstance(x, lm.Loss) else "")
def test_targets_are_not_rounded_to_the_dtype_of_the_loss(loss, y, f, dtype):
    made, scores = loss.to("keras", reduction="sum", dtype=dtype), numbers(ops.cast(f, dtype))
    truth = y[:, 0] if loss.wide and y.ndim == 2 else y
    expected, coarse = loss(truth, scores, reduction="sum"), 2e-2 if dtype == "bfloat16" else 2e-3
    np.testing.assert_allclose(numbers(made(y, f)), expected, rtol=coarse)
    metric = KerasMetric(loss)  # of float32, as Keras's floatx is, so that the digits of a target show
    metric.update_state(y, scores)
    np.testing.assert_allclose(numbers(metric.result()), loss(truth, scores), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_class_ids_under_half_precision(dtype):
    ids, old = np.arange(64) * 46 + 100, keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        net, other, loss = model(3000), model(3000), lm.cross_entropy().to("keras")
        other.compile("sgd", loss)
        net.compile(keras.optimizers.SGD(0.0), loss, metrics=[loss.metric()])
        expected = lm.cross_entropy()(ids, numbers(net(X)))
        for y in (ids, ids[:, None]):
            found = net.fit(X, y, batch_size=64, verbose=0).history
            np.testing.assert_allclose([found["loss"][0], found["cross_entropy"][0]], expected, rtol=1e-2)
        for y in (ids * 1.0, ids[:, None] * 1.0):  # Keras rounds them before anybody sees them
            with pytest.raises(ValueError, match=f"{dtype}, which does not hold every class id from 0 to 2999: pass"):
                other.evaluate(X, y, verbose=0)
    finally:
        keras.config.set_floatx(old)


def masked(y, f, mask):
    f = ops.convert_to_tensor(f.astype(np.float32))
    keras.src.backend.set_keras_mask(f, ops.convert_to_tensor(mask))
    return f


def test_masks_mean_what_they_mean_for_built_in_losses():
    y, f = rng.integers(0, 4, (5, 7)), rng.normal(size=(5, 7, 4))
    mask = rng.random((5, 7)) < 0.6
    mask[0] = [True, *(False,) * 6]
    padded = np.where(mask, y, -1)
    for reduction in ("sum", "sum_over_batch_size", "mean_with_sample_weight"):
        for weight in (None, rng.random((5, 7))):
            peer = theirs.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
            expected = numbers(peer(y, masked(y, f, mask), sample_weight=weight))
            ours = lm.cross_entropy().to("keras", reduction=reduction)
            np.testing.assert_allclose(
                numbers(ours(padded, masked(y, f, mask), sample_weight=weight)), expected, rtol=1e-5
            )
    ignoring = lm.cross_entropy(ignore_index=-1).to("keras").metric()
    ignoring.update_state(padded, f, sample_weight=np.arange(5.0))
    expected = lm.cross_entropy()(y, f, weight=mask * np.arange(5.0)[:, None])
    np.testing.assert_allclose(numbers(ignoring.result()), expected, rtol=1e-5)
    metric, w = lm.cross_entropy().to("keras").metric(), rng.random(5)
    metric.update_state(padded, masked(y, f, mask), sample_weight=w)
    expected = lm.cross_entropy()(y, f, weight=mask * w[:, None])
    np.testing.assert_allclose(numbers(metric.result()), expected, rtol=1e-5)


# in a model -----------------------------------------------------------------------------------------------------------


def model(outputs=1):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(outputs)])


X = rng.normal(size=(64, 3)).astype(np.float32)
TARGET = (X @ [1.0, 2.0, 3.0] + 0.1).astype(np.float32)


@pytest.mark.parametrize(("ours", "peer"), [("squared_error", "mse"), ("huber", "huber"), ("log_cosh", "log_cosh")])
def test_trains_as_the_built_in_loss_does(ours, peer):
    weight = np.linspace(0.5, 1.5, 64)
    histories, weights = [], []
    for loss in (lm.get(ours).to("keras"), peer):
        net = model()
        net.compile(keras.optimizers.SGD(0.05), loss)
        fitted = net.fit(X, TARGET, sample_weight=weight, epochs=3, batch_size=10, verbose=0)
        histories.append(fitted.history["loss"])
        weights.append(net.get_weights()[0])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-4)
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-4, atol=1e-6)


def test_metrics_add_up_over_unequal_batches():
    loss = lm.quantile(q=0.9).to("keras")
    net = model()
    net.compile("sgd", loss, metrics=[loss.metric()], weighted_metrics=[loss.metric("weighted")])
    weight = np.linspace(0, 2, 64)
    found = net.evaluate(X, TARGET, sample_weight=weight, batch_size=10, verbose=0, return_dict=True)
    f = numbers(net(X))[:, 0]
    np.testing.assert_allclose(found["quantile"], lm.quantile(q=0.9)(TARGET, f), rtol=1e-5)
    np.testing.assert_allclose(found["weighted"], lm.quantile(q=0.9)(TARGET, f, weight=weight), rtol=1e-5)


@lm.pointwise
def cauchy(y: lm.formula.Real, f: lm.formula.Real, *, c: lm.formula.Positive = 1.0):
    """Grows like the logarithm of the error."""
    return c**2 / 2 * lm.formula.log1p(((f - y) / c) ** 2)


CONFIGURED = [
    lm.huber(delta=0.3), lm.quantile(q=0.9), lm.focal(gamma=0.5, alpha=0.25, labels=(-1, 1)),
    lm.cross_entropy(class_weight=[0.5, 1.0, 2.0], label_smoothing=0.1, weighting="target", ignore_index=-100),
    2 * lm.squared_error() + lm.absolute_error(), cauchy(c=2.5), lm.squared_error().with_link("log"),
    lm.tweedie(power=1.2),
]  # fmt: skip


@pytest.mark.parametrize("loss", CONFIGURED, ids=repr)
def test_museum_adp_12_saved_with_every_parameter(loss, tmp_path):
    """ADP-12: loss objects saved by name only lose their parameters. The state is name and spec, equal when read."""
    made = loss.to("keras", reduction="sum", name="mine")
    metric = made.metric()
    for thing in (made, metric):
        config = keras.saving.serialize_keras_object(thing)
        again = keras.saving.deserialize_keras_object(config)
        assert type(again) is type(thing) and again.loss == loss and again.name == "mine"
        assert again.get_config() == thing.get_config()
        again = type(thing).from_config(thing.get_config())
        assert again.loss == loss and again.get_config() == thing.get_config()
    assert again.loss != lm.log_cosh()
    outputs = 3 if loss.wide else 1
    net = model(outputs)
    net.compile("sgd", made, metrics=[metric])
    net.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(read.loss, KerasLoss) and read.loss.loss == loss and read.loss.reduction == "sum"
    assert read.loss.dtype == made.dtype
    y = np.ones((64, 1)) if not loss.wide else np.arange(64) % 3
    assert read.evaluate(X, y, verbose=0) == net.evaluate(X, y, verbose=0)


def test_the_fault_stops_training_or_shows():
    net = model(4)
    net.compile("sgd", lm.cross_entropy().to("keras"))
    y = np.arange(64) % 4
    y[7] = 9
    if TORCH:
        with pytest.raises(ValueError, match=r"cross_entropy: y_true\[\d+\] = 9 is not a class id from 0 to 3"):
            net.fit(X, y, verbose=0)
    else:  # compiled: values are not known, so the loss is NaN and Keras's own callback ends it
        history = net.fit(X, y, verbose=0, epochs=3, batch_size=64, callbacks=[keras.callbacks.TerminateOnNaN()])
        assert np.isnan(history.history["loss"]).all() and len(history.epoch) == 1


def test_what_keras_cannot_give_is_said(monkeypatch):
    @lm.pointwise
    def with_exposure(y: lm.formula.Real, f: lm.formula.Real, *, exposure: lm.formula.PerSample[lm.formula.Positive]):
        return (f - y) ** 2 * exposure

    with pytest.raises(ValueError, match="needs exposure for each sample, which Keras does not pass on"):
        with_exposure().to("keras")
    with pytest.raises(ValueError, match="reduction"):
        lm.huber().to("keras", reduction="average")
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match="backends jax, torch, numpy, not with tensorflow"):
        lm.huber().to("keras")


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(pages.blocks(PAGE.read_text(encoding="utf-8"))) >= 3
    pages.run(PAGE)
