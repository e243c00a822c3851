"""Scoring very many pictures into one file that can be gone on with (``alexnet score``)."""
