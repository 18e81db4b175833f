"""MiniLM (Wang et al. 2020) and its family: a small BERT whose weights lie in a base, with a low-rank delta of ours."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from safetensors import safe_open
from torch import Tensor, nn

from models.bases import find

EPS = 1e-12
WORDS, PLACES, KINDS = (f"{name}_embeddings.weight" for name in ("word", "position", "token_type"))
OPENING = ("LayerNorm.weight", "LayerNorm.bias")


class Linear(nn.Module):
    """A linear layer of the base, frozen, plus `up @ down` of low rank, which is all that is trained and saved."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Float[Tensor, "O I"], bias: Float[Tensor, "O"], rank: int) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.is_fused = rank == 0
        if rank:
            width = weight.shape[1]
            self.down = nn.Parameter(torch.randn(rank, width) / width**0.5)
            self.up = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, states: Float[Tensor, "*S I"]) -> Float[Tensor, "*S O"]:
        """What the base and the delta make of the states."""
        base = F.linear(states, self.weight, self.bias)
        return base if self.is_fused else base + F.linear(F.linear(states, self.down), self.up)

    def fuse(self) -> None:
        """Add the delta into the weight: as fast as the base is, and only for serving, since it is trained no more."""
        if not self.is_fused:
            self.weight = self.weight + self.up.detach() @ self.down.detach()
            self.is_fused = True


class Norm(nn.Module):
    """The base's layer norm."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Float[Tensor, "D"], bias: Float[Tensor, "D"]) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, states: Float[Tensor, "*S D"]) -> Float[Tensor, "*S D"]:
        """Each state at mean zero and variance one, then in the base's scale."""
        return F.layer_norm(states, self.weight.shape, self.weight, self.bias, EPS)


class Layer(nn.Module):
    """Self-attention and two linear layers, each added to what it got, and normalised."""

    def __init__(self, weights: Mapping[str, Tensor], heads: int, rank: int) -> None:
        super().__init__()

        def parts(*names: str) -> tuple[Tensor, Tensor]:
            kinds = ("weight", "bias")
            weight, bias = (torch.cat([weights[f"{name}.{kind}"] for name in names]) for kind in kinds)
            return weight, bias

        self.heads = heads
        self.into = Linear(*parts(*(f"attention.self.{name}" for name in ("query", "key", "value"))), rank)
        self.out = Linear(*parts("attention.output.dense"), rank)
        self.attended = Norm(*parts("attention.output.LayerNorm"))
        self.wide = Linear(*parts("intermediate.dense"), rank)
        self.narrow = Linear(*parts("output.dense"), rank)
        self.norm = Norm(*parts("output.LayerNorm"))

    def forward(self, states: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """The states one layer up; padded tokens are seen by none."""
        B, L, D = states.shape
        query, key, value = self.into(states).view(B, L, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, mask[:, None, None])
        states = self.attended(states + self.out(mixed.transpose(1, 2).reshape(B, L, D)))
        upper: Tensor = self.norm(states + self.narrow(F.gelu(self.wide(states))))
        return upper


class MiniLM(nn.Module):
    """Token ids -> a sentence's features, or its tokens' states; from layer `first` up to before `last`.

    With `first` it is the upper part of a cut encoder and takes states: `output="tokens"` of the lower part. Layers
    from `trained` on carry a delta of `rank`. `sha256` is of the weights of a base that is one's own.
    """

    words: Tensor
    places: Tensor

    def __init__(
        self,
        base: str = "minilm",
        *,
        output: str = "sentence",
        first: int = 0,
        last: int = 6,
        trained: int = 0,
        rank: int = 0,
        heads: int = 12,
        max_tokens: int = 64,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        if output not in ("sentence", "tokens"):
            raise ValueError(f"the output is a sentence or tokens, not {output!r}")
        self.output, self.max_tokens = output, max_tokens
        self.opening: Norm | None = None
        with safe_open(find(base, "model.safetensors", sha256), "pt") as file:
            base_weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if not first:
            self._take_embeddings(_under(base_weights, "embeddings."))
        self.layers = nn.ModuleList(
            Layer(_under(base_weights, f"encoder.layer.{number}."), heads, rank if number >= trained else 0)
            for number in range(first, last)
        )

    def _take_embeddings(self, weights: Mapping[str, Tensor]) -> None:
        """A token's vector, plus its place's and that of a lone text."""
        self.register_buffer("words", weights[WORDS], persistent=False)
        self.register_buffer("places", weights[PLACES][: self.max_tokens] + weights[KINDS][0], persistent=False)
        self.opening = Norm(*(weights[name] for name in OPENING))

    def forward(self, tokens: Shaped[Tensor, "B L *D"]) -> Float[Tensor, "B ..."]:
        """Features [B D] of sentences, or states [B max_tokens D] of tokens, zero where there is no token."""
        if self.opening is None:
            return self.upper(tokens, tokens.any(-1))
        mask = tokens != 0
        return self.upper(self.opening(F.embedding(tokens, self.words) + self.places[: tokens.shape[1]]), mask)

    def upper(self, states: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B ..."]:
        """The layers, then the mean over a sentence's tokens, or each of them."""
        mask = F.pad(mask[:, 1:], (1, 0), value=True)  # a text of nothing must not be a mean of nothing
        for layer in self.layers:
            states = layer(states, mask)
        states = states * mask.unsqueeze(-1)
        if self.output == "tokens":
            return F.pad(states, (0, 0, 0, self.max_tokens - states.shape[1]))
        return states.float().sum(1) / mask.sum(1, keepdim=True)

    def fuse(self) -> None:
        """Make it ready to serve, see Linear."""
        for part in self.modules():
            if isinstance(part, Linear):
                part.fuse()


def _under(weights: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    """Those whose names begin so, without that."""
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
