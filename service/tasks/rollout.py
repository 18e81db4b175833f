"""Whether processes of an earlier release may still be at work, which would not understand all that this one does."""

import asyncio
import logging

from service.errors import DatabaseUnavailable, DeploymentUnfinished
from service.storage.database import Database
from service.storage.migrate import before_transfers, expanded, head

log = logging.getLogger(__name__)

RETRY_AFTER_S = 30.0
AFTER_OUTAGE_S = 2.0


async def tell_of_rollout(database: Database) -> None:
    """Remind in the log of a deployment that is still to be ended, as soon as the database says so."""
    while True:
        try:
            revision = await database.check()
            break
        except DatabaseUnavailable:
            await asyncio.sleep(AFTER_OUTAGE_S)
    if revision == expanded() != head():
        log.warning("a deployment is open: when no replica of the release before runs, end it: kshot migrate --finish")


class Rollout:
    """The deployment of what brought transfers and priors, until it has been ended; later ones take nothing away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_over = False

    async def refuse_unless_over(self, what: str) -> None:
        """Raise DeploymentUnfinished while processes of an earlier release may be there, which do not know of this."""
        if not self._is_over:
            self._is_over = await self._database.check() not in before_transfers()
        if not self._is_over:
            raise DeploymentUnfinished(
                f"`{what}` has to wait until whoever runs the service has ended its deployment: kshot migrate --finish",
                retry_after_s=RETRY_AFTER_S,
            )
