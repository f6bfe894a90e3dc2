"""`@tool`, the registry, discovery, and what a context hands on to the engine."""

# No postponed annotations here: both the evaluated and the quoted ones are subjects of tests.

import functools
import inspect
import pickle
import subprocess
import sys
from decimal import Decimal
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from tool_host import RecordingHost

from pytest_highway import tools
from pytest_highway.errors import HighwayError
from pytest_highway.tools import (
    CommandFailed,
    Registry,
    ToolClash,
    ToolContext,
    ToolError,
    discover,
    finished_value,
    parse_usage,
    sum_of,
    text_of,
    tool,
)

if TYPE_CHECKING:
    from pytest_highway import tools as typing_only


class Foreign:
    """Holds a class that only shares the name."""

    ToolContext = int


def plain_function(url, headers=None):
    """A function to decorate in vain."""


def fresh(name="app.fetch", **options):
    """A function of its own, marked as a tool."""

    def function(url, headers=None):
        return url, headers

    return tool(name, **options)(function)


def compiled(function):
    """The tool `app.tool` over a function."""
    return Registry().add(tool("app.tool")(function))


def module_of(**values):
    """A module `app_tools` that holds these values."""
    module = ModuleType("app_tools")
    vars(module).update(values)
    return module


@pytest.fixture
def import_folder(tmp_path, monkeypatch):
    """A folder on `sys.path`; what is imported from it is forgotten afterwards."""
    before = dict(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [each for each in sys.modules if each not in before]:
        del sys.modules[name]


# -- @tool -------------------------------------------------------------------------------------


def test_tool_returns_the_function_itself_and_keeps_its_options():
    """Decorating registers nothing; a registry reads the options later."""
    decorate = tool("app.a.b", effects="read", isolation="process", bulkhead=False)

    def function():
        return 1

    assert decorate(function) is function
    added = Registry().add(function)
    assert (added.name, added.effects, added.isolation) == ("app.a.b", "read", "process")
    assert not added.bulkhead


def test_tool_defaults_to_the_careful_choice():
    """A tool that says nothing has effects, runs on a thread and waits its turn."""
    added = Registry().add(fresh())
    assert (added.effects, added.isolation, added.bulkhead) == ("write", "thread", True)


@pytest.mark.parametrize(
    "name", ["app", "", ".a", "a.", "a..b", "1.a", "a.1", "a b.c", "ä.b", "a.b\n", None, 3]
)
def test_tool_refuses_a_name_that_is_not_dotted(name):
    """The message names the function and its place."""
    message = r"^plain_function \(test_tools:\d+\): tool name .* is no dotted name"
    with pytest.raises(ToolError, match=message):
        tool(name)(plain_function)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effects": "reed"}, "'reed' is unknown; allowed are 'pure', 'read', 'write'; did you"),
        ({"isolation": "fork"}, "isolation 'fork' is unknown; allowed are 'inline', 'thread'"),
        ({"effects": ["read"]}, "effects ['read'] is unknown"),
    ],
)
def test_tool_refuses_an_unknown_option(options, message):
    """The message lists what is allowed and the nearest of it."""
    with pytest.raises(ToolError) as caught:
        tool("app.fetch", **options)(plain_function)
    assert message in str(caught.value)


def test_tool_reports_all_faults_of_one_decoration_together():
    """Three wrong arguments make one error with three parts."""
    with pytest.raises(ToolError, match=r"no dotted name.*effects 'x'.*isolation 'y'"):
        tool("app", effects="x", isolation="y")(plain_function)


def test_tool_refuses_what_cannot_be_called():
    """A number is no tool."""
    with pytest.raises(ToolError, match="a tool is a function or another callable"):
        tool("app.fetch")(5)


def test_tool_refuses_what_takes_no_attribute():
    """A builtin cannot be marked; the message says what to do."""
    with pytest.raises(ToolError, match=r"len .*wrap it in a function"):
        tool("app.length")(len)


def test_tool_refuses_a_second_name_for_one_function():
    """The second mark would silently replace the first."""
    with pytest.raises(ToolError, match=r"it is the tool 'app\.fetch' already"):
        tool("app.get")(fresh())


