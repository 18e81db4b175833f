"""Bodies that two calls send each: the one that is answered at once, and the one that becomes a job."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.client.inputs import names_of
from service.client.refusals import as_invalid_request
from service.client.steps import Steps
from service.fields import Prior
from service.schemas import CreateTask, Effort, ExtendSupport, Readapt

Examples = Steps[list[dict[str, Any]]]


def new_task(
    model: str,
    examples: Examples,
    *,
    effort: Effort | None,
    transfer: bool,
    label_names: Mapping[str, str] | None,
    name: str | None,
    metadata: Mapping[str, Any] | None,
    prior: Prior | None,
    columns: Iterable[object] | None,
) -> Steps[CreateTask]:
    """A task to be made of these examples, and of what labels mean."""
    told = {"support": (yield from examples), "label_names": label_names, "columns": names_of(columns)}
    fields = {"model": model, "effort": effort, "name": name, "metadata": metadata, "prior": prior, **told}
    known = {"transfer": True} if transfer else {}
    with as_invalid_request():
        return CreateTask.model_validate(known | {key: value for key, value in fields.items() if value is not None})


def more_support(
    examples: Examples, label_names: Mapping[str, str] | None, columns: Iterable[object] | None
) -> Steps[ExtendSupport]:
    """Examples to be added to a task, and names for labels that have none."""
    fields = {"support": (yield from examples), "label_names": label_names, "columns": names_of(columns)}
    with as_invalid_request():
        return ExtendSupport.model_validate({key: value for key, value in fields.items() if value is not None})


def to_digest(model_digest: str | None) -> Readapt:
    """Adapting anew: to the newest digest, or to the one that begins with these letters."""
    with as_invalid_request():
        return Readapt() if model_digest is None else Readapt(model_digest=model_digest)
