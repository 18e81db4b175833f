"""Which meta-trained models are served: several digests of one name, the newest for new tasks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy.typing as npt

from models.card import Card, Part
from models.inputs import Input
from service.errors import FieldError, InvalidRequest, ModelNotFound, ModelTaskNotFound, ModelUnavailable

# What a task's inputs are, in what made them ready (storage looks there too), where a model leaves it open.
FORM = "form"
COLUMNS = "columns"  # the names of the cells of its inputs, beside that, where a task was told them
TRANSFERRED = frozenset(("classification", "regression"))  # kinds whose tasks can learn from each other
TOO_SLOW = frozenset(("gradient", "gradient_regression", "tail"))  # heads that move a network, once for every choice
LISTED = frozenset(("vector", "table"))  # modalities whose inputs are lists
COMPANION = "companion_of"  # on the card of a model that does with more effort what another does: that one's digest


@dataclass(frozen=True)
class Served:
    """One digest of a model: what it is, and what turns a decoded input into its rows."""

    digest: str
    card: Card
    inputs: Input
    takes_names: bool = False  # whether it can be told what labels mean

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What makes inputs ready for this model, whole: its name and every option."""
        return {"name": self.card.inputs["name"], **asdict(self.inputs)}

    def forms(self, rows: npt.NDArray[Any]) -> list[str]:
        """What each row is, of a model of more than one modality or of any number of columns; nothing of others."""
        return self.inputs.forms(rows)

    def made(self, rows: npt.NDArray[Any]) -> dict[str, Any]:
        """What made these rows of one task ready, and what they are where that is open."""
        forms = self.forms(rows[:1])
        return self.preprocessing | ({FORM: forms[0]} if forms else {})

    def truncated(self, rows: npt.NDArray[Any]) -> list[int]:
        """The positions of the rows whose texts were longer than the model reads."""
        found: list[int] = self.inputs.truncated(rows).nonzero()[0].tolist()
        return found

    @property
    def max_rows(self) -> int:
        """Examples that a task of this model may have, as far as the model decides."""
        return self.inputs.traits.max_rows

    @property
    def max_ways(self) -> int:
        """Labels that a task of this model may have, as far as the model decides."""
        return self.inputs.traits.max_ways

    @property
    def in_own_units(self) -> bool:
        """Whether inputs are one number each, in units of the support's own spread alone: all hangs on that spread."""
        return bool(self.card.head.get("alone", False))

    @property
    def widest(self) -> int:
        """The longest list of numbers that it takes as an input."""
        return self.inputs.traits.widest

    def takes(self, kind: str, numbers: Sequence[object]) -> bool:
        """Whether this list could be an input of a new task of this kind."""
        if kind not in self.card.kinds or not self.takes_lists:
            return False
        try:
            self.inputs(cast(Any, numbers))
        except ValueError:
            return False
        return True

    @property
    def is_slow(self) -> bool:
        """Whether to adapt takes so long that it is always a job."""
        return COMPANION in self.card.card

    @property
    def takes_lists(self) -> bool:
        """Whether inputs may be rows of cells."""
        return not LISTED.isdisjoint(self.card.modalities)

    @property
    def transfers(self) -> bool:
        """Whether new tasks can learn from earlier ones: not where choosing takes minutes, nor of frames or tables."""
        if self.inputs.traits.has_own_columns:
            return False
        return not self.is_slow and self.card.head["name"] not in TOO_SLOW and bool(TRANSFERRED & {*self.card.kinds})

    @property
    def tenant(self) -> str | None:
        """Whose tasks it was trained on: nobody else may see it."""
        found: str | None = self.card.card.get("tenant")
        return found

    @property
    def num_ids(self) -> int | None:
        """Of a model whose inputs are ids, how many there are."""
        return self.inputs.traits.num_ids


