"""Records: values with named fields that never change.

They are what frozen dataclasses are, but nothing is written and compiled for each class: that takes a millisecond a
class, and the first call of a process would wait for thirty of them.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """Fields are annotated in the class, in order. Those whose names begin with _ are neither compared nor shown."""

    __match_args__: ClassVar[tuple[str, ...]]
    _fields: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, Any]]
    _key: ClassVar[attrgetter[Any]]  # what equal records have in common

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)
        cls._defaults = {name: vars(cls)[name] for name in cls._fields if name in vars(cls)}
        cls.__match_args__ = cls._fields  # type: ignore[misc]  # which mypy knows of tuples only
        cls._key = attrgetter("__class__", *_shown(cls))

    def __init__(self, *values: Any, **named: Any) -> None:
        known, names = vars(self), self._fields
        known.update(self._defaults)
        known.update(zip(names, values, strict=False))
        twice = named.keys() & names[: len(values)]
        known.update(named)
        if twice or len(values) > len(names) or len(known) != len(names) or (named and not named.keys() <= set(names)):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")

    def __eq__(self, other: object) -> bool:
        return bool(self._key(self) == other._key(other)) if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in _shown(type(self)))})"

    def __getstate__(self) -> dict[str, Any]:
        return fields(self)  # a copy works out anew what is computed of them, which need not be fit for sending

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} never changes; make another one instead of setting {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} never changes")


def _shown(kind: type[Record]) -> list[str]:
    return [name for name in kind._fields if not name.startswith("_")]


AnyRecord = TypeVar("AnyRecord", bound=Record)


def fields(record: Record) -> dict[str, Any]:
    """What a record holds, by name."""
    return {name: getattr(record, name) for name in record._fields}


def replace(record: AnyRecord, **changes: Any) -> AnyRecord:
    """The same record with some fields changed."""
    return type(record)(**fields(record) | changes)
