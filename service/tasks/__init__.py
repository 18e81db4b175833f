"""The life of a task: adapted, asked, taught more, made to forget, rolled back, deleted."""

from service.tasks.tasks import Tasks

__all__ = ["Tasks"]
