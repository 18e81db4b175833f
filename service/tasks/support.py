"""What a task is taught: more examples, fewer, and a list of them."""

from collections.abc import Sequence
from typing import cast

from service import codec
from service.catalog import Catalog
from service.engine.arrays import Array
from service.errors import ExampleExists, ExampleNotFound, FieldError, TooFewLabels, VersionNotFound
from service.once import Receipt
from service.schemas import CreatedTask, Example, ExtendSupport, Kind, SupportPage
from service.storage import history
from service.storage.database import Database
from service.storage.matching import Match
from service.storage.records import ExampleRecord
from service.tasks.adapting import Adapting, Cut, Spent, made_task, new_examples, refuse_names, stored_rows
from service.tasks.answers import example_of
from service.tasks.columns import columns_of
from service.tasks.damage import cut_ids
from service.tasks.decoding import Decoding
from service.tasks.finding import find_task, form_of
from service.tasks.outlook import foretold
from service.tasks.transferring import Transferring
from service.tasks.writing import Change, State, Writing

MAX_ID = 200  # characters of an example's id, as in the schemas


class SupportSets:
    """The support sets of tasks, for one tenant at a time."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        decoding: Decoding,
        adapting: Adapting,
        transferring: Transferring,
        writing: Writing,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._decoding = decoding
        self._adapting = adapting
        self._transferring = transferring
        self._writing = writing

    async def extend(
        self,
        tenant: str,
        task_id: str,
        request: ExtendSupport,
        deadline: float,
        *,
        match: Match = None,
        once: Receipt | None = None,
    ) -> tuple[CreatedTask, int]:
        """Teach a task more, labels that it did not know among it; the task and its revision."""
        spent, names = Spent(), codec.names_of(request.label_names)
        await self._writing.quotas.look(tenant, examples=len(request.support) + len(names))
        encoded: dict[str, tuple[Array, Array | None]] = {}  # by digest: between two tries a task may move to another
        added: list[ExampleRecord] = []
        cut: Cut | None = None

        async def make(state: State) -> Change:
            nonlocal added, cut
            model, kind = self._catalog.get(state.record.model_digest), cast(Kind, state.record.kind)
            _refuse_known(request.support, names, state.examples)
            refuse_names(names, model)
            targets = await self._decoding.targets(tenant, request.support, model, kind, state.examples, names)
            if model.digest not in encoded:
                form = form_of(state.record)
                kept = stored_rows(state.examples, model) if model.in_own_units else None
                order = codec.column_order(request.columns, columns_of(state.record))
                rows = await self._decoding.taught(tenant, request.support, names, model, deadline, form, kept, order)
                cut = Cut.of(model, rows, names)
                encoded[model.digest] = rows, await self._adapting.encode(tenant, model, rows, deadline, spent)
            added = new_examples([*request.support, *names], state.next_ordinal, *encoded[model.digest])
            _refuse_clashing(added, state.examples)
            number = state.record.version + 1
            support: list[ExampleRecord] = [*state.examples, *added]
            others = await self._transferring.again(tenant, model, kind, targets, state.record)
            version = await self._adapting.next(
                tenant, model, number, "extend", support, targets, deadline, spent, others=others
            )
            return Change(foretold(version, kind, spent.forecast, added, state.examples), added)

        return await self._writing.advance(
            tenant,
            task_id,
            make,
            lambda record: made_task(record, spent, added, cut),
            deadline=deadline,
            match=match,
            once=once,
            status=201,
        )

    async def forget(
        self,
        tenant: str,
        task_id: str,
        example_id: str,
        deadline: float,
        *,
        match: Match = None,
        once: Receipt | None = None,
    ) -> tuple[CreatedTask, int]:
        """Erase an example and all that was computed from it; the task, adapted to the others, and its revision.

        Others that are damaged go with it, as nothing can be learned from them, and the answer names them.
        """
        spent = Spent()
        gone: set[str] = set()

        async def make(state: State) -> Change:
            nonlocal gone
            if example_id not in {*state.damaged_ids, *(example.example_id for example in state.examples)}:
                await self.find_example(tenant, task_id, example_id)  # an older version, which a rollback left behind
            model, kind = self._catalog.get(state.record.model_digest), cast(Kind, state.record.kind)
            gone = {example_id, *state.damaged_ids, *cut_ids(state.examples, model.inputs.dtype, model.inputs.shape)}
            left = [example for example in state.examples if example.example_id not in gone]
            _refuse_too_few(left, kind)
            number, targets = state.record.version + 1, codec.targets_of(left, kind)
            others = await self._transferring.again(tenant, model, kind, targets, state.record)
            version = await self._adapting.next(
                tenant, model, number, "forget", left, targets, deadline, spent, others=others
            )
            return Change(foretold(version, kind, spent.forecast, known=left), forgotten=sorted(gone))

        return await self._writing.advance(
            tenant,
            task_id,
            make,
            lambda record: made_task(record, spent, forgotten=sorted(gone)),
            deadline=deadline,
            match=match,
            once=once,
            repairs=True,
        )

    async def page(
        self, tenant: str, task_id: str, *, limit: int, cursor: str | None, version: int | None
    ) -> SupportPage:
        """A page of a version's examples (of the current one, if none is named), in the order in which they came."""
        after = codec.read_ordinal(cursor) if cursor is not None else -1
        async with self._database.read() as session:
            record = await find_task(session, tenant, task_id)
            version = version or record.version
            if await history.get_version(session, tenant, task_id, version) is None:
                raise VersionNotFound(f"The task has no version {version}.")
            found = await history.list_members(session, tenant, task_id, version=version, limit=limit + 1, after=after)
        cursor = codec.write_cursor(str(found[limit - 1].ordinal)) if len(found) > limit else None
        return SupportPage(items=[example_of(member) for member in found[:limit]], next_cursor=cursor)

    async def find_example(self, tenant: str, task_id: str, example_id: str) -> None:
        """Raise ExampleNotFound unless some version that is kept has the example."""
        if len(example_id) <= MAX_ID and "\0" not in example_id:  # which no example has and no database takes
            async with self._database.read() as session:
                if await history.has_example(session, tenant, task_id, example_id):
                    return
        raise ExampleNotFound(f"The task has no example {example_id[:80]!r}.")


def _refuse_known(examples: Sequence[Example], names: Sequence[codec.Name], kept: Sequence[ExampleRecord]) -> None:
    known, named = {row.example_id for row in kept}, {str(row.label) for row in kept if row.role == "name"}
    wrong = [
        FieldError(f"support.{position}.id", "is the id of an example of the task already")
        for position, example in enumerate(examples)
        if example.id in known
    ] + [
        FieldError(codec.path_of_name(name.label), "the label has a name already: forget that first")
        for name in names
        if name.label in named
    ]
    if wrong:
        raise ExampleExists.at(wrong)


def _refuse_clashing(added: Sequence[ExampleRecord], kept: Sequence[ExampleRecord]) -> None:
    """Names that another label of the task has: nothing would tell the two from each other."""
    old, new = ([(str(row.label), row.input) for row in rows if row.role == "name"] for rows in (kept, added))
    placed = [(label, row, codec.path_of_name(label)) for label, row in new]
    codec.refuse(list(codec.clashing_names(old, placed)))


def _refuse_too_few(left: Sequence[ExampleRecord], kind: Kind) -> None:
    if kind == "regression" and not left:
        raise TooFewLabels("This is the last example of the task; delete the task instead.")
    if kind != "regression" and len({label for row in left for label in codec.labels_of(row)}) < 2:
        raise TooFewLabels("Fewer than two labels would be left; delete the task instead.")
