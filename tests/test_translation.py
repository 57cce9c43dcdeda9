"""What a translation says of another library's loss is what that library computes."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import ensemble, linear_model, neural_network, svm
from torch import nn

import lossmith as lm
from lossmith.record import replace
from lossmith.translation import Missing, Row, Shift, Translation, entries, peers
from translation.cases import Case, cases, points, smooth
from translation.optima import OPTIMA, gap
from translation.runners import RUNNERS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "frameworks" / "translation.md"
# float32: gradients or targets of boosters, means of Keras. Or as wrong everywhere as the translation says.
CLOSE = {"keras": 3e-7, "xgboost": 5e-6, "lightgbm": 5e-6, "catboost": 2e-6, "catboost:LogCosh()": 2e-4,
         "torch.nn.PoissonNLLLoss(log_input=False)": 1e-6, "keras.losses.Poisson()": 1e-5, "keras.losses.poisson()": 1e-5}  # fmt: skip
CASES = [case for name in RUNNERS for case in cases(name)]
BY_OPTIMUM = [case for case in CASES if case.peer.name == "sklearn" and case.name in OPTIMA]
BY_CALL = [case for case in CASES if case not in BY_OPTIMUM]
FIRST = [case for case in BY_CALL if case.name == case.row.names.split()[0]]


def agree(case: Case, found: Translation, *, hard: bool) -> None:
    """The peer's values, and gradients where it gives them, are those of the translation."""
    module = pytest.importorskip(case.peer.name)
    if case.full == "xgboost:reg:expectileerror" and tuple(map(int, module.__version__.split(".")[:2])) < (3, 3):
        pytest.skip("this XGBoost has no expectiles yet")
    y, f = points(found, hard=hard)
    values, slopes = RUNNERS[case.peer.name](case, y, f)
    assert values is not None or slopes is not None
    close = next((CLOSE[key] for key in (str(case), case.full, case.peer.name) if key in CLOSE), 1e-11)
    if values is not None:
        shift = found.shift(y) if isinstance(found.shift, Shift) else found.shift
        ours = found.factor * found.loss(y, f, reduction="none") + shift
        np.testing.assert_allclose(values, ours, rtol=close, atol=close)
    if slopes is not None:
        ours = found.factor * found.loss.gradient(y, f, reduction="none")
        kept = smooth(found, y, f)
        assert kept.mean() > 0.5
        if "by its sum" in found.differs:  # then only changes that keep the sum are comparable
            slopes, ours = (g - g.mean(axis=-1, keepdims=True) for g in (slopes, ours))
        np.testing.assert_allclose(slopes[kept], ours[kept], rtol=close, atol=close)


@pytest.mark.parametrize("case", BY_CALL, ids=str)
def test_the_peer_computes_what_the_translation_says(case):
    agree(case, case.translation, hard=not case.row.differs)


@pytest.mark.parametrize("case", BY_OPTIMUM, ids=str)
def test_the_peer_minimises_what_the_translation_says(case):
    assert gap(case) < 1e-6


@pytest.mark.parametrize("case", [case for case in FIRST if case.peer.name != "xgboost"], ids=str)
def test_a_wrong_factor_would_be_noticed(case):
    found = case.translation
    with pytest.raises(AssertionError):
        agree(case, replace(found, factor=found.factor * 1.001), hard=False)


@pytest.mark.parametrize("case", [case for case in FIRST if case.peer.name != "xgboost"], ids=str)
def test_a_wrong_parameter_would_be_noticed(case):
    needed = {key for key, parameter in case.row.parameters.items() if parameter.default is parameter.empty}
    wrong = Case(case.peer, case.row, case.name, {key: case.params[key] for key in needed}).translation
    if (wrong.loss, wrong.factor) == (case.translation.loss, case.translation.factor):
        pytest.skip("these parameters are the default, or change nothing but the peer's own shift")
    with pytest.raises((AssertionError, ValueError, RuntimeError)):
        agree(case, wrong, hard=False)


