"""from_torch and from_sklearn read an object's parameters, from_keras as well: see on_keras.py."""

import importlib

import numpy as np
import pytest
import torch
from sklearn import ensemble, linear_model, neural_network, svm
from torch import nn

import lossmith as lm
from translation.cases import cases, points

TORCH = [
    nn.MSELoss(), nn.L1Loss(reduction="sum"), nn.HuberLoss(delta=0.3), nn.SmoothL1Loss(beta=0.5, reduction="none"),
    nn.CrossEntropyLoss(weight=torch.tensor([0.5, 2.0, 1.0]).double(), label_smoothing=0.1, ignore_index=2),
    nn.CrossEntropyLoss(reduction="sum"), nn.NLLLoss(weight=torch.tensor([0.5, 2.0, 1.0]).double()),
    nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), nn.SoftMarginLoss(), nn.PoissonNLLLoss(),
    nn.HingeEmbeddingLoss(margin=0.5), nn.KLDivLoss(reduction="batchmean"),
    nn.MultiMarginLoss(p=2, margin=0.5, weight=torch.tensor([0.5, 2.0, 1.0]).double()),
]  # fmt: skip


@pytest.mark.parametrize("module", TORCH, ids=str)
def test_from_torch_reads_parameters_and_reduction(module):
    found = lm.from_torch(module)
    y, f = points(found, hard=False)
    theirs = module(torch.tensor(f), torch.tensor(y)).numpy()
    ours = found.factor * found.loss(y, f, reduction=found.reduction)
    np.testing.assert_allclose(theirs, ours, rtol=1e-12)


def test_torch_means_of_rows_divide_by_their_number():
    module = nn.CrossEntropyLoss(weight=torch.tensor([0.5, 2.0, 1.0]).double(), label_smoothing=0.1)
    y, f = np.random.default_rng(2).dirichlet(np.ones(3), 20), np.random.default_rng(3).normal(size=(20, 3))
    theirs = module(torch.tensor(f), torch.tensor(y)).item()
    assert theirs == pytest.approx(lm.from_torch(module).loss(y, f, reduction="mean"), rel=1e-12)


def test_torch_means_over_outputs():
    module = nn.MultiLabelSoftMarginLoss()
    y, f = np.random.default_rng(2).integers(0, 2, (20, 4)), np.random.default_rng(3).normal(size=(20, 4))
    found = lm.from_torch(module)
    assert module(torch.tensor(f), torch.tensor(y)).item() == pytest.approx(
        found.loss(y, f, reduction=found.reduction), rel=1e-12
    )


def _shown(case):
    """An object of the peer with the case's parameters."""
    place, _, loss = case.name.partition(":")
    module, _, kind = place.rpartition(".")
    if case.peer.name == "torch":
        tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in case.params.items() if "weight" in k and v}
        return getattr(nn, kind)(**case.params | tensors)
    module = importlib.import_module("sklearn._loss.loss" if module == "_loss" else f"sklearn.{module}")
    return getattr(module, kind)(**case.params | ({"loss": loss} if loss else {}))


READ = [case for case in cases("torch") if ".functional." not in case.name and "NLLLoss2d" not in case.name]
FITTED = {"classes", "scale", "n_outputs", "out_activation"}  # what the data say
READ += [case for case in cases("sklearn") if not FITTED & set(case.params)]


@pytest.mark.parametrize("case", READ, ids=str)
def test_what_is_read_is_what_the_name_and_parameters_say(case):
    read = {"torch": lm.from_torch, "sklearn": lm.from_sklearn}[case.peer.name](_shown(case))
    said = case.translation
    assert (read.loss, read.factor, read.shift) == (said.loss, said.factor, said.shift)


def test_torch_reductions_that_lossmith_has_not_are_none():
    assert lm.from_torch(nn.KLDivLoss()).reduction is None
    assert lm.from_torch(nn.MultiLabelSoftMarginLoss(reduction="sum")).reduction is None
    assert lm.from_torch(nn.MultiLabelSoftMarginLoss()).reduction == "mean"


@pytest.mark.parametrize("shape", [(5, 3, 4), (4,)])
def test_batchmean_divides_by_the_length_of_the_first_axis(shape):
    f = np.log(np.random.default_rng(2).dirichlet(np.ones(shape[-1]), shape[:-1]))
    y = np.full(shape, 1 / shape[-1])
    module = nn.KLDivLoss(reduction="batchmean")
    ours = lm.from_torch(module).loss(y, f, reduction="sum") / shape[0]
    assert module(torch.tensor(f), torch.tensor(y)).item() == pytest.approx(ours, rel=1e-12)
    assert '"sum" here divided by that length' in str(lm.from_torch(module))


# from objects ---------------------------------------------------------------------------------------------------------


