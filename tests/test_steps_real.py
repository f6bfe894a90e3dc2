"""Steps run for real: what reaches a process, what it hands on, and how it fails."""

from __future__ import annotations

import json
import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import indent

import pytest
from flows import load, result_of

from pytest_highway.views import RunResult

REAL = "tests: {t: {real: true, expect: {status: success}}}\n"
# A value that every shell, Python and PowerShell would run, were it ever a part of their code.
EVIL = "a  b\n'; touch pwned; \"$(touch pwned)\" `touch pwned` ${HOME} {{variables.x}} ')\\"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(folder: Path, steps: str, top: str = "") -> RunResult:
    """The result of a file with these steps, run for real."""
    text = f"name: w\n{top}steps:\n{indent(steps.strip(), '  ')}\n{REAL}"
    return result_of(load(folder, text))


def error(folder: Path, steps: str, top: str = "") -> str:
    """The error of such a run."""
    return str(run(folder, steps, top).error)


def stdout(result: RunResult, step: str) -> object:
    """What a step printed."""
    value = result.results[step]
    assert isinstance(value, dict)
    return value["stdout"]


@pytest.mark.parametrize(
    "step",
    [
        'run: printf %s "${x}"',
        'run: printf %s "$x"\n    shell: bash',
        "command: printf %s ${x}",
        "command: [printf, '%s', '${x}']",
        "command: env printf\n    args: ['%s', '${x}']",
        "step_def: {type: python, code: \"import os; print(os.environ['x'], end='')\"}",
        "step_def: {type: python, file: show.py, args: ['${x}']}",
        "run: printf %s \"$OWN\"\n    env: {OWN: '${x}'}",
        "run: cat\n    kwargs: {input: '${x}'}",
    ],
)
def test_a_value_reaches_a_process_as_it_is(tmp_path: Path, step: str) -> None:
    """It is one argument or one variable, and nothing in it is ever run."""
    (tmp_path / "show.py").write_text("import sys; print(sys.argv[1], end='')")
    # A text in a case is a template, and braces in it are written as one.
    value = json.dumps(EVIL.replace("{{", "{{ '{{' }}"))
    text = f"name: w\ncontext: {{x: x}}\nsteps:\n  - id: a\n    {step}\n"
    case = f"tests: {{t: {{real: true, context: {{x: {value}}}, expect: {{status: success}}}}}}\n"
    result = result_of(load(tmp_path, text + case))
    assert result.error is None
    assert stdout(result, "a") == EVIL
    assert not (tmp_path / "pwned").exists()


def test_the_context_is_in_the_environment_as_text(tmp_path: Path) -> None:
    """Numbers are plain, truth values are true and false, lists are JSON, null is not there."""
    top = "context: {n: 3, t: true, l: [1, a], z: null, my-name: x, e: ''}\n"
    steps = "- {id: a, run: 'printf \"$n $t $l ${z-none} [$e]\"; ! env | grep my-'}"
    result = run(tmp_path, steps, top)
    assert stdout(result, "a") == '3 true [1, "a"] none []'