def test_every_row_is_tried():
    names = {p.full(n) for p, row in entries() if isinstance(row, Row) for n in row.names.split()}
    assert {case.full for case in CASES} == names
    assert set(RUNNERS) == {p.name for p in peers()}


# where a peer is wrong: y, f, and the truth --------------------------------------------------------------------------

INF = np.inf
WRONG = {
    "torch.nn.BCELoss": (1.0, 0.0, INF, {}),
    "torch.nn.SoftMarginLoss": (-1, 800.0, 800.0, {}),
    "torch.nn.PoissonNLLLoss": (2.0, 0.0, INF, {"log_input": False}),
    "torch.nn.KLDivLoss": ([0.0, 1.0], [-1.0, -0.5], 0.5, {"log_target": True}),
    "optax.losses.kl_divergence_with_log_targets": ([0.0, 1.0], [-1.0, -0.5], 0.5, {}),
    "torch.nn.GaussianNLLLoss": (0.0, [1e-4, np.log(1e-4)], 0.5 + np.log(1e-4), {}),
    "scipy.optimize.least_squares:soft_l1": (0.0, 1e-9, 5e-19, {}),
    "statsmodels.robust.norms.TukeyQuartic": (0.0, 1.0, 0.5 * (1 - 0.8 * 0.125 + 0.25 * 0.125**2), {"c": 2.0, "k": 3}),
    "keras.losses.MeanAbsolutePercentageError": (1e-9, 3e-9, 200.0, {}),
    "keras.losses.MeanSquaredLogarithmicError": (0.0, -0.5, np.log(0.5) ** 2, {}),
    "keras.losses.LogCosh": (0.0, 1e-9, 5e-19, {}),
    "keras.losses.BinaryCrossentropy": (1.0, 0.0, INF, {}),
    "keras.losses.BinaryFocalCrossentropy": (1.0, 0.0, INF, {}),
    "keras.losses.CategoricalCrossentropy": (0, [0.0, 0.5, 0.5], INF, {}),
    "keras.losses.SparseCategoricalCrossentropy": (0, [0.0, 0.5, 0.5], INF, {}),
    "keras.losses.CategoricalFocalCrossentropy": (0, [0.0, 0.5, 0.5], INF, {}),
    "keras.losses.KLDivergence": ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5], INF, {}),
    "keras.losses.Poisson": (2.0, 0.0, INF, {}),
    "optax.losses.log_cosh": (0.0, 1e-9, 5e-19, {}),
    "catboost:MAE": (0.0, 1e-7, 1e-7, {}),
    "catboost:Quantile": (0.0, 1e-7, 5e-8, {}),
    "catboost:LogCosh": (0.0, 0.5, np.log(np.cosh(0.5)), {}),
    "catboost:Focal": (0.0, 40.0, 20.0, {"focal_alpha": 0.5, "focal_gamma": 1.0}),
    "sklearn.neural_network.MLPClassifier": (0.0, 40.0, 40.0, {}),
    "xgboost:reg:squaredlogerror": (0.0, -1.0 + 2.0**-23, None, {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_where_a_peer_is_said_to_be_wrong_it_is(name):
    y, f, truth, params = WRONG[name]
    case = next(c for c in CASES if c.full == name)
    pytest.importorskip(case.peer.name)
    case = Case(case.peer, case.row, case.name, params)
    found = case.translation
    values, slopes = RUNNERS[case.peer.name](case, np.asarray([y]), np.asarray([f]))
    if truth is None:  # it shows in the gradient
        theirs, ours = slopes[0], found.factor * found.loss.gradient([y], [f], reduction="none")[0]
    else:
        ours = found.factor * found.loss([y], [f], reduction="none")[0]
        theirs = values[0]
        assert ours == pytest.approx(truth, rel=1e-12, abs=0)
    assert theirs != pytest.approx(ours, rel=1e-4, abs=0)


def test_every_such_place_is_shown():
    assert set(WRONG) == {p.full(row.names.split()[0]) for p, row in entries() if isinstance(row, Row) and row.differs}


# reductions -----------------------------------------------------------------------------------------------------------

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


def test_torch_reductions_that_lossmith_has_not_are_none():
    assert lm.from_torch(nn.KLDivLoss()).reduction is None
    assert lm.from_torch(nn.MultiLabelSoftMarginLoss(reduction="sum")).reduction is None
    assert lm.from_torch(nn.MultiLabelSoftMarginLoss()).reduction == "mean"


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


def test_from_keras_reads_every_parameter():
    keras = pytest.importorskip("keras")
    losses = keras.losses
    for loss, expected in [
        (losses.Huber(delta=2), lm.huber(delta=2)),
        (losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), lm.bce(label_smoothing=0.1)),
        (losses.CategoricalCrossentropy(label_smoothing=0.2), lm.ce(from_logits=False, label_smoothing=0.2)),
        (losses.SparseCategoricalCrossentropy(True, ignore_class=3), lm.ce(ignore_index=3)),
        (losses.BinaryFocalCrossentropy(True, 0.3, 1.5, from_logits=True), lm.focal(alpha=0.3, gamma=1.5)),
        (losses.CategoricalFocalCrossentropy(0.5, 3.0, True), lm.focal_cross_entropy(gamma=3.0)),
        (losses.Poisson(), lm.poisson(log_input=False)),
    ]:
        assert lm.from_keras(loss).loss == expected
    assert lm.from_keras(losses.CategoricalFocalCrossentropy(0.5)).factor == 0.5
    assert lm.from_keras(losses.Huber(reduction="sum")).reduction == "sum"
    assert lm.from_keras(losses.Huber(reduction=None)).reduction == "none"
    with pytest.raises(ValueError, match="axis=1"):
        lm.from_keras(losses.CategoricalCrossentropy(axis=1))
    with pytest.raises(ValueError, match="CosineSimilarity"):
        lm.from_keras(losses.CosineSimilarity())
    with pytest.raises(TypeError, match=r"a loss of keras\.losses"):
        lm.from_keras(nn.MSELoss())


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
    names = np.array(["no", "yes"])[y % 2]
    assert lm.from_sklearn(linear_model.SGDClassifier().fit(X, names)).loss == lm.hinge(labels=("no", "yes"))


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


# names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torch:SmoothL1Loss", "torch.nn.SmoothL1Loss()"),
        ("torch.nn.functional.smooth_l1_loss", "torch.nn.functional.smooth_l1_loss()"),
        ("pytorch:HuberLoss", "torch.nn.HuberLoss()"),
        ("optax.huber_loss", "optax.losses.huber_loss()"),
        ("scikit-learn:PoissonRegressor", "sklearn.linear_model.PoissonRegressor()"),
        ("catboost:Quantile:alpha=0.9", "catboost:Quantile(alpha=0.9)"),
        ("catboost:Focal:focal_alpha=0.5;focal_gamma=1", "catboost:Focal(focal_alpha=0.5, focal_gamma=1.0)"),
        ("xgboost:reg:squarederror", "xgboost:reg:squarederror()"),
        ("lightgbm:mae", "lightgbm:mae()"),
        ("scipy:cauchy", "scipy.optimize.least_squares:cauchy()"),
    ],
)
def test_names(name, expected):
    assert lm.translate(name).peer == expected


