"""Tasks from files, of this service or another: with the very params of the file, or adapted anew from its inputs."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from service import codec
from service.catalog import Catalog, Served
from service.codec import Params, TaskFile
from service.engine.arrays import Array
from service.engine.engine import Engine
from service.errors import CannotReadapt, ComputationFailed, FieldError, InvalidRequest, ModelNotFound, ModelUnavailable
from service.fields import Prior
from service.ids import new_id
from service.once import Once
from service.schemas import CreatedTask
from service.settings import Settings
from service.storage import queries
from service.storage.records import Fetched, NewTask, NewVersion, TaskRecord
from service.tasks.adapting import Adapting, Spent, made_task, new_examples, num_slots, refuse_kind, version_of
from service.tasks.columns import with_columns
from service.tasks.decoding import Decoding, Targets
from service.tasks.exporting import FEATURES, INPUTS, PARAMS
from service.tasks.outlook import foretold
from service.tasks.rollout import Rollout
from service.tasks.writing import Writing

TRIED = 8  # inputs of a file that its params must answer


@dataclass(frozen=True)
class _Sent:
    """A file that has been read, and what is known of it so far."""

    file: TaskFile
    arrays: Params
    rows: Array
    targets: Targets
    prior: Prior | None


class Importing:
    """Takes tasks in, for one tenant at a time."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        catalog: Catalog,
        decoding: Decoding,
        adapting: Adapting,
        writing: Writing,
        rollout: Rollout,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._catalog = catalog
        self._decoding = decoding
        self._adapting = adapting
        self._writing = writing
        self._rollout = rollout

    async def import_task(
        self, tenant: str, data: bytes, deadline: float, *, may_readapt: bool = False, once: Once | None = None
    ) -> tuple[CreatedTask, int]:
        """A new task from a file, always under a new id; the task and its revision.

        Its params are those of the file if the model digest is loaded; else, if it `may_readapt`, it is adapted anew
        on the newest digest of the model. Raises InvalidRequest, ModelUnavailable or CannotReadapt.
        """
        file, arrays = await self._decoding.in_thread(tenant, partial(codec.unpack_task, data, self._settings))
        if file.prior is not None:
            await self._rollout.refuse_unless_over("prior")
        model, spent = self._model(tenant, file, may_readapt), Spent()
        await self._writing.quotas.look(tenant, tasks=1, examples=len(file.support))
        sent = await self._checked(tenant, file, arrays, model)
        if model.digest == file.model_digest:
            version, features = await self._decoding.in_thread(tenant, partial(self._as_given, sent, model))
            await self._try_out(tenant, version, sent.rows, deadline)
        else:
            version, features = await self._adapting.first(
                tenant, model, sent.rows, sent.targets, deadline, spent, origin="import"
            )
        task = NewTask(tenant, new_id("task"), file.name, model.card.name, file.kind, file.metadata, sent.prior)
        examples = new_examples(file.support, 0, sent.rows, features)
        if version.outlook is None:
            version = foretold(version, file.kind, spent.forecast, examples)
        version = with_columns(version, file.columns)

        async def work(session: AsyncSession) -> TaskRecord:
            return await queries.insert_task(session, task, version, examples, datetime.now(UTC))

        def answer(record: TaskRecord) -> CreatedTask:
            return made_task(record, spent, examples)

        return await self._writing.commit(
            work, answer, once, status=201, location=f"/v1/tasks/{task.id}", origin="import"
        )

    def _model(self, tenant: str, file: TaskFile, may_readapt: bool) -> Served:
        """The model that the task will be on."""
        seen = self._catalog.of(tenant)
        pinned = seen.find(file.model_digest)
        if pinned is not None:
            _refuse_unless(pinned.card.name == file.model, "model", f"the digest is of {pinned.card.name!r}")
            _refuse_unless(file.kind in pinned.card.kinds, "kind", f"the model does {', '.join(pinned.card.kinds)}")
            return pinned
        if not may_readapt:
            raise ModelUnavailable(
                f"The task is of {file.model!r} with the digest {file.model_digest}, which is not loaded here; with "
                "readapt=true it would be adapted anew to the newest digest that is."
            )
        try:
            newest = seen.versions(file.model)[0]
        except ModelNotFound:
            raise ModelUnavailable(f"No digest of the task's model {file.model!r} is loaded here.") from None
        refuse_kind(file.kind, newest)
        if file.preprocessing != newest.preprocessing:
            raise CannotReadapt(f"The inputs were made by {file.preprocessing}; {newest.preprocessing} is needed.")
        return newest

    async def _checked(self, tenant: str, file: TaskFile, arrays: Params, model: Served) -> _Sent:
        """The file with its rows and targets, which obey the rules that adapting has for them."""
        unknown = [name for name in arrays if not name.startswith(PARAMS) and name not in (INPUTS, FEATURES)]
        codec.refuse([FieldError(name[:80], "is not known here") for name in unknown])
        _refuse_unless(INPUTS in arrays, INPUTS, "is missing")
        named = [place for place, row in enumerate(file.support) if row.role == "name"]
        if not model.takes_names:
            message = "the model cannot be told what labels mean"
            codec.refuse([FieldError(f"support.{place}.role", message) for place in named])
        targets = await self._decoding.targets(tenant, file.support, model, file.kind)
        labels = None if isinstance(targets, codec.Measured) else targets.labels
        _refuse_unless(file.labels == labels, "labels", "expected the labels of the support, as they first appear")
        prior = codec.fitted(file.prior, labels or ())  # which may be of labels that the task had once
        codec.refuse(list(codec.wrong_prior(prior, file.kind, labels or ())))
        if file.outlook is not None:
            codec.refuse(list(codec.wrong_outlook(file.outlook, file.kind, _ids_and_labels(file)[1])))
        rows, shape = arrays[INPUTS], (len(file.support), *model.inputs.shape)
        await self._decoding.in_thread(
            tenant, partial(codec.check_rows, INPUTS, rows, model.inputs.dtype, shape, model.num_ids)
        )
        forms = await self._decoding.in_thread(tenant, partial(model.forms, rows))
        codec.refuse(list(codec.misfits(forms, forms[0] if forms else "", f"{INPUTS}.{{}}")))
        if file.columns is not None:
            num = codec.num_cells(rows, model.inputs)
            _refuse_unless(len(file.columns) == num, "columns", f"expected the names of {num} columns")
        codec.refuse(list(codec.misplaced_slots(file.support, rows, "support")))
        names = [(str(file.support[place].label), rows[place].tobytes(), f"support.{place}") for place in named]
        codec.refuse(list(codec.clashing_names([], names)))
        digest = await self._decoding.in_thread(tenant, partial(codec.support_digest, rows, targets))
        _refuse_unless(
            file.provenance.support_digest == digest, "provenance.support_digest", "is not of the inputs and targets"
        )
        return _Sent(file, arrays, rows, targets, prior)

    def _as_given(self, sent: _Sent, model: Served) -> tuple[NewVersion, Array | None]:
        params = {name.removeprefix(PARAMS): leaf for name, leaf in sent.arrays.items() if name.startswith(PARAMS)}
        sizes = {"S": len(sent.rows), **self._engine.own_sizes(model.digest)}
        if isinstance(sent.targets, codec.Measured):
            sizes |= {"O": sent.targets.values.shape[1], "N": 0}
        else:
            sizes |= {"N": len(sent.targets.labels), "O": 0}
        columns = codec.width(sent.rows, model.inputs)
        sizes |= {} if columns is None else {"L": columns}
        if isinstance(sent.targets, codec.Framed):
            sizes["K"] = num_slots(sent.targets)
        kind = sent.file.kind
        try:
            codec.check_params(params, self._engine.layout(model.digest), sizes)
        except codec.DamagedParams as error:
            raise InvalidRequest.at([FieldError("params", str(error))]) from None
        # a true bool is the byte 1; others would be numbers that no model has ever seen
        is_whole = "ways" not in params or bool((params["ways"].view(np.uint8) == 1).all())
        _refuse_unless(is_whole, "params/ways", "expected a true for each label")
        is_several = "independent" not in params or params["independent"].view(np.uint8) == (kind == "multilabel")
        _refuse_unless(bool(is_several), "params/independent", f"expected what a {kind} has")
        features = self._features(sent, model)
        file, told = sent.file, sent.file.provenance
        made = version_of(
            model, 1, "import", sent.rows, sent.targets, params, told.dtype, file.temperature, file.thresholds
        )
        made = replace(made, libraries=told.libraries, seed=told.seed)
        if file.outlook is not None:
            made = replace(made, outlook=codec.read_outlook(file.outlook, file.kind, *_ids_and_labels(file)))
        return made, features

    async def _try_out(self, tenant: str, version: NewVersion, rows: Array, deadline: float) -> None:
        """Raise InvalidRequest where params that look right answer nothing that is a number, be it the first inputs."""
        digest = sha256(version.params).hexdigest()
        made = Fetched(version.number, version.model_digest, version.labels, version.params, digest)
        try:
            await self._engine.try_out((tenant, new_id("task")), made, rows[:TRIED], deadline)
        except ComputationFailed as error:
            raise InvalidRequest.at([FieldError("params", f"predict nothing: {error.detail}")]) from None

    def _features(self, sent: _Sent, model: Served) -> Array | None:
        features = sent.arrays.get(FEATURES)
        if features is None:
            return None
        _refuse_unless(self._engine.keeps_features(model.digest), FEATURES, "the model makes none")
        blank = self._engine.blank_features(model.digest)
        codec.check_rows(FEATURES, features, str(blank.dtype), (len(sent.rows), *blank.shape[1:]))
        return features


def _ids_and_labels(file: TaskFile) -> tuple[list[str], list[object]]:
    return [row.id for row in file.support], [row.label for row in file.support]


def _refuse_unless(condition: bool, path: str, message: str) -> None:
    codec.refuse([] if condition else [FieldError(path, message)])
