"""The final model: what it predicts, what it asks of new tables, and that a saved one is data and nothing else."""

import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lossmith as lm
from lossmith.choosing import ChoiceError
from lossmith.choosing.cards import card_of
from lossmith.choosing.final import _as_in_training
from lossmith.choosing.learners import Rowset
from lossmith.choosing.tables import column_from_any

from .quick import result, table

pytestmark = pytest.mark.slow

MODELS = {
    "median": {"aim": "median"},
    "trees": {"aim": "median", "models": "lightgbm"},
    "interval": {"aim": "interval:0.8"},
    "chances": {"aim": "probability", "classes": 2},
    "labels": {"aim": "balanced-label", "classes": 3},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: result(**made).model.save(folder / f"{name}.lossmith") for name, made in MODELS.items()}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_loaded_model_predicts_the_same_bits(saved, name, tmp_path):
    model, again, (X, _) = result(**MODELS[name]).model, lm.load_model(saved[name]), table()
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.table(X) == model.table(X)
    assert again.card() == model.card()
    assert again.loss == model.loss
    for part in model.fitted.parts:  # products of one layout have one order of their terms
        assert name == "trees" or part.coef.flags.c_contiguous
    assert again.save(tmp_path / "again").read_bytes() == saved[name].read_bytes()


def test_numbers_are_in_the_users_units():
    (X, y), model = table(), result("median").model
    assert 0.35 < np.mean(y <= model.predict(X)) < 0.65
    low, high = result("interval:0.8").model.predict(X).T
    assert (low <= high).all() and 0.7 < np.mean((low <= y) & (y <= high)) < 0.9
    assert list(result("interval:0.8").model.table(X)) == ["quantile 0.1", "quantile 0.9"]
    with pytest.raises(ChoiceError, match="has no classes"):
        model.predict_label(X)


def test_classes_have_chances_and_a_label():
    X, _ = table()
    found = result("probability", classes=2)
    chances = found.model.predict(X)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert list(found.model.table(X)) == ["probability of no", "probability of yes", "label"]
    assert found.model.predict_label(X) == [("no", "yes")[i] for i in chances.argmax(axis=1)]
    balanced = result("balanced-label", classes=3)
    decided = balanced.evidence.decision.labels(balanced.model.predict(X))
    assert balanced.model.predict_label(X) == [balanced.classes[int(i)] for i in decided]


def test_the_model_is_that_of_the_chosen_loss():
    """As trained by hand on the same encoded columns."""
    (X, y), found = table(), result("median")
    model = found.model
    encoded = model.encoder.transform(found.problem.table)
    unit, shift = model.fitted.scale.unit, model.fitted.scale.shift
    raw = encoded @ model.fitted.parts[0].coef[0] + model.fitted.parts[0].intercept[0]
    np.testing.assert_allclose(model.predict(X), shift + unit * raw)
    assert np.abs(y - model.predict(X)).mean() < np.abs(y - y.median()).mean()


@pytest.mark.parametrize(("skill", "says"), [(0.1, "is 10.0% below that of"), (-0.1, "is 10.0% above that of")])
def test_the_card_says_on_which_side_of_the_constant_the_model_lies(skill, says):
    found = result("median")
    worse = replace(found, table=[replace(row, skill=skill) for row in found.table])
    assert says in " ".join(card_of(worse)["How it was judged"])


@pytest.mark.parametrize(
    "new",
    [
        [1, 0, 0, 1],
        [1.0, 0.0, None, 1.0],
        ["True", "False", "False", "True"],
        ["true", "FALSE", None, "true"],
        [True, False, False, True],
    ],
)
def test_true_and_false_are_known_in_numbers_and_words(new):
    column = _as_in_training(column_from_any(new, "flag"), "boolean", ())
    assert column.kind == "boolean"
    np.testing.assert_array_equal(column.values[[0, 1, 3]], [1, 0, 1])


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ([0, 1, 2], "held true and false in training, here it holds numbers .first: '2' in data row 3"),
        (["yes", "no"], "here it holds texts .first: 'yes' in data row 1"),
        (["True", "maybe"], "here it holds texts .first: 'maybe' in data row 2"),
    ],
)
def test_what_is_neither_true_nor_false_is_refused(new, says):
    with pytest.raises(ChoiceError, match=says):
        _as_in_training(column_from_any(new, "flag"), "boolean", ())


