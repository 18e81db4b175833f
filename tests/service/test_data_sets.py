"""The commands `kshot data`, and what training commands download by themselves."""

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from models.data import sources
from models.data.absent import AbsentDataSet
from models.data.digest import content_digest
from models.data.sources import Source
from service.cli import app
from service.data_sets import with_data
from tests.models.data.web import Web, serving

TERMINAL = {"COLUMNS": "200"}


def copy(downloads: Path, out: Path) -> None:
    shutil.copy(downloads / "words.txt", out)


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A table of sources with one set, `words`, on a server that is not running."""
    web = Web({"words.txt": b"one two"})
    (tmp_path / "original").write_bytes(b"one two")
    digest = content_digest(tmp_path / "original")
    monkeypatch.setattr(sources, "digests", lambda name: {"words.txt": digest})
    set_at(web, monkeypatch)
    return web


def set_at(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Source("some words", "none", "words", {"words.txt": web.address("words.txt")}, copy)
    monkeypatch.setattr(sources, "SOURCES", {"words": row})


def test_a_set_is_listed_got_and_listed_as_present(words: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*command: str) -> str:
        done = CliRunner(env=TERMINAL).invoke(app, ["data", *command, "--cache", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.output

    assert "no" in run("list").split("\n")[1].split()
    with serving(words):
        set_at(words, monkeypatch)
        assert str(tmp_path / "words") in run("get", "words").replace("\n", "")
    assert "yes" in run("list").split("\n")[1].split()


def test_an_unknown_set_is_answered_with_the_known_ones(words: Web) -> None:
    done = CliRunner(env=TERMINAL).invoke(app, ["data", "get", "wrods"])
    assert done.exit_code == 2
    assert "there are words" in done.output


def test_a_set_is_examined(tmp_path: Path) -> None:
    def check(content: str) -> tuple[int, str]:
        (tmp_path / "t.csv").write_text(content)
        done = CliRunner(env=TERMINAL).invoke(app, ["data", "check", str(tmp_path / "t.csv")])
        return done.exit_code, done.output

    code, told = check("label,x\na,1\na,2\nb,3\nb,4\n")
    assert code == 0 and "t.csv: usable" in told and "warning: no licence is stated" in told
    code, told = check("label,x\na,1\nb,3\n")
    assert code == 1 and "error: no family has two labels" in told
    code, told = check("label,x\na,one\n")
    assert code == 1 and "t.csv:2: the column 'x': expected a number, got 'one'" in told
    done = CliRunner(env=TERMINAL).invoke(app, ["data", "check", "hwu64", "--cache", str(tmp_path)])
    assert done.exit_code == 1 and "kshot data get hwu64" in done.output


def test_a_failed_download_is_a_sentence(words: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words.files.clear()
    with serving(words):
        set_at(words, monkeypatch)
        done = CliRunner(env=TERMINAL).invoke(app, ["data", "get", "words", "--cache", str(tmp_path)])
    assert done.exit_code == 1
    assert "answers 404" in done.output and "Traceback" not in done.output


def test_what_is_missed_is_downloaded_and_asked_for_again(
    words: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> bytes:
        path = tmp_path / "words/words.txt"
        if not path.is_file():
            raise AbsentDataSet("words", path)
        return path.read_bytes()

    with serving(words):
        set_at(words, monkeypatch)
        assert with_data(make, tmp_path) == b"one two"


def test_a_set_without_a_source_stays_absent(tmp_path: Path) -> None:
    def make() -> None:
        raise AbsentDataSet("unheard-of", tmp_path)

    with pytest.raises(AbsentDataSet, match="unheard-of"):
        with_data(make, tmp_path)


def test_a_download_that_fails_ends_the_command(words: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words.files.clear()

    def make() -> None:
        raise AbsentDataSet("words", tmp_path)

    with serving(words):
        set_at(words, monkeypatch)
        with pytest.raises(typer.Exit):
            with_data(make, tmp_path)
