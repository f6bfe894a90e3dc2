"""Tools for the tests of tapes, beside those of `real_tools`."""

from __future__ import annotations

import time
from urllib.request import urlopen

from pytest_highway.tools import ToolContext, tool


class Odd:
    """A type that has no plain form."""


@tool("taped.pause_inline", isolation="inline")
def pause_inline(seconds: float) -> None:
    time.sleep(seconds)


@tool("taped.fail_after")
def fail_after(seconds: float) -> None:
    time.sleep(seconds)
    raise ConnectionError(f"after {seconds}")


@tool("taped.fail_with")
def fail_with(text: str) -> None:
    raise ConnectionError(text)


@tool("taped.remember")
def remember(context: ToolContext, key: str, value: object) -> None:
    context.memory.set(key, value)


@tool("taped.seven")
def seven(context: ToolContext) -> int:
    context.log.info("seven")
    return 7


@tool("taped.odd", effects="read")
def odd() -> object:
    return Odd()


@tool("taped.read", effects="read")
def read(url: str) -> str:
    """A request that goes past httpx, and so past every stub."""
    with urlopen(url) as response:
        return str(response.read().decode())


@tool("taped.fetches", effects="read")
def fetches(url: str) -> object:
    import httpx

    return httpx.get(url).json()
