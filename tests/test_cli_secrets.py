"""`highway run` and secrets: neither what it prints nor what it remembers holds any."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminals import in_terminal

from pytest_highway.cli.main import main

FLOW = """\
name: publish
variables: {token: none}
secrets: [variables.token]
tasks:
  login:
    function: tools.command.run
    args: [echo, "{{variables.token}}"]
    result_key: login
  say: {function: tools.log.info, args: ["got {{results.login.stdout}}"], dependencies: [login]}
  fail: {function: tools.command.run, args: ["false"], dependencies: [say]}
"""
SECRET = "s3cr3t-v4lue-77"


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])
def test_a_secret_is_neither_printed_nor_kept(
    options: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The task that printed it gets it again when the run is resumed, from the command line."""
    file, history = tmp_path / "publish.yaml", tmp_path / "runs"
    file.write_text(FLOW)
    command = ["run", str(file), "--history", f"files:{history}", "--var", f"token={SECRET}"]
    for more in ((), ("--resume", "last")):
        with pytest.raises(SystemExit) as ended:
            main([*command, *options, *more])
        assert ended.value.code == 1
        told = capfd.readouterr()
        assert "<secret:variables.token>" in told.out
        assert SECRET not in told.out + told.err
    kept = [path.read_text() for path in history.iterdir()]
    assert [text for text in kept if SECRET in text] == []
    assert any("<secret:variables.token>" in text for text in kept)


SHOWN = """\
name: show
variables: {token: none}
secrets: [variables.token]
tasks:
  each:
    operator_type: foreach
    items: ["{{variables.token}}"]
    key: "{{item}}"
    loop_body:
      - {task_id: out, function: tools.command.run, args: [printf, "a\\n%s\\n", "{{item}}"]}
      - {task_id: nap, function: tools.command.run, args: [sleep, "0.6"]}
      - {task_id: fail, function: tools.shell.run, args: ["echo $T >&2; exit 3"], kwargs: {env: {T: "{{item}}"}}}
"""


@pytest.mark.parametrize("environment", [{}, {"GITHUB_ACTIONS": "1"}], ids=["terminal", "github"])
def test_no_display_shows_a_secret(environment: dict[str, str], tmp_path: Path) -> None:
    """Not in the name of a task that runs, in what a process printed, nor in an annotation."""
    (tmp_path / "show.yaml").write_text(SHOWN)
    arguments = ("run", "show.yaml", "--var", f"token={SECRET}")
    shown = in_terminal(*arguments, folder=tmp_path, size=(24, 300), more=environment)
    assert shown.code == 1
    assert SECRET not in shown.sent
    assert "each[<secret:variables.token>]/nap" in shown.sent
    assert "each[<secret:variables.token>]/fail: CommandFailed" in shown.sent
