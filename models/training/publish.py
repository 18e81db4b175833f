"""From a finished run to a model on disk."""

import dataclasses
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from models.checkpoint import save
from models.training.train import Run


def publish(run: Run, folder: Path) -> str:
    """Write the run's learner and card into `folder`, weights in fp16; returns the digest."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    card = dataclasses.replace(run.card, created_at=now, card={**run.card.card, "commit": _commit()})
    return save(folder, run.learner, card, torch.float16)


def _commit() -> str:
    """The commit of this source, where it is a checkout."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
