"""What is asked of values: cache, schemas, `validate`, `require`, feedback."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, verdict
from pydantic import BaseModel


class Todo(BaseModel):
    """What a tool is to give."""

    title: str
    done: bool = False


def is_short(value: object) -> bool:
    """Whether a text is short."""
    return isinstance(value, str) and len(value) < 5


def refuses(value: object) -> None:
    """Says why in words."""
    raise ValueError(f"{value} will not do")


def breaks(value: object) -> object:
    """Has a fault of its own."""
    return {}[value]


def has_token(roots: dict[str, object]) -> bool:
    """A precondition over the roots."""
    return "token" in roots["variables"]


def spoils(value: list[object]) -> bool:
    """Changes what it is to look at."""
    value.append("spoiled")
    return True


NO_FUNCTION = 3

HOLDS = {
    "a cache hit stores the result, calls nothing, and uses nothing": """
        name: w
        tasks:
          a: {function: app.ask, args: [1], cache: {key: "k-{{variables.v}}"}, result_key: one}
          b: {function: app.ask, args: [2], cache: {key: k-5}, result_key: two, dependencies: [a]}
          c: {function: app.ask, args: [3], cache: {key: other}, dependencies: [b]}
        variables: {v: 5}
        tests:
          t:
            stubs: {a: {return: [x], usage: {tokens: 3}}, c: {return: z}}
            expect:
              calls: {app.ask: 2, b: 0}
              usage: {tokens: 3, tool_calls: 2}
              results: {one: [x], two: [x]}
              tasks: {b: {status: success, attempts: 0}}
              transcript: |
                a: app.ask(1) -> one
                b: cached as 'k-5' -> two
                c: app.ask(3)
                run: success
        """,
    "only successes are kept": """
        name: w
        tasks:
          a: {function: app.ask, cache: {key: k}, critical: false}
          b: {function: app.ask, cache: {key: k}, after: [a], result_key: r}
        tests:
          t: {stubs: {a: {raise: ValueError}, b: {return: 2}}, expect: {results: {r: 2}}}
        """,
    "a value that does not validate is not kept": """
        name: w
        tasks:
          a: {function: app.ask, cache: {key: k}, validate: result > 1, retry: 1}
          b: {function: app.ask, cache: {key: k}, dependencies: [a], result_key: r}
        tests:
          t: {stubs: {a: [{return: 1}, {return: 2}]}, expect: {results: {r: 2}, calls: {b: 0}}}
        """,
    "a kept result holds for its ttl, and is put once": """
        name: w
        tasks:
          a: {function: app.ask, cache: {key: k, ttl: 10s}, result_key: a}
          b: {function: app.ask, cache: {key: k, ttl: 10s}, result_key: b}
          p: {operator_type: wait, wait_for: 11s}
          c: {function: app.ask, cache: {key: k}, dependencies: [p], result_key: c}
          q: {operator_type: wait, wait_for: 12s}
          d: {function: app.ask, cache: {key: k}, dependencies: [q], result_key: d}
        tests:
          t:
            stubs: {a: {return: 1, after: 1s}, b: {return: 2, after: 3s}, c: {return: 3}}
            expect: {results: {a: 1, b: 2, c: 3, d: 3}}
        """,
    "a hit is a copy": """
        name: w
        tasks:
          a: {function: app.ask, cache: {key: k}, result_key: a}
          s: {function: app.spoil, args: ["{{results.a}}"], dependencies: [a]}
          b: {function: app.ask, cache: {key: k}, dependencies: [s], result_key: b}
        tests: {t: {stubs: {a: {return: [1]}}, expect: {results: {a: [1], b: [1]}}}}
        """,
    "a cache key that cannot be rendered fails the task": """
        name: w
        tasks: {a: {function: app.ask, cache: {key: "{{memory.ghost}}"}}}
        tests: {t: {expect: {error: {type: MissingValue, task: a}}}}
        """,
    "a cache in a loop": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1, 2, 1], collect: r, result_key: all,
                 loop_body: [{task_id: x, function: app.ask, args: ["{{item}}"],
                              cache: {key: "{{item}}"}, result_key: r}]}
        tests:
          t: {stubs: {x: {return: "{{call.args[0]}}"}}, expect: {results: {all: [1, 2, 1]}, calls: {x: 2}}}
        """,
    "validate over the result; each failure is retried, the last one says so": """
        name: w
        tasks:
          a: {function: app.ask, validate: result.n > 2, retry: 2}
        tests:
          t:
            stubs: {a: {return: {n: 1}}}
            expect:
              error:
                type: OutputInvalid
                message: "Validation failed after max retries (3 attempts): result.n > 2 is false (1 > 2)"
              calls: {a: 3}
              tasks: {a: {status: failed, attempts: 3}}
          good: {stubs: {a: [{return: {n: 1}}, {return: {n: 3}}]}, expect: {status: success}}
        """,
    "a field that is missing is a validation failure": """
        name: w
        tasks: {a: {function: app.ask, validate: "{{result.ghost}} == 1"}}
        tests:
          t: {stubs: {a: {return: {n: 1}}},
              expect: {error: {type: OutputInvalid, message: {$re: "^Validation failed after max retries .1 attempts.: .*ghost"}}}}
        """,
    "several checks, of which the first that fails speaks": """
        name: w
        tasks: {a: {function: app.ask, validate: [result > 1, result > 2, result > 3]}}
        tests:
          t: {stubs: {a: {return: 2}}, expect: {error: {message: {$contains: "result > 2 is false"}}}}
        """,
    "functions validate as well": """
        name: w
        tasks:
          a: {function: app.ask, validate: "test_policies_values:is_short", critical: false}
          b: {function: app.ask, validate: "test_policies_values:refuses", critical: false}
          c: {function: app.ask, validate: "test_policies_values:breaks", critical: false}
          d: {function: app.ask, validate: "test_policies_values:is_short"}
        tests:
          t:
            stubs: {a: {return: longer}, b: {return: x}, c: {return: x}, d: {return: ok}}
            expect:
              tasks: {d: success}
              transcript:
                match: subset
                lines:
                  - "  failed: OutputInvalid: Validation failed after max retries (1 attempts): test_policies_values:is_short said False"
                  - "  failed: OutputInvalid: Validation failed after max retries (1 attempts): x will not do"
                  - "  failed: OutputInvalid: Validation failed after max retries (1 attempts): KeyError: 'x'"
        """,
    "a function that changes its argument changes a copy": """
        name: w
        tasks: {a: {function: app.ask, validate: "test_policies_values:spoils", result_key: r}}
        tests: {t: {stubs: {a: {return: [1]}}, expect: {results: {r: [1]}}}}
        """,
    "a JSON Schema is looked at first": """
        name: w
        tasks:
          a:
            function: app.ask
            output_schema: {type: object, required: [title], properties: {title: {type: string}}}
            validate: result.title != ""
            retry: 2
        tests:
          t:
            stubs: {a: [{return: {}}, {return: {title: 3}}, {return: {title: ""}}]}
            expect:
              calls: {a: 3}
              transcript:
                match: subset
                lines:
                  - "  attempt 1 failed: OutputInvalid: 'title' is a required property; retry"
                  - "  attempt 2 failed: OutputInvalid: title: 3 is not of type 'string'; retry"
                  - '  failed: OutputInvalid: Validation failed after max retries (3 attempts): result.title != "" is false ("" != "")'
              status: failed
          good: {stubs: {a: {return: {title: x}}}, expect: {status: success}}
        """,
    "a model gives the value that is kept": """
        name: w
        tasks: {a: {function: app.ask, output_schema: "test_policies_values:Todo", result_key: r}}
        tests:
          t: {stubs: {a: {return: {title: x}}}, expect: {results: {r: {title: x, done: false}}}}
          bad: {stubs: {a: {return: {}}},
                expect: {error: {type: OutputInvalid, message: {$contains: "title: Field required"}}}}
        """,
    "require is looked at before each attempt, which counts but is no call": """
        name: w
        variables: {go: true}
        tasks:
          a: {function: app.ask, require: [variables.go, "1 < 2"], retry: 1}
          b: {function: app.ask, require: not variables.go, retry: 1, critical: false}
        tests:
          t: {stubs: {a: {return: 1}}, expect: {calls: {a: 1, b: 0},
              tasks: {a: {attempts: 1}, b: {status: failed, attempts: 2}}}}
        """,
    "the last failure of require reads so": """
        name: w
        variables: {n: 1}
        tasks:
          a: {function: app.ask, require: variables.n > 2, critical: false}
          b: {function: app.ask, require: "test_policies_values:has_token"}
        tests:
          t:
            expect:
              error: {type: PreconditionFailed, task: b,
                      message: "Plugin execution failed after max retries: test_policies_values:has_token said False"}
              calls: {app.ask: 0}
              transcript:
                match: subset
                lines: ["a: failed (PreconditionFailed: Plugin execution failed after max retries: variables.n > 2 is false (1 > 2))"]
        """,
    "a tool is told why its last attempt failed": """
        name: w
        tasks: {a: {function: app.context, args: [feedback], validate: result != null, retry: 1,
                    result_key: r}}
        tests: {t: {expect: {results: {r: "result != null is false (null != null)"}}}}
        """,
}


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


FAULTS = {
    "a module that is not there": (
        "validate: 'ghost_module:x'",
        "'ghost_module:x' cannot be imported: No module named 'ghost_module'",
    ),
    "a name that is not there": (
        "require: 'test_policies_values:ghost'",
        "'test_policies_values:ghost' cannot be imported",
    ),
    "no function": ("validate: 'test_policies_values:NO_FUNCTION'", "is no function"),
    "no model": (
        "output_schema: 'test_policies_values:is_short'",
        "'test_policies_values:is_short' is no pydantic model; write 'module:Model' or a schema",
    ),
    "a bad schema": ("output_schema: {type: objekt}", "the schema is invalid: 'objekt' is not"),
    "a bad expression": ("validate: [result > 1, 'result >']", "an operand is missing"),
    "no expression": ("validate: [3]", "expected an expression as text"),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot be meant is found at collection."""
    words, expected = FAULTS[title]
    found = faults(tmp_path, f"name: w\ntasks:\n  a: {{function: app.echo, {words}}}\n")
    assert len(found) == 1
    assert expected in found[0]
