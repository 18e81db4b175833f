"""What is right, and is changed from here."""

import base64
import csv
import io
import json
from typing import Any

import numpy as np

from tests.service.codec.pictures import saved, stroke

SIZE = (24, 18)
PNGS = [
    *(saved(stroke(SIZE, mode)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    saved(stroke(SIZE), "PNG", save_all=True, append_images=[stroke(SIZE, "L")]),
]
TURNED = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03" + bytes(9)
IMAGES = [
    *PNGS,
    *(saved(stroke(SIZE, mode), "JPEG") for mode in ("L", "RGB", "CMYK")),
    saved(
        stroke(SIZE, "RGB"),
        "JPEG",
        progressive=True,
        exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03" + bytes(9),
    ),
    *(saved(stroke(SIZE, "RGBA"), "WEBP", lossless=lossless) for lossless in (True, False)),
    saved(stroke(SIZE, "RGB"), "WEBP", save_all=True, append_images=[stroke(SIZE, "RGB")]),
]
BASE64 = [base64.b64encode(data) for data in IMAGES]

BOUNDARY = b"fuzz"


def part(head: bytes, content: bytes) -> bytes:
    """A part of a form."""
    return b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"
FORMS = [
    part(b'name="model"', b"glyphs")
    + part(b'name="metadata"', b'{"a": [1, null]}')
    + part(b'name="prior"', b'{"a": 0.5}')
    + part(b'name="a"; filename="1.png"\r\nContent-Type: image/png', PNGS[0])
    + part(b'name="files"; filename="b/2.png"', PNGS[1])
    + END,
    part(b'name="top"', b"2") + part(b'name="file"; filename="1.png"', PNGS[0]) + END,
    part(b'name="version"', b"1") + part(b"name=\"a\"; filename*=UTF-8''%e2%82%ac.png", PNGS[0]) + END,
]

SLOT = {"name": "track", "start": 5, "end": 12}
RAIN = {"input": "rain", "label": []}
SAID: list[Any] = [
    {
        "model": "frames",
        "name": "messages",
        "support": [
            {
                "id": "e1",
                "input": "play Skyfall by Adele",
                "label": "play",
                "slots": [{"name": "track", "start": 5, "end": 12}],
            },
            {"id": "e2", "input": "what is the weather like", "label": "weather", "slots": []},
        ],
        "metadata": {"from": ["a", {"b": "c"}]},
        "label_names": {"play": "play some music", "weather": "tell the weather"},
    },
    {
        "model": "text",
        "support": [
            {"input": "play jazz when it rains", "label": ["music", "weather"]},
            {"input": "rain", "label": []},
        ],
    },
]
LABELLED = [{"input": [1, 2, 3], "label": label} for label in "ab"]
BODIES: list[tuple[str, Any]] = [
    *(("CreateTask", body) for body in SAID),
    (
        "CreateTask",
        {"model": "curves", "support": [{"input": [x], "target": x} for x in (1.5, -2.0)], "transfer": False},
    ),
    (
        "CreateTask",
        {"model": "tables", "support": [{"input": [1, "a", None], "label": x} for x in "ab"], "prior": "uniform"},
    ),
    (
        "CreateTask",
        {"model": "vectors", "support": [{"input": [1, 2, 3], "label": x} for x in "ab"], "prior": {"a": 0.5}},
    ),
    ("ExtendSupport", {"support": [{"input": [1, 2, 3], "label": "a"}], "label_names": {}}),
    ("UpdateTask", {"name": None, "metadata": {"a": [1, {"b": None}]}, "prior": "uniform"}),
    ("Rollback", {"version": 1}),
    ("Readapt", {"model_digest": "0123"}),
    ("CreatePredictions", {"inputs": [[1, 2, 3], "text", {"image": "AAAA"}], "top": 2, "coverage": 0.9}),
    ("CreateEvaluation", {"examples": [{"input": [1], "target": [1, 2]}], "version": 1, "compare_with": 2}),
]


def cells(*rows: tuple[Any, ...]) -> bytes:
    """A file of CSV."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()


LINES: list[Any] = [
    {"input": "text", "label": "a", "id": 1},
    {"input": [1, 2], "target": [0.5]},
    {"x": 1, "y": "b", "label": ["a", "b"]},
    {"image": "no/such.png", "label": "a"},
    {"input": {"image": "AAAA"}, "label": "a", "slots": [{"name": "n", "start": 0, "end": 1}]},
]
FILES = [
    cells(("id", "x", "y", "label"), (1, 0.5, 2, "a"), (2, "", "b", "c, d")),
    cells(("text", "label"), ('he said "no"', "a"), ("two\nlines", "b")),
    cells(("label", "name"), ("a", "an a")),
    cells(("image", "target"), ("no/such.png", 1)),
    b"\n".join(json.dumps(line).encode() for line in LINES),
    b'\xef\xbb\xbf{"a": "an a"}',
]

PARAMS = {"weight": np.ones((2, 3), np.float32), "bias": np.ones(2, np.float32), "ways": np.array([True, True])}
ARRAYS = {"inputs": np.ones((2, 3), np.float32)} | {f"params/{name}": leaf for name, leaf in PARAMS.items()}
CONTENT: dict[str, Any] = {
    "format": 1,
    "task": "task_01JD0000000000000000000000",
    "name": None,
    "kind": "classification",
    "metadata": {"a": 1},
    "labels": ["a", "b"],
    "support": [{"id": "e1", "label": "a"}, {"id": "e2", "label": "b"}],
    "model": "vectors",
    "model_digest": "0" * 64,
    "preprocessing": {"name": "vector"},
    "prior": {"a": 0.5},
    "provenance": {
        "version": 1,
        "origin": "adapt",
        "support_digest": "0" * 64,
        "dtype": "float32",
        "libraries": {"numpy": "2"},
        "seed": 0,
        "created_at": "2026-01-01T00:00:00Z",
    },
}
