"""From a finished run to a model on disk."""

import dataclasses
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from models.card import DESCRIPTION, WEIGHTS
from models.checkpoint import save
from models.training.train import Run


def publish(run: Run, folder: Path) -> str:
    """Write the run's learner and card into `folder`, weights in fp16; returns the digest.

    The card comes last, by a rename: a folder that has one is whole.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {**run.card.card, "commit": _commit(), **_validation(run)}
    beside = folder / ".partial"
    card, tasks = dataclasses.replace(run.card, created_at=now, card=told), run.tasks() if run.tasks else None
    name = save(beside, run.learner, card, torch.float16, tasks)
    for file in (WEIGHTS, DESCRIPTION):
        (beside / file).replace(folder / file)
    beside.rmdir()
    return name


def _validation(run: Run) -> dict[str, dict[str, float]]:
    """What the run's validation says of the finished learner, for the card."""
    if run.validate is None:
        return {}
    run.learner.eval()
    with torch.inference_mode():
        return {"validation": {name: round(value, 4) for name, value in run.validate(run.learner).items()}}


def _commit() -> str:
    """The commit of this source, where it is a checkout."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
