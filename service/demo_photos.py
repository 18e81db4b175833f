"""`kshot demo --model photos`: learn eight goods of a shop, none of which it was trained on, from a few photographs."""

from pathlib import Path

from rich.console import Console

from service.demo_beside import SHOTS, Beside, no_rival, share

PATH = Path(__file__).with_name("photos")  # a folder of numbered photographs a label; the first five are shown
SIDE = 32  # of the pictures that the rival sees

Pictures = dict[str, list[Path]]


def demonstrate(url: str, console: Console, *, api_key: str | None = None) -> None:
    """Adapt to more and more photographs against the service at `url`, and print the report."""
    rival_is = "logistic regression of scikit-learn on the pixels"
    beside = Beside("photos", "goods in a shop", "other photographs", *pictures(), rival, rival_is)
    beside.demonstrate(url, console, api_key=api_key)


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


def rival(support: list[Path], labels: list[str], queries: list[Path], truth: list[str]) -> float:
    """Accuracy of logistic regression on small copies of the same pictures."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise no_rival() from None
    fitted = LogisticRegression(max_iter=1000).fit([_pixels(path) for path in support], labels)
    return share(fitted.predict([_pixels(path) for path in queries]).tolist(), truth)


def _pixels(path: Path) -> list[float]:
    from PIL import Image

    small = Image.open(path).convert("RGB").resize((SIDE, SIDE))
    return [byte / 255 for byte in small.tobytes()]