def test_the_loss_may_be_a_parameter():
    assert lm.translate("scipy.optimize.least_squares", loss="huber", f_scale=2) == lm.translate(
        "scipy.optimize.least_squares:huber", f_scale=2
    )
    assert lm.translate("sklearn:SGDClassifier", loss="hinge").loss == lm.hinge()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch:SmoothL1Los", r"did you mean torch\.nn\.SmoothL1Loss"),
        ("catboost:logloss", "did you mean catboost:Logloss"),
        ("lightgbm:logistic", "did you mean lightgbm:"),
        ("SmoothL1Loss", r"may be torch\.nn\.SmoothL1Loss: say which"),
        ("huber", "may be .*lightgbm:huber"),
        ("sklearn:hinge", r"may be .*SGDClassifier:hinge or sklearn\.svm\.LinearSVC:hinge"),
        ("tensorflow:foo", "in the tables of catboost, keras"),
        ("", "in the tables of"),
        ("torch", "in the tables of"),
    ],
)
def test_unknown_names_are_errors_with_the_nearest(name, message):
    with pytest.raises(ValueError, match=message):
        lm.translate(name)


@pytest.mark.parametrize(
    ("peer", "row"), [(p, r) for p, r in entries() if isinstance(r, Missing)], ids=lambda x: x.names
)
def test_what_lossmith_has_not_is_an_error_that_names_the_nearest(peer, row):
    assert set(row.near.split()) <= set(lm.names())
    for name in row.names.split():
        with pytest.raises(ValueError, match="lossmith has no loss that is") as error:
            lm.translate(peer.full(name))
        assert all(near in str(error.value) for near in row.near.split()) and row.why in str(error.value)


