"""A secret is planted wherever a workflow can carry one; nothing printed or written shows it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from projects import Write

TOKEN = "s3cr3t/+tok en&9'\"x"
KEY = "env=K3Y-of-the-environment?"
# Of what only a key-like name or a URL hides.
PLAIN = "pl41n-p4ssw0rd"

# Nothing in the project holds a secret as it is, so that every file may be searched.
CONFTEST = f"""\
import base64, pytest

def reveal(text):
    return base64.b64decode(text[::-1]).decode()

@pytest.fixture
def token():
    return reveal({base64.b64encode(TOKEN.encode()).decode()[::-1]!r})

@pytest.fixture
def key():
    return reveal({base64.b64encode(KEY.encode()).decode()[::-1]!r})

@pytest.fixture
def plain():
    return reveal({base64.b64encode(PLAIN.encode()).decode()[::-1]!r})
"""
TOOLS = """\
import base64, json, logging, sys, warnings
from urllib.parse import quote, quote_plus
from pytest_highway.tools import ToolContext, tool

@tool("app.spread", effects="pure")
def spread(context: ToolContext, value, password):
    context.log.info("real: " + str(value.count("s3c") + password.count("pl41n")))
    for before in ("", "u", "u:"):
        encoded = (before + value + "!").encode()
        context.log.info("basic " + base64.b64encode(encoded).decode())
        context.log.warning("safe " + base64.urlsafe_b64encode(encoded).decode())
    context.log.error(f"{quote(value)} {quote(value, safe='')} {quote_plus(value)} {value!r}")
    context.log.info(json.dumps({"text": value, "inner": json.dumps(value)}))
    context.log.info(f"password={password} https://user:{password}@h.test/?api_key={password}&a=b")
    print("printed", value, f"Authorization: Bearer {password}")
    print("err", value, file=sys.stderr)
    logging.getLogger("app").warning("logged %s", value)
    warnings.warn(f"warned {value}", stacklevel=1)
    context.memory.set("kept", {"a": value, "password": password})
    context.memory.set(value, "under a secret key")
    context.emit("said", {"v": value})
    return {"echo": value, "private_key": password, value: 1}

@tool("app.fail", effects="pure")
def fail(value, secret):
    raise ValueError(f"cannot use {value!r} with token={secret}")
"""
INI = """\
[pytest]
pythonpath = .
highway_tools = app_tools
"""
TASKS = """\
name: w
variables: {token: none, plain: none}
env: {API_KEY: none}
secrets: [variables.token, env.API_KEY]
tasks:
  log: {function: tools.log.info, args: ["many {{variables.token}}\\nlines {{env.API_KEY}}"]}
  spread: {function: app.spread, args: ["{{variables.token}}"], kwargs: {password: "{{variables.plain}}"}, result_key: spread}
  get:
    function: tools.fetch.get
    args: ["http://api.test/{{variables.token}}?token={{variables.plain}}"]
    kwargs:
      headers: {Authorization: "Bearer {{variables.plain}}", Cookie: "sid={{variables.plain}}", X-Key: "{{env.API_KEY}}"}
    result_key: got
  check: {operator_type: condition, condition: "variables.token == env.API_KEY", if_true: no, if_false: yes}
  yes: {function: tools.log.info, args: [yes]}
  no: {function: tools.log.info, args: [no]}
  skipped: {function: tools.log.info, args: [no], run_if: "variables.token == 'x'"}
  each:
    operator_type: foreach
    items: ["{{variables.token}}", "b"]
    key: "item"
    loop_body:
      - {task_id: inner, function: tools.log.info, args: ["{{item}}"]}
  wait: {operator_type: wait, wait_for: {event: "e {{variables.token}}", timeout: 5s}, on_failure: continue, critical: false}
  bad: {function: app.fail, args: ["{{env.API_KEY}}"], kwargs: {secret: "{{variables.plain}}"}, retry: 1, on_failure: continue}
  shell:
    function: tools.shell.run
    args: ['printf "%s\\n" "$API_KEY"; printf "%s\\n" "$OTHER" >&2; exit 1']
    kwargs: {env: {OTHER: "{{variables.token}}"}}
    dependencies: [bad]
    on_failure: continue
output: "{{variables.token}}"
tests:
"""
WORLD = """\
    fixtures: [token, key, plain]
    variables: {token: "{{fixtures.token}}", plain: "{{fixtures.plain}}"}
    env: {API_KEY: "{{fixtures.key}}"}
