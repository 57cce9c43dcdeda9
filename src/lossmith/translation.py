"""Reading in and translating: what another library's loss is here, and how its number differs from ours.

The tables are in ``lossmith.peers``, one file a peer. No peer is imported: a translation reads names and parameters.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NoReturn

from lossmith.loss import Loss
from lossmith.parameters import did_you_mean
from lossmith.record import Record, replace
from lossmith.registry import catalogue


class Shift(Record):
    """What a peer adds to a loss that depends on the target alone: ``shift(y)``, of y's shape."""

    text: str
    _of: Callable[[Any], Any]

    def __call__(self, y_true: Any) -> Any:
        return self._of(y_true)

    def __repr__(self) -> str:
        return self.text


class Row(Record):
    """One loss of a peer.

    ``names`` are the peer's, the usual one first, with spaces between. ``loss`` takes the peer's parameters, with the
    peer's defaults, and so do ``factor`` and ``shift`` those of them that they name.
    """

    names: str
    loss: Callable[..., Loss]
    factor: float | Callable[..., float] = 1.0
    shift: float | Callable[..., float | Shift] = 0.0
    reductions: Mapping[str, str | None] = {}  # where they differ from the peer's others
    reduction: str | Callable[..., str | None] = ""  # likewise; of some parameters, None where lossmith has none
    weighted: str = ""  # its reduction of a loss with class weights, where that divides by them
    notes: str = ""  # what of its arguments differs from the peer's others
    differs: str = ""  # where the peer's number is not what its definition says, and the reason

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        found = dict(inspect.signature(self.loss).parameters)
        return {name: parameter for name, parameter in found.items() if name != "labels"}  # those are ours


class Missing(Record):
    """A loss of a peer that lossmith cannot say; ``near`` are losses of the catalogue that come closest."""

    names: str
    why: str
    near: str = ""


class Peer(Record):
    """A library and its losses. ``separator`` stands between its name and theirs."""

    names: str
    separator: str
    rows: tuple[Row | Missing, ...]
    notes: str  # order of arguments, labels, predictions: what holds for all of its losses
    reductions: Mapping[str, str | None] = {}  # its names -> ours (None: we have none); the default first
    reduction: str | None = None  # ours, where its losses have no such parameter

    @property
    def name(self) -> str:
        return self.names.split()[0]

    def full(self, name: str) -> str:
        return f"{self.name}{self.separator}{name}"


class Translation(Record):
    """A peer's loss in lossmith: per sample, ``peer = factor * loss(y_true, y_pred, reduction="none") + shift``.

    ``shift`` is a number or, where it depends on the target, a function of ``y_true``. ``reduction`` is the reduction
    of lossmith that does what the peer's does, None where there is none. ``notes`` say how arguments differ, and
    ``differs`` where the peer's own number is not what its definition says.
    """

    peer: str
    loss: Loss
    factor: float
    shift: float | Shift
    reduction: str | None
    notes: tuple[str, ...]
    differs: str

    @property
    def listed(self) -> bool:
        """Whether the loss is made of the catalogue's; if not, its formula was written for the translation."""
        return self.loss.recipe is None or catalogue().get(self.loss.recipe.name) is self.loss.recipe

    def __str__(self) -> str:
        factor = "" if self.factor == 1 else f"{self.factor:g} * "
        shift = "" if self.shift == 0 else f" + {self.shift if isinstance(self.shift, Shift) else f'{self.shift:g}'}"
        formula = self.loss.formula if self.factor == 1 else (self.factor * self.loss).formula
        lines = [f"{self.peer} = {factor}{self.loss!r}{shift}", f"  formula    {formula}{shift}"]
        if not self.listed:
            lines.append("  own        the catalogue has no such loss; this formula was written for the translation")
        lines.append(f"  reduction  {self.reduction or 'none of lossmith: see below'}")
        lines += [f"  note       {note}" for note in self.notes]
        lines += [f"  differs    {self.differs}"] if self.differs else []
        return "\n".join(lines)


def refuse(why: str) -> NoReturn:
    """Say that a parameter's value has no translation."""
    raise ValueError(why)


def check_last(axis: int) -> None:
    """Refuse another axis of a row than the last."""
    if axis != -1:
        refuse(f"axis={axis}: rows are on the last axis; move it there")


@cache
def peers() -> tuple[Peer, ...]:
    """The tables, in the order of their names."""
    package = importlib.import_module("lossmith.peers")
    found = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))
    return tuple(importlib.import_module(f"lossmith.peers.{name}").PEER for name in found)


