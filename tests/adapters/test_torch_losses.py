"""torch's own losses and ours: the same numbers wherever torch's are right, and the truth where they are not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lossmith as lm
from judges import oracle, references

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

WEIGHT = [0.2, 1.0, 3.0, 0.5]


def reals(rng):
    return 2 * rng.normal(size=60), 2 * rng.normal(size=60)


def labels(rng):
    return 2 * rng.normal(size=60), rng.integers(0, 2, 60).astype(float)


def probabilities(rng):
    return rng.uniform(0.01, 0.99, 60), rng.uniform(size=60)


def signs(rng):
    f, y = labels(rng)
    return f, 2 * y - 1


def counts(rng):
    return rng.normal(size=60), rng.poisson(2.0, 60).astype(float)


def classes(rng):
    return 2 * rng.normal(size=(60, 4)), rng.integers(0, 4, 60)


def some_ignored(rng):
    f, y = classes(rng)
    y[::7] = -100
    return f, y


def log_rows(rng):
    f, y = rng.normal(size=(60, 4)), rng.dirichlet(np.ones(4), 60)
    return f - np.log(np.exp(f).sum(-1, keepdims=True)), y


def score_rows(rng):
    f, y = log_rows(rng)
    return 3 * f, y


@dataclass
class Pair:
    theirs: Callable[[str], Any]  # by reduction
    ours: Callable[[str], Any]
    data: Callable[[Any], tuple[Any, Any]]
    reductions: tuple[str, ...] = ("mean", "sum", "none")


def of(name: str, *, mean: str = "mean", **params: Any) -> Callable[[str], Any]:
    return lambda reduction: lm.get(name, **params).to("torch", reduction=mean if reduction == "mean" else reduction)


def weighted(double: bool = True, **options: Any) -> Callable[[str], Any]:
    return lambda reduction: nn.CrossEntropyLoss(
        weight=torch.tensor(WEIGHT, dtype=torch.float64), reduction=reduction, **options
    )


def vector(*numbers: float) -> Any:
    return torch.tensor(numbers, dtype=torch.float64)


def soft_columns(rng):
    return rng.normal(size=(9, 3)), rng.uniform(size=(9, 3))


def hard_columns(rng):
    return rng.normal(size=(9, 3)), rng.integers(0, 2, (9, 3)).astype(float)


COLUMNS = vector(0.5, 1.0, 3.0)  # a weight for each column


def by_column(name: str, **params: Any) -> Callable[[str], Any]:
    """A weight for each column is a weight for each element; torch's mean divides by their number."""

    def make(reduction: str) -> Any:
        module = lm.get(name, **params).to("torch", reduction="elementwise_mean" if reduction == "mean" else reduction)
        return lambda f, y: module(f, y, weight=COLUMNS.expand_as(f))

    return make


def positives_by_column(reduction: str) -> Any:
    """pos_weight of each column: an input of the formula beside y and f."""
    from lossmith.formula import NonNegative, PerSample, Real, UnitInterval, softplus

    @lm.pointwise(link="logit")
    def multilabel(y: UnitInterval, f: Real, *, pos_weight: PerSample[NonNegative]):
        """Binary cross-entropy with a weight for the positives of each column."""
        return pos_weight * y * softplus(-f) + (1 - y) * softplus(f)

    module = multilabel().to("torch", reduction=reduction)
    return lambda f, y: module(f, y, pos_weight=COLUMNS.expand_as(f))


def hard_positives_by_column(reduction: str) -> Any:
    """Of labels 0 and 1 the weight of an element follows from its label."""
    reduction = "elementwise_mean" if reduction == "mean" else reduction
    module = lm.binary_cross_entropy().to("torch", reduction=reduction)
    return lambda f, y: module(f, y, weight=torch.where(y == 1, COLUMNS, 1.0))


def rows(reduction: str) -> Any:
    """KLDivLoss without reduction has a number per class."""
    return lambda f, y: nn.KLDivLoss(reduction="none")(f, y).sum(-1) if reduction == "none" else nn.KLDivLoss(
        reduction=reduction)(f, y)  # fmt: skip


def one_hot(reduction: str) -> Any:
    module = lm.kl_divergence(log_input=True).to("torch", reduction=reduction)
    return lambda f, y: module(f, nn.functional.one_hot(y, f.shape[-1]).to(f.dtype))


def negative_log(reduction: str) -> Any:
    """NLLLoss is a line in the language."""
    from lossmith.formula import ClassId, NonNegative, PerClass, Scores, pick

    @lm.rowwise(class_factor=lambda y, class_weight: pick(class_weight, y))
    def nll(y: ClassId, f: Scores, *, class_weight: PerClass[NonNegative]):
        """What the log-probability of the true class lacks to 0."""
        return -pick(class_weight, y) * pick(f, y)

    reduction = "weighted_mean" if reduction == "mean" else reduction
    return nll(class_weight=WEIGHT).to("torch", reduction=reduction, ignore_index=-100)


