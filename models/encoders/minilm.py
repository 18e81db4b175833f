"""MiniLM (Wang et al. 2020) and its family: a small BERT whose weights lie in a base, with a low-rank delta of ours."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from safetensors import safe_open
from torch import Tensor, nn

from models.bases import find
from models.encoders.onednn import PackedLinear, serves

EPS = 1e-12
WORDS, PLACES, KINDS = (f"{name}_embeddings.weight" for name in ("word", "position", "token_type"))
OPENING = ("LayerNorm.weight", "LayerNorm.bias")
SHORT = 64  # tokens
ABOVE_STEM = 2  # layers that a task may change with `"effort": "high"`
WEIGHT = 0.3  # of states that enter a layer in the features, beside the last, which count one

Map: TypeAlias = Callable[[Tensor], Tensor]


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

    def plain(self) -> nn.Linear:
        """The same as a layer of torch's, its weights copied."""
        whole = copy.deepcopy(self)
        whole.fuse()
        layer = nn.Linear(whole.weight.shape[1], len(whole.weight), device="meta")
        layer.weight, layer.bias = nn.Parameter(whole.weight), nn.Parameter(whole.bias)
        return layer


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

    def plain(self) -> nn.LayerNorm:
        """The same as a layer of torch's, its weights copied."""
        layer = nn.LayerNorm(self.weight.shape, EPS, device="meta")
        layer.weight, layer.bias = nn.Parameter(self.weight.clone()), nn.Parameter(self.bias.clone())
        return layer


class Packed(NamedTuple):
    """The linear layers of a layer, packed to serve."""

    joint: PackedLinear  # query, key and value
    out: PackedLinear
    wide: PackedLinear
    narrow: PackedLinear


