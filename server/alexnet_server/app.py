"""The Flask application: endpoints around what is served."""

from __future__ import annotations

from flask import Flask, Response

from alexnet_server import arrival, problem
from alexnet_server.arrival import Observer
from alexnet_server.routes import about, classify, duplicates, images, search
from alexnet_server.served import Served

_TEXT_FIELDS = 3  # id, label and metadata, each once a picture


def create_app(served: Served, observers: tuple[Observer, ...] = ()) -> Flask:
    """An application that serves ``served``; it starts nothing and reads no environment.

    ``observers`` hear of every request when it has ended.
    """
    app = Flask("alexnet_server", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would name whatever Host was sent
    limits = served.settings.limits
    app.config["MAX_CONTENT_LENGTH"] = limits.max_request_bytes
    app.config["MAX_FORM_PARTS"] = limits.max_views * (1 + _TEXT_FIELDS) + 4
    # The limit of one text field; file parts do not count (Flask: MAX_FORM_MEMORY_SIZE).
    app.config["MAX_FORM_MEMORY_SIZE"] = 500_000
    arrival.register(app, served, observers)
    problem.register(app)
    for routes in (about, classify, search, duplicates, images):
        app.register_blueprint(routes.blueprint(served))

    @app.after_request
    def _harden(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
