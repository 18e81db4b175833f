"""What is told of the models that are served."""

from typing import Any

from service.schemas.wire import Effort, Kind, Modality, Response


class Limits(Response):
    """What one request may hold."""

    max_ways: int
    max_examples: int
    max_inputs: int
    max_body_bytes: int
    max_image_pixels: int
    max_in_flight: int
    request_timeout_s: float


class Model(Response):
    """A meta-trained model in the catalog. `digests` are all that are loaded, the one new tasks get first.

    `label_names`: whether it can be told what labels mean. `transfer`: whether new tasks can learn from earlier ones.
    """

    name: str
    digest: str
    digests: list[str]
    modalities: list[Modality]
    kinds: list[Kind]
    label_names: bool
    transfer: bool
    efforts: list[Effort]
    input_dim: int | None
    limits: Limits
    card: dict[str, Any]


class ModelList(Response):
    """The catalog."""

    items: list[Model]
