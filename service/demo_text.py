"""`kshot demo --model text`: learn what eight kinds of messages to a bank want, from five of each."""

import json
from pathlib import Path

from rich.console import Console

from service.demo_beside import Beside, no_rival, share

PATH = Path(__file__).with_name("sentences.json")

Sentences = dict[str, list[str]]


def demonstrate(url: str, console: Console, *, api_key: str | None = None) -> None:
    """Adapt to more and more sentences against the service at `url`, and print the report."""
    rival_is = "TF-IDF and logistic regression of scikit-learn"
    beside = Beside("text", "messages to a bank", "others", *sentences(), rival, rival_is)
    beside.demonstrate(url, console, api_key=api_key)


def sentences() -> tuple[Sentences, Sentences]:
    """The messages that are shown and those that are asked about, by what they want."""
    content = json.loads(PATH.read_text("utf-8"))
    return content["shown"], content["asked"]


def rival(texts: list[str], labels: list[str], queries: list[str], truth: list[str]) -> float:
    """Accuracy of logistic regression on the words, taught the same."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise no_rival() from None
    read = TfidfVectorizer()
    fitted = LogisticRegression(C=10).fit(read.fit_transform(texts), labels)
    return share(fitted.predict(read.transform(queries)).tolist(), truth)