def test_new_tables_are_checked_by_name():
    X, _ = table()
    model = result("median").model
    expected = model.predict(X)
    np.testing.assert_array_equal(model.predict(X[["size", "colour", "x"]].assign(more=1)), expected)
    np.testing.assert_array_equal(model.predict(X[:1]), expected[:1])
    unseen = model.predict(X.assign(colour="green"))
    np.testing.assert_array_equal(unseen, model.predict(X.assign(colour=X["colour"].mode()[0])))
    assert "or as the commonest one" in model.card()
    assert np.isfinite(model.predict(X.assign(x=np.nan, colour=None))).all()
    again = X[["x", "colour", "size"]].set_axis(["x", "colour", "x"], axis=1)
    with pytest.raises(ChoiceError, match="two columns are named 'x', which the model needs; rename one"):
        model.predict(again.assign(size=1.0))
    for change, says in (
        ({"x": ["a"] * len(X)}, "'x' held numbers in training, here it holds texts .first: 'a' in data row 1"),
        ({"x": np.inf}, "'x' has 240 infinite"),
        ({"x": ["1.5"] * 239 + ["oops"]}, "'x' held numbers in training; here 1 cell does not .first: 'oops'"),
        ({"x": pd.Timestamp("2024-01-01")}, "'x' held numbers in training, here it holds dates"),
        ({"colour": pd.Timestamp("2024-01-01")}, "'colour' held texts in training, here it holds dates"),
    ):
        with pytest.raises(ChoiceError, match=says):
            model.predict(X.assign(**change))
    with pytest.raises(ChoiceError, match="no column 'x' and 1 more, which the model needs; it has colour"):
        model.predict(X[["colour"]])


