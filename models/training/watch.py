"""What a person sees of a run: progress on the terminal, log.csv, and curves.png at each save."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.training.log import Log, draw_curves

SHOWN = 3  # figures on the terminal; the rest are in the log
DRAW_EVERY_S = 60.0  # curves cost half a second


class Watch:
    """Shows the steps of a run from `first` on; a context, in which the terminal has a bar."""

    def __init__(self, folder: Path, first: int, num_steps: int) -> None:
        self.folder, self.num_steps = folder, num_steps
        self.log = Log(folder / "log.csv", first)
        self.before_s = self.log.seconds
        self.start = self.drawn = time.monotonic()
        self.episodes = 0
        left = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self.progress = Progress(*left, *times, TextColumn("{task.fields[figures]}"), console=Console(stderr=True))
        self.bar = self.progress.add_task("train", total=num_steps, completed=first, figures="")

    def __enter__(self) -> "Watch":
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def saw(self, done: int, figures: Mapping[str, float], episodes: int, note: bool) -> None:
        """One step: on the terminal, and in the log where it is to be noted."""
        self.episodes += episodes
        seconds = time.monotonic() - self.start
        rate = self.episodes / max(seconds, 1e-9)
        first = [f"{name} {value:.3f}" for name, value in list(figures.items())[:SHOWN]]
        self.progress.update(self.bar, completed=done, figures=" ".join([*first, f"{rate:.0f} episodes/s"]))
        if note:
            self.log.add(done, {**figures, "episodes_per_s": rate, "seconds": self.before_s + seconds})

    def saved(self, last: bool) -> None:
        """The run was saved: draw its curves, unless that was done just now and there are more steps to come."""
        if last or time.monotonic() - self.drawn > DRAW_EVERY_S:
            draw_curves(self.log.path, self.folder / "curves.png")
            self.drawn = time.monotonic()
