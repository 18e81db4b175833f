"""About how long things take, to choose between doing them at once and handing them to a thread."""

from collections.abc import Sequence
from math import inf, prod

from service.codec.labels import Taught
from service.schemas import Image, Input

AT_ONCE_US = 400.0  # so long the event loop may do nothing else: parsing a large body takes longer

# microseconds of one core, as they were measured; to hand something to a thread and back takes about fifty
NUMBER_US, CHARACTER_US, PICTURE_US = 0.15, 1.0, 100.0
TEXT_US = 10.0  # beside its characters
WEIGHT_US = 0.001  # a byte of what decoding a picture takes
ELEMENT_US = 0.005  # of the array that a model takes
HEAD_US = 15.0  # of a picture, beside its bytes
SENT_US = 0.5  # a byte of a picture: padding and empty chunks are walked through one by one, by Pillow in Python
CELL_US, HASHED_US = 1.5, 0.005  # of a table, which is three numbers of the array; and a character of its texts
EXAMPLE_US = 2.0  # whose label is checked; each of several labels, or each slot, counts as another
ANSWER_US, SCORE_US = 5.0, 0.5  # an answer, and each number of it, which is ranked, named and rounded
PACKED_US = 0.001  # a byte that is hashed or packed


def decoding_us(inputs: Sequence[Input], weights: Sequence[int], shape: Sequence[int]) -> float:
    """To decode inputs of these weights (see `image_bytes`) to arrays of this shape; at least, if it is long."""
    about = WEIGHT_US * sum(weights) + ELEMENT_US * prod(shape) * len(inputs)
    for value in inputs:
        if about > AT_ONCE_US:
            break  # to look at all of them would take long, too
        about += _input_us(value, NUMBER_US if len(shape) == 1 else CELL_US)
    return about


def looking_us(inputs: Sequence[Input]) -> float:
    """To read the headers of pictures, which may be as long as what was sent."""
    return sum(HEAD_US + SENT_US * _num_sent(value) for value in inputs if isinstance(value, Image | bytes))


def support_us(examples: Sequence[Taught]) -> float:
    """To check the targets of examples; how many they are may say it all."""
    return inf if EXAMPLE_US * len(examples) > AT_ONCE_US else sum(map(_example_us, examples))


def telling_us(num_answers: int, num_scores: int) -> float:
    """To make answers, and all their scores, ready to be sent."""
    return ANSWER_US * num_answers + SCORE_US * num_scores


def _example_us(example: Taught) -> float:
    num_labels = len(example.label) if isinstance(example.label, list) else 1
    num_targets = len(example.target) if isinstance(example.target, list) else 0
    return EXAMPLE_US * (num_labels + len(example.slots or ())) + NUMBER_US * num_targets


def _input_us(value: Input, cell_us: float) -> float:
    if isinstance(value, Image | bytes):
        return PICTURE_US + SENT_US * _num_sent(value)
    return TEXT_US + CHARACTER_US * len(value) if isinstance(value, str) else _row_us(value, cell_us)


def _num_sent(picture: Image | bytes) -> int:
    return len(picture.image if isinstance(picture, Image) else picture)


def _row_us(row: Sequence[float | str | None], cell_us: float) -> float:
    about = cell_us * len(row)
    if about > AT_ONCE_US or cell_us == NUMBER_US:  # whose texts are refused, not read
        return about
    return about + HASHED_US * sum(len(cell) for cell in row if isinstance(cell, str))
