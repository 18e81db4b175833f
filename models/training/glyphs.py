"""The recipe of `glyphs`: drawn characters, from Omniglot background."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from models.card import Card
from models.checkpoint import build
from models.data.drawing import Style
from models.data.glyphs import GlyphEpisodes
from models.data.omniglot import DRAWERS, Omniglot, load_omniglot
from models.heads.prototypical import Prototypical
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.figures import encode_all, episode_answers
from models.training.objectives.episodic import Metrics
from models.training.objectives.turns import Turns
from models.training.train import Run

BACKGROUND = range(30)  # alphabets; those for evaluation play no part
TRAINED, VALIDATED = range(25), range(25, 30)
WIDTHS = (48, 96, 192, 384)
SERVED = {"views_deg": [-8.0, 8.0], "root": True}  # error within an alphabet 6.40 -> 6.03%, for half the speed
SHARPER = 1.5  # roots lie closer together: the scale of the cosines that keeps the scores calibrated


def glyphs(data: Path, num_steps: int = 6500, choosing: bool = False) -> Run:
    """Train on every background alphabet. With `choosing`, on the first 25: the recipe was chosen on the last 5."""
    alphabets = TRAINED if choosing else BACKGROUND
    torch.manual_seed(0)
    schedule_steps = num_steps * 23 // 22  # ends at half a per cent of the full rate, whose last steps move nothing
    frame = GlyphInput()
    background = load_omniglot(data, "background")
    trained = background.only(alphabets)
    names = f"alphabets {alphabets[0]}-{alphabets[-1]}"
    batches = GlyphEpisodes(trained, frame, Style(coarse=0.15), num_tasks=2, ways=40, drawers=3)
    card = Card(
        name="glyphs",
        modality="image",
        kinds=("classification",),
        inputs={"name": "glyph", "size": frame.size},
        encoder={"name": "resnet", "widths": list(WIDTHS), **SERVED},
        head={"name": "prototypical"},
        created_at="",
        card={
            "recipe": f"kshot train glyphs ({num_steps} steps, {__name__})",
            "split": f"Omniglot background: {names} trained on; recipe chosen with 25-29 held out",
            "alphabets": list(alphabets),
            "data": {f"omniglot background, {names}": trained.digest()},
            "licence": "Apache-2.0; trained on Omniglot (MIT, Brenden Lake)",
        },
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=Turns(batches.num_identities, WIDTHS[-1], weight=0.2),
        batches=batches,
        num_steps=num_steps,
        num_lanes=2,
        rate=0.1,
        warmup_steps=schedule_steps // 20,
        schedule_steps=schedule_steps,
        weight_decay=5e-4,
        validate=held_out(background.only(VALIDATED), frame) if choosing else None,
        finish=sharpen,
    )


def sharpen(learner: Learner) -> None:
    """Set the scale for the features as they are served, which training does not see."""
    assert isinstance(learner.head, Prototypical)
    with torch.no_grad():
        learner.head.log_scale.add_(math.log(SHARPER))


def held_out(omniglot: Omniglot, frame: GlyphInput) -> Callable[[Learner], Metrics]:
    """One-shot 20-way figures on these alphabets: accuracy over all characters, mean error within each alphabet."""
    images, rows = framed(omniglot, frame)
    pools = [list(rows[characters]) for characters in omniglot.characters_by_alphabet().values()]

    def validate(learner: Learner) -> Metrics:
        features = encode_all(learner, images)

        def one_shot(pool: list[Tensor]) -> float:
            return float(episode_answers(learner.head, features, pool, ways=20, shots=1, num_tasks=400).right.mean())

        within = [1 - one_shot(pool) for pool in pools]
        return {"20w1s": one_shot(list(rows)), "within": sum(within) / len(within)}

    return validate


def framed(omniglot: Omniglot, frame: GlyphInput) -> tuple[UInt8[Tensor, "B H W"], Int64[Tensor, "C 20"]]:
    """Every drawing as it would be served, and the rows of each character."""
    drawings = omniglot.images.reshape(-1, *omniglot.images.shape[2:]) * np.uint8(255)
    images = torch.from_numpy(np.stack([frame(drawing) for drawing in drawings]))
    return images, torch.arange(len(images)).view(-1, DRAWERS)
