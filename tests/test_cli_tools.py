"""`highway tools`: what is listed of each tool."""

from __future__ import annotations

import json

from command_line import Call, call_fixture
from projects import Write

__all__ = ["call_fixture"]

MODULE = '''\
from pytest_highway import ToolContext, tool

@tool("shop.price", effects="read", isolation="process", bulkhead=False)
def price(name: str, ctx: ToolContext, *, currency: str = "EUR") -> int:
    """What a thing costs.

    In cents.
    """
    return 1

@tool("shop.buy")
def buy(name): return name
'''


def test_the_tools_of_the_toolbox_are_listed(call: Call) -> None:
    done = call("tools")
    assert (done.code, done.err) == (0, "")
    assert "tools.log.info(message)\n    pure, inline, pytest_highway.toolbox.log:" in done.out


def test_tools_of_a_module_are_listed_last_with_all_that_is_known(write: Write, call: Call) -> None:
    """The context, which no task gives, is not in the signature."""
    write({"shop_tools.py": MODULE})
    assert call("tools", "--tools", "shop_tools").out.splitlines()[-4:] == [
        "shop.price(name, *, currency='EUR')",
        "    read, process, shop_tools:3: What a thing costs.",
        "shop.buy(name)",
        "    write, thread, shop_tools:11",
    ]


def test_json_holds_the_same(write: Write, call: Call) -> None:
    write({"shop_tools.py": MODULE})
    listed = json.loads(call("tools", "--json", "--tools", "shop_tools:price").out)
    assert listed[-1] == {
        "name": "shop.price",
        "place": "shop_tools:3",
        "signature": "(name, *, currency='EUR')",
        "effects": "read",
        "isolation": "process",
        "bulkhead": False,
        "description": "What a thing costs.\n\nIn cents.",
    }


def test_a_module_without_tools_is_bad_input(write: Write, call: Call) -> None:
    write({"bare_tools.py": ""})
    done = call("tools", "--tools", "bare_tools")
    assert (done.code, "tools module 'bare_tools'" in done.err) == (2, True)
