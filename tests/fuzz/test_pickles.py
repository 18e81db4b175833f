"""A pickle that would do harm is refused wherever a file is taken, and never read as one."""

import pickle
import shutil
from pathlib import Path

import pytest

from models import bases, checkpoint, zoo
from models.bases import MissingBase
from models.card import DamagedCheckpoint
from models.encoders.efficientnet_lite import load_weights
from models.inputs.image import InvalidImage, decode_image
from service.codec import DamagedParams, unpack_params, unpack_task
from service.errors import InvalidRequest
from service.settings import Settings


class Harm:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "harm"


@pytest.fixture
def poisoned(mark: Path) -> bytes:
    data = pickle.dumps(Harm(mark), protocol=2)  # the one that `torch.load` knows
    pickle.loads(data)  # it does what it is feared for
    mark.unlink()
    return data


def test_no_reader_of_what_clients_send_takes_it(poisoned: bytes, mark: Path) -> None:
    with pytest.raises(InvalidRequest):
        unpack_task(poisoned, Settings())
    with pytest.raises(DamagedParams):
        unpack_params(poisoned, {})
    with pytest.raises(InvalidImage):
        decode_image(poisoned, 10**6)
    assert not mark.exists()


def test_no_checkpoint_takes_it(poisoned: bytes, mark: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(Path(zoo.__path__[0]) / "curves", tmp_path / "curves")
    (folder / "weights.safetensors").write_bytes(poisoned)
    with pytest.raises(DamagedCheckpoint):
        checkpoint.load(folder)
    assert not mark.exists()


def test_the_one_file_of_pytorch_is_compared_and_only_tensors_are_read(
    poisoned: bytes, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own" / "weights.pth"
    file.parent.mkdir()
    file.write_bytes(poisoned)
    with pytest.raises(pickle.UnpicklingError):  # even if nobody had compared its digest
        load_weights(file)
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path))
    with pytest.raises(MissingBase, match="SHA-256"):
        bases.find("own", file.name, "0" * 64)
    assert not mark.exists()
