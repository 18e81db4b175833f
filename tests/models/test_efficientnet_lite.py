"""EfficientNet-Lite0: what the unfolded network makes of the same weights, cut in two or whole, and what is saved."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.bases import find
from models.encoders.efficientnet_lite import NORM_EPS, STAGES, WEIGHTS, EfficientNetLite, load_weights


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    coarse = torch.rand(3, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 255
    return F.interpolate(coarse, (64, 96), mode="bicubic").clamp(0, 255).byte().permute(0, 2, 3, 1)


def unfolded(pictures: Tensor) -> Tensor:
    """Convolution, batch norm and activation one after another, as the weights were trained."""
    w = load_weights(find("efficientnet_lite0", WEIGHTS))

    def apply(maps: Tensor, name: str, norm: str, stride: int = 1) -> Tensor:
        kernel = w[f"{name}.weight"]
        size = kernel.shape[-1]
        pads = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in maps.shape[:1:-1]]
        maps = F.pad(maps, [side for pad in pads for side in (pad // 2, pad - pad // 2)])
        maps = F.conv2d(maps, kernel, None, stride, groups=len(kernel) if kernel.shape[1] == 1 < size else 1)
        mean, variance, scale, shift = (
            w[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / (variance + NORM_EPS).sqrt() * scale + shift

    maps = F.relu6(apply((pictures.permute(0, 3, 1, 2).float() - 127) / 128, "_conv_stem", "_bn0", 2))
    number = 0
    for repeats, _, stride, expansion, _, _ in STAGES:
        for place in range(repeats):
            name, below = f"_blocks.{number}", maps
            if expansion > 1:
                maps = F.relu6(apply(maps, f"{name}._expand_conv", f"{name}._bn0"))
            maps = F.relu6(apply(maps, f"{name}._depthwise_conv", f"{name}._bn1", stride if place == 0 else 1))
            maps = apply(maps, f"{name}._project_conv", f"{name}._bn2")
            maps = maps + below if maps.shape == below.shape else maps
            number += 1
    return F.relu6(apply(maps, "_conv_head", "_bn1")).mean((2, 3))


def test_it_is_the_network_with_its_batch_norms_unfolded(pictures: Tensor) -> None:
    torch.testing.assert_close(EfficientNetLite()(pictures), unfolded(pictures), atol=1e-4, rtol=1e-4)


def test_cut_in_two_it_is_the_same(pictures: Tensor) -> None:
    taps = (10, 14)
    maps = EfficientNetLite(output="maps", last=11)(pictures)
    assert maps.shape == (3, 112, 4, 6)
    whole, upper = (EfficientNetLite(output="description", taps=taps, first=first) for first in (0, 11))
    torch.testing.assert_close(upper(maps), whole(pictures), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="block 10 lies below the cut at 12"):
        EfficientNetLite(first=12, taps=taps)


def test_a_stem_and_its_tail_are_the_same(pictures: Tensor) -> None:
    for options in ({"taps": (10, 14), "width": 6}, {}):
        encoder = EfficientNetLite(**options)  # type: ignore[arg-type]
        stem, tail = encoder.split()
        assert stem(pictures).shape == (3, 112, 4, 6)
        assert encoder(pictures).shape[1] == encoder.num_features
        torch.testing.assert_close(tail(stem(pictures)), encoder(pictures), atol=1e-5, rtol=1e-5)


def test_only_the_projection_is_trained_and_saved(pictures: Tensor) -> None:
    encoder = EfficientNetLite(taps=(15,), width=7)
    assert encoder.state_dict().keys() == {"projection.centre", "projection.weight"}
    assert encoder.state_dict().keys() == dict(encoder.named_parameters()).keys()
    described = EfficientNetLite(output="description", taps=(15,))(pictures)
    torch.testing.assert_close(encoder(pictures), described[:, :7])


def test_half_precision_is_close(pictures: Tensor) -> None:
    encoder = EfficientNetLite()
    single = encoder(pictures)
    half = encoder.to(torch.bfloat16).to(memory_format=torch.channels_last)(pictures)  # type: ignore[call-overload]
    assert F.cosine_similarity(half.float(), single).min() > 0.99


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(ValueError, match="words"):
        EfficientNetLite(output="words")
