"""`kshot demo --model text`: learn what eight kinds of messages to a bank want, from five of each."""

import json
from pathlib import Path

from rich.console import Console, Group
from rich.table import Table

from service.client import Client
from service.demo import MissingExtra, wait_for
from service.schemas import Classification

MODEL = "text"
SHOTS = (1, 2, 5)
PATH = Path(__file__).with_name("sentences.json")

Sentences = dict[str, list[str]]


def demonstrate(url: str, console: Console, *, api_key: str | None = None) -> None:
    """Adapt to more and more sentences against the service at `url`, and print the report."""
    shown, asked = sentences()
    queries, truth = flat(asked)
    table = Table("shown of each", box=None)
    for header in ("adapt", MODEL, "rival"):
        table.add_column(header, justify="right")
    with Client(url, api_key=api_key) as kshot, console.status("asking about messages to a bank"):
        wait_for(kshot)
        for shots in SHOTS:
            texts, labels = flat({label: own[:shots] for label, own in shown.items()})
            task = kshot.adapt(MODEL, texts, labels=labels, name="kshot demo: messages to a bank")
            answers = kshot.predict(task, queries, top=1).predictions
            told = [answer.label for answer in answers if isinstance(answer, Classification)]
            right = _share(told, truth)
            ms = task.timing.queue_ms + task.timing.compute_ms
            table.add_row(str(shots), f"{ms:.0f} ms", f"{right:.0%}", f"{rival(texts, labels, queries, truth):.0%}")
    title = f"Messages to a bank: {len(shown)} kinds, {len(queries)} others asked about"
    console.print(Group(title, "", table, "", "rival: TF-IDF and logistic regression of scikit-learn"))


def sentences() -> tuple[Sentences, Sentences]:
    """The messages that are shown and those that are asked about, by what they want."""
    content = json.loads(PATH.read_text("utf-8"))
    return content["shown"], content["asked"]


def flat(by_label: Sentences) -> tuple[list[str], list[str]]:
    """Texts, and the label of each."""
    pairs = [(text, label) for label, texts in by_label.items() for text in texts]
    return [text for text, _ in pairs], [label for _, label in pairs]


def rival(texts: list[str], labels: list[str], queries: list[str], truth: list[str]) -> float:
    """Accuracy of logistic regression on the words, taught the same."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtra("The demo's rival is scikit-learn's: pip install 'kshot[bench]'") from None
    read = TfidfVectorizer()
    fitted = LogisticRegression(C=10).fit(read.fit_transform(texts), labels)
    return _share(fitted.predict(read.transform(queries)).tolist(), truth)


def _share(told: list[str], truth: list[str]) -> float:
    return sum(one == other for one, other in zip(told, truth, strict=True)) / len(truth)
