"""The models on disk that this service loads: those that ship, and the operator's own."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from models import checkpoint, zoo
from models.bases import MissingBase
from models.card import DESCRIPTION, read_card
from models.checkpoint import Checkpoint
from models.effort import with_companions

log = logging.getLogger(__name__)

Checkpoints: TypeAlias = dict[str, Checkpoint]  # by digest


class NoSuchModel(LookupError):
    """A model is to be served that is not there."""


def model_folders(own: Path | None, only: Sequence[str] | None = None) -> list[Path]:
    """Every folder with a model.json, those that ship first, then those in the operator's folder, by name.

    With `only`, those of models of these names. Raises NoSuchModel where one has none, and DamagedCheckpoint.
    """
    roots = [Path(path) for path in zoo.__path__] + ([own] if own else [])
    folders = [found.parent for root in roots for found in sorted(root.glob(f"*/{DESCRIPTION}"))]
    if only is None:
        return folders
    names = {folder: read_card(folder).name for folder in folders}
    if unknown := set(only) - set(names.values()):
        raise NoSuchModel(f"there is no {', '.join(sorted(unknown))}, but {', '.join(sorted(set(names.values())))}")
    return [folder for folder, name in names.items() if name in only]


def load_checkpoints(folders: Sequence[Path], left_out: dict[str, str] | None = None) -> Checkpoints:
    """The models in these folders by digest, with their companions, but those whose base is not here.

    What is left out, and why, is written into `left_out` by name, and logged. Raises DamagedCheckpoint.
    """
    told = {} if left_out is None else left_out
    loaded = (found for folder in folders if (found := _loaded(folder, told)))
    return {found.digest: found for found in with_companions(loaded)}


def _loaded(folder: Path, left_out: dict[str, str]) -> Checkpoint | None:
    try:
        return checkpoint.load(folder)
    except MissingBase as error:
        left_out[read_card(folder).name] = str(error)
        log.warning("the model %s is left out: %s", folder.name, error)
        return None
