"""About how long things take, to choose between doing them at once and handing them to a thread."""

from collections.abc import Sequence
from math import inf, prod

from service.codec.labels import Taught
from service.schemas import Image, Input

AT_ONCE_US = 400.0  # so long the event loop may do nothing else: parsing a large body takes longer

# microseconds of one core, as they were measured; to hand something to a thread and back takes about fifty
NUMBER_US, CHARACTER_US, PICTURE_US = 0.15, 1.0, 100.0
WEIGHT_US = 0.002  # a byte of what decoding a picture takes
ELEMENT_US = 0.005  # of the array that a model takes
HEAD_US = 15.0  # of a picture, of which no more is read
EXAMPLE_US = 2.0  # whose label is checked; each of several labels, or each slot, counts as another
PACKED_US = 0.001  # a byte that is hashed or packed


def decoding_us(inputs: Sequence[Input], weights: Sequence[int], shape: Sequence[int]) -> float:
    """To decode inputs of these weights (see `image_bytes`) to arrays of this shape."""
    sent = sum(_input_us(value) + WEIGHT_US * weight for value, weight in zip(inputs, weights, strict=True))
    return sent + ELEMENT_US * prod(shape) * len(inputs)


def support_us(examples: Sequence[Taught]) -> float:
    """To check the targets of examples; how many they are may say it all."""
    return inf if EXAMPLE_US * len(examples) > AT_ONCE_US else sum(map(_example_us, examples))


def _example_us(example: Taught) -> float:
    num_labels = len(example.label) if isinstance(example.label, list) else 1
    num_targets = len(example.target) if isinstance(example.target, list) else 0
    return EXAMPLE_US * (num_labels + len(example.slots or ())) + NUMBER_US * num_targets


def _input_us(value: Input) -> float:
    if isinstance(value, Image | bytes):
        return PICTURE_US
    return (CHARACTER_US if isinstance(value, str) else NUMBER_US) * len(value)
