"""Wire <-> numpy, and task params <-> safetensors bytes; synchronous, for threads, and without torch."""

from service.codec.answers import (
    classifications,
    least_for,
    multilabels,
    read_cursor,
    read_ordinal,
    regressions,
    write_cursor,
)
from service.codec.files import FileExample, TaskFile, check_rows, pack_task, unpack_task
from service.codec.frames import Framed, frames, misplaced_slots, slots_of, tags_of
from service.codec.inputs import decode_inputs, misfits, width
from service.codec.labels import Labelled, Name, Role, Tagged, Taught, clashing_names, labels_of, names_of, path_of_name
from service.codec.params import (
    DamagedParams,
    Params,
    check_params,
    pack_params,
    read_arrays,
    read_header,
    unpack_params,
)
from service.codec.priors import expecting, wrong_prior
from service.codec.rounding import rounded
from service.codec.priors import expecting, fitted, without_others, wrong_prior
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
    "Framed",
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
    "clashing_names",
    "classifications",
    "decode_inputs",
    "decode_support",
    "expecting",
    "fitted",
    "frames",
    "labels_of",
    "least_for",
    "misfits",
    "misplaced_slots",
    "multilabels",
    "names_of",
    "pack_params",
    "pack_task",
    "path_of_name",
    "read_arrays",
    "read_cursor",
    "read_header",
    "read_ordinal",
    "refuse",
    "regressions",
    "rounded",
    "slots_of",
    "support_digest",
    "tags_of",
    "targets_of",
    "unpack_params",
    "unpack_task",
    "width",
    "without_others",
    "write_cursor",
    "wrong_prior",
]
