"""`kshot demo --model photos`: learn eight goods of a shop, none of which it was trained on, from a few photographs."""

from pathlib import Path

from rich.console import Console, Group
from rich.table import Table

from service.client import Client
from service.demo import MissingExtra, wait_for
from service.schemas import Classification

MODEL = "photos"
SHOTS = (1, 2, 5)
PATH = Path(__file__).with_name("photos")  # a folder of numbered photographs a label; the first five are shown
SIDE = 32  # of the pictures that the rival sees

Pictures = dict[str, list[Path]]


def demonstrate(url: str, console: Console, *, api_key: str | None = None) -> None:
    """Adapt to more and more photographs against the service at `url`, and print the report."""
    shown, asked = pictures()
    queries, truth = flat(asked)
    table = Table("shown of each", box=None)
    for header in ("adapt", MODEL, "rival"):
        table.add_column(header, justify="right")
    with Client(url, api_key=api_key) as kshot, console.status("asking about photographs"):
        wait_for(kshot)
        for shots in SHOTS:
            support, labels = flat({label: own[:shots] for label, own in shown.items()})
            task = kshot.adapt(MODEL, support, labels=labels, name="kshot demo: goods in a shop")
            answers = kshot.predict(task, queries, top=1).predictions
            told = [answer.label for answer in answers if isinstance(answer, Classification)]
            ms = task.timing.queue_ms + task.timing.compute_ms
            beside = rival(support, labels, queries, truth)
            table.add_row(str(shots), f"{ms:.0f} ms", f"{_share(told, truth):.0%}", f"{beside:.0%}")
    title = f"Goods in a shop: {len(shown)} kinds, {len(queries)} other photographs asked about"
    console.print(Group(title, "", table, "", "rival: logistic regression of scikit-learn on the pixels"))


def pictures() -> tuple[Pictures, Pictures]:
    """The photographs that are shown and those that are asked about, by what they show."""
    by_label = {
        folder.name: sorted(folder.glob("*.jpg"), key=lambda path: int(path.stem))
        for folder in sorted(PATH.iterdir())
        if folder.is_dir()
    }
    most = max(SHOTS)
    return (
        {label: own[:most] for label, own in by_label.items()},
        {label: own[most:] for label, own in by_label.items()},
    )


def flat(by_label: Pictures) -> tuple[list[Path], list[str]]:
    """Photographs, and the label of each."""
    pairs = [(path, label) for label, paths in by_label.items() for path in paths]
    return [path for path, _ in pairs], [label for _, label in pairs]


def rival(support: list[Path], labels: list[str], queries: list[Path], truth: list[str]) -> float:
    """Accuracy of logistic regression on small copies of the same pictures."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtra("The demo's rival is scikit-learn's: pip install 'kshot[bench]'") from None
    fitted = LogisticRegression(max_iter=1000).fit([_pixels(path) for path in support], labels)
    return _share(fitted.predict([_pixels(path) for path in queries]).tolist(), truth)


def _pixels(path: Path) -> list[float]:
    from PIL import Image

    small = Image.open(path).convert("RGB").resize((SIDE, SIDE))
    return [byte / 255 for byte in small.tobytes()]


def _share(told: list[str], truth: list[str]) -> float:
    return sum(one == other for one, other in zip(told, truth, strict=True)) / len(truth)
