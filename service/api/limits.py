"""/v1/limits: what one request may hold."""

from fastapi import APIRouter, Depends

from service.api.deps import Running, no_query
from service.api.problems import ANY, documented
from service.schemas import Limits
from service.settings import MIB, Settings

router = APIRouter(prefix="/v1/limits", tags=["limits"], responses=documented(*ANY))


def limits_of(settings: Settings, *, is_slow: bool = False) -> Limits:
    """The limits that these settings make, for most models, or for those of high effort."""
    return Limits(
        max_ways=settings.max_ways,
        max_examples=settings.max_examples_of(is_slow=is_slow),
        max_inputs=settings.max_inputs,
        max_body_bytes=settings.max_body_mib * MIB,
        max_image_pixels=int(settings.max_image_megapixels * 1e6),
        max_in_flight=settings.max_in_flight,
        request_timeout_s=settings.request_timeout_s,
    )


@router.get("", dependencies=[Depends(no_query)])
async def read(service: Running) -> Limits:
    """The limits in force."""
    return limits_of(service.settings)
