"""HTTP answered inside the process, and the keys that name a request."""

from __future__ import annotations

import asyncio
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from tool_host import RecordingHost

from pytest_highway.cases import http_stub
from pytest_highway.cases.http_stub import (
    HttpAnswer,
    HttpRequest,
    answering,
    key_matches,
    request_key,
)
from pytest_highway.errors import HighwayError
from pytest_highway.tools import discover

URL = "https://api.test/todos/1"


def send_sync(method, url, **options):
    """One request of a synchronous client."""
    with httpx.Client() as client:
        return client.request(method, url, **options)


def send_async(method, url, **options):
    """The same of an asynchronous one."""

    async def send():
        async with httpx.AsyncClient() as client:
            return await client.request(method, url, **options)

    return asyncio.run(send())


def always(answer):
    """A responder that gives one answer."""
    return lambda request: answer


both_clients = pytest.mark.parametrize("send", [send_sync, send_async])


@both_clients
def test_a_responder_sees_the_whole_request(send):
    """As plain data: full URL, lower-case header names, the body as text and parsed."""
    seen = []

    def respond(request):
        seen.append(request)
        return HttpAnswer()

    with answering(respond):
        send("POST", f"{URL}?a=1&b=%20", json={"t": "ä"}, headers={"X-Test": "yes"})
    [request] = seen
    assert (request.method, request.url) == ("POST", f"{URL}?a=1&b=%20")
    assert (request.headers["x-test"], request.headers["host"]) == ("yes", "api.test")
    assert (request.text, request.json) == ('{"t":"ä"}', {"t": "ä"})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"content": "[1]"}, "[1]"),
        ({"content": "[1", "headers": {"content-type": "application/json"}}, "[1"),
        ({"content": b"\xff"}, "\ufffd"),
        ({"data": {"a": "b"}}, "a=b"),
        ({"content": iter([b"in ", b"pieces"])}, "in pieces"),
    ],
)
def test_a_body_that_is_no_json_is_only_text(options, text):
    """Its content type decides, and then whether it parses."""
    seen = []
    with answering(lambda request: seen.append(request) or HttpAnswer()):
        send_sync("POST", URL, **options)
    assert [(each.text, each.json) for each in seen] == [(text, None)]


@both_clients
@pytest.mark.parametrize(
    ("answer", "status", "kind", "text"),
    [
        (HttpAnswer(), 200, None, ""),
        (HttpAnswer(418, {"a": "ä"}), 418, "application/json", '{"a": "ä"}'),
        (HttpAnswer(json=None), 200, "application/json", "null"),
        (HttpAnswer(text="ä"), 200, "text/plain; charset=utf-8", "ä"),
        (HttpAnswer(text="", headers={"Content-Type": "text/html"}), 200, "text/html", ""),
        (HttpAnswer(json=[], headers={"Content-Type": "a/b+json"}), 200, "a/b+json", "[]"),
        (HttpAnswer(text="x", headers={"Content-Encoding": "gzip"}), 200, "text/plain;", "x"),
        (HttpAnswer(204, {"a": 1}), 204, "application/json", ""),
    ],
)
def test_an_answer_arrives_as_from_a_server(send, answer, status, kind, text):
    """With the content type of its body, unless it names one, and no body where HTTP has none."""
    with answering(always(answer)):
        found = send("GET", URL)
    assert (found.status_code, found.text) == (status, text)
    assert str(found.headers.get("content-type")).startswith(str(kind))


def test_an_answer_to_head_has_headers_and_no_body():
    """A stub must not answer what no server could."""
    with answering(always(HttpAnswer(json={"a": 1}))):
        found = send_sync("HEAD", URL)
    assert (found.content, found.headers["content-length"]) == (b"", "8")


def test_an_answer_has_one_body():
    """Both would leave one unread."""
    with pytest.raises(ValueError, match="an answer has a json or a text, not both"):
        HttpAnswer(json=1, text="x")


