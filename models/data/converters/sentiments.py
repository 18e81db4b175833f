"""Sentences that many people have rated from -4 to 4 (Hutto and Gilbert 2014) -> one JSON object a line."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from models.data.converters.intents import Row, write_rows

CLEAR = 1.0  # a mean rating so far from zero
TEST = 3  # of each source one sentence in so many is asked
SOURCES = {
    "films": "movieReviewSnippets",
    "goods": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
    "tweets": "tweets",
}


def sentiments(downloads: Path, out: Path) -> None:
    """Sentences that are clearly positive or negative, once each, with what they are taken from as their domain."""
    with tarfile.open(downloads / "archive.tar.gz") as files:
        write_rows(out / "sentiments.jsonl.gz", _rows(files))


def _rows(files: tarfile.TarFile) -> Iterator[Row]:
    for domain, name in SOURCES.items():
        file = files.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
        assert file is not None
        ratings: dict[str, float] = {}
        for line in file.read().decode().splitlines():
            _, told, text = line.split("\t")
            ratings.setdefault(text.strip(), float(told))
        clear = [(text, rating) for text, rating in ratings.items() if abs(rating) >= CLEAR]
        for number, (text, rating) in enumerate(clear):
            label = "positive" if rating > 0 else "negative"
            split = "train" if number % TEST else "test"
            yield {"text": text, "intent": label, "domain": domain, "split": split}
