"""The HTTP service: API, storage, scheduling. Only `service.engine` imports torch."""
