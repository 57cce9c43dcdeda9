"""Code to copy is run as a user would run it, and predicts what its loss asks for."""

from dataclasses import replace

import numpy as np
import pytest

from lossmith.choosing import choose, read
from lossmith.choosing.by_hand import LIBRARIES, Tuned, _decided, by_hand, recipes
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.decisions import Decision
from lossmith.choosing.reading import reading

from .quick import result

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(900, 3))
SIGNAL = X[:, 0] + np.abs(X[:, 1])
NOISE = RNG.normal(size=900)
AMOUNT = np.exp(SIGNAL / 2) * RNG.gamma(2.0, 0.5, 900)
NAMES = np.array(["no", "perhaps", "yes"])
TOP = RNG.gumbel(size=(900, 3)) + np.outer(SIGNAL, [-2, 0, 2])


def entrant(name, params=None, **options):
    return Candidate(name, "default", "", "", params or {}, **options)


# loss, target, classes, what predictions should be near, what an ignorant prediction is
NUMBERS = [
    (entrant("squared_error"), 100 * (SIGNAL + NOISE), 100 * SIGNAL),
    (entrant("huber", {"delta": 1.345}), SIGNAL + NOISE, SIGNAL),
    (entrant("quantile", {"q": 0.8}), SIGNAL + NOISE, SIGNAL + 0.8416),
    (entrant("poisson", positive=True), RNG.poisson(np.exp(SIGNAL / 2)).astype(float), np.exp(SIGNAL / 2)),
    (entrant("gamma", positive=True), AMOUNT, np.exp(SIGNAL / 2)),
    (entrant("tweedie", {"power": 1.5}, positive=True), AMOUNT, np.exp(SIGNAL / 2)),
    (entrant("squared_error", transform="log"), np.exp(SIGNAL + NOISE / 4), np.exp(SIGNAL)),
]
RARE = ("gamma", "tweedie(power=1.5)", "brier", "cross_entropy(label_smoothing=0.05)")  # in the full sweep only


def cases(listed):
    marks = [pytest.mark.full if entry[0].label in RARE else () for entry in listed]
    return [pytest.param(*entry, id=entry[0].label, marks=mark) for entry, mark in zip(listed, marks, strict=True)]


CLASSES = [
    (entrant("binary_cross_entropy"), 2),
    (entrant("brier"), 2),
    (entrant("cross_entropy"), 3),
    (entrant("cross_entropy", {"label_smoothing": 0.05}), 3),
    (entrant("cross_entropy", class_weight="balanced", undo=True), 3),
]


def run(recipe, y, **more):
    names = {"X": X[:600], "y": y[:600], "X_new": X[600:], **more}
    exec(compile(recipe.code, recipe.library, "exec"), names)
    return np.asarray(names["predictions"], dtype=np.float64)


@pytest.mark.parametrize("library", list(LIBRARIES))
@pytest.mark.parametrize(("candidate", "y", "truth"), cases(NUMBERS))
def test_numbers(candidate, y, truth, library):
    recipe = next(r for r in recipes(candidate) if r.library == library)
    found = run(recipe, y)
    assert found.shape == (300,)
    ignorant = np.abs(truth[600:] - np.median(truth[:600])).mean()
    assert np.abs(found - truth[600:]).mean() < 0.85 * ignorant
    assert np.median(found / truth[600:] if candidate.positive else 1 + found - found) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("library", list(LIBRARIES))
@pytest.mark.parametrize(("candidate", "classes"), cases(CLASSES))
def test_classes(candidate, classes, library):
    scores = np.outer(SIGNAL, [-2, 0, 2])[:, [0, 2]] if classes == 2 else np.outer(SIGNAL, [-2, 0, 2])
    places = TOP[:, [0, 2]].argmax(axis=1) if classes == 2 else TOP.argmax(axis=1)
    truth = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    recipe = next(r for r in recipes(candidate, classes, tuned=Tuned(rounds=(15,))) if r.library == library)
    found = run(recipe, (NAMES[[0, 2]] if classes == 2 else NAMES)[places])
    assert found.shape == (300, classes)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    ignorant = np.abs(truth[600:] - truth[:600].mean(axis=0)).mean()
    assert np.abs(found - truth[600:]).mean() < 0.85 * ignorant


