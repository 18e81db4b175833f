"""Serving beside what users would build, and beside the limits of the machine."""