def test_numbers_in_a_column_of_texts_are_codes():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"code": rng.choice(["1", "2", "A"], 200)})
    y = np.where(X["code"] == "2", 5.0, 1.0) + rng.normal(size=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        model = lm.choose(X, y, aim="mean", models="linear", jobs=1).model
    np.testing.assert_array_equal(model.predict({"code": [1, 2]}), model.predict({"code": ["1", "2"]}))


def test_rates_are_multiplied_by_the_exposure(tmp_path):
    X, _ = table()
    size = np.random.default_rng(1).uniform(0.5, 4, len(X))
    counts = np.random.default_rng(2).poisson(size * np.exp(X["x"] / 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        found = lm.choose(X.assign(size=size), counts, exposure="size", aim="mean", models="linear", jobs=1)
    poisson = next(c for c in found.candidates if c.offset)
    model = replace(found, verdict="NOT SHOWN", chosen=poisson).model  # whatever the verdict, it can be trained
    one = model.predict(X.assign(size=1.0))
    np.testing.assert_allclose(model.predict(X.assign(size=3.0)), 3 * one)
    assert model.predict(X.assign(size=size)).sum() == pytest.approx(counts.sum(), rel=1e-3)
    again = lm.load_model(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(X.assign(size=2.0)), model.predict(X.assign(size=2.0)))
    for bad in (0.0, np.nan):
        with pytest.raises(ChoiceError, match="exposure 'size' must be above zero, without gaps; data row 1"):
            model.predict(X.assign(size=bad))


def test_the_file_holds_no_code(saved):
    for path in saved.values():
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            assert set(names) <= {"model.json", "card.md", "trees-0.txt"}
            assert json.loads(file.read("model.json"))["lossmith model"] == 1
            assert file.read("card.md").startswith(b"# Model card")
            assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in file.infolist())
    import lightgbm

    with zipfile.ZipFile(saved["trees"]) as file:
        text = file.read("trees-0.txt").decode()
    assert lightgbm.Booster(model_str=text).num_trees() > 0


def rewritten(path, out, change):
    """The same file with its texts changed."""
    with zipfile.ZipFile(path) as old:
        texts = {name: old.read(name).decode() for name in old.namelist()}
    change(texts)
    with zipfile.ZipFile(out, "w") as new:
        for name, text in texts.items():
            new.writestr(name, text)
    return out


def in_json(**changes):
    def change(texts):
        content = json.loads(texts["model.json"])
        for name, value in changes.items():
            *path, last = name.split("__")
            place = content
            for step in path:
                place = place[int(step) if step.isdigit() else step]
            place[last] = value
        texts["model.json"] = json.dumps(content)

    return change


def in_trees(pattern, text):
    def change(texts):
        assert re.search(pattern, texts["trees-0.txt"])
        texts["trees-0.txt"] = re.sub(pattern, text, texts["trees-0.txt"], count=1)

    return change


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("median", lambda texts: texts.pop("model.json"), "has no model.json"),
        ("median", lambda texts: texts.update({"../evil": "x"}), "it holds '../evil'"),
        ("median", lambda texts: texts.update({"model.json": "{"}), "damaged"),
        ("median", lambda texts: texts.update({"model.json": "[" * 100_000}), "damaged"),
        ("median", lambda texts: texts.update({"model.json": "[]"}), "not a model"),
        ("median", in_json(**{"lossmith model": 2}), "saved by a newer lossmith .format 2"),
        ("median", in_json(fitted__kind="pickle"), "damaged"),
        ("median", in_json(fitted__parts=[{"coef": [[1.0]], "intercept": [0.0], "classes": 0}]), "do not fit"),
        ("median", in_json(loss={"lossmith": 1, "name": "os.system"}), "no loss called"),
        ("median", in_json(columns={"x": "number"}), "do not fit its encoder"),
        ("median", in_json(exposure="nothing"), "exposure is none"),
        ("median", in_json(target=7), "not a text"),
        ("median", in_json(fitted__scale__shift=None), "damaged"),
        ("median", in_json(fitted__scale__shift="abc"), "scale is not finite"),
        ("median", in_json(fitted__scale__unit=0.0), "unit is not above zero"),
        ("median", in_json(fitted__scale__transform="eval"), "transformed in another way"),
        ("median", in_json(levels=[0.1, 0.9]), "1 parts for 2 levels"),
        ("median", in_json(classes=["a", "b"]), "0 classes in a model of 2"),
        ("median", in_json(decision={"rule": "argmax", "threshold": None, "divisors": [], "power": None, "costs": []}),
         "does not fit its classes"),
        ("labels", in_json(decision__divisors=[0.5, 0.5]), "does not fit its classes"),
        ("labels", in_json(decision__costs=[[0, 1], [1, 0]]), "does not fit its classes"),
        ("labels", in_json(decision__threshold=0.5), "threshold"),
        ("labels", in_json(decision__rule="exec"), "another rule"),
        ("chances", in_json(fitted__losses=[{"lossmith": 1, "name": "cross_entropy"}]), "damaged"),
        ("trees", lambda texts: texts.pop("trees-0.txt"), "damaged"),
        ("trees", in_trees(r"left_child=-?\d+", "left_child=9999"), "a node's child is not there"),
        ("trees", in_trees(r"left_child=-?\d+", "left_child=0"), "a node's child is not there"),
        ("trees", in_trees(r"split_feature=\d+", "split_feature=77"), "a column that is not there"),
        ("trees", in_trees(r"leaf_value=\S+ ", "leaf_value="), "leaf_value holds"),
        ("trees", in_trees(r"threshold=\S+", "threshold=nan"), "threshold is not finite"),
        ("trees", in_trees(r"num_leaves=\d+", "num_leaves=1000000000"), "of another kind"),
        ("trees", in_trees(r"num_cat=0", "num_cat=3"), "of another kind"),
        ("trees", in_trees(r"max_feature_idx=\d+", "max_feature_idx=90000"), "90001 columns"),
        ("trees", in_trees(r"num_class=1", "num_class=5"), "5 and 1 outputs"),
        ("trees", in_trees(r"num_tree_per_iteration=1", "num_tree_per_iteration=2"), "1 and 2 outputs"),
        ("trees", in_trees(r"(split_feature=)(.*)", r"\g<1>77 \2\n\n\1\2"), "the line ''"),
        ("trees", in_trees(r"(split_feature=)(.*)", r"\g<1>77 \2\n\1\2"), "the line 'split_feature="),
        ("trees", in_trees(r"(split_feature=)(.*)", "\\g<1>77 \\2\x0b\\1\\2"), "a character that no tree has"),
        ("trees", in_trees(r"(split_feature=)(.*)", r"\1\2\r"), "a character that no tree has"),
        ("trees", in_trees(r"label_index=", "objective=nonsense\nlabel_index="), "the line 'objective=nonsense'"),
        ("trees", in_trees(r"decision_type=\d+", "decision_type=12"), "a column that is not there"),
        ("trees", in_trees(r"^tree", "three"), "its head is not that of trees"),
    ],
)
def test_what_is_damaged_or_hostile_is_refused(saved, tmp_path, name, change, says):
    with pytest.raises(ChoiceError, match=says):
        lm.load_model(rewritten(saved[name], tmp_path / "m.lossmith", change))


