"""/images: pictures put into the index, listed, looked at and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BadRequest
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Upserted
from alexnet_server.parameters import Parameters, identifier, json_body, label
from alexnet_server.problem import picture_error
from alexnet_server.served import Served
from alexnet_server.storing import Description, descriptions, store

_PAGE = 100
_MAX_PAGE = 1000
_MAX_DELETED = 10_000


def blueprint(served: Served) -> Blueprint:
    """The endpoints that change or show the index."""
    routes = Blueprint("images", __name__)
    _register_storing(routes, served)
    _register_showing(routes, served)
    _register_deleting(routes, served)
    return routes


def _register_storing(routes: Blueprint, served: Served) -> None:
    limits = served.settings.limits

    @routes.put("/images/<picture_id>")
    def put(picture_id: str) -> ResponseReturnValue:
        Parameters(request.args, ())
        submission = uploads.read(this_call(), request, limits, fields=("label", "metadata"))
        if len(submission.uploads) != 1:
            raise BadRequest("PUT stores one picture: POST /images takes several")
        (described,) = descriptions(submission, limits)
        described = Description(identifier(picture_id), described.label, described.metadata)

        def work(deployed: Deployed) -> ResponseReturnValue:
            (result,) = store(served, deployed, this_call(), submission.uploads, [described])
            if isinstance(result, PictureError):
                raise result
            answer = {"model": deployed.model()} | _shown(result)
            return answer, 201 if result.created else 200

        return served.answer(this_call(), work)

    @routes.post("/images")
    def post() -> ResponseReturnValue:
        Parameters(request.args, ())
        submission = uploads.read(this_call(), request, limits, fields=("id", "label", "metadata"))
        described = descriptions(submission, limits)

        def work(deployed: Deployed) -> ResponseReturnValue:
            results = store(served, deployed, this_call(), submission.uploads, described)
            if len(results) == 1 and isinstance(results[0], PictureError):
                raise results[0]
            shown = [
                {"filename": upload.filename} | _shown(result)
                for upload, result in zip(submission.uploads, results, strict=True)
            ]
            return {"model": deployed.model(), "results": shown}

        return served.answer(this_call(), work)


def _register_showing(routes: Blueprint, served: Served) -> None:
    @routes.get("/images")
    def page() -> ResponseReturnValue:
        parameters = Parameters(request.args, ("cursor", "limit", "label"))
        after = parameters.text("cursor") or ""
        limit = parameters.integer("limit", _PAGE, 1, _MAX_PAGE)
        label = parameters.text("label")
        found = served.answer(
            this_call(), lambda deployed: deployed.pictures().page(after, limit, label)
        )
        return {
            "images": [picture.as_json() for picture in found.pictures],
            "next_cursor": found.next_cursor,
            "count": found.count,
        }

    @routes.get("/images/<picture_id>")
    def get(picture_id: str) -> ResponseReturnValue:
        Parameters(request.args, ())
        name = identifier(picture_id)
        return served.answer(this_call(), lambda deployed: deployed.pictures().get(name)).as_json()

    @routes.get("/images/<picture_id>/thumbnail")
    def thumbnail(picture_id: str) -> ResponseReturnValue:
        Parameters(request.args, ())
        name = identifier(picture_id)
        jpeg = served.answer(this_call(), lambda deployed: deployed.pictures().thumbnail(name))
        return Response(jpeg, mimetype="image/jpeg")


def _register_deleting(routes: Blueprint, served: Served) -> None:
    limits = served.settings.limits

    @routes.delete("/images/<picture_id>")
    def delete(picture_id: str) -> ResponseReturnValue:
        Parameters(request.args, ())
        name = identifier(picture_id)

        def work(deployed: Deployed) -> None:
            deployed.pictures().get(name)  # 404 where there is none
            deployed.pictures().delete([name], this_call().left_s())

        served.answer(this_call(), work)
        response = Response(status=204)
        del response.headers["Content-Type"]  # there is no content
        return response

    @routes.post("/images/delete")
    def delete_where() -> ResponseReturnValue:
        Parameters(request.args, ())
        body = json_body(request, limits.max_json_bytes)
        wanted = body.get("label")
        if body.keys() == {"label"} and isinstance(wanted, str):
            text = label(wanted, limits)
            return _deleted(served, lambda index, left_s: index.delete_label(text, left_s))
        ids = body.get("ids")
        if body.keys() == {"ids"} and isinstance(ids, list) and len(ids) <= _MAX_DELETED:
            if not all(isinstance(one, str) for one in ids):
                raise BadRequest("ids must be text")
            names = [identifier(one) for one in ids]
            return _deleted(served, lambda index, left_s: index.delete(names, left_s))
        raise BadRequest(
            f'the body must be {{"label": "..."}} or {{"ids": [up to {_MAX_DELETED:,} ids]}}'
        )


def _deleted(served: Served, delete: Callable[[PictureIndex, float], int]) -> ResponseReturnValue:
    call = this_call()
    count = served.answer(call, lambda deployed: delete(deployed.pictures(), call.left_s()))
    return {"deleted": count}


def _shown(result: Upserted | PictureError) -> dict[str, Any]:
    if isinstance(result, PictureError):
        return {"error": picture_error(result)}
    return {"created": result.created} | result.picture.as_json()
