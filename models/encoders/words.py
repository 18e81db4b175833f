"""Words of a text: MiniLM's states at two depths, pooled by word, made narrow and related to each other once more."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.encoders.minilm import MiniLM
from models.inputs.frame import ID, LOOK, NUM_COLUMNS, SENTENCE_ROWS, WORD

NUM_LOOKS = 8  # bits, see models.inputs.frame
IN_SMALL_LETTERS = 0.3
MAX_TOKENS = 256  # the number of a word travels with its states, and bfloat16 tells no more apart
SCALE = 20.0  # of unit states, so that their numbers are about one


class Relate(nn.Module):
    """Self-attention and two linear layers, each added to what it got."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, states: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """The states, with what they say to each other; padded words are seen by none."""
        B, L, D = states.shape
        parts = self.into(self.first(states)).view(B, L, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], mask[:, None, None])
        states = states + self.out(mixed.transpose(1, 2).reshape(B, L, D))
        wide = F.dropout(F.gelu(self.wide(self.second(states))), self.dropout, self.training)
        added: Tensor = self.narrow(wide)
        return states + added


class Words(nn.Module):
    """Rows of a FrameInput -> the sentence's features in the first rows, then a unit vector a word, zero where none is.

    MiniLM's layers from `cut` on carry a delta of `rank`; a hundred kinds of slots are too few to train more of it
    without fitting others worse. For the same reason the first `plain` features of a word are never trained: the
    directions in which the base's states vary most.
    """

    def __init__(
        self,
        base: str | None = "minilm",
        *,
        cut: int = 3,
        last: int = 6,
        rank: int = 0,
        width: int = 128,
        layers: int = 1,
        features: int = 96,
        plain: int = 48,
        sentence_rows: int = SENTENCE_ROWS,
        heads: int = 4,
        dropout: float = 0.1,
        max_tokens: int = 64,
        sha256: str | None = None,
        base_heads: int = 12,
        sizes: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        if max_tokens > MAX_TOKENS:
            raise ValueError(f"of texts of {max_tokens} tokens the words cannot be told apart: {MAX_TOKENS} at most")
        part = partial(
            MiniLM, base, output="tokens", heads=base_heads, max_tokens=max_tokens, sha256=sha256, sizes=sizes
        )
        self.lower, self.upper = part(last=cut), part(first=cut, last=last, trained=cut, rank=rank)
        self.max_words, self.features, self.dropout = max_tokens - SENTENCE_ROWS, features, dropout
        self.sentence_rows = sentence_rows  # features of a sentence are as many as its states have
        self.narrow = nn.Linear(2 * sentence_rows * features, width)
        self.look = nn.Linear(NUM_LOOKS, width)
        self.layers = nn.ModuleList(Relate(width, heads, dropout) for _ in range(layers))
        self.out = nn.Linear(width, features - plain)
        self.plain = nn.Linear(2 * sentence_rows * features, plain).requires_grad_(False)

    def forward(self, rows: Int[Tensor, "B L 5"]) -> Float[Tensor, "B R F"]:
        """The sentence's rows and the words' ones, as many as every text could have."""
        assert rows.shape[-1] == NUM_COLUMNS
        return F.pad(self.related(self.pooled(self.frozen(rows))), (0, 0, 0, max(0, self.max_words - rows.shape[1])))

    @property
    def packed_width(self) -> int:
        """Of what `frozen` makes."""
        return self.lower.width + 2

    def frozen(self, rows: Int[Tensor, "B L 5"]) -> Float[Tensor, "B L G"]:
        """What training does not change: tokens' lower states, the word that each is of, and how that looks."""
        lower = self.lower(rows[..., ID])[:, : rows.shape[1]]
        return torch.cat([lower, rows[..., [WORD, LOOK]].to(lower.dtype)], -1)

    def pooled(self, packed: Float[Tensor, "B L G"]) -> Float[Tensor, "B R P"]:
        """The sentence in the first row, then words: their states at two depths, and how each looks."""
        lower, of_token = packed[..., :-2], packed[..., -2:]
        upper = self.upper(lower)[:, : packed.shape[1]]
        is_token = F.pad(lower[:, 1:].any(-1), (1, 0), value=True).unsqueeze(-1)
        sentence = F.normalize((upper.float() * is_token).sum(1), dim=-1).to(upper.dtype)
        numbers = torch.arange(1, min(packed.shape[1], self.max_words) + 1, device=packed.device)
        of_word = (of_token[:, None, :, 0] == numbers[:, None]).to(upper.dtype)
        shares = of_word / of_word.sum(-1, keepdim=True).clamp(min=1)
        looks = (of_word * of_token[:, None, :, 1]).amax(-1).int()
        bits = looks.unsqueeze(-1) >> torch.arange(NUM_LOOKS, device=packed.device) & 1
        words = torch.cat([shares @ upper, shares @ lower, bits.to(upper.dtype)], -1)
        first = F.pad(sentence, (0, words.shape[-1] - sentence.shape[-1])).unsqueeze(1)
        return torch.cat([first, words], 1)

    def related(self, pooled: Float[Tensor, "B R P"]) -> Float[Tensor, "B S F"]:
        """From the sentence and its words to features."""
        looks = pooled[:, 1:, -NUM_LOOKS:]
        both = unit_states(pooled)
        words = self.narrow(F.dropout(both, self.dropout, self.training)) + self.look(self._blurred(looks))
        mask = looks.any(-1)
        seen = F.pad(mask[:, 1:], (1, 0), value=True)
        for layer in self.layers:
            words = layer(words, seen)
        own = [F.normalize(part, dim=-1) for part in (self.plain(both), self.out(words)) if part.shape[-1]]
        words = F.normalize(torch.cat(own, -1), dim=-1) * mask.unsqueeze(-1)
        sentence = pooled[:, 0, : self.sentence_rows * self.features].reshape(-1, self.sentence_rows, self.features)
        return torch.cat([sentence, words], 1)

    def fuse(self) -> None:
        """Make it ready to serve, see models.encoders.minilm."""
        self.upper.fuse()

    def set_plain(self, pooled: Float[Tensor, "B R P"]) -> None:
        """Set the features that are not trained: principal components of these words' states."""
        states = unit_states(pooled)[pooled[:, 1:, -NUM_LOOKS:].any(-1)].double()
        _, directions = torch.linalg.eigh(torch.cov(states.T))
        weight = directions.flip(1)[:, : self.plain.out_features].T
        self.plain.weight.copy_(weight)
        self.plain.bias.copy_(-weight @ states.mean(0))

    def _blurred(self, looks: Float[Tensor, "B W 8"]) -> Float[Tensor, "B W 8"]:
        """In training, now and then as if the whole task had been written in small letters."""
        if not self.training or torch.rand(()) > IN_SMALL_LETTERS:
            return looks
        capital, loud, digit, mark, small, *rest = looks.unbind(-1)
        return torch.stack([0 * capital, 0 * loud, digit, mark, (small + capital).clamp(max=1), *rest], -1)


def unit_states(pooled: Float[Tensor, "B R P"]) -> Float[Tensor, "B L S"]:
    """The states of words, those of either depth of one length."""
    states = pooled[:, 1:, :-NUM_LOOKS]
    return SCALE * torch.cat([F.normalize(half, dim=-1) for half in states.chunk(2, -1)], -1)