def bent(content, rng):
    """Another byte in one place."""
    place = int(rng.integers(len(content)))
    return content[:place] + bytes([content[place] ^ int(rng.integers(1, 128))]) + content[place + 1 :]


@pytest.mark.parametrize("name", ["trees", "labels"])
def test_one_byte_that_is_wrong_is_refused_or_predicts_all_the_same(saved, name, tmp_path):
    (X, _), rng, path, refused = table(), np.random.default_rng(0), tmp_path / "m", 0

    def load():
        try:
            model = lm.load_model(path)
            return model.table(X[:3])
        except ChoiceError:
            return None

    for _ in range(100):
        path.write_bytes(bent(saved[name].read_bytes(), rng))
        refused += load() is None
    assert refused > 80  # the rest changes what no reader of a zip looks at
    with zipfile.ZipFile(saved[name]) as file:
        parts = {part: file.read(part) for part in file.namelist() if part != "card.md"}
    for part in parts:
        for _ in range(100):
            with zipfile.ZipFile(path, "w") as file:
                for other, content in parts.items():
                    file.writestr(other, bent(content, rng) if other == part else content)
            found = load()
            assert found is None or {len(column) for column in found.values()} == {3}


def test_a_locked_file_is_refused(saved, tmp_path):
    content = bytearray(saved["median"].read_bytes())
    for mark, flag in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        for found in re.finditer(re.escape(mark), bytes(content)):
            content[found.start() + flag] |= 1
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ChoiceError, match=r"not a saved model: .* encrypted"):
        lm.load_model(tmp_path / "m")


def test_sizes_and_names_of_trees_that_lie_are_not_believed(saved, tmp_path):
    X, _ = table()
    sizes = in_trees(r"feature_infos=.*", "tree_sizes=999999999 1 1")
    lying = rewritten(saved["trees"], tmp_path / "m", sizes)
    lying = rewritten(lying, tmp_path / "n", in_trees(r"feature_names=.*", "feature_names=a"))
    np.testing.assert_array_equal(lm.load_model(lying).predict(X), lm.load_model(saved["trees"]).predict(X))


def test_what_is_no_model_is_refused(saved, tmp_path, monkeypatch):
    for content in (b"", b"a,b\n1,2\n", b"PK\x03\x04" + b"\0" * 40, saved["median"].read_bytes()[:-30]):
        path = tmp_path / "m"
        path.write_bytes(content)
        with pytest.raises(ChoiceError, match="not a saved model"):
            lm.load_model(path)
    with pytest.raises(ChoiceError, match="no file"):
        lm.load_model(tmp_path / "nothing")
    with pytest.raises(ChoiceError, match="no folder"):
        result("median").model.save(tmp_path / "no" / "folder")
    monkeypatch.setattr("lossmith.choosing.storage.MOST_BYTES", 1000)
    with pytest.raises(ChoiceError, match="unpacks to more"):
        lm.load_model(saved["median"])


def test_the_card_says_what_matters_and_escapes_names():
    card = result("median", hostile=True).model.card()
    for part in ("## What it is for", "the median", "240 rows", "absolute_error"):
        assert part in card
    assert "\\<b\\>spend" in card and "<script>" not in card


def test_the_final_model_is_tuned_on_as_many_splits_as_in_a_fold(monkeypatch):
    from lossmith.choosing import race

    cases = ((result("median"), race.DECIDING), (result("balanced-label", classes=3), race.DECIDING))
    seen, made = [], race.inner
    monkeypatch.setattr(race, "inner", lambda y, order, count, seed: seen.append(count) or made(y, order, count, seed))
    for found, count in cases:
        trained = replace(found).model  # not the one that other tests have asked for
        assert seen == [count]
        again, encoder = race.fit_final(found.problem, found.chosen, found.final_kind)
        expected = again.predict(Rowset(encoder.transform(found.problem.table)))
        np.testing.assert_array_equal(trained.fitted.predict(Rowset(encoder.transform(found.problem.table))), expected)
        seen.clear()


