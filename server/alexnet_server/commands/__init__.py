"""``alexnet-server index ...``: what an operator does to an index beside or without a server."""
