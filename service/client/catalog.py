"""Calls about the service itself: what it serves, what it allows, how it is."""

from service.allowances import TenantLimits
from service.client.calling import call
from service.client.calls import Calls
from service.client.requests import at
from service.client.steps import Steps
from service.model_tasks import ModelTask, ModelTaskList
from service.schemas import Health, Model, ModelList


class CatalogCalls(Calls):
    """`/v1/models`, `/v1/limits` and the probes."""

    @call
    def models(self) -> Steps[list[Model]]:
        """Every model that can be adapted."""
        return (yield from self._ask(ModelList, "GET", at("models"))).items

    @call
    def model(self, name: str) -> Steps[Model]:
        """One model."""
        return self._ask(Model, "GET", at("models", name))

    @call
    def model_tasks(self, name: str) -> Steps[list[ModelTask]]:
        """The tasks that belong to a model; `predict` takes them, or "model/task", in place of a task."""
        return (yield from self._ask(ModelTaskList, "GET", at("models", name, "tasks"))).items

    @call
    def limits(self) -> Steps[TenantLimits]:
        """What one request may hold, and what the tenant may store and send."""
        return self._ask(TenantLimits, "GET", at("limits"))

    @call
    def livez(self) -> Steps[Health]:
        """Whether the service answers at all."""
        return self._ask(Health, "GET", "/livez")

    @call
    def readyz(self) -> Steps[Health]:
        """Whether the service can serve requests; if not it is waited for, as long as patience lasts."""
        return self._ask(Health, "GET", "/readyz")

    @call
    def metrics(self) -> Steps[str]:
        """Counters and histograms of the service, in the format of Prometheus."""
        return (yield from self._send("GET", "/metrics")).text
