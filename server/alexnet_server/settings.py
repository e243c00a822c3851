"""What the operator chose, and its defaults; ``variables.py`` reads it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from alexnet_pixels.limits import DEFAULT_LIMITS, PixelLimits
from alexnet_server.errors import SettingsError
from alexnet_server.index.records import METRICS
from alexnet_server.index.where import MAX_KEYS, is_key

MIB = 1024 * 1024
# A name or an address, [in brackets] for IPv6; gRPC would take a path or a scheme here as well.
_TRITON = re.compile(r"triton://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", re.ASCII)
# PREFIX begins the names of the collections: letters, digits and _, as Milvus asks.
_MILVUS = re.compile(
    r"milvuss?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}/[A-Za-z_][A-Za-z0-9_]{0,63}"
    r"(?:\?quantized=true)?",
    re.ASCII,
)
_MOST_TIMEOUT_S = 600
_MOST_REQUESTS = 256
_SPARE_THREADS = 32
# A container with little memory may be on a machine of many cores.
_MOST_DECODERS_UNASKED = 4
# Read where the Milvus is asked; never a flag, which everybody on the machine can read.
MILVUS_TOKEN = "ALEXNET_MILVUS_TOKEN"  # noqa: S105 (the name of a variable)


@dataclass(frozen=True)
class Limits:
    """What one request may hold."""

    max_picture_bytes: int = 10 * MIB
    max_request_bytes: int = 64 * MIB
    max_json_bytes: int = 2 * MIB
    max_embeddings_bytes: int = 16 * MIB  # JSON with pictures in base64; one of 10 MiB fits
    max_views: int = 64  # pictures times views
    max_k: int = 100
    max_neighbors: int = 1000  # pictures times k
    max_label_characters: int = 256
    max_metadata_bytes: int = 16 * 1024
    pixels: PixelLimits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Settings:
    """The server's settings; each field with a ``help`` is a flag and a variable."""

    repository: Path = field(
        default=Path("model_repository"), metadata={"help": "folder that alexnet-export wrote"}
    )
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(default=8080, metadata={"help": "port to listen on; 0 takes a free one"})
    metrics_host: str = field(
        default="127.0.0.1", metadata={"help": "address to listen on for /metrics and the probes"}
    )
    metrics_port: int | None = field(
        default=None,
        metadata={"help": "port of /metrics, /livez and /readyz; none: port + 1", "kind": int},
    )
    index: str = field(
        default="sqlite:///data/index.sqlite",
        metadata={
            "help": "sqlite:///RELATIVE or sqlite:////ABSOLUTE path of the index file, or "
            "milvus://HOST:PORT/PREFIX"
        },
    )
    metric: str = field(
        default="l2",
        metadata={"help": "distance of features, the paper's l2 or cosine; each has its own index"},
    )
    index_keys: str = field(
        default="",
        metadata={"help": "metadata keys, with commas between, that filters find by an index"},
    )
    originals: Path | None = field(
        default=None,
        metadata={"help": "folder that keeps the stored pictures' own files", "kind": Path},
    )
    codes: Path | None = field(
        default=None,
        metadata={"help": "codes.onnx of alexnet-train codes, to search by", "kind": Path},
    )
    engine: str = field(
        default="local",
        metadata={"help": "local: run the model in this process; triton://HOST:PORT: ask a Triton"},
    )
    request_timeout_s: float = field(
        default=5.0, metadata={"help": "seconds after which a request is no longer worked on"}
    )
    max_requests: int = field(
        default=16, metadata={"help": "requests worked on at a time; more get 503 at once"}
    )
    max_views_at_a_time: int = field(
        default=128, metadata={"help": "pictures times views worked on at a time"}
    )
    decoders: int | None = field(
        default=None,
        metadata={"help": "pictures decoded at a time; none: one a core, at most 4", "kind": int},
    )
    batch_views: int = field(
        default=32, metadata={"help": "views in one pass of the engine local, at most"}
    )
    batch_delay_ms: float = field(
        default=0.0, metadata={"help": "milliseconds that a pass waits for others to come"}
    )
    keys: Path | None = field(
        default=None,
        metadata={"help": "file of keys, a line each: 'read KEY' or 'write KEY'", "kind": Path},
    )
    insecure: bool = field(
        default=False,
        metadata={"help": "let everybody who reaches this server change its index, without a key"},
    )
    trusted_proxy: str | None = field(
        default=None,
        metadata={"help": "address of the only proxy whose X-Forwarded-For counts", "kind": str},
    )
    drain_s: float = field(
        default=20.0, metadata={"help": "seconds to answer what has come when told to stop"}
    )
    limits: Limits = Limits()

    @property
    def threads(self) -> int:
        """Requests behind both gates, and as many to spare that a refusal never waits for one."""
        return 2 * self.max_requests + _SPARE_THREADS

    @property
    def decoding_turns(self) -> int:
        """Pictures decoded at a time: each may take up to 450 MB for a second."""
        if self.decoders is not None:
            return self.decoders
        return min(_MOST_DECODERS_UNASKED, os.cpu_count() or 1)

    @property
    def operator_port(self) -> int:
        """The port of /metrics and the probes; 0 takes a free one."""
        if self.metrics_port is not None:
            return self.metrics_port
        return self.port + 1 if self.port else 0

    @property
    def index_path(self) -> Path | None:
        """The index file, None where the pictures are kept in a Milvus.

        Raises SettingsError where ``index`` is neither.
        """
        if _MILVUS.fullmatch(self.index):
            return None
        scheme, found, path = self.index.partition(":///")
        if scheme != "sqlite" or not found or not path:
            raise SettingsError(
                f"index {self.index!r} must be sqlite:///PATH or milvus://HOST:PORT/PREFIX"
            )
        return Path(path)

    @property
    def named_keys(self) -> tuple[str, ...]:
        """The metadata keys of ``index_keys``.  Raises SettingsError where one is none."""
        keys = tuple(key.strip() for key in self.index_keys.split(",") if key.strip())
        if len(keys) > MAX_KEYS or not all(map(is_key, keys)):
            raise SettingsError(
                f"index_keys {self.index_keys!r} must be at most {MAX_KEYS} names of A-Z, a-z, "
                "0-9, _ and -, with commas between"
            )
        return keys

    @property
    def triton(self) -> str | None:
        """``HOST:PORT`` of the Triton to ask, None for the embedded engine.

        Raises SettingsError where ``engine`` is neither ``local`` nor ``triton://HOST:PORT``.
        """
        if self.engine == "local":
            return None
        named = _TRITON.fullmatch(self.engine)
        if named is None or not 1 <= int(named[2]) <= 65535:
            raise SettingsError(f"engine {self.engine!r} must be local or triton://HOST:PORT")
        return f"{named[1]}:{named[2]}"


