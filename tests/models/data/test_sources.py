"""Whole downloads, from a local server that serves the official files as they can be made again from the local sets."""

import gzip
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.converters import regression_tables, regressions
from models.data.digest import content_digest
from models.data.omniglot import DRAWERS
from models.data.sources import SOURCES, Source, digests, install, is_present
from models.fetch import NotDownloaded
from tests.models.data.web import Web, serving

DATA = Path(os.environ.get("KSHOT_DATA", "/nowhere"))


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not is_present(name, DATA), reason=f"KSHOT_DATA names no folder that holds {name}")


def quiet(file: str, done: int, total: int | None) -> None:
    pass


def texts() -> Source:
    """A set of one file that is taken as it is."""

    def convert(downloads: Path, out: Path) -> None:
        shutil.copy(downloads / "words.txt", out)

    return Source("words", "none", "words", {"words.txt": "words.txt"}, convert)


def at(web: Web, source: Source) -> Source:
    """The same set, its files on this server by their names."""
    return replace(source, urls={name: web.address(name) for name in source.urls})


EXPECTED = {"words.txt": hashlib.sha256(b"one two").hexdigest()}


def test_what_is_right_is_moved_into_place_and_nothing_else_stays(tmp_path: Path) -> None:
    with serving(Web({"words.txt": b"one two"})) as web:
        assert install(at(web, texts()), EXPECTED, tmp_path, quiet) == tmp_path / "words"
        install(at(web, texts()), EXPECTED, tmp_path, quiet)
    assert (tmp_path / "words/words.txt").read_bytes() == b"one two"
    assert len(web.asked) == 1
    assert not [path for path in (tmp_path / ".downloads").rglob("*") if path.suffix != ".lock"]


def test_wrong_content_is_refused_deleted_and_fetched_afresh(tmp_path: Path) -> None:
    with serving(Web({"words.txt": b"one too"})) as web:
        with pytest.raises(NotDownloaded, match=r"not what it should be \(words.txt\)"):
            install(at(web, texts()), EXPECTED, tmp_path, quiet)
        assert not (tmp_path / "words").exists()
        web.files["words.txt"] = b"one two"
        install(at(web, texts()), EXPECTED, tmp_path, quiet)
    assert (tmp_path / "words/words.txt").read_bytes() == b"one two"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotDownloaded, match="KSHOT_DATA"):
        install(texts(), EXPECTED, tmp_path / "file", quiet)


def test_every_set_has_its_digests() -> None:
    for name, source in SOURCES.items():
        assert digests(name)
        assert all(url.startswith("https://") for url in source.urls.values())


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in SOURCES])
def test_the_digests_are_those_of_the_local_sets(name: str) -> None:
    for file, digest in digests(name).items():
        assert content_digest(DATA / SOURCES[name].folder / file) == digest, file


def drawings() -> dict[str, bytes]:
    """The two official archives with a few characters of two alphabets each, drawn again: all take a minute."""
    archives = {}
    for split in ("background", "evaluation"):
        names, ids, ink = drawn(DATA, split)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for (alphabet, character, number, drawer), drawing in zip(ids.tolist(), ink, strict=True):
                if names[alphabet] in ALPHABETS[split] and character <= CHARACTERS:
                    png = io.BytesIO()
                    Image.fromarray(drawing == 0).save(png, "PNG")
                    path = f"images_{split}/{names[alphabet]}/character{character:02d}"
                    archive.writestr(f"{path}/{number:04d}_{drawer:02d}.png", png.getvalue())
        archives[f"images_{split}.zip"] = content.getvalue()
    return archives