@pytest.mark.parametrize("library", list(LIBRARIES))
def test_intervals_and_exposures(library):
    pair = next(r for r in recipes(entrant("quantile", levels=(0.1, 0.9))) if r.library == library)
    ends = run(pair, SIGNAL + NOISE)
    assert ends.shape == (300, 2) and (ends[:, 0] <= ends[:, 1]).all()
    assert 0.5 < np.mean((ends[:, 0] <= (SIGNAL + NOISE)[600:]) & ((SIGNAL + NOISE)[600:] <= ends[:, 1])) < 0.95
    size = RNG.uniform(0.5, 5, 900)
    counts = RNG.poisson(size * np.exp(SIGNAL / 2)).astype(float)
    rates = next(
        r for r in recipes(entrant("poisson", positive=True, offset=True), offset=True) if r.library == library
    )
    found = run(rates, counts, exposure=size[:600], exposure_new=size[600:])
    assert np.corrcoef(found, (size * np.exp(SIGNAL / 2))[600:])[0, 1] > 0.85
    assert found.sum() == pytest.approx(counts[600:].sum(), rel=0.15)


def test_the_libraries_own_losses_are_named_where_they_are_equal():
    def code(candidate, library, classes=0):
        return next(r.code for r in recipes(candidate, classes) if r.library == library)

    assert "loss='quantile', quantile=0.8" in code(entrant("quantile", {"q": 0.8}), "scikit-learn")
    assert "'objective': 'quantile', 'alpha': 0.8" in code(entrant("quantile", {"q": 0.8}), "LightGBM")
    assert "'reg:quantileerror', 'quantile_alpha': 0.8" in code(entrant("quantile", {"q": 0.8}), "XGBoost")
    assert "torch.nn.HuberLoss(delta=2.5, reduction='none')" in code(entrant("huber", {"delta": 2.5}), "PyTorch")
    assert "'objective': 'huber', 'alpha': 2.5" in code(entrant("huber", {"delta": 2.5}), "LightGBM")
    assert "torch.nn.CrossEntropyLoss(" in code(entrant("cross_entropy"), "PyTorch", 3)
    assert "lm.huber(delta=2.5).to('xgboost')" in code(entrant("huber", {"delta": 2.5}), "XGBoost")
    for own in ("quantile", "huber", "poisson"):  # an equal loss, but trees of another training
        assert "LightGBM's own steps" in code(entrant(own), "LightGBM")
    assert "own steps" not in code(entrant("squared_error"), "LightGBM")
    assert "lm.focal" in code(entrant("focal", {"gamma": 2.0}), "LightGBM", 2)


