"""Tasks as files: the params of one version, to be used without the service."""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from service import codec
from service.errors import ComputationFailed, VersionErased, VersionNotFound
from service.storage import history
from service.storage.database import Database
from service.storage.records import WholeVersion
from service.tasks.decoding import Decoding
from service.tasks.finding import find_task

WEIGHTS_FORMAT = 1  # of the header of weights; a reader that knows another must refuse it


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent: the name to save it under, its bytes, and a digest that equal files share."""

    name: str
    data: bytes
    digest: str


class Exporting:
    """Files of tasks, for one tenant at a time."""

    def __init__(self, database: Database, decoding: Decoding) -> None:
        self._database = database
        self._decoding = decoding

    async def weights(self, tenant: str, task_id: str, version: int | None) -> File:
        """The params of a version (of the current one, if none is named), bit for bit, and where they came from.

        Raises TaskNotFound, VersionNotFound or VersionErased. The model need not be loaded.
        """
        found = await self._version(tenant, task_id, version)
        return await self._decoding.in_thread(partial(_weights, task_id, found))

    async def _version(self, tenant: str, task_id: str, version: int | None) -> WholeVersion:
        async with self._database.read() as session:
            found = await history.get_whole_version(session, tenant, task_id, version)
            if found is None:
                await find_task(session, tenant, task_id)
                raise VersionNotFound(f"The task has no version {version}.")
            return found


def params_of(version: WholeVersion) -> dict[str, Any]:
    """The params of a version, as they were stored. Raises VersionErased."""
    if version.params is None:
        raise VersionErased(f"Version {version.number} used an example that has been forgotten since.")
    if sha256(version.params).hexdigest() != version.params_digest:
        raise ComputationFailed("The stored params do not have the digest that they were stored with.")
    return codec.read_arrays(version.params)


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


def _weights(task_id: str, version: WholeVersion) -> File:
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
    }
    data = codec.pack_params(params_of(version), header | provenance_of(version))
    return File(f"{task_id}-v{version.number}.safetensors", data, sha256(data).hexdigest())