def test_parameters_are_checked():
    with pytest.raises(TypeError, match=r"SmoothL1Loss has no parameter 'betta' .*did you mean beta"):
        lm.translate("torch:SmoothL1Loss", betta=1)
    with pytest.raises(TypeError, match="needs q=, which has no default"):
        lm.translate("catboost:Lq")
    with pytest.raises(ValueError, match=r"lightgbm:huber\(alpha=-1\).*positive"):
        lm.translate("lightgbm:huber", alpha=-1)
    with pytest.raises(ValueError, match="reduction must be one of mean, sum, none, not 'median'"):
        lm.translate("torch:MSELoss", reduction="median")
    with pytest.raises(ValueError, match="several levels"):
        lm.translate("xgboost:reg:quantileerror", quantile_alpha=[0.1, 0.9])
    with pytest.raises(ValueError, match="a <= b < c"):
        lm.translate("statsmodels:Hampel", a=5.0)
    with pytest.raises(ValueError, match=r"is_unbalance.*scale_pos_weight"):
        lm.translate("lightgbm:binary", is_unbalance=True)


# the result -----------------------------------------------------------------------------------------------------------


def test_a_translation_is_a_value():
    found = lm.translate("sklearn:HuberRegressor", epsilon=1.5, scale=2.0)
    assert found == lm.translate("sklearn:HuberRegressor", epsilon=1.5, scale=2.0)
    assert len({found, lm.translate("sklearn:HuberRegressor", epsilon=1.5, scale=2.0)}) == 1
    assert str(found).startswith("sklearn.linear_model.HuberRegressor(epsilon=1.5, scale=2.0) = huber(delta=3.0) + 2\n")
    with pytest.raises(AttributeError, match="never changes"):
        found.factor = 2.0


def test_a_formula_of_its_own_says_so():
    own = lm.translate("scipy:cauchy", f_scale=2)
    assert not own.listed and "the catalogue has no such loss" in str(own)
    assert lm.from_spec(own.loss.spec()) == own.loss  # no less a loss for that
    assert lm.translate("scipy:huber").listed


def test_nothing_is_imported_for_a_translation():
    code = (
        "import sys, json, lossmith as lm; lm.translate('torch:HuberLoss'); lm.translate('keras:Huber');"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "keras", "sklearn", "scipy", "optax", "xgboost", "lightgbm"} & set(json.loads(done.stdout))


# the page -------------------------------------------------------------------------------------------------------------


def test_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) > 3
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {})


def test_the_page_is_current():
    spec = importlib.util.spec_from_file_location("make_translation", DOCS / "make_translation.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/make_translation.py"
