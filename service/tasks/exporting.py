"""Tasks as files: the params of one version, to be used without the service; and a whole task, to be imported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np

from service import codec
from service.catalog import Catalog, Served
from service.engine.engine import Engine
from service.errors import VersionNotFound
from service.forecasts import Outlook
from service.storage import history, queries, transfers
from service.storage.database import Database
from service.storage.records import ExampleRecord, WholeVersion
from service.tasks.adapting import stored_features, stored_rows
from service.tasks.columns import columns_of
from service.tasks.damage import params_of
from service.tasks.decoding import Decoding
from service.tasks.finding import find_task
from service.tasks.retrying import Lost, until_kept

WEIGHTS_FORMAT = 1  # of the header of weights; a reader that knows another must refuse it

NO_OUTLOOK = Outlook(expected=None, suspects=[])

PARAMS = "params/"  # arrays of a whole task: its params by leaf, and
INPUTS, FEATURES = "inputs", "features"  # the rows of its support, and what the encoder made of them


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent: the name to save it under, its bytes, and a digest that equal files share."""

    name: str
    data: bytes
    digest: str


class Exporting:
    """Files of tasks, for one tenant at a time."""

    def __init__(self, database: Database, engine: Engine, catalog: Catalog, decoding: Decoding) -> None:
        self._database = database
        self._engine = engine
        self._catalog = catalog
        self._decoding = decoding

    async def weights(self, tenant: str, task_id: str, version: int | None) -> File:
        """The params of a version (of the current one, if none is named), bit for bit, and where they came from.

        Raises TaskNotFound, VersionNotFound or VersionErased. The model need not be loaded.
        """
        found = await self._version(tenant, task_id, version)
        return await self._decoding.in_thread(tenant, partial(_weights, task_id, found, self._engine))

    async def task(self, tenant: str, task_id: str, hold: Callable[[int], object]) -> File:
        """The task with its support, as of its current version. Raises TaskNotFound or ModelUnavailable.

        `hold` is told how many bytes it will be, about, before they are read, and may raise.
        """
        hold(self._num_bytes(await self._version(tenant, task_id, None)))
        found, examples = await until_kept(partial(self._whole, tenant, task_id))
        model = self._catalog.get(found.model_digest)  # which alone knows the shape of what is stored
        return await self._decoding.in_thread(tenant, partial(_task, task_id, found, examples, model, self._engine))

    async def _whole(self, tenant: str, task_id: str) -> tuple[WholeVersion, list[ExampleRecord]]:
        found = await self._version(tenant, task_id, None)
        async with self._database.read() as session:
            examples = await queries.get_support(session, tenant, task_id, found.number)
            alone = await transfers.own_params(session, tenant, task_id, found.number)
        if len(examples) != found.num_support:
            raise Lost  # it was written between two statements
        if found.params is not None and alone is not None:  # what others taught it stays where they can forget it
            return replace(found, params=alone.data, params_digest=alone.digest), examples
        return found, examples

    def _num_bytes(self, version: WholeVersion) -> int:
        model = self._catalog.get(version.model_digest)
        row_bytes = prod(model.inputs.shape) * np.dtype(model.inputs.dtype).itemsize
        if self._engine.keeps_features(model.digest):
            blank = self._engine.blank_features(model.digest)
            row_bytes += prod(blank.shape[1:]) * blank.dtype.itemsize
        return version.num_support * row_bytes + len(version.params or b"")

    async def _version(self, tenant: str, task_id: str, version: int | None) -> WholeVersion:
        async with self._database.read() as session:
            found = await history.get_whole_version(session, tenant, task_id, version)
            if found is None:
                await find_task(session, tenant, task_id)
                raise VersionNotFound(f"The task has no version {version}.")
            return found


def provenance_of(version: WholeVersion) -> dict[str, Any]:
    """Where the params of a version came from."""
    return {
        "version": version.number,
        "origin": version.origin,
        "support_digest": version.support_digest,
        "dtype": version.dtype,
        "libraries": version.libraries,
        "seed": version.seed,
        "created_at": version.created_at.isoformat(),
    }


def _task(
    task_id: str, version: WholeVersion, examples: Sequence[ExampleRecord], model: Served, engine: Engine
) -> File:
    content = {
        "task": task_id,
        "name": version.name,
        "kind": version.kind,
        "metadata": version.metadata,
        "labels": version.labels,
        "support": [_example(example) for example in examples],
        "model": version.model,
        "model_digest": version.model_digest,
        "preprocessing": model.preprocessing,
        "provenance": provenance_of(version),
    }
    if version.prior is not None:  # readers of before know no such field
        content["prior"] = codec.fitted(version.prior, version.labels or ())
    if (columns := columns_of(version)) is not None:  # nor this
        content["columns"] = columns
    if version.outlook is not None and version.outlook != NO_OUTLOOK:  # nor this
        content["outlook"] = codec.write_outlook(version.outlook, [example.example_id for example in examples])
    params, header = params_of(version, engine)
    content |= {field: header[field] for field in ("temperature", "thresholds") if field in header}
    arrays = {f"{PARAMS}{name}": leaf for name, leaf in params.items()}
    arrays[INPUTS] = stored_rows(examples, model)
    features = stored_features(examples, engine.blank_features(model.digest))
    data, digest = codec.pack_task(content, arrays if features is None else arrays | {FEATURES: features})
    return File(f"{task_id}.safetensors", data, digest)


def _example(example: ExampleRecord) -> dict[str, Any]:
    role = None if example.role == "example" else example.role
    slots = None if example.slots is None else [slot.model_dump() for slot in example.slots]
    told = {"id": example.example_id, "label": example.label, "target": example.target, "role": role, "slots": slots}
    return {field: value for field, value in told.items() if value is not None}


def _weights(task_id: str, version: WholeVersion, engine: Engine) -> File:
    params, _ = params_of(version, engine)
    header = {
        "format": WEIGHTS_FORMAT,
        "task": task_id,
        "model": version.model,
        "model_digest": version.model_digest,
        "kind": version.kind,
        "labels": version.labels,
        "output_dim": version.output_dim,
        "scalar": version.kind == "regression" and version.output_dim is None,
        "num_support": version.num_support,
        "transferred_from": version.transferred_from or [],
    }
    if version.kind == "frames" and version.params is not None:
        header["slots"] = codec.read_header(version.params)["slots"]
    if (columns := columns_of(version)) is not None:
        header["columns"] = columns
    data = codec.pack_params(params, header | provenance_of(version))
    return File(f"{task_id}-v{version.number}.safetensors", data, sha256(data).hexdigest())
