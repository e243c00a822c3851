"""How well what is served knows a labelled folder (``alexnet evaluate``)."""
