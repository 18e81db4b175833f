"""Which other model would take what this one refuses: told with the error, as a task is not adapted yet."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from service import codec
from service.catalog import Catalog
from service.errors import FieldError, InvalidRequest
from service.schemas import Example


def told_elsewhere(error: InvalidRequest, support: Sequence[Example], kind: str, catalog: Catalog) -> InvalidRequest:
    """The error, with the names of models that are served here beside every list that they would take."""
    places = {f"support.{place}.input": example.input for place, example in enumerate(support)}
    takers = partial(catalog.takers, kind)

    def told(bad: FieldError) -> FieldError:
        given = places.get(bad.path)
        names = takers(given) if isinstance(given, list) and not codec.has_large(given) else []
        return replace(bad, message=f"{bad.message}; served models that take it: {', '.join(names)}") if names else bad

    found = [told(each) for each in error.errors]
    return error if found == [*error.errors] else type(error).at(found)
