"""`highway run` and secrets: neither what it prints nor what it remembers holds any."""

from __future__ import annotations

from pathlib import Path

import pytest

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