def test_env_overlays_the_environment_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never replaces it: what is not named is still there."""
    monkeypatch.setenv("OUTSIDE", "kept")
    monkeypatch.setenv("INSIDE", "outside")
    steps = "- {id: a, command: [sh, -c, 'echo $OUTSIDE $INSIDE'], env: {INSIDE: inside}}"
    assert stdout(run(tmp_path, steps), "a") == "kept inside\n"


def test_a_step_without_a_value_does_not_run(tmp_path: Path) -> None:
    """`rm -r ${folder}/*` with nothing in `folder` is a disaster."""
    steps = "- {id: a, run: 'touch ran; echo ${x}'}"
    expected = "ToolError: the context has no value for 'x', which the command reads"
    assert error(tmp_path, steps, "context: {x: null}\n") == expected
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["false\ntouch ran", "false; touch ran"])
def test_a_text_ends_at_the_first_command_that_fails(tmp_path: Path, text: str) -> None:
    """The exit code of the last command alone would tell nothing of those before it."""
    assert "ended with exit code 1" in error(
        tmp_path, f"- {{id: a, run: {text!r}}}".replace("'", '"')
    )
    assert not (tmp_path / "ran").exists()


def test_a_pipe_of_bash_fails_with_each_of_its_parts(tmp_path: Path) -> None:
    """As in the scripts of CI services; the plain shell has no word for it."""
    assert "exit code 1" in error(tmp_path, "- {id: a, run: 'false | true', shell: bash}")
    assert run(tmp_path, "- {id: a, run: 'false | true'}").error is None


# --- outputs -------------------------------------------------------------------------------------


def test_a_step_hands_on_values(tmp_path: Path) -> None:
    """By a file, one value a line or a block of lines; later steps read them by name."""
    result = run(
        tmp_path,
        r"""
- id: a
  run: |
    echo "version=1=2" >> "$HIGHWAY_OUTPUT"
    printf 'notes<<EOT\none\n two = 2\n\nEOT\n\n' >> "$HIGHWAY_OUTPUT"
    echo "version=3" >> $HIGHWAY_OUTPUT
- {id: b, run: 'printf "%s|%s" "${version}" "$notes"', depends_on: [a]}
- {id: c, command: 'printf "%s|%s" ${version} x${notes}', depends_on: [a]}
- {id: d, run: 'test ! -e "$HIGHWAY_OUTPUT.x" && rm "$HIGHWAY_OUTPUT"'}
""",
    )
    assert result.error is None
    assert result.results["a"] == {
        "exit_code": 0,
        "stdout": "",
        "stderr": "",
        "outputs": {"version": "3", "notes": "one\n two = 2\n"},
    }
    assert stdout(result, "b") == "3|one\n two = 2\n"
    assert stdout(result, "c") == "3|xone\n two = 2\n"


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        (r"a=1\nnothing\n", "line 2: 'nothing' is no 'name=value'"),
        (r"a b=1", "line 1: 'a b' is no name of an output; names match [A-Za-z_][A-Za-z0-9_]*"),
        (r"a-b=1", "line 1: 'a-b' is no name of an output; names match [A-Za-z_][A-Za-z0-9_]*"),
        (r"=1", "line 1: '' is no name of an output; names match [A-Za-z_][A-Za-z0-9_]*"),
        (r"a<<\nx", "line 1: a word is missing behind '<<', which ends the value"),
        (r"a<<EOT\nx\n", "line 1: no line 'EOT' ends this value"),
        (r"a=x\0y", "line 1: a value cannot hold a NUL"),
        (r"a<<E\nx\0\nE\n", "line 2: a value cannot hold a NUL"),
        (r"a=1\nb=\377", "line 2: this is no UTF-8"),
    ],
)
def test_what_cannot_be_read_fails_the_step(tmp_path: Path, printed: str, fault: str) -> None:
    """A value that is lost in silence would be missed much later."""
    steps = f"- {{id: a, run: 'printf ''{printed}'' >> \"$HIGHWAY_OUTPUT\"'}}"
    assert error(tmp_path, steps) == f"OutputError: $HIGHWAY_OUTPUT, {fault}"


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ('head -c 2000000 /dev/zero >> "$HIGHWAY_OUTPUT"', "holds more than 1,048,576 bytes"),
        ('rm "$HIGHWAY_OUTPUT"; mkdir "$HIGHWAY_OUTPUT"', "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_is_none_fails_the_step(tmp_path: Path, what: str, fault: str) -> None:
    """Whatever the process made of it, the run goes on to tell."""
    assert error(tmp_path, f"- {{id: a, run: '{what}'}}") == f"OutputError: $HIGHWAY_OUTPUT {fault}"


def test_what_a_step_provides_is_an_output_or_a_file(tmp_path: Path) -> None:
    """A file is looked for where the step runs."""
    (tmp_path / "sub").mkdir()
    steps = "- {id: a, cwd: sub, run: 'touch x.whl; echo v=1 >> $HIGHWAY_OUTPUT', provides: [%s]}"
    assert run(tmp_path, steps % "v, x.whl").error is None
    assert error(tmp_path, steps % "v, ../x.whl, y") == (
        "OutputError: the step provides '../x.whl', but neither an output nor a file of that name "
        "is there; it hands on 'v'"
    )


def test_a_value_that_was_not_handed_on_fails_who_reads_it(tmp_path: Path) -> None:
    """An empty text in its place would be a lie; a text may say what is to be without it."""
    steps = """
