"""``alexnet-train`` that knows the tests' narrow network; run by a test in processes of its own."""

import sys

from alexnet_export.dialects import DIALECTS
from alexnet_training.cli import main
from tests.random_checkpoint import NARROW

if __name__ == "__main__":
    DIALECTS[NARROW.name] = NARROW
    sys.exit(main())
