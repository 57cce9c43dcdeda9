"""The bug museum's reports about losses in PyTorch (rows ADP), replayed on the module."""

import pytest

import lossmith as lm
from lossmith.engine.threads import thread_count

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402


def slope(value, at):
    return torch.autograd.grad(value, at)[0]


def test_adp_01_a_transposed_input_is_no_other_input():
    wide = torch.randn(4, 3, 5).transpose(0, 1)  # (S, B, V) seen as (B, S, V)
    ids = torch.randint(0, 5, (3, 4))
    for module in (lm.cross_entropy().to("torch"), lm.cross_entropy().to("torch", reduction="none")):
        found = []
        for scores in (wide, wide.contiguous()):
            scores = scores.detach().requires_grad_()
            value = module(scores, ids)
            found.append((value, slope(value.sum(), scores)))
        assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_adp_02_images_with_the_classes_moved():
    scores = torch.randn(2, 6, 7, 4, requires_grad=True)
    ids = torch.randint(0, 4, (2, 6, 7))
    ours = slope(lm.cross_entropy().to("torch", class_dim=1)(scores.movedim(-1, 1), ids), scores)
    torch.testing.assert_close(ours, slope(functional.cross_entropy(scores.reshape(-1, 4), ids.reshape(-1)), scores))


def test_adp_03_a_mask_after_reduction_none():
    scores, ids = torch.randn(4, 3, requires_grad=True), torch.tensor([0, -100, 2, 1])
    mask = torch.tensor([True, True, False, True])
    each = lm.cross_entropy(ignore_index=-100).to("torch", reduction="none")(scores, ids)
    ours = slope(each[mask].sum() / 2, scores)
    theirs = slope(functional.cross_entropy(scores, ids, reduction="none")[mask].sum() / 2, scores)
    torch.testing.assert_close(ours, theirs)
    assert ours[0].abs().sum() > 0 and not ours[1:3].any()


def test_adp_03_what_a_mask_takes_out_may_be_infinite():
    p, y = torch.tensor([0.0, 0.5], requires_grad=True), torch.ones(2)
    each = lm.binary_cross_entropy(from_logits=False).to("torch", reduction="none")(p, y)
    assert each[0] == float("inf")
    assert slope(each[1:].sum(), p).tolist() == [0.0, -2.0]


def test_adp_04_no_argument_is_silently_ignored():
    scores, ids = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    for options in ({"label_smoothing": 0.1}, {"size_average": False}, {"pos_weight": 2.0}):
        with pytest.raises(TypeError, match=next(iter(options))):
            lm.cross_entropy().to("torch", **options)
    smooth = lm.cross_entropy(label_smoothing=0.1).to("torch")(scores, ids)
    torch.testing.assert_close(smooth, functional.cross_entropy(scores, ids, label_smoothing=0.1))


def test_adp_05_inputs_are_not_written_to():
    scores, ids = torch.randn(5, 3, requires_grad=True), torch.randint(0, 3, (5,))
    shares = scores.softmax(-1)  # autograd keeps this, and needs it unchanged
    before = [x.detach().clone() for x in (scores, shares, ids)]
    value = lm.cross_entropy(from_logits=False).to("torch")(shares, ids)
    ours = slope(value + shares.square().sum(), scores)
    again = scores.softmax(-1)
    theirs = slope(functional.nll_loss(again.log(), ids) + again.square().sum(), scores)
    torch.testing.assert_close(ours, theirs)
    assert all(torch.equal(x.detach(), kept) for x, kept in zip((scores, shares, ids), before, strict=True))


def test_adp_06_the_gradient_of_the_gradient():
    p, y = torch.tensor([0.2, 0.7], dtype=torch.float64, requires_grad=True), torch.tensor([0.0, 1.0]).double()
    (first,) = torch.autograd.grad(
        lm.binary_cross_entropy(from_logits=False).to("torch", reduction="sum")(p, y), p, create_graph=True
    )
    torch.testing.assert_close(slope(first.sum(), p), torch.tensor([1 / 0.8**2, 1 / 0.7**2], dtype=torch.float64))


def test_adp_07_the_gradient_in_the_target():
    scores = torch.randn(4, dtype=torch.float64)
    y = torch.rand(4, dtype=torch.float64, requires_grad=True)
    ours = slope(lm.binary_cross_entropy().to("torch")(scores, y), y)
    torch.testing.assert_close(ours, -scores / 4)  # softplus(f) - y f


@pytest.mark.slow
@pytest.mark.parametrize("name", ["huber", "absolute_error", "smooth_l1"])
def test_adp_08_compiled_is_eager(name):
    module = lm.get(name).to("torch")
    y = torch.tensor([0.0, 1.0, 2.0, -3.0])
    f = torch.tensor([0.0, 2.0, 2.5, 1e4], requires_grad=True)
    value = torch.compile(module, fullgraph=True)(f, y)
    assert value.item() == module(f, y).item()
    assert torch.equal(slope(value, f), slope(module(f, y), f))


def test_adp_09_vmap_and_gradients_per_sample():
    module = lm.multi_margin().to("torch")
    scores, ids = torch.randn(6, 4, dtype=torch.float64), torch.randint(0, 4, (6,))

    def one(row, number):
        return module(row[None], number[None])

    torch.testing.assert_close(
        torch.func.vmap(one)(scores, ids), functional.multi_margin_loss(scores, ids, reduction="none")
    )
    each = torch.func.vmap(torch.func.grad(one))(scores, ids)
    together = scores.clone().requires_grad_()
    torch.testing.assert_close(each, slope(functional.multi_margin_loss(together, ids, reduction="sum"), together))


def test_adp_10_sums_in_one_order():
    module = lm.cross_entropy().to("torch")
    scores, ids = torch.randn(60_000, 11), torch.randint(0, 11, (60_000,))
    first, before = module(scores, ids), thread_count()
    try:
        for count in (1, 2, 3):
            lm.set_threads(count)
            assert all(torch.equal(module(scores, ids), first) for _ in range(3))
    finally:
        lm.set_threads(before)


def test_adp_11_nan_is_said_and_not_replaced():
    scores = torch.tensor([0.0, float("nan")], requires_grad=True)
    with pytest.raises(ValueError, match=r"y_pred\[1\] = nan"):
        lm.squared_error().to("torch")(scores, torch.zeros(2))
    assert lm.squared_error().to("torch", validate=False)(scores, torch.zeros(2)).isnan()
    unseen = torch.func.vmap(lambda f: lm.squared_error().to("torch")(f[None], torch.zeros(1)))(scores)
    assert unseen.isnan().tolist() == [False, True]
