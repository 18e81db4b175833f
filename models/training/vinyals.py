"""The recipe for Vinyals' split, to stand beside the literature: any method, or the best learner's own recipe."""

from dataclasses import replace
from pathlib import Path

import torch

from models.data.glyphs import GlyphEpisodes
from models.data.omniglot import Omniglot
from models.data.vinyals import Part, load_vinyals
from models.training.glyphs import WIDTHS, glyphs
from models.training.objectives.turns import Turns
from models.training.omniglot import AnyTasks, held_out, omniglot
from models.training.train import Run

BEST = "glyphs"


def vinyals(
    data: Path,
    method: str = "protonet",
    num_steps: int | None = None,
    channels: int = 64,
    num_images: int = 100,
    inner_rate: float = 0.2,
    choosing: bool = False,
) -> Run:
    """Train on its 1,200 characters, every symmetry of one a class of its own; with `choosing` on the first 1,028."""
    part: Part = "train" if choosing else "trainval"
    trained = load_vinyals(data, part)
    if method == BEST:
        run = _best(glyphs(data, num_steps) if num_steps else glyphs(data), trained)
    else:
        run = omniglot(data, method, num_steps, channels, num_images, inner_rate)
        assert isinstance(run.batches, AnyTasks)
        episodes = _mixed(run.batches.episodes, trained)
        validate = held_out(load_vinyals(data, "val")) if choosing else None
        run = replace(run, batches=replace(run.batches, episodes=episodes), validate=validate)
    content = {
        "recipe": f"kshot train vinyals --set method={method} ({run.num_steps} steps, {__name__})",
        "split": f"Vinyals' split of Omniglot: {part} trained on; for comparison only, not to be served",
        "part": part,
        "data": {f"omniglot, Vinyals' {part}": trained.digest()},
        "licence": run.card.card["licence"],
    }
    return replace(run, card=replace(run.card, name=f"vinyals-{method}", card=content))


def _best(run: Run, trained: Omniglot) -> Run:
    assert isinstance(run.batches, GlyphEpisodes)
    batches = _mixed(run.batches, trained)
    torch.manual_seed(0)
    return replace(run, batches=batches, objective=Turns(batches.num_identities, WIDTHS[-1], weight=0.2))


def _mixed(episodes: GlyphEpisodes, trained: Omniglot) -> GlyphEpisodes:
    sized = GlyphEpisodes(trained, episodes.frame, episodes.style, seed=episodes.seed, mixed=True)
    return sized.sized(episodes.num_tasks, episodes.ways, episodes.drawers)