def require_valid(settings: Settings) -> None:
    """Raises SettingsError on a value that no server can be started with."""
    _require_ranges(settings)
    _require_address(settings.trusted_proxy)
    if settings.metric not in METRICS:
        raise SettingsError(f"metric must be {' or '.join(METRICS)}, not {settings.metric!r}")
    _ = settings.index_path, settings.named_keys, settings.triton


def _require_ranges(settings: Settings) -> None:
    most_views = settings.limits.max_views
    for name, least, most in (
        ("port", 0, 65535),
        ("max_requests", 1, _MOST_REQUESTS),
        ("max_views_at_a_time", most_views, _MOST_REQUESTS * most_views),  # one request must fit
        ("decoders", 1, _MOST_REQUESTS),
        ("batch_views", 1, most_views),
        ("batch_delay_ms", 0, 1000),
        ("drain_s", 0, _MOST_TIMEOUT_S),
    ):
        came = getattr(settings, name)
        if came is not None and not least <= came <= most:
            raise SettingsError(f"{name} must lie in {least}..{most}, not {came:g}")
    if not 0 <= settings.operator_port <= 65535:
        raise SettingsError(
            f"metrics_port must lie in 0..65535, not {settings.operator_port}: where none is "
            "given, it is port + 1"
        )
    if not 0 < settings.request_timeout_s <= _MOST_TIMEOUT_S:
        raise SettingsError(f"request_timeout_s must lie above 0 and be at most {_MOST_TIMEOUT_S}")


def _require_address(trusted_proxy: str | None) -> None:
    # An address and never a name or "*": whoever is believed writes the log's addresses.
    try:
        if trusted_proxy is not None:
            ipaddress.ip_address(trusted_proxy)
    except ValueError as error:
        raise SettingsError(
            f"trusted_proxy must be the IP address of one proxy, not {trusted_proxy!r}"
        ) from error
