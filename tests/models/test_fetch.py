import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.fetch import NotDownloaded, fetch
from tests.models.data.web import Web, serving

CONTENT = os.urandom(300_000)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(Web({"set.zip": CONTENT})) as running:
        yield running


def test_a_file_arrives_whole_and_is_reported(web: Web, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(web.address("set.zip"), tmp_path / "a/set.zip", lambda done, total: seen.append((done, total)))
    assert (tmp_path / "a/set.zip").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["set.zip"]
    fetch(web.address("set.zip"), tmp_path / "a/set.zip")
    assert len(web.asked) == 1


def test_a_cut_connection_is_gone_on_from(web: Web, tmp_path: Path) -> None:
    web.cut_after = 100_000
    fetch(web.address("set.zip"), tmp_path / "set.zip", pause_s=0.0)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert len(web.asked) == 2
    assert re.fullmatch(r"bytes=[1-9]\d*-", str(web.asked[1]))


def test_what_an_earlier_process_left_is_gone_on_from(web: Web, tmp_path: Path) -> None:
    (tmp_path / "set.zip.partial").write_bytes(CONTENT[:1234])
    fetch(web.address("set.zip"), tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert web.asked == ["bytes=1234-"]


def test_a_server_without_ranges_begins_again(web: Web, tmp_path: Path) -> None:
    web.ranges, web.cut_after = False, 100_000
    fetch(web.address("set.zip"), tmp_path / "set.zip", pause_s=0.0)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_more_than_there_is_begins_again(web: Web, tmp_path: Path) -> None:
    (tmp_path / "set.zip.partial").write_bytes(CONTENT * 2)
    fetch(web.address("set.zip"), tmp_path / "set.zip", pause_s=0.0)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_missing_page_is_named(web: Web, tmp_path: Path) -> None:
    with pytest.raises(NotDownloaded, match=r"/other.zip answers 404 Not Found"):
        fetch(web.address("other.zip"), tmp_path / "other.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_no_connection_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}/set.zip"
    with pytest.raises(NotDownloaded, match="cannot be reached"):
        fetch(address, tmp_path / "set.zip", pause_s=0.0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_sentence(web: Web, tmp_path: Path) -> None:
    (tmp_path / "set.zip.partial").symlink_to("/dev/full")
    with pytest.raises(NotDownloaded, match="the disk is full"):
        fetch(web.address("set.zip"), tmp_path / "set.zip")
