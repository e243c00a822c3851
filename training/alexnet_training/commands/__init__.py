"""The commands of ``alexnet-train``, a file each.

They import torch's two seconds when they run, not before: ``--help`` and usage errors need none.
"""
