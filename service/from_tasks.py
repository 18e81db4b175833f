"""`kshot train MODEL --from-tasks`: a model trained on one tenant's stored tasks, which that tenant alone is served."""

from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from service.catalog import COLUMNS
from service.settings import Settings
from service.storage import trainings
from service.storage.database import Database
from service.storage.earlier import taught_by
from service.storage.migrate import before_transfers
from service.storage.records import Source
from service.storage.trainings import Trainable
from service.terminal import fail, on_database, settings_in_force

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint
    from models.training.from_tasks import TaughtTask

MAX_ROWS = 2_000  # of one task


def train_from_tasks(model: str, tenant: str, arguments: dict[str, Any], out: Path) -> None:
    """Train, judge, and register the model in KSHOT_MODELS if it has earned that."""
    from models.data.schema import UnusableData
    from models.training.from_tasks import from_tasks
    from models.training.publish import publish
    from models.training.train import train

    settings = settings_in_force()
    if settings.models is None:
        fail("Set KSHOT_MODELS to the folder of your own models: that is where the new one goes.")
    checkpoint = _newest(settings, model, tenant)
    tasks = on_database(settings, lambda database: _taught(database, tenant, checkpoint))
    try:
        made = from_tasks(checkpoint, tenant, [task for _, task in tasks], **arguments)
    except (UnusableData, TypeError) as error:
        fail(str(error))
    train(made.run, out)
    verdict = made.verdict()
    typer.echo(f"on {len(made.held)} tasks that were held out: {verdict}")
    if not verdict.is_worthy:
        fail("It may be worse than the model that is there, so it is not registered.")
    made.run.card.card["judged"] = str(verdict)  # type: ignore[index]  # made in from_tasks
    folder = out / "models" / model
    digest = publish(made.run, folder)
    used = {*made.trained, *(task.id for task in made.held)}
    sources = [source for source, task in tasks if task.id in used]

    async def note(database: Database) -> None:
        now = datetime.now(UTC)
        await database.write(lambda session: trainings.note(session, tenant, model, digest, sources, now))

    on_database(settings, note)  # before it is served, so that nothing can be forgotten unseen
    place = settings.models / f"{model}-{digest[:12]}"
    beside = settings.models / ".partial" / place.name  # a service that starts meanwhile must not see half of it
    copytree(folder, beside, dirs_exist_ok=True)
    beside.rename(place)
    beside.parent.rmdir()
    typer.echo(f"{model}@{digest[:12]} serves the tenant {tenant} from the next start on, and nobody else.")


def _newest(settings: Settings, model: str, tenant: str) -> "Checkpoint":
    """What the tenant's new tasks of this model are on."""
    from models.card import read_card
    from models.checkpoint import load
    from service.engine.loading import model_folders

    cards = [(folder, read_card(folder)) for folder in model_folders(settings.models)]
    mine = [pair for pair in cards if pair[1].name == model and pair[1].card.get("tenant") in (None, tenant)]
    if not mine:
        fail(f"There is no model {model!r} for the tenant {tenant!r}.")
    return load(max(mine, key=lambda pair: pair[1].created_at)[0])


async def _taught(database: Database, tenant: str, checkpoint: "Checkpoint") -> list[tuple[Source, "TaughtTask"]]:
    from dataclasses import asdict

    from models.training.from_tasks import TaughtTask

    made_by = {"name": checkpoint.card.inputs["name"], **asdict(checkpoint.inputs)}
    found = []
    if await database.check() in before_transfers():  # who forgets there does not know which models to mark
        fail("End the deployment first: kshot migrate --finish")
    async with database.read() as session:
        if not await trainings.is_allowed(session, tenant):
            fail(f"The tenant {tenant!r} has not allowed it: kshot tenants set {tenant} --train-from-tasks")
        for each in await trainings.trainable_tasks(session, tenant, checkpoint.card.name):
            if _fits(each, made_by):
                rows = await taught_by(session, tenant, each.source, "", has_features=False, limit=MAX_ROWS)
                shape, dtype = checkpoint.inputs.shape, checkpoint.inputs.dtype
                inputs = [np.frombuffer(row.data, dtype).reshape(shape) for row in rows]
                found.append((each.source, TaughtTask(each.source.task_id, inputs, [str(row.label) for row in rows])))
    return found


def _fits(task: Trainable, made_by: dict[str, object]) -> bool:
    """Whether its inputs were made ready as this model's are; of old tasks that is not known."""
    return {**(task.preprocessing or {}), COLUMNS: None} == {**made_by, COLUMNS: None}
