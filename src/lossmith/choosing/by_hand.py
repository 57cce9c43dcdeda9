"""Code to copy: the chosen loss trained by hand in other libraries, by their own loss where one is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.learners import each_level, posed
from lossmith.choosing.models import BINS, RATE, TOLERANCE, least_leaf, unit_penalty
from lossmith.translation import Row, peers

if TYPE_CHECKING:
    from lossmith.choosing.candidate import Candidate
    from lossmith.choosing.decisions import Decision
    from lossmith.choosing.result import Result
    from lossmith.loss import Loss

SEVERAL = 3  # a number of classes, for a library's loss that must be told one
ROUNDS = 40  # of trees, where no race has tuned them
SAME_STEPS = ("squared_error", "binary_cross_entropy", "cross_entropy")  # which LightGBM's own take as ours do
STEPS = "# LightGBM's own steps for this loss; trees that raced took lossmith's, from loss.to('lightgbm')"
LEVEL = "q"  # the name of a quantile's level, where several are trained
STARTS = {  # of a network: its first answer, and the size of what it adds
    "identity": ("float(np.median(target))", "float(np.std(target))"),
    "log": ("float(np.log(np.mean(target)))", "1.0"),
}


@dataclass(frozen=True)
class Recipe:
    """Code of a library. It needs X (rows, columns of about one size), y and X_new as NumPy arrays, and
    leaves `predictions`.

    Where the aim ends in a class, it leaves `labels` too."""

    library: str
    code: str


@dataclass(frozen=True)
class Tuned:
    """Rounds of trees and the penalty of a linear model, one for all or one for each level that is trained by itself;
    and the fewest rows of a leaf."""

    rounds: tuple[int, ...] = (ROUNDS,)
    l2: tuple[float, ...] = (0.01,)
    leaf: int = 20


UNTOLD = Tuned()


@dataclass(frozen=True)
class Setting:
    """What the code is written for: one training of one loss."""

    loss: Loss
    classes: int
    weighted: bool
    leaf: int
    rounds: int | str  # a text is the name of a variable
    l2: float | str
    level: float | None = None  # printed by name

    @property
    def estimator(self) -> str:
        return "HistGradientBoostingClassifier" if self.classes else "HistGradientBoostingRegressor"

    @property
    def weight(self) -> str:
        return "weight" if self.weighted else "None"

    def shown(self, value: Any) -> str:
        return LEVEL if self.level is not None and value == self.level else repr(value)

    def options(self, params: Mapping[str, Any]) -> str:
        return "".join(f", {name}={self.shown(value)}" for name, value in params.items())

    def ours(self) -> str:
        """The loss, as a user of lossmith writes it."""
        recipe = self.loss.recipe
        own = {} if recipe is None else {k: v for k, v in self.loss.params.items() if v != recipe.parameters[k].default}
        return f"lm.{self.loss.name}({self.options(own)[2:]})"


def by_hand(result: Result) -> list[Recipe]:
    """One recipe a library, for the loss that was chosen, with the settings of the final model; what that has not, such
    as rounds where it is linear, is what did best in the race."""
    rounds = tuple(int(each) for each in _best(result, "lightgbm", ROUNDS))
    tuned = Tuned(rounds, _penalties(result), least_leaf(len(result.whole.y)))
    weighted = result.problem.weight is not None
    found = recipes(result.chosen, len(result.classes), result.chosen.offset, weighted, tuned, result.classes)
    decision = result.evidence.decision
    if decision is None:
        return found
    line = _decided(decision)
    return [Recipe(recipe.library, f"{recipe.code}\n{line}") for recipe in found]


def _best(result: Result, kind: str, untold: float) -> tuple[float, ...]:
    """For each level: the final model's setting if it is of this kind, else the median of the race's folds."""
    final = result.model.fitted
    if final.kind == kind:
        return final.settings
    folds = result.settings.get((result.chosen.label, kind), ())
    return tuple(median(level) for level in zip(*folds, strict=True)) or (untold,) * len(final.settings)


def _penalties(result: Result) -> tuple[float, ...]:
    """Of a linear model, for each level; for y in its own units."""
    chosen, problem, classes = result.chosen, result.whole, len(result.classes)
    y, weight, _, unit = posed(chosen, problem.y, problem.weight, problem.exposures(), classes)
    target = y.astype(np.intp) if classes else y
    return tuple(
        _in_units(each, unit, best * unit_penalty(each.loss(unit), target, weight, classes))
        for each, best in zip(each_level(chosen), _best(result, "linear", 1), strict=True)
    )


def _in_units(chosen: Candidate, unit: float, penalty: float) -> float:
    """The penalty for y, of that for y measured in the unit."""
    loss, plain = chosen.loss(unit), chosen.loss()
    if chosen.positive and unit != 1:  # the logarithm of the unit goes into the intercept
        penalty *= float(plain.gradient([2 * unit], [np.log(unit)])[0] / loss.gradient([2.0], [0.0])[0])
    elif unit != 1:
        penalty *= float(plain.gradient([0.0], [unit])[0] / loss.gradient([0.0], [1.0])[0]) / unit
    return float(f"{penalty:.6g}")


def recipes(
    chosen: Candidate, classes: int = 0, offset: bool = False, weighted: bool = False, tuned: Tuned = UNTOLD,
    ordered: Sequence[str] = (),
) -> list[Recipe]:  # fmt: skip
    """For a target of so many classes, 0 for numbers; with an offset the code needs `exposure` and `exposure_new`, with
    rows of different weight `weight`. `ordered` are the classes as y names them, where sorting would not do."""
    uses_weight = bool(chosen.row_weight or chosen.class_weight or offset or weighted)
    setting = Setting(chosen.loss(), classes, uses_weight, tuned.leaf, tuned.rounds[0], tuned.l2[0])
    found = []
    for library, body in LIBRARIES.items():
        before, after = _before(chosen, classes, offset, weighted, ordered), _after(chosen, offset)
        if chosen.levels and not chosen.band:
            core = _each_level_in_turn(chosen, setting, tuned, library)
            after = ["predictions = np.sort(np.column_stack(ends), axis=1)", *after]
        else:
            core = body(setting)
            if not core:
                continue
            after = ["predictions = found", *after]
        lines = [*before, *core, *after]
        text = "\n".join(lines)
        imports = ["import numpy as np"] if "np." in text else []
        imports += ["import lossmith as lm"] if "lm." in text else []
        found.append(Recipe(library, "\n".join([*imports, *([""] if imports else []), text])))
    return found


def _each_level_in_turn(chosen: Candidate, setting: Setting, tuned: Tuned, library: str) -> list[str]:
    """A loop; what was tuned apart for each level stands beside it."""
    first = chosen.at(chosen.levels[0])
    setting, loop = replace(setting, loss=first.loss(), level=chosen.levels[0]), f"{LEVEL} in {chosen.levels}"
    name = TUNED_BY.get(library)
    values = getattr(tuned, name) if name else ()
    if name and len(set(values)) > 1:
        variable: dict[str, Any] = {name: name}
        setting = replace(setting, **variable)
        loop = f"{LEVEL}, {name} in {list(zip(chosen.levels, values, strict=True))}"
    inside = "\n".join(f"    {line}" if line else "" for line in LIBRARIES[library](setting))
    return [f"ends = []\nfor {loop}:\n{inside}\n    ends.append(found)"]


# what is done to y before, and to predictions after


def _before(chosen: Candidate, classes: int, offset: bool, weighted: bool, ordered: Sequence[str]) -> list[str]:
    lines, own = [], "weight * " if weighted else ""
    if ordered:
        lines.append(f"names = np.array({list(ordered)})  # in the model's order")
        lines.append("places = {name: i for i, name in enumerate(names)}")
        lines.append("target = np.array([places[name] for name in y])  # classes are counted from 0")
    elif classes:
        lines.append("names, target = np.unique(y, return_inverse=True)  # classes are counted from 0")
    elif offset:
        lines.append(f"target, weight = y / exposure, {own}exposure  # a rate, which its exposure weighs")
    elif chosen.transform:
        lines.append(f"target = np.{chosen.transform}(y)")
    else:
        lines.append(f"target = y / {chosen.unit:g}" if chosen.unit != 1 else "target = y")
    if chosen.row_weight:
        lines.append(f"weight = {own}np.mean(np.abs(y)) / np.abs(y)")
    if chosen.class_weight:
        lines.append(f"counts = np.bincount(target{', weights=weight' if weighted else ''})")
        lines.append(f"weight = {own}np.mean(counts) / counts[target]  # every class weighs the same")
    return lines


def _after(chosen: Candidate, offset: bool) -> list[str]:
    lines = []
    if chosen.transform:
        lines.append(f"predictions = np.{'exp' if chosen.transform == 'log' else 'expm1'}(predictions)")
    if chosen.unit != 1:
        lines.append(f"predictions = predictions * {chosen.unit:g}")
    if offset:
        lines.append("predictions = predictions * exposure_new")
    if chosen.class_weight and chosen.undo:
        lines.append("predictions = predictions * counts  # the odds that the weights moved, moved back")
        lines.append("predictions = predictions / predictions.sum(axis=1, keepdims=True)")
    if chosen.band:
        ends = ", ".join(f"{level:g}" for level in chosen.levels)
        lines += [
            "from scipy.stats import norm",
            "spread = np.std(y) * np.sqrt(0.5)  # put in: the standard deviation of y - prediction, on rows held out",
            f"predictions = predictions[:, None] + norm.ppf([{ends}]) * spread",
        ]
    return lines


def _decided(decision: Decision) -> str:
    """The line that makes labels of `predictions`."""
    if decision.threshold is not None:
        return (
            f"labels = np.where(predictions[:, 1] >= {decision.threshold!r}, names[1], names[0])"
            "  # the threshold that did best in the race"
        )
    if decision.costs:
        costs = [list(row) for row in decision.costs]
        return f"labels = names[np.argmin(predictions @ np.array({costs}), axis=1)]  # the smallest expected cost"
    if decision.divisors:
        shares = list(decision.divisors)
        return f"labels = names[np.argmax(predictions / np.array({shares}), axis=1)]  # over the classes' shares"
    return "labels = names[np.argmax(predictions, axis=1)]"


# each library; `found` is the prediction on the natural scale; no lines where it cannot train the loss


def _sklearn(s: Setting) -> list[str]:
    if s.loss.target_kind == "level":  # it makes trees for each class
        return []
    native = _native(s.loss, "sklearn", f"ensemble.{s.estimator}:")
    lines = [f"from sklearn.ensemble import {s.estimator}", ""]
    if native is None:
        lines.append(f"objective = {s.ours()}.to('sklearn').objective()")
        told = "loss=objective"
    else:
        name, params = native
        told = f"loss={name.partition(':')[2]!r}{s.options(params)}"
    lines += [
        f"model = {s.estimator}({told}, max_iter={s.rounds}, max_bins={BINS},",
        f"    min_samples_leaf={s.leaf}, early_stopping=False)",
        f"model.fit(X, target, sample_weight={s.weight})",
    ]
    return [*lines, f"found = model.{'predict_proba' if s.classes else 'predict'}(X_new)"]


def _linear(s: Setting) -> list[str]:
    kind = "LinearClassifier" if s.classes else "LinearRegressor"
    return [
        f"model = lm.{kind}(loss={s.ours()}, l2={s.l2}, tol={TOLERANCE})",
        f"model.fit(X, target, sample_weight={s.weight})",
        f"found = model.{'predict_proba' if s.classes else 'predict'}(X_new)",
    ]


def _boosted(s: Setting, library: str, own: str, table: str, asked: str) -> list[str]:
    """The booster's own loss where it has an equal one, else ours: `own` parameters, its `table`, what is `asked`."""
    native, own = _native(s.loss, library), own.format(leaf=s.leaf)
    if native is None:
        told = ", classes=len(names)" if s.classes else ""
        lines = [
            f"objective = {s.ours()}.to({library!r}{told})",
            f"model = objective.fit(X, target, weight={s.weight}, rounds={s.rounds}, params={{{own}}})",
            "found = model.predict(X_new)",
        ]
    else:
        lines = [
            f"import {library}", "", *([STEPS] if library == "lightgbm" and s.loss.name not in SAME_STEPS else []),
            _params(s, native, own),
            f"model = {library}.train(params, {library}.{table}(X, target, weight={s.weight}), {s.rounds})",
            f"found = model.predict({asked})",
        ]  # fmt: skip
    return [*lines, *_both(s)]


