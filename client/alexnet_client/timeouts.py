"""How long a request may take."""

from __future__ import annotations

from dataclasses import dataclass

CONNECT_S = 5.0
TOTAL_S = 60.0
MAX_S = 86_400.0  # a day; sockets take no infinity


@dataclass(frozen=True)
class Timeouts:
    """The seconds that one request may take.

    Attributes:
        connect_s: until a connection stands; a server that is not there is known by then.
        total_s: until the whole answer is here, repeats and the waits between them included. A
            blocking client bounds the wait for each piece of an answer's head, and not their sum.

    Raises:
        ValueError: one of them is not above 0, or is more than a day.
    """

    connect_s: float = CONNECT_S
    total_s: float = TOTAL_S

    def __post_init__(self) -> None:
        for name, seconds in (("connect_s", self.connect_s), ("total_s", self.total_s)):
            if not 0 < seconds <= MAX_S:
                raise ValueError(
                    f"the timeout {name} is {seconds} s; it must be above 0 and at most {MAX_S:g}"
                )

    @classmethod
    def of(cls, timeout: float | Timeouts) -> Timeouts:
        """Return ``timeout`` itself, or a number of seconds as the total."""
        return timeout if isinstance(timeout, Timeouts) else cls(total_s=timeout)