@both_clients
@pytest.mark.parametrize(
    "error", [ConnectionError("reset"), httpx.ReadTimeout("slow"), KeyError("k"), SystemExit("out")]
)
def test_what_a_responder_raises_comes_out_as_it_is(send, error):
    """The same object, without a cause that it did not have."""

    def respond(request):
        raise error

    with answering(respond), pytest.raises(type(error), match=r"reset|slow|k|out") as caught:
        send("GET", URL)
    assert caught.value is error
    assert caught.value.__cause__ is None


def test_the_fetch_tools_are_answered():
    """They are real clients."""
    tool = discover(entry_points=False).get("tools.fetch.get")
    answer = HttpAnswer(200, {"title": "milk"}, headers={"X-Id": "7"})
    with answering(always(answer)):
        found = tool.invoke(RecordingHost().context(), [URL], {})
    assert (found["status"], found["data"]) == (200, {"title": "milk"})
    assert found["headers"]["x-id"] == "7"


def test_redirects_go_through_the_responder():
    """Each hop is a request of its own."""
    hops = {
        "https://a.test/": HttpAnswer(302, headers={"location": "https://b.test/end"}),
        "https://b.test/end": HttpAnswer(text="there"),
    }
    with answering(lambda request: hops[request.url]):
        found = httpx.get("https://a.test/", follow_redirects=True)
    assert found.text == "there"


def test_a_client_made_before_is_answered_too():
    """The transport is patched, not the client."""
    with httpx.Client() as client, answering(always(HttpAnswer(201))):
        assert client.get(URL).status_code == 201


def test_threads_are_answered():
    """respx patches the process, not the thread."""
    found = []
    with answering(always(HttpAnswer(202))):
        thread = Thread(target=lambda: found.append(send_sync("GET", URL).status_code))
        thread.start()
        thread.join()
    assert found == [202]


def test_of_nested_blocks_the_innermost_answers():
    """And the outer one again when it has ended."""
    statuses = []
    with answering(always(HttpAnswer(201))):
        statuses.append(send_sync("GET", URL).status_code)
        with answering(always(HttpAnswer(202))):
            statuses.append(send_sync("GET", URL).status_code)
        statuses.append(send_sync("GET", URL).status_code)
    assert statuses == [201, 202, 201]


