"""The MLflow page: reads and searches pass with the token; everything else is refused before MLflow sees it."""

import http.client
import threading

import pytest

from fernas.core.errors import ConfigError
from fernas.tracking.page import READ, SEARCH, guard, page_server

PORT = 5000
TOKEN = "secret"
API = "/ajax-api/2.0/mlflow"
COOKIE = f"fernas-{PORT}={TOKEN}"


def ask(method="GET", path="/", cookie=COOKIE, host=f"127.0.0.1:{PORT}", **environ):
    """(status, headers, body) of a request to a page over an application that says that it was reached."""

    def application(environ, start):
        start("200 OK", [])
        return [b"reached"]

    answer = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": host, "HTTP_COOKIE": cookie, **environ}
    body = b"".join(guard(application, PORT, TOKEN)(environ, lambda *parts: answer.append(parts)))
    ((status, headers),) = answer
    return int(status[:3]), dict(headers), body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/static-files/js/main.js"),
        ("GET", f"{API}/experiments/get"),
        ("GET", f"{API}/metrics/get-history-bulk-interval"),
        ("GET", f"{API}/artifacts/list"),
        ("GET", "/get-artifact"),
        ("HEAD", "/"),
        ("POST", f"{API}/runs/search"),
        ("POST", f"{API}/experiments/search-datasets"),
        ("POST", "/graphql"),
    ],
)
def test_what_browsing_needs_passes(method, path):
    assert ask(method, path) == (200, {}, b"reached")


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (404, "GET", "/ajax-api/3.0/mlflow/assistant/config"),
        (404, "GET", f"{API}/gateway-proxy"),
        (404, "GET", "/ajax-api/3.0/jobs/1"),
        (404, "GET", f"{API}/assistant/../experiments/get"),
        (405, "PUT", "/ajax-api/3.0/mlflow/assistant/config"),
        (405, "POST", "/ajax-api/3.0/mlflow/assistant/message"),
        (405, "POST", f"{API}/experiments/create"),
        (405, "POST", f"{API}/runs/log-batch"),
        (405, "POST", f"{API}/runs/search/../delete"),
        (405, "POST", f"{API}/upload-artifact"),
        (405, "POST", "/v1/traces"),
        (405, "PUT", "/api/2.0/mlflow-artifacts/artifacts/x"),
        (405, "DELETE", f"{API}/registered-models/delete"),
        (405, "OPTIONS", f"{API}/runs/search"),
    ],
)
def test_everything_else_is_refused_with_the_token_too(status, method, path):
    assert ask(method, path)[0] == status


@pytest.mark.parametrize("host", ["10.evil.example:5000", "192.168.evil.example", "evil.example", "127.0.0.1:6000", ""])
def test_other_names_of_the_machine_are_refused(host):
    assert ask(host=host)[0] == 403
    assert ask(host="localhost:5000")[0] == 200


def test_pages_of_other_ports_are_refused():
    assert ask(path=f"{API}/experiments/get", HTTP_ORIGIN="http://localhost:6000")[0] == 403
    assert ask("POST", f"{API}/runs/search", HTTP_ORIGIN="null")[0] == 403
    assert ask("POST", f"{API}/runs/search", HTTP_ORIGIN="http://127.0.0.1:5000")[0] == 200


def test_the_token_comes_once_in_the_address_and_then_as_a_cookie():
    status, headers, _ = ask(cookie="", QUERY_STRING=f"token={TOKEN}")
    assert (status, headers["Location"]) == (303, "/") and headers["Set-Cookie"].startswith(f"{COOKIE}; HttpOnly")
    for cookie in ("", "fernas-5000=wrong", f"fernas-6000={TOKEN}", "=;;"):
        assert ask(cookie=cookie)[0] == 403
        assert ask(cookie=cookie, QUERY_STRING="token=wrong")[0] == 403
    assert ask(path=f"{API}/experiments/get", cookie="", QUERY_STRING=f"token={TOKEN}")[0] == 403


def test_no_route_of_mlflow_that_writes_passes(tmp_path):
    from fernas.tracking._mlflow import flask_application

    rules = list(flask_application(tmp_path / "mlflow.db").url_map.iter_rules())
    assert len(rules) > 100
    writing = [rule.rule for rule in rules if {"POST", "PUT", "PATCH", "DELETE"} & set(rule.methods)]
    passed = {rule for rule in writing if SEARCH.fullmatch(rule)}
    assert len(passed) > 5 and all("search" in rule or rule == "/graphql" for rule in passed)
    unread = [rule.rule for rule in rules if "GET" in rule.methods and not READ.fullmatch(rule.rule)]
    assert any("gateway" in rule for rule in unread)


def test_the_page_is_on_localhost_alone_and_a_taken_port_is_said():
    def application(environ, start):
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with page_server(application, 0, TOKEN) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/", headers={"Cookie": f"fernas-{server.port}={TOKEN}"})
        assert connection.getresponse().read() == b"ok"
        connection.request("GET", "/")
        assert connection.getresponse().status == 403
        with pytest.raises(ConfigError, match=f"--port {server.port}: .*choose another"):
            page_server(application, server.port, TOKEN)
        server.shutdown()
    with pytest.raises(ConfigError, match="--port 99999"):
        page_server(application, 99999, TOKEN)
