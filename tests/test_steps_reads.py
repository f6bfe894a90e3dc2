"""What the texts of steps read: `$name` in a shell's, `${name}` in arguments."""

from __future__ import annotations

import pytest

from pytest_highway.errors import HighwayError
from pytest_highway.steps.arguments import as_literal, cut, filled
from pytest_highway.steps.names import written_outputs
from pytest_highway.steps.shell_reads import (
    is_set_in,
    is_set_in_powershell,
    powershell_reads,
    shell_reads,
)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ruff ${a} $b \"${c}\" '${no}' \\${no} \\$no", "a b c"),
        ("echo \"it's ${a}\" '\"${no}' ${b}", "a b"),
        ("echo a#${a} # don't ${no}\n${b}", "a b"),
        ("${#a} ${b%%.*} ${c/x/y} ${!d} ${e[0]} ${f^^}", "a b c d e f"),
        ("${a:-${b}} ${c-x} ${d:=x} ${e:?no} ${f+x}", "a? b c? d? e? f?"),
        ("$$ $${no} $1 ${10} $@ ${?} $", ""),
        ("x=$(echo \"${a}\" '${no}') \"$(echo '${no}' ${b})\" `${c}`", "a b c"),
        ("$(( ${a} + (b) )) ) ${c}", "a c"),
        ("cat <<EOF\n'${a}' \"${b}\" \\${no}\nEOF\n${c} '${no}'", "a b c"),
        ("cat <<'EOF' > x; cat <<-END\n${no}\nEOF\n\t${a}\n\tEND\n${b}", "a b"),
        ('cat <<"EOF"\n${no}\nEOF', ""),
        ("cat <<EOF\n${a} never closed", "a"),
        ("cat <<< ${a}\n${b}", "a b"),
        ("echo $'\\'${no}' ${a}", "a"),
        ("echo 'never closed ${a}", "a"),
    ],
)
def test_a_scanner_finds_what_a_shell_would_expand(text: str, read: str) -> None:
    """With a question mark where the text itself says what is to be without it."""
    found = [f"{each.name}{'?' if each.guarded else ''}" for each in shell_reads(text)]
    assert " ".join(found) == read


@pytest.mark.parametrize(
    ("text", "is_set"),
    [
        ("x=1", True),
        ("A='a b' B=$(c d) x=2 prog", True),
        ("if true; then x=1; fi", True),
        ("export -p x=1", True),
        ("arr=(1); x[0]=1", True),
        ("x+=1", True),
        ("for x in *; do :; done", True),
        ("while read -r y x; do :; done", True),
        ("printf -v x %s 1", True),
        (": ${x:=1}", True),
        (". ./env", True),
        ("source env", True),
        ("eval $y", True),
        ('echo "x=${x}"', False),
        ("prog --x=1 x", False),
        ("xx=1; for xx in *; do :; done", False),
    ],
)
def test_a_scanner_knows_what_may_set_a_variable(text: str, is_set: bool) -> None:
    """What it takes for set need not come from outside."""
    assert is_set_in(text, "x") is is_set


def test_a_long_text_is_scanned_at_once() -> None:
    """No text makes the patterns try the same again and again."""
    text = "a=$(b)" * 20_000 + "\n" + "x " * 20_000 + "'" * 9_999
    assert list(shell_reads(text)) == []
    assert not is_set_in(text, "never")


def test_the_variables_of_powershell() -> None:
    """Those of the environment have its name in front; no name has a case."""
    text = "$X = 1; echo ${x} $Env:A ${ENV:b} `${no} $y; foreach ($z in 1) { ${z} }"
    found = [(read.name, of_env) for read, of_env in powershell_reads(text)]
    assert found == [("x", False), ("A", True), ("b", True), ("z", False)]
    assert [name for name in "xyz" if is_set_in_powershell(text, name)] == ["x", "z"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("echo a=1", []),
        ('echo "a=$(git describe)" >> $HIGHWAY_OUTPUT', ["a"]),
        ("x=1; echo b=$x >> $HIGHWAY_OUTPUT", ["b"]),
        ("{ echo a=1; printf 'b=%s\\nc<<E\\n' x; } >> $HIGHWAY_OUTPUT", ["a", "b", "c"]),
        ("cat >> $HIGHWAY_OUTPUT <<E\na=1\n  b=2\nE", ["a", "b"]),
        ("open(os.environ['HIGHWAY_OUTPUT']).write('a=1\\nb=2\\n')", ["a", "b"]),
    ],
)
def test_what_a_text_seems_to_hand_on(text: str, names: list[str]) -> None:
    """It is known without running it, where it is written there."""
    assert written_outputs(text) == names


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a  b\tc\nd", ["a", "b", "c", "d"]),
        ("a 'b c' \"d ${x}\" e\\ f", ["a", "b c", "d ${x}", "e f"]),
        ("a {{ results.b | join(' ') }}x", ["a", "{{ results.b | join(' ') }}x"]),
        ("a ''", ["a", ""]),
    ],
)
def test_a_command_is_cut_into_words(command: str, words: list[str]) -> None:
    """By the rules of quoting; a template is never cut."""
    assert cut(command) == words


@pytest.mark.parametrize("operator", ["|", "&&", ";", ">", "2>&1"])
def test_an_operator_of_the_shell_is_no_word(operator: str) -> None:
    """It would reach the program as an argument, and do nothing of what it says."""
    with pytest.raises(HighwayError, match="means something to a shell only"):
        cut(f"a {operator} b")


@pytest.mark.parametrize(
    ("data", "made"),
    [
        ("a", "a"),
        ("${x}", "<x>"),
        ("$x ${x}${y-z}", "$x <x><y-z>"),
        ("$${x} $$${x}", '{{ "${" }}x} ${{ "${" }}x}'),
        ({"a": ["${x}", 3, {"${b}": "${x}"}]}, {"a": ["<x>", 3, {"${b}": "<x>"}]}),
    ],
)
def test_names_are_filled_in(data: object, made: object) -> None:
    """In each text of the data; two dollars are one."""
    assert filled(data, lambda name: f"<{name}>") == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a", "a"),
        ("{{.Names}} {{json .}}", '{{ "{{" }}.Names}} {{ "{{" }}json .}}'),
        ("f'{{x}}'", "f'{{ \"{{\" }}x}}'"),
        ("{{ variables.x }}", "{{ variables.x }}"),
        ("{{ varables.x }}", "{{ varables.x }}"),
        ('{{ "x" }}', '{{ "{{" }} "x" }}'),
    ],
)
def test_braces_in_code_are_its_own(text: str, made: str) -> None:
    """Unless they would read a value, which the compiler reports."""
    assert as_literal(text) == made