def drawn(data: Path, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names of alphabets, what each drawing is, its ink."""
    parts = [np.load(data / f"omniglot/omniglot_{split}_105_1bit_part{part}.npz") for part in (1, 2)]
    ids = np.stack([np.concatenate([part[name] for part in parts]) for name in COLUMNS], axis=1)
    ink = np.unpackbits(np.concatenate([part["bits"] for part in parts]), axis=2)[:, :, :105]
    return parts[0]["alphabets"], ids, ink


ALPHABETS = {"background": ("Braille", "Tagalog"), "evaluation": ("Aurek-Besh", "ULOG")}
CHARACTERS = 3
COLUMNS = ("alphabet", "char_in_alphabet", "file_number", "drawer")


def curves() -> dict[str, bytes]:
    return {
        f"{name}.csv": table((DATA / f"curves/{name}.npz"), given, target, task)
        for name, (_, given, target, task) in regressions.CURVES.items()
    }


def table(path: Path, given: str, target: str, task: str) -> bytes:
    arrays = np.load(path)
    rows = zip(arrays["X"][:, 0], arrays["y"], arrays["task"], strict=True)
    return "\n".join([f"{given},{target},{task}", *(f"{x!s},{y!s},{t}" for x, y, t in rows)]).encode()


def vinyals() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (DATA / "omniglot/vinyals").glob("*.txt")}


def clinc() -> dict[str, bytes]:
    full: dict[str, list[list[str]]] = {}
    domains: dict[str, list[str]] = {}
    for line in gzip.decompress((DATA / "clinc150/clinc150.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        full.setdefault(row["split"], []).append([row["text"], row["label"]])
        if row["domain"] and row["label"] not in domains.setdefault(row["domain"], []):
            domains[row["domain"]].append(row["label"])
    return {"data_full.json": json.dumps(full).encode(), "domains.json": json.dumps(domains).encode()}


@pytest.mark.parametrize(
    ("name", "official"),
    [
        pytest.param("omniglot-vinyals", vinyals, marks=needs("omniglot-vinyals")),
        pytest.param("curves", curves, marks=needs("curves")),
        pytest.param("clinc150", clinc, marks=needs("clinc150")),
    ],
)
def test_official_files_become_the_local_layout(
    name: str, official: Callable[[], dict[str, bytes]], tmp_path: Path
) -> None:
    with serving(Web(official(), cut_after=20_000)) as web:
        install(at(web, SOURCES[name]), digests(name), tmp_path, quiet)
    assert is_present(name, tmp_path)


@needs("omniglot")
def test_official_archives_become_the_local_drawings(tmp_path: Path) -> None:
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "official").mkdir()
    for name, content in drawings().items():
        (tmp_path / "official" / name).write_bytes(content)
    SOURCES["omniglot"].convert(tmp_path / "official", tmp_path / "omniglot")
    for split in ("background", "evaluation"):
        same_drawings(tmp_path, split)


def same_drawings(made: Path, split: str) -> None:
    """The characters that were made are, row by row, what the local set has of them; at 28 pixels too."""
    names, ids, ink = drawn(made, split)
    local_names, local_ids, local_ink = drawn(DATA, split)
    chosen = np.isin(local_names[local_ids[:, 0]], ALPHABETS[split]) & (local_ids[:, 1] <= CHARACTERS)
    assert chosen.sum() == 2 * CHARACTERS * DRAWERS
    assert (names[ids[:, 0]] == local_names[local_ids[chosen, 0]]).all()
    assert (ids[:, 1:] == local_ids[chosen, 1:]).all()
    assert (ink == local_ink[chosen]).all()
    small, local_small = (np.load(data / f"omniglot/omniglot_{split}_28_g4.npz") for data in (made, DATA))
    assert (small["nibbles"] == local_small["nibbles"][chosen]).all()


@needs("tabular_reg")
@pytest.mark.parametrize(("name", "num_rows"), [("servo", 167), ("autompg", 398), ("delta_ailerons", 7129)])
def test_an_official_table_becomes_the_local_one_or_its_sample(name: str, num_rows: int, tmp_path: Path) -> None:
    arrays = np.load(DATA / f"tabular_reg/{name}.npz")
    values = json.loads(str(arrays["categories"]))
    columns = [(column, values.get(column)) for column in arrays["feature_names"].tolist()] + [("target", None)]
    rows = np.zeros((num_rows, len(columns)), np.float32)
    kept = np.random.default_rng(0).choice(num_rows, len(arrays["y"]), replace=False)  # zeros are what is not local
    rows[np.sort(kept)] = np.column_stack([arrays["X"], arrays["y"]])
    kinds = [f"@attribute '{column}' {'{' + ', '.join(v) + '}' if v else 'real'}" for column, v in columns]
    cells = [",".join(v[int(x)] if v else str(x) for x, (_, v) in zip(row, columns, strict=True)) for row in rows]
    (tmp_path / f"{name}.arff").write_text("\n".join([f"@relation {name}", *kinds, "@data", *cells]))
    regression_tables.table(tmp_path / f"{name}.arff", tmp_path / f"{name}.npz")
    assert content_digest(tmp_path / f"{name}.npz") == digests("tabular_reg")[f"{name}.npz"]


@needs("tabular_reg")
def test_official_wines_become_the_local_ones(tmp_path: Path) -> None:
    arrays = np.load(DATA / "tabular_reg/wine_quality_red.npz")
    np.savetxt(tmp_path / "red.csv", np.column_stack([arrays["X"], arrays["y"]]), "%.9g", ",")
    regression_tables.wines(tmp_path / "red.csv", tmp_path / "red.npz")
    assert content_digest(tmp_path / "red.npz") == digests("tabular_reg")["wine_quality_red.npz"]
