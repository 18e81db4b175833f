"""Tasks that belong to a model, as they go over the wire."""

from service.schemas import Kind, Response


class ModelTask(Response):
    """A task that belongs to a model: it was learned with it, anyone may ask it, and nobody can change it.

    `about` is a sentence on what it answers; `labels` are null where it answers with a number.
    """

    model: str
    model_digest: str
    name: str
    kind: Kind
    labels: list[str] | None
    about: str


class ModelTaskList(Response):
    """The tasks that belong to a model, in the order in which it has them."""

    items: list[ModelTask]
