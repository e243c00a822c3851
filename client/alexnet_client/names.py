"""File names as text that any terminal, form field or JSON reader can take.

A file name is bytes on Linux: it may hold bytes that are no UTF-8 (Python shows them as lone
surrogates, PEP 383) and control characters that would steer a terminal. Neither may be printed
or sent as it is.
"""


def printable(name: str) -> str:
    r"""Return ``name`` with every unprintable character written as its escape.

    ``"caf\udce9.jpg"`` (a Latin-1 name on a UTF-8 system) becomes the plain text
    ``caf\udce9.jpg``, a line break becomes ``\n``. Printable text comes back unchanged.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in name
    )
