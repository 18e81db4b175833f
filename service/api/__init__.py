"""The HTTP surface: one small router a resource, and the layers round them."""
