"""Encoders of transformers by the name of a base: the library's own answer, nothing saved but what is trained, laws."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models import bases
from models.bases import MissingBase
from models.checkpoint import build
from models.encoders.vision import Vision
from models.inputs.photo import PhotoInput
from models.training.photos import encoder_part
from tests.models.laws import LAWS, Law, units
from tests.models.tasks import photo_task

transformers = pytest.importorskip("transformers", reason="the library that has the encoders is not installed")


@pytest.fixture(autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bases with one that knows nothing."""
    folder = tmp_path_factory.getbasetemp() / "bases"
    if not folder.is_dir():
        torch.manual_seed(0)
        sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        config = transformers.ViTConfig(**sizes, image_size=32, patch_size=8)
        transformers.ViTModel(config).save_pretrained(folder / "tiny")
    monkeypatch.setenv("KSHOT_BASES", str(folder))
    return folder / "tiny"


def test_it_is_what_the_library_makes_of_it(tiny: Path) -> None:
    pictures = photo_task(1).query
    own = transformers.AutoModel.from_pretrained(str(tiny)).eval()
    colours = (pictures.permute(0, 3, 1, 2) / 255 - torch.tensor(0.5)) / 0.5
    with torch.inference_mode():
        expected = F.normalize(own(pixel_values=colours).pooler_output, dim=-1)
        halves = (0.5, 0.5, 0.5)
        torch.testing.assert_close(Vision("tiny", mean=halves, deviation=halves)(pictures), expected)


def test_only_the_projection_is_trained_and_saved() -> None:
    encoder = Vision("tiny", width=5)
    assert encoder.state_dict().keys() == {"projection.centre", "projection.weight"}
    assert encoder.state_dict().keys() == dict(encoder.named_parameters()).keys()
    assert encoder.to(torch.bfloat16)(photo_task(1).query).shape[1] == 5


def test_the_recipe_names_it_and_its_weights(tiny: Path) -> None:
    part = encoder_part("tiny")
    assert part["name"] == "vision" and part["base"] == "tiny" and part["width"] == 24
    assert part["sha256"] == bases.sha256_of(tiny / "model.safetensors")
    assert PhotoInput().shape == (224, 224, 3)


def test_other_weights_are_refused() -> None:
    with pytest.raises(MissingBase, match="SHA-256"):
        Vision("tiny", sha256="0" * 64)


@pytest.mark.parametrize("law", [law for law in LAWS.values() if law is not units])
def test_law(law: Law) -> None:
    learner = build({"name": "vision", "base": "tiny", "width": 24}, {"name": "prior_logistic", "num_steps": 12}).eval()
    law(learner, [photo_task(seed=1), photo_task(seed=2, ways=2, shots=6), photo_task(seed=3, ways=4, shots=3)])
