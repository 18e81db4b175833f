"""Where a request goes by its head: as Starlette's router has it."""

import pytest
from starlette._utils import get_route_path

from service.api.paths import route_path


@pytest.mark.parametrize("prefix", ["", "/kshot"])
@pytest.mark.parametrize("path", ["/v1/tasks", "/kshot/v1/tasks", "/kshot", "/kshot/", "/kshotv1/tasks", "/a/kshot/v1"])
def test_the_prefix_of_a_proxy_is_taken_off_as_the_router_does(path: str, prefix: str) -> None:
    scope = {"path": path, "root_path": prefix}
    assert route_path(scope) == get_route_path(scope)
