"""Checkpoint in, model repository out."""
