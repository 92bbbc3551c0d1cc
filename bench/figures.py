"""Figures and what is aimed at: how a benchmark says what it found."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

type Figures = Mapping[str, float]


@dataclass(frozen=True)
class Aim:
    """A bound that a figure is meant to keep: what is missed is reported, and fails nothing."""

    relation: Literal["<=", ">="]
    bound: float

    def is_met(self, value: float) -> bool:
        """Whether `value` keeps it."""
        return value <= self.bound if self.relation == "<=" else value >= self.bound

    def __str__(self) -> str:
        """As a reader would write it."""
        return f"{self.relation} {self.bound:g}"


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest of `values` that at least `percent` per cent of them don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def median_ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """The median over rounds of ours / theirs: a round's two numbers saw the same machine."""
    return statistics.median(mine / other for mine, other in zip(ours, others, strict=True))
