"""`tools.fetch.get|post|put|patch|delete|head`: one HTTP request over httpx.

What a call returns is `{status, data, headers}`:

* `status` is the final one; redirects are followed. An error status is a value like any other:
  a workflow branches on it. Only when there is no answer at all an httpx exception is raised.
* `data` is the parsed body when the answer says that it is JSON and it is; null when there is no
  body, as after HEAD or with 204; the body as text in every other case.
* `headers` has lower-case names; what came several times is joined by `, `.

The body goes out as `json`, or as `data`: a mapping makes a form, a text is sent as it stands.
`timeout` is in seconds and holds for each step of the exchange (connecting, writing, waiting for
the next bytes), as in httpx. Without one it is what is left of the attempt, else 30 seconds.

Every call has a client of its own, so that no cookie of one case reaches the next. Only the TLS
context is shared: reading the certificates takes longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_highway.toolbox.json_body import ABSENT, parse_body
from pytest_highway.tools import Effects, ToolContext, ToolError, text_of, tool

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["delete", "get", "head", "patch", "post", "put"]

DEFAULT_TIMEOUT = 30.0


def define(method: str, effects: Effects) -> Callable[..., dict[str, object]]:
    """The tool for one method; all of them take the same arguments."""

    @tool(f"tools.fetch.{method.lower()}", effects=effects)
    def fetch(
        context: ToolContext,
        url: str,
        headers: Mapping[str, object] | None = None,
        json: object = None,
        data: object = None,
        params: Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> dict[str, object]:
        body = body_options(json, data)
        seconds = timeout_seconds(timeout, context.remaining())
        context.log.trace(f"Fetching {url}...")
        httpx = import_httpx()
        named = {key: text_of(value) for key, value in (headers or {}).items()}
        # httpx's own `params` would replace the query that the URL has.
        target = httpx.URL(url).copy_merge_params(params) if params else url
        with httpx.Client(verify=tls_context(), follow_redirects=True, timeout=seconds) as client:
            return answer_value(client.request(method, target, headers=named, **body))

    fetch.__name__ = fetch.__qualname__ = method.lower()
    fetch.__doc__ = f"Send a {method} request; returns `{{status, data, headers}}`."
    return fetch


get = define("GET", "read")
head = define("HEAD", "read")
post = define("POST", "write")
put = define("PUT", "write")
patch = define("PATCH", "write")
delete = define("DELETE", "write")


def body_options(json: object, data: object) -> dict[str, object]:
    """The body in httpx's terms; null means none. ToolError for both, and for other data."""
    if json is not None and data is not None:
        raise ToolError("tools.fetch takes a body as json or as data, not as both")
    if data is None:
        return {"json": json}
    if isinstance(data, Mapping):
        return {"data": data}
    if not isinstance(data, (str, bytes)):
        raise ToolError(f"data {data!r} is neither a mapping nor a text; is json meant?")
    return {"content": data}


def timeout_seconds(timeout: object, remaining: float | None) -> float:
    """The seconds that one step of the exchange may take; ToolError for what is no number."""
    if timeout is None:
        # A tool on a thread cannot be killed: it must not outlive its attempt by much.
        return DEFAULT_TIMEOUT if remaining is None else max(remaining, 0.001)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
        raise ToolError(f"timeout {timeout!r} is no number of seconds above 0")
    return float(timeout)


def import_httpx() -> ModuleType:
    """httpx, which only those need who fetch; ToolError that says how to get it."""
    try:
        import httpx
    except ImportError as error:
        hint = 'pip install "pytest-highway[http]"'
        raise ToolError(f"tools.fetch needs httpx, which is not installed; {hint}") from error
    return httpx


@cache
def tls_context() -> ssl.SSLContext:
    """One for the process."""
    context: ssl.SSLContext = import_httpx().create_ssl_context()
    return context


def answer_value(response: httpx.Response) -> dict[str, object]:
    """What the tool returns for an answer."""
    return {
        "status": response.status_code,
        "data": body_value(response),
        "headers": dict(response.headers),
    }


def body_value(response: httpx.Response) -> object:
    """The body: parsed JSON, a text, or None."""
    if not response.content:
        return None
    value = parse_body(response.content, response.headers.get("content-type", ""))
    # A server that promises JSON and breaks the promise: the text shows what it sent.
    return response.text if value is ABSENT else value
