"""The first block's quick way to its gradients gives the block's own values and gradients, whatever the picture."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import build
from models.encoders.conv4 import Conv4
from models.encoders.stem import ROWS, pooled_stem
from models.training.objectives.episodic import score_loss
from tests.models.tasks import glyph_task, support_of


def layers() -> tuple[nn.Conv2d, nn.GroupNorm]:
    """Convolution and norm of a first block; channels rise, fall, and one does neither."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(16)).index_fill_(0, torch.tensor([3]), 0)
        norm.bias.copy_(torch.randn(16))
    return conv, norm


def drawings(side: int) -> Tensor:
    """Sparse ink, then an empty picture and a full one."""
    ink = torch.rand(2 * ROWS + 3, 1, side, side)
    return torch.cat([ink * (torch.rand_like(ink) > 0.7), torch.zeros(1, 1, side, side), torch.ones(1, 1, side, side)])


@pytest.mark.parametrize("side", [28, 21])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_quick_way_is_the_block(side: int, layout: torch.memory_format) -> None:
    conv, norm = layers()
    conv.to(memory_format=layout)  # type: ignore[call-overload]  # missing from the stubs
    pictures = drawings(side)
    plain, quick = F.max_pool2d(F.relu(norm(conv(pictures))), 2), pooled_stem(pictures, conv, norm)
    torch.testing.assert_close(quick, plain, atol=1e-5, rtol=1e-5)
    weights, params = torch.randn_like(plain), [*conv.parameters(), *norm.parameters()]
    expected = torch.autograd.grad(plain, params, weights)
    for got, wanted in zip(torch.autograd.grad(quick, params, weights), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-4)


def test_serving_takes_the_block_itself() -> None:
    torch.manual_seed(0)
    encoder = Conv4(16)
    glyphs = (drawings(28).squeeze(1) * 255).byte()
    planes = glyphs.unsqueeze(1).float() / 255
    for each in encoder.blocks:
        planes = each(planes)
    with torch.inference_mode():
        assert torch.equal(encoder(glyphs), planes.mean((2, 3)))
    torch.testing.assert_close(encoder(glyphs), planes.mean((2, 3)), atol=1e-5, rtol=1e-5)


def test_a_head_that_adapts_the_whole_network_differentiates_it_twice() -> None:
    body = {"name": "conv4", "channels": 8}
    rule = {"name": "sgd", "rate": 0.1}
    torch.manual_seed(0)
    head = {"name": "gradient", "body": body, "width": 8, "rule": rule, "num_steps": 2, "prototypes": True}
    learner = build({"name": "identity"}, head)
    support = support_of([glyph_task(seed=1), glyph_task(seed=2)])
    loss = score_loss(learner.predict(learner.adapt(support), support.rows), support.target)
    torch.autograd.backward(loss)
    assert all(
        leaf.grad is not None and leaf.grad.isfinite().all() for leaf in learner.parameters() if leaf.requires_grad
    )
