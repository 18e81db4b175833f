"""Work that is accepted now and done later, with effect once: kept in the database, done by any process."""

from service.jobs.jobs import Jobs
from service.jobs.runner import Runner

__all__ = ["Jobs", "Runner"]