"""
STUBS = """\
    stubs:
      get: {return: {status: 200, data: {password: "{{call.kwargs.headers.Cookie}}", x: "{{call.args[0]}}"}}}
"""
SHELL = '      shell: {exit: 1, stdout: "out {{call.kwargs.env.OTHER}}", stderr: "err {{call.kwargs.env.OTHER}}"}\n'
# Every kind of expectation differs; `golden` and `inline` hold a transcript each.
EXPECT = """\
    expect:
      status: success
      error: {message: other, type: KeyError}
      branches: {check: if_true}
      tasks: {bad: {reason: other, attempts: 9}, skipped: success}
      calls: {spread: [{args: [other]}], get: 7, bad: [{args: [a, b]}, {args: []}]}
      results: {spread: {echo: other}, got: {status: 1, data: {password: other, x: other}}}
      memory: {kept: {a: 1, password: other}, none: 1}
      output: other
      usage: {tool_calls: 9}
      duration: 1d
      order: ["yes < log"]
"""
CASES = (
    f"  golden:\n{WORLD}{STUBS}{SHELL}    expect: {{status: failed, transcript: golden}}\n"
    f"  inline:\n{WORLD}{STUBS}{SHELL}    expect:\n      transcript: |\n        other\n"
    f"  engine:\n{WORLD}{STUBS}{SHELL}    expect: {{transcript: {{level: engine, lines: [other]}}}}\n"
    f"  values:\n{WORLD}{STUBS}{SHELL}{EXPECT.replace('status: success', 'status: cancelled').replace('      error', '      x-error')}"
    f"  error:\n{WORLD}{STUBS}{SHELL}    expect: {{error: {{message: other, type: KeyError}}}}\n"
    f"  unstubbed:\n{WORLD}    expect: {{status: success}}\n"
    f"  misfit:\n{WORLD}    stubs: {{get: [{{when: {{args: [x]}}, return: 1}}]}}\n    expect: {{status: success}}\n"
    f"  real:\n{WORLD}{STUBS}    real: [tools.shell.run]\n    expect: {{transcript: golden}}\n"
    f"  http:\n{WORLD}    http: {{GET http://api.test/x: {{return: {{json: 1}}}}}}\n    expect: {{status: success}}\n"
)
RUNS = (
    ("-rA", "-vv", "--tb=long", "--showlocals"),
    ("-rA", "--junitxml=junit.xml", "-o", "junit_logging=all"),
    ("-q", "--tb=short"),
    ("--tb=line", "-v"),
    ("-rA", "-vv", "-n2"),
    ("-rA", "--highway-history=files:runs"),
    ("-rA", "--highway-history", "-n2"),
    ("--highway-update", "-rA", "--color=yes"),
    ("--highway-update-new", "-vv"),
)


def forms(secret: str) -> list[str]:
    """What gives a secret away: itself, in JSON, in a URL, in base64 at any place."""
    found = [
        secret,
        json.dumps(secret)[1:-1],
        quote(secret),
        quote_plus(secret),
        repr(secret)[1:-1],
    ]
    for before in range(3):
        encoded = base64.b64encode(b"." * before + secret.encode()).decode()
        core = encoded[4:-4] if before else encoded[:-4]
        found += [core, core.replace("+", "-").replace("/", "_")]
    return found


def written(folder: Path) -> dict[str, str]:
    """Every file below a folder, but for compiled code."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.mark.usefixtures("_no_ci")
@pytest.mark.parametrize("args", RUNS, ids=" ".join)
def test_no_output_and_no_file_holds_a_secret(
    pytester: pytest.Pytester, write: Write, args: tuple[str, ...]
) -> None:
    write(
        {
            "pytest.ini": INI,
            "conftest.py": CONFTEST,
            "app_tools.py": TOOLS,
            "workflows/w.yaml": TASKS + CASES,
        }
    )
    result = pytester.runpytest_subprocess(*args)
    texts = {"stdout": result.stdout.str(), "stderr": result.stderr.str()}
    texts |= written(pytester.path)
    shown = [
        (name, form, text[max(0, text.index(form) - 80) :][:200])
        for name, text in texts.items()
        for secret in (TOKEN, KEY, PLAIN)
        for form in forms(secret)
        if form in text
    ]
    assert shown == []
    assert "real: 2" in "".join(texts.values()) or args[0] in ("-q", "--tb=line")
    assert "<secret:variables.token>" in texts["stdout"]


@pytest.fixture
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
