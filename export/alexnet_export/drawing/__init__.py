"""A deployed repository as a picture (``alexnet-export show``)."""
