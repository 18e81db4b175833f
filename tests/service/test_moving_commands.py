"""`kshot export`, `kshot import` and `kshot tasks`, against a real service."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.app import create_app
from service.cli import app
from service.client import Client
from service.moving_commands import _files
from service.settings import MIB, Settings
from tests.service.api.live import live
from tests.service.tasks.digests import other_digest


@pytest.fixture
def url(sqlite_url: str) -> Iterator[str]:
    with live(create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves",)))) as url:
        yield url


def kshot(url: str, *arguments: str, given: bytes = b"") -> Result:
    return CliRunner(env={"KSHOT_URL": url, "COLUMNS": "80"}).invoke(app, list(arguments), input=given)


def line(client: Client, slope: float) -> str:
    return client.adapt("curves", [[0.0], [1.0], [2.0]], targets=[0.0, slope, 2 * slope], name=f"slope {slope}").id


def test_a_list_has_long_names_whole(url: str) -> None:
    with Client(url) as client:
        name = "calibration of the " + "north" * 12
        client.adapt("curves", [[0.0], [1.0], [2.0]], targets=[0.0, 1.0, 2.0], name=name)
    listed = kshot(url, "tasks", "list", "--model", "curves").stdout
    written = "".join(line[31:].split("curves")[0].strip() for line in listed.splitlines()[1:])
    assert "north" * 12 in written, listed


def test_tasks_go_out_and_come_in(url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        one, two = line(client, 1.0), line(client, 2.0)
        file = tmp_path / "one.kshot"
        file.write_bytes(kshot(url, "export", one).stdout_bytes)
        assert file.read_bytes() == client.export(one)
        made = kshot(url, "import", str(file))
        assert made.exit_code == 0 and client.get(made.stdout.strip()).name == "slope 1.0"
        both = kshot(url, "export", one, two).stdout_bytes
        with tarfile.open(fileobj=io.BytesIO(both)) as tar:
            assert tar.getnames() == [f"{one}.safetensors", f"{two}.safetensors"]
        ids = kshot(url, "import", "-", given=both).stdout.split()
        assert [client.get(task).name for task in ids] == ["slope 1.0", "slope 2.0"]
        assert client.predict(ids[1], [[3.0]]).predictions == client.predict(two, [[3.0]]).predictions
        listed = kshot(url, "tasks", "list", "--name", "slope 2.0").stdout
        assert two in listed and ids[1] in listed and one not in listed
    refused = kshot(url, "import", "-", given=b"nothing of the kind")
    assert refused.exit_code == 1 and "safetensors" in refused.output
    assert kshot(url, "export", "task_0").exit_code == 1


def test_an_export_is_a_file_when_it_is_whole(url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        one, two = line(client, 1.0), line(client, 2.0)
        file = tmp_path / "tasks.kshot"
        assert not kshot(url, "export", one, "-o", str(file)).stdout_bytes
        assert file.read_bytes() == client.export(one)
    kshot(url, "export", one, two, "--output", str(file))
    with tarfile.open(file) as tar:
        assert tar.getnames() == [f"{one}.safetensors", f"{two}.safetensors"]
    before = file.read_bytes()
    cut = kshot(url, "export", one, "task_0", "-o", str(file))
    assert cut.exit_code == 1 and "task_0" in cut.stderr
    assert file.read_bytes() == before and list(tmp_path.glob("*.partial")) == []
    nowhere = kshot(url, "export", one, "-o", str(tmp_path / "none" / "tasks.kshot"))
    assert nowhere.exit_code == 1 and "No such file" in nowhere.stderr


def test_what_is_refused_does_not_stop_the_others(sqlite_url: str, url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        one, two = line(client, 1.0), line(client, 2.0)
        files = {"one": client.export(one), "none": b"nothing of the kind", "two": client.export(two)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    imported = kshot(url, "import", "-", given=packed.getvalue())
    assert imported.exit_code == 1 and "none: " in imported.stderr and "Refused: 1." in imported.stderr
    assert len(imported.stdout.split()) == 2
    cut = kshot(url, "import", "-", given=packed.getvalue()[:2000])
    assert cut.exit_code == 1 and "cut short" in cut.stderr and "Traceback" not in cut.output
    other_digest(tmp_path, "curves")
    newer = create_app(
        Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves",), models=tmp_path)
    )
    gone = "task_" + "0" * 26
    with live(newer) as other:
        moved = kshot(other, "tasks", "readapt", one, gone, two)
    assert moved.exit_code == 1 and gone in moved.stderr
    assert [told.split()[0] for told in moved.stdout.splitlines()] == [one, two]


def test_a_tar_may_hold_files_of_any_size() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, size in (("bomb", 32 * MIB), ("small", 5)):
            entry = tarfile.TarInfo(name)
            entry.size = size
            tar.addfile(entry, io.BytesIO(bytes(size)))
    assert packed.tell() < MIB
    packed.seek(0)
    assert [(name, len(data)) for name, data in _files(packed, 1_000)] == [("bomb", 1_001), ("small", 5)]
    assert [len(data) for _, data in _files(io.BytesIO(b"x" * MIB), 1_000)] == [1_001]


def test_tasks_move_to_a_newer_model(sqlite_url: str, url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        one, two, file = line(client, 1.0), line(client, 2.0), tmp_path / "new.kshot"
    other_digest(tmp_path, "curves")
    newer = create_app(
        Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves",), models=tmp_path)
    )
    with live(newer) as other, Client(other) as client:
        listed = kshot(other, "tasks", "readapt", "--model", "curves")
        assert listed.stdout.split()[:3] == [two, one, "2"] and client.get(one).version == 1
        assert kshot(other, "tasks", "readapt", one).exit_code == 0
        assert [client.get(task).version for task in (one, two)] == [2, 1]
        moved = kshot(other, "tasks", "readapt", "--model", "curves", "--all")
        assert moved.exit_code == 0 and two in moved.stdout and one not in moved.stdout
        assert {client.get(task).model_digest for task in (one, two)} == {client.model("curves").digest}
        assert kshot(other, "tasks", "readapt", "--model", "curves", "--all").stdout == "0 to move.\n"
        assert kshot(other, "tasks", "readapt").exit_code != 0
        file.write_bytes(client.export(one))
    refused = kshot(url, "import", str(file))
    assert refused.exit_code == 1 and "readapt" in refused.output
    made = kshot(url, "import", str(file), "--readapt")
    assert made.exit_code == 0, made.output


def test_a_missing_key_is_told_with_where_it_goes(sqlite_url: str) -> None:
    with live(create_app(Settings(database_url=sqlite_url, threads=1, auth="on", only_models=("curves",)))) as url:
        refused = kshot(url, "tasks", "list")
    assert refused.exit_code == 1 and "KSHOT_API_KEY" in refused.output
