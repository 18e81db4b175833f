"""Against a running service, before and after a restart: python3 restart.py URL STATE_FILE, twice.

The first run adapts a task of every model that answers at once, and writes down what each answers; the second asks the
same again and fails unless every answer is the same to the last digit. With KSHOT_API_KEY the key is sent, and without
it nothing must be answered. Standard library only, so that it runs outside any environment.
"""

import base64
import json
import os
import random
import struct
import sys
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

NUM_WAYS, NUM_SHOTS, NUM_QUERIES = 3, 4, 7
ANY_DIM = 5  # of a model that takes any
KEY = os.environ.get("KSHOT_API_KEY")
THINGS = ("play a song", "wake me at six", "what is the weather")


def quick(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the models that adapt within a request."""
    return [model for model in models if "fast" in model["efforts"]]


def call(url: str, body: object = None) -> Any:
    """One JSON request."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def refuses_strangers(url: str) -> bool:
    """Whether a request without a key is refused."""
    try:
        urllib.request.urlopen(url, timeout=60).close()
    except urllib.error.HTTPError as refusal:
        return refusal.code == 401
    return False


def drawing(way: int, rng: random.Random) -> dict[str, str]:
    """A greyscale PNG of 16 x 16: strokes that depend on the way, and a little noise."""
    grid = [[rng.randrange(30) for _ in range(16)] for _ in range(16)]
    for place in range(2, 14):
        grid[place][5 + 2 * way] = 230  # a bar that moves
        grid[4 + way][place] = 230
        grid[place][place if way % 2 else 15 - place] = 230
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in grid))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b""))
    png = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return {"image": base64.b64encode(b"\x89PNG\r\n\x1a\n" + png).decode()}


def row(model: dict[str, Any], way: int, rng: random.Random) -> Any:
    """An input of the kind that this model takes."""
    if "image" in model["modalities"]:
        return drawing(way, rng)
    if "text" in model["modalities"]:
        return f"{THINGS[way]} {rng.choice(('today', 'once more', 'please'))}"
    return [rng.gauss(way, 0.5) for _ in range(model["input_dim"] or ANY_DIM)]


def bodies(model: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A support set and queries for this model, the same at every call."""
    rng = random.Random(model["name"])
    support = [{"input": row(model, way, rng)} for _ in range(NUM_SHOTS) for way in range(NUM_WAYS)]
    for position, example in enumerate(support):
        way = position % NUM_WAYS
        is_number = "regression" in model["kinds"]
        example |= {"target": rng.gauss(way, 0.1)} if is_number else {"label": f"way {way}"}
        if "frames" in model["kinds"]:
            example |= {"slots": [{"name": "act", "start": 0, "end": THINGS[way].index(" ")}]}
    queries = [row(model, position % NUM_WAYS, rng) for position in range(NUM_QUERIES)]
    return {"model": model["name"], "support": support}, {"inputs": queries}


def main(url: str, state: Path) -> None:
    """Write down the answers, or compare them with those written down."""
    if KEY and not refuses_strangers(f"{url}/v1/models"):
        sys.exit("it answers without a key")
    models = {model["name"]: model for model in quick(call(f"{url}/v1/models")["items"])}
    if not state.exists():
        tasks = {name: call(f"{url}/v1/tasks", bodies(model)[0])["id"] for name, model in models.items()}
    else:
        tasks = json.loads(state.read_text())["tasks"]
    answers = {
        name: call(f"{url}/v1/tasks/{task}/predictions", bodies(models[name])[1])["predictions"]
        for name, task in tasks.items()
    }
    if not state.exists():
        state.write_text(json.dumps({"tasks": tasks, "answers": answers}))
        sys.stdout.write(f"adapted and asked: {', '.join(tasks)}\n")
        return
    before = json.loads(state.read_text())["answers"]
    state.unlink()
    changed = [name for name in answers if answers[name] != before[name]]
    if changed:
        sys.exit(f"the answers changed: {', '.join(changed)}")
    sys.stdout.write(f"the same after the restart, to the last digit: {', '.join(tasks)}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
