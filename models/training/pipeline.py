"""The recipe of the pipeline: initialise, pre-train on many tasks, meta-learn, apply; beside its parts alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from models.card import Card
from models.checkpoint import build
from models.data.episodes import Batch, draw, full_batch, generator
from models.data.omniglot import Omniglot, load_omniglot
from models.data.shared import Drawn, JointBatch, SharedRows, drawings
from models.learner import Learner
from models.training.figures import encode_all, episode_answers
from models.training.glyphs import TRAINED, VALIDATED, framed
from models.training.multitask import DRAWN, FRAME, HEAD, OMNIGLOT
from models.training.objectives.episodic import Metrics, episodic
from models.training.objectives.joint import Joint
from models.training.task_figures import spreads
from models.training.train import Run

ROWS = 120  # drawings a step, in both phases
COST = 1.35  # of a step of pre-training in CPU time, in steps of meta-learning
MIN_WAYS, MAX_WAYS, MAX_SHOTS, QUERIES = 5, 20, 5, 3
APPLIED = ((20, 1), (20, 5), (5, 1))  # ways and shots of what it is applied to
SHARES = {"random": None, "pre-train": 1.0, "meta": 0.0, "both": 0.5}  # of the CPU time that is spent on pre-training


class Phases(nn.Module):
    """Pre-training where a batch is rows of many tasks, meta-learning where it is episodes."""

    def __init__(self, joint: Joint) -> None:
        super().__init__()
        self.joint = joint

    def forward(self, learner: Learner, batch: JointBatch | Batch) -> Metrics:
        """Fills .grad."""
        if isinstance(batch, Batch):
            return {"loss": episodic(learner, batch)["loss"]}
        found: Metrics = self.joint(learner, batch)
        return found


@dataclass(frozen=True)
class Steps:
    """So many steps of rows, then episodes of the same drawings: an alphabet's characters, of any ways and shots."""

    rows: Drawn
    pools: list[list[Int64[Tensor, "M"]]]  # the rows of each character, by alphabet
    num_first: int

    def __call__(self, step: int) -> JointBatch | Batch:
        """The batch of one step."""
        if step < self.num_first:
            return self.rows(step)
        draws, images = generator(self.rows.seed, step), self.rows.rows.inputs
        pool = self.pools[int(torch.multinomial(torch.tensor([float(len(p)) for p in self.pools]), 1, generator=draws))]
        most = min(MAX_WAYS, len(pool))
        ways = int(torch.randint(min(MIN_WAYS, most), most + 1, (), generator=draws))
        room = min(min(map(len, pool)) - QUERIES, ROWS // ways - QUERIES, MAX_SHOTS)
        shots = int(torch.randint(1, max(1, room) + 1, (), generator=draws))
        tasks = max(1, ROWS // (ways * (shots + QUERIES)))
        chosen = draw(pool, tasks, ways, shots + QUERIES, draws)
        return full_batch(images[chosen[:, :, :shots]], images[chosen[:, :, shots:]])


def pipeline(data: Path, share: float = 0.5, num_steps: int = 800, compare: bool = True, seed: int = 0) -> Run:
    """Pre-train on Omniglot's first 25 alphabets and drawings' attributes for `share` of the CPU time, then meta-learn.

    The time is that of `num_steps` of meta-learning. With `compare`, what only one of the two makes of as much time is
    trained too, and shown beside.
    """
    background = load_omniglot(data, "background")
    shared = drawings(background.only(TRAINED), FRAME)
    validate = applied(background.only(VALIDATED))
    make = partial(pipeline_run, shared, background.only(TRAINED).digest(), num_steps, validate, seed=seed)
    run = make(share)
    if not compare:
        return run
    beside = {name: make(part) for name, part in SHARES.items() if part != share}
    return replace(run, beside=beside)


def pipeline_run(
    shared: SharedRows,
    digest: str,
    num_steps: int,
    validate: Callable[[Learner], Metrics],
    share: float | None,
    seed: int = 0,
) -> Run:
    """The run that spends this share of its time on pre-training; with None, none on anything."""
    torch.manual_seed(seed)
    num_first, num_then = (0, 0) if share is None else steps_of(num_steps, share)
    card = Card(
        name="pipeline",
        modality=DRAWN.modality,
        kinds=("classification", "regression"),
        inputs=DRAWN.inputs,
        encoder=DRAWN.encoder,
        head=HEAD,
        created_at="",
        card={
            "recipe": f"kshot train pipeline ({num_first} steps of pre-training, {num_then} of "
            f"meta-learning, {__name__})",
            "split": "Omniglot background: alphabets 0-24 trained on, 25-29 to choose by",
            "licence": OMNIGLOT["licence"],
            "data": {"omniglot background, alphabets 0-24": digest},
        },
    )
    learner, trained = build(card.encoder, card.head), shared.of("train")
    num_ways = {task: len(labels) for task, labels in shared.labels.items()}
    joint = Joint(learner, DRAWN.width, num_ways, spreads(shared), "uncertainty", DRAWN.num_shared)
    return Run(
        card=card,
        learner=learner,
        objective=Phases(joint),
        batches=Steps(Drawn(trained, ROWS, seed), pools_of(shared, trained), num_first),
        num_steps=num_first + num_then,
        optimiser="adamw",
        rate=2e-3,
        warmup_steps=20,
        weight_decay=1e-3,
        validate=validate,
        seed=seed,
    )


def steps_of(num_steps: int, share: float) -> tuple[int, int]:
    """How many of pre-training and how many of meta-learning cost as much as `num_steps` of the latter."""
    return round(num_steps * share / COST), round(num_steps * (1 - share))


def pools_of(shared: SharedRows, rows: JointBatch) -> list[list[Int64[Tensor, "M"]]]:
    """Where the rows of each class are, by task."""
    columns = zip(shared.labels.values(), rows.classes.unbind(1), strict=True)
    return [[torch.nonzero(column == way).flatten() for way in range(len(labels))] for labels, column in columns]


def applied(omniglot: Omniglot, num_tasks: int = 100) -> Callable[[Learner], Metrics]:
    """Accuracy on new tasks, all ways of one from one alphabet: the mean over these alphabets."""
    images, rows = framed(omniglot, FRAME)
    alphabets = [rows[torch.from_numpy(characters)] for characters in omniglot.characters_by_alphabet().values()]

    def validate(learner: Learner) -> Metrics:
        features, shown = encode_all(learner, images), {}
        for ways, shots in APPLIED:
            answers = [
                episode_answers(learner.head, features, list(pool), ways=ways, shots=shots, num_tasks=num_tasks)
                for pool in alphabets
            ]
            shown[f"{ways}-way {shots}-shot"] = sum(float(each.right.mean()) for each in answers) / len(answers)
        return shown

    return validate
