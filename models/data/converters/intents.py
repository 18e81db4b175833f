"""Intents and slots: CLINC150, HWU64 and SNIPS -> one JSON object a line."""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
CLINC_SPLITS = ("train", "val", "test", "oos_train", "oos_val", "oos_test")
HWU_FOLD = (
    "CrossValidation/autoGeneFromRealAnno/autoGene_2018_03_22-13_01_25_169/CrossValidation/KFold_1/"  # one of ten
)
SLOT = re.compile(r"\[([^:\]]+):([^\]]+)\]")  # [date : tomorrow]
SNIPS_INTENTS = (
    "AddToPlaylist",
    "BookRestaurant",
    "GetWeather",
    "PlayMusic",
    "RateBook",
    "SearchCreativeWork",
    "SearchScreeningEvent",
)


def clinc150(downloads: Path, out: Path) -> None:
    """Texts with intent and domain; what is out of scope has no domain."""
    full = json.loads((downloads / "data_full.json").read_bytes())
    domains = json.loads((downloads / "domains.json").read_bytes())
    domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
    rows = (
        {"text": text, "label": label, "domain": domain_of.get(label), "split": split}
        for split in CLINC_SPLITS
        for text, label in full[split]
    )
    write_rows(out / "clinc150.jsonl.gz", rows)


def hwu64(downloads: Path, out: Path) -> None:
    """The first fold: texts with intent, scenario and slots."""
    with zipfile.ZipFile(downloads / "archive.zip") as files:
        write_rows(out / "hwu64.jsonl.gz", _hwu_rows(files))


def _hwu_rows(files: zipfile.ZipFile) -> Iterator[Row]:
    for split, folder in (("test", "testset/csv/"), ("train", "trainset/")):
        for name in sorted(name for name in files.namelist() if HWU_FOLD + folder in name and name.endswith(".csv")):
            for row in csv.DictReader(io.StringIO(files.read(name).decode()), delimiter=";"):
                text, slots = _annotated(row["answer_annotation"])
                intent = f"{row['scenario']}_{row['intent']}"
                yield {"text": text, "intent": intent, "domain": row["scenario"], "slots": slots, "split": split}


def _annotated(annotation: str) -> tuple[str, list[Row]]:
    """Wake me at [time : nine] -> the plain text, and where its slots lie."""
    text, slots, end = "", [], 0
    for found in SLOT.finditer(annotation):
        text += annotation[end : found.start()]
        slots.append(slot(found[1].strip(), len(text), found[2].strip()))
        text += found[2].strip()
        end = found.end()
    return text + annotation[end:], slots


def snips(downloads: Path, out: Path) -> None:
    """Texts with intent and slots, in their original case."""
    write_rows(out / "snips.jsonl.gz", _snips_rows(downloads))


def _snips_rows(downloads: Path) -> Iterator[Row]:
    for intent in SNIPS_INTENTS:
        for split, name in (("train", f"train_{intent}_full.json"), ("test", f"validate_{intent}.json")):
            for example in json.loads(_decoded((downloads / name).read_bytes()))[intent]:
                text, slots = _pieces(example["data"])
                yield {"text": text, "intent": intent, "slots": slots, "split": split}


def _decoded(content: bytes) -> str:
    """One of the official files is in Latin-1."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _pieces(pieces: list[Row]) -> tuple[str, list[Row]]:
    """Pieces of text, some of them slots -> the stripped text, and where its slots lie."""
    text = "".join(piece["text"] for piece in pieces)
    slots, end = [], -(len(text) - len(text.lstrip()))
    for piece in pieces:
        if "entity" in piece:
            slots.append(slot(piece["entity"], end, piece["text"].rstrip()))
        end += len(piece["text"])
    return text.strip(), slots


def slot(name: str, start: int, value: str) -> Row:
    """A slot of this name, whose value begins there in the text."""
    return {"name": name, "start": start, "end": start + len(value), "value": value}


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """One JSON object a line, compressed."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=9) as file:
        file.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
