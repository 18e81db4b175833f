"""A learner: an encoder that no task changes, and a head that is all a task changes."""

from dataclasses import replace

from torch import nn

from models.heads.head import Head
from models.types import Rows, Scores, Support, TaskParams


class Learner(nn.Module):
    """Encoder and head composed. Training differentiates through the very methods that the service calls."""

    encoder: nn.Module  # flat over the rows of every task: [B, *X] -> [B, *F]
    head: Head

    def __init__(self, encoder: nn.Module, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def encode(self, rows: Rows) -> Rows:
        """Features of the real rows, in one flat pass of the encoder."""
        inputs, _ = rows.flat()
        return rows.with_values(self.encoder(inputs))

    def adapt(self, support: Support, start: TaskParams | None = None) -> TaskParams:
        """From raw support rows to adapted params."""
        return self.head.adapt(replace(support, rows=self.encode(support.rows)), start)

    def predict(self, params: TaskParams, query: Rows) -> Scores:
        """From raw query rows to scores."""
        return self.head.predict(params, self.encode(query))