def entries() -> Iterator[tuple[Peer, Row | Missing]]:
    """All rows of all peers."""
    return ((peer, row) for peer in peers() for row in peer.rows)


_INLINE = re.compile(r":(\w+=[^:]*)$")  # as in catboost:Quantile:alpha=0.9


def translate(name: str, /, **params: Any) -> Translation:
    """The lossmith loss that says what another library's loss says, with the factor and shift between the two.

    ``name`` is the library and its own name of the loss: ``"torch.nn.SmoothL1Loss"``, ``"xgboost:reg:squarederror"``,
    ``"scipy.optimize.least_squares:huber"``, ``"catboost:Quantile:alpha=0.9"``; parts that are not needed to tell which
    may be left out (``"torch:SmoothL1Loss"``). ``params`` are the library's own parameters. Raises ValueError with the
    nearest names for a name it does not know, and with the nearest losses where lossmith has none that is the same.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a text such as 'torch.nn.HuberLoss', not {type(name).__name__}")
    inline = _INLINE.search(name)
    if inline:
        name = name[: inline.start()]
        params = {key: _value(text) for key, _, text in _pairs(inline[1])} | params
    if isinstance(params.get("loss"), str):  # scikit-learn's estimators, SciPy's least_squares
        name = f"{name}:{params.pop('loss')}"
    return _translated(*_find(name), params)


def _pairs(text: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in re.split("[;,]", text)]


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


def _find(name: str) -> tuple[Peer, str, Row | Missing]:
    """(peer, its name of the loss, its row)."""
    library, _, rest = re.split("([.:])", name, maxsplit=1) if re.search("[.:]", name) else ("", "", name)
    peer = next((peer for peer in peers() if library.lower() in peer.names.split()), None)
    known = {p.full(n): (p, n, row) for p, row in entries() for n in row.names.split() if peer in (None, p)}
    wanted = rest if peer else name
    found = [full for full, (_, n, _) in known.items() if wanted == n or n.endswith((f".{wanted}", f":{wanted}"))]
    if peer:
        found = [full for full in found if known[full][1] == wanted] or found
        if len({id(known[full][2]) for full in found}) == 1:
            return known[found[0]]
    if found:
        which = "write that" if len(found) == 1 else "say which"
        raise ValueError(f"{name!r} may be {' or '.join(found)}: {which}")
    inside = [full for full in known if f".{wanted}:" in full or full.startswith(f"{library}:{wanted}:")]
    if wanted and inside:
        raise ValueError(f"{name!r} has a loss= of its own: {' or '.join(inside)}: say which")
    tables = ", ".join(dict.fromkeys(p.name for p, _, _ in known.values()))
    raise ValueError(f"there is no loss {name!r} in the tables of {tables}{_nearest(wanted, known)}")


def _nearest(wanted: str, known: Mapping[str, Any]) -> str:
    """The known names whose last parts are nearest, whatever the case of letters."""
    short: dict[str, str] = {}
    for full in known:
        short.setdefault(_last(full), full)
    near = difflib.get_close_matches(_last(wanted), short, n=3, cutoff=0.3)
    return f"; did you mean {' or '.join(short[part] for part in near)}?" if near else ""


def _last(name: str) -> str:
    return re.split("[.:]", name)[-1].lower()


def _translated(peer: Peer, name: str, row: Row | Missing, params: dict[str, Any]) -> Translation:
    full = peer.full(name)
    if isinstance(row, Missing):
        near = f"; nearest: {', '.join(row.near.split())}" if row.near else ""
        raise ValueError(f"lossmith has no loss that is {full}: {row.why}{near}")
    shown = ", ".join(f"{key}={value!r}" for key, value in params.items())
    reductions = {**peer.reductions, **row.reductions}
    known = row.parameters
    takes = [*known, *(["reduction"] if reductions else [])]
    reduction = params.pop("reduction", next(iter(reductions), "")) if reductions else ""
    for key in params:
        if key not in known:
            what = f"only {', '.join(takes)}" if takes else "it has none that is"
            raise TypeError(f"{full}: a parameter {key!r} is not translated ({what}){did_you_mean(key, takes)}")
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in params:
            raise TypeError(f"{full} needs {key}=, which has no default")
    if reductions and str(reduction) not in reductions:
        raise ValueError(f"{full}: reduction must be one of {', '.join(reductions)}, not {reduction!r}")
    values = {key: params.get(key, parameter.default) for key, parameter in known.items()}
    try:
        loss = row.loss(**values)
        factor, shift = (_of(part, values) for part in (row.factor, row.shift))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{full}({shown}): {error}") from error
    own = _of(row.reduction, values) if row.reduction else peer.reduction
    kept = reductions[str(reduction)] if reductions else own
    notes = tuple(filter(None, (peer.notes, row.notes)))
    return Translation(f"{full}({shown})", loss, factor, shift, kept, notes, row.differs)


def _of(part: Any, values: dict[str, Any]) -> Any:
    """A number or a shift, or a function of some of the parameters that gives one."""
    if not inspect.isfunction(part):
        return part
    return part(**{key: values[key] for key in inspect.signature(part).parameters})


# from objects ---------------------------------------------------------------------------------------------------------


def _read(name: str, read: Callable[[str], Any], kind: str) -> Translation:
    """Translate an object whose parameters ``read`` gives; None of them is left at a default in silence."""
    peer, found, row = _find(name)
    params = {}
    for key in row.parameters if isinstance(row, Row) else ():
        try:
            params[key] = read(key)
        except (AttributeError, KeyError):
            raise ValueError(
                f"{kind} does not say its parameter {key}: use lm.translate({name!r}, {key}=...)"
            ) from None
    if peer.reductions and isinstance(row, Row):
        params["reduction"] = read("reduction")
    return _translated(peer, found, row, params)


def _plain(value: Any) -> Any:
    """A tensor or array as numbers."""
    return value.tolist() if hasattr(value, "tolist") else value


def _kind(value: object) -> tuple[str, str]:
    return type(value).__module__, type(value).__qualname__


def from_torch(module: Any) -> Translation:
    """Translate a loss of ``torch.nn`` with its parameters, such as ``nn.SmoothL1Loss(beta=0.5)``."""
    where, kind = _kind(module)
    if where not in ("torch.nn.modules.loss", "torch.nn.modules.adaptive"):
        raise TypeError(f"from_torch takes a loss of torch.nn, such as nn.HuberLoss(), not {where}.{kind}")
    return _read(f"torch.nn.{kind}", lambda key: _plain(getattr(module, key)), kind)


def from_keras(loss: Any) -> Translation:
    """Translate a loss of ``keras.losses`` with its parameters, such as ``keras.losses.Huber(delta=2)``."""
    where, kind = _kind(loss)
    if not where.startswith(("keras.src.losses", "keras.losses")):
        raise TypeError(f"from_keras takes a loss of keras.losses, such as keras.losses.Huber(), not {where}.{kind}")
    kept = getattr(loss, "_fn_kwargs", {})  # get_config leaves out delta, alpha and others
    return _read(f"keras.losses.{kind}", lambda key: kept[key] if key in kept else _plain(getattr(loss, key)), kind)


def from_sklearn(estimator: Any) -> Translation:
    """Translate the loss that a scikit-learn estimator minimises, or a loss object of its own.

    The estimator's penalty is left out. What a fitted estimator knows, such as ``HuberRegressor.scale_``, is read too.
    """
    where, kind = _kind(estimator)
    if not where.startswith("sklearn."):
        raise TypeError(f"from_sklearn takes an estimator or a loss of scikit-learn, not {where}.{kind}")
    if where == "sklearn._loss.loss":
        kind = kind.removesuffix("ArrayAPI")  # the same loss, of other arrays
        return _read(f"sklearn._loss.{kind}", lambda key: _loss_attribute(estimator, key), kind)
    settings = estimator.get_params() if hasattr(estimator, "get_params") else {}
    loss = settings.get("loss")
    if loss is not None and not isinstance(loss, str):
        return from_sklearn(loss)
    name = f"sklearn.{kind}:{loss}" if loss is not None else f"sklearn.{kind}"
    found = _read(name, lambda key: settings[key] if key in settings else getattr(estimator, f"{key}_", None), kind)
    weights, row = settings.get("class_weight"), _find(name)[2]
    return found if weights is None or isinstance(row, Missing) else _class_weighted(found, weights, row)


def _class_weighted(found: Translation, weights: Any, row: Row) -> Translation:
    """With scikit-learn's weights of classes, which are 1 where they are not named."""
    if not isinstance(weights, Mapping):
        raise ValueError(
            f"{found.peer}: class_weight={weights!r} depends on the targets: give the weights that it comes to, such "
            "as {0: 1.0, 1: 9.0}"
        )
    classes = found.loss.labels or range(max([2, *(1 + key for key in weights if isinstance(key, int))]))
    loss = found.loss.class_weighted({**dict.fromkeys(classes, 1.0), **weights})
    return replace(found, loss=loss, reduction=row.weighted or found.reduction)


def _loss_attribute(loss: Any, key: str) -> Any:
    return getattr(loss, key) if hasattr(loss, key) else getattr(loss.closs, key)
