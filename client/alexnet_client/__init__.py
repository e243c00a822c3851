"""Python client and command line of AlexNet Server.

::

    from alexnet_client import Client

    with Client("http://127.0.0.1:8080") as client:
        print(client.classify("cat.jpg").top.label)
"""

from alexnet_client.client import Client
from alexnet_client.duplicates import DuplicateGroup
from alexnet_client.errors import (
    BadPicture,
    BadRequest,
    ClientError,
    Conflict,
    NotAllowed,
    NotFound,
    Overloaded,
    ServerFault,
    ServerUnreachable,
    Timeout,
    UnexpectedReply,
)
from alexnet_client.folder import FolderPicture, walk
from alexnet_client.results import (
    Added,
    Classification,
    Features,
    ModelCard,
    ModelRef,
    Neighbor,
    Prediction,
    SearchResult,
    StoredPicture,
)

__all__ = [
    "Added",
    "BadPicture",
    "BadRequest",
    "Classification",
    "Client",
    "ClientError",
    "Conflict",
    "DuplicateGroup",
    "Features",
    "FolderPicture",
    "ModelCard",
    "ModelRef",
    "Neighbor",
    "NotAllowed",
    "NotFound",
    "Overloaded",
    "Prediction",
    "SearchResult",
    "ServerFault",
    "ServerUnreachable",
    "StoredPicture",
    "Timeout",
    "UnexpectedReply",
    "walk",
]
