"""Wire <-> numpy, and task params <-> safetensors bytes; synchronous, for threads, and without torch."""

from service.codec.answers import classifications, read_cursor, read_ordinal, regressions, write_cursor
from service.codec.files import FileExample, TaskFile, check_rows, pack_task, unpack_task
from service.codec.inputs import decode_inputs
from service.codec.params import DamagedParams, Params, check_params, pack_params, read_arrays, unpack_params
from service.codec.support import (
    Labelled,
    Measured,
    Sent,
    Taught,
    check_count,
    check_truth,
    decode_support,
    refuse,
    support_digest,
    targets_of,
)

__all__ = [
    "DamagedParams",
    "FileExample",
    "Labelled",
    "Measured",
    "Params",
    "Sent",
    "TaskFile",
    "Taught",
    "check_count",
    "check_params",
    "check_rows",
    "check_truth",
    "classifications",
    "decode_inputs",
    "decode_support",
    "pack_params",
    "pack_task",
    "read_arrays",
    "read_cursor",
    "read_ordinal",
    "refuse",
    "regressions",
    "support_digest",
    "targets_of",
    "unpack_params",
    "unpack_task",
    "write_cursor",
]
