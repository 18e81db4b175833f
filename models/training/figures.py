"""Few-shot figures of a learner whose encoder has been run once over every row."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from models.data.episodes import draw, full_batch, generator
from models.heads.head import Head
from models.learner import Learner
from models.types import Classes, Logits


def encode_all(learner: Learner, images: UInt8[Tensor, "B H W"], rows: int = 256) -> Float[Tensor, "B D"]:
    """Features of every image, in the type the learner is in."""
    with torch.inference_mode():
        return torch.cat([learner.encoder(part).float() for part in torch.split(images, rows)])


def episode_scores(
    head: Head,
    features: Float[Tensor, "B D"],
    pool: list[Int64[Tensor, "M"]],
    *,
    ways: int,
    shots: int,
    num_tasks: int,
    queries: int = 5,
    seed: int = 0,
) -> tuple[Float[Tensor, "T Q N"], Int64[Tensor, "T Q"]]:
    """Scores and answers of the queries of `num_tasks` tasks drawn from the pool's classes."""
    with torch.inference_mode():
        rows = draw(pool, num_tasks, ways, shots + queries, generator(seed, ways * 1000 + shots))
        batch = full_batch(features[rows[..., :shots]], features[rows[..., shots:]])
        scores = head.predict(head.adapt(batch.support), batch.query)
        assert isinstance(scores, Logits)
        assert isinstance(batch.target, Classes)
        return scores.values, batch.target.index


def accuracy(scores: Float[Tensor, "T Q N"], answers: Int64[Tensor, "T Q"]) -> npt.NDArray[np.float64]:
    """Share of right answers, a task each."""
    return (scores.argmax(-1) == answers).double().mean(1).numpy()
