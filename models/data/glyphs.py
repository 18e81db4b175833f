"""Training episodes of drawn characters: all ways of a task from one alphabet under one symmetry, or of any kind."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Generator, Tensor

from models.data.drawing import NUM_SYMMETRIES, Style, outline, redraw
from models.data.episodes import generator
from models.data.omniglot import DRAWERS, Omniglot
from models.inputs.image import GlyphInput


@dataclass(frozen=True)
class GlyphBatch:
    """Drawings of T tasks, N ways, M drawers, and which of the symmetry-extended characters each way is."""

    images: UInt8[Tensor, "T N M H W"]
    identity: Int64[Tensor, "T N"]

    @property
    def num_episodes(self) -> int:
        """Tasks, each counted once for every drawer, as each is the support of the others in turn."""
        return self.images.shape[0] * self.images.shape[2]


class GlyphEpisodes:
    """Makes the batch of a step from its seed and number alone; big alphabets come more often."""

    def __init__(
        self,
        omniglot: Omniglot,
        frame: GlyphInput,
        style: Style,
        num_tasks: int = 4,
        ways: int = 20,
        drawers: int = 4,
        seed: int = 0,
        mixed: bool = False,
    ) -> None:
        flat = omniglot.images.reshape(-1, *omniglot.images.shape[2:])
        self.images, self.outlines = torch.from_numpy(flat), outline(flat)
        self.alphabets = [torch.from_numpy(c) for c in omniglot.characters_by_alphabet().values()]
        self.frame, self.style, self.seed = frame, style, seed
        self.num_tasks, self.ways, self.drawers = num_tasks, ways, drawers
        self.mixed = mixed

    @property
    def num_identities(self) -> int:
        """Characters, each counted once for every symmetry."""
        return len(self.images) // DRAWERS * NUM_SYMMETRIES

    def sized(self, num_tasks: int, ways: int, drawers: int) -> "GlyphEpisodes":
        """The same source of episodes of another size; at most one task an alphabet, and the ways there are."""
        other = copy.copy(self)
        other.num_tasks, other.drawers = min(num_tasks, len(self.alphabets)), drawers
        other.ways = min(ways, len(self.images) // DRAWERS)
        return other

    def __call__(self, step: int) -> GlyphBatch:
        """The batch of this step."""
        draws = generator(self.seed, step)
        characters, symmetry = self._mixed_ways(draws) if self.mixed else self._alphabet_ways(draws)
        drawers = torch.rand(*characters.shape, DRAWERS, generator=draws).argsort(-1)[..., : self.drawers]
        rows = (characters.unsqueeze(-1) * DRAWERS + drawers).flatten()
        coarse = torch.rand(self.num_tasks, 1, generator=draws) < self.style.coarse
        each = self.ways * self.drawers
        images = redraw(
            self.images[rows],
            self.outlines[rows],
            symmetry.repeat_interleave(self.drawers, 1).flatten(),
            coarse.expand(-1, each).flatten(),
            self.style,
            self.frame,
            draws,
        )
        return GlyphBatch(images.view(*drawers.shape, *self.frame.shape), characters * NUM_SYMMETRIES + symmetry)

    def _mixed_ways(self, draws: Generator) -> tuple[Int64[Tensor, "T N"], Int64[Tensor, "T N"]]:
        """Characters of any alphabets, each under a symmetry of its own; one may be there under several."""
        orders = [torch.randperm(self.num_identities, generator=draws)[: self.ways] for _ in range(self.num_tasks)]
        identity = torch.stack(orders)
        return identity // NUM_SYMMETRIES, identity % NUM_SYMMETRIES

    def _alphabet_ways(self, draws: Generator) -> tuple[Int64[Tensor, "T N"], Int64[Tensor, "T N"]]:
        """Characters of one alphabet a task, under one symmetry a task."""
        weights = torch.tensor([len(members) for members in self.alphabets]).float()
        chosen = torch.multinomial(weights, self.num_tasks, generator=draws).tolist()
        characters = torch.stack([self._ways(self.alphabets[a], draws) for a in chosen])
        symmetry = torch.randint(NUM_SYMMETRIES, (self.num_tasks, 1), generator=draws).expand(-1, self.ways)
        return characters, symmetry

    def _ways(self, members: Int64[Tensor, "C"], draws: Generator) -> Int64[Tensor, "N"]:
        """Characters of one alphabet; a small alphabet is filled up from the others."""
        order = members[torch.randperm(len(members), generator=draws)[: self.ways]]
        if len(order) == self.ways:
            return order
        others = torch.randperm(len(self.images) // DRAWERS, generator=draws)
        others = others[~torch.isin(others, members)]
        return torch.cat([order, others[: self.ways - len(order)]])
