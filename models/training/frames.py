"""The recipe of `frames`: intents and slots from a few examples, learned across the services of many."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models.card import Card
from models.chain import best, spans
from models.checkpoint import build
from models.data.digest import content_digest
from models.data.episodes import Batch
from models.data.frames import FILES, Frame, FrameEpisodes, FrameSet, episode, numbered, read
from models.encoders.words import Words
from models.heads.frames import Frames, log_likelihood
from models.heads.prior_logistic import WITH_COSINES
from models.inputs.frame import ID, FrameInput
from models.learner import Learner
from models.training.objectives.episodic import Metrics
from models.training.train import Run
from models.types import Rows, Support, Tagged, Tags, TaskParams

TRAINED_ON = ("sgd", "hwu64")
HELD_OUT = {  # domains to choose by, like those of SNIPS, on which figures are measured
    "sgd": ("Music_1", "Music_2", "Weather_1", "Movies_1", "Restaurants_1", "Media_1"),
    "hwu64": ("play", "music", "weather", "recommendation"),
}
MAX_OF_AN_INTENT = 80
PIECE = 1024  # tokens that are encoded at once
SLACK = 1.5  # rows of one pass: none has so many times more tokens than the shortest
RANK = 32  # of what MiniLM's upper layers get
SET_AT_END = {"bolder": 0.5, "usual": 0.5, "scale": -0.4, "penalty": -1.0}  # see `bolder`
TRUST = ((0.05, 0.17), (-0.54, 0.48), (1.43, -0.09))  # how sure of slots to be, see benchmarks.frames.trust
STRIDE, SHORT = 5, 20  # every fifth text, its first words, are enough to find principal components


def frames(data: Path, num_steps: int = 300, hold_out: bool = False, seed: int = 0) -> Run:
    """Likelihood of intents and of words' tags; `hold_out` leaves domains to choose by out of training."""
    torch.manual_seed(seed)
    card = Card(
        name="frames",
        modality="text",
        kinds=("frames",),
        inputs={"name": "frame"},
        encoder={"name": "words", "rank": RANK, "features": 192, "plain": 96, "sentence_rows": 2, "dropout": 0.2},
        head={"name": "frames", "width": 192, "sentence_rows": 2},
        created_at="",
        card={
            "recipe": f"kshot train frames ({num_steps} steps, {__name__})",
            "inputs": "English texts of up to 60 words; slots begin and end where words do",
            "data": "train splits of SGD (26 services; CC BY-SA 4.0) and of HWU64 (CC BY 4.0)",
            "digests": {name: content_digest(data / FILES[name].format(split="train")) for name in TRAINED_ON},
            "split": "figures are of SNIPS and of services of SGD's dev split that are in no training",
            "base": "all-MiniLM-L6-v2 (Apache-2.0), not contained",
            "licence": "Apache-2.0",
        },
    )
    learner, inputs = build(card.encoder, card.head), FrameInput()
    assert isinstance(learner.encoder, Words)
    sets, judged = [], []
    for name in TRAINED_ON:
        everything = read(name, data, "train")
        kept = [frame for frame in everything if not (hold_out and frame.domain in HELD_OUT[name])]
        sets.append(frozen(learner.encoder, inputs, thinned(kept)))
        if hold_out:
            left = [frame for frame in everything if frame.domain in HELD_OUT[name]]
            judged.append(frozen(learner.encoder, inputs, thinned(left)))
    with torch.no_grad():
        seen = [pooled(learner.encoder, own.features[::STRIDE])[:, :SHORT] for own in sets]
        learner.encoder.set_plain(torch.cat(seen))
    return Run(
        card=card,
        learner=learner,
        objective=framed,
        batches=FrameEpisodes(sets, seed=seed),
        num_steps=num_steps,
        optimiser="adamw",
        rate=1e-3,
        weight_decay=0.05,
        warmup_steps=30,
        max_norm=5.0,
        validate=(lambda learner: validated(learner, judged)) if hold_out else None,
        validate_steps=125,
        finish=finished,
        seed=seed,
    )


def thinned(frames: Sequence[Frame]) -> list[Frame]:
    """At most so many of each intent, the first ones."""
    counts: dict[str, int] = {}
    kept = []
    for frame in frames:
        counts[frame.intent] = counts.get(frame.intent, 0) + 1
        if counts[frame.intent] <= MAX_OF_AN_INTENT:
            kept.append(frame)
    return kept


def frozen(encoder: Words, inputs: FrameInput, frames: Sequence[Frame]) -> FrameSet:
    """The frames beside what training does not change, made once and kept in half precision."""
    rows, intents, tags, names = numbered(frames, inputs)
    longest = int((rows[..., ID] != 0).sum(1).max())
    parts = torch.zeros(len(rows), longest, encoder.packed_width, dtype=torch.half)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for positions, part in inputs.cut(rows, PIECE):
            packed = encoder.frozen(torch.from_numpy(part))[:, :longest]
            parts[torch.from_numpy(positions), : packed.shape[1]] = packed.half()
    domains: dict[str, set[int]] = {}
    for frame, intent in zip(frames, intents.tolist(), strict=True):
        domains.setdefault(frame.domain, set()).add(intent)
    return FrameSet(
        parts,
        torch.from_numpy(intents),
        torch.from_numpy(tags[:, :longest]),
        names,
        [sorted(of_domain) for of_domain in domains.values()],
    )


