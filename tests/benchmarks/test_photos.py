"""The benchmark of photographs: what the rivals see, what is kept, what the tables show."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks import photos
from benchmarks.photos import SETTINGS, Method, _shares, _tables, _usual, kept_descriptions, rivals
from benchmarks.photos_cost import photograph
from models.encoders.efficientnet_lite import WIDTH, description
from models.heads.prototypical import Prototypical
from models.inputs.image import decode_image
from models.training.figures import percent
from models.training.photos import Described


def known(ways: int = 6, rows: int = 12) -> Described:
    """Rows near their class's own, as wide as descriptions are."""
    draw = torch.Generator().manual_seed(0)
    label = torch.arange(ways).repeat_interleave(rows)
    features = torch.rand(ways, WIDTH, generator=draw)[label] + torch.rand(len(label), WIDTH, generator=draw)
    described = description(features, [torch.randn(len(label), 8, generator=draw)])
    return Described(described, label, [("grocery", f"{way}") for way in range(ways)], label % 2, {"grocery": "0"})


def test_the_usual_features_are_found_in_a_description() -> None:
    features = torch.rand(4, WIDTH)
    torch.testing.assert_close(_usual(description(features, [torch.randn(4, 8)])), F.normalize(features, dim=-1))


def test_descriptions_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "described", lambda data: known())
    first = kept_descriptions(tmp_path, tmp_path / "out")
    monkeypatch.delattr(photos, "described")
    again = kept_descriptions(tmp_path, tmp_path / "out")
    assert torch.equal(first.rows, again.rows) and torch.equal(known().half, again.half)
    assert again.names == known().names and again.digests == {"grocery": "0"}


def test_rivals_of_one_column_have_the_same_tasks_and_the_best_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "SETTINGS", ((3, 1, 20), (0, 5, 4)))
    poor, good = Prototypical(), Prototypical()
    poor.predict = lambda params, query: good.predict(params, type(query)(-query.values, query.mask, query.index))  # type: ignore[method-assign]
    both, alone = (_shares(known(), Method(heads, lambda rows: rows)) for heads in ([poor, good], [good]))
    assert [len(share) for share in both] == [20, 4]
    assert all(np.array_equal(one, other) for one, other in zip(both, alone, strict=True))
    assert len(rivals()) == 4


def test_tables_say_what_imagenet_knew() -> None:
    figures = [percent("", np.array([0.5, 0.7])) for _ in SETTINGS]
    text = _tables({"grocery": {"`photos`": figures, "nearest centroid": figures}})
    head, _, ours, _ = text.splitlines()
    assert "ImageNet" in head and "all-way 5-shot" in head
    assert ours.startswith("| `photos` | 60.00 ± ")


def test_photographs_to_time_are_of_a_megapixel() -> None:
    assert decode_image(photograph(0), 10**8, draft_px=4000).size == (1155, 866)
