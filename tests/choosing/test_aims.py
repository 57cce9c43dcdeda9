"""What the user may ask for, and what it really asks for."""

import numpy as np
import pytest

from lossmith.choosing.aims import best_constant, parse_aim
from lossmith.choosing.costs import read_costs
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.metrics import METRICS, REFUSED, find_metric
from lossmith.choosing.tables import column_from_any
from lossmith.choosing.targets import make_target

FORMS = {
    "mean": ("mean", None, "", ()),
    "Median": ("median", None, "", (0.5,)),
    "quantile:0.9": ("quantile", 0.9, "", (0.9,)),
    "quantile:0.5": ("median", None, "", (0.5,)),
    "expectile:0.8": ("expectile", 0.8, "", ()),
    "expectile:0.5": ("mean", None, "", ()),
    "interval:0.8": ("interval", 0.8, "", (0.1, 0.9)),
    "probability": ("probability", None, "", ()),
    "label": ("label", None, "", ()),
    "balanced-label": ("label", None, "balanced_error", ()),
    "metric:rmse": ("mean", None, "", ()),
    "metric:R2": ("mean", None, "", ()),
    "metric:MAPE": ("median", None, "mape", (0.5,)),
    "metric:rmsle": ("mean", None, "rmsle", ()),
    "metric:pinball:0.3": ("quantile", 0.3, "", (0.3,)),
    "metric:poisson-deviance": ("mean", None, "poisson_deviance", ()),
    "metric:neg_log_loss": ("probability", None, "", ()),
    "metric:roc_auc": ("probability", None, "auc", ()),
    "metric:balanced_accuracy": ("label", None, "balanced_error", ()),
    "metric:f1": ("label", None, "f1", ()),
    "metric:f1-macro": ("label", None, "f1_macro", ()),
    "cost:3,1": ("quantile", 0.75, "", (0.75,)),
    "cost:2,2": ("median", None, "", (0.5,)),
}


@pytest.mark.parametrize("text", FORMS)
def test_forms(text):
    aim = parse_aim(text)
    assert (aim.functional, aim.q, aim.metric, aim.levels) == FORMS[text]
    assert aim.title
    assert parse_aim(str(aim)) == aim
    if text.startswith(("metric:", "cost:")) and "pinball" not in text:
        assert aim.assumptions


WRONG = {
    "": "it is one of mean",
    "meen": "did you mean 'mean'",
    "mean:3": "takes no value",
    "quantile": "quantile:0.9",
    "interval:1.2": "interval:0.8",
    "expectile:nan": "expectile:0.9",
    "cost:5": "cost:5,1",
    "cost:5,-1": "cost:5,1",
    "cost:inf,1": "cost:5,1",
    "cost-matrix:": "with a CSV file",
    "cost-matrix:nowhere.csv": "cannot read the costs",
    "metric:ndcg": "ranks rows inside groups",
    "metric:c-index": "survival model",
    "metric:mode": "not elicitable",
    "metric:variance": "not elicitable",
    "metric:huber": "neither mean nor median unless y is symmetric",
    "metric:pinball": "pinball",
    "metric:mape:2": "take a level",
    "metric:aucc": "did you mean 'auc'",
    "metric:": "it is one of rmse",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_refused_says_why(text):
    with pytest.raises(ChoiceError, match=WRONG[text]):
        parse_aim(text)


def test_every_name_of_a_metric_leads_somewhere_once():
    names = [name for metric in METRICS for name in metric.names.split()]
    refused = [name for names in REFUSED for name in names.split()]
    assert len({*names, *refused}) == len(names) + len(refused)
    for name in names:
        assert find_metric(name).asks_for
    for name in refused:
        with pytest.raises(ChoiceError, match="cannot be served"):
            find_metric(name)


def test_a_metric_of_positive_values_refuses_others_by_row():
    zero = column_from_any([1.0, 2.0, 0.0, 3.0] * 5, "y")
    with pytest.raises(ChoiceError, match=r"holds 0 in data row 3 \(5 such values\)"):
        make_target(zero, parse_aim("metric:mape"))
    with pytest.raises(ChoiceError, match="needs positive values"):
        make_target(zero, parse_aim("metric:gamma_deviance"))
    with pytest.raises(ChoiceError, match="zero or more"):
        make_target(column_from_any(np.linspace(-1, 1, 20), "y"), parse_aim("metric:rmsle"))
    assert make_target(zero, parse_aim("metric:rmsle")).aim.metric == "rmsle"


def test_constants_minimise_their_score():
    rng = np.random.default_rng(0)
    y, w = rng.gamma(2.0, 3.0, 501), rng.uniform(0.5, 2.0, 501)
    scores = {
        "expectile:0.8": lambda f: np.where(y >= f, 0.8, 0.2) * (y - f) ** 2,
        "metric:mape": lambda f: np.abs(y - f) / y,
        "metric:rmsle": lambda f: (np.log1p(f) - np.log1p(y)) ** 2,
        "metric:gamma_deviance": lambda f: y / f + np.log(f),
        "cost:5,1": lambda f: np.where(y > f, 5 * (y - f), f - y),
    }
    for text, score in scores.items():
        best = float(best_constant(parse_aim(text), y, w))
        grid = best * np.linspace(0.9, 1.1, 41)
        assert np.average(score(best), weights=w) <= min(np.average(score(f), weights=w) for f in grid) + 1e-9, text
    low, high = best_constant(parse_aim("interval:0.8"), y, None)
    assert np.mean((y >= low) & (y <= high)) == pytest.approx(0.8, abs=0.005)


def write(path, text):
    path.write_text(text)
    return path


def test_cost_matrices_follow_the_classes(tmp_path):
    path = write(tmp_path / "costs.csv", "true,yes,no\nyes,0,10\nno,1,0\n")
    aim = parse_aim(f"cost-matrix:{path}")
    assert (aim.functional, aim.metric, aim.wants_classes) == ("label", "cost", True)
    target = make_target(column_from_any(["yes", "no", "no"] * 10, "y"), aim)
    assert target.classes == ("no", "yes")
    assert target.aim.costs == ((0.0, 1.0), (10.0, 0.0))
    path = write(tmp_path / "bare.csv", "0,2\n3,0\n")
    bare = make_target(column_from_any([0, 1] * 10, "y"), parse_aim(f"cost-matrix:{path}"))
    assert bare.aim.costs == ((0.0, 2.0), (3.0, 0.0))
    with pytest.raises(ChoiceError, match="name no class 'maybe'"):
        make_target(column_from_any(["yes", "maybe"] * 10, "y"), aim)
    with pytest.raises(ChoiceError, match="for 2 classes, the target has 3"):
        make_target(column_from_any(["yes", "no", "maybe"] * 10, "y"), aim)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "square"),
        ("0,1\n", "square"),
        ("true,a,b\na,0,1\nb,1\n", "square"),
        ("true,a,b\na,0,1\nc,1,0\n", "same classes"),
        ("true,a,b\na,0,x\nb,1,0\n", "row 2, column 3 holds 'x'"),
        ("true,a,b\na,5,1\nb,1,0\n", "class 'a' a mistake costs less"),
        ("true,a\na,0\n", "for one class"),
    ],
)
def test_cost_matrices_that_cannot_be(tmp_path, text, says):
    with pytest.raises(ChoiceError, match=says):
        read_costs(write(tmp_path / "c.csv", text))
