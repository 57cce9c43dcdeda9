"""A booster with the loss it was trained on: predictions on the natural scale, saved and loaded with the loss."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lossmith.adapters.boosting_rows import Array, Units, unbounded

if TYPE_CHECKING:
    from lossmith.loss import Loss

FORMAT = 1


@dataclass(eq=False)
class BoostedModel(ABC):
    """Predictions from trees, the loss they were trained with, and the units they learnt in."""

    booster: Any
    loss: Loss
    units: Units

    FRAMEWORK: ClassVar[str]
    SUFFIX: ClassVar[str]  # of the booster's own file
    KINDS: ClassVar[tuple[str, ...]]  # options by which the booster predicts something else, or chooses the scale

    @abstractmethod
    def _trees(self, X: Any, **options: Any) -> NDArray[Any]:
        """What the trees say: (n,), or (n, k) for several scores."""

    @abstractmethod
    def _write(self, path: Path) -> None:
        """The booster in its own format."""

    @classmethod
    @abstractmethod
    def _read(cls, path: Path) -> Any:
        """The booster that `_write` wrote."""

    def raw(self, X: Any, **options: Any) -> Array:
        """Predictions as the loss takes them: (n,), or (n, k) for several."""
        scores, trained = self._scores(X, options), unbounded(self.loss)
        return scores if trained is self.loss else np.asarray(trained.link.inverse(scores), dtype=np.float64)

    def predict(self, X: Any, **options: Any) -> Array:
        """Mean, quantile, probability ...: whatever the loss's link turns scores into."""
        scores = self._scores(X, options)
        return np.asarray(unbounded(self.loss).link.inverse(scores), dtype=np.float64)

    def _scores(self, X: Any, options: Mapping[str, Any]) -> Array:
        """Start and trees, together; of what is no score (leaves, contributions) that would make nonsense."""
        for name in self.KINDS:
            if options.get(name):
                raise ValueError(
                    f"{name}: .predict is on the natural scale and .raw gives scores; for leaves and contributions "
                    "ask model.booster, whose trees give u of score = start + scale * u (model.units)"
                )
        trees = self._trees(X, **{name: value for name, value in options.items() if name not in self.KINDS})
        outputs = len(self.units.start)
        # of no rows at all boosters forget how many scores each has
        return self.units.scores(trees if trees.size or outputs == 1 else trees.reshape(0, outputs))

    def save(self, path: str | Path) -> None:
        """The booster's own format and a JSON of loss and units: in a folder, or, of "m.txt", as m.txt and m.json."""
        model, spec = self._files(Path(path))
        spec.parent.mkdir(parents=True, exist_ok=True)
        self._write(model)
        content = {
            "format": FORMAT, "framework": self.FRAMEWORK, "loss": self.loss.spec(), "units": asdict(self.units)
        }  # fmt: skip
        spec.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A model that `save` wrote."""
        from lossmith.specs import from_spec

        model, spec = cls._files(Path(path))
        content = json.loads(spec.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise ValueError(f"{spec} has format {content.get('format')!r}: this version reads format {FORMAT}")
        if content.get("framework") != cls.FRAMEWORK:
            raise ValueError(f"{spec} is a model of {content.get('framework')!r}, not of {cls.FRAMEWORK}")
        units = content["units"]
        return cls(
            cls._read(model),
            from_spec(content["loss"]),
            Units(**{field.name: tuple(map(float, units[field.name])) for field in fields(Units)}),
        )

    @classmethod
    def _files(cls, path: Path) -> tuple[Path, Path]:
        if path.suffix == ".json":
            raise ValueError(f"{path}: .json is for the loss; name the booster's file, such as {path.stem}{cls.SUFFIX}")
        return (path, path.with_suffix(".json")) if path.suffix else (path / f"model{cls.SUFFIX}", path / "model.json")
