"""What a kernel is asked to do, and how it is told with what data: the spec is compiled in, the job is not."""

from __future__ import annotations

from lossmith.engine.llvm.emit import FLOATS
from lossmith.engine.llvm.memory import Stored
from lossmith.formula.domains import Domain
from lossmith.formula.expr import Expr
from lossmith.record import Record

BLOCK = 8192  # numbers a thread claims at once
FEW = 8  # classes: up to so many, a vector of each stays in registers
MOST_ACROSS = 48  # classes: beyond, lanes along the row are faster, and compiling the classes in is slow
# words of 8 bytes in a job; what threads write has cache lines of its own
NEXT, BAD, STOP = 0, 8, 16
COUNT, BLOCKS, TURN, SUMS, PARAMETERS, CLASSES, STEP, PARTS, SCALE, ARRAYS = range(17, 27)
# A block is so many parts (PARTS) of so many samples (STEP), each with sums of its own.
WORDS_PER_ARRAY = 3  # pointer, stride between samples, stride between classes, in bytes
STREAM = 16  # what processors write past their caches is a multiple of so many bytes
NEVER = (1 << 63) - 1  # the first bad block where there is none


class Input(Record):
    """A named input of the formula. ``domain`` is checked where it is given."""

    name: str
    stored: Stored
    domain: Domain | None = None
    row: bool = False
    labels: tuple[float, ...] | None = None  # what stands for 0, 1, ...
    ignored: float | None = None  # the target of samples that are left out


class Output(Record):
    """An array that receives roots: one, or several named predictions beside each other.

    ``domain`` is checked where it is given. Of a row that is not ``dense`` the numbers of a class follow each other.
    """

    dtype: str
    roots: tuple[int, ...]
    row: bool = False
    dense: bool = True
    domain: Domain | None = None


class Spec(Record):
    """One kernel: the roots of a formula, computed in one float type, summed or written.

    Job arrays are in the order: inputs, weight, where, outputs, vectors. Parameters are float64 numbers in the order of
    ``parameters``. Sums are float64, ``len(sums)`` numbers per part of a block.
    """

    float: str
    roots: tuple[Expr, ...]
    inputs: tuple[Input, ...]
    parameters: tuple[str, ...]
    sums: tuple[int, ...] = ()
    outputs: tuple[Output, ...] = ()
    weight: Stored | None = None
    where: Stored | None = None
    scaled: bool = False  # outputs are multiplied by the job's scale
    exact: bool = False  # float32 values are added up in float64 one by one
    exponents: tuple[Expr, ...] = ()  # to be checked: e to them is taken for a normal number
    checked: bool = False  # flag blocks with illegal numbers, or with NaN where nothing was left out
    classes: int | None = None  # rows: the number of classes, 0 for one that the job says
    long: bool = False  # rows of so many classes that each is worked on by itself
    vectors: tuple[str, ...] = ()  # parameters with one number per class, passed as arrays after the outputs
    streamed: bool = False  # what is written goes past the caches, to places that are multiples of STREAM bytes
    matrix: str = ""  # the dtype of the rows that a linear score is the product of, see linear.py
    columns: bool = False  # whether those of a column lie beside each other, and not those of a row
    gaps: bool = False  # whether there is something else between those rows
    wide: bool = False  # whether a few of those rows are a good part of the nearest cache
    offset: bool = False  # whether something is added to linear scores of several classes
    pulled: int | None = None  # the root whose product with those rows is wanted
    coarse: bool = False  # float64 numbers become float32 ones, which are nowhere added up: fewer digits are needed
    far: bool = False  # for a processor that had better be asked early for rows, and not at all for what lies in order
    avx512: bool = False  # for a processor that has it: fewer instructions, the same bits

    @property
    def lanes(self) -> int:
        """Numbers of a vector: two registers' worth where rows are taken class by class, of which nothing is summed."""
        row = [given.stored for given in self.inputs if given.row] + [output for output in self.outputs if output.row]
        by_class = bool(row) and not any(each.dense for each in row)
        twice = self.avx512 and by_class and not (self.sums or self.matrix) and (self.classes or 0) > FEW
        return FLOATS[self.float].lanes * (1 + twice)

    @property
    def arrays(self) -> int:
        masks = (self.weight is not None) + (self.where is not None)
        return len(self.inputs) + masks + len(self.outputs) + len(self.vectors)
