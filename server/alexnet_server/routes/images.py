"""/images: pictures put into the index, listed, looked at and deleted."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BadRequest
from alexnet_server.index.records import Deleted, Upserted
from alexnet_server.index.where import Where, parse_where
from alexnet_server.parameters import Parameters, identifier, json_body, label
from alexnet_server.problem import picture_error
from alexnet_server.served import Served
from alexnet_server.settings import Limits
from alexnet_server.storing import Description, delete_from, descriptions, store

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
        parameters = Parameters(request.args, ("cursor", "limit", "label", "where"))
        after = parameters.text("cursor") or ""
        limit = parameters.integer("limit", _PAGE, 1, _MAX_PAGE)
        where = parameters.where()
        found = served.answer(
            this_call(), lambda deployed: deployed.pictures().page(after, limit, where)
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
        response = Response(jpeg, mimetype="image/jpeg")
        response.set_etag(hashlib.sha256(jpeg).hexdigest())
        return response.make_conditional(request)


def _register_deleting(routes: Blueprint, served: Served) -> None:
    limits = served.settings.limits

    @routes.delete("/images/<picture_id>")
    def delete(picture_id: str) -> ResponseReturnValue:
        Parameters(request.args, ())
        name = identifier(picture_id)

        def work(deployed: Deployed) -> None:
            deployed.pictures().get(name)  # 404 where there is none
            delete_from(served, deployed.pictures(), this_call(), [name])

        served.answer(this_call(), work)
        response = Response(status=204)
        del response.headers["Content-Type"]  # there is no content
        return response

    @routes.post("/images/delete")
    def delete_several() -> ResponseReturnValue:
        Parameters(request.args, ())
        body = json_body(request, limits.max_json_bytes)
        ids, where = _chosen_ids(body), _chosen_where(body, limits)
        if (ids is None) == (where is None):
            raise BadRequest(
                'the body must be {"label": "..."}, {"where": {...}}, both of them, or '
                f'{{"ids": [up to {_MAX_DELETED:,} ids]}}'
            )

        def work(deployed: Deployed) -> Deleted:
            return delete_from(served, deployed.pictures(), this_call(), ids or [], where)

        done = served.answer(this_call(), work)
        return {"deleted": done.deleted, "left": done.left}


def _chosen_ids(body: dict[str, Any]) -> list[str] | None:
    ids = body.get("ids")
    if body.keys() != {"ids"} or not isinstance(ids, list) or len(ids) > _MAX_DELETED:
        return None
    if not all(isinstance(one, str) for one in ids):
        raise BadRequest("ids must be text")
    return [identifier(one) for one in ids]


def _chosen_where(body: dict[str, Any], limits: Limits) -> Where | None:
    text = body.get("label")
    if not body or not body.keys() <= {"label", "where"}:
        return None
    if "label" in body and not isinstance(text, str):
        return None
    try:
        where = parse_where(body.get("where", {}), None if text is None else label(text, limits))
    except ValueError as error:
        raise BadRequest(f"where: {error}") from error
    if body.get("where") == {}:  # also beside a label: it may be a mistake, and deletes more
        raise BadRequest("where is empty: alone it would mean every picture")
    return where


def _shown(result: Upserted | PictureError) -> dict[str, Any]:
    if isinstance(result, PictureError):
        return {"error": picture_error(result)}
    return {"created": result.created} | result.picture.as_json()
