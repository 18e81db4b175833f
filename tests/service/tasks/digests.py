"""Other digests of the models that ship, in a folder of their own."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

import models.zoo

ZOO = Path(models.zoo.__file__).parent
WEIGHT = {
    "vectors": "head.log_scale",
    "curves": "head.head.log_doubt",
    "glyphs": "head.log_scale",
    "glyphs-maml": "head.rule.log_rates",
}  # changes what is answered


def other_digest(folder: Path, name: str, /, year: int = 2030, **changed: Any) -> Path:
    """A copy of a model with one weight moved, as of another year, and with other fields in its description."""
    made = copytree(ZOO / name, folder / f"{name}-{year}")
    weights = load_file(made / "weights.safetensors")
    weights[WEIGHT[name]] = np.asarray(weights[WEIGHT[name]] + 0.5, np.float32)
    save_file(weights, made / "weights.safetensors")
    card = json.loads((made / "model.json").read_text())
    (made / "model.json").write_text(json.dumps(card | {"created_at": f"{year}-01-01T00:00:00Z"} | changed))
    return made
