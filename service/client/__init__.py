"""A typed client of the service, blocking and async. It needs neither torch nor the server's packages.

with Client("http://127.0.0.1:8000") as kshot:
    task = kshot.adapt("glyphs", images, labels=labels)
    answers = kshot.predict(task, others).predictions

async with AsyncClient("http://127.0.0.1:8000") as kshot:
    task = await kshot.adapt("glyphs", images, labels=labels)
"""

from service.client.clients import AsyncClient, Client
from service.client.inputs import Raw, to_input
from service.client.refusals import error_of

__all__ = ["AsyncClient", "Client", "Raw", "error_of", "to_input"]