- {id: a, run: "true || echo v=1 >> $HIGHWAY_OUTPUT"}
- {id: b, run: "echo ${v:-none}", depends_on: [a]}
- {id: c, run: "echo ${v}", depends_on: [a]}
"""
    result = run(tmp_path, steps)
    assert stdout(result, "b") == "none\n"
    assert str(result.error) == "MissingValue: results.a.outputs has no 'v'; it has none"


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (
            "command: no-such-program x",
            "FileNotFoundError: program 'no-such-program' was not found",
        ),
        (
            "run: pwd\n  cwd: gone/${x}",
            "FileNotFoundError: working directory 'gone/1' does not exist",
        ),
        ("run: sleep 30\n  timeout_sec: 0.2", "TimeoutError: no answer within 200ms*"),
        ("run: exit 3", "CommandFailed: command 'exit 3' ended with exit code 3"),
        (
            "step_def: {type: python, code: 'raise SystemExit(4)'}",
            "CommandFailed: command *python -c *raise SystemExit(4)* ended with exit code 4",
        ),
        (
            "step_def: {type: python, module: no_such_module}",
            "CommandFailed: command 'python -m no_such_module' ended *No module named*",
        ),
        ('command: [echo, "a\\0b"]', "ToolError: program 'echo' cannot be started: embedded null*"),
        (
            "step_def: {type: powershell, run: dir}",
            "ToolError: this machine has no PowerShell: no program 'pwsh' is on the path; *",
        ),
        (
            "function: tools.shell.run\n  args: [x]\n  kwargs: {shell: fish}",
            "ToolError: unknown shell 'fish'; allowed: 'sh', 'bash', 'dash', 'ksh', 'zsh'*",
        ),
        (
            "function: tools.python.run",
            "ToolError: Python runs exactly one of code, module and file, each a text",
        ),
        (
            "function: tools.python.run\n  kwargs: {module: x, args: y}",
            "ToolError: args 'y' are no list",
        ),
        (
            "function: tools.powershell.run\n  args: [' ']",
            "ToolError: command ' ' is no command line",
        ),
    ],
)
def test_a_step_fails_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, fault: str
) -> None:
    """Not with a traceback, and never the whole run."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = error(tmp_path, f"- id: a\n  {step}", "context: {x: 1}\n")
    assert fnmatchcase(found, fault.replace("[", "[[]")), found


PWSH = f"""#!{sys.executable}
import os, sys
open(os.environ["HIGHWAY_OUTPUT"], "a").write("seen=yes\\n")
print(sys.argv[1:], os.environ["x"])
"""


def test_powershell_is_run_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the text as one argument, and the context by its environment."""
    (tmp_path / "pwsh").write_text(PWSH)
    (tmp_path / "pwsh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    steps = "- {id: a, run: 'echo ${env:x}', shell: pwsh, provides: [seen]}"
    result = run(tmp_path, steps, "context: {x: '$(1)'}\n")
    assert str(stdout(result, "a")).startswith(
        "['-NoLogo', '-NoProfile', '-NonInteractive', '-Comm"
    )
    assert "\\necho ${env:x}\\n" in str(stdout(result, "a"))
    assert str(stdout(result, "a")).endswith("$(1)\n")
