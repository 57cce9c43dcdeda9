"""A check of LightGBM's text format before it is handed to LightGBM, which trusts what it reads."""

from __future__ import annotations

import math

from lossmith.choosing.errors import ChoiceError

MOST_TREES = 100_000
MOST_LEAVES = 1_000_000
OTHER_KINDS = 1 | 4  # bits of a decision: categorical, zero stands for missing


def checked_trees(text: str, columns: int, outputs: int) -> str:
    """The text, without the sizes that say where each tree begins: found anew when it is read.

    Raises ChoiceError for anything but whole trees of numbers, of so many columns and outputs: each child stands after
    its parent, each leaf and each column is there."""
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    try:
        fields = _fields(head)
        features, rounds = int(fields["max_feature_idx"]) + 1, int(fields["num_tree_per_iteration"])
        if (features, rounds) != (columns, outputs) or len(blocks) > MOST_TREES or len(blocks) % outputs:
            raise ValueError(f"{len(blocks)} trees of {features} columns and {rounds} outputs")
        for block in blocks:
            _check(_fields(block), features)
    except (KeyError, ValueError) as error:
        raise ChoiceError(f"the trees of this model are damaged: {error}") from None
    return "\n".join(line for line in text.splitlines() if not line.startswith("tree_sizes=")) + "\n"


def _fields(block: str) -> dict[str, str]:
    return {key: value for key, mark, value in (line.partition("=") for line in block.splitlines()) if mark}


def _check(fields: dict[str, str], columns: int) -> None:
    leaves = int(fields["num_leaves"])
    if not 1 <= leaves <= MOST_LEAVES or fields.get("num_cat", "0") != "0" or fields.get("is_linear", "0") != "0":
        raise ValueError("a tree of another kind")
    inner = leaves - 1
    split, kinds = _whole(fields, "split_feature", inner), _whole(fields, "decision_type", inner)
    if any(not 0 <= column < columns for column in split) or any(kind & OTHER_KINDS for kind in kinds):
        raise ValueError("a node asks for a column that is not there")
    for side in ("left_child", "right_child"):
        for parent, child in enumerate(_whole(fields, side, inner)):
            if not (parent < child < inner or -leaves <= child < 0):
                raise ValueError("a node's child is not there")
    for name, count in (("threshold", inner), ("leaf_value", leaves)):
        if not all(map(math.isfinite, map(float, _words(fields, name, count)))):
            raise ValueError(f"{name} is not finite")


def _whole(fields: dict[str, str], name: str, count: int) -> list[int]:
    return [int(word) for word in _words(fields, name, count)]


def _words(fields: dict[str, str], name: str, count: int) -> list[str]:
    words = fields.get(name, "").split() if count else []
    if len(words) != count:
        raise ValueError(f"{name} holds {len(words)} numbers for {count}")
    return words
