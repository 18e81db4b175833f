"""A small untrained model of frames, and sentences with an intent and slots that it can tell apart."""

from pathlib import Path
from typing import Any

from models.card import Card
from models.checkpoint import build, save

SIZES = [30522, 32, 64]  # of the base's vocabulary, since its tokenizer is real
CARD = Card(
    name="tiny-frames",
    modality="text",
    kinds=("frames",),
    inputs={"name": "frame"},
    encoder={
        "name": "words",
        "base": None,
        "sizes": SIZES,
        "base_heads": 2,
        "cut": 1,
        "last": 2,
        "features": 8,
        "plain": 4,
    },
    head={"name": "frames", "width": 8, "num_steps": 8},
    created_at="2026-11-22T00:00:00Z",
)


def frame_model(folder: Path) -> Path:
    """A folder for KSHOT_MODELS with the model `tiny-frames` in it."""
    save(folder / CARD.name, build(CARD.encoder, CARD.head), CARD)
    return folder


def said(text: str, intent: str, **slots: str) -> dict[str, Any]:
    """An example whose slots are told by their texts."""
    places = [(name, text.index(part), len(part)) for name, part in slots.items()]
    found = [{"name": name, "start": start, "end": start + length} for name, start, length in places]
    return {"input": text, "label": intent, "slots": found}


SUPPORT = [
    said("play Skyfall by Adele", "play_music", track="Skyfall", artist="Adele"),
    said("please play Yesterday by the Beatles", "play_music", track="Yesterday", artist="the Beatles"),
    said("will it rain in Rome tomorrow", "get_weather", city="Rome", day="tomorrow"),
    said("what is the weather like", "get_weather"),
]