def shop(seed=0, rows=240):
    import pandas as pd

    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"a": rng.normal(size=rows), "same": 1.0, "day": pd.date_range("2024-01-01", periods=rows),
         "w": rng.integers(1, 9, rows).astype(float), "shop": np.repeat(np.arange(rows // 8), 8)}
    )  # fmt: skip
    return table, table["a"].to_numpy() + rng.normal(size=rows)


@pytest.fixture(scope="module", params=["median", "balanced-label", "metric:f1"])
def raced(request, tmp_path_factory):
    """A race with weights and groups, and the file that it came from."""
    table, y = shop()
    table["y"] = y if request.param == "median" else np.array(["yes", "no", "may be"])[np.digitize(y, [-1.0, 0.5])]
    aim = request.param
    if aim == "metric:f1":
        table["y"] = np.where(y > 0.7, "2", "10")  # in the file these stand as numbers
    path = tmp_path_factory.mktemp("shop") / "data.csv"
    table.to_csv(path, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        return choose(table, "y", aim=aim, weight="w", groups="shop", time="none", models="linear", jobs=1), path


def test_the_code_trains_with_the_columns_weights_and_decision_of_the_race(raced):
    import pandas as pd

    found, path = raced
    names = {}
    exec(reading(found, str(path)), names)
    table = pd.read_csv(path, parse_dates=["day"])
    assert names["X"].shape == (240, len(found.problem.table.columns))  # no weight, no group, nothing constant
    np.testing.assert_array_equal(names["X"], found.model.encoder.transform(found.problem.table))
    np.testing.assert_array_equal(names["weight"], table["w"])
    assert "rows = " not in next(r for r in by_hand(found) if r.library == "PyTorch").code  # the table's, read above
    names["X_new"] = names["X"]
    exec(next(r for r in by_hand(found) if r.library == "scikit-learn, linear").code, names)
    if found.classes:
        ours = found.model.predict_label(table)
        assert np.mean(np.array(ours) == names["labels"]) > 0.99
        assert set(names["labels"]) <= set(found.classes)
    else:
        np.testing.assert_allclose(names["predictions"], found.model.predict(table), atol=2e-3)


def test_labels_follow_the_decision():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 50)
    names = np.array(["2", "10", "1"])
    for decision in (
        Decision("argmax"),
        Decision("prior shift", divisors=(0.5, 0.3, 0.2), power=1.0),
        Decision("cost rule", costs=((0.0, 1.0, 7.0), (2.0, 0.0, 1.0), (5.0, 1.0, 0.0))),
    ):
        found = {"np": np, "names": names, "predictions": p}
        exec(_decided(decision), found)
        assert list(found["labels"]) == [names[int(i)] for i in decision.labels(p)]
    found = {"np": np, "names": names, "predictions": p[:, :2]}
    exec(_decided(Decision("threshold", 0.3)), found)
    assert list(found["labels"]) == [names[int(i)] for i in Decision("threshold", 0.3).labels(p[:, 1])]


@pytest.mark.parametrize("aim", ["probability", "label"])
@pytest.mark.parametrize("names", [(8, 9, 10), ("low", "middle", "high"), (False, True)], ids=str)
def test_classes_keep_the_order_of_the_model(names, aim, tmp_path):
    """Sorted as texts, 10 comes before 8, and high before low."""
    table, y = shop()
    table["y"] = np.array(names)[np.digitize(y, [-1.0, 0.5] if len(names) > 2 else [0.0])]
    table.to_csv(tmp_path / "data.csv", index=False)
    found = once(read(tmp_path / "data.csv"), "y", aim=aim, models="linear", groups="shop", time="none")
    names = remade(found, tmp_path / "data.csv", "scikit-learn, linear")
    table = read(tmp_path / "data.csv")
    np.testing.assert_allclose(names["predictions"], found.model.predict(table), atol=2e-3)
    if aim == "label":
        assert list(names["labels"]) == found.model.predict_label(table)


def test_numbers_in_many_spellings_are_the_classes_of_the_model(tmp_path):
    """Texts in Parquet: so many of them are no names of classes, but the numbers are."""
    table, y = shop()
    table["y"] = [f"{bought}.{'0' * (i % 12)}" for i, bought in enumerate((y > 0).astype(int))]
    table.to_parquet(tmp_path / "data.parquet")
    found = once(read(tmp_path / "data.parquet"), "y", aim="label", models="linear", groups="shop", time="none")
    assert found.classes == ("0", "1")
    names = remade(found, tmp_path / "data.parquet", "scikit-learn, linear")
    assert list(names["labels"]) == found.model.predict_label(read(tmp_path / "data.parquet"))


def remade(found, path, library):
    """What the code to copy leaves, run on the file, for every row of it."""
    names = {}
    exec(reading(found, path), names)
    names["X_new"] = names["X"]
    exec(next(r for r in by_hand(found) if r.library == library).code, names)
    return names


def once(*args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        return choose(*args, jobs=1, **options)


SAME = [  # aim, kind of model, code: where one library trains the same loss twice
    ("mean", "lightgbm", "LightGBM"),
    ("probability", "lightgbm", "LightGBM"),
    ("mean", "linear", "scikit-learn, linear"),
    ("median", "linear", "scikit-learn, linear"),
    ("interval:0.8", "linear", "scikit-learn, linear"),
    ("probability", "linear", "scikit-learn, linear"),
]


@pytest.mark.parametrize(("aim", "models", "library"), SAME)
def test_the_code_trains_the_final_model(aim, models, library, tmp_path):
    path = tmp_path / "data.csv"
    messy(path)
    found = once(read(path), "y" if aim != "probability" else "buys", aim=aim, models=models)
    table = read(path)
    names = remade(found, path, library)
    keep = np.flatnonzero(~np.isnan(table.column(found.target).values))
    ours = found.model.predict(table.take(keep))
    assert np.sqrt(np.mean((names["predictions"] - ours) ** 2)) < (1e-6 if models == "lightgbm" else 3e-3) * ours.std()


@pytest.mark.parametrize("library", ["scikit-learn", "XGBoost"])
def test_other_libraries_grow_trees_alike(library, tmp_path):
    path = tmp_path / "data.csv"
    messy(path)
    found = once(read(path), "y", aim="mean", models="lightgbm")
    table = read(path)
    ours = found.model.predict(table.take(np.flatnonzero(~np.isnan(table.column("y").values))))
    assert np.std(remade(found, path, library)["predictions"] - ours) < 0.5 * ours.std()


def messy(path, rows=300, delimiter=";", encoding="cp1252"):
    """A file that says things in its own way: gaps, a name twice, many categories, a class that is called None."""
    rng = np.random.default_rng(1)
    x, town = rng.normal(size=rows), rng.integers(0, 24, rows)
    y = 3 * x + np.where(town % 2, 1.0, -1.0) + rng.normal(size=rows)
    buys = np.array(["None", "yes", "perhaps"])[np.digitize(y, [-1.5, 1.5])]
    age = [str(a) if i % 7 else "?" for i, a in enumerate(rng.integers(20, 60, rows))]
    lines = [["size", "size", "town", "age", "y", "buys"]]
    for i in range(rows):
        goal = " " if i in (3, 4) else f"{y[i]:.4f}"
        lines.append([f"{x[i]:.4f}", f"{rng.normal():.3f}", f"D\u00fcren {town[i]}", age[i], goal, buys[i]])
    path.write_text("\n".join(delimiter.join(cells) for cells in lines) + "\n", encoding=encoding)


def test_any_file_is_read_as_it_was_raced(tmp_path):
    """Semicolons, Windows-1252, one name for two columns, a gap that is a blank, more than 15 towns; and Parquet."""
    import pandas as pd

    path, parquet = tmp_path / "data.csv", tmp_path / "data.parquet"
    messy(path)
    frame = pd.read_csv(path, sep=";", encoding="cp1252", keep_default_na=False)
    frame.to_parquet(parquet)
    for file, goal in ((path, "y"), (path, "buys"), (parquet, "buys")):
        found = once(read(file), goal, models="linear", sample=200)
        names = {}
        exec(reading(found, file), names)
        np.testing.assert_array_equal(names["X"], found.model.encoder.transform(found.whole.table))
        y = np.searchsorted(found.classes, names["y"]) if found.classes else names["y"]
        np.testing.assert_array_equal(y, found.whole.y)
    assert found.classes == ("None", "perhaps", "yes")


def test_the_report_names_the_file_where_it_is_known(tmp_path, monkeypatch):
    found = result("median")
    assert "read(&#39;data.csv&#39;)" in found.report(tmp_path / "a.html").read_text()
    assert "read(&#39;my/visits.parquet&#39;)" in found.report(tmp_path / "b.html", "my/visits.parquet").read_text()
    monkeypatch.setattr("lossmith.choosing.reading.FILE", "other.csv")  # the name stands in one place
    assert "read(&#39;other.csv&#39;)" in found.report(tmp_path / "c.html").read_text()


def test_what_came_beside_the_table_is_to_be_put_in(tmp_path):
    """An exposure, weights, y: arrays that the file need not hold."""
    table, _ = shop()
    table = table[["a", "w"]]
    rng = np.random.default_rng(3)
    size, weight = rng.uniform(0.5, 4, len(table)), rng.uniform(0, 2, len(table))
    weight[:3] = 0.0
    y = rng.poisson(size * np.exp(table["a"])).astype(float)
    found = once(table, np.asarray(y), aim="mean", exposure=size, weight=weight, models="linear", groups="none")
    found = replace(found, chosen=next(c for c in found.candidates if c.offset))
    table.to_csv(tmp_path / "data.csv", index=False)
    lines = reading(found, tmp_path / "data.csv").splitlines()
    put_in = {"y": y, "weight": weight, "exposure": size}
    for i, line in enumerate(lines):
        if "# put in: the" in line:
            exec(line, {"table": read(tmp_path / "data.csv")})  # as it stands, too
            lines[i] = line.split(" =")[0] + " = given[" + repr(line.split(" =")[0]) + "]"
    names = {"given": put_in}
    exec("\n".join(lines), names)
    for name, values in put_in.items():
        np.testing.assert_array_equal(names[name], values[3:])
    np.testing.assert_array_equal(names["X"], found.model.encoder.transform(found.whole.table))
    assert len(names["exposure_new"]) == 5
    table.assign(y=y, exposure=size).to_csv(tmp_path / "whole.csv", index=False)
    code = reading(replace(found, weighted_by="w"), tmp_path / "whole.csv")
    names = {}
    exec(code, names)  # where the file has them, nothing is missing
    np.testing.assert_array_equal(names["exposure"], size)


def test_the_table_is_read_as_the_recipes_need_it(tmp_path):
    found = result("median", hostile=True)
    path = tmp_path / "data.csv"
    columns = {
        c.name: (c.levels and [c.levels[int(v)] for v in c.values]) or c.values for c in found.problem.table.columns
    }
    import pandas as pd

    pd.DataFrame({**columns, found.target: found.problem.y}).to_csv(path, index=False)
    names = {}
    exec(reading(found, str(path)), names)
    exec(next(r for r in recipes(found.chosen) if r.library == "scikit-learn, linear").code, names)
    assert names["predictions"].shape == (5,) and np.isfinite(names["predictions"]).all()
