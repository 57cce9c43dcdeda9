"""A loss as a booster's objective: what it trains with, from datasets that carry start and scale to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lossmith.adapters.boosting import Derivatives
from lossmith.adapters.boosting_checks import check_params, check_training, check_y
from lossmith.adapters.boosting_rows import Rows, rows_of
from lossmith.inputs import check_index
from lossmith.thresholds import parted

if TYPE_CHECKING:
    from lossmith.adapters.boosting_model import BoostedModel


class Objective(Derivatives, ABC):
    """A loss for a booster: call `fit`, or pass it where the booster takes an objective.

    Used with datasets made by `dataset`, start and scale are carried, and `model` turns the booster into predictions.
    Used with any other dataset, or in the booster's scikit-learn interface, it takes the booster's raw score as the
    loss's; give such training its start (`start(y)`), as boosters begin at a constant that knows nothing of the loss.
    The options are those of `Derivatives`.
    """

    RESERVED: ClassVar[tuple[str, ...]]  # parameters that come from the loss, or are said to `fit`
    UNHEARD: ClassVar[Mapping[str, str]]  # parameters without effect on a loss not its own, and what to do instead
    OWN: ClassVar[Mapping[str, Any]] = {}  # parameters where nothing is said
    ROUNDS: ClassVar[int]  # its own default
    LEAST: ClassVar[Mapping[str, float]] = {}  # the names of the least curvature of a leaf, and what it is by default

    @abstractmethod
    def dataset(self, X: Any, y: Any, weight: Any = None, reference: Any = None, **options: Any) -> Any:
        """The booster's own kind of dataset, with start and scale, measured on its rows or those of `reference`.

        `reference` is the training set of a validation set, or that of the trees from which training goes on.
        """

    @abstractmethod
    def _told(self, rows: Rows) -> dict[str, Any]:
        """Parameters that follow from loss and training rows."""

    @abstractmethod
    def _train(self, params: dict[str, Any], train: Any, rounds: int, valid: Any, patience: int | None) -> Any:
        """The trained booster."""

    @abstractmethod
    def _model(self, booster: Any, train: Any) -> BoostedModel:
        """Predictions from a booster, of the loss as the training rows settled it."""

    def _features(self, train: Any) -> Any:
        """What a model predicts the rows of a dataset from."""
        return train

    def model(self, booster: Any, train: Any) -> BoostedModel:
        """Predictions from a booster trained on a dataset made by `dataset`; of any other dataset, ValueError.

        A dataset on which nothing was trained, here at least, has units that the booster knows nothing of.

        Thresholds that the loss leaves open are those that go best with the scores of the training rows.
        """
        if not rows_of(train).setting.learnt_in:
            raise ValueError(
                f"{self.loss.name}: no booster was trained on this dataset, so this one learnt in other units: pass "
                "the dataset that it was trained on; made anew where it was trained elsewhere, pass "
                "dataset(X, y, reference=it)"
            )
        return self._finished(booster, train)

    def _finished(self, booster: Any, train: Any) -> BoostedModel:
        """Predictions from a booster and its training rows, with the thresholds that go best with them."""
        model, rows = self._model(booster, train), rows_of(train)
        if rows.setting.cuts is not None:
            model.loss = parted(self.loss, rows.setting.cuts.after(rows, model.raw(self._features(train))))
        return model

    def fit(
        self,
        X: Any,
        y: Any,
        weight: Any = None,
        params: Mapping[str, Any] | None = None,
        rounds: int | None = None,
        valid: tuple[Any, ...] | None = None,
        early_stopping: int | None = None,
        **options: Any,
    ) -> Any:
        """Train; `valid` is (X, y) or (X, y, weight), and `early_stopping` the rounds to wait for its loss to improve.

        `rounds` are as many trees (for each score) as the booster itself makes by default, where nothing is said.
        `params` are the booster's, without objective and metric, which are this loss; further options go to its
        datasets. Returns a model whose `predict` is on the natural scale.
        """
        check_training(params, rounds, valid, early_stopping)
        train = self.dataset(X, y, weight, **options)
        held_out = None if valid is None else self.dataset(*valid, **{**options, "reference": train})
        booster = self._train(
            self.params(train, params or {}), train, self.ROUNDS if rounds is None else rounds, held_out, early_stopping
        )
        return self._finished(booster, train)

    def params(self, train: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """The booster's parameters, with what it must be told to train on a dataset made by `dataset`."""
        own = {} if self._convention is None else self._convention.params
        check_params(params, self.RESERVED, self.UNHEARD, own)
        rows = rows_of(train)
        self._check_leaves(rows, params)
        return {**self.OWN, **own, **params, **self._told(rows)}

    def _check_leaves(self, rows: Rows, params: Mapping[str, Any]) -> None:
        """Warn where all rows together have too little curvature for two leaves: boosters then train a constant."""
        name = next((name for name in self.LEAST if name in params), next(iter(self.LEAST), ""))
        least = params.get(name, self.LEAST.get(name))
        if not isinstance(least, Real):  # there is none, or the booster will say what is wrong with it
            return
        fresh = Rows(rows.y, rows.weight, rows.setting)  # whose memory goes at once
        pull, curvature = self._derivatives(fresh, np.zeros_like(rows.start()), np.float64)
        most = float(curvature.reshape(len(rows.y), -1).sum(axis=0).max())
        if most < 2 * float(least) and pull.any():
            self._warn_once(
                "leaves",
                f"{self.loss.name}: {name} is {least}, but the curvature of all rows is {most:.3g} at the start, so "
                f"no leaf can be split: set params={{{name!r}: ...}} below {most / 2:.3g}, or use larger weights",
            )

    def _rows(self, y: Any, weight: Any, reference: Any, X: Any = None) -> Rows:
        """Checked rows; of a validation set, `reference` is the training set."""
        check_y(X, y)
        check_index(X=X, y=y, weight=weight)
        target, kept = self._checked(y, weight)
        if reference is None:
            return Rows(target, kept, self._settled(target, kept))
        rows = Rows(target, kept, replace(rows_of(reference).setting, referred=True))
        rows.mean_loss(rows.setting.loss, rows.start())  # says what is wrong with targets or weights
        return rows

    def _shown(self, rows: Rows) -> NDArray[np.float32]:
        """Labels for the booster itself, which needs some: the targets, or the likeliest class of a row."""
        whole = rows.y.ndim == 1 or rows.setting.targets
        return (rows.y if whole else rows.y.argmax(axis=1)).astype(np.float32)
