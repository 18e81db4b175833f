"""What the load generator sends a service: predictions of tasks that were made for it, and adaptations."""

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import numpy as np
from PIL import Image

from benchmarks.wire import request

NUM_WAYS, NUM_SHOTS = 5, 5
GLYPH_PX, VECTOR_DIM = 105, 64  # as Omniglot's are
TIMEOUT_S = 120.0
NUM_AT_ONCE = 16  # tasks being made
TOPICS = (
    "what is the balance of account",
    "play me some music like number",
    "wake me tomorrow, and not before, in room",
    "will it rain on the road to mile",
    "I have lost my card that ends with",
)


def vectors(rng: np.random.Generator, label: int) -> list[float]:
    """A row near the centre of its label."""
    return [round(float(value), 4) for value in rng.normal(label, 1.0, VECTOR_DIM)]


def glyphs(rng: np.random.Generator, label: int) -> dict[str, str]:
    """A picture with a stroke of its label, in base64."""
    pixels = np.full((GLYPH_PX, GLYPH_PX), 255, np.uint8)
    row, column = rng.integers(15, 60, 2)
    pixels[row : row + 8 + 6 * label, column : column + 30 - 4 * label] = 0
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return {"image": base64.b64encode(stream.getvalue()).decode()}


def texts(rng: np.random.Generator, label: int) -> str:
    """A sentence of a topic, hardly ever the same."""
    return f"{TOPICS[label]} {rng.integers(10**6)}"


INPUTS: Final[Mapping[str, Callable[[np.random.Generator, int], Any]]] = {
    "vectors": vectors,
    "glyphs": glyphs,
    "glyphs-maml": glyphs,
    "text": texts,
}


def adaptation(model: str, seed: int, num_shots: int = NUM_SHOTS) -> dict[str, Any]:
    """The body of a request that adapts to so many examples of each of five labels."""
    rng = np.random.default_rng(seed)
    labels = [label for label in range(NUM_WAYS) for _ in range(num_shots)]
    return {"model": model, "support": [{"input": INPUTS[model](rng, each), "label": f"l{each}"} for each in labels]}


def predictions(url: str, model: str, num_tasks: int, key: str | None = None) -> list[bytes]:
    """New tasks of a model, and of each a request to predict one input."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as http:
        return [
            request(
                f"/v1/tasks/{task}/predictions", {"inputs": [INPUTS[model](np.random.default_rng(number), 1)]}, key=key
            )
            for number, task in enumerate(_made(http, model, num_tasks))
        ]


def _made(http: httpx.Client, model: str, num_tasks: int) -> Iterator[str]:
    def made(seed: int) -> str:
        told: dict[str, str] = http.post("/v1/tasks", json=adaptation(model, seed)).raise_for_status().json()
        return told["id"]

    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:  # many tasks share a commit then
        yield from pool.map(made, range(num_tasks))
