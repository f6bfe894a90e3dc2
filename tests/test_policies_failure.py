"""What follows a failure: retry, timeout, on_failure, critical, finally, skip_if and run_if."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, verdict

HOLDS = {
    "skip_if skips the task and not the path": """
        name: w
        variables: {dry: true}
        tasks:
          a: {function: app.echo, skip_if: "{{variables.dry}}"}
          b: {function: app.echo, dependencies: [a]}
        tests:
          t: {expect: {tasks: {a: {status: skipped, reason: "skip_if: true"}, b: success}}}
          u: {variables: {dry: false}, expect: {tasks: {a: success}}}
        """,
    "run_if kills the path; a join that another branch reaches is not one of it": """
        name: w
        variables: {go: false}
        tasks:
          a: {function: app.echo, run_if: variables.go}
          b: {function: app.echo, dependencies: [a]}
        tests:
          t: {expect: {tasks: {a: {status: skipped, reason: "run_if: false"},
                               b: {status: skipped, reason: a was skipped}}}}
          u: {variables: {go: true}, expect: {tasks: {b: success}}}
        """,
    "gates are read after the rule has let the task run, and skip_if first": """
        name: w
        tasks:
          bad: {function: app.fail, critical: false}
          a: {function: app.echo, dependencies: [bad], skip_if: 1 / 0, critical: false}
          b: {function: app.echo, skip_if: "true", run_if: 1 / 0}
          c: {function: app.echo, run_if: "1 < 'a'", critical: false}
        tests:
          t: {expect: {tasks: {a: upstream_failed, b: skipped, c: failed}}}
        """,
    "gates hold for every operator": """
        name: w
        tasks:
          a: {operator_type: foreach, items: [1], skip_if: "true", loop_body: [{task_id: x, function: app.echo}]}
          b: {operator_type: wait, wait_for: 1h, run_if: "false"}
          c: {operator_type: while, condition: "true", skip_if: "true", loop_body: [{task_id: x, function: app.echo}]}
        tests:
          t: {expect: {duration: 0, tasks: {a: skipped, b: skipped, c: skipped}, calls: {app.echo: 0}}}
        """,
    "after waits, whatever becomes of the others, and any operator": """
        name: w
        tasks:
          bad: {function: app.ask, critical: false}
          none: {function: app.echo, run_if: "false"}
          each: {operator_type: foreach, items: [1], loop_body: [{task_id: x, function: app.ask}]}
          fan: {operator_type: parallel, branches: {a: [{task_id: y, function: app.ask}]}}
          a: {function: app.echo, after: [bad, none, each, fan]}
        tests:
          t:
            stubs:
              bad: {raise: ValueError, after: 5s}
              x: {return: 1, after: 7s}
              y: {return: 1, after: 8s}
            expect: {tasks: {a: success}, order: [bad < a, each < a, fan.a/y < a]}
        """,
    "delays are delay * backoff ** (n - 1), up to max_delay": """
        name: w
        tasks:
          a: {function: app.ask, retry: {max_retries: 4, delay: 1s, backoff: 3, max_delay: 10s}}
        tests:
          t:
            stubs: {a: [{raise: ValueError, times: 4}, {return: 1}]}
            expect:
              duration: 23s
              tasks: {a: {status: success, attempts: 5}}
              transcript: |
                a: app.ask()
                  attempt 1 failed: ValueError; retry in 1s
                  attempt 2 failed: ValueError; retry in 3s
                  attempt 3 failed: ValueError; retry in 9s
                  attempt 4 failed: ValueError; retry in 10s
                run: success
        """,
    "retry: n retries at once, and the last failure is the task's": """
        name: w
        tasks: {a: {function: app.ask, retry: 1}}
        tests:
          t:
            stubs: {a: [{raise: {ValueError: one}}, {raise: {KeyError: two}}]}
            expect:
              error: {type: KeyError, task: a}
              transcript: |
                a: app.ask()
                  attempt 1 failed: ValueError: one; retry
                  failed: KeyError: 'two'
                run: failed (a: KeyError: 'two')
        """,
    "retry_on names a class or its bases; a timeout is a TimeoutError": """
        name: w
        defaults: {retry: {max_retries: 1, retry_on: [OSError]}}
        tasks:
          a: {function: app.ask, critical: false}
          b: {function: app.ask, critical: false}
          c: {function: app.ask, critical: false, timeout: 1s}
          d: {function: app.ask, critical: false, timeout: 1s,
              retry: {max_retries: 1, retry_on: [TimeoutError]}}
        tests:
          t:
            stubs:
              a: [{raise: ConnectionResetError}, {return: 1}]
              b: {raise: ValueError}
              c: [{return: 1, after: 2s}, {return: 1}]
              d: [{return: 1, after: 2s}, {return: 1}]
            expect: {tasks: {a: {status: success, attempts: 2}, b: {attempts: 1},
                             c: {status: success, attempts: 2}, d: {attempts: 2}}}
        """,
    "0 overrides a default": """
        name: w
        defaults: {retry: 2}
        tasks:
          a: {function: app.fail, retry: 0, critical: false}
          b: {function: app.fail, critical: false}
          c: {function: app.fail, retry_policy: {max_retries: 0}, critical: false}
        tests: {t: {expect: {tasks: {a: {attempts: 1}, b: {attempts: 3}, c: {attempts: 1}}}}}
        """,
    "defaults hold for the tasks of bodies and branches": """
        name: w
        defaults: {retry: 1, timeout: 1s, on_failure: continue, trigger_rule: all_done}
        tasks:
          each: {operator_type: foreach, items: [1],
                 loop_body: [{task_id: x, function: app.fail}, {task_id: y, function: app.ask}]}
          fan: {operator_type: parallel, branches: {a: [{task_id: z, function: app.fail}]}}
          end: {function: app.echo, dependencies: [each, fan]}
        tests:
          t:
            stubs: {y: {return: 1, after: 2s}}
            expect:
              status: failed
              tasks: {"each[0]/x": {attempts: 2}, "each[0]/y": {status: timed_out, attempts: 2},
                      fan.a/z: {attempts: 2}, end: success, each: failed}
        """,
    "the names of highway-dsl": """
        name: w
        tasks:
          a: {task_id: a, operator_type: task, function: app.ask, trigger_rule: all_success,
              retry_policy: {max_retries: 2, delay: PT1S, backoff_factor: 3.0},
              timeout_policy: {timeout: PT2S, kill_on_timeout: true}}
        tests:
          t:
            stubs: {a: {return: 1, after: 3s}}
            expect: {duration: 10s, tasks: {a: {status: timed_out, attempts: 3}}, status: failed}
        """,
    "each attempt has its timeout, and a late answer is dropped": """
        name: w
        tasks: {a: {function: app.ask, timeout: 5s, retry: 1, result_key: r}}
        tests:
          t:
            stubs: {a: [{return: late, after: 6s, log: {info: late}}, {return: ok, after: 5s}]}
            expect:
              duration: 10s
              results: {r: ok}
              transcript: |
                a: app.ask() -> r
                  info: late
                  attempt 1 timed out: TimeoutError: no answer within 5s; retry
                run: success
        """,
    "max_step_duration bounds every attempt, whatever its own timeout says": """
        name: w
        max_step_duration: 3s
        tasks:
          a: {function: app.ask, timeout: 1h, critical: false}
          b: {function: app.ask, critical: false}
          c: {operator_type: wait, wait_for: 1m}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 4s}},
              expect: {duration: 1m, tasks: {a: timed_out, b: timed_out, c: success}}}
        """,
    "time in the queue and between attempts is none of the timeout": """
        name: w
        max_concurrency: 1
        tasks:
          a: {function: app.ask, timeout: 3s}
          b: {function: app.ask, timeout: 3s}
          c: {function: app.ask, timeout: 3s}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 3s}}, expect: {duration: 9s}}
        """,
    "skip_dependents leaves the rest running": """
        name: w
        tasks:
          bad: {function: app.fail}
          next: {function: app.echo, dependencies: [bad]}
          beside: {function: app.ask}
          last: {function: app.echo, dependencies: [beside]}
        tests:
          t:
            stubs: {beside: {return: 1, after: 5s}}
            expect:
              status: failed
              tasks: {next: {status: upstream_failed, reason: "dependency failed: bad"},
                      last: success}
        """,
    "continue lets the dependents run, and the run is still failed": """
        name: w
        tasks:
          bad: {function: app.fail, on_failure: continue}
          next: {function: app.echo, dependencies: [bad]}
        tests: {t: {expect: {error: {task: bad}, tasks: {next: success}}}}
        """,
    "critical: false alone fails the dependents, which count themselves": """
        name: w
        tasks:
          bad: {function: app.fail, critical: false}
          next: {function: app.echo, dependencies: [bad]}
        tests: {t: {expect: {error: {type: UpstreamFailed, task: next}}}}
        """,
    "both together forgive": """
        name: w
        tasks:
          bad: {function: app.fail, critical: false, on_failure: continue}
          next: {function: app.echo, dependencies: [bad]}
        tests: {t: {expect: {status: success}}}
        """,
    "a fallback's result stands in under the failed one's key too": """
        name: w
        tasks:
          bad: {function: app.fail, on_failure: {fallback: other}, result_key: r}
          other: {function: app.echo, args: [7], result_key: own}
          next: {function: app.echo, args: ["{{results.r}}"], dependencies: [bad], result_key: n}
        tests:
          t:
            expect:
              results: {r: 7, own: 7, n: 7}
              tasks: {bad: {status: failed, replaced_by: other}}
              transcript: |
                bad: app.fail()
                  failed, replaced by other: ValueError: no
                other: app.echo(7) -> own
                next: app.echo(7) -> n
                run: success
        """,
    "a fallback starts after the last attempt, and waits for its own dependencies": """
        name: w
        tasks:
          bad: {function: app.ask, retry: {max_retries: 1, delay: 5s}, fallback_step: other}
          other: {function: app.echo, dependencies: [slow]}
          slow: {function: app.ask}
        tests:
          t:
            stubs: {bad: {raise: ValueError}, slow: {return: 1, after: 9s}}
            expect: {tasks: {other: success}, order: [bad < other, slow < other]}
        """,
    "fallback_step beats a default of abort": """
        name: w
        defaults: {on_failure: abort}
        tasks:
          bad: {function: app.fail, fallback_step: other}
          other: {function: app.ask}
          beside: {function: app.ask}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 1s}}, expect: {tasks: {beside: success}}}
        """,
    "when the fallback fails too, the error is the first task's": """
        name: w
        tasks:
          bad: {function: app.fail, args: [first], on_failure: {fallback: other}}
          other: {function: app.fail, args: [second]}
          next: {function: app.echo, dependencies: [bad]}
        tests:
          t: {expect: {error: {message: first, task: bad}, tasks: {next: upstream_failed}}}
        """,
    "fallbacks may follow each other": """
        name: w
        tasks:
          bad: {function: app.fail, on_failure: {fallback: one}, result_key: r}
          one: {function: app.fail, on_failure: {fallback: two}}
          two: {function: app.echo, args: [2]}
          next: {function: app.echo, args: ["{{results.r}}"], dependencies: [bad], result_key: n}
        tests:
          t: {expect: {status: success, results: {n: 2},
                       tasks: {bad: {replaced_by: two}, one: {replaced_by: two}}}}
        """,
    "an unneeded chain of fallbacks ends": """
        name: w
        tasks:
          good: {function: app.echo, on_failure: {fallback: one}}
          one: {function: app.fail, on_failure: {fallback: two}}
          two: {function: app.echo}
        tests:
          t: {expect: {tasks: {one: {status: skipped, reason: not needed}, two: skipped}}}
        """,
    "abort cancels calls in flight, queued ones, waits and iterations": """
        name: w
        max_concurrency: 2
        tasks:
          bad: {function: app.ask, on_failure: abort}
          running: {function: app.ask}
          queued: {function: app.ask}
          pausing: {operator_type: wait, wait_for: 1h}
          event: {operator_type: wait, wait_for: {event: x}}
          each: {operator_type: foreach, items: [1], loop_body: [{task_id: x, operator_type: wait, wait_for: 1h}]}
          next: {function: app.echo, dependencies: [running]}
          clean: {function: app.ask, finally: true}
        tests:
          t:
            stubs:
              bad: {raise: {ValueError: stop}, after: 1s}
              running: {return: 1, after: 9s}
              clean: {return: 1, after: 2s}
            expect:
              duration: 3s
              error: {message: stop, task: bad}
              calls: {app.ask: 3, queued: 0}
              tasks: {running: {status: cancelled, attempts: 1, reason: bad aborted the run},
                      queued: cancelled, pausing: cancelled, event: cancelled, each: cancelled,
                      "each[0]/x": cancelled, next: cancelled, clean: success}
        """,
    "abort by a condition, a wait, a composite": """
        name: w
        tasks:
          one: {operator_type: condition, condition: "1 / 0", if_true: x, on_failure: abort}
          x: {function: app.echo}
          beside: {operator_type: wait, wait_for: 1h}
        tests: {t: {expect: {duration: 0, error: {type: ExpressionError, task: one}}}}
        """,
    "a retry that is pending when the run stops never comes": """
        name: w
        tasks:
          a: {function: app.ask, retry: {max_retries: 1, delay: 10s}}
        tests:
          t: {stubs: {a: {raise: ValueError}}, cancel: {at: 5s},
              expect: {status: cancelled, duration: 5s, calls: {a: 1},
                       tasks: {a: {status: cancelled, attempts: 1}}}}
        """,
    "a late answer after a cancel changes nothing": """
        name: w
        tasks:
          a: {function: app.ask, result_key: r}
          clean: {function: app.ask, finally: true}
        tests:
          t: {stubs: {a: {return: late, after: 10s, usage: {cost: 1}}, clean: {return: 1, after: 9s}},
              cancel: {at: 5s},
              expect: {status: cancelled, duration: 14s, usage: {cost: 0}, tasks: {a: cancelled}}}
        """,
    "finally comes after what it depends on, whatever became of it": """
        name: w
        tasks:
          bad: {function: app.fail, critical: false}
          none: {function: app.echo, run_if: "false"}
          slow: {function: app.ask}
          clean: {function: app.echo, finally: true, dependencies: [bad, none],
                  trigger_rule: all_success}
          last: {function: app.echo, finally: true}
        tests:
          t: {stubs: {slow: {return: 1, after: 5s}},
              expect: {tasks: {clean: success, last: success}, order: [bad < clean, slow < last]}}
        """,
    "a failed finally fails the run, even uncritical, and never hides the first error": """
        name: w
        tasks:
          clean: {function: app.fail, args: [cleaning], finally: true, critical: false}
          a: {function: app.ask}
        tests:
          t: {stubs: {a: {return: 1}}, expect: {error: {message: cleaning, task: clean}}}
          u: {stubs: {a: {raise: {ValueError: first}}}, expect: {error: {message: first, task: a}}}
        """,
    "a failed finally in a body fails the iteration": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1],
                 loop_body: [{task_id: x, function: app.echo},
                             {task_id: clean, function: app.fail, finally: true}]}
        tests: {t: {expect: {error: {task: "each[0]/clean"}}}}
        """,
    "finally tasks read what those before them wrote": """
        name: w
        tasks:
          a: {function: app.echo, args: [1], result_key: r}
          clean: {function: app.echo, args: ["{{results.r}} {{tasks.a.status}}"], finally: true,
                  result_key: c}
        tests: {t: {expect: {results: {c: 1 success}}}}
        """,
    "a finally that is a composite runs whole after a stop": """
        name: w
        tasks:
          bad: {function: app.fail, on_failure: abort}
          clean: {operator_type: foreach, items: [1, 2], finally: true,
                  loop_body: [{task_id: x, function: app.echo}, {task_id: y, function: app.echo}]}
        tests: {t: {expect: {status: failed, calls: {app.echo: 4}}}}
        """,
    "arguments are copied for every call and for the log": """
        name: w
        variables: {list: [1]}
        tasks:
          a: {function: app.spoil, args: ["{{variables.list}}"], result_key: one}
          b: {function: app.spoil, args: ["{{variables.list}}"], result_key: two,
              dependencies: [a]}
          c: {function: app.echo, args: [[1]], result_key: list}
          d: {function: app.spoil, args: ["{{results.list}}"], dependencies: [c]}
          e: {function: app.echo, args: ["{{results.list}}"], dependencies: [d], result_key: after}
        tests:
          t: {expect: {results: {one: 2, two: 2, after: [1]}, calls: {a: [{args: [[1]]}]}}}
        """,
    "provides and consumes order tasks": """
        name: w
        tasks:
          use: {function: app.echo, consumes: [built]}
          make: {function: app.ask, provides: [built]}
        tests: {t: {stubs: {make: {return: 1, after: 1s}}, expect: {order: [make < use]}}}
          """,
    "env of a task is over the run's, its values may be templates": """
        name: w
        env: {A: run, B: run}
        variables: {v: 5}
        tasks:
          a: {function: app.context, args: [env], env: {B: "{{variables.v}}", C: own}, result_key: r}
          b: {function: app.context, args: [env], result_key: s}
        tests:
          t: {env: {A: case}, expect: {results: {r: {A: case, B: "5", C: own}, s: {A: case, B: run}}}}
        """,
    "a first attempt that is not called has a head all the same": """
        name: w
        tasks:
          a: {function: app.ask, require: memory.n | default(0) > 0, retry: {max_retries: 1, delay: 5s}}
        tests:
          t:
            expect:
              status: failed
              calls: {a: 0}
              transcript:
                - "a: not called"
                - "  attempt 1 failed: PreconditionFailed: memory.n | default(0) > 0 is false (0 > 0); retry in 5s"
                - "  failed: PreconditionFailed: Plugin execution failed after max retries: memory.n | default(0) > 0 is false (0 > 0)"
                - "run: failed (*) (glob)"
        """,
}


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


