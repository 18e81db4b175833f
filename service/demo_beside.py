"""What demonstrations of texts and photographs share: more and more examples are shown, and a rival gets the same."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import Console, Group
from rich.table import Table

from service.client import Client, Raw
from service.demo import MissingExtra, wait_for
from service.schemas import Classification

SHOTS = (1, 2, 5)
Row = TypeVar("Row", bound=Raw)


@dataclass(frozen=True)
class Beside(Generic[Row]):
    """One demonstration: the model, what it is shown and asked about by label, and what else one could do."""

    model: str
    about: str  # "messages to a bank"
    others: str  # what is asked about: "others"
    shown: dict[str, list[Row]]
    asked: dict[str, list[Row]]
    rival: Callable[[list[Row], list[str], list[Row], list[str]], float]  # support, labels, queries, truth -> accuracy
    rival_is: str

    def demonstrate(self, url: str, console: Console, *, api_key: str | None = None) -> None:
        """Adapt to more and more examples against the service at `url`, and print the report."""
        queries, truth = flat(self.asked)
        table = Table("shown of each", box=None)
        for header in ("adapt", self.model, "rival"):
            table.add_column(header, justify="right")
        with Client(url, api_key=api_key) as kshot, console.status(f"asking about {self.about}"):
            wait_for(kshot)
            for shots in SHOTS:
                support, labels = flat({label: own[:shots] for label, own in self.shown.items()})
                task = kshot.adapt(self.model, support, labels=labels, name=f"kshot demo: {self.about}")
                answers = kshot.predict(task, queries, top=1).predictions
                told = [answer.label for answer in answers if isinstance(answer, Classification)]
                ms = task.timing.queue_ms + task.timing.compute_ms
                beside = self.rival(support, labels, queries, truth)
                table.add_row(str(shots), f"{ms:.0f} ms", f"{share(told, truth):.0%}", f"{beside:.0%}")
        about = f"{self.about[0].upper()}{self.about[1:]}"
        title = f"{about}: {len(self.shown)} kinds, {len(queries)} {self.others} asked about"
        console.print(Group(title, "", table, "", f"rival: {self.rival_is}"))


def flat(by_label: dict[str, list[Row]]) -> tuple[list[Row], list[str]]:
    """The rows, and the label of each."""
    pairs = [(row, label) for label, rows in by_label.items() for row in rows]
    return [row for row, _ in pairs], [label for _, label in pairs]


def share(told: Iterable[str], truth: list[str]) -> float:
    """Of the labels told, those that are true."""
    return sum(one == other for one, other in zip(told, truth, strict=True)) / len(truth)


def no_rival() -> MissingExtra:
    """That the rival's package is not installed."""
    return MissingExtra("The demo's rival is scikit-learn's: pip install 'kshot[demo]'")