def _params(s: Setting, native: tuple[str, Mapping[str, Any]], own: str) -> str:
    name, params = native
    shown = [f"'objective': {name!r}", *(f"{k!r}: {s.shown(v)}" for k, v in params.items()), own]
    shown += ["'num_class': len(names)"] * (s.classes > 2)
    return f"params = {{{', '.join(shown)}}}"


def _torch(s: Setting) -> list[str]:
    if s.loss.target_kind == "level":  # its thresholds would have to be parameters of the network
        return []
    native = _native(s.loss, "torch", "nn.")
    several = s.classes > 2
    if native is None:
        criterion = f"{s.ours()}.to('torch', reduction='none')"
    else:
        criterion = f"torch.{native[0]}({s.options({**native[1], 'reduction': 'none'})[2:]})"
    start, scale = STARTS.get(s.loss.link.name, ("0.0", "1.0"))
    width = "len(names)" if several else "1"
    answer = {"log": "torch.exp(raw)", "logit": "torch.sigmoid(raw)", "softmax": "torch.softmax(raw, dim=1)"}
    value = "criterion(score(inputs), wanted)"
    lines = [
        "import torch", "", "torch.manual_seed(0)", "middle, width = X.mean(axis=0), X.std(axis=0) + 1e-9",
        "inputs = torch.tensor((X - middle) / width, dtype=torch.float32)",
        f"wanted = torch.tensor(target, dtype={'torch.long' if several else 'torch.float32'})",
        f"start, scale = {start}, {scale}  # so that training begins near the answer",
        f"net = torch.nn.Sequential(torch.nn.Linear(X.shape[1], 32), torch.nn.ReLU(), torch.nn.Linear(32, {width}))",
        f"score = lambda x: start + scale * net(x){'' if several else '[:, 0]'}",
        f"criterion = {criterion}",
        "optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-3)",
        *(["share = torch.tensor(weight / np.mean(weight), dtype=torch.float32)"] if s.weighted else []),
        "for step in range(300):",
        "    optimizer.zero_grad()",
        f"    ({value}{' * share' if s.weighted else ''}).mean().backward()",
        "    optimizer.step()",
        "with torch.no_grad():",
        "    raw = score(torch.tensor((X_new - middle) / width, dtype=torch.float32))",
        f"    found = {answer.get(s.loss.link.name, 'raw')}.numpy()",
    ]  # fmt: skip
    return [*lines, *_both(s)]