def test_from_torch_refuses_what_is_not_a_loss_of_torch():
    class Mine(nn.HuberLoss):
        def forward(self, *args):
            return 0 * super().forward(*args)

    for wrong in (Mine(), nn.Linear(1, 1), "HuberLoss"):
        with pytest.raises(TypeError, match=r"a loss of torch\.nn"):
            lm.from_torch(wrong)


def test_from_torch_says_what_it_cannot_read():
    with pytest.raises(ValueError, match=r"torch\.nn\.CTCLoss.*alignments.*nearest: cross_entropy"):
        lm.from_torch(nn.CTCLoss())
    with pytest.raises(ValueError, match=r"weight=.*as weight="):
        lm.from_torch(nn.BCELoss(weight=torch.ones(3)))
    with pytest.raises(ValueError, match="pos_weight differs between outputs"):
        lm.from_torch(nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0])))


def test_from_sklearn_reads_estimators():
    for estimator, expected in [
        (ensemble.HistGradientBoostingRegressor(loss="quantile", quantile=0.9), lm.quantile(q=0.9)),
        (ensemble.HistGradientBoostingRegressor(), lm.squared_error()),
        (ensemble.HistGradientBoostingClassifier(), lm.binary_cross_entropy()),
        (ensemble.GradientBoostingRegressor(loss="quantile", alpha=0.7), lm.quantile(q=0.7)),
        (ensemble.GradientBoostingClassifier(loss="exponential"), lm.exponential()),
        (linear_model.SGDClassifier(loss="modified_huber"), lm.modified_huber()),
        (linear_model.SGDRegressor(loss="huber", epsilon=0.3), lm.huber(delta=0.3)),
        (linear_model.HuberRegressor(epsilon=1.5), lm.huber(delta=1.5)),
        (linear_model.QuantileRegressor(quantile=0.2), lm.quantile(q=0.2)),
        (linear_model.GammaRegressor(), lm.gamma()),
        (linear_model.PoissonRegressor(), lm.poisson()),
        (linear_model.TweedieRegressor(power=1.7), lm.tweedie(power=1.7)),
        (linear_model.LogisticRegression(), lm.binary_cross_entropy()),
        (svm.LinearSVC(), lm.squared_hinge()),
        (svm.SVR(epsilon=0.4), lm.epsilon_insensitive(epsilon=0.4)),
        (neural_network.MLPRegressor(), lm.squared_error()),
    ]:
        assert lm.from_sklearn(estimator).loss == expected, estimator


def test_from_sklearn_reads_what_a_fitted_estimator_knows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    fitted = linear_model.HuberRegressor(epsilon=1.2).fit(X, 5 * X[:, 0] + rng.standard_t(2, 60))
    found = lm.from_sklearn(fitted)
    assert found.loss == lm.huber(delta=1.2 * fitted.scale_)
    assert (found.factor, found.shift) == (2 / fitted.scale_, fitted.scale_)
    y = rng.integers(0, 3, 60)
    assert lm.from_sklearn(linear_model.LogisticRegression().fit(X, y)).loss == lm.cross_entropy()
    three = svm.LinearSVC(multi_class="crammer_singer").fit(X, np.array(["a", "b", "c"])[y])
    assert lm.from_sklearn(three).loss == lm.multiclass_hinge(labels=("a", "b", "c"))
    names = np.array(["no", "yes"])[y % 2]
    two = svm.LinearSVC(multi_class="crammer_singer").fit(X, names)
    assert lm.from_sklearn(two).loss == lm.hinge(labels=("no", "yes"))
    assert lm.from_sklearn(linear_model.SGDClassifier().fit(X, names)).loss == lm.hinge(labels=("no", "yes"))


@pytest.mark.parametrize("labels", [2, 3])
def test_from_sklearn_reads_a_network_of_several_labels(labels):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    Y = (X @ rng.normal(size=(2, labels)) + rng.normal(size=(60, labels)) > 0).astype(int)
    settings = {"activation": "identity", "hidden_layer_sizes": (2,), "alpha": 0.0, "solver": "lbfgs", "tol": 1e-12}
    fitted = neural_network.MLPClassifier(**settings, max_iter=2000, random_state=0).fit(X, Y)
    found = lm.from_sklearn(fitted)
    assert (found.loss, found.reduction) == (lm.binary_cross_entropy(), None)
    scores = lm.binary_cross_entropy().link(fitted.predict_proba(X))
    assert found.loss(Y, scores, reduction="none").sum(1).mean() == pytest.approx(fitted.loss_, rel=1e-6)


