"""Rows of versions, params, examples, features and memberships, as they are first written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any
from zlib import crc32

from sqlalchemy import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.records import ExampleRecord, NewVersion
from service.storage.tables import Example, Features, Membership, OwnParams, Params, Table, Transfer, Version

STRAIGHT = "straight"  # in the `info` of a session, if its database takes rows past SQLAlchemy
GENERATION = 1  # of the rules that this code keeps: when one learned from another, both know when they forget


async def insert_version(session: AsyncSession, keys: dict[str, Any], version: NewVersion, now: datetime) -> None:
    """A version and its params."""
    row = {
        "number": version.number,
        "model_digest": version.model_digest,
        "output_dim": version.output_dim,
        "num_support": version.num_support,
        "support_digest": version.support_digest,
        "dtype": version.dtype,
        "libraries": dict(version.libraries),
        "seed": version.seed,
        "created_at": now,
        "labels": version.labels,
        "origin": version.origin,
        "preprocessing": None if version.preprocessing is None else dict(version.preprocessing),
        "transferred_from": [source.task_id for source in version.sources] or None,
        "generation": GENERATION,
    }
    await insert_rows(session, Version, [keys | row])
    outlook = None if version.outlook is None else version.outlook.model_dump()
    await insert_rows(session, Params, [keys | _params(version.number, version.params) | {"outlook": outlook}])
    if version.own_params is not None:
        await insert_rows(session, OwnParams, [keys | _params(version.number, version.own_params)])
        made = [{"source_id": source.task_id, "source_version": source.version} for source in version.sources]
        await insert_rows(session, Transfer, [keys | {"number": version.number} | row for row in made])


async def insert_examples(
    session: AsyncSession, keys: dict[str, Any], version: NewVersion, examples: Sequence[ExampleRecord], now: datetime
) -> None:
    """Examples that belong to this version and the next ones, with their features."""
    rows = [
        {
            "ordinal": example.ordinal,
            "example_id": example.example_id,
            "label": example.label if isinstance(example.label, str) else None,
            "labels": example.label if isinstance(example.label, list) else None,
            "role": example.role,
            "target": example.target,
            "slots": None if example.slots is None else [slot.model_dump() for slot in example.slots],
            "created_at": now,
            "checksum": crc32(example.input),
            "input": example.input,
        }
        for example in examples
    ]
    since = [
        {"ordinal": example.ordinal, "since_version": version.number, "until_version": None} for example in examples
    ]
    await insert_rows(session, Example, [keys | row for row in rows])
    await insert_rows(session, Membership, [keys | row for row in since])
    await insert_features(session, keys, version.model_digest, examples)


async def insert_features(
    session: AsyncSession, keys: dict[str, Any], model_digest: str, examples: Sequence[ExampleRecord]
) -> None:
    """What a model made of examples, if it made anything."""
    rows = [
        {
            "ordinal": example.ordinal,
            "model_digest": model_digest,
            "checksum": crc32(example.features),
            "data": example.features,
        }
        for example in examples
        if example.features is not None
    ]
    await insert_rows(session, Features, [keys | row for row in rows])


async def insert_rows(session: AsyncSession, table: type[Table], rows: Sequence[Mapping[str, Any]]) -> None:
    """Any number of rows, none too."""
    if not rows:
        return
    # the driver sends them one after another under one statement, so no limit on variables applies
    straight = session.info.get(STRAIGHT, session.execute)
    await straight(_insert_into(table), list(rows))


def _params(number: int, params: bytes) -> dict[str, Any]:
    return {"number": number, "digest": sha256(params).hexdigest(), "data": params}


@cache
def _insert_into(table: type[Table]) -> Insert:
    """Into the table and not into its class, whose every row would be looked at for what objects need."""
    return insert(table.metadata.tables[table.__tablename__])