def test_a_wrapper_that_copied_the_mark_may_be_a_tool_of_its_own():
    """`functools.wraps` copies the mark; that is no second decoration."""
    inner = fresh("app.inner")

    @tool("app.outer")
    @functools.wraps(inner)
    def outer(*args):
        return inner(*args)

    registry = Registry()
    registry.add(inner)
    registry.add(outer)
    assert registry.names() == ("app.inner", "app.outer")


# -- reading a function ------------------------------------------------------------------------


def test_a_tool_knows_the_module_and_line_of_its_function():
    """The place is no path, so it is the same on every machine."""
    line = inspect.getsourcelines(fresh)[1] + 3
    assert Registry().add(fresh()).place == f"test_tools:{line}"


def test_a_callable_object_is_a_tool_with_the_place_of_its_class():
    """It has no line of its own."""

    class Caller:
        def __call__(self, url):
            return url

    added = compiled(Caller())
    assert (added.place, added.describe()) == ("test_tools", "app.tool(url)")
    assert added.invoke(None, ["x"], {}) == "x"


def test_coroutine_functions_and_objects_are_known_as_such():
    """What `invoke` returns is then to be awaited."""

    async def function():
        return 1

    class Caller:
        async def __call__(self):
            return 1

    found = [compiled(each).is_coroutine for each in (function, Caller(), lambda: 1)]
    assert found == [True, True, False]


def evaluated(url, context: ToolContext):
    return url, context


def quoted(url, context: "ToolContext"):
    return url, context


def dotted(url, context: "tools.ToolContext"):
    return url, context


def unresolved(url, context: "typing_only.ToolContext"):
    return url, context


def keyword_only(url, *, context: ToolContext):
    return url, context


def context_first(context: ToolContext, url):
    return url, context


@pytest.mark.parametrize(
    "function", [evaluated, quoted, dotted, unresolved, keyword_only, context_first]
)
@pytest.mark.parametrize(("args", "kwargs"), [(["u"], {}), ([], {"url": "u"})])
def test_a_context_parameter_is_hidden_and_supplied(function, args, kwargs):
    """Wherever it stands and however it is annotated, callers count without it."""
    added = compiled(functools.wraps(function)(lambda *a, **k: function(*a, **k)))
    assert added.context_parameter == "context"
    assert added.describe() == "app.tool(url)"
    assert added.invoke("the context", args, kwargs) == ("u", "the context")


def test_a_context_between_arguments_keeps_their_order():
    """Positional arguments go around it."""

    def function(a, context: ToolContext, b=0, *rest):
        return a, context, b, rest

    added = compiled(function)
    assert added.invoke("c", [1, 2, 3], {}) == (1, "c", 2, (3,))
    assert added.invoke("c", [1], {"b": 2}) == (1, "c", 2, ())


def wrong_name(url, context: "Foreign" = 1):
    return url, context


def wrong_class(url, context: "Foreign.ToolContext" = 1):
    return url, context


@pytest.mark.parametrize("function", [wrong_name, wrong_class, plain_function])
def test_a_parameter_of_another_type_is_no_context(function):
    """A class that only shares the name stays visible to callers."""
    added = compiled(functools.wraps(function)(lambda *a, **k: (a, k)))
    assert added.context_parameter is None
    assert added.invoke("unused", ["u"], {}) == (("u",), {})


def two_contexts(a: ToolContext, b: ToolContext):
    return a, b


def positional_only(context: ToolContext, /):
    return context


def starred(*contexts: ToolContext):
    return contexts


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (two_contexts, "has 2 parameters annotated ToolContext; one is enough"),
        (positional_only, "the ToolContext 'context' must be an ordinary parameter"),
        (starred, "the ToolContext 'contexts' must be an ordinary parameter"),
    ],
)
def test_a_context_that_cannot_be_supplied_is_refused(function, message):
    """The registry says so when the function is added."""
    with pytest.raises(ToolError, match=message):
        compiled(functools.wraps(function)(lambda *a: a))