def _both(s: Setting) -> list[str]:
    """Of two classes these libraries give the chance of the second."""
    return ["found = np.column_stack([1 - found, found])"] if s.classes == 2 else []


LIBRARIES: Mapping[str, Callable[[Setting], list[str]]] = {
    "scikit-learn": _sklearn,
    "scikit-learn, linear": _linear,
    "LightGBM": partial(
        _boosted, library="lightgbm", table="Dataset", asked="X_new",
        own=f"'learning_rate': {RATE}, 'max_bin': {BINS}, 'min_data_in_leaf': {{leaf}}, 'verbosity': -1",
    ),
    "XGBoost": partial(
        _boosted, library="xgboost", table="DMatrix", asked="xgboost.DMatrix(X_new)",
        own=f"'eta': {RATE}, 'max_bin': {BINS}",
    ),
    "PyTorch": _torch,
}  # fmt: skip
TUNED_BY = {"scikit-learn": "rounds", "scikit-learn, linear": "l2", "LightGBM": "rounds", "XGBoost": "rounds"}


# the libraries' own losses


def _native(loss: Loss, library: str, prefix: str = "") -> tuple[str, dict[str, Any]] | None:
    """The library's name of an equal loss, with the parameters that make it equal; None where it has none."""
    peer = next(peer for peer in peers() if peer.name == library)
    plain = loss.replaced(labels=None)
    for row in peer.rows:
        name = next((name for name in row.names.split() if name.startswith(prefix)), None)
        if name is None or not isinstance(row, Row) or row.differs:
            continue
        for params in _tries(row, plain):
            try:
                equal = _equal(row.loss(**params), plain)
            except (TypeError, ValueError):  # it needs a parameter, or does not take this one
                continue
            if equal:
                return name, {k: v for k, v in params.items() if k != "classes"}  # estimators count them
    return None


def _equal(one: Loss, other: Loss) -> bool:
    """The same numbers for every target; which label a library would leave out does not matter where none is."""
    if one.recipe is None or one.recipe is not other.recipe:
        return one == other
    left = {"ignore_index"}
    return {k: v for k, v in one.params.items() if k not in left} == {
        k: v for k, v in other.params.items() if k not in left
    }


def _tries(row: Row, loss: Loss) -> Iterator[dict[str, Any]]:
    """The row's own defaults, then each of its parameters at each of the loss's values."""
    yield {}
    values: Sequence[Any] = [v for v in loss.params.values() if isinstance(v, float)]
    for name in row.parameters:
        yield from ({name: value} for value in ([SEVERAL] if name == "classes" else values))
