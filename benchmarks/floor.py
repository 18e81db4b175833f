"""The floor of a step of meta-training: the operations of its convolutions at the rate of bare convolutions."""

import time
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rivals import Episodes, plain

ROWS = 128  # images in a bare pass, a thread
PASSES = 5
SIDE = 28


def operations(method: str, episodes: Episodes, channels: int = 64) -> float:
    """Of the convolutions in one step on these episodes: forwards, backwards, and backwards again for MAML."""
    one = Episodes(episodes.support[:1], episodes.query[:1])
    step = plain(method, one, channels)
    with FlopCounterMode(display=False) as counter:
        step()
    counted = counter.get_flop_counts()["Global"]
    return len(episodes.support) * float(sum(count for kind, count in counted.items() if "convolution" in str(kind)))


def bare_rate(strided: bool, channels: int = 64, num_threads: int = 2, dtype: torch.dtype = torch.float32) -> float:
    """Operations a second of Conv-4's convolutions alone, forwards and backwards, in the faster of two layouts."""
    formats = (torch.contiguous_format, torch.channels_last)
    return max(_rate(strided, channels, num_threads, layout, dtype) for layout in formats)


def _rate(strided: bool, channels: int, num_threads: int, layout: torch.memory_format, dtype: torch.dtype) -> float:
    sides = [SIDE // 2**block for block in range(4)]
    layers = [_layer(1 if not block else channels, channels, side, layout, dtype) for block, side in enumerate(sides)]
    stride = 2 if strided else 1

    def work(lane: int = 0) -> None:
        torch.set_num_threads(1)
        for images, weight in layers:
            outputs = F.conv2d(images, weight, stride=stride, padding=1)
            wanted = [weight, images] if images.requires_grad else [weight]
            torch.autograd.grad(outputs, wanted, torch.ones_like(outputs))

    with FlopCounterMode(display=False) as counter:
        work()
    seconds = []
    with ThreadPoolExecutor(num_threads) as threads:
        for _ in range(PASSES):
            began = time.perf_counter()
            list(threads.map(work, range(num_threads)))
            seconds.append(time.perf_counter() - began)
    return num_threads * int(counter.get_total_flops()) / min(seconds)


def _layer(
    fan_in: int, channels: int, side: int, layout: torch.memory_format, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(ROWS, fan_in, side, side).to(dtype, memory_format=layout)
    weight = torch.randn(channels, fan_in, 3, 3).to(dtype, memory_format=layout).requires_grad_()
    return images.requires_grad_(fan_in > 1), weight