def test_a_callable_without_a_signature_is_refused():
    """A class in C may tell nothing of its parameters."""

    class Opaque:
        __signature__ = "none"

        def __call__(self):
            return 1

    with pytest.raises(ToolError, match=r"tool 'app\.tool' \(test_tools\) has no readable sig"):
        compiled(Opaque())


# -- arguments ---------------------------------------------------------------------------------


def open_ended(url, *rest, mode, **options):
    return url, rest, mode, options


def strict(program, /, count=1, *, mode="fast", context: ToolContext):
    return program, count, mode, context


@pytest.mark.parametrize(
    ("function", "positional", "keywords", "message"),
    [
        (plain_function, 1, [], None),
        (plain_function, 2, [], None),
        (plain_function, 0, ["headers", "url"], None),
        (plain_function, 0, [], "missing 'url'"),
        (plain_function, 3, [], "got 3 positional arguments, at most 2 fit"),
        (plain_function, 1, ["header"], "unknown 'header'; did you mean 'headers'?"),
        (plain_function, 1, ["url"], "'url' is given by position and by name"),
        (plain_function, 0, ["uri"], "unknown 'uri'; did you mean 'url'?; missing 'url'"),
        (open_ended, 9, ["mode", "whatever"], None),
        (open_ended, 0, ["whatever"], "missing 'url', 'mode'"),
        (strict, 2, ["mode"], None),
        (strict, 0, ["program"], "unknown 'program'; missing 'program'"),
        (strict, 1, ["context"], "'context' is supplied by the engine"),
        (strict, 3, [], "got 3 positional arguments, at most 2 fit"),
    ],
)
def test_misfit_tells_without_values_what_a_call_lacks(function, positional, keywords, message):
    """Everything wrong with a call is told at once, after the signature."""
    added = compiled(functools.wraps(function)(lambda *a, **k: (a, k)))
    expected = message and f"app.tool takes {added.describe()[8:]}; {message}"
    assert added.misfit(positional, keywords) == expected


def test_a_signature_is_shown_with_defaults_and_without_annotations():
    """As a caller has to write it."""
    added = compiled(functools.wraps(strict)(lambda *a, **k: (a, k)))
    assert added.describe() == "app.tool(program, /, count=1, *, mode='fast')"


# -- the registry ------------------------------------------------------------------------------


def test_a_registry_finds_counts_and_lists_in_the_order_of_adding():
    """Nothing is sorted, and nothing depends on hashes."""
    registry = Registry()
    second, first = registry.add(fresh("app.second")), registry.add(fresh("app.first"))
    assert registry.names() == ("app.second", "app.first")
    assert list(registry) == [second, first]
    assert len(registry) == 2
    assert "app.first" in registry
    assert "app.third" not in registry
    assert registry.get("app.first") is first
    assert registry.get("app.third") is None


def test_adding_the_same_function_twice_changes_nothing():
    """Two modules may import one tool."""
    registry, function = Registry(), fresh()
    assert registry.add(function) is registry.add(function)
    assert len(registry) == 1


def test_two_tools_of_one_name_clash_naming_both_places():
    """Whichever were taken, half of the users would be surprised."""
    registry = Registry()
    registry.add(fresh())
    other = tool("app.fetch")(lambda: 1)
    message = r"two tools are named 'app\.fetch': test_tools:\d+ and test_tools:\d+"
    with pytest.raises(ToolClash, match=message):
        registry.add(other)


def test_an_unmarked_function_is_refused():
    """The message says how to mark it."""
    with pytest.raises(ToolError, match=r"plain_function.* is no tool; decorate it with @tool"):
        Registry().add(plain_function)


def test_add_module_takes_every_marked_function_once():
    """Defined or imported, under one name or two."""
    one, two = fresh("app.one"), fresh("app.two")
    registry = Registry()
    module = module_of(b=two, a=one, again=one, other=plain_function, number=5)
    assert registry.add_module(module) == 2
    assert registry.names() == ("app.two", "app.one")


