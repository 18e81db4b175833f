"""The models that ship: every one loads, and no constant of a head that was to be learned is where it began."""

from pathlib import Path

import pytest

from models import zoo
from models.card import DESCRIPTION
from models.checkpoint import load
from models.heads.prior_logistic import PriorLogistic

FOLDERS = sorted(found.parent for found in Path(next(iter(zoo.__path__))).glob(f"*/{DESCRIPTION}"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_loads_and_its_head_was_fitted(folder: Path) -> None:
    found = load(folder)
    assert found.card.name == folder.name
    if type(found.learner.head) is PriorLogistic and "multilabel" in found.card.kinds:
        assert (found.learner.head.knobs[1][:, 1:] != 0).any() and found.learner.head.threshold.any()
