"""Layers that are packed to serve in bfloat16 answer as they did, and never where they may not."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from models.encoders import onednn
from models.encoders.minilm import MiniLM
from models.encoders.onednn import PackedConv, pack_weights
from models.encoders.resnet import ResNet

CPU = torch.device("cpu")
NEAR = 0.01  # of the length of all features: bfloat16 tells 256 steps apart

pytestmark = pytest.mark.skipif(not onednn.is_there(), reason="no bfloat16 by oneDNN here")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def resnet() -> ResNet:
    encoder = ResNet(widths=(8, 16), views_deg=(-8.0, 8.0), root=True)
    encoder(torch.randint(0, 255, (32, 56, 56), dtype=torch.uint8))  # in training: its norms see something
    return encoder.eval().requires_grad_(False)


@torch.inference_mode()
@pytest.mark.parametrize("side", [56, 40])
def test_folded_norms_are_as_near_as_rounded_ones(side: int) -> None:
    gaps = torch.tensor([gaps_of(seed, side) for seed in range(8)])
    served, rounded = gaps.mean(0)
    assert served < 1.3 * rounded and gaps.amax() < NEAR


def gaps_of(seed: int, side: int) -> tuple[float, float]:
    """How far features are from the exact ones: with norms folded, and with weights that are only rounded."""
    torch.manual_seed(seed)
    pictures = torch.randint(0, 255, (5, side, side), dtype=torch.uint8)
    encoder = resnet()
    exact, before = encoder(pictures), resnet()
    before.load_state_dict(encoder.state_dict())
    pack_weights(encoder, torch.bfloat16, CPU)
    served, rounded = (each.to(torch.bfloat16)(pictures).float() for each in (encoder, before))
    assert torch.equal(encoder(pictures), encoder(pictures))
    folded, usual = (((made - exact).norm() / exact.norm()).item() for made in (served, rounded))
    return folded, usual


@torch.inference_mode()
@pytest.mark.parametrize("views_deg", [(), (-8.0, 8.0)])
def test_no_pictures_have_no_features(views_deg: tuple[float, ...]) -> None:
    encoder = ResNet(widths=(8, 16), views_deg=views_deg).eval()
    assert encoder(torch.zeros(0, 56, 56, dtype=torch.uint8)).shape == (0, 16)


@torch.inference_mode()
@pytest.mark.parametrize("num_texts", [1, 7, 64])
def test_texts_are_the_same_to_the_bit(num_texts: int) -> None:
    tokens = torch.randint(1, 50, (num_texts, 12))
    encoder = MiniLM(None, heads=4, last=2, sizes=(50, 64, 128)).requires_grad_(False).to(torch.bfloat16)
    before = encoder(tokens)
    pack_weights(encoder, torch.bfloat16, CPU)
    assert encoder.layers[0].packed is not None
    assert torch.equal(encoder(tokens), before)
    assert torch.equal(copy.deepcopy(encoder)(tokens), before)


@torch.inference_mode()
@pytest.mark.parametrize("tiles", [True, False])
@pytest.mark.parametrize("side", [2, 4, 5])
@pytest.mark.parametrize("num", [0, 1, 2, 7, 16])
def test_small_maps_are_convolved_each_as_alone(
    monkeypatch: pytest.MonkeyPatch, num: int, side: int, tiles: bool
) -> None:
    conv, norm = nn.Conv2d(64, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48).eval()
    norm.running_mean, norm.bias = torch.randn(48), nn.Parameter(torch.randn(48))
    maps, others = (
        torch.randn(num, width, side, side, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
        for width in (64, 48)
    )
    packed, alone = PackedConv.of(conv, norm), PackedConv.of(conv, norm)
    monkeypatch.setattr(onednn, "has_tiles", lambda: tiles)
    made = packed.added(maps, others.clone())
    exact = (norm(conv(maps.float())) + others).relu()
    assert (made - exact).norm() <= NEAR * exact.norm()
    assert made.shape == exact.shape
    monkeypatch.setattr(onednn, "has_tiles", lambda: False)
    assert all(torch.equal(alone.added(maps[n : n + 1], others[n : n + 1].clone())[0], made[n]) for n in range(num))


@torch.inference_mode()
def test_weights_are_packed_once_for_maps_that_come_alone_and_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "has_tiles", lambda: True)
    packed = PackedConv.of(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16).eval())
    maps = torch.randn(4, 16, 4, 4, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    for num in (1, 4):
        packed.added(maps[:num], maps[:num].clone())
    kept = dict(packed.packed)
    for num in (1, 4):
        packed.added(maps[:num], maps[:num].clone())
    assert len(kept) == 2 and all(packed.packed[size] is weight for size, weight in kept.items())
    for side in range(5, 9):
        larger = torch.randn(1, 16, side, side, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
        packed.added(larger, larger.clone())
        assert len(packed.packed) <= onednn.MOST_SIZES


def test_in_another_type_or_under_gradients_nothing_is_packed() -> None:
    encoder = resnet()
    pack_weights(encoder, torch.float32, CPU)
    assert encoder.blocks[0].packed is None
    pack_weights(encoder, torch.bfloat16, CPU)
    pictures = torch.rand(2, 1, 56, 56, requires_grad=True)
    encoder.blocks(pictures).sum().backward()
    assert pictures.grad is not None and pictures.grad.any()
    served = encoder.to(torch.bfloat16).blocks(pictures.bfloat16())
    assert served.requires_grad


def test_a_torch_without_these_operations_serves_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise AttributeError("no such operation")

    monkeypatch.setattr(onednn.PackedLinear, "__call__", missing)
    monkeypatch.setattr(onednn, "is_there", onednn.is_there.__wrapped__)
    encoder = resnet()
    pack_weights(encoder, torch.bfloat16, CPU)
    assert encoder.blocks[0].packed is None
