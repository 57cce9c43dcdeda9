"""Finding a loss by name, and what constructors refuse."""

import inspect

import numpy as np
import pytest

import lossmith as lm

from . import samples

ALIASES = {
    "mse": lm.squared_error,
    "mae": lm.absolute_error,
    "bce": lm.binary_cross_entropy,
    "log_loss": lm.binary_cross_entropy,
    "ce": lm.cross_entropy,
    "pinball": lm.quantile,
    "kl": lm.kl_divergence,
}
DEFAULTS = {
    "huber": {"delta": 1.0},
    "smooth_l1": {"beta": 1.0},
    "pseudo_huber": {"delta": 1.0},
    "quantile": {"q": 0.5},
    "expectile": {"q": 0.5},
    "lq": {"q": 1.5},
    "epsilon_insensitive": {"epsilon": 0.1},
    "binary_cross_entropy": {"from_logits": True, "label_smoothing": 0.0, "pos_weight": 1.0},
    "focal": {"gamma": 2.0, "alpha": None, "from_logits": True},
    "brier": {"from_logits": True},
    "cross_entropy": {
        "from_logits": True,
        "label_smoothing": 0.0,
        "class_weight": None,
        "weighting": "term",
        "ignore_index": None,
    },
    "focal_cross_entropy": {"gamma": 2.0, "class_weight": None, "from_logits": True},
    "multi_margin": {"margin": 1.0, "p": 1},
    "kl_divergence": {"log_input": False},
    "poisson": {"log_input": True, "full": False},
    "gamma": {"log_input": True},
    "tweedie": {"power": 1.5, "log_input": True},
    "gaussian_nll": {"full": False},
}


def test_names_are_those_of_the_catalogue():
    names = lm.names()
    assert all(isinstance(name, str) for name in names)
    assert len(set(names)) == len(names)
    assert set(samples.TABLE) <= set(names)
    assert not set(ALIASES) & set(names)


@pytest.mark.parametrize("name", lm.names())
def test_every_name_is_a_constructor_and_has_samples(name):
    loss = lm.get(name)
    assert loss == getattr(lm, name)()
    assert loss.name == name
    assert samples.of(name), "add a row to samples.TABLE or let the loss work on data of a common kind"
    assert getattr(lm, name).__doc__


@pytest.mark.parametrize("name", DEFAULTS)
def test_parameters_and_defaults(name):
    assert DEFAULTS[name].items() <= dict(lm.get(name).params).items()
    explicit = lm.get(name, **DEFAULTS[name])
    assert explicit == lm.get(name)


def test_get_takes_parameters():
    assert lm.get("huber", delta=1.345) == lm.huber(delta=1.345)
    assert lm.get("mse") == lm.squared_error()
    assert dict(lm.get("huber", delta=1.345).params)["delta"] == 1.345


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_follow_common_usage(alias):
    assert lm.get(alias) == ALIASES[alias]()
    assert lm.get(alias).name == ALIASES[alias]().name


def test_families_part_the_catalogue():
    robust = lm.names(family="robust")
    assert "huber" in robust and "cross_entropy" not in robust
    assert set(robust) < set(lm.names())
    with pytest.raises(ValueError, match="robust"):
        lm.names(family="robbust")


@pytest.mark.parametrize(
    ("wrong", "near"), [("hubber", "huber"), ("cross_entropi", "cross_entropy"), ("squared_eror", "squared_error")]
)
def test_an_unknown_name_suggests_near_ones(wrong, near):
    with pytest.raises((ValueError, KeyError), match=near):
        lm.get(wrong)
    with pytest.raises(AttributeError):
        getattr(lm, wrong)


@pytest.mark.parametrize("wrong", ["", "zzzzzzzz", "__class__", "get", None, 3])
def test_what_is_no_name_of_a_loss_is_refused(wrong):
    with pytest.raises((ValueError, KeyError, TypeError)):
        lm.get(wrong)


@pytest.mark.parametrize(
    ("name", "params", "named"),
    [
        ("huber", {"delta": 0}, "delta"),
        ("huber", {"delta": -1.0}, "delta"),
        ("huber", {"delta": np.nan}, "delta"),
        ("smooth_l1", {"beta": -0.5}, "beta"),
        ("pseudo_huber", {"delta": 0.0}, "delta"),
        ("quantile", {"q": -0.1}, "q"),
        ("quantile", {"q": 1.5}, "q"),
        ("quantile", {"q": np.nan}, "q"),
        ("expectile", {"q": 2.0}, "q"),
        ("lq", {"q": 0.5}, "q"),
        ("epsilon_insensitive", {"epsilon": -0.1}, "epsilon"),
        ("huber", {"delta": np.inf}, r"delta must be a positive number \(0, inf\), not inf"),
        ("binary_cross_entropy", {"label_smoothing": -0.1}, "label_smoothing"),
        ("binary_cross_entropy", {"label_smoothing": 1.5}, "label_smoothing"),
        ("binary_cross_entropy", {"pos_weight": -1.0}, "pos_weight"),
        ("focal", {"gamma": -1.0}, "gamma"),
        ("focal", {"alpha": 1.5}, "alpha"),
        ("cross_entropy", {"label_smoothing": 2.0}, "label_smoothing"),
        ("cross_entropy", {"class_weight": [1.0, -1.0]}, "class_weight"),
        ("cross_entropy", {"class_weight": [1.0, np.nan]}, "class_weight"),
        ("cross_entropy", {"weighting": "terms"}, "weighting"),
        ("multi_margin", {"p": 0}, "p"),
        ("tweedie", {"power": 1.0}, "power"),
        ("tweedie", {"power": 2.0}, "power"),
        ("tweedie", {"power": 3.0}, "power"),
        ("hinge", {"labels": (1, 1)}, "labels"),
        ("hinge", {"labels": (1,)}, "labels"),
    ],
)
def test_a_parameter_outside_its_domain_is_a_value_error_that_names_it(name, params, named):
    with pytest.raises(ValueError, match=rf"\b{named}\b"):
        lm.get(name, **params)


@pytest.mark.parametrize(
    ("name", "params"), [("huber", {"delta": "one"}), ("huber", {"delta": None}), ("lq", {"q": 1j})]
)
def test_a_parameter_that_is_no_number_is_refused(name, params):
    with pytest.raises((ValueError, TypeError), match=next(iter(params))):
        lm.get(name, **params)


@pytest.mark.parametrize("name", lm.names())
def test_an_unknown_parameter_is_refused_by_name(name):
    with pytest.raises(TypeError, match="no_such_parameter"):
        lm.get(name, no_such_parameter=1)


def test_parameters_are_keyword_only():
    with pytest.raises(TypeError):
        lm.huber(2.0)
    kinds = inspect.signature(lm.huber).parameters
    assert kinds["delta"].kind is inspect.Parameter.KEYWORD_ONLY and kinds["delta"].default == 1.0


def test_parameters_are_any_numbers():
    assert lm.huber(delta=np.float32(0.5)) == lm.huber(delta=0.5) == lm.huber(delta=np.array(0.5))
    assert dict(lm.huber(delta=np.float32(0.5)).params)["delta"] == 0.5
