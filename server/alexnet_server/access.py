"""Who may ask for what.

With keys, a request must carry one: ``Authorization: Bearer KEY`` (RFC 6750, section 2.1; the
scheme in any case, RFC 9110, section 11.1).  What each request needs stands in one table, and
what is not in it needs a key that may write, so that an endpoint forgotten here is shut.  No
further check of where a request comes from is needed then: a browser never adds such a header by
itself, a script of another site may not add it without the consent of a preflight, which the
server never gives (it sends no Access-Control header at all), and the page keeps its key where
no other origin can read it, a rebound name being another origin.

Without keys, whoever reaches the server may do everything, and the visitor of any web site
reaches this machine's loopback address through the browser.  So the server refuses
- a Host that is not its own: under DNS rebinding, another site's name leads to this address, and
  the browser takes server and site for one origin (``insecure`` lifts this check, since a server
  on the network may go by any name);
- what another site's page sends: Origin is another's or ``null`` (RFC 6454, section 7.3), or
  Sec-Fetch-Site says so (W3C Fetch Metadata).  A form can be posted to anywhere without asking.
  Only the page itself may be linked to.  This check always stands.
Programs other than browsers send neither Origin nor Sec-Fetch-Site and are not asked to.
"""

from __future__ import annotations

import ipaddress
import logging
import socket

from flask import Request, Response, after_this_request

from alexnet_server.errors import (
    Forbidden,
    ForeignHost,
    ForeignOrigin,
    KeyMissing,
    SettingsError,
)
from alexnet_server.keys import Keys, Right
from alexnet_server.settings import Settings

# Method and rule; HEAD is asked for as GET.
OPEN = frozenset(
    {
        ("GET", "/"),
        ("GET", "/page/<name>"),
        ("GET", "/page/samples/<name>"),
        ("GET", "/docs"),
        ("GET", "/docs/<name>"),
        ("GET", "/openapi.json"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
    }
)
READING = frozenset(
    {
        ("GET", "/model"),
        ("POST", "/classify"),
        ("POST", "/features"),
        ("POST", "/towers"),
        ("POST", "/v1/embeddings"),
        ("POST", "/search"),
        ("GET", "/images"),
        ("GET", "/images/<picture_id>"),
        ("GET", "/images/<picture_id>/thumbnail"),
        ("GET", "/images/<picture_id>/similar"),
        ("GET", "/duplicates"),
    }
)
_SAME_SITE = ("same-origin", "none")  # none: typed in or from a bookmark

_log = logging.getLogger(__name__)


class Access:
    """Lets a request pass, or raises what it is refused with.

    ``keys`` None: no key is asked for.  ``hosts``: the names, in lower case, that the server goes
    by beside those of loopback; None: any.
    """

    def __init__(
        self, keys: Keys | None = None, hosts: frozenset[str] | None = frozenset()
    ) -> None:
        self._keys = keys
        self._hosts = hosts

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """As ``settings`` say.

        Raises SettingsError where the key file cannot be used, where the host means no address,
        and where without keys the server would be reached from other machines.
        """
        if settings.keys is not None:
            keys = Keys(settings.keys)
            _log.info("a key is asked for: %s in %s", keys.counts(), settings.keys)
            return cls(keys)
        if settings.insecure:
            _log.warning("insecure: whoever reaches %s may change the index", settings.host)
            return cls(hosts=None)
        if not is_loopback(settings.host):
            raise SettingsError(
                f"host {settings.host!r} can be reached from other machines, and without keys "
                "everybody there could change the index: name a file of keys (--keys FILE, "
                "docs/keys.md), or say --insecure if that is meant"
            )
        return cls(hosts=frozenset({_bare(settings.host)}))

    def knows(self, authorization: str) -> bool:
        """Whether no key is asked for, or the header Authorization has one that is known."""
        return self._keys is None or _held(self._keys, authorization) is not Right.NONE

    def require(self, request: Request) -> None:
        """Let ``request`` pass.

        Raises KeyMissing, Forbidden, ForeignHost or ForeignOrigin.
        """
        if self._keys is not None:
            _require_right(self._keys, request)
            return
        if self._hosts is not None:
            _require_host(self._hosts, request)
        if needed(request) is not Right.NONE or request.method not in ("GET", "HEAD"):
            _require_own_page(request)


def needed(request: Request) -> Right:
    """The right that ``request`` needs."""
    if request.url_rule is None:
        return Right.READ  # there is nothing to do: the answer is 404 or 405
    method = "GET" if request.method == "HEAD" else request.method
    asked = (method, request.url_rule.rule)
    if asked in OPEN:
        return Right.NONE
    # Flask answers OPTIONS itself, with the methods there are.
    return Right.READ if asked in READING or method == "OPTIONS" else Right.WRITE


def _require_right(keys: Keys, request: Request) -> None:
    right = needed(request)
    if right is Right.NONE:
        return
    held = _held(keys, request.headers.get("Authorization", ""))
    if held is Right.NONE:
        after_this_request(_challenge)
        raise KeyMissing(
            "this server asks for a key: send the header 'Authorization: Bearer KEY' with one "
            "that it knows"
        )
    if held < right:
        raise Forbidden("this key may read but not change the index: send one that may write")


def _held(keys: Keys, authorization: str) -> Right:
    scheme, _, key = authorization.partition(" ")
    return keys.right(key.lstrip(" ")) if scheme.lower() == "bearer" else Right.NONE


def _challenge(response: Response) -> Response:
    response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 15.5.2
    return response


def _require_host(hosts: frozenset[str], request: Request) -> None:
    if not is_own_host(hosts, request):
        raise ForeignHost(
            "the header Host names another server than this one: ask for it as localhost or "
            "127.0.0.1; to serve other names, start it with keys (docs/keys.md)"
        )


def is_own_host(hosts: frozenset[str], request: Request) -> bool:
    """Whether the header Host is one of ``hosts`` or loopback, and no name that DNS answers for."""
    # As it was sent: request.host would put the server's own name where there is none.
    sent = request.environ.get("HTTP_HOST", "")
    name = _bare(sent if sent.endswith("]") else sent.rpartition(":")[0] or sent)
    return name in hosts or _is_loopback_name(name)


def _require_own_page(request: Request) -> None:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if origin is not None and not _is_own(origin, request.environ.get("HTTP_HOST", "")):
        site = "cross-site"
    if site not in _SAME_SITE:
        raise ForeignOrigin(
            "this was sent by the page of another site, or a proxy changed the header Host, which "
            "it must pass on; without keys only the server's own page may ask (docs/keys.md)"
        )


def _is_own(origin: str, host: str) -> bool:
    # The scheme is not compared: TLS may end at a proxy, which the server cannot see.
    authority = origin.partition("://")[2].lower()
    return bool(authority) and authority == host.lower()


def is_loopback(host: str) -> bool:
    """Whether listening on ``host`` is listening on loopback addresses alone.

    Raises SettingsError where it means no address at all.
    """
    if host in ("", "*"):  # every address, to waitress
        return False
    try:
        found = socket.getaddrinfo(_bare(host), 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"host {host!r} is no address and no known name") from error
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def _is_loopback_name(name: str) -> bool:
    """Whether ``name`` means loopback to every browser: no name that DNS could answer for."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _bare(host: str) -> str:
    is_bracketed = host.startswith("[") and host.endswith("]")  # IPv6, RFC 3986, section 3.2.2
    return (host[1:-1] if is_bracketed else host).lower()