def framed(learner: Learner, batch: Batch) -> Metrics:
    """The loss of intents and of tags, differentiated through the adaptation."""
    params, query = adapted(learner, batch)
    scores, target = learner.head.predict(params, query), batch.target
    assert isinstance(scores, Tagged)
    assert isinstance(target, Tags)
    intents = F.cross_entropy(scores.intents.values.flatten(0, 1), target.intents.index.flatten())
    is_known = (target.words + 1) // 2 < target.slots.shape[1]  # a slot that the support does not show is outside
    words = -log_likelihood(scores, torch.where(is_known, target.words, 0)).mean()
    torch.autograd.backward(intents + words)
    return {"loss": (intents + words).item(), "intents": intents.item(), "words": words.item()}


def adapted(learner: Learner, batch: Batch) -> tuple[TaskParams, Rows]:
    """Params from frozen states, and features of the queries."""
    support, query = (_features(learner, rows) for rows in (batch.support.rows, batch.query))
    return learner.head.adapt(Support(support, batch.support.target)), query


def finished(learner: Learner) -> None:
    """Set what is no matter of likelihood."""
    bolder(learner)
    assert isinstance(learner.head, Frames)
    learner.head.trust.copy_(torch.tensor(TRUST))


def bolder(learner: Learner, moved: Mapping[str, float] = SET_AT_END) -> None:
    """Move constants of the head by the F1 score of whole slots, which likelihood is not: it leaves too many unfound.

    Slots score higher, which slots the likely intents have counts more, the words' layer counts less beside the
    centroids and is shrunk less towards them. Found by trying on the domains of HELD_OUT, left out of training, see
    benchmarks.frames.choosing; fitted to the likelihood of those domains, the constants and the chain's moves made F1
    worse.
    """
    assert isinstance(learner.head, Frames)
    with torch.no_grad():
        learner.head.gate.add_(torch.tensor([moved["usual"], 0.0, moved["bolder"]]))
        for knob in ("scale", "penalty"):
            learner.head.tags.knobs[0, list(WITH_COSINES).index(knob), 0].add_(moved[knob])


def _features(learner: Learner, rows: Rows) -> Rows:
    assert isinstance(learner.encoder, Words)
    packed, _ = rows.flat()
    return rows.with_values(learner.encoder.related(pooled(learner.encoder, packed)))


def pooled(encoder: Words, packed: Float[Tensor, "B L G"]) -> Float[Tensor, "B R P"]:
    """Sentences and words, from texts of like lengths together and in half precision: most of a step's time."""
    lengths, most = packed.any(-1).sum(1), min(packed.shape[1], encoder.max_words)
    order, first, parts = lengths.argsort(stable=True), 0, []
    ordered = lengths[order].tolist()
    for stop in range(1, len(order) + 1):
        if stop == len(order) or ordered[stop] > SLACK * ordered[first] + 2:
            piece = packed[order[first:stop], : ordered[stop - 1]].float()
            with torch.autocast("cpu", torch.bfloat16):
                part = encoder.pooled(piece).float()
            parts.append(F.pad(part, (0, 0, 0, most + 1 - part.shape[1])))
            first = stop
    return torch.cat(parts)[order.argsort()]


def counts(learner: Learner, batch: Batch) -> np.ndarray:
    """How many intents and frames of the queries are right, and true, found and right slots; of how many queries."""
    with torch.inference_mode():
        params, query = adapted(learner, batch)
        scores = learner.head.predict(params, query)
    assert isinstance(scores, Tagged)
    assert isinstance(batch.target, Tags)
    is_right = (scores.intents.values.argmax(-1) == batch.target.intents.index)[0].tolist()
    lengths, truth = scores.lengths[0].numpy(), batch.target.words[0].numpy()
    found = best(scores.words[0].double().numpy(), scores.moves[0].double().numpy(), lengths)
    total = np.zeros(6, np.int64)
    for intent, tags, true, length in zip(is_right, found, truth, lengths.tolist(), strict=True):
        said, real = set(spans(tags, length)), set(spans(true, length))
        total += [intent, intent and said == real, len(real), len(said), len(said & real), 1]
    return total


def figures_of(total: np.ndarray) -> dict[str, float]:
    """Intent accuracy, exact-span micro-F1 of slots and accuracy of whole frames, in per cent."""
    intents, whole, real, said, right, queries = total.tolist()
    slots = 200 * right / max(1, real + said)
    return {"intent": 100 * intents / queries, "slots": slots, "frame": 100 * whole / queries}


def validated(learner: Learner, sets: Sequence[FrameSet], num_draws: int = 2) -> Metrics:
    """Figures at five shots over all intents of domains left out."""
    found: dict[str, float] = {}
    for number, chosen in enumerate(sets):
        everything = [intent for domain in chosen.domains for intent in domain]
        draws = [torch.Generator().manual_seed(seed) for seed in range(num_draws)]
        total = sum(counts(learner, episode(chosen, everything, 5, 8, draw)) for draw in draws)
        found |= {f"{name} {number}": value for name, value in figures_of(np.asarray(total)).items()}
    return found
