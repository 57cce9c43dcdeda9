"""LightGBM's text format, checked and written anew: LightGBM trusts every number and every key that it reads."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from lossmith.choosing.errors import ChoiceError

MOST_TREES = 100_000
MOST_LEAVES = 1_000_000
KINDS = {0, 2, 8, 10}  # of a node: where gaps go; the others are categorical or take zero for a gap
HEADER = {"version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "feature_names",
          "feature_infos", "tree_sizes"}  # fmt: skip
WHOLE_NODES = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
NODES = ("split_gain", "threshold", "internal_value", "internal_weight")
TREE = {*WHOLE_NODES, *NODES, "leaf_value", "leaf_weight", "leaf_count", "num_leaves", "num_cat", "is_linear",
        "shrinkage"}  # fmt: skip
OPTIONAL = {"internal_count", "split_gain", "internal_value", "internal_weight", "leaf_weight", "leaf_count"}


def checked_trees(text: str, columns: int, outputs: int) -> str:
    """The same trees in a text of our own, which holds nothing but numbers that were checked, each key once.

    Raises ChoiceError for anything but whole trees of so many columns and outputs: each child stands after its parent,
    each leaf and each column is there. Sizes, names and ranges are not believed, and what stands after the trees (the
    parameters of the training) is left out: no prediction needs it."""
    try:
        if not re.fullmatch(r"[ -~\n]*", text):
            raise ValueError("a character that no tree has")
        head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
        mark, _, rest = head.partition("\n")
        fields = _fields(rest, HEADER)
        counts = tuple(int(fields[name]) for name in ("num_class", "num_tree_per_iteration"))
        features = int(fields["max_feature_idx"]) + 1
        if mark != "tree" or not re.fullmatch(r"v\d", fields["version"]):
            raise ValueError("its head is not that of trees")
        if features != columns or counts != (outputs, outputs) or len(blocks) > MOST_TREES or len(blocks) % outputs:
            raise ValueError(f"{len(blocks)} trees of {features} columns, {counts[0]} and {counts[1]} outputs")
        trees = [_tree(_fields(block.partition("\n")[2], TREE), columns) for block in blocks]
    except (KeyError, ValueError) as error:
        raise ChoiceError(f"the trees of this model are damaged: {error}") from None
    head = (
        f"tree\nversion={fields['version']}\nnum_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\n"
        f"max_feature_idx={columns - 1}\nfeature_names={' '.join(f'Column_{i}' for i in range(columns))}\n"
        f"feature_infos={' '.join(['none'] * columns)}\n\n"
    )
    return head + "".join(f"Tree={i}\n{tree}\n\n" for i, tree in enumerate(trees)) + "end of trees\n"


def _fields(block: str, known: set[str]) -> dict[str, str]:
    """LightGBM stops at the first blank line and believes the first of two equal keys or the last one, as it likes."""
    found: dict[str, str] = {}
    for line in block.rstrip("\n").split("\n"):
        key, mark, value = line.partition("=")
        if not mark or key not in known or key in found:
            raise ValueError(f"the line {line[:40]!r}")
        found[key] = value
    return found


def _tree(fields: dict[str, str], columns: int) -> str:
    leaves = int(fields["num_leaves"])
    if not 1 <= leaves <= MOST_LEAVES or fields.get("num_cat", "0") != "0" or fields.get("is_linear", "0") != "0":
        raise ValueError("a tree of another kind")
    inner = leaves - 1
    whole = {name: _whole(fields, name, inner) for name in WHOLE_NODES}
    if any(not 0 <= column < columns for column in whole["split_feature"]) or not KINDS.issuperset(
        whole["decision_type"]
    ):
        raise ValueError("a node asks for a column that is not there")
    for side in ("left_child", "right_child"):
        for parent, child in enumerate(whole[side]):
            if not (parent < child < inner or -leaves <= child < 0):
                raise ValueError("a node's child is not there")
    numbers = {name: _finite(fields, name, inner) for name in NODES}
    numbers["leaf_value"] = _finite(fields, "leaf_value", leaves)
    if inner:  # of a single leaf LightGBM reads nothing else
        numbers["leaf_weight"] = _finite(fields, "leaf_weight", leaves)
        whole["leaf_count"] = _whole(fields, "leaf_count", leaves)
    shrinkage = float(fields.get("shrinkage", "1"))
    if not math.isfinite(shrinkage):
        raise ValueError("shrinkage is not finite")
    written: dict[str, Sequence[float]] = {**whole, **numbers}
    lines = [f"{name}={' '.join(map(repr, values))}" for name, values in written.items() if values]
    return "\n".join([f"num_leaves={leaves}", "num_cat=0", *lines, "is_linear=0", f"shrinkage={shrinkage!r}"])


def _whole(fields: dict[str, str], name: str, count: int) -> list[int]:
    found = [int(word) for word in _words(fields, name, count)]
    if any(not -(2**31) <= number < 2**31 for number in found):
        raise ValueError(f"{name} is too large")
    return found


def _finite(fields: dict[str, str], name: str, count: int) -> list[float]:
    found = [float(word) for word in _words(fields, name, count)]
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{name} is not finite")
    return found


def _words(fields: dict[str, str], name: str, count: int) -> list[str]:
    words = fields.get(name, "").split() if count else []
    if len(words) != count and (words or name not in OPTIONAL):
        raise ValueError(f"{name} holds {len(words)} numbers for {count}")
    return words
