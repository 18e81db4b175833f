"""Inputs as sent -> the array that a model takes; what cannot be used is refused with a sentence for the sender."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from types import NoneType
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from models.inputs import Input as Preprocess
from models.inputs.image import DRAFT_PX, InvalidImage, decode_image, decoding_bytes
from models.inputs.photo import PhotoInput
from models.inputs.table import InvalidTable, TableInput, width_of
from models.inputs.text import InvalidText
from models.inputs.vector import InvalidVector, VectorInput
from service.codec.support import LARGEST
from service.errors import DeadlineExceeded, FieldError
from service.schemas import Image, Input

NO_NUMBERS = frozenset((str, NoneType))  # of what a row of a table may hold
DATE = re.compile(r"\d{4}-\d\d-\d\d")
SINCE = "; of a date send the days or seconds since some day"
FINEST = 2e-6  # spread of a column, as a share of its size, below which single precision keeps too little of it


class ImageLimits(NamedTuple):
    """The most pixels of an image, and of one that must be decoded whole."""

    max_pixels: int
    max_whole_pixels: int


class InvalidInput(ValueError):
    """This input cannot be used, perhaps because of one element of it; the message is a sentence for the sender."""

    def __init__(self, message: str, element: int | None = None) -> None:
        super().__init__(message)
        self.element = element


def decode_inputs(
    inputs: Sequence[Input],
    preprocess: Preprocess,
    modalities: Sequence[str],
    *,
    limits: ImageLimits,
    deadline: float,
    path: str,
    first: int = 0,
) -> tuple[npt.NDArray[Any], list[FieldError]]:
    """The array [B *X] that a model takes, and what is wrong with the inputs that cannot be used.

    `path` says where the inputs came ("support.{}.input" or "inputs.{}"), `first` the position of the first of them.
    Raises DeadlineExceeded between two inputs; before vectors, which are decoded together.
    """
    _look_at(deadline)
    if isinstance(preprocess, VectorInput) and (found := preprocess.together(inputs, LARGEST)) is not None:
        return found, []
    rows = np.zeros((len(inputs), *preprocess.shape), preprocess.dtype)
    read = _reader(modalities, limits, preprocess)
    wrong: list[FieldError] = []
    for position, value in enumerate(inputs):
        _look_at(deadline)
        try:
            rows[position] = preprocess(read(value))
        except (InvalidInput, InvalidImage, InvalidTable, InvalidText, InvalidVector) as error:
            where = path.format(first + position)
            element = error.element if isinstance(error, InvalidInput) else None
            wrong.append(FieldError(where if element is None else f"{where}.{element}", str(error)))
    return rows, wrong


def _look_at(deadline: float) -> None:
    if monotonic() > deadline:
        raise DeadlineExceeded("The inputs took too long to decode.", retry_after_s=1)


def image_bytes(inputs: Sequence[Input], preprocess: Preprocess, limits: ImageLimits) -> list[int]:
    """About what decoding each input takes of memory, as its header says; nothing where it is no image to decode."""
    how = _how(preprocess, limits)
    return [_image_cost(value, how) if isinstance(value, Image | bytes) else 0 for value in inputs]


def _image_cost(value: Image | bytes, how: Mapping[str, int]) -> int:
    try:
        return decoding_bytes(_image_bytes(value), **how)
    except (InvalidImage, InvalidInput):  # told when its turn has come
        return 0


def _how(preprocess: Preprocess, limits: ImageLimits) -> dict[str, int]:
    draft_px = preprocess.draft_px if isinstance(preprocess, PhotoInput) else DRAFT_PX
    return {**limits._asdict(), "draft_px": draft_px}


def width(rows: npt.NDArray[Any], preprocess: Preprocess) -> int | None:
    """How many columns a task's rows have; none but of tables."""
    return int(width_of(rows).max()) if isinstance(preprocess, TableInput) and len(rows) else None


def misfits(forms: Sequence[str], wanted: str, path: str) -> Iterator[FieldError]:
    """Inputs that are not of the form of their task's; an empty form is of none."""
    for position, form in enumerate(forms):
        if not form:
            yield FieldError(path.format(position), "holds numbers that no model can use")
        elif form != wanted:
            yield FieldError(path.format(position), f"expected {wanted}, as the task's other inputs are, got {form}")


