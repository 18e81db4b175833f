"""What converters make of official files that are hard to make again: small ones by hand."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from models.data.converters.arff import read_arff
from models.data.converters.dialogues import LARGE_BYTES, sgd
from models.data.converters.sentiments import SOURCES, sentiments


def turn(
    text: str, intent: str | None = "Play", service: str = "Music_1", slots: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What a user says; each slot's value is its name in the text."""
    spans = [{"slot": s, "start": text.index(s), "exclusive_end": text.index(s) + len(s)} for s in slots]
    actions = [{"act": "INFORM", "values": []}, *([{"act": "INFORM_INTENT", "values": [intent]}] if intent else [])]
    frames = [{"service": service, "slots": spans, "actions": actions}]
    return {"speaker": "USER", "utterance": text, "frames": frames}


def made(tmp_path: Path, files: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What there is of each split after the conversion of these files of dialogues."""
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, dialogues in files.items():
            archive.writestr(f"sgd-1/{name}", dialogues if isinstance(dialogues, str) else json.dumps(dialogues))
    sgd(tmp_path, tmp_path)
    return {
        split: [json.loads(line) for line in gzip.open(tmp_path / f"sgd_{split}.jsonl.gz")]
        for split in ("train", "dev")
    }


def test_turns_of_one_service_and_one_intent_are_taken_with_their_slots(tmp_path: Path) -> None:
    system = {**turn("Which song?"), "speaker": "SYSTEM"}
    both = {**turn("Play it there")}
    both["frames"] = both["frames"] * 2
    turns = [turn("Play Yesterday by Beatles", slots=("Beatles", "Yesterday")), system, turn("Yes", None), both]
    found = made(tmp_path, {"train/dialogues_001.json": [{"dialogue_id": "1_0", "turns": turns}]})
    slots = [("Yesterday", 5, 14), ("Beatles", 18, 25)]
    assert found["train"] == [
        {
            "text": "Play Yesterday by Beatles",
            "intent": "Play",
            "domain": "Music_1",
            "slots": [{"name": name, "start": start, "end": end, "value": name} for name, start, end in slots],
            "split": "train",
            "dialogue": "1_0",
            "turn": 0,
        }
    ]
    assert not found["dev"]


def test_a_text_counts_once_and_large_files_not_at_all(tmp_path: Path) -> None:
    def dialogues(*texts: str) -> list[dict[str, Any]]:
        return [{"dialogue_id": "1_0", "turns": [turn(text) for text in texts]}]

    files: dict[str, Any] = {
        "train/dialogues_001.json": dialogues("one", "two", "two", "three"),
        "train/dialogues_002.json": json.dumps(dialogues("four")) + " " * LARGE_BYTES,
        "dev/dialogues_001.json": dialogues("one"),
        "test/dialogues_001.json": dialogues("three"),
        "train/schema.json": [],
    }
    found = made(tmp_path, files)
    assert [row["text"] for row in found["train"]] == ["two"]
    assert [row["text"] for row in found["dev"]] == ["one"]


def test_there_are_so_many_turns_at_most_and_those_with_slots_come_first(tmp_path: Path) -> None:
    turns = [turn(f"play a{n}", slots=(f"a{n}",)) for n in range(200)] + [turn(f"play {n}") for n in range(90)]
    turns += [turn(f"find {n}", "Find") for n in range(60)]
    found = made(tmp_path, {"train/dialogues_001.json": [{"dialogue_id": "1_0", "turns": turns}]})["train"]
    kinds = [(row["intent"], bool(row["slots"])) for row in found]
    assert kinds == [("Find", False)] * 50 + [("Play", True)] * 100 + [("Play", False)] * 50
    assert [row["turn"] for row in found[:50]] != sorted(row["turn"] for row in found[:50])


def test_arff_with_blanks_for_commas_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.arff").write_text(
        "% no\n@relation a\n@attribute x real\n@attribute 'a b' {u, v}\n@data\n1.5  v\n? u\n"
    )
    columns, rows = read_arff(tmp_path / "a.arff")
    assert [(column.name, column.values) for column in columns] == [("x", ()), ("a b", ("u", "v"))]
    numbers = [[column.number(cell) for column, cell in zip(columns, row, strict=True)] for row in rows]
    np.testing.assert_equal(numbers, [[1.5, 1.0], [np.nan, 0.0]])


def test_sentences_are_for_or_against_once_and_the_unclear_are_left_out(tmp_path: Path) -> None:
    lines = ["1\t2.5\tA fine film.", "2\t0.9\tIt has an end.", "3\t-1.0\tTedious ", "4\t3\tTedious", "5\t-3\tNo"]
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        for name in SOURCES.values():
            content = "\r\n".join(lines).encode()
            entry = tarfile.TarInfo(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    sentiments(tmp_path, tmp_path)
    made = gzip.decompress((tmp_path / "sentiments.jsonl.gz").read_bytes())
    rows = [json.loads(line) for line in made.splitlines()]
    assert {row["domain"] for row in rows} == SOURCES.keys() and len(rows) == 3 * len(SOURCES)
    own = [(row["text"], row["intent"], row["split"]) for row in rows if row["domain"] == "films"]
    assert own == [("A fine film.", "positive", "test"), ("Tedious", "negative", "train"), ("No", "negative", "train")]
