"""Examples and queries as people have them: folders of images, CSV, lines of JSON. Errors name file and line."""

import json
import mimetypes
import sys
from pathlib import Path

from models.files import KINDS, BadFile, Columns, Row, files_of, read_cells, read_lines

STDIN = Path("-")


def kind_of(source: Path, given: str | None) -> str:
    """json, jsonl, csv, folder or image: as it is called, unless it was said."""
    if given is not None:
        return given
    if source == STDIN:
        return "jsonl"
    kinds = {".json": "json", **KINDS}
    return "folder" if source.is_dir() else kinds.get(source.suffix.lower(), "image")


def read_rows(source: Path, kind: str, columns: Columns) -> list[Row]:
    """What a source holds. Raises BadFile."""
    if kind == "folder":
        return [Row(str(path), path) for path in files_of(source) if _may_be_image(path)]
    if kind == "image":
        return [Row(str(source), source)]
    return read_lines(read_bytes(source), kind, source, columns)


def strays(folder: Path, *, are_examples: bool = False) -> list[Path]:
    """The files of a folder that are passed over: no images; of examples, what is not in the folder of a label."""
    return [path for path in files_of(folder) if not _may_be_image(path) or (are_examples and path.parent == folder)]


def read_examples(source: Path, kind: str, columns: Columns) -> list[Row]:
    """What a source holds to learn from; the label of an image in a folder is the folder right above it."""
    rows = read_rows(source, kind, columns)
    if kind == "folder":
        rows = [Row(row.where, row.input, label=Path(row.where).parent.name) for row in rows]
        rows = [row for row in rows if Path(row.where).parent != source]
    if not rows:
        raise BadFile(f"{source} holds no examples" + ("; expected a folder of images a label" * (kind == "folder")))
    for name in ("id", "label", "target"):
        lacking = [row for row in rows if getattr(row, name) is None]
        if lacking and len(lacking) < len(rows):
            raise BadFile(f"{lacking[0].where}: has no {name}, while others have one")
    return rows


def read_names(source: Path) -> dict[str, str]:
    """What labels mean: an object of JSON, or CSV with the columns label and name. Raises BadFile."""
    if kind_of(source, None) == "csv":
        rows = [row for _, row in read_cells(read_bytes(source), source, Columns())]
        if not all(set(row) == {"label", "name"} for row in rows):
            raise BadFile(f"{source}: expected the columns label and name")
        return {row["label"]: row["name"] for row in rows}
    try:
        found = json.loads(read_bytes(source))
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{source}: expected an object of JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise BadFile(f'{source}: expected an object of JSON, such as {{"card_lost": "the card is lost or stolen"}}')
    return found


def read_bytes(source: Path) -> bytes:
    """The content of a file, or of standard input."""
    return sys.stdin.buffer.read() if source == STDIN else source.read_bytes()


def _may_be_image(path: Path) -> bool:
    """Whether its name does not say that it is something else; the service looks at what it holds."""
    kind, _ = mimetypes.guess_type(path.name)
    return kind is None or kind.startswith("image/")
