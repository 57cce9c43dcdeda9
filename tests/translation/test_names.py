"""Names and parameters of translations, and what a translation is."""

import json
import subprocess
import sys

import numpy as np
import pytest

import lossmith as lm
from lossmith.translation import Missing, entries


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
        ("SmoothL1Loss", r"may be torch\.nn\.SmoothL1Loss: write that"),
        ("huber", "may be .*lightgbm:huber"),
        ("sklearn:hinge", r"may be .*SGDClassifier:hinge or sklearn\.svm\.LinearSVC:hinge"),
        ("sklearn:SGDRegressor", r"has a loss= of its own: .*SGDRegressor:squared_error or .*: say which"),
        ("scipy:least_squares", "least_squares:linear or .*least_squares:arctan: say which"),
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
    with pytest.raises(TypeError, match=r"SmoothL1Loss: a parameter 'betta' is not translated .*did you mean beta"):
        lm.translate("torch:SmoothL1Loss", betta=1)
    with pytest.raises(TypeError, match=r"'weight' is not translated \(only reduction\)"):  # torch has it
        lm.translate("torch.nn.functional.mse_loss", weight=1)
    with pytest.raises(TypeError, match=r"'border' is not translated \(it has none that is\)"):
        lm.translate("catboost:Logloss:border=0.5")
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


@pytest.mark.parametrize(
    "name",
    [r.names.split()[0] for p, r in entries() if p.name == "optax" and "axis" in getattr(r, "parameters", ())],
)
def test_rows_lie_on_the_last_axis(name):
    assert lm.translate(f"optax.{name}", axis=-1).loss == lm.translate(f"optax.{name}").loss
    with pytest.raises(ValueError, match="axis=0: rows are on the last axis"):
        lm.translate(f"optax.{name}", axis=0)


@pytest.mark.parametrize("name", ["xgboost:multi:softprob", "lightgbm:multiclass"])
def test_the_number_of_scores_is_taken(name):
    assert lm.translate(name, num_class=4).loss == lm.cross_entropy()


@pytest.mark.parametrize("level", [0.25, np.float32(0.25), np.array(0.25), [0.25], np.array([0.25])])
def test_a_level_is_a_number_of_any_kind_or_one_in_a_list(level):
    assert lm.translate("xgboost:reg:quantileerror", quantile_alpha=level).loss == lm.quantile(q=0.25)


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
