"""A small untrained model of texts that can be told what labels mean, and sentences it can tell apart."""

from pathlib import Path

from models.card import Card
from models.checkpoint import build, save

CARD = Card(
    name="named",
    modality="text",
    kinds=("classification", "multilabel"),
    inputs={"name": "text"},
    encoder={"name": "minilm", "last": 2},
    head={"name": "prior_logistic"},
    created_at="2026-11-22T00:00:00Z",
)
NAMES = {"card_lost": "the card is lost or stolen", "weather": "the weather forecast", "music": "play a song"}
SAID = ["my card is lost", "the forecast of the weather", "please play this song"]  # one of each


def text_model(folder: Path) -> Path:
    """A folder for KSHOT_MODELS with the model `named` in it."""
    save(folder / "named", build(CARD.encoder, CARD.head), CARD)
    return folder