def test_add_module_never_asks_a_lazy_proxy_for_an_attribute():
    """A proxy may run code, or raise, when it is asked for anything."""

    class Proxy:
        def __getattr__(self, name):
            raise RuntimeError("working outside of a request")

    assert Registry().add_module(module_of(request=Proxy())) == 0


# -- discovery ---------------------------------------------------------------------------------

TOOL_SOURCE = """
from pytest_highway.tools import tool

@tool("app.{name}", effects="read")
def {name}(order):
    return order

class Holder:
    function = {name}

def fill(registry):
    registry.add({name})

def fail(registry):
    raise LookupError("no service")

number = 5
"""

BUILT_IN = (
    *("tools.log.debug", "tools.log.info", "tools.log.warning", "tools.log.error"),
    *("tools.memory.set", "tools.memory.get", "tools.memory.increment", "tools.memory.add"),
    "tools.events.emit",
    *("tools.fetch.get", "tools.fetch.head", "tools.fetch.post", "tools.fetch.put"),
    *("tools.fetch.patch", "tools.fetch.delete", "tools.shell.run", "tools.command.run"),
    *("tools.python.run", "tools.powershell.run"),
)


@pytest.fixture
def entry_points(monkeypatch):
    """A list; what a test puts there is installed in the group `pytest_highway.tools`."""
    found = []
    installed = {"pytest_highway.tools": found}
    monkeypatch.setattr(metadata, "entry_points", lambda group: installed[group])
    return found


def entry_point(name, value):
    return metadata.EntryPoint(name, value, "pytest_highway.tools")


def test_discover_finds_the_built_in_tools_in_a_fixed_order():
    """The order is that of the toolbox."""
    registry = discover(entry_points=False)
    assert registry.names() == BUILT_IN
    assert registry.problems == ()


@pytest.mark.parametrize(
    "name",
    ["lookup_tools", "lookup_tools:lookup", "lookup_tools:Holder.function", "lookup_tools:fill"],
)
def test_discover_adds_named_modules_functions_and_callables(import_folder, name):
    """All three ways lead to the same tool."""
    (import_folder / "lookup_tools.py").write_text(TOOL_SOURCE.format(name="lookup"))
    registry = discover([name], entry_points=False)
    assert registry.names() == (*BUILT_IN, "app.lookup")


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("", "absent", "tools module 'absent' cannot be loaded: ModuleNotFoundError: No module"),
        ("", "lookup_tools", "tools module 'lookup_tools' holds no tool; decorate its functions"),
        ("1 +", "lookup_tools", "cannot be loaded: SyntaxError"),
        ("raise SystemExit(3)", "lookup_tools", "cannot be loaded: SystemExit: 3"),
        (TOOL_SOURCE, "lookup_tools:lokup", "it has no 'lokup'; did you mean 'lookup'?"),
        (TOOL_SOURCE, "lookup_tools:number", "is 5; allowed are a module, a tool and a callable"),
        (TOOL_SOURCE, "lookup_tools:fail", "cannot be loaded: LookupError: no service"),
        (TOOL_SOURCE.replace('"app.', '"'), "lookup_tools", "tool name 'lookup' is no dotted"),
    ],
)
def test_discover_refuses_a_named_module_that_gives_no_tool(import_folder, source, name, message):
    """Who names a module wants its tools: the error names it and the cause."""
    (import_folder / "lookup_tools.py").write_text(source.replace("{name}", "lookup"))
    with pytest.raises(ToolError) as caught:
        discover([name], entry_points=False)
    assert message in str(caught.value)
    assert f"tools module {name!r}" in str(caught.value)


def test_discover_loads_entry_points_sorted_by_name(import_folder, entry_points):
    """The order of installed packages is chance; their names are not."""
    (import_folder / "a_tools.py").write_text(TOOL_SOURCE.format(name="a"))
    (import_folder / "b_tools.py").write_text(TOOL_SOURCE.format(name="b"))
    entry_points += [entry_point("b", "b_tools"), entry_point("a", "a_tools:fill")]
    assert discover().names() == (*BUILT_IN, "app.a", "app.b")


