"""POST /towers: what a picture lights up in the first layer of each tower."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import views
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.parameters import Parameters
from alexnet_server.problem import picture_error, picture_problem
from alexnet_server.served import Served
from alexnet_server.sight import decode_upload

_MAPS = 6
_MAX_MAPS = 12


def register(routes: Blueprint, served: Served) -> None:
    """Add the endpoint to ``routes``."""

    @routes.post("/towers")
    def towers() -> ResponseReturnValue:
        count = Parameters(request.args, ("maps",)).integer("maps", _MAPS, 1, _MAX_MAPS)
        given = uploads.read(this_call(), request, served.settings.limits).uploads

        def work(deployed: Deployed) -> ResponseReturnValue:
            call, results = this_call(), []
            for upload in given:
                with call.span("decode"):
                    pixels = decode_upload(served, call, upload)
                result: dict[str, Any] = {"filename": upload.filename}
                if isinstance(pixels, PictureError):
                    if len(given) == 1:
                        return picture_problem(pixels)
                    result["error"] = picture_error(pixels)
                else:
                    call.require_wanted()
                    with call.span("infer"):
                        layer = deployed.first_layer
                        maps = layer.maps(views(pixels, 1)[0])
                        result["towers"] = layer.strongest(maps, count)
                results.append(result)
            return {"model": deployed.model(), "results": results}

        return served.answer(this_call(), work)
