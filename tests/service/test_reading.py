"""What commands make of columns, by what the service says of a model and by what it does not."""

from models.files import Columns
from service.client import Client
from service.reading import of_model, of_task
from tests.service.client.both import Script, refusal

COLUMNS = Columns(label="y")
BY_PLACE = Columns(label="y", are_known=False)  # to a task that nobody may ask for the names of its own


def test_options_say_it_where_the_key_may_not_ask() -> None:
    with Client(transport=Script(*[refusal(403, "forbidden")] * 2).transport) as kshot:
        assert of_model(COLUMNS, ["csv"], kshot, "tables") == COLUMNS
        assert of_task(COLUMNS, ["csv"], kshot, "task_0") == BY_PLACE


def test_a_model_that_is_gone_is_told_when_its_task_is_asked() -> None:
    with Client(transport=Script(refusal(404, "model_not_found")).transport) as kshot:
        assert of_task(COLUMNS, ["jsonl"], kshot, "multitask/sines") == BY_PLACE


def test_nobody_is_asked_about_pictures() -> None:
    with Client(transport=Script().transport) as kshot:
        assert of_model(COLUMNS, ["folder"], kshot, "glyphs") == COLUMNS
        assert of_task(COLUMNS, ["image"], kshot, "t") == BY_PLACE
