"""Task params <-> safetensors bytes, checked against the head's layout on the way in."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

HEADER_KEY = "kshot"
LENGTH_BYTES = 8  # of safetensors: how long the header is
BOOLS = ("ways", "independent")  # leaves that are no numbers

Params = dict[str, npt.NDArray[Any]]


class DamagedParams(ValueError):
    """These bytes do not hold params that fit the layout; the message is a sentence for the operator."""


class OtherDigest(DamagedParams):
    """These bytes are not those that were stored."""


def pack_params(params: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, object]) -> bytes:
    """Params as safetensors; equal params and metadata give equal bytes."""
    # one key in the header, because the format leaves the order of several to chance
    header = {HEADER_KEY: json.dumps(dict(metadata), sort_keys=True, separators=(",", ":"))}
    return save({name: np.asarray(leaf, order="C") for name, leaf in params.items()}, header)


def unpack_params(data: bytes, layout: Mapping[str, str], known: Mapping[str, int] | None = None) -> Params:
    """Params from safetensors; each leaf must have the axes that the layout gives it, some of `known` sizes.

    Raises DamagedParams.
    """
    params = read_arrays(data)
    check_params(params, layout, known or {})
    return params


def stored_params(
    data: bytes, digest: str | None, layout: Mapping[str, str] | None = None, known: Mapping[str, int] | None = None
) -> tuple[Params, dict[str, Any]]:
    """A task's params and their header as they were stored; without a layout, of any model. Raises DamagedParams."""
    if sha256(data).hexdigest() != digest:
        raise OtherDigest("they do not have the digest that they were stored with")
    params = read_arrays(data) if layout is None else unpack_params(data, layout, known)
    return params, read_header(data)


def read_arrays(data: bytes) -> Params:
    """Whatever arrays a safetensors file holds. Raises DamagedParams."""
    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError, OverflowError) as error:
        raise DamagedParams(f"the file cannot be read as safetensors: {error}") from None


def read_header(data: bytes) -> dict[str, Any]:
    """What `pack_params` was told beside the params. Raises DamagedParams."""
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    try:
        header: dict[str, Any] = json.loads(json.loads(data[LENGTH_BYTES:][:length])["__metadata__"][HEADER_KEY])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedParams(f"the header cannot be read: {error}") from None
    return header


def check_params(params: Params, layout: Mapping[str, str], known: Mapping[str, int]) -> None:
    """Raise DamagedParams unless each leaf has the axes that the layout gives it; the sizes of some are `known`."""
    if params.keys() != layout.keys():
        raise DamagedParams(f"expected the leaves {sorted(layout)}, got {sorted(params)}")
    sizes = dict(known)
    for name, leaf in params.items():
        axes = layout[name].split()
        if leaf.ndim != len(axes) or not all(_fits(*pair, sizes) for pair in zip(axes, leaf.shape, strict=True)):
            raise DamagedParams(f"{name} of shape {leaf.shape} does not fit the axes {layout[name]!r}")
        if leaf.dtype != (np.bool_ if name in BOOLS else np.float32):
            raise DamagedParams(f"{name} is of the type {leaf.dtype}")
        if not np.isfinite(leaf).all():
            raise DamagedParams(f"{name} holds numbers that are not finite")


def _fits(axis: str, size: int, sizes: dict[str, int]) -> bool:
    """Whether this axis has the size that its number says, or that its letter had before."""
    return size == (int(axis) if axis.isdecimal() else sizes.setdefault(axis, size))
