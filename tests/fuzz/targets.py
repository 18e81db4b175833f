"""What is fuzzed: each target draws bytes and has the function that reads them, which may refuse and no more."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from hypothesis import strategies as st

from models.files import BadFile, Columns
from models.inputs import Input
from models.inputs.frame import FrameInput
from models.inputs.image import GlyphInput
from models.inputs.photo import PhotoInput
from models.inputs.table import TableInput
from models.inputs.text import TextInput
from models.inputs.vector import VectorInput
from service import codec
from service.api.deps import parsed
from service.api.forms import canonical, max_parts
from service.api.openapi import BODIES
from service.api.uploads import request_of
from service.codec import DamagedParams, TaskFile, pack_params, pack_task
from service.codec.structure import check_structure
from service.errors import InvalidRequest, KshotError
from service.figures import CreateEvaluation
from service.files import read_examples, read_names
from service.schemas import CreatePredictions, CreateTask, Kind
from service.settings import Settings
from tests.fuzz import seeds
from tests.fuzz.drawing import TEXTS, mutated, rewritten, sealed_png

SETTINGS = Settings()
LIMITS = codec.ImageLimits(int(SETTINGS.max_image_megapixels * 1e6), int(SETTINGS.max_whole_image_megapixels * 1e6))
FORMS = ((CreateTask, "support"), (CreatePredictions, "inputs"), (CreateEvaluation, "examples"))
REFUSALS = (KshotError, BadFile, DamagedParams)
LAYOUT = {"weight": "N D", "bias": "N", "ways": "N"}


@dataclass(frozen=True)
class Target:
    """Bytes to draw, and what reads them; it raises one of `REFUSALS` for those that it does not take."""

    cases: st.SearchStrategy[bytes]
    read: Callable[[bytes], object]


def read_image(data: bytes) -> None:
    """As a photo and as a drawn character."""
    for takes in (GlyphInput(), PhotoInput()):
        _decode([data], takes, "image")


def read_form(case: bytes) -> None:
    """A form of one of the routes, by the first byte; also as it is known again when it is sent twice."""
    model, files = FORMS[case[0] % len(FORMS)]
    canonical(case[1:], seeds.BOUNDARY, max_parts(SETTINGS))
    made = request_of(model, files, case[1:], seeds.BOUNDARY, SETTINGS)
    if isinstance(made, CreateTask):
        _taught(made, "classification")


def read_base64(case: bytes) -> None:
    """The text of an image in JSON."""
    body = b'{"inputs": [{"image": "' + case + b'"}]}'
    _decode(_parsed(CreatePredictions, body).inputs, GlyphInput(), "image")


def read_json(case: bytes) -> None:
    """A body of one of the routes, by the first byte; of a new task also what it teaches, as each kind has it."""
    made = _parsed(list(BODIES.values())[case[0] % len(BODIES)], case[1:])
    if isinstance(made, CreateTask):
        for kind in ("classification", "multilabel", "regression"):
            _taught(made, kind)
        inputs = [example.input for example in made.support]
        _decode(inputs, TableInput(), "table")
        _decode(inputs, VectorInput(3), "vector")


def read_text(case: bytes) -> None:
    """A new task of texts: labels, slots, metadata, and the texts as their models read them."""
    made = _parsed(CreateTask, case)
    for kind in ("classification", "multilabel", "frames"):
        _taught(made, kind)
    rows = {takes: _decode([each.input for each in made.support], takes, "text") for takes in _texts()}
    codec.refuse(list(codec.misplaced_slots(made.support, rows[_texts()[1]], "support")))


def read_file(case: bytes) -> None:
    """A file of examples or of names that the command is given: its kind and columns by the first byte."""
    kind, cells = ("csv", "jsonl")[case[0] % 2], bool(case[0] & 2)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        path = Path(folder) / (f"file.{kind}" if case[0] & 4 else "names.csv" if case[0] & 1 else "names.json")
        path.write_bytes(case[1:])
        if case[0] & 4:
            read_examples(path, kind, Columns(are_cells=cells))
        else:
            read_names(path)


def read_params(data: bytes) -> None:
    """Stored params, and what their header says."""
    codec.unpack_params(data, LAYOUT)
    codec.read_header(data)


def read_import(data: bytes) -> None:
    """A whole task from somewhere."""
    if data.startswith(b"{"):  # a header that was rewritten, under a seal that fits
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(content, dict):
            return
        data = pack_task(content, seeds.ARRAYS)[0]
    file, arrays = codec.unpack_task(data, SETTINGS)
    _accepted(file, arrays)


def _accepted(file: TaskFile, arrays: Mapping[str, Any]) -> None:
    _support(file.support, file.kind)
    if "inputs" in arrays:
        codec.check_rows("inputs", arrays["inputs"], "float32", (len(file.support), 3))


def _taught(made: CreateTask, kind: Kind) -> None:
    try:
        codec.refuse(list(codec.wrong_prior(made.prior, kind, ["a", "b"])))
        _support(made.support, kind, codec.names_of(made.label_names))
    except InvalidRequest:
        pass  # perhaps it is right as another kind


def _parsed(model: Any, body: bytes) -> Any:
    check_structure(body, SETTINGS)
    return parsed(model, body)


def _support(examples: Any, kind: Kind, names: Any = ()) -> None:
    targets = codec.decode_support(
        examples, kind, names=names, max_examples=SETTINGS.max_examples, max_ways=SETTINGS.max_ways
    )
    codec.support_digest(np.zeros(1), targets)


def _decode(inputs: Any, takes: Input, modality: str) -> Any:
    rows, wrong = codec.decode_inputs(
        inputs, takes, [modality], limits=LIMITS, deadline=monotonic() + 60, path="inputs.{}"
    )
    if wrong and modality in ("image", "text"):
        raise InvalidRequest.at(wrong)
    return rows


@cache
def _texts() -> tuple[TextInput, FrameInput]:
    return TextInput(), FrameInput()


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _led(cases: st.SearchStrategy[bytes], choices: int) -> st.SearchStrategy[bytes]:
    """Cases behind a first byte that says what they are."""
    return st.tuples(st.integers(0, choices - 1), cases).map(lambda drawn: bytes([drawn[0]]) + drawn[1])


def _bodies() -> st.SearchStrategy[bytes]:
    """Bodies of all routes, in their parts and in their bytes, behind the number of their kind."""
    names = list(BODIES)
    drawn = []
    for name, body in seeds.BODIES:
        lead = bytes([names.index(name)])
        drawn.append((rewritten([body]) | mutated([json.dumps(body).encode()])).map(lead.__add__))
    return st.one_of(drawn)


def _forms() -> st.SearchStrategy[bytes]:
    """Forms of all routes that take one, as they should be and changed, behind the number of their kind."""
    drawn = [(st.just(form) | mutated([form])).map(bytes([lead]).__add__) for lead, form in enumerate(seeds.FORMS)]
    return st.one_of(drawn)


PACKED = pack_params(seeds.PARAMS, {"format": 1})
TARGETS: dict[str, Target] = {
    "images": Target(
        mutated(seeds.IMAGES) | mutated(seeds.PNGS).map(sealed_png) | st.sampled_from(seeds.IMAGES), read_image
    ),
    "multipart": Target(_forms(), read_form),
    "base64": Target(mutated(seeds.BASE64) | st.sampled_from(seeds.BASE64), read_base64),
    "json": Target(_bodies(), read_json),
    "unicode": Target(rewritten(seeds.SAID, TEXTS), read_text),
    "files": Target(_led(mutated(seeds.FILES) | rewritten(seeds.LINES), 8), read_file),
    "safetensors": Target(st.just(PACKED) | mutated([PACKED]), read_params),
    "imports": Target(rewritten([seeds.CONTENT]) | mutated([pack_task(seeds.CONTENT, seeds.ARRAYS)[0]]), read_import),
}
