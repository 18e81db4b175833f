"""Whether processes of the release before may still be at work, which would not understand all that this one does."""

from service.errors import DeploymentUnfinished
from service.storage.database import Database
from service.storage.migrate import unfinished_revisions

RETRY_AFTER_S = 30.0


class Rollout:
    """A deployment, until an operator has ended it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_over = False

    async def refuse_unless_over(self, what: str) -> None:
        """Raise DeploymentUnfinished while processes of the release before may be there, which do not know of this."""
        if not self._is_over:
            self._is_over = await self._database.check() not in unfinished_revisions()
        if not self._is_over:
            raise DeploymentUnfinished(
                f"`{what}` has to wait until whoever runs the service has ended its deployment: kshot migrate --finish",
                retry_after_s=RETRY_AFTER_S,
            )