def test_the_mean_of_stochastic_descent_counts_samples_not_class_weights():
    """Its penalty is beside sum(w L) / n: the optimum of that, not the one of sum(w L) / sum(w)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 1))
    y = (X[:, 0] + 2 * rng.logistic(size=4000) > 0).astype(int)
    options = {"alpha": 0.5, "class_weight": {0: 1, 1: 9}, "average": True, "tol": None, "max_iter": 100}
    options |= {"fit_intercept": False, "random_state": 0}
    fitted = linear_model.SGDClassifier(loss="log_loss", learning_rate="invscaling", eta0=0.05, **options).fit(X, y)
    found = lm.from_sklearn(fitted)
    assert found.reduction == lm.from_sklearn(linear_model.Perceptron(class_weight={0: 1, 1: 9})).reduction == "mean"
    slope = X[:, 0] @ found.loss.gradient(y, fitted.decision_function(X), reduction=found.reduction)
    assert slope + 0.5 * fitted.coef_[0, 0] == pytest.approx(0.0, abs=0.01 * abs(slope))


def test_from_sklearn_reads_the_weights_of_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    for y, weights in ((X[:, 0] > 1, {0: 1.0, 1: 3.0}), (np.digitize(X[:, 0], [-0.5, 0.5]), {1: 3.0, 2: 0.5})):
        y = np.where(rng.random(300) < 0.2, 0, y.astype(int))
        options = {"C": 1e8, "tol": 1e-10, "max_iter": 10_000}
        fitted = linear_model.LogisticRegression(class_weight=weights, **options).fit(X, y)
        found = lm.from_sklearn(fitted)
        slopes = found.loss.gradient(y, fitted.decision_function(X), reduction=found.reduction)
        np.testing.assert_allclose(X.T @ slopes, 0, atol=1e-6)  # it has minimised this loss
        plain = lm.from_sklearn(linear_model.LogisticRegression(**options).fit(X, y)).loss
        assert np.abs(X.T @ plain.gradient(y, fitted.decision_function(X))).max() > 1e-3
    names = svm.SVC(class_weight={"a": 2.0}).fit(X, np.where(X[:, 0] > 0, "a", "b"))
    assert lm.from_sklearn(names).loss == lm.hinge(labels=("a", "b")).class_weighted({"a": 2.0, "b": 1.0})
    with pytest.raises(ValueError, match="class_weight='balanced' depends on the targets"):
        lm.from_sklearn(linear_model.LogisticRegression(class_weight="balanced"))
    with pytest.raises(ValueError, match="-1 is not a class"):
        lm.from_sklearn(svm.SVC(class_weight={-1: 1.0, 1: 2.0}))


@pytest.mark.parametrize(
    ("estimator", "each"),
    [(kind, "class, on labels 1 of it") for kind in (
        linear_model.SGDClassifier(), linear_model.SGDClassifier(loss="log_loss"), linear_model.Perceptron(),
        linear_model.SGDClassifier(loss="modified_huber"), svm.LinearSVC(), svm.LinearSVC(loss="hinge"),
        svm.LinearSVC(class_weight={"a": 2.0}),
    )] + [(svm.SVC(), "pair of classes"), (svm.SVC(class_weight={"a": 2.0}), "pair of classes")],
    ids=str,
)  # fmt: skip
def test_from_sklearn_refuses_several_losses_in_one_classifier(estimator, each):
    X = np.random.default_rng(0).normal(size=(60, 2))
    names = np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    kind = type(estimator).__name__
    with pytest.raises(ValueError, match=rf"{kind}.*of 3 classes it trains one loss of two for each {each}"):
        lm.from_sklearn(estimator.fit(X, names))
    assert lm.from_sklearn(estimator.fit(X, np.where(names == "a", "a", "b"))).loss.labels == ("a", "b")


def test_a_name_is_a_text():
    with pytest.raises(TypeError, match="name must be a text"):
        lm.translate(None)


def test_from_sklearn_reads_loss_objects():
    loss = importlib.import_module("sklearn._loss.loss")
    assert lm.from_sklearn(loss.PinballLoss(quantile=0.9)).loss == lm.quantile(q=0.9)
    assert lm.from_sklearn(loss.HuberLoss(delta=0.3)).loss == lm.huber(delta=0.3)
    assert lm.from_sklearn(loss.HalfTweedieLoss(power=1.3)).loss == lm.tweedie(power=1.3)
    custom = ensemble.HistGradientBoostingRegressor(loss=loss.HalfGammaLoss())
    assert lm.from_sklearn(custom).loss == lm.gamma()


def test_from_sklearn_refuses_what_states_no_loss():
    with pytest.raises(ValueError, match=r"GradientBoostingRegressor:huber.*every round.*nearest: huber"):
        lm.from_sklearn(ensemble.GradientBoostingRegressor(loss="huber"))
    with pytest.raises(ValueError, match="KNeighborsClassifier"):
        lm.from_sklearn(importlib.import_module("sklearn.neighbors").KNeighborsClassifier())
    with pytest.raises(ValueError, match="no deviance of power 3"):
        lm.from_sklearn(linear_model.TweedieRegressor(power=3))
    with pytest.raises(TypeError, match="scikit-learn"):
        lm.from_sklearn(nn.MSELoss())
