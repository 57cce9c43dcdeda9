"""From figures to docs/benchmarks.md: targets, tables, and what they were measured on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

from measure import Contest, Spread, number

HEAD = """# How fast it is

Every figure on this page comes from `make bench` (one part: `python benchmarks/run.py PART`); none is typed. A part is
measured in a process of its own: every contestant once a round, in turn, after warm-up, and repeated within the round
until the clock can tell. Tables show medians over the rounds. Ratios are taken within a round; shown is their median,
with their quartiles in brackets. Value is the mean loss, gradient the gradient of that mean; predictions are normal.
"""


Measured: TypeAlias = tuple[ModuleType, dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """A bound on a ratio or on an amount, and what was found, case by case."""

    claim: str
    bound: float
    found: dict[str, Spread]
    at_least: bool = False
    unit: str = ""

    def _meets(self, spread: Spread) -> bool:
        return spread.middle >= self.bound if self.at_least else spread.middle <= self.bound

    def cells(self) -> list[str]:
        """Claim, wanted, the worst case found, where, in how many cases it is met, and whether in all."""
        wanted = f"{'≥' if self.at_least else '≤'} {self.bound:g}{self.unit}"
        if not self.found:
            return [self.claim, wanted, "", "", "", "not measured"]
        where, worst = (min if self.at_least else max)(self.found.items(), key=lambda item: item[1].middle)
        met = sum(map(self._meets, self.found.values()))
        verdict = "met" if met == len(self.found) else "**not met**"
        return [self.claim, wanted, f"{worst}{self.unit}", where, f"{met} of {len(self.found)}", verdict]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = (" | ".join(map(str, cells)) for cells in (head, ["---"] * len(head), *rows))
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def nanoseconds(contest: Contest, names: Iterable[str], elements: int) -> list[str]:
    """Medians per element; a dash for who was not there."""
    return [number(1e9 * contest.median(name) / elements) if name in contest.rounds else "–" for name in names]


def machine(record: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in record["machine"].items()) + ".\n"


def chapter(module: ModuleType, record: dict[str, Any], contests: list[Contest], usual: str) -> str:
    """``usual``: the machine that need not be named again."""
    rounds = max(len(figures) for contest in contests for figures in contest.rounds.values())
    measured = f"Measured on {record['date']} in {rounds} rounds; load average before: {record['load']}."
    where = machine(record)
    own = [f"On {where}"] if where != usual else []
    return "\n".join([f"## {module.TITLE}\n", module.ABOUT, module.tables(contests), measured + "\n", *own])


def contests_of(record: dict[str, Any]) -> list[Contest]:
    return [Contest(**contest) for contest in record["contests"]]


def summary(parts: Sequence[Measured]) -> str:
    """Every target, and how near it is."""
    head = ("target", "wanted", "worst found", "where", "met in", "verdict")
    targets = (target for module, record in parts for target in module.targets(contests_of(record)))
    return table(head, (target.cells() for target in targets)) + f"\nMeasured on {machine(parts[0][1])}"


def page(parts: Sequence[Measured], others: dict[str, Sequence[Measured]]) -> str:
    """``parts``: each module with what it measured; ``others``: the same of other machines, by their names."""
    usual = machine(parts[0][1])
    chapters = [chapter(module, record, contests_of(record), usual) for module, record in parts]
    again = [f"## The same targets on {name}\n\n{summary(found)}" for name, found in others.items()]
    return "\n".join([HEAD, "## Targets\n", summary(parts), *again, *chapters])
