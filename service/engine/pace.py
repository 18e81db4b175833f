"""How long work takes, as measured lately: what estimates of cost are made from."""

from collections.abc import Generator
from time import perf_counter
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")

FADE = 0.95  # what is left of a measurement's weight at the next one


class Pace:
    """Milliseconds of a batch as a line over its rows: a fixed part, and so much a row. Least squares, fading."""

    def __init__(self) -> None:
        self._moments = np.zeros(5)  # of 1, rows, ms, rows * rows, rows * ms
        self._line = self._fitted()  # its fixed part and its slope: every request asks for them

    def observe(self, rows: int, ms: float) -> None:
        """Add a measurement."""
        self._moments = FADE * self._moments + [1, rows, ms, rows * rows, rows * ms]
        self._line = self._fitted()

    @property
    def ms_per_row(self) -> float:
        """The slope; before two sizes were seen, the whole time a row. Never nothing: noise must not make work free."""
        return self._line[1]

    def ms(self, rows: int) -> float:
        """The estimated time of a batch of so many rows."""
        fixed, slope = self._line
        return fixed + slope * rows

    def _fitted(self) -> tuple[float, float]:
        n, rows, ms, rows_rows, rows_ms = self._moments.tolist()
        mean, spread = ms / max(rows, 1), n * rows_rows - rows * rows
        slope = (n * rows_ms - rows * ms) / spread if spread > 1e-6 * n * rows_rows else mean
        slope = min(max(slope, 0.1 * mean), mean)
        return max(0.0, (ms - slope * rows) / max(n, 1)), slope


def timed(slices: Generator[None, None, Result]) -> Generator[None, None, tuple[Result, float]]:
    """The same slices; at the end their result and the milliseconds they ran, pauses left out."""
    ms = 0.0
    while True:
        began = perf_counter()
        try:
            next(slices)
        except StopIteration as done:
            return done.value, ms + 1000 * (perf_counter() - began)
        ms += 1000 * (perf_counter() - began)
        yield
