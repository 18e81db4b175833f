"""The models on disk that this service loads: those that ship, and the operator's own."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from models import checkpoint, zoo
from models.bases import MissingBase
from models.card import DESCRIPTION
from models.checkpoint import Checkpoint
from models.effort import with_companions

log = logging.getLogger(__name__)

Checkpoints: TypeAlias = dict[str, Checkpoint]  # by digest


def model_folders(own: Path | None) -> list[Path]:
    """Every folder with a model.json, those that ship first, then those in the operator's folder, by name."""
    roots = [Path(path) for path in zoo.__path__] + ([own] if own else [])
    return [found.parent for root in roots for found in sorted(root.glob(f"*/{DESCRIPTION}"))]


def load_checkpoints(folders: Sequence[Path]) -> Checkpoints:
    """The models in these folders by digest, with their companions, but those whose base is not here.

    Raises DamagedCheckpoint.
    """
    loaded = (found for folder in folders if (found := _loaded(folder)))
    return {found.digest: found for found in with_companions(loaded)}


def _loaded(folder: Path) -> Checkpoint | None:
    try:
        return checkpoint.load(folder)
    except MissingBase as error:
        log.warning("the model %s is left out: %s", folder.name, error)
        return None
