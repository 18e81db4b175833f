"""Wire <-> numpy, and task params <-> safetensors bytes; synchronous, for threads, and without torch."""

from service.codec.answers import classifications, multilabels, read_cursor, read_ordinal, regressions, write_cursor
from service.codec.files import FileExample, TaskFile, check_rows, pack_task, unpack_task
from service.codec.inputs import decode_inputs
from service.codec.labels import Labelled, Name, Role, Tagged, Taught, labels_of, names_of, path_of_name
from service.codec.params import DamagedParams, Params, check_params, pack_params, read_arrays, unpack_params
from service.codec.support import (
    Measured,
    Sent,
    Targets,
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
    "Name",
    "Params",
    "Role",
    "Sent",
    "Tagged",
    "Targets",
    "TaskFile",
    "Taught",
    "check_count",
    "check_params",
    "check_rows",
    "check_truth",
    "classifications",
    "decode_inputs",
    "decode_support",
    "labels_of",
    "multilabels",
    "names_of",
    "pack_params",
    "pack_task",
    "path_of_name",
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
