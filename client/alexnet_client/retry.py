"""How long to wait before asking again.

Only errors that say ``retryable`` are repeated, at most ``max_retries`` times, and never past
the request's deadline. Every request of this package is idempotent (storing a picture under its
id twice stores it once), so repeating one whose answer was lost does no harm.

Waits grow exponentially and are drawn at random, so that many clients refused together do not
come back together.
"""

import random

from alexnet_client.errors import ClientError

MAX_RETRIES = 2  # three tries in all
FIRST_WAIT_S = 0.5
RETRY_AFTER_JITTER_S = 1.0


def wait_s(error: ClientError, tries: int) -> float:
    """Return the seconds to wait after ``tries`` (1, 2, ...) tries, the last ending in ``error``.

    The server's own wish (Retry-After) plus up to a second, however long: one that lies past the
    deadline is not waited for. Without one, between half and the whole of 0.5 s, 1 s, 2 s, ...
    """
    if error.retry_after_s is not None:
        return error.retry_after_s + random.uniform(0, RETRY_AFTER_JITTER_S)  # noqa: S311  no secret
    longest_s = FIRST_WAIT_S * 2.0 ** (tries - 1)
    return random.uniform(longest_s / 2, longest_s)  # noqa: S311  no secret