def test_discover_only_notes_an_entry_point_that_cannot_be_used(import_folder, entry_points):
    """A broken package must not stop a project that never uses it."""
    (import_folder / "good_tools.py").write_text(TOOL_SOURCE.format(name="good"))
    (import_folder / "bad_tools.py").write_text("raise OSError('no licence')")
    entry_points += [
        entry_point("bad", "bad_tools"),
        entry_point("fail", "good_tools:fail"),
        entry_point("good", "good_tools"),
        entry_point("n", "good_tools:number"),
    ]
    registry = discover()
    assert registry.names() == (*BUILT_IN, "app.good")
    assert registry.problems == (
        "entry point 'bad' (bad_tools) cannot be loaded: OSError: no licence",
        "entry point 'fail' (good_tools:fail) cannot be loaded: LookupError: no service",
        "entry point 'n' (good_tools:number) is 5; allowed are a module, a tool and a callable",
    )


@pytest.mark.parametrize("value", ["clash_tools", "clash_tools:fill", "clash_tools:info"])
def test_discover_stops_when_an_entry_point_takes_a_built_in_name(
    import_folder, entry_points, value
):
    """Ignoring it would run another tool than the one that its author meant."""
    source = TOOL_SOURCE.format(name="info").replace("app.", "tools.log.")
    (import_folder / "clash_tools.py").write_text(source)
    entry_points.append(entry_point("clash", value))
    with pytest.raises(ToolClash, match=r"toolbox\.log:\d+ and clash_tools:\d+"):
        discover()


def test_importing_and_discovering_loads_no_third_party_package():
    """httpx, respx, pydantic and yaml come when they are needed."""
    code = (
        "import sys, pytest_highway.cases.http_stub, pytest_highway.tools as t;"
        "t.discover(entry_points=False);"
        "print([n for n in ('httpx', 'respx', 'pydantic', 'yaml', 'pytest') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- the context -------------------------------------------------------------------------------


def test_a_context_holds_the_attempt_and_reads_the_rest_from_its_host():
    """Nothing is copied: what the engine changes is seen."""
    host = RecordingHost(left=2.5, variables={"a": 1}, metadata={"team": "x"}, resources={"db": 1})
    context = ToolContext(host, "loop[2]/task", 3, "too short", 60.0)
    assert (context.path, context.attempt) == ("loop[2]/task", 3)
    assert (context.feedback, context.deadline) == ("too short", 60.0)
    assert (dict(context.variables), dict(context.metadata)) == ({"a": 1}, {"team": "x"})
    assert context.resources is host.resources
    assert context.remaining() == 2.5
    assert context.cancelled is False
    host.cancelled = True
    assert context.cancelled is True


@pytest.mark.parametrize("name", ["variables", "metadata"])
def test_variables_and_metadata_cannot_be_written(name):
    """They belong to the run and to the file."""
    with pytest.raises(TypeError):
        getattr(RecordingHost().context(), name)["a"] = 1


@pytest.mark.parametrize("level", ["trace", "debug", "info", "warning", "error"])
def test_each_log_method_logs_at_its_level(level):
    """A message that is no text becomes JSON."""
    host = RecordingHost()
    getattr(host.context().log, level)({"ä": [1]})
    assert host.logs == [(level, '{"ä": [1]}')]


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        ([True, 1.5, "ä"], '[true, 1.5, "ä"]'),
        (Decimal("0.10"), '"0.10"'),
        ({"s": {"b", "a"}}, '{"s": ["a", "b"]}'),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (CIRCLE, "[[...]]"),
    ],
)
def test_text_of_shows_texts_as_they_are_and_the_rest_as_json(value, text):
    """What JSON does not know is shown by its `str`, and no order is left to chance."""
    assert text_of(value) == text