PAIRS = {
    "MSELoss": Pair(lambda r: nn.MSELoss(reduction=r), of("squared_error"), reals),
    "L1Loss": Pair(lambda r: nn.L1Loss(reduction=r), of("absolute_error"), reals),
    "SmoothL1Loss": Pair(lambda r: nn.SmoothL1Loss(beta=0.7, reduction=r), of("smooth_l1", beta=0.7), reals),
    "SmoothL1Loss, beta 0": Pair(lambda r: nn.SmoothL1Loss(beta=0.0, reduction=r), of("smooth_l1", beta=0.0), reals),
    "HuberLoss": Pair(lambda r: nn.HuberLoss(delta=0.7, reduction=r), of("huber", delta=0.7), reals),
    "BCEWithLogitsLoss": Pair(lambda r: nn.BCEWithLogitsLoss(reduction=r), of("binary_cross_entropy"), labels),
    "BCEWithLogitsLoss, pos_weight": Pair(
        lambda r: nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0, dtype=torch.float64), reduction=r),
        of("binary_cross_entropy", pos_weight=3.0), labels,
    ),
    "BCEWithLogitsLoss, weight": Pair(
        lambda r: nn.BCEWithLogitsLoss(weight=COLUMNS, reduction=r), by_column("binary_cross_entropy"), soft_columns
    ),
    "BCEWithLogitsLoss, pos_weight of each column": Pair(
        lambda r: nn.BCEWithLogitsLoss(pos_weight=COLUMNS, reduction=r), positives_by_column, soft_columns
    ),
    "BCEWithLogitsLoss, pos_weight of each column, labels": Pair(
        lambda r: nn.BCEWithLogitsLoss(pos_weight=COLUMNS, reduction=r), hard_positives_by_column, hard_columns
    ),
    "BCELoss, weight": Pair(
        lambda r: nn.BCELoss(weight=COLUMNS, reduction=r), by_column("binary_cross_entropy", from_logits=False),
        lambda rng: (rng.uniform(0.01, 0.99, (9, 3)), rng.uniform(size=(9, 3))),
    ),
    "BCELoss": Pair(
        lambda r: nn.BCELoss(reduction=r), of("binary_cross_entropy", from_logits=False), probabilities
    ),
    "SoftMarginLoss": Pair(
        lambda r: nn.SoftMarginLoss(reduction=r), of("binary_cross_entropy", labels=(-1, 1)), signs
    ),
    "MultiLabelSoftMarginLoss": Pair(
        lambda r: nn.MultiLabelSoftMarginLoss(reduction=r), of("binary_cross_entropy"),
        lambda rng: (rng.normal(size=(9, 5)), rng.integers(0, 2, (9, 5)).astype(float)), ("mean",),
    ),
    "MultiLabelSoftMarginLoss, weight": Pair(
        lambda r: nn.MultiLabelSoftMarginLoss(weight=COLUMNS, reduction=r), by_column("binary_cross_entropy"),
        hard_columns, ("mean",),
    ),
    "PoissonNLLLoss": Pair(lambda r: nn.PoissonNLLLoss(reduction=r), of("poisson"), counts),
    "CrossEntropyLoss": Pair(lambda r: nn.CrossEntropyLoss(reduction=r), of("cross_entropy"), classes),
    "CrossEntropyLoss, ignore_index": Pair(
        lambda r: nn.CrossEntropyLoss(reduction=r), of("cross_entropy", ignore_index=-100), some_ignored
    ),
    "CrossEntropyLoss, label_smoothing": Pair(
        lambda r: nn.CrossEntropyLoss(label_smoothing=0.2, reduction=r), of("cross_entropy", label_smoothing=0.2),
        classes,
    ),
    "CrossEntropyLoss, weight": Pair(
        weighted(), of("cross_entropy", mean="weighted_mean", class_weight=WEIGHT), classes
    ),
    "CrossEntropyLoss, weight, label_smoothing, ignore_index": Pair(
        weighted(label_smoothing=0.2),
        of("cross_entropy", mean="weighted_mean", class_weight=WEIGHT, label_smoothing=0.2, ignore_index=-100),
        some_ignored,
    ),
    "CrossEntropyLoss of rows": Pair(lambda r: nn.CrossEntropyLoss(reduction=r), of("cross_entropy"), score_rows),
    "CrossEntropyLoss of rows, weight": Pair(weighted(), of("cross_entropy", class_weight=WEIGHT), score_rows),
    "CrossEntropyLoss of rows, weight, label_smoothing": Pair(
        weighted(label_smoothing=0.2), of("cross_entropy", class_weight=WEIGHT, label_smoothing=0.2), score_rows
    ),
    "NLLLoss, weight, ignore_index": Pair(
        lambda r: nn.NLLLoss(weight=vector(*WEIGHT), reduction=r), negative_log, some_ignored
    ),
    "NLLLoss": Pair(lambda r: nn.NLLLoss(reduction=r), one_hot, lambda rng: (log_rows(rng)[0], classes(rng)[1])),
    "KLDivLoss": Pair(rows, of("kl_divergence", log_input=True), log_rows, ("sum", "none")),
    "KLDivLoss, batchmean": Pair(
        lambda _: nn.KLDivLoss(reduction="batchmean"), of("kl_divergence", log_input=True), log_rows, ("mean",)
    ),
    "KLDivLoss, mean": Pair(
        lambda _: nn.KLDivLoss(reduction="mean"), of("kl_divergence", mean="elementwise_mean", log_input=True),
        log_rows, ("mean",),
    ),
    "KLDivLoss, log_target": Pair(
        lambda _: lambda f, y: nn.KLDivLoss(reduction="batchmean", log_target=True)(f, y.log()),
        of("kl_divergence", log_input=True), log_rows, ("mean",),
    ),
    "MultiMarginLoss": Pair(lambda r: nn.MultiMarginLoss(reduction=r), of("multi_margin"), classes),
    "MultiMarginLoss, p and margin": Pair(
        lambda r: nn.MultiMarginLoss(p=2, margin=0.5, reduction=r), of("multi_margin", p=2, margin=0.5), classes
    ),
    "MultiMarginLoss, weight": Pair(
        lambda r: nn.MultiMarginLoss(weight=vector(*WEIGHT), reduction=r),
        lambda r: lm.multi_margin().class_weighted(dict(enumerate(WEIGHT))).to("torch", reduction=r), classes,
    ),
    "GaussianNLLLoss": Pair(
        lambda r: lambda f, y: nn.GaussianNLLLoss(reduction=r)(f[:, 0], y, torch.exp(2 * f[:, 1])),
        of("gaussian_nll"), lambda rng: (rng.normal(size=(60, 2)), rng.normal(size=60)),
    ),
    "GaussianNLLLoss, full": Pair(
        lambda r: lambda f, y: nn.GaussianNLLLoss(full=True, reduction=r)(f[:, 0], y, torch.exp(2 * f[:, 1])),
        of("gaussian_nll", full=True), lambda rng: (rng.normal(size=(60, 2)), rng.normal(size=60)),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # torch of KLDivLoss
@pytest.mark.parametrize("name", PAIRS)
def test_the_same_numbers_as_torch(name):
    pair = PAIRS[name]
    f, y = (torch.from_numpy(np.asarray(x)) for x in pair.data(np.random.default_rng(7)))
    f.requires_grad_()
    for reduction in pair.reductions:
        found = []
        for module in (pair.ours(reduction), pair.theirs(reduction)):
            value = module(f, y)
            found.append((value, torch.autograd.grad(value.sum(), f)[0]))
        (value, gradient), (their_value, their_gradient) = found
        assert value.shape == their_value.shape
        torch.testing.assert_close(value, their_value, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(gradient, their_gradient, rtol=1e-11, atol=1e-15)


def test_the_hinge_of_a_distance_is_one_formula():
    """HingeEmbeddingLoss is not in the catalogue: it is a line in the language."""
    from lossmith.formula import Label, Positive, Real, maximum, where

    @lm.pointwise
    def hinge_embedding(y: Label, f: Real, *, margin: Positive = 1.0):
        """A distance where the pair belongs together, what it lacks to a margin where not."""
        return where(y == 1, f, maximum(0, margin - f))

    distance, y = torch.rand(20, dtype=torch.float64) * 2, torch.tensor([1.0, -1.0] * 10).double()
    ours = hinge_embedding(labels=(-1, 1)).to("torch")(distance, y)
    torch.testing.assert_close(ours, nn.HingeEmbeddingLoss()(distance, y))


# where torch is wrong -------------------------------------------------------------------------------------------------


@dataclass
class Wrong:
    """One sample where torch's value or gradient is not the truth."""

    name: str
    params: dict[str, Any]
    theirs: Callable[[Any, Any], Any]
    f: Any
    y: Any
    what: str = "value"
    dtype: str = "float64"


def _log_rate(full):
    return lambda f, y: nn.functional.poisson_nll_loss(f, y, full=full)


WRONG = {
    "BCEWithLogitsLoss, confident and right: 0": Wrong(
        "binary_cross_entropy", {}, nn.functional.binary_cross_entropy_with_logits, -40.0, 0.0
    ),
    "BCEWithLogitsLoss, its gradient there: 0": Wrong(
        "binary_cross_entropy", {}, nn.functional.binary_cross_entropy_with_logits, 40.0, 1.0, "gradient"
    ),
    "BCEWithLogitsLoss at -inf for the label 0: NaN": Wrong(
        "binary_cross_entropy", {}, nn.functional.binary_cross_entropy_with_logits, -np.inf, 0.0
    ),
    "CrossEntropyLoss, confident and right: 0": Wrong(
        "cross_entropy", {}, nn.functional.cross_entropy, [40.0, 0.0, 0.0], 0
    ),
    "CrossEntropyLoss, its gradient there: 0": Wrong(
        "cross_entropy", {}, nn.functional.cross_entropy, [40.0, 0.0, 0.0], 0, "gradient"
    ),
    "BCELoss of a wrong certainty: 100": Wrong(
        "binary_cross_entropy", {"from_logits": False}, nn.functional.binary_cross_entropy, 0.0, 1.0
    ),
    "BCELoss below e^-100: 100": Wrong(
        "binary_cross_entropy", {"from_logits": False}, nn.functional.binary_cross_entropy, 1e-50, 1.0
    ),
    "BCELoss, its gradient there: divided by 1e-12": Wrong(
        "binary_cross_entropy", {"from_logits": False}, nn.functional.binary_cross_entropy, 1e-50, 1.0, "gradient"
    ),
    "SoftMarginLoss far on the wrong side: infinite": Wrong(
        "binary_cross_entropy", {},
        lambda f, y: nn.functional.soft_margin_loss(f, 2 * y - 1), 800.0, 0.0,
    ),
    "PoissonNLLLoss(full=True): Stirling's formula for log y!": Wrong(
        "poisson", {"full": True}, _log_rate(True), 0.5, 2.0
    ),
    "PoissonNLLLoss(log_input=False): eps is added to the rate": Wrong(
        "poisson", {"log_input": False},
        lambda f, y: nn.functional.poisson_nll_loss(f, y, log_input=False), 1e-9, 1.0,
    ),
    "GaussianNLLLoss of a small variance: eps instead": Wrong(
        "gaussian_nll", {},
        lambda f, y: nn.functional.gaussian_nll_loss(f[:, 0], y, torch.exp(2 * f[:, 1])), [1e-4, -10.0], 0.0,
    ),
    "MSELoss in half precision: infinite": Wrong(
        "squared_error", {}, nn.functional.mse_loss, 300.0, 0.0, dtype="float16"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_the_truth_where_torch_is_wrong(what):
    case = WRONG[what]
    loss, half = lm.get(case.name, **case.params), case.dtype == "float16"
    dtype = torch.float16 if half else torch.float64
    f = torch.tensor([case.f], dtype=dtype, requires_grad=True)
    y = torch.tensor([case.y]) if isinstance(case.y, int) else torch.tensor([case.y], dtype=dtype)
    rowwise = loss.kind == "rowwise"
    truth, found = [], []
    if case.what == "value":
        truth = [references.truth(case.name, case.y, case.f, **_reference_params(case))]
    else:
        formula = next(iter(loss.formulas.values()))
        env = oracle.environment(formula, loss.params, case.y, case.f, "float64")
        truth = oracle.outputs(formula, "gradient", env, len(case.f) if rowwise else 0)
    for module in (loss.to("torch"), case.theirs):
        value = module(f, y)
        found.append(value if case.what == "value" else torch.autograd.grad(value, f)[0])
    ours, theirs = (np.atleast_1d(x.detach().double().numpy().squeeze()) for x in found)
    kind = np.float32 if half else np.float64
    reach = np.max(np.abs(np.atleast_1d(case.f)))
    condition = 1 + reach if np.isfinite(reach) else 1  # of what falls like e^-f
    assert max(oracle.ulps(kind(a), b, kind) for a, b in zip(ours, truth, strict=True)) <= 4 * condition
    assert max(oracle.ulps(kind(a), b, kind) for a, b in zip(theirs, truth, strict=True)) > 1e4


def _reference_params(case):
    return {key: value for key, value in lm.get(case.name, **case.params).params.items() if key in case.params}


def test_nothing_to_average_is_said():
    """torch's mean of nothing is NaN, and training goes on with it."""
    scores, ids = torch.randn(2, 3), torch.tensor([-100, -100])
    assert torch.isnan(nn.CrossEntropyLoss()(scores, ids))
    with pytest.raises(ValueError, match="nothing to average"):
        lm.cross_entropy(ignore_index=-100).to("torch")(scores, ids)


def test_shapes_are_not_broadcast():
    """torch warns and averages a square of differences."""
    with pytest.warns(UserWarning, match="target size"):
        assert nn.MSELoss()(torch.zeros(8, 1), torch.arange(8.0)).item() == 17.5
    with pytest.raises(ValueError, match="shapes must be equal"):
        lm.squared_error().to("torch")(torch.zeros(8, 1), torch.arange(8.0))
