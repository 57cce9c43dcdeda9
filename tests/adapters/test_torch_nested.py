"""Transformations of torch.func inside each other: what they make of the same loss in plain tensor operations."""

import itertools

import pytest

import lossmith as lm

torch = pytest.importorskip("torch")

from torch.func import jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402
from torch.nn.functional import cross_entropy, log_softmax  # noqa: E402

from lossmith.adapters.torch import functional  # noqa: E402


def spaced(x):
    return torch.linspace(-1, 2, x.numel(), dtype=x.dtype).reshape(x.shape)


def pulled(call):
    def run(x):
        value, back = vjp(call, x)
        return back(spaced(value))[0]

    return run


STEPS = {
    "jacfwd": jacfwd,
    "jacrev": jacrev,
    "jvp": lambda call: lambda x: jvp(call, (x,), (spaced(x),))[1],
    "vjp": pulled,
    "vmap": lambda call: lambda x: vmap(call)(torch.stack([x, 0.9 * x])),
}
WEIGHT = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
REAL, IDS = torch.tensor([0.1, -0.4, 2.0], dtype=torch.float64), torch.tensor([2, 0, 1])
SCORES = torch.tensor([[0.5, 1.3, -0.7, 0.1], [0.2, -1.1, 0.4, 0.9], [-0.3, 0.8, 1.7, 0.6]], dtype=torch.float64)


def of_focus(f):
    surprise = -log_softmax(f, -1)[range(3), IDS]
    return (1 - (-surprise).exp()) ** 2 * surprise


CASES = {  # a loss of f, and the same as torch would say it
    "numbers": (lm.pseudo_huber(), REAL, SCORES[:, 0], lambda f: torch.sqrt(1 + (f - REAL) ** 2) - 1),
    "rows": (lm.cross_entropy(), IDS, SCORES, lambda f: cross_entropy(f, IDS, reduction="none")),
    "focal rows": (lm.focal_cross_entropy(), IDS, SCORES, of_focus),
    "two predictions": (
        lm.gaussian_nll(), REAL, SCORES[:, :2], lambda f: ((REAL - f[:, 0]) / f[:, 1].exp()) ** 2 / 2 + f[:, 1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_nesting_is_that_of_the_plain_formula(case, depth):
    loss, y, f, formula = CASES[case]
    chains = list(itertools.product(STEPS, repeat=depth))
    for number, chain in enumerate(chains if depth < 3 else chains[::2]):
        weight, reduction = (WEIGHT, None)[number % 2], ("sum", "none")[number // 2 % 2]

        def ours(x, weight=weight, reduction=reduction):
            return functional(loss, x, y, weight=weight, reduction=reduction)

        def plain(x, weight=weight, reduction=reduction):
            each = formula(x) if weight is None else weight * formula(x)
            return each if reduction == "none" else each.sum()

        for step in chain:
            ours, plain = STEPS[step](ours), STEPS[step](plain)
        if sum(step != "vmap" for step in chain) == 3:
            with pytest.raises(RuntimeError, match="third derivatives"):
                ours(f)
        else:
            torch.testing.assert_close(ours(f), plain(f), msg=lambda text, chain=chain: f"{chain}: {text}")


def test_what_has_no_derivative_says_so_inside_another_too():
    y, weight = REAL, WEIGHT
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            with pytest.raises(RuntimeError, match="in y_pred only"):
                outer(lambda y, inner=inner: inner(lambda f: lm.pseudo_huber()(y, f))(REAL + 1))(y)
        with pytest.raises((RuntimeError, ValueError), match=r"in y_pred only|weight requires a gradient"):
            outer(lambda w: jacfwd(lambda f: lm.pseudo_huber()(y, f, weight=w))(REAL + 1))(weight)
