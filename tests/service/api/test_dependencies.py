"""Dependencies are cheap: FastAPI calls plain functions in a thread, and solves what they depend on again and again."""

from inspect import isasyncgenfunction, iscoroutinefunction

import pytest
from fastapi.routing import APIRoute

from service.api import adaptations, evaluations, files, jobs, limits, models, predictions, support, tasks, versions
from service.api.deps import authenticate

ROUTERS = (tasks, adaptations, support, versions, files, predictions, evaluations, jobs, models, limits)
ROUTES = [route for each in ROUTERS for route in each.router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_no_thread_and_no_tree(route: APIRoute) -> None:
    for dependency in route.dependant.dependencies:
        call = dependency.call
        assert iscoroutinefunction(call) or isasyncgenfunction(call), call
        assert not dependency.dependencies, f"{call} depends on others; take them from the request"


def test_keys_are_looked_up_without_a_thread() -> None:
    assert iscoroutinefunction(authenticate)
