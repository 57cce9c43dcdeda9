"""lossmith: a loss is a formula; everything else is derived from it, or proven about it."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it; every loss of the catalogue is a public name too (lossmith.registry)
_WHERE = {
    "Loss": "loss",
    "Total": "engine.reduce",
    "get": "registry",
    "names": "registry",
    "pointwise": "registry",
    "rowwise": "registry",
    "from_spec": "specs",
    "compare": "training",
    "LinearRegressor": "linear",
    "LinearClassifier": "linear",
    "choose": "choosing",
    "load_model": "choosing",
    "set_threads": "threads",
    "translate": "translation",
    "from_torch": "translation",
    "from_keras": "translation",
    "from_sklearn": "translation",
}

__all__ = ["__version__"]
__all__ += list(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"lossmith.{_WHERE[name]}"), name)
    elif name.startswith("_"):
        raise AttributeError(name)
    else:
        from lossmith.registry import constructor

        try:
            value = constructor(name)
        except KeyError:
            raise AttributeError(f"module 'lossmith' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from lossmith.registry import names

    return sorted({*globals(), *_WHERE, *names()})
