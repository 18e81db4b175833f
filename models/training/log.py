"""The figures of a run as it goes: a CSV with a header, and the same as curves in a PNG."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

COLUMNS = 3  # of panels
APART = ("step", "seconds")  # no curves of their own


class Log:
    """Rows of figures by step, in a file that is a proper CSV at any moment."""

    def __init__(self, path: Path, first: int = 0) -> None:
        """Goes on from what an earlier process wrote about the first `first` steps; rows beyond are dropped."""
        self.path = path
        self.rows = [row for row in _read(path) if int(row["step"]) <= first]
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row)) or ["step"]
        self._rewrite()

    @property
    def seconds(self) -> float:
        """How long the run had taken at the last row."""
        return float(self.rows[-1].get("seconds", 0)) if self.rows else 0.0

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """One more row; a figure that is new gets a column, which is empty in the rows before."""
        row = {"step": str(step), **{name: f"{value:.6g}" for name, value in figures.items()}}
        self.rows.append(row)
        new = [name for name in row if name not in self.columns]
        if new:
            self.columns += new
            self._rewrite()
        else:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerow(row)

    def _rewrite(self) -> None:
        beside = self.path.with_suffix(".csv.partial")
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)
        beside.replace(self.path)


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of the file, without the last where it was cut short."""
    if not path.is_file():
        return []
    whole = path.read_text("utf-8").rpartition("\n")[0]
    rows = [{name: cell for name, cell in row.items() if cell} for row in csv.DictReader(whole.splitlines())]
    return [row for row in rows if row.get("step", "").isdigit()]


def draw_curves(log: Path, path: Path) -> bool:
    """A panel for each figure over the steps; False where matplotlib (extra `train`) is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    rows = _read(log)
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in APART]
    if not names:
        return True
    lines = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.6 * lines), dpi=80, layout="tight")
    for number, name in enumerate(names, start=1):
        panel = figure.add_subplot(lines, COLUMNS, number, title=name, xlabel="step")
        points = [(int(row["step"]), float(row[name])) for row in rows if name in row]
        panel.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else "")
        panel.grid(alpha=0.3)
    beside = path.with_suffix(".partial")
    FigureCanvasAgg(figure).print_figure(beside, format="png")
    beside.replace(path)
    return True
