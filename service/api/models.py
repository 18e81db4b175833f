"""/v1/models: the catalog."""

from typing import cast

from fastapi import APIRouter, Depends

from service.api.deps import Running, no_query
from service.api.limits import limits_of
from service.api.problems import ANY, documented
from service.catalog import Catalog
from service.errors import ModelNotFound
from service.schemas import Effort, Kind, Modality, Model, ModelList
from service.settings import Settings

router = APIRouter(prefix="/v1/models", tags=["models"], responses=documented(*ANY), dependencies=[Depends(no_query)])


@router.get("")
async def page(service: Running) -> ModelList:
    """Every model, with the newest digest of each name."""
    return ModelList(items=[_model(service.catalog, name, service.settings) for name in service.catalog.names()])


@router.get("/{name}", responses=documented(ModelNotFound))
async def read(service: Running, name: str) -> Model:
    """One model: what it takes, what it answers, how it was made and how good it is."""
    return _model(service.catalog, name, service.settings)


def _model(catalog: Catalog, name: str, settings: Settings) -> Model:
    versions = catalog.versions(name)
    newest = versions[0]
    card = newest.card
    return Model(
        name=card.name,
        digest=newest.digest,
        digests=[served.digest for served in versions],
        modalities=[cast(Modality, modality) for modality in card.modalities],
        kinds=[cast(Kind, kind) for kind in card.kinds],
        label_names=newest.takes_names,
        efforts=[cast(Effort, effort) for effort in catalog.efforts(newest)],
        input_dim=newest.inputs.shape[0] if card.modality == "vector" else None,
        limits=limits_of(settings, is_slow=newest.is_slow),
        card=dict(card.card),
    )
