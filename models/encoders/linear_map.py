"""A linear map of vectors: the simplest encoder that can be learned."""

from jaxtyping import Float
from torch import Tensor, nn


class LinearMap(nn.Module):
    """Vectors of `input_dim` numbers -> `width` features, without an intercept; untrained, a random rotation."""

    def __init__(self, input_dim: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(input_dim, width, bias=False)
        nn.init.orthogonal_(self.layer.weight)

    def forward(self, inputs: Float[Tensor, "B X"]) -> Float[Tensor, "B D"]:
        """Features of each row."""
        features: Tensor = self.layer(inputs)
        return features
