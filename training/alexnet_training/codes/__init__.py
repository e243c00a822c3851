"""Stored features -> short binary codes (``alexnet-train codes``)."""
