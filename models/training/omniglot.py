"""The recipe of the comparison: any method on tasks of any ways and shots, from Omniglot background."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from models.card import Card
from models.checkpoint import build
from models.data.drawing import Style
from models.data.episodes import Batch, full_batch, generator
from models.data.glyphs import GlyphEpisodes
from models.data.omniglot import Omniglot, load_omniglot
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.figures import encode_all, episode_answers
from models.training.glyphs import TRAINED, VALIDATED, framed
from models.training.methods import IDENTITY, Method
from models.training.methods import method as method_named
from models.training.objectives.episodic import Metrics, Objective, episodic
from models.training.objectives.reptile import Reptile
from models.training.train import Run

FRAME = GlyphInput(size=28, margin=2)
WAYS, SHOTS, QUERIES = (5, 20), (1, 5), 3  # smallest and largest; queries a class


@dataclass(frozen=True)
class AnyTasks:
    """Tasks of one alphabet each; ways and shots vary from step to step, and about `num_images` are drawn."""

    episodes: GlyphEpisodes
    num_images: int

    def __call__(self, step: int) -> Batch:
        """The tasks of one step."""
        draw = generator(self.episodes.seed, -1 - step)
        ways, shots = (int(torch.randint(low, high + 1, (), generator=draw)) for low, high in (WAYS, SHOTS))
        num_tasks = max(1, self.num_images // (ways * (shots + QUERIES)))
        images = self.episodes.sized(num_tasks, ways, shots + QUERIES)(step).images
        return full_batch(images[:, :, :shots], images[:, :, shots:])


def omniglot(
    data: Path,
    method: str = "protonet",
    num_steps: int | None = None,
    channels: int = 64,
    num_images: int = 100,
    inner_rate: float = 0.2,
    choosing: bool = False,
    dtype: str = "float32",
) -> Run:
    """Train one method on every background alphabet; with `choosing` on the first 25, judged on the last 5."""
    chosen = method_named(method, channels, inner_rate)
    torch.manual_seed(0)
    background = load_omniglot(data, "background")
    alphabets = TRAINED if choosing else range(len(background.alphabets))
    trained = background.only(alphabets)
    num_steps = num_steps or chosen.num_steps
    names = f"alphabets 0-{alphabets[-1]}"
    card = Card(
        name=f"omniglot-{method}",
        modality="image",
        kinds=("classification",),
        inputs={"name": "glyph", "size": FRAME.size, "margin": FRAME.margin},
        encoder=chosen.encoder,
        head=chosen.head,
        created_at="",
        card={
            "recipe": f"kshot train omniglot --set method={method} ({num_steps} steps, {dtype}, {__name__})",
            "split": f"Omniglot background: {names} trained on",
            "alphabets": list(alphabets),
            "data": {f"omniglot background, {names}": trained.digest()},
            "licence": "Apache-2.0; trained on Omniglot (MIT, Brenden Lake)",
        },
    )
    learner = build(card.encoder, card.head)
    objective = _in_dtype(chosen, chosen.objective(learner, num_steps), dtype)
    return Run(
        card=card,
        learner=learner,
        objective=objective,
        batches=AnyTasks(GlyphEpisodes(trained, FRAME, Style(coarse=0.0)), num_images),
        num_steps=num_steps,
        num_lanes=2,
        optimiser="adamw",
        rate=chosen.rate,
        warmup_steps=20,
        validate=held_out(background.only(VALIDATED)) if choosing else None,
        stop=objective.is_settled if isinstance(objective, Reptile) else None,
    )


def held_out(omniglot: Omniglot) -> Callable[[Learner], Metrics]:
    """Accuracy on 50 tasks of each of three sizes, whose ways come from any of these alphabets."""
    images, rows = framed(omniglot, FRAME)

    def validate(learner: Learner) -> Metrics:
        features, shown = encode_all(learner, images), {}
        for ways, shots in ((5, 1), (5, 5), (20, 1)):
            answers = episode_answers(learner.head, features, list(rows), ways=ways, shots=shots, num_tasks=50)
            shown[f"{ways}w{shots}s"] = float(answers.right.mean())
        return shown

    return validate


def _in_dtype(chosen: Method, objective: Objective, dtype: str) -> Objective:
    """The objective; in "bfloat16" the convolutions of a shared encoder are in it, and the rest in float32."""
    if dtype == "float32":
        return objective
    if dtype != "bfloat16" or chosen.encoder == IDENTITY:
        raise ValueError(f"dtype {dtype!r} is not to be had: float32 is, and bfloat16 where an encoder is shared")
    return partial(episodic, dtype=torch.bfloat16)
