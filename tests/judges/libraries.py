"""The array libraries a loss must work in, how to make their arrays, and errors measured there (docs/accuracy.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
import torch

jax.config.update("jax_enable_x64", True)


@dataclass(frozen=True)
class Library:
    """``bound``: ULP x max(1, condition number) that no loss exceeds. ``flushes``: it has no denormal numbers."""

    name: str
    make: Callable[[np.ndarray], Any]
    bound: float
    flushes: bool = False

    def __str__(self) -> str:
        return self.name


LIBRARIES = (
    Library("numpy", np.asarray, 4.0),
    Library("torch", lambda a: torch.from_numpy(a.copy()), 4.0),
    Library("jax", jnp.asarray, 12.0, flushes=True),
    Library("array-api-strict", lambda a: array_api_strict.asarray(a.copy()), 4.0),
)
BY_NAME = {library.name: library for library in LIBRARIES}
FOREIGN = LIBRARIES[1:]
