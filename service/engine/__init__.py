"""The engine: requests of many tenants share the device; everything that touches torch in the service is here."""
