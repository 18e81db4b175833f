"""What frozen lower layers make of many texts, made once and kept without padding, to train the layers above."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from models.data.episodes import generator
from models.encoders.minilm import MiniLM
from models.inputs.text import TextInput

MAX_TOKENS = 2048  # of a pass
BLANK = 0.1  # of a text's tokens, which are not seen in training
SLACK = 1.5  # texts of one pass: none is so many times longer than the shortest, and two


class States(nn.Module):
    """States of texts' tokens below a layer; computed at the first call, by the encoder that then goes on from them."""

    def __init__(self, inputs: TextInput, rows: Int[Tensor, "B L"], below: int, in_bfloat16: bool) -> None:
        super().__init__()
        self.inputs, self.rows, self.below = inputs, rows, below
        self.dtype = torch.bfloat16 if in_bfloat16 else torch.float32
        lengths = (rows != 0).sum(1)
        self.lengths, self.begins = lengths, lengths.cumsum(0) - lengths
        self.kept: Float[Tensor, "K D"] | None = None

    def through(
        self, encoder: MiniLM, rows: Int64[Tensor, "B"], seed: int, blank: float = BLANK
    ) -> Float[Tensor, "B D"]:
        """Features of these texts, some of their tokens blank."""
        stem, tail = encoder.cut(self.below)
        if self.kept is None:
            self.kept = self._made(stem)
        self.kept = self.kept.to(next(tail.buffers()).device)  # a run ends on the CPU, wherever it was trained
        draws, parts, places = generator(1, seed), [], []
        for where in self._pieces(rows):
            lengths, begins = self.lengths[rows[where]], self.begins[rows[where]]
            inner = torch.arange(int(lengths.max()))
            is_seen = (inner < lengths[:, None]) & (torch.rand(len(where), len(inner), generator=draws) >= blank)
            is_seen[:, 0] = True
            with torch.autocast(self.kept.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
                parts.append(tail(self._padded(self.kept, begins[:, None] + inner, is_seen)).float())
            places.append(where)
        return torch.cat(parts)[torch.cat(places).argsort().to(parts[0].device)]

    def _padded(
        self, kept: Float[Tensor, "K D"], places: Int64[Tensor, "P L"], is_seen: Bool[Tensor, "P L"]
    ) -> Float[Tensor, "P L D"]:
        return kept[(places * is_seen).to(kept.device)] * is_seen.unsqueeze(-1).to(kept.device)

    def _pieces(self, rows: Int64[Tensor, "B"]) -> Iterator[Int64[Tensor, "P"]]:
        """Positions of texts of like lengths."""
        order, first = self.lengths[rows].argsort(stable=True), 0
        lengths = self.lengths[rows][order].tolist()
        for stop in range(1, len(order) + 1):
            is_end = stop == len(order) or lengths[stop] > SLACK * lengths[first] + 2
            if is_end or (stop - first + 1) * lengths[stop] > MAX_TOKENS:
                yield order[first:stop]
                first = stop

    def _made(self, stem: MiniLM) -> Float[Tensor, "K D"]:
        """The stem's states of every text."""
        kept: Float[Tensor, "K D"] | None = None
        device = next(stem.buffers()).device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            for where, piece in self.inputs.cut(self.rows.cpu().numpy(), MAX_TOKENS):
                states = stem(torch.from_numpy(np.ascontiguousarray(piece)).to(device)).to(self.dtype)
                if kept is None:
                    kept = states.new_zeros(int(self.lengths.sum()), states.shape[-1])
                inner = torch.arange(piece.shape[1])
                is_token = inner < self.lengths[where, None]
                places = self.begins[where, None] + inner
                kept[places[is_token].to(device)] = states[is_token.to(device)]
        assert kept is not None
        return kept
