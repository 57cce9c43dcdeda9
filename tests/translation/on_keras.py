"""What a translation says of a Keras loss is what Keras computes: run by test_keras.py, in a process of its own."""

import keras
import numpy as np
import pytest
from keras import losses
from torch import nn

import lossmith as lm
from lossmith.translation import entries
from translation.cases import cases, fewer, points
from translation.departures import DEPARTURES
from translation.judge import agree, depart_as_said, notice_a_wrong_factor, notice_wrong_parameters
from translation.offered import OFFERED

keras.config.set_floatx("float64")

CASES = cases("keras")
FIRST = [case for case in CASES if case.is_first]


@pytest.mark.parametrize("case", fewer(CASES), ids=str)
def test_keras_computes_what_the_translation_says(case):
    agree(case, case.translation)


@pytest.mark.parametrize("case", fewer(FIRST), ids=str)
def test_a_wrong_factor_is_noticed(case):
    notice_a_wrong_factor(case)


@pytest.mark.parametrize("case", fewer([case for case in FIRST if case.changes]), ids=str)
def test_a_wrong_parameter_is_noticed(case):
    notice_wrong_parameters(case)


@pytest.mark.parametrize("name", [name for name in DEPARTURES if name.startswith("keras")])
def test_keras_departs_from_its_definition_as_said(name):
    depart_as_said(name, CASES)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.Huber(delta=2), lm.huber(delta=2)),
        (losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), lm.bce(label_smoothing=0.1)),
        (losses.CategoricalCrossentropy(label_smoothing=0.2), lm.ce(from_logits=False, label_smoothing=0.2)),
        (losses.SparseCategoricalCrossentropy(True, ignore_class=3), lm.ce(ignore_index=3)),
        (losses.BinaryFocalCrossentropy(True, 0.3, 1.5, from_logits=True), lm.focal(alpha=0.3, gamma=1.5)),
        (losses.CategoricalFocalCrossentropy(0.5, 3.0, True), lm.focal_cross_entropy(gamma=3.0)),
        (losses.Poisson(), lm.poisson(log_input=False)),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_from_keras_reads_every_parameter(loss, expected):
    assert lm.from_keras(loss).loss == expected


@pytest.mark.parametrize("case", [case for case in FIRST if case.name[7].isupper()], ids=str)
def test_what_is_read_is_what_the_name_and_parameters_say(case):
    read = lm.from_keras(getattr(losses, case.name.removeprefix("losses."))(**case.params))
    said = case.translation
    assert (read.loss, read.factor, read.shift) == (said.loss, said.factor, said.shift)


def test_from_keras_reads_factor_and_reduction():
    assert lm.from_keras(losses.CategoricalFocalCrossentropy(0.5)).factor == 0.5
    assert lm.from_keras(losses.CategoricalCrossentropy(reduction="sum")).reduction == "sum"
    assert lm.from_keras(losses.CategoricalCrossentropy(reduction=None)).reduction == "none"


@pytest.mark.parametrize("case", [case for case in FIRST if case.name[7].isupper()], ids=str)
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size"])
def test_a_reduction_that_is_said_is_that_of_several_outputs_too(case, reduction):
    theirs = getattr(losses, case.name.removeprefix("losses."))(reduction=reduction, dtype="float64", **case.params)
    found = lm.from_keras(theirs)
    y, f = points(found, hard=False)
    ids = f.ndim == 2 and y.ndim == 1
    y, f = (y, f) if f.ndim == 2 else (y.reshape(-1, 3), f.reshape(-1, 3))
    told = np.eye(3)[y] if ids and "Sparse" not in case.name and "eneralized" not in case.name else y
    value = float(theirs(told, f))
    if found.reduction is None:
        assert value == pytest.approx(found.factor * found.loss(y, f, reduction="sum") / 3, rel=1e-5)
    else:
        assert value == pytest.approx(found.factor * found.loss(y, f, reduction=found.reduction), rel=1e-5)


def test_from_keras_refuses_what_lossmith_cannot_say():
    for loss in ("CategoricalCrossentropy", "CategoricalFocalCrossentropy", "BinaryCrossentropy",
                 "BinaryFocalCrossentropy"):  # fmt: skip
        with pytest.raises(ValueError, match="axis=0"):
            lm.from_keras(getattr(losses, loss)(axis=0))
    with pytest.raises(ValueError, match="CosineSimilarity"):
        lm.from_keras(losses.CosineSimilarity())
    with pytest.raises(TypeError, match=r"a loss of keras\.losses"):
        lm.from_keras(nn.MSELoss())


def test_every_loss_is_translated_or_declined():
    listed = {name for peer, row in entries() if peer.name == "keras" for name in row.names.split()}
    assert listed == OFFERED["keras"]()
