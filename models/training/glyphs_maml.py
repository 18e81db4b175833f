"""The recipe of `glyphs-maml`: the whole of a small network adapts to drawn characters, from Omniglot background."""

from dataclasses import dataclass
from pathlib import Path

import torch

from models.card import Card
from models.checkpoint import build
from models.data.drawing import Style
from models.data.episodes import Batch, full_batch
from models.data.glyphs import GlyphEpisodes
from models.data.omniglot import Omniglot, load_omniglot
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.figures import Figure, episode_answers
from models.training.glyphs import TRAINED, VALIDATED, framed
from models.training.objectives.episodic import episodic
from models.training.train import Run

BODY = {"name": "conv4", "channels": 32, "strided": True}
RULE = {"name": "sgd", "rate": 0.1, "learned": True, "per_leaf": True}


@dataclass(frozen=True)
class ShotTasks:
    """Episodes of one, then two shots, then one again; the other drawers ask."""

    episodes: GlyphEpisodes

    def __call__(self, step: int) -> Batch:
        """The tasks of one step."""
        images, shots = self.episodes(step).images, 1 + step % 2
        return full_batch(images[:, :, :shots], images[:, :, shots:])


def glyphs_maml(data: Path, num_steps: int = 500) -> Run:
    """MAML to the second order, rates a leaf learned, on tasks of five ways within one alphabet."""
    torch.manual_seed(0)
    frame = GlyphInput(size=28, margin=2)
    background = load_omniglot(data, "background")
    trained = background.only(TRAINED)
    card = Card(
        name="glyphs-maml",
        modality="image",
        kinds=("classification",),
        inputs={"name": "glyph", "size": frame.size, "margin": frame.margin},
        encoder={"name": "identity"},
        head={"name": "gradient", "body": BODY, "width": 32, "rule": RULE, "num_steps": 5},
        created_at="",
        card={
            "recipe": f"kshot train glyphs-maml ({num_steps} steps, {__name__})",
            "split": "Omniglot background: alphabets 0-24 trained on, 25-29 for the figures",
            "data": {"omniglot background, alphabets 0-24": trained.digest()},
            "licence": "Apache-2.0; trained on Omniglot (MIT, Brenden Lake)",
        },
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=episodic,
        batches=ShotTasks(GlyphEpisodes(trained, frame, Style(), num_tasks=4, ways=5, drawers=5)),
        num_steps=num_steps,
        optimiser="adamw",
        rate=3e-3,
        warmup_steps=20,
        validate=lambda learner: {f.name: f.value for f in figures(learner, background.only(VALIDATED), frame, 50)},
        validate_steps=num_steps,
    )


def figures(learner: Learner, omniglot: Omniglot, frame: GlyphInput, num_tasks: int = 300) -> list[Figure]:
    """Accuracy on tasks whose ways come from any of these alphabets."""
    images, rows = framed(omniglot, frame)

    def one(ways: int, shots: int) -> Figure:
        name = f"{ways}-way {shots}-shot"
        return episode_answers(learner.head, images, list(rows), ways=ways, shots=shots, num_tasks=num_tasks).accuracy(
            name
        )

    return [one(5, 1), one(5, 5), one(20, 1)]
