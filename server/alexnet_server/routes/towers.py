"""POST /towers: what a picture lights up in the first layer of each tower."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import views
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.engine import Values
from alexnet_server.parameters import Parameters
from alexnet_server.routes.results import results
from alexnet_server.served import Served
from alexnet_server.sight import decode_upload
from alexnet_server.uploads import Upload

_MAPS = 6
_MAX_MAPS = 12


def register(routes: Blueprint, served: Served) -> None:
    """Add the endpoint to ``routes``."""

    @routes.post("/towers")
    def towers() -> ResponseReturnValue:
        count = Parameters(request.args, ("maps",)).integer("maps", _MAPS, 1, _MAX_MAPS)
        given = uploads.read(this_call(), request, served.settings.limits).uploads

        def work(deployed: Deployed) -> ResponseReturnValue:
            seen = [_look(served, deployed, upload) for upload in given]
            show = partial(deployed.first_layer.strongest, count=count)
            return results(deployed, given, seen, lambda maps: {"towers": show(maps)})

        return served.answer(this_call(), work)


def _look(served: Served, deployed: Deployed, upload: Upload) -> Values | PictureError:
    """conv1's maps of the picture's central view, float32 [kernels, s, s]."""
    call = this_call()
    with call.span("decode"):
        pixels = decode_upload(served, call, upload)
    if isinstance(pixels, PictureError):
        return pixels
    call.require_wanted()
    with call.span("infer"):
        return deployed.first_layer.maps(views(pixels, 1, deployed.engine.view_side)[0])
