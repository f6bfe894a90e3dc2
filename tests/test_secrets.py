"""Redacting texts and data: every form of a named secret, and what key-like names hide."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_highway.credentials import (
    is_key_like,
    looks_like_credential,
    may_hold_members,
    may_hold_names,
)
from pytest_highway.secrets import Redactor, SecretValues
from pytest_highway.serialization import to_json

TOKEN = "t0k/en+ &é'\"\\x"
MARK = "<secret:variables.token>"
REDACTOR = Redactor({"variables.token": TOKEN})
NOBODY = Redactor()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- named secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TOKEN, MARK),
        (f"a {TOKEN}, {TOKEN}!", f"a {MARK}, {MARK}!"),
        (json.dumps({"a": TOKEN}), f'{{"a": "{MARK}"}}'),
        (json.dumps(TOKEN, ensure_ascii=False), f'"{MARK}"'),
        (json.dumps(json.dumps(TOKEN)), f'"\\"{MARK}\\""'),
        (repr(TOKEN), f"'{MARK}'"),
        (f"say {shlex.quote(TOKEN)}", f"say '{MARK}'"),
        ("a: '" + TOKEN.replace("'", "''") + "'", f"a: '{MARK}'"),
        (f"/x?q={quote(TOKEN)}", f"/x?q={MARK}"),
        (f"/x?q={quote(TOKEN, safe='')}", f"/x?q={MARK}"),
        (f"/x?q={quote_plus(TOKEN)}", f"/x?q={MARK}"),
        (f"/x?q={quote(TOKEN).lower()}", f"/x?q={MARK}"),
        (encoded(TOKEN), MARK),
        (base64.urlsafe_b64encode(TOKEN.encode()).decode(), MARK),
        (f"was {TOKEN[:7]}... long", f"was {MARK}... long"),
        ("nothing... here", "nothing... here"),
    ],
)
def test_each_form_of_a_named_secret_is_replaced(text: str, shown: str) -> None:
    assert REDACTOR.text(text) == shown


@pytest.mark.parametrize("before", ["", "u", "u:", "us:", "user:"])
@pytest.mark.parametrize("after", ["", "!", "!!", "!!!"])
def test_base64_of_a_longer_text_is_found_at_any_place(before: str, after: str) -> None:
    text = f"x {encoded(before + TOKEN + after)} y"
    assert MARK in REDACTOR.text(text)
    assert encoded(TOKEN)[4:-4] not in REDACTOR.text(text)


def test_each_line_of_a_secret_of_several_lines_is_one() -> None:
    redactor = Redactor({"env.KEY": "-----BEGIN\nfirst-line\nsecond-line\n"})
    shown = redactor.text("a first-line b\nsecond-line\n-----BEGIN first-line second-line")
    assert shown == "a <secret:env.KEY> b\n<secret:env.KEY>\n<secret:env.KEY>"


def test_a_secret_that_holds_another_is_replaced_whole() -> None:
    redactor = Redactor({"a": "inner", "b": "outer-inner-outer"})
    assert redactor.text("outer-inner-outer inner") == "<secret:b> <secret:a>"


def test_a_placeholder_is_not_searched_for_what_it_is_called() -> None:
    redactor = Redactor({"variables.token": "token", "variables.b": "variables"})
    assert redactor.text("token") == MARK
    assert redactor.text(f"{MARK} token variables") == f"{MARK} {MARK} <secret:variables.b>"


def test_two_names_of_one_value_show_the_first() -> None:
    assert Redactor({"a": "same", "b": "same"}).text("x same") == "x <secret:a>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "<secret:s>"),
        ("abcd abc", "abcd abc"),
        ('say "abc"', 'say "<secret:s>"'),
        ("say 'abc'", "say '<secret:s>'"),
        ({"a": ["abc", "abcabc"]}, {"a": ["<secret:s>", "abcabc"]}),
    ],
)
def test_a_secret_of_three_characters_is_hidden_where_it_is_a_whole_value(
    value: object, shown: object
) -> None:
    assert Redactor({"s": "abc"}).value(value) == shown


def test_an_empty_secret_is_none() -> None:
    assert Redactor({"s": ""}).text("any text") == "any text"


def test_a_number_that_is_a_secret_is_hidden_as_a_value_and_in_texts() -> None:
    assert Redactor({"s": "123456"}).value([123456, 1234567, "is 123456"]) == [
        "<secret:s>",
        1234567,
        "is <secret:s>",
    ]


@given(st.text(min_size=4, max_size=12), st.text(max_size=5), st.text(max_size=5))
@settings(max_examples=150, deadline=None)
def test_no_secret_survives_and_redacting_twice_changes_nothing(
    secret: str, before: str, after: str
) -> None:
    redactor = Redactor({"s": secret})
    for form in (secret, json.dumps(secret), quote(secret, safe=""), quote_plus(secret)):
        shown = redactor.without_named(f"{before} {form} {after}")
        assert "<secret:s>" in shown
        assert redactor.without_named(shown) == shown


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("password", "db_password", "PGPASSWORD_PASSWD", "pwd", "secret", "clientSecret", "token"),
        *("X-Api-Key", "apiKey", "apikey", "API_KEY", "aws_secret_access_key", "private_key"),
        *("AccessKeyId", "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"),
        *("X-Auth-Token", "refreshToken", "credentials", "--token", "variables.password"),
    ],
)
def test_a_key_like_name_hides(name: str) -> None:
    assert is_key_like(name)


@pytest.mark.parametrize(
    "name",
    [
        *("key", "public_key", "primary_key", "result_key", "tokens", "max_tokens", "token_type"),
        *("next_page_token", "nextToken", "stop_token", "password_reset_url", "secret_name"),
        *("author", "passed", "user_id", "id", "", "monkey", "keyboard", "tokenizer"),
    ],
)
def test_a_name_that_only_sounds_like_one_hides_nothing(name: str) -> None:
    assert not is_key_like(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=abc&x=1", "password=<redacted>&x=1"),
        ("password: abc, x", "password: <redacted>, x"),
        ("password => abc", "password => <redacted>"),
        ('{"token": "a\\"b", "x": 1}', '{"token": "<redacted>", "x": 1}'),
        ('"{\\"token\\": \\"ab\\"}"', '"{\\"token\\": \\"<redacted>\\"}"'),
        ("{'token': 'ab'}", "{'token': '<redacted>'}"),
        ('{"token": 12}', '{"token": <redacted>}'),
        ('"token": "cut off', '"token": "<redacted>'),
        ("curl --token abc -v", "curl --token <redacted> -v"),
        ("curl --token=abc", "curl --token=<redacted>"),
        ("curl -H 'X-Api-Key: abc'", "curl -H 'X-Api-Key: <redacted>'"),
        ("Authorization: Bearer abc def", "Authorization: Bearer <redacted>"),
        ("authorization: abc", "authorization: <redacted>"),
        ("Cookie: a=b; c=d\nnext", "Cookie: <redacted>\nnext"),
        ("sent Bearer abcdef12", "sent Bearer <redacted>"),
        ("sent Basic dXNlcjpwdw==", "sent Basic <redacted>"),
        ("GET https://u:p@h/x", "GET https://<redacted>@h/x"),
        ("https://0123456789abcdef01@h", "https://<redacted>@h"),
        ("/x?a=1&X-Amz-Signature=ff&b=2", "/x?a=1&X-Amz-Signature=<redacted>&b=2"),
        ("/x?sig=ff", "/x?sig=<redacted>"),
    ],
)
def test_what_a_key_like_name_hides_in_a_text(text: str, shown: str) -> None:
    assert NOBODY.text(text) == shown
    assert NOBODY.text(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "password == 'x'",
        "password=",
        "token: null",
        'password: "{{env.PASSWORD}}"',
        "password=$PASSWORD",
        "KeyError: 'token'",
        "bearer of news, basic authentication",
        "https://git@github.test/x and ssh://me@h",
        "max_tokens: 30",
        f"password: {MARK}",
        f"Authorization: Basic {MARK}",
        f"https://{MARK}@h/ https://user:{MARK}@h/",
        "the tokens passed",
        "token:",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert NOBODY.text(text) == text


def test_what_we_render_ourselves_may_name_tasks_by_such_words() -> None:
    line = 'get_token: tools.fetch.get("x", password="abc", headers={"X-Api-Key": "k"})'
    shown = 'get_token: tools.fetch.get("x", password="<redacted>", headers={"X-Api-Key": "<redacted>"})'
    assert NOBODY.rendered(line) == shown


def test_a_text_without_a_stem_is_not_searched() -> None:
    assert not may_hold_names('log: tools.log.info("hello", key=1) https://h.test/@x')


PIECES = st.sampled_from(
    [
        *("api", "Key", "access", "id", "token", "PASSWORD", "sig=", "://", "@", "u:p", "https"),
        *(" ", ".", "/", "_", "-", "&", "?", '"', "\\", "\n", "é", "\u2028", "\udc80", "x1"),
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_data_in_which_nothing_is_hidden_can_be_told_by_its_json(text: str) -> None:
    """A log is not looked through where its JSON holds none of the stems."""
    for value in ({text: "v"}, [text, "v"], {"name": text, "value": "v"}, text):
        assert NOBODY.value(value) is value or may_hold_members(to_json(value))


# --- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "x", "user": "y"}, {"password": "<redacted>", "user": "y"}),
        ({"": "x"}, {"": "x"}),
        (
            {"password": 12, "token": True, "secret": None},
            {"password": "<redacted>", "token": True, "secret": None},
        ),
        ({"password": ""}, {"password": ""}),
        (
            {"secrets": {"a": ["x", {"b": 1}]}},
            {"secrets": {"a": ["<redacted>", {"b": "<redacted>"}]}},
        ),
        ({"Authorization": "Bearer x"}, {"Authorization": "Bearer <redacted>"}),
        ({"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {MARK}"}),
        ({"Authorization": f"Bearer {TOKEN}x1"}, {"Authorization": "Bearer <redacted>"}),
        (["--password", "x", "-v"], ["--password", "<redacted>", "-v"]),
        (["token", "x"], ["token", "<redacted>"]),
        (["token", "name", "id"], ["token", "name", "id"]),
        ([["X-Api-Key", "x"]], [["X-Api-Key", "<redacted>"]]),
        ([{"name": "API_KEY", "value": "x"}], [{"name": "API_KEY", "value": "<redacted>"}]),
        ({"name": "user", "value": "x"}, {"name": "user", "value": "x"}),
        ({TOKEN: 1}, {MARK: 1}),
        (("a", f"{TOKEN}"), ["a", MARK]),
        (1.5, 1.5),
    ],
)
def test_data_is_redacted_by_its_names(value: object, shown: object) -> None:
    assert REDACTOR.value(value) == shown
    assert REDACTOR.value(shown) == shown


def test_a_value_is_hidden_by_the_name_that_it_stands_under() -> None:
    assert [NOBODY.value("x", "token"), NOBODY.value("x", "name")] == ["<redacted>", "x"]


def test_data_without_secrets_is_the_same_object() -> None:
    value = {"a": [1, "b", {"c": None}]}
    assert REDACTOR.value(value) is value


def test_what_is_no_plain_data_stays() -> None:
    value = object()
    assert REDACTOR.value(value) is value


def test_two_keys_that_become_one_are_numbered() -> None:
    value = {"https://a:b@h": 1, "https://c:d@h": 2}
    assert NOBODY.value(value) == {"https://<redacted>@h": 1, "https://<redacted>@h~2": 2}


# --- the values of a run -------------------------------------------------------------------------


def shown_by(names: list[str], variables: dict[str, object], text: str) -> str:
    secrets = SecretValues()
    secrets.note(names, {"variables": variables, "env": {}})
    return secrets.redactor.text(text)


def test_each_value_inside_a_named_variable_is_a_secret() -> None:
    variables: dict[str, object] = {"a": {"b": ["first", 12345, True, None]}, "c": "other"}
    shown = shown_by(["variables.a"], variables, "first 12345 other")
    assert shown == "<secret:variables.a.b[0]> <secret:variables.a.b[1]> other"


def test_a_key_like_variable_is_a_secret_from_eight_characters() -> None:
    shown = shown_by([], {"password": "long enough", "token": "short"}, "long enough, short")
    assert shown == "<secret:variables.password>, short"


def test_a_name_stands_for_each_of_its_values() -> None:
    secrets = SecretValues()
    secrets.note(["env.X"], {"variables": {}, "env": {"X": "first"}})
    before = secrets.redactor
    secrets.note_env({"X": "second", "Y": "third"})
    assert before.text("second") == "second"
    assert secrets.redactor.text("first second third") == "<secret:env.X> <secret:env.X> third"


# --- looks ---------------------------------------------------------------------------------------

RANDOM = "a8Fj29sK1lz0QpXm"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": ["ok", "id AKIAABCDEFGHIJKLMNOP"]}, [("a[1]", "it looks like an AWS access key")]),
        ("ghp_" + "a1B2" * 6, [("", "it looks like a GitHub token")]),
        ("github_pat_" + "a1B2" * 6, [("", "it looks like a GitHub token")]),
        ("glpat-" + "a1B2" * 6, [("", "it looks like a GitLab token")]),
        ("xoxb-123456789012-abc", [("", "it looks like a Slack token")]),
        ("AIza" + "a1B2c" * 7, [("", "it looks like a Google API key")]),
        ("sk_live_" + "a1B2" * 5, [("", "it looks like a Stripe key")]),
        ("sk-" + "a1B2" * 5, [("", "it looks like an API key")]),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.abc", [("", "it looks like a JSON web token")]),
        ("-----BEGIN RSA PRIVATE KEY-----\n", [("", "it looks like a private key")]),
        ({"u": "https://a:b@h"}, [("u", "a URL in it holds a password")]),
        ({"x": {"token": RANDOM}}, [("x.token", "it looks random and stands under 'token'")]),
        (
            {"tokens": [{"secret": [RANDOM]}]},
            [("tokens[0].secret[0]", "it looks random and stands under 'secret'")],
        ),
        (
            {"AKIAABCDEFGHIJKLMNOP": 1},
            [("AKIAABCDEFGHIJKLMNOP", "it looks like an AWS access key")],
        ),
    ],
)
def test_what_looks_like_a_credential_is_found_with_its_place(
    value: object, found: list[tuple[str, str]]
) -> None:
    assert list(looks_like_credential(value)) == found


@pytest.mark.parametrize(
    "value",
    [
        {"token": "<redacted>", "password": "changeme"},
        {"token": f"{RANDOM} with words"},
        {"token": "aaaaaaaaaaaaaaaaaaaaaaa"},
        {"id": RANDOM, "n": 12, "note": "the sk-learn package", "eyJ": "xoxo"},
        "https://user@h/ https://h/",
    ],
)
def test_what_looks_like_none_is_not_found(value: object) -> None:
    assert list(looks_like_credential(value)) == []
