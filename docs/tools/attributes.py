"""Tells the reference that a property computed once (lossmith.lazy) is an attribute and no method."""

from __future__ import annotations

from typing import Any

from griffe import Attribute, Class, Extension, Function


class CachedProperties(Extension):
    """What griffe does by itself for that of functools."""

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        for name, member in list(cls.members.items()):
            if isinstance(member, Function) and _cached(member):
                attribute = Attribute(
                    name, annotation=member.returns, docstring=member.docstring, lineno=member.lineno,
                    endlineno=member.endlineno, analysis="static",
                )  # fmt: skip
                attribute.labels = {"cached", "property"}
                cls.set_member(name, attribute)


def _cached(function: Function) -> bool:
    return any(decorator.callable_path == "lossmith.lazy.cached_property" for decorator in function.decorators)
