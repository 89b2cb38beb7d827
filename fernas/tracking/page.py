"""The MLflow page for browsing: it answers reads and searches only, on localhost, to those who know its token.

MLflow's own server has interfaces without authentication that write to the store and run commands (assistant, jobs,
gateway). Any user of the machine, and any page in a browser on it, reaches localhost. So only MLflow's Flask
application is served, in this process, behind `guard`.
"""

import hmac
import re
import secrets
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fernas.core.errors import ConfigError

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
API = r"/(?:ajax-)?api/[23]\.0/mlflow"
READ = re.compile(
    r"/|/health|/version|/server-info|/static-files/.*|/get-artifact|/model-versions/get-artifact"
    rf"|{API}/(?:experiments|runs|metrics|artifacts|logged-models|registered-models|model-versions|traces|datasets)/.*"
    rf"|{API}/(?:get-trace-artifact|server-info|ui-telemetry)"
)
SEARCH = re.compile(
    rf"/graphql|{API}/(?:experiments|runs|logged-models|registered-models|model-versions|traces)/search(?:-[a-z-]+)?"
    rf"|{API}/experiments/search-datasets"
)


def guard(application: Application, port: int, token: str) -> Application:
    """A WSGI application that passes on only what browsing needs.

    Refused with 403: a Host header other than 127.0.0.1 and localhost (DNS rebinding), a request from another origin,
    and one without the token, which comes once as `?token=` and then as a cookie. Refused with 405: every method but
    GET, HEAD and the POST of a search. Refused with 404: every path that browsing does not need.

    Args:
        application: MLflow's.
        port: the port of the page.
        token: what a browser has to know.
    """
    cookie = f"fernas-{port}"  # browsers send cookies to every port of a host, so that two pages need two names
    hosts = {f"{name}:{port}" for name in NAMES}

    def guarded(environ: Environ, start: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if host not in hosts or origin not in (None, f"http://{host}"):
            return _refuse(start, HTTPStatus.FORBIDDEN, f"this page answers to {' and '.join(sorted(hosts))} only")
        given = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if path == "/" and _same(given, token):
            start("303 See Other", [("Location", "/"), ("Set-Cookie", f"{cookie}={token}; HttpOnly; SameSite=Strict")])
            return [b""]
        if not _same(_cookie(environ, cookie), token):
            return _refuse(start, HTTPStatus.FORBIDDEN, "open the address that `fernas track ui` printed")
        reads = method in ("GET", "HEAD")
        if reads and not READ.fullmatch(path):
            return _refuse(start, HTTPStatus.NOT_FOUND, f"{path}: not part of this page")
        if not reads and not (method == "POST" and SEARCH.fullmatch(path)):
            return _refuse(start, HTTPStatus.METHOD_NOT_ALLOWED, f"{method} {path}: this page only reads")
        return application(environ, start)

    return guarded


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _cookie(environ: Environ, name: str) -> str:
    try:
        morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _refuse(start: StartResponse, status: HTTPStatus, message: str) -> Iterable[bytes]:
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{message}\n".encode()]


def page_server(application: Application, port: int, token: str) -> "BaseWSGIServer":
    """A server of the guarded page on localhost; its `port` is the one that was free where 0 was asked for.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: a line per request would hide the address, and one of them holds the token."""

    try:
        listening = socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--port {port}: {error}; choose another one") from error
    with listening:
        port = listening.getsockname()[1]
        # the server duplicates the handle, so that no other process can take the port in between
        handle = listening.fileno()
        guarded = guard(application, port, token)
        return make_server(HOST, port, guarded, threaded=True, request_handler=Quiet, fd=handle)


def serve(store: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page of a store until Ctrl-C.

    Args:
        store: the SQLite file of the mirror.
        port: on localhost.
        announce: receives the address with the token.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    from fernas.tracking._mlflow import flask_application

    token = secrets.token_urlsafe(32)
    with page_server(flask_application(store), port, token) as server:
        announce(f"http://{HOST}:{server.port}/?token={token}#/experiments?workflowType=machine_learning")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
