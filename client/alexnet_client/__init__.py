"""Python client and command line of AlexNet Server.

::

    from alexnet_client import Client

    with Client("http://127.0.0.1:8080") as client:
        print(client.classify("cat.jpg").top.label)
"""

from alexnet_client.client import AsyncClient, Client
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
from alexnet_client.picture import Picture, Upload
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
from alexnet_client.timeouts import Timeouts

__all__ = [
    "Added",
    "AsyncClient",
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
    "Picture",
    "Prediction",
    "SearchResult",
    "ServerFault",
    "ServerUnreachable",
    "StoredPicture",
    "Timeout",
    "Timeouts",
    "UnexpectedReply",
    "Upload",
    "walk",
]
