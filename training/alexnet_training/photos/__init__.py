"""Folders of photos -> batches that the network learns from."""
