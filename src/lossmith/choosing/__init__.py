"""From a table and an aim to the loss to train with, and the proof."""

from __future__ import annotations

from lossmith.choosing.aims import Aim, parse_aim
from lossmith.choosing.class_names import class_names
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.files import read
from lossmith.choosing.result import Result, Row
from lossmith.choosing.run import choose
from lossmith.choosing.storage import load_model
from lossmith.choosing.tables import Table

__all__ = [
    "choose", "load_model", "Result", "Row", "Aim", "parse_aim", "ChoiceError", "Table", "read", "Encoder",
    "class_names",
]  # fmt: skip
