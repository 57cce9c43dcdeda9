"""Every primitive of the language has a function in both engines."""

from lossmith.engine.functions import FUNCTIONS
from lossmith.engine.llvm.lower import RULES
from lossmith.engine.llvm.nodes import function
from lossmith.engine.llvm.plan import REDUCTIONS, SCANS
from lossmith.formula.primitives import PRIMITIVES

ELEMENTWISE = {name for name, primitive in PRIMITIVES.items() if primitive.kind not in ("reduction", "map")}
ROWS = set(PRIMITIVES) - ELEMENTWISE


def test_arrays_have_them_all():
    assert set(PRIMITIVES) - {"per_class"} <= set(FUNCTIONS)


def test_machine_code_has_them_all():
    assert all(callable(function(name)) for name in ELEMENTWISE)
    assert set(RULES) | set(REDUCTIONS) | set(SCANS) >= ROWS
