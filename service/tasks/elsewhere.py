"""Which other model would take what this one refuses: told with the error, as a task is not adapted yet."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from service import codec
from service.catalog import Catalog, Served
from service.errors import FieldError, InvalidRequest
from service.schemas import Example


def told_elsewhere(
    error: InvalidRequest, support: Sequence[Example], kind: str, model: Served, catalog: Catalog
) -> InvalidRequest:
    """The error, with the names of models that are served here beside every list that they would take."""
    asked = {f"support.{place}.input": (example.input, kind) for place, example in enumerate(support)}
    wanted, other = ("target", "classification") if kind == "regression" else ("label", "regression")
    if all((example.target is None) == (wanted == "target") for example in support):  # as the other kind has them
        asked |= {f"support.{place}.{wanted}": (example.input, other) for place, example in enumerate(support)}

    def told(bad: FieldError) -> FieldError:
        given, its_kind = asked.get(bad.path, (None, kind))
        is_foreign = isinstance(given, list) and not model.takes(its_kind, given) and not codec.has_large(given)
        names = catalog.takers(its_kind, cast(list[object], given)) if is_foreign else []
        how = "it" if its_kind == kind else f"it for a {its_kind}"
        others = f"; served models that take {how}: {', '.join(names)}" if names else ""
        return replace(bad, message=bad.message + others)

    found = [told(each) for each in error.errors]
    return error if found == [*error.errors] else type(error).at(found)