def blurred(inputs: Sequence[Input], kept: npt.NDArray[np.float32], path: str) -> list[FieldError]:
    """Columns of numbers that vary by less than single precision keeps, with the rows [K D] that a task has kept.

    None of other inputs. What was kept has been rounded: a number that is sent again is the same.
    """
    if not inputs or not all(isinstance(value, list) for value in inputs):
        return []
    sent = np.array(inputs, np.float64)
    held = np.concatenate([kept, sent])
    varies = (sent != sent[0]).any(0) | (kept != sent[0].astype(np.float32)).any(0)
    spread, size = held.std(0), np.abs(held).max(0)
    columns = np.flatnonzero(varies & (spread < FINEST * size)).tolist()
    return [
        FieldError(
            path.format(0, column),
            f"column {column} varies by {spread[column]:.1g} around {held[:, column].mean():.10g}, less than single "
            "precision keeps: subtract the same origin from it everywhere, in queries too",
        )
        for column in columns
    ]


def _reader(modalities: Sequence[str], limits: ImageLimits, preprocess: Preprocess) -> Callable[[Input], Any]:
    """How one input of these modalities becomes what the model's preprocessing takes."""
    if len(modalities) > 1:
        readers = {modality: _reader([modality], limits, preprocess) for modality in modalities}
        return lambda value: readers.get(_modality(value), readers[modalities[0]])(value)
    match modalities[0]:
        case "image":
            return lambda value: decode_image(_image_bytes(value), **_how(preprocess, limits))
        case "vector":
            return _numbers
        case "table":
            return _cells
        case "text":
            return _text
        case _:
            raise ValueError(f"no reader for inputs of the modality {modalities[0]!r}")


def _modality(value: Input) -> str:
    return "image" if isinstance(value, Image | bytes) else "text" if isinstance(value, str) else "vector"


def _image_bytes(value: Input) -> bytes:
    data = value if isinstance(value, bytes) else _from_base64(value)
    if not data:
        raise InvalidInput("the image is empty")
    return data


def _from_base64(value: Input) -> bytes:
    if not isinstance(value, Image):
        raise InvalidInput(f'expected an image, {{"image": "<base64>"}}, got {_noun(value)}{_but_path(value)}')
    try:
        return base64.b64decode(value.image, validate=True)
    except ValueError:
        raise InvalidInput('expected base64: padded, without line breaks and without a "data:" prefix') from None


def _numbers(value: Input) -> list[float]:
    if not isinstance(value, list):
        raise InvalidInput(f"expected a list of numbers, got {_noun(value)}{_but_json(value)}")
    if not NO_NUMBERS.isdisjoint(map(type, value)):
        place = [type(cell) in NO_NUMBERS for cell in value].index(True)
        is_date = DATE.match(str(value[place]))
        raise InvalidInput(f"should be a valid number{SINCE if is_date else ''}", place)
    numbers = cast(list[float], value)
    _refuse_large(numbers)
    return numbers


def _cells(value: Input) -> list[float | str | None]:
    if not isinstance(value, list):
        raise InvalidInput(f"expected a row of numbers, texts and nulls, got {_noun(value)}{_but_json(value)}")
    _refuse_large(_numbers_of(value))
    return [*value]


def has_large(cells: Sequence[float | str | None]) -> bool:
    """Whether a number of these is larger than any model takes."""
    return _are_large(_numbers_of(cells))


def _numbers_of(cells: Sequence[float | str | None]) -> list[float]:
    return [cell for cell in cells if isinstance(cell, float | int)]


def _are_large(numbers: Sequence[float]) -> bool:
    return bool(numbers) and max(max(numbers), -min(numbers)) > LARGEST


def _refuse_large(numbers: Sequence[float]) -> None:
    if _are_large(numbers):
        raise InvalidInput(f"numbers must not be larger than {LARGEST:g} in size")


def _text(value: Input) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"expected a text, got {_noun(value)}{_but_json(value)}")
    return value


def _but_json(value: Input) -> str:
    """A file of a form to a model that takes no images."""
    return ": only models of images take forms with files, to this one send JSON" if isinstance(value, bytes) else ""


def _but_path(value: Input) -> str:
    """Perhaps what a client was given is the path of an image."""
    return " (in Python, the path of an image is a pathlib.Path)" if isinstance(value, str) else ""


def _noun(value: Input) -> str:
    if isinstance(value, bytes):
        return "a file"
    return {"image": "an image", "text": "a text", "vector": "a list of numbers"}[_modality(value)]
