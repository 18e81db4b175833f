"""/v1/limits: what one request may hold, and what a tenant may store and send."""

from fastapi import APIRouter, Depends

from service.allowances import Quota, Quotas, Rate, TenantLimits
from service.api.deps import Running, Service, Tenant, no_query
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
async def read(service: Running, tenant: Tenant) -> TenantLimits:
    """The limits in force, and how much the tenant has used of what is its own."""
    return TenantLimits(**limits_of(service.settings).model_dump(), quotas=await _quotas_of(service, tenant))


async def _quotas_of(service: Service, tenant: str) -> Quotas:
    quotas, gate = service.tasks.quotas, service.gate
    used = await quotas.used(tenant)
    return Quotas(
        tasks=Quota(limit=quotas.max_tasks, used=used.num_tasks),
        examples=Quota(limit=quotas.max_examples, used=used.num_examples),
        bytes=Quota(limit=quotas.max_bytes, used=used.num_bytes),
        in_flight=Quota(limit=gate.max_in_flight, used=gate.in_flight(tenant)),
        requests=Rate(
            per_s=gate.rate_per_s,
            burst=None if gate.rate_per_s is None else gate.burst,
            available=gate.available(tenant),
        ),
    )
