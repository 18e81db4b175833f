"""Sets of photographs: the archive's chosen files, cut and reduced; read by class; the real sets where they are."""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import photos as reader
from models.data.absent import AbsentDataSet
from models.data.converters.photos import CALTECH, GROCERY, Files, Shards, chosen, write
from models.data.digest import content_digest
from models.data.photos import load_photos
from models.data.sources import Source, install, is_present
from models.fetch import NotDownloaded
from tests.models.data.test_sources import quiet
from tests.models.data.web import Web, serving

DATA = Path(os.environ.get("KSHOT_DATA", "/nowhere"))
FILES: Files = {"train/Fruit/Apple/Gala": [2, 1], "train/Fruit/Kiwi": [3]}
PATHS = ["train/Fruit/Apple/Gala/Gala_2.jpg", "train/Fruit/Apple/Gala/Gala_1.jpg", "train/Fruit/Kiwi/Kiwi_3.jpg"]
SHARDS = Shards(16, 90, "train", ["small_part1.npz", "small_part2.npz"], (2, 1))
SIZES = ((40, 20), (9, 12), (16, 16))  # reduced, enlarged, as it is


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as files:
        for place, (path, size) in enumerate(zip(PATHS, SIZES, strict=True)):
            jpeg = io.BytesIO()
            Image.new("RGB", size, (80 * place, 200, 10)).save(jpeg, "JPEG")
            files.writestr(f"Set-1234/{path}", jpeg.getvalue())
    return file.getvalue()


def convert(downloads: Path, out: Path) -> None:
    write(downloads / "archive.zip", out, FILES, PATHS, SHARDS, coarse=True)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "archive.zip").write_bytes(archive())
    convert(folder, folder)
    return {name: content_digest(folder / name) for name in SHARDS.names}


def test_downloaded_converted_and_read(
    expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reader.SETS, "small", SHARDS)
    with pytest.raises(AbsentDataSet, match="kshot data get small"):
        load_photos(tmp_path, "small")
    with serving(Web({"archive.zip": archive()})) as web:
        source = Source("a few", "none", "small", {"archive.zip": web.address("archive.zip")}, convert)
        install(source, expected, tmp_path, quiet)
    photos = load_photos(tmp_path, "small")
    assert photos.classes == ("Gala", "Kiwi")
    assert photos.label.tolist() == [0, 0, 1]
    assert [photos.image(row).size for row in range(3)] == [(16, 16)] * 3
    red = [np.asarray(photos.image(row))[8, 8, 0].item() for row in range(3)]
    assert red == pytest.approx([0, 80, 160], abs=4)
    assert [rows.tolist() for rows in photos.only(np.array([1])).rows()] == [[0]]
    assert photos.digest() != replace(photos, label=photos.label[::-1].copy()).digest()


def test_another_archive_is_refused(expected: dict[str, str], tmp_path: Path) -> None:
    for content in (archive().replace(b"Gala_1", b"Gala_9"), b"no archive"):
        with serving(Web({"archive.zip": content})) as web:
            source = Source("a few", "none", "small", {"archive.zip": web.address("archive.zip")}, convert)
            with pytest.raises(NotDownloaded, match="not what it should be"):
                install(source, expected, tmp_path, quiet)
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize(("name", "shards"), [("caltech101_a", CALTECH), ("grocery", GROCERY)])
def test_the_files_that_are_chosen(name: str, shards: Shards) -> None:
    files = chosen(name)
    assert sum(map(len, files.values())) == sum(shards.sizes)
    assert all(len(set(numbers)) == len(numbers) for numbers in files.values())


@pytest.mark.parametrize(("name", "num_classes"), [("caltech101_a", 49), ("grocery", 81)])
def test_the_real_sets(name: str, num_classes: int) -> None:
    if not is_present(name, DATA):
        pytest.skip(f"KSHOT_DATA names no folder that holds {name}")
    photos = load_photos(DATA, name)
    assert len(photos.classes) == len(photos.rows()) == num_classes
    assert photos.image(0).size == (reader.SETS[name].side,) * 2