A = "a: {function: app.echo"
FAULTS = {
    "retry and retry_policy": (
        f"{A}, retry: 1, retry_policy: {{max_retries: 2}}}}",
        ["3:37: 'retry' and 'retry_policy' mean the same; give one of them"],
    ),
    "timeout and timeout_policy": (
        f"{A}, timeout: 1, timeout_policy: {{timeout: 2}}}}",
        ["3:39: 'timeout' and 'timeout_policy' mean the same; give one of them"],
    ),
    "kill_on_timeout: false": (
        f"{A}, timeout_policy: {{timeout: 2, kill_on_timeout: false}}}}",
        ["3:73: False is not allowed here; allowed: True"],
    ),
    "fallback_step beside on_failure": (
        f"{A}, on_failure: abort, fallback_step: b}}\n  b: {{function: app.echo}}",
        ["3:46: 'fallback_step' and 'on_failure' exclude each other"],
    ),
    "a finally task as fallback": (
        f"{A}, fallback_step: b}}\n  b: {{function: app.echo, finally: true}}",
        ["3:42: 'b' is a finally task and can stand in for nothing"],
    ),
    "a condition as fallback": (
        (
            f"{A}, fallback_step: b}}\n  b: {{operator_type: condition, condition: 'true', if_true: c}}\n"
            "  c: {function: app.echo}"
        ),
        ["3:42: 'b' is a condition and can stand in for nothing"],
    ),
    "a condition that chooses a fallback": (
        (
            f"{A}, fallback_step: b}}\n  b: {{function: app.echo}}\n"
            "  c: {operator_type: condition, condition: 'true', if_true: b}"
        ),
        ["5:61: 'b' is a fallback; no condition may choose it"],
    ),
    "an unknown policy": (
        f"{A}, on_failure: abbort}}",
        [
            (
                "3:39: 'abbort' is not allowed here; allowed: 'skip_dependents', 'abort', 'continue'; "
                "did you mean 'abort'?"
            )
        ],
    ),
    "a policy of two words": (
        f"{A}, on_failure: {{fallback: b, policy: abort}}}}\n  b: {{function: app.echo}}",
        ["3:39: expected {fallback: task id}, got a mapping with 'fallback', 'policy'"],
    ),
    "consuming what nobody provides": (
        f"{A}, consumes: [bilt]}}\n  b: {{function: app.echo, provides: [built]}}",
        ["3:38: no task provides 'bilt'; did you mean 'built'?"],
    ),
    "two providers": (
        f"{A}, provides: [x]}}\n  b: {{function: app.echo, provides: [x]}}",
        ["4:38: 'x' is provided by 'a' as well"],
    ),
    "consuming what one provides oneself": (
        f"{A}, provides: [x], consumes: [x]}}",
        ["3:53: 'a' consumes what it provides itself"],
    ),
    "a negative retry": (
        f"{A}, retry: -1}}",
        ["3:34: input should be greater than or equal to 0, got the number -1"],
    ),
    "a bad template in env": (
        f"{A}, env: {{X: '{{{{ 1 + }}}}'}}}}",
        ["3:36: an operand is missing"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot be meant is found at collection, at its place."""
    tasks, expected = FAULTS[title]
    assert faults(tmp_path, f"name: w\ntasks:\n  {tasks}\n") == expected


def test_a_fallback_is_no_default(tmp_path: Path) -> None:
    """One task cannot stand in for all."""
    text = "name: w\ndefaults: {on_failure: {fallback: a}}\ntasks: {a: {function: app.echo}}\n"
    assert faults(tmp_path, text) == ["2:35: a fallback serves one task, so it is no default"]


def test_a_chain_of_three_thousand_fallbacks(tmp_path: Path) -> None:
    """Nothing recurses over it."""
    tasks = "\n".join(
        f"  t{number}: {{function: app.fail, fallback_step: t{number + 1}}}"
        for number in range(3_000)
    )
    text = f"""\
name: w
tasks:
{tasks}
  t3000: {{function: app.echo}}
tests:
  t: {{expect: {{status: success, tasks: {{t0: {{replaced_by: t3000}}}}}}}}
"""
    assert verdict(tmp_path, text) == []