class Catalog:
    """Names to digests. A task is pinned to the digest it was adapted on; a name moves on to the newest."""

    def __init__(self, served: Iterable[Served], left_out: Mapping[str, str] | None = None) -> None:
        self._left_out = left_out or {}  # why, by name
        self._by_digest = {model.digest: model for model in served}
        self._by_name: dict[str, list[Served]] = defaultdict(list)
        for model in sorted(self._by_digest.values(), key=lambda model: model.card.created_at, reverse=True):
            self._by_name[model.card.name].append(model)
        self.widest = max((model.widest for model in self._by_digest.values()), default=0)  # list of numbers taken

    def of(self, tenant: str) -> "Catalog":
        """What this tenant sees: not the models that were trained on the tasks of another."""
        if all(model.tenant is None for model in self._by_digest.values()):
            return self
        seen = [model for model in self._by_digest.values() if model.tenant in (None, tenant)]
        return Catalog(seen, self._left_out)

    def names(self) -> list[str]:
        """Every name, in order."""
        return sorted(self._by_name)

    def versions(self, name: str) -> list[Served]:
        """Every digest of a name, newest first. Raises ModelNotFound."""
        if name not in self._by_name:
            why = f" It was left out at the start: {self._left_out[name]}" if name in self._left_out else ""
            raise ModelNotFound(f"There is no model {name!r}; there are {', '.join(self.names())}.{why}")
        return self._by_name[name]

    def digests(self, name: str) -> list[Served]:
        """Every digest of a name, if any is loaded here."""
        return self._by_name.get(name, [])

    def resolve(self, name: str) -> Served:
        """The newest digest of "name", or the one of "name@digest" (the first letters do). Raises ModelNotFound."""
        name, _, prefix = name.partition("@")
        for model in self.versions(name):
            if model.digest.startswith(prefix):
                return model
        raise ModelNotFound(f"No loaded digest of the model {name!r} begins with {prefix!r}.")

    def chosen(self, name: str, effort: str | None) -> Served:
        """The model for a new task: the one that is named, or its companion if the effort is "high".

        Raises ModelNotFound, or InvalidRequest where there is no such effort.
        """
        model = self.resolve(name)
        if effort is None or model.is_slow == (effort == "high"):
            return model
        if model.is_slow:
            raise _no_effort(f"{model.card.name!r} takes high effort only; leave it out, or name another model")
        companions = {each.card.card.get(COMPANION): each for each in self._by_digest.values()}
        if model.digest not in companions:
            able = sorted({self._by_digest[of].card.name for of in companions if of in self._by_digest})
            others = f"models that know high: {', '.join(able)}" if able else "no model that is loaded here knows high"
            raise _no_effort(f"{model.card.name!r} knows fast effort only; {others}")
        return companions[model.digest]

    def takers(self, kind: str, numbers: Sequence[object]) -> list[str]:
        """The names of models whose new tasks of this kind could have this list as an input."""
        newest = (self._by_name[name][0] for name in self.names())
        return [model.card.name for model in newest if not model.is_slow and model.takes(kind, numbers)]

    def efforts(self, model: Served) -> list[str]:
        """How much effort new tasks of this model can be adapted with."""
        if model.is_slow:
            return ["high"]
        has_companion = any(each.card.card.get(COMPANION) == model.digest for each in self._by_digest.values())
        return ["fast", "high"] if has_companion else ["fast"]

    def own_task(self, model: Served, name: str) -> Part:
        """What the model says of a task of its own. Raises ModelTaskNotFound."""
        if name not in model.card.tasks:
            names = ", ".join(model.card.tasks) or "none"
            raise ModelTaskNotFound(f"The model {model.card.name!r} has no task {name[:80]!r}; it has {names}.")
        return model.card.tasks[name]

    def find(self, digest: str) -> Served | None:
        """The model of a task, if its digest is loaded here."""
        return self._by_digest.get(digest)

    def get(self, digest: str) -> Served:
        """The model of a task. Raises ModelUnavailable if its digest is not loaded here."""
        if digest not in self._by_digest:
            raise ModelUnavailable(f"The task is pinned to the model digest {digest}, which is not loaded here.")
        return self._by_digest[digest]


def _no_effort(message: str) -> InvalidRequest:
    return InvalidRequest.at([FieldError("effort", message)])