def test_usage_adds_costs_as_decimals():
    """A float cost is what it looks like, so sums are exact."""
    host = RecordingHost()
    usage = host.context().usage
    usage.add(cost=0.1, tokens=5)
    usage.add(cost="0.20")
    usage.add(tokens=1)
    assert host.usage == [(Decimal("0.1"), 5), (Decimal("0.20"), 0), (Decimal(0), 1)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": -0.1},
        {"cost": "much"},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"cost": True},
        {"cost": None},
        {"tokens": -1},
        {"tokens": 1.5},
        {"tokens": True},
        {"tokens": "7"},
    ],
)
def test_usage_refuses_what_is_negative_or_no_number(wrong):
    """A budget must not grow by what is spent."""
    [(word, value)] = wrong.items()
    with pytest.raises(ToolError) as caught:
        parse_usage(**wrong)
    assert f"{word} {value!r}" in str(caught.value)


def test_emit_hands_on_name_and_data():
    """Data may be left out."""
    host = RecordingHost()
    host.context().emit("approved", {"by": "ops"})
    host.context().emit("done")
    assert host.events == [("approved", {"by": "ops"}), ("done", None)]


@pytest.mark.parametrize("name", ["", None, 5])
def test_emit_refuses_a_name_that_is_no_text(name):
    """No wait could name such an event."""
    with pytest.raises(ToolError, match=f"event name {name!r} is no text"):
        RecordingHost().context().emit(name)


def test_memory_reads_writes_and_counts():
    """`get` has a default, a missing key counts as 0."""
    memory = RecordingHost().context().memory
    assert memory.get("n") is None
    assert memory.get("n", 7) == 7
    assert memory.increment("n") == 1
    assert memory.increment("n", by=2) == 3
    assert memory.add("n", 0.5) == (3, 3.5)
    memory.set("n", "text")
    assert (memory.get("n"), memory.read("n")) == ("text", "text")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "memory has no 'count'; it is empty"),
        (["counter", "x"], "memory has no 'count'; known are 'counter', 'x'; did you mean 'coun"),
    ],
)
def test_memory_names_what_is_near_when_a_key_is_missing(keys, message):
    """A typo shows at once."""
    host = RecordingHost()
    host.memory.values = dict.fromkeys(keys, 1)
    with pytest.raises(ToolError) as caught:
        host.context().memory.read("count")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("read", [1]), ("get", [None]), ("set", [1, 2]), ("add", [1, 2]), ("increment", [1])],
)
def test_memory_refuses_a_key_that_is_no_text(method, arguments):
    """Keys are texts, as in JSON."""
    with pytest.raises(ToolError, match=r"memory key (1|None) is no text"):
        getattr(RecordingHost().context().memory, method)(*arguments)


@pytest.mark.parametrize("old", [None, "1", True, [1]])
def test_sum_of_refuses_what_is_no_number(old):
    """Neither of the two may be anything else, and true is no number."""
    with pytest.raises(ToolError, match=r"memory key 'n' holds .* no number to add to"):
        sum_of("n", old, 1)
    with pytest.raises(ToolError, match=r"memory key 'n': cannot add .* no number"):
        RecordingHost().context().memory.add("n", old)


# -- finished processes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout", "stderr", "message"),
    [
        ("make  all\n", 2, "", "one\nno rule \n\n", "'make all' ended with exit code 2: no rule"),
        (["ls", "a b"], 1, "said\n", " \n", "\"ls 'a b'\" ended with exit code 1: said"),
        ("true", 1, "", "", "command 'true' ended with exit code 1"),
        ("x", -9, "", "", "command 'x' ended with exit code -9 (SIGKILL)"),
        ("x" * 300, 1, "", "y" * 300, f"{'x' * 197}...' ended with exit code 1: {'y' * 197}..."),
    ],
)
def test_command_failed_names_command_code_and_last_line(
    command, exit_code, stdout, stderr, message
):
    """On one line of bounded length."""
    error = CommandFailed.from_finished(command, exit_code, stdout, stderr)
    assert str(error).endswith(message)
    assert finished_value(error.exit_code, error.stdout, error.stderr) == {
        "exit_code": exit_code,
        "stdout": stdout,
        "stderr": stderr,
    }


def test_command_failed_survives_pickling():
    """It may come from another process."""
    error = CommandFailed.from_finished("make", 2, "out", "err")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, HighwayError)
    assert (str(again), again.exit_code) == (str(error), 2)
    assert (again.stdout, again.stderr) == ("out", "err")
