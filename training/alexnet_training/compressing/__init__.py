"""A run -> one small file (``alexnet-train compress``)."""
