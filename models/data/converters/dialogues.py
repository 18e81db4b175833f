"""Schema-Guided Dialogue: the turns in which a user says what he wants, of many services -> one JSON object a line.

Of a service, intent and split there are at most 150 turns; the draws that chose them are made here again.
"""

import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.data.converters.intents import Row, slot, write_rows

SPLITS = ("dev", "test", "train")  # a turn said twice counts for the first of these; test is drawn from, and not kept
KEPT = ("dev", "train")
LARGE_BYTES = 4 * 2**20  # files of so many are left out
MAX_TURNS, MAX_WITHOUT_SLOTS = 150, 50  # of a service, intent and split; those with slots fill it up
SEED = 0

Group = tuple[str, str, str]  # service, intent, split


def sgd(downloads: Path, out: Path) -> None:
    """Turns of one service and one intent, with the slots that have a place in the text."""
    with zipfile.ZipFile(downloads / "archive.zip") as files:
        chosen = _chosen(_groups(files))
    for split in KEPT:
        rows = (row for (_, _, of), rows in sorted(chosen.items()) if of == split for row in rows)
        write_rows(out / f"sgd_{split}.jsonl.gz", rows)


def _groups(files: zipfile.ZipFile) -> dict[Group, list[Row]]:
    """The turns of each service, intent and split, each text once, in the order of their dialogues' names."""
    groups: dict[Group, list[Row]] = {}
    seen = set()
    for split in SPLITS:
        for dialogue in _dialogues(files, split):
            for row in _turns(dialogue, split):
                if (said := (row["text"], row["intent"], row["domain"])) not in seen:
                    seen.add(said)
                    groups.setdefault((row["domain"], row["intent"], split), []).append(row)
    return {group: sorted(rows, key=lambda row: (row["dialogue"], row["turn"])) for group, rows in groups.items()}


def _dialogues(files: zipfile.ZipFile, split: str) -> Iterator[dict[str, Any]]:
    for file in sorted(files.infolist(), key=lambda file: file.filename):
        if f"/{split}/dialogues_" in file.filename and file.file_size < LARGE_BYTES:
            yield from json.loads(files.read(file))


def _turns(dialogue: dict[str, Any], split: str) -> Iterator[Row]:
    for number, turn in enumerate(dialogue["turns"]):
        if turn["speaker"] != "USER" or len(turn["frames"]) != 1:
            continue
        frame, text = turn["frames"][0], turn["utterance"]
        intents = [action["values"][0] for action in frame["actions"] if action["act"] == "INFORM_INTENT"]
        if len(intents) == 1:
            spans = sorted(frame["slots"], key=lambda span: span["start"])
            yield {
                "text": text,
                "intent": intents[0],
                "domain": frame["service"],
                "slots": [slot(s["slot"], s["start"], text[s["start"] : s["exclusive_end"]]) for s in spans],
                "split": split,
                "dialogue": dialogue["dialogue_id"],
                "turn": number,
            }


def _chosen(groups: dict[Group, list[Row]]) -> dict[Group, list[Row]]:
    """Those with slots first, each kind in an order that is drawn: one sequence of draws for all groups."""
    draw, chosen = random.Random(SEED), {}
    for group, rows in sorted(groups.items()):
        with_slots = [row for row in rows if row["slots"]]
        without = [row for row in rows if not row["slots"]]
        draw.shuffle(with_slots)
        draw.shuffle(without)
        without = without[:MAX_WITHOUT_SLOTS]
        chosen[group] = with_slots[: MAX_TURNS - len(without)] + without
    return chosen
