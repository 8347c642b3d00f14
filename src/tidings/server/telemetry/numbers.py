"""What is counted, while it is counted: plain numbers. A library looks at them when somebody asks (see `page`).

prometheus-client's own numbers take a lock and half a microsecond each time, its histograms two: a message in whose
path ten of them stand would cost a tenth more.
"""

from bisect import bisect_left
from collections.abc import Sequence


class Number:
    """A number that goes up, or up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1) -> None:
        """Add to it."""
        self.value += by

    def dec(self) -> None:
        """Take one away."""
        self.value -= 1

    def set(self, value: float) -> None:
        """Put another number into its place."""
        self.value = value


class Spread:
    """How often something was how large: a histogram. `bounds` rise; beyond the last is a place for all the rest."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value: in the place of the first bound that it does not exceed."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Numbers:
    """Numbers of one kind, one for each value of a label that has been met."""

    __slots__ = ("label", "numbers")

    def __init__(self, label: str) -> None:
        self.label = label
        self.numbers: dict[object, Number] = {}

    def labels(self, value: object) -> Number:
        """Return the number of a label's value."""
        found = self.numbers.get(value)
        if found is None:
            found = self.numbers[value] = Number()
        return found


class Spreads:
    """Spreads of one kind, one for each value of a label."""

    __slots__ = ("label", "spreads")

    def __init__(self, label: str, values: Sequence[str], bounds: Sequence[float]) -> None:
        self.label = label
        self.spreads = {value: Spread(bounds) for value in values}
