"""HTTP answered inside the process: every httpx request goes to one function.

respx patches httpx's transport for the whole process, so there is one router, entered for as long
as a run lasts, and it hands every request to a `responder`. Sequences, matching and what an
unanswered request means are the responder's business; respx's own routes and side-effect lists
are not used (an exhausted list raises a bare StopIteration, and what a route's side effect raises
comes out with respx's own exception as its cause).

A stub is written under a *request key*, `METHOD URL`. Two URLs are the same when they agree after

* the scheme and the host are in lower case, and the default port is dropped;
* an empty path is `/`, and each segment is percent-encoded in one way;
* the pairs of the query are sorted: their order does not matter, but all of them do. A key
  without a query does not match a request with one;
* the fragment is dropped, as it never leaves the client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

from pytest_highway.errors import HighwayError, did_you_mean
from pytest_highway.toolbox.json_body import ABSENT, parse_body

if TYPE_CHECKING:
    import httpx
    import respx

__all__ = [
    "ABSENT",
    "HttpAnswer",
    "HttpRequest",
    "Responder",
    "answering",
    "key_matches",
    "request_key",
]

# RFC 9110, PATCH, and WebDAV's. Anything else is more likely a typo than a method.
METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"),
    *("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"),
)
DEFAULT_PORTS = {"http": 80, "https": 443}
PATH_CHARACTERS = ":@!$&'()*+,;="
# These answers have no body, whatever a stub gives.
BODILESS = (204, 304)
JSON_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it would have gone out."""

    method: str
    url: str  # in full, with its query
    headers: Mapping[str, str]  # names in lower case
    text: str  # the body
    json: object | None  # the parsed body when the request says that it is JSON and it is


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer to give: `json` or `text` makes the body, neither leaves it empty."""

    status: int = 200
    json: object = ABSENT  # null is a body
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.json is not ABSENT and self.text is not None:
            raise ValueError("an answer has a json or a text, not both")


Responder = Callable[[HttpRequest], HttpAnswer]

# The responders of all open `answering` blocks. respx asks the oldest router first, but the
# innermost block is to answer; so every router asks the youngest of these.
RESPONDERS: list[Responder] = []


@contextmanager
def answering(responder: Responder) -> Iterator[None]:
    """While it is open, `responder` answers every httpx request of the process, sync and async.

    What it raises comes out of the httpx call as it is. It may be called from several threads at
    once, and from an event loop: it must not wait. Blocks nest, and the innermost answers.
    HighwayError when httpx or respx is not installed.
    """
    RESPONDERS.append(responder)
    try:
        with router_class()(assert_all_called=False, assert_all_mocked=False):
            yield
    finally:
        RESPONDERS.remove(responder)


@cache
def router_class() -> type[respx.MockRouter]:
    """The router that skips routes and calls the youngest responder."""
    try:
        import respx  # which imports httpx
    except ImportError as error:
        hint = 'pip install "pytest-highway[http]"'
        raise HighwayError(f"HTTP stubs need httpx and respx; {hint}") from error

    class OneAnswer(respx.MockRouter):
        """A catch-all: nothing can be left unanswered, and no list of calls grows."""

        def handler(self, request: httpx.Request) -> httpx.Response:
            return make_response(RESPONDERS[-1](read_request(request)), request.method)

        async def async_handler(self, request: httpx.Request) -> httpx.Response:
            return self.handler(request)

    return OneAnswer


def read_request(request: httpx.Request) -> HttpRequest:
    """The request as plain data; respx has read its body."""
    headers = dict(request.headers)
    value = parse_body(request.content, headers.get("content-type", ""))
    return HttpRequest(
        method=request.method,
        url=str(request.url),
        headers=headers,
        text=request.content.decode(errors="replace"),
        json=None if value is ABSENT else value,
    )


def make_response(answer: HttpAnswer, method: str) -> httpx.Response:
    """The answer in httpx's terms, without a body where HTTP knows none."""
    import httpx

    # A body stands in a stub as it is read: with this header the client would decode it again.
    headers = {name.lower(): value for name, value in answer.headers.items()}
    headers.pop("content-encoding", None)
    if answer.json is not ABSENT:
        # Not httpx's own `json`: null would mean no body there.
        content = json.dumps(answer.json, ensure_ascii=False, allow_nan=False).encode()
        response = httpx.Response(answer.status, headers=JSON_HEADERS | headers, content=content)
    else:
        response = httpx.Response(answer.status, headers=headers, text=answer.text)
    if method == "HEAD" or answer.status in BODILESS:
        return httpx.Response(answer.status, headers=response.headers)
    return response


def request_key(text: str) -> tuple[str, str]:
    """Method and URL of `GET https://api.test/todos/1`, normalized; ValueError with a sentence."""
    words = text.split()
    if len(words) != 2:
        example = "'GET https://api.test/todos/1'"
        raise ValueError(f"{text!r} is no request; write a method and a URL, as in {example}")
    method, url = words[0].upper(), words[1]
    if method not in METHODS:
        near = did_you_mean(method, METHODS)
        raise ValueError(f"{text!r}: {words[0]!r} is no HTTP method{near}")
    return method, normal_url(url)


def key_matches(key: tuple[str, str], request: HttpRequest) -> bool:
    """Whether a request is the one that a key of `request_key` means: method, URL and query."""
    return key == (request.method.upper(), normal_url(request.url))


@lru_cache(maxsize=1024)
def normal_url(url: str) -> str:
    """The form in which two URLs of one resource are equal; ValueError with a sentence."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise ValueError(f"{url!r} is no http or https URL with a host")
    if "@" in parts.netloc:
        raise ValueError(f"{url!r} holds credentials; they are sent as a header and match nothing")
    address = f"[{host}]" if ":" in host else host
    place = address if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{address}:{port}"
    pairs = sorted(parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape"))
    query = urlencode(pairs, errors="surrogateescape")
    return f"{parts.scheme}://{place}{normal_path(parts.path)}{'?' if query else ''}{query}"


def normal_path(path: str) -> str:
    """Each segment decoded and encoded again; an encoded slash stays different from a slash."""
    segments = (path or "/").split("/")
    return "/".join(quote(unquote_to_bytes(each), safe=PATH_CHARACTERS) for each in segments)