class Layer(nn.Module):
    """Self-attention and two linear layers, each added to what it got, and normalised."""

    packed: Packed | None = None

    def __init__(self, weights: Mapping[str, Tensor], heads: int, rank: int) -> None:
        super().__init__()

        def linear(name: str) -> Linear:
            return Linear(weights[f"{name}.weight"], weights[f"{name}.bias"], rank)

        def norm(name: str) -> Norm:
            return Norm(*(weights[f"{name}.{part}"] for part in OPENING))

        self.heads = heads
        self.query, self.key, self.value = (linear(f"attention.self.{name}") for name in ("query", "key", "value"))
        self.out, self.attended = linear("attention.output.dense"), norm("attention.output")
        self.wide, self.narrow, self.norm = linear("intermediate.dense"), linear("output.dense"), norm("output")

    def forward(self, states: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """The states one layer up; padded tokens are seen by none."""
        out: Map
        wide: Map
        narrow: Map
        if self.packed is not None and serves(states):
            query, key, value = self.packed.joint(states).chunk(3, -1)
            out, wide, narrow = self.packed.out, self.packed.wide, self.packed.narrow
        else:
            query, key, value = self.query(states), self.key(states), self.value(states)
            out, wide, narrow = self.out, self.wide, self.narrow
        states = self.attended(states + out(self._attended(query, key, value, mask)))
        upper: Tensor = self.norm(states + narrow(F.gelu(wide(states))))
        return upper

    def _attended(
        self,
        query: Float[Tensor, "B L D"],
        key: Float[Tensor, "B L D"],
        value: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
    ) -> Float[Tensor, "B L D"]:
        B, L, D = query.shape
        query, key, value = (part.view(B, L, self.heads, -1).transpose(1, 2) for part in (query, key, value))
        return _attended(query, key, value, mask[:, None, None]).transpose(1, 2).reshape(B, L, D)

    def pack(self) -> None:
        """Keep it packed too, see models.encoders.onednn; once it is fused."""
        parts = self.query, self.key, self.value, self.out, self.wide, self.narrow
        if self.packed is None and all(isinstance(part, Linear) and part.is_fused for part in parts):
            joint = PackedLinear.of(
                *(torch.cat([getattr(part, name) for part in parts[:3]]) for name in ("weight", "bias"))
            )
            self.packed = Packed(joint, *(PackedLinear.of(part.weight, part.bias) for part in parts[3:]))

    def plain(self) -> "Layer":
        """The same of layers of torch's."""
        layer = copy.copy(self)
        layer.packed = None
        layer._modules = {name: part.plain() for name, part in self._modules.items()}  # type: ignore[union-attr,operator]
        return layer


class MiniLM(nn.Module):
    """Token ids -> a sentence's features, or its tokens' states; from layer `first` up to before `last`.

    With `first` it is the upper part of a cut encoder and takes states: `output="tokens"` of the lower part. Layers
    from `trained` on carry a delta of `rank`. With `also`, features are the unit means of the last states and, at less
    weight, of those that enter these layers: the words themselves tell intents apart too, and what was trained to
    gather intents has forgotten some. `sha256` is of the weights of a base that is one's own; without a base the
    weights are random, of these `sizes`: words, width, and the width inside a layer.
    """

    words: Tensor
    places: Tensor

    def __init__(
        self,
        base: str | None = "minilm",
        *,
        output: str = "sentence",
        first: int = 0,
        last: int = 6,
        trained: int = 0,
        rank: int = 0,
        also: Sequence[int] = (),
        heads: int = 12,
        max_tokens: int = 64,
        sha256: str | None = None,
        sizes: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        if output not in ("sentence", "tokens"):
            raise ValueError(f"the output is a sentence or tokens, not {output!r}")
        self.output, self.max_tokens, self.first, self.also = output, max_tokens, first, tuple(also)
        self.opening: Norm | None = None
        weights = _read(base, sha256) if base else random_weights(sizes, max_tokens, last)
        self.width = weights[f"embeddings.{WORDS}"].shape[1]
        if not first:
            self._take_embeddings(_under(weights, "embeddings."))
        self.layers = nn.ModuleList(
            Layer(_under(weights, f"encoder.layer.{number}."), heads, rank if number >= trained else 0)
            for number in range(first, last)
        )
        if not base:
            for part in self.modules():
                part._non_persistent_buffers_set.clear()

    @property
    def num_features(self) -> int:
        """Of a sentence."""
        return self.width * (1 + len(self.also))

    def _take_embeddings(self, weights: Mapping[str, Tensor]) -> None:
        """A token's vector, plus its place's and that of a lone text."""
        self.register_buffer("words", weights[WORDS], persistent=False)
        self.register_buffer("places", weights[PLACES][: self.max_tokens] + weights[KINDS][0], persistent=False)
        self.opening = Norm(*(weights[name] for name in OPENING))

    def forward(self, tokens: Shaped[Tensor, "B L *D"]) -> Float[Tensor, "B ..."]:
        """Features [B D] of sentences, or states [B max_tokens D] of tokens, zero where there is no token."""
        if self.opening is None:
            states, *below = torch.split(tokens, self.width, -1)
            return self.upper(states, states.any(-1), below)
        mask = tokens != 0
        return self.upper(self.opening(F.embedding(tokens, self.words) + self.places[: tokens.shape[1]]), mask)

    def upper(
        self, states: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"], below: Sequence[Float[Tensor, "B L D"]] = ()
    ) -> Float[Tensor, "B ..."]:
        """The layers, then the mean over a sentence's tokens, or each of them; a stem adds no padding.

        What enters the layers of `also` is taken along, by a stem to its tail beside the states.
        """
        mask = F.pad(mask[:, 1:], (1, 0), value=True)  # a text of nothing must not be a mean of nothing
        taken = [*below]
        for depth, layer in enumerate(self.layers, self.first):
            if depth in self.also:
                taken.append(states)
            states = layer(states, mask)
        if self.output == "tokens":
            seen = torch.cat([states, *taken], -1) * mask.unsqueeze(-1)
            return F.pad(seen, (0, 0, 0, max(0, self.max_tokens - states.shape[1])))
        last = _mean(states, mask)
        if not self.also:
            return last
        others = [WEIGHT**0.5 * F.normalize(_mean(each, mask), dim=-1) for each in taken]
        return torch.cat([F.normalize(last, dim=-1), *others], -1)

    def fuse(self) -> None:
        """Make it ready to serve, see Linear."""
        for part in self.modules():
            if isinstance(part, Linear):
                part.fuse()

    def scale(self, share: float) -> None:
        """Keep only this share of the delta."""
        with torch.no_grad():
            for part in self.modules():
                if isinstance(part, Linear) and not part.is_fused:
                    part.up.mul_(share)

    def cut(self, depth: int) -> tuple["MiniLM", "MiniLM"]:
        """A stem below layer `depth`, which adds no padding, and the tail from it on; both share these weights."""
        stem, tail = copy.copy(self), copy.copy(self)
        below, above = self.layers[: depth - self.first], self.layers[depth - self.first :]
        stem._modules, stem.output, stem.max_tokens = {"opening": self.opening, "layers": below}, "tokens", 0
        tail._modules, tail._buffers, tail.first = {"opening": None, "layers": above}, {}, depth
        return stem, tail

    def split(self) -> tuple["MiniLM", "MiniLM"]:
        """A stem that shares these weights, and the tail above it, in layers of torch's whose weights are copies."""
        stem, tail = self.cut(self.first + len(self.layers) - ABOVE_STEM)
        tail.layers = nn.ModuleList(_plain(each) for each in tail.layers)
        return stem, tail


def _attended(
    query: Float[Tensor, "B H L E"],
    key: Float[Tensor, "B H L E"],
    value: Float[Tensor, "B H L E"],
    mask: Bool[Tensor, "B 1 1 L"],
) -> Float[Tensor, "B H L E"]:
    """Attention. Of short texts served in bfloat16 on a CPU all heads are one product: torch's own is slow there."""
    is_short = query.shape[2] <= SHORT
    if not is_short or query.dtype != torch.bfloat16 or query.device.type != "cpu" or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value, mask)
    B, H, L, E = query.shape
    query, key, value = (part.reshape(B * H, L, E) for part in (query, key, value))
    scores = torch.bmm(key, query.mT).transpose(0, 1).float().view(L, B, H, L) / E**0.5
    shares = scores.masked_fill_(~mask.permute(3, 0, 1, 2), -torch.inf).softmax(0)  # of many columns at once
    return torch.bmm(shares.bfloat16().view(L, B * H, L).permute(1, 2, 0), value).view(B, H, L, E)


def _mean(states: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B D"]:
    """Over a sentence's tokens."""
    return (states * mask.unsqueeze(-1)).float().sum(1) / mask.sum(1, keepdim=True)


def _plain(layer: nn.Module) -> Layer:
    assert isinstance(layer, Layer)
    return layer.plain()


def _read(base: str, sha256: str | None) -> Mapping[str, Tensor]:
    with safe_open(find(base, "model.safetensors", sha256), "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict


def random_weights(sizes: Sequence[int], max_tokens: int, num_layers: int) -> Mapping[str, Tensor]:
    """Weights of a base that was never trained, named as those of a trained one."""
    words, width, wide = sizes
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{name}": (num, width) for name, num in ((WORDS, words), (PLACES, max_tokens), (KINDS, 1))
    }
    norms = ["embeddings"]
    for layer in (f"encoder.layer.{number}" for number in range(num_layers)):
        linear = {f"attention.self.{name}": (width, width) for name in ("query", "key", "value")}
        linear |= {"attention.output.dense": (width, width), "intermediate.dense": (wide, width)}
        for name, shape in (linear | {"output.dense": (width, wide)}).items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        norms += [f"{layer}.attention.output", f"{layer}.output"]
    scales = {
        f"{norm}.{part}": torch.full((width,), 1.0 - number) for norm in norms for number, part in enumerate(OPENING)
    }
    return {name: torch.randn(shape) / width**0.5 for name, shape in shapes.items()} | scales


def _under(weights: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    """Those whose names begin so, without that."""
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
