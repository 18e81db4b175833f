"""A whole task as one safetensors file: arrays, and a header of JSON that is sealed with a digest of all of it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, AwareDatetime, Field, ValidationError
from pydantic_core import from_json
from safetensors.numpy import save

from service.codec.labels import Role
from service.codec.outlooks import FileOutlook
from service.codec.params import HEADER_KEY, LENGTH_BYTES, DamagedParams, Params, read_arrays
from service.codec.structure import check_structure
from service.codec.support import LARGEST, refuse
from service.errors import FieldError, InvalidRequest
from service.fields import MAX_ROWS, Columns, Id, Metadata, Prior, Target, Text, field_errors
from service.schemas import MAX_SLOTS, MAX_VERSION, Kind, Label, Origin, Request, Slot
from service.settings import Settings

FORMAT = 1
SEAL = "sha256"
TEMPERATURES = Field(ge=0.1, le=100)  # far beyond those that tasks have
# of label sets: their coverage, and the log-probability that labels in them have at least
Threshold: TypeAlias = tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(ge=-1e4, le=1e4)]]

Digest: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _rising(thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    if any(before >= after for (before, _), (after, _) in pairwise(thresholds)):
        raise ValueError("expected coverages that rise")
    return thresholds


class FileExample(Request):
    """A row of the support; its input is the row of the array `inputs` at its position."""

    id: Id
    label: Label | None = None
    target: Target | None = None
    slots: Annotated[list[Slot], Field(max_length=MAX_SLOTS)] | None = None
    role: Role = "example"


class Provenance(Request):
    """Where the params came from."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)]
    origin: Origin
    support_digest: Digest
    dtype: Annotated[str, Field(pattern="^[a-z0-9]{1,20}$")]
    libraries: Annotated[dict[Text, Text], Field(max_length=20)]
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)]
    created_at: AwareDatetime


class TaskFile(Request):
    """What the header says. `preprocessing` made the inputs; `sha256` is of the rest and of the arrays."""

    format: Literal[1]
    task: Text
    name: Text | None
    kind: Kind
    metadata: Metadata
    labels: Annotated[list[Text], Field(max_length=MAX_ROWS)] | None
    support: Annotated[list[FileExample], Field(min_length=1, max_length=MAX_ROWS)]
    model: Text
    model_digest: Digest
    preprocessing: Metadata
    prior: Prior | None = None
    columns: Columns | None = None
    temperature: Annotated[float, TEMPERATURES] = 1.0
    outlook: FileOutlook | None = None
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=20), AfterValidator(_rising)] = ()
    provenance: Provenance
    sha256: Digest


def pack_task(content: Mapping[str, Any], arrays: Params) -> tuple[bytes, str]:
    """The file of a header without its seal, and the seal. Equal tasks give equal bytes."""
    whole = json.loads(json.dumps({**content, "format": FORMAT}))
    seal = _seal(whole, arrays)
    header = {HEADER_KEY: json.dumps(whole | {SEAL: seal}, sort_keys=True, separators=(",", ":"))}
    return save({name: np.asarray(array, order="C") for name, array in arrays.items()}, header), seal


def unpack_task(data: bytes, settings: Settings) -> tuple[TaskFile, Params]:
    """The header and the arrays of a file from anywhere, whole and unchanged since it was packed.

    Raises InvalidRequest, or BodyTooLarge for more structure than the largest task needs.
    """
    text = _header_text(data, settings)
    check_structure(text.encode(), settings)
    try:
        arrays = read_arrays(data)
    except DamagedParams as error:
        raise _refusal("", str(error)) from None
    _check_seal(text, arrays)
    try:
        return TaskFile.model_validate_json(text), arrays
    except ValidationError as error:
        raise InvalidRequest.at(
            field_errors(error.errors(include_url=False, include_context=False, include_input=False))
        ) from None


def check_rows(name: str, rows: np.ndarray, dtype: str, shape: tuple[int, ...], num_ids: int | None = None) -> None:
    """Raise InvalidRequest unless the array is of this type and shape and holds numbers that a model can use.

    Whole numbers may be ids, from 0 up to before `num_ids`.
    """
    if rows.dtype != np.dtype(dtype) or rows.shape != shape:
        found = f"{rows.dtype} {list(rows.shape)}"
        refuse([FieldError(name, f"expected an array {np.dtype(dtype)} {list(shape)}, got {found}")])
    if np.issubdtype(rows.dtype, np.floating):
        wrong = ~(np.abs(rows.reshape(len(rows), -1)) <= LARGEST).all(1)  # so that NaN is wrong too
        refuse([FieldError(f"{name}.{row}", "holds numbers that no model can use") for row in np.flatnonzero(wrong)])
    elif num_ids is not None:
        wrong = ((rows < 0) | (rows >= num_ids)).reshape(len(rows), -1).any(1)
        refuse([FieldError(f"{name}.{row}", "holds numbers that no model can use") for row in np.flatnonzero(wrong)])


def _header_text(data: bytes, settings: Settings) -> str:
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if length > len(data) - LENGTH_BYTES:
        raise _refusal("", "the file is not safetensors, or it was cut short")
    header = data[LENGTH_BYTES : LENGTH_BYTES + length]
    check_structure(header, settings)
    match _parsed(header):
        case {"__metadata__": {"kshot": str(text)}}:
            return text
    raise _refusal("", "the file is not a task that kshot has exported: its header has no text under kshot")


def _check_seal(text: str, arrays: Params) -> None:
    content = _parsed(text.encode())
    if not isinstance(content, dict):
        raise _refusal("", "the header is not an object of JSON")
    if content.get("format") != FORMAT:
        raise _refusal("format", f"this service reads the format {FORMAT}")
    if content.pop(SEAL, None) != _seal(content, arrays):
        raise _refusal(SEAL, "the file was damaged or changed: it is not of this digest any more")


def _seal(content: Mapping[str, Any], arrays: Params) -> str:
    digest = sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, str(array.dtype), array.shape]).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _parsed(text: bytes) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise _refusal("", f"the header is not JSON: {str(error)[:200]}") from None


def _refusal(path: str, message: str) -> InvalidRequest:
    return InvalidRequest.at([FieldError(path, message)])
