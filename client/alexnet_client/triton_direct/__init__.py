"""Scoring against a Triton alone, without the server before it."""
