"""Frames: the intent of a sentence and the slots among its words, from a few examples (few-shot semantic parsing)."""

from collections.abc import Iterator
from itertools import zip_longest

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from models.chain import MOVES, NEVER
from models.heads.head import Head
from models.heads.prior_logistic import PriorLogistic
from models.types import Classes, Logits, Rows, Support, Tagged, Tags, TaskParams

OWN = ("weight", "bias", "prototype", "sizes")  # leaves of either classifier
TAG = "tag_"


class Frames(Head):
    """Two classifiers of one kind, of sentences and of words, joined by a chain over the words.

    One head and not two tasks: the words' scores are conditioned on the intents, so that a slot which no example of
    the likely intents has is unlikely; and a frame is adapted, stored, moved and forgotten as a whole. A word is
    classified as one of a slot or of none; how likely words are in a slot at all, and to begin it, is for layers that
    all tasks share, as are the scores of moves from tag to tag (collapsed dependency transfer, Hou et al. 2020):
    few-shot tasks could not tell.
    """

    trust: Tensor  # rows: log of a slope, an offset, a share of the words' number; columns: one, log of examples

    def __init__(self, width: int = 96, sentence_rows: int = 4, num_steps: int = 24) -> None:
        super().__init__()
        self.sentence_rows = sentence_rows  # of the features, see models.encoders.words
        self.intents, self.tags = (PriorLogistic(num_steps, cosine=True) for _ in range(2))
        axes = {leaf: self.intents.layout[leaf] for leaf in OWN}
        words = {TAG + leaf: axis.replace("N", "K").replace("D", "F") for leaf, axis in axes.items()}
        self.layout = {**axes, **words, "share": "N K", "ways": "N"}
        self.begin, self.inside = nn.Linear(width, 1), nn.Linear(width, 1)
        nn.init.zeros_(self.inside.weight)
        nn.init.zeros_(self.inside.bias)
        self.moves = nn.Parameter(torch.zeros(len(MOVES)))
        self.gate = nn.Parameter(torch.tensor([-1.0, -2.0, 0.0]))  # log of its weight, log of its floor, its offset
        self.register_buffer("trust", torch.zeros(3, 2))  # no loss is of it: fitted once the rest is trained

    def start(self, support: Support) -> TaskParams:
        """Both classifiers as they start; and which share of an intent's examples has each slot."""
        sentences, words, target = self._parts(support)
        has = F.one_hot((target.words + 1) // 2, target.slots.shape[1]).amax(2) * support.rows.mask.unsqueeze(-1)
        members = target.intents.one_hot(support.rows.mask)
        share = members.mT @ has.float() / members.sum(1).clamp(min=1).unsqueeze(-1)
        return self._joined(self.intents.start(sentences), self.tags.start(words), share)

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """Both classifiers step by step; the shares are counts, which start has."""
        sentences, words, target = self._parts(support)
        share = self.start(support)["share"]
        both = zip_longest(  # a large one pauses more often than a small one
            self.intents.steps(sentences, _own(start, "", target.intents.ways)),
            self.tags.steps(words, _own(start, TAG, target.slots)),
        )
        intents: TaskParams = {}
        tags: TaskParams = {}
        for newer_intents, newer_tags in both:
            intents, tags = newer_intents or intents, newer_tags or tags
            yield self._joined(intents, tags, share)

    def predict(self, params: TaskParams, query: Rows) -> Tagged:
        """Scores of the intents; of the words' tags, given how likely each intent is; and of the moves."""
        intents = self.intents.predict(_own(params, "", params["ways"]), self._sentences(query))
        rows, real = self._words(query)
        slots = params["share"].sum(1) > 0
        flat = self.tags.predict(_own(params, TAG, slots), rows).values.nan_to_num(neginf=NEVER)
        scores = flat.view(*real.shape, -1) + self._gate(intents, params["share"]).unsqueeze(2)
        inside, begins = (layer(rows.values).view(*real.shape, 1) for layer in (self.inside, self.begin))
        kinds = [scores[..., 1:] + inside + F.logsigmoid(sign * begins) for sign in (1, -1)]
        tags = torch.cat([scores[..., :1], torch.stack(kinds, -1).flatten(-2)], -1)
        return Tagged(intents, tags, real.sum(-1), self.moves.expand(len(tags), -1), self._trust(params))

    def _gate(self, intents: Logits, share: Float[Tensor, "T N K"]) -> Float[Tensor, "T Q K"]:
        """What is added to the scores of slots: how usual they are for the likely intents; nothing to the outside."""
        weight, floor, offset = self.gate
        usual = intents.values.softmax(-1) @ share
        gate = weight.exp() * (usual + floor.exp()).log() + offset
        return torch.cat([torch.zeros_like(gate[..., :1]), gate[..., 1:]], -1)

    def _trust(self, params: TaskParams) -> Float[Tensor, "T M 3"]:
        """How probabilities of slots are calibrated, by how many examples show each: see models.chain.calibrated."""
        log_shown = shown(params).log1p()
        log_slope, *others = F.linear(torch.stack([torch.ones_like(log_shown), log_shown], -1), self.trust).unbind(-1)
        return torch.stack([log_slope.exp(), *others], -1)

    def _parts(self, support: Support) -> tuple[Support, Support, Tags]:
        """The support of either classifier."""
        target = support.target
        if not isinstance(target, Tags):
            raise TypeError("this head reads frames: its support must carry tags")
        sentences = Support(self._sentences(support.rows), target.intents)
        rows, _ = self._words(support.rows)
        return sentences, Support(rows, Classes(((target.words + 1) // 2).flatten(1), target.slots)), target

    def _sentences(self, rows: Rows) -> Rows:
        values = rows.values[:, :, : self.sentence_rows].flatten(2)
        return Rows(values.float(), rows.mask, rows.index)

    def _words(self, rows: Rows) -> tuple[Rows, Bool[Tensor, "T S L"]]:
        """The words of all rows one after another, and which of them are real: a row has one at least."""
        words = rows.values[:, :, self.sentence_rows :].float()
        real = F.pad(words.any(-1)[:, :, 1:], (1, 0), value=True) & rows.mask.unsqueeze(-1)
        return Rows(words.flatten(1, 2), real.flatten(1), rows.index), real

    def _joined(self, intents: TaskParams, tags: TaskParams, share: Float[Tensor, "T N K"]) -> TaskParams:
        own = {leaf: intents[leaf] for leaf in OWN} | {TAG + leaf: tags[leaf] for leaf in OWN}
        return {**own, "share": share, "ways": intents["ways"]}


def shown(params: TaskParams) -> Float[Tensor, "T M"]:
    """How many examples show each slot, were intents equally frequent."""
    return params["share"][..., 1:].sum(1) * params["sizes"][:, 1:2].expm1()


def _own(params: TaskParams, prefix: str, ways: Bool[Tensor, "T N"]) -> TaskParams:
    """The params of one of the classifiers."""
    independent = torch.zeros_like(ways[:, 0])
    return {leaf: params[prefix + leaf] for leaf in OWN} | {"ways": ways, "independent": independent}


def log_likelihood(scores: Tagged, tags: Int64[Tensor, "T Q L"]) -> Float[Tensor, "T Q"]:
    """Of the words' tags under the chain: what training maximises. Valid tags are told apart, not only right ones."""
    words, lengths = scores.words.flatten(0, 1), scores.lengths.flatten()
    start_out, start_first, oo, of, fo, ff, fl, lo, lf, ll = scores.moves[0]
    kinds = tags.flatten(0, 1)
    kinds, own = torch.where(kinds == 0, 0, 2 - kinds % 2), words.gather(-1, kinds.unsqueeze(-1)).squeeze(-1)
    table = torch.stack([torch.stack(row) for row in ([oo, of, 0 * oo], [fo, ff, fl], [lo, lf, ll])])
    out, first = words[:, 0, 0] + start_out, words[:, 0, 1::2] + start_first
    later = torch.full_like(first, NEVER)
    path = own[:, 0] + torch.where(kinds[:, 0] == 0, start_out, start_first)
    for word in range(1, words.shape[1]):
        firsts, laters = first.logsumexp(1), later.logsumexp(1)
        now_out = torch.stack([out + oo, firsts + fo, laters + lo]).logsumexp(0) + words[:, word, 0]
        now_first = torch.stack([out + of, firsts + ff, laters + lf]).logsumexp(0)[:, None] + words[:, word, 1::2]
        now_later = torch.stack([first + fl, later + ll]).logsumexp(0) + words[:, word, 2::2]
        is_there = word < lengths
        out = torch.where(is_there, now_out, out)
        first = torch.where(is_there[:, None], now_first, first)
        later = torch.where(is_there[:, None], now_later, later)
        path = path + torch.where(is_there, own[:, word] + table[kinds[:, word - 1], kinds[:, word]], 0)
    whole = torch.cat([out[:, None], first, later], 1).logsumexp(1)
    return (path - whole).view(tags.shape[:2])