@pytest.fixture
def address():
    """A real server on this machine that says `real`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"real")

        def log_message(self, *args):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/"
        listening.shutdown()
        thread.join()


def leave(error):
    """Open and leave a block, with or without an error."""
    with answering(always(HttpAnswer(text="stubbed"))):
        assert send_sync("GET", "http://127.0.0.1:1/").text == "stubbed"
        raise error


@both_clients
@pytest.mark.parametrize("error", [ValueError("over"), KeyboardInterrupt()])
def test_the_real_transport_is_back_after_the_block(address, send, error):
    """Also when the block ends by an exception."""
    with pytest.raises(type(error)):
        leave(error)
    assert send("GET", address).text == "real"
    assert http_stub.RESPONDERS == []


def test_without_respx_it_says_how_to_install_it(monkeypatch):
    """It comes with an extra, and nothing stays behind."""
    monkeypatch.setattr(http_stub, "router_class", http_stub.router_class.__wrapped__)
    monkeypatch.setitem(sys.modules, "respx", None)
    with (
        pytest.raises(HighwayError, match=r'need httpx and respx; pip install "pytest-highway\[h'),
        answering(always(HttpAnswer())),
    ):
        pass
    assert http_stub.RESPONDERS == []


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("GET https://api.test/todos/1", ("GET", "https://api.test/todos/1")),
        ("  post\thttps://api.test  ", ("POST", "https://api.test/")),
        ("GET HTTPS://API.Test:443/A", ("GET", "https://api.test/A")),
        ("GET http://api.test:80", ("GET", "http://api.test/")),
        ("GET http://api.test:443/", ("GET", "http://api.test:443/")),
        ("GET http://[::1]:8080/a", ("GET", "http://[::1]:8080/a")),
        ("GET https://api.test/?b=2&a=1&a=0", ("GET", "https://api.test/?a=0&a=1&b=2")),
        ("GET https://api.test/?q=a%20b", ("GET", "https://api.test/?q=a+b")),
        ("GET https://api.test/?flag", ("GET", "https://api.test/?flag=")),
        ("GET https://api.test/?", ("GET", "https://api.test/")),
        ("GET https://api.test/a#part", ("GET", "https://api.test/a")),
        ("GET https://api.test/ä/%7Ea", ("GET", "https://api.test/%C3%A4/~a")),
        ("GET https://api.test/a%2fb/c", ("GET", "https://api.test/a%2Fb/c")),
        ("GET https://ä.test/", ("GET", "https://xn--4ca.test/")),
        ("PROPFIND https://api.test/", ("PROPFIND", "https://api.test/")),
    ],
)
def test_a_key_is_normalized(text, key):
    """Two ways to write one request give one key."""
    assert request_key(text) == key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no request; write a method and a URL, as in 'GET https://api.test/todos/1'"),
        ("GET", "'GET' is no request"),
        ("https://api.test/", "is no request"),
        ("GET https://api.test/a b", "is no request"),
        ("GTE https://api.test/", "'GTE' is no HTTP method; did you mean 'GET'?"),
        ("GET api.test/todos", "'api.test/todos' is no http or https URL with a host"),
        ("GET ftp://api.test/", "is no http or https URL"),
        ("GET https:///a", "with a host"),
        ("GET https://[::1/", "'https://[::1/' is no URL: Invalid IPv6 URL"),
        ("GET https://api.test:port/", "is no URL: Port could not be cast"),
        ("GET https://a..test/", "is no URL"),
        ("GET https://me:secret@api.test/", "holds credentials"),
    ],
)
def test_a_text_that_is_no_key_is_refused_with_a_sentence(text, message):
    """A stub that nothing could match tests nothing."""
    with pytest.raises(ValueError, match=r"is no|holds") as caught:
        request_key(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("method", "url", "matches"),
    [
        ("GET", "https://api.test/todos?b=2&a=1", True),
        ("get", "https://API.test:443/todos?b=2&a=1", True),
        ("POST", "https://api.test/todos?b=2&a=1", False),
        ("GET", "http://api.test/todos?b=2&a=1", False),
        ("GET", "https://api.test/todos", False),
        ("GET", "https://api.test/todos?a=1", False),
        ("GET", "https://api.test/todos?a=1&b=2&b=2", False),
        ("GET", "https://api.test/todos/?a=1&b=2", False),
    ],
)
def test_a_key_matches_method_url_and_the_whole_query(method, url, matches):
    """The order of the query's pairs is all that may differ."""
    key = request_key("GET https://api.test/todos?a=1&b=2")
    assert key_matches(key, HttpRequest(method, url, {}, "", None)) is matches


def test_a_key_without_a_query_matches_none():
    """Otherwise a stub for the list would answer every search."""
    key = request_key("GET https://api.test/todos")
    assert not key_matches(key, HttpRequest("GET", "https://api.test/todos?a=1", {}, "", None))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.test",
        "https://API.test:443/x",
        "http://127.0.0.1:8080/a b",
        "http://[::1]/x?q=ä ö&q=",
        "https://ä.test/ü/'(*)'/%2F?x=[1]'",
        "https://api.test/a?x=1#part",
        "https://api.test/~me;v=1/@home:now,then",
    ],
)
def test_a_key_matches_what_httpx_sends_for_the_same_url(url):
    """httpx encodes in its own way; that must not matter."""
    seen = []
    with answering(lambda request: seen.append(request) or HttpAnswer()):
        send_sync("GET", url)
    assert key_matches(("GET", http_stub.normal_url(url)), seen[0])
