"""Training episodes of drawn characters: all ways of a task from one alphabet under one symmetry, or of any kind."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Generator, Tensor

from models.data.drawing import NUM_SYMMETRIES, Draws, Style, outline, redraw
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
    """Makes each task from the seed, its step and its number in the step alone; big alphabets come more often."""

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
        self.weights = torch.tensor([len(members) for members in self.alphabets]).float()
        self.frame, self.style, self.seed = frame, style, seed
        self.num_tasks, self.ways, self.drawers = num_tasks, ways, drawers
        self.mixed = mixed

    @property
    def num_identities(self) -> int:
        """Characters, each counted once for every symmetry."""
        return len(self.images) // DRAWERS * NUM_SYMMETRIES

    def sized(self, num_tasks: int, ways: int, drawers: int) -> "GlyphEpisodes":
        """The same source of episodes of another size, with at most the ways that there are."""
        other = copy.copy(self)
        other.num_tasks, other.drawers = num_tasks, drawers
        other.ways = min(ways, len(self.images) // DRAWERS)
        return other

    def __call__(self, step: int, tasks: range | None = None) -> GlyphBatch:
        """The batch of this step, or these of its tasks."""
        draws = [generator(self.seed, step, task) for task in tasks or range(self.num_tasks)]
        rows, identity, coarse = (torch.stack(parts) for parts in zip(*map(self._task, draws), strict=True))
        images = redraw(
            self.images[rows.flatten()],
            self.outlines[rows.flatten()],
            (identity % NUM_SYMMETRIES).flatten().repeat_interleave(self.drawers),
            coarse.repeat_interleave(self.ways * self.drawers),
            self.style,
            self.frame,
            Draws(draws),
        )
        return GlyphBatch(images.view(*rows.shape, *self.frame.shape), identity)

    def _task(self, draw: Generator) -> tuple[Int64[Tensor, "N M"], Int64[Tensor, "N"], Bool[Tensor, ""]]:
        """The drawings of each way, which symmetry of which character it is, and whether it is all a coarse scan."""
        identity = self._mixed_ways(draw) if self.mixed else self._alphabet_ways(draw)
        drawers = torch.rand(self.ways, DRAWERS, generator=draw).argsort(-1)[:, : self.drawers]
        rows = (identity // NUM_SYMMETRIES).unsqueeze(-1) * DRAWERS + drawers
        return rows, identity, torch.rand((), generator=draw) < self.style.coarse

    def _mixed_ways(self, draw: Generator) -> Int64[Tensor, "N"]:
        """Characters of any alphabets, each under a symmetry of its own; one may be there under several."""
        return torch.randperm(self.num_identities, generator=draw)[: self.ways]

    def _alphabet_ways(self, draw: Generator) -> Int64[Tensor, "N"]:
        """Characters of one alphabet, all under one symmetry."""
        alphabet = int(torch.multinomial(self.weights, 1, generator=draw))
        symmetry = torch.randint(NUM_SYMMETRIES, (), generator=draw)
        return self._ways(self.alphabets[alphabet], draw) * NUM_SYMMETRIES + symmetry

    def _ways(self, members: Int64[Tensor, "C"], draw: Generator) -> Int64[Tensor, "N"]:
        """Characters of one alphabet; a small alphabet is filled up from the others."""
        order = members[torch.randperm(len(members), generator=draw)[: self.ways]]
        if len(order) == self.ways:
            return order
        others = torch.randperm(len(self.images) // DRAWERS, generator=draw)
        others = others[~torch.isin(others, members)]
        return torch.cat([order, others[: self.ways - len(order)]])
