"""What holds calls back: bulkheads, breakers, limits, locks."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, load, result_of, verdict

from pytest_highway.events import LimitBreached, TaskEnded, UsageAdded

HOLDS = {
    "a bulkhead holds back calls of its tool, who waits holds no slot": """
        name: w
        max_concurrency: 2
        tools: {app.ask: {max_concurrent: 1}}
        tasks:
          a: {function: app.ask}
          b: {function: app.ask}
          c: {function: app.save}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 4s}, app.save: {return: 1, after: 1s}}
            expect: {duration: 8s}
        """,
    "past max_queue an attempt is refused: it counts in attempts, not in calls": """
        name: w
        tools: {app.ask: {max_concurrent: 1, max_queue: 1}}
        tasks:
          a: {function: app.ask}
          b: {function: app.ask}
          c: {function: app.ask, critical: false}
          d: {function: app.ask, retry: {max_retries: 1, delay: 20s}}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 5s}}
            expect:
              duration: 25s
              calls: {app.ask: 3, c: 0, d: 1}
              tasks: {c: {status: failed, attempts: 1}, d: {status: success, attempts: 2}}
              transcript: |
                a: app.ask()
                b: app.ask()
                c: failed (BulkheadFull: app.ask: 1 calls running and 1 waiting)
                d: app.ask()
                  attempt 1 failed: BulkheadFull: app.ask: 1 calls running and 1 waiting; retry in 20s
                run: success
        """,
    "max_queue: 0 lets nobody wait": """
        name: w
        tools: {app.ask: {max_concurrent: 1, max_queue: 0}}
        tasks: {a: {function: app.ask}, b: {function: app.ask}}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 5s}},
              expect: {error: {type: BulkheadFull, task: b}, calls: {app.ask: 1}}}
        """,
    "a place is given back by a cancelled call": """
        name: w
        tools: {app.ask: {max_concurrent: 1}}
        tasks:
          each: {operator_type: foreach, items: [0, 1], max_concurrency: 2, critical: false,
                 loop_body: [{task_id: x, function: app.ask}, {task_id: y, function: app.even,
                              args: ["{{item + 1}}"], dependencies: []}]}
          b: {function: app.ask}
        tests:
          t: {stubs: {x: {return: 1, after: 9s}, b: {return: 1, after: 1s}},
              expect: {duration: 10s, calls: {x: 2, b: 1}, tasks: {"each[1]/x": cancelled, b: success}}}
        """,
    "a breaker opens after failures in a row, lets one trial through, and closes": """
        name: w
        tools: {app.ask: {breaker: {failures: 2, reset_after: 60s}}}
        tasks:
          a: {function: app.ask, retry: {max_retries: 6, delay: 10s, backoff: 1}}
          late: {operator_type: wait, wait_for: 100s}
          b: {function: app.ask, dependencies: [late]}
        tests:
          t:
            stubs: {a: {raise: ValueError}, b: {return: 1}}
            expect:
              calls: {a: 2, b: 1}
              status: failed
              tasks: {a: {status: failed, attempts: 7}, b: success}
              error: {type: CircuitOpen, message: "app.ask: 2 failures in a row"}
        """,
    "a trial that fails opens it again": """
        name: w
        tools: {app.ask: {breaker: {failures: 1, reset_after: 10s}}}
        tasks:
          a: {function: app.ask, retry: {max_retries: 3, delay: 10s, backoff: 1}}
          now: {operator_type: wait, wait_for: 15s}
          b: {function: app.ask, dependencies: [now], critical: false}
        tests:
          t:
            stubs: {a: [{raise: ValueError, times: 3}, {return: 1}]}
            expect: {duration: 30s, calls: {a: 4}, tasks: {b: failed}}
        """,
    "only one call tries a half-open breaker": """
        name: w
        tools: {app.ask: {breaker: {failures: 1, reset_after: 10s}}}
        tasks:
          a: {function: app.ask, critical: false}
          wait: {operator_type: wait, wait_for: 10s}
          b: {function: app.ask, dependencies: [wait]}
          c: {function: app.ask, dependencies: [wait], critical: false}
        tests:
          t: {stubs: {a: {raise: ValueError}, b: {return: 1, after: 1s}},
              expect: {tasks: {b: success, c: failed}, calls: {c: 0}}}
        """,
    "a success in between starts the count again": """
        name: w
        tools: {app.ask: {breaker: {failures: 2}}}
        tasks:
          each: {operator_type: foreach, items: [1, 2, 3, 4], on_item_failure: collect,
                 loop_body: [{task_id: x, function: app.ask}]}
        tests:
          t: {stubs: {x: [{raise: ValueError}, {return: 1}, {raise: ValueError}, {return: 1}]},
              expect: {calls: {x: 4}}}
        """,
    "a call that began before the breaker opened does not close it": """
        name: w
        tools: {app.ask: {breaker: {failures: 1, reset_after: 1h}}}
        tasks:
          slow: {function: app.ask}
          bad: {function: app.ask, critical: false}
          next: {function: app.ask, dependencies: [slow], critical: false}
        tests:
          t: {stubs: {slow: {return: 1, after: 5s}, bad: {raise: ValueError}},
              expect: {tasks: {slow: success, next: failed}, calls: {next: 0}}}
        """,
    "a trial that is cancelled leaves the next call to try": """
        name: w
        tools: {app.ask: {breaker: {failures: 1, reset_after: 1s}}}
        tasks:
          bad: {function: app.ask, critical: false}
          pause: {operator_type: wait, wait_for: 2s}
          try: {operator_type: foreach, items: [1], dependencies: [pause], timeout: 1s,
                critical: false, loop_body: [{task_id: x, function: app.ask}]}
          next: {function: app.ask, after: [try]}
        tests:
          t: {stubs: {bad: {raise: ValueError}, x: {return: 1, after: 5s}, next: {return: 1}},
              expect: {tasks: {next: success}}}
        """,
    "reaching a limit is no breach": """
        name: w
        limits: {max_cost: 0.3, max_tokens: 30, max_tool_calls: 3, max_duration: 6s}
        tasks:
          a: {function: app.ask}
          b: {function: app.ask, dependencies: [a]}
          c: {function: app.ask, dependencies: [b]}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 2s, usage: {cost: 0.1, tokens: 10}}},
              expect: {duration: 6s, usage: {cost: 0.3, tokens: 30, tool_calls: 3}}}
        """,
    "passing max_cost ends the run behind the step, whose state stays success": """
        name: w
        limits: {max_cost: 0.2}
        tasks:
          a: {function: app.ask, result_key: r}
          b: {function: app.ask, dependencies: [a], result_key: s}
          c: {function: app.ask, dependencies: [b]}
          beside: {operator_type: wait, wait_for: 1h}
          clean: {function: app.echo, finally: true}
        tests:
          t:
            stubs: {app.ask: {return: 1, usage: {cost: 0.15}}}
            expect:
              error: {type: UsageLimitExceeded, task: b,
                      message: "b: max_cost 0.2 passed (total 0.30)"}
              usage: {cost: 0.3}
              results: {s: 1}
              tasks: {b: success, c: {status: cancelled, reason: a limit was passed},
                      beside: cancelled, clean: success}
        """,
    "a failed attempt that passes a limit is not retried": """
        name: w
        limits: {max_tokens: 5}
        tasks: {a: {function: app.ask, retry: 5}}
        tests:
          t: {stubs: {a: [{raise: ValueError, usage: {tokens: 6}}]},
              expect: {error: {type: UsageLimitExceeded, task: a}, calls: {a: 1},
                       tasks: {a: {status: failed, attempts: 1}}}}
        """,
    "the call that would pass max_tool_calls is not made, pure tools do not count": """
        name: w
        limits: {max_tool_calls: 1}
        tasks:
          a: {function: app.ask}
          p: {function: app.echo, dependencies: [a]}
          b: {function: app.ask, dependencies: [p], retry: 3}
          c: {function: app.echo, dependencies: [b], trigger_rule: all_done}
        tests:
          t:
            stubs: {app.ask: {return: 1}}
            expect:
              error: {type: UsageLimitExceeded, task: b,
                      message: "b: max_tool_calls 1 would be passed (total 2)"}
              calls: {app.ask: 1, app.echo: 1}
              usage: {tool_calls: 1}
              tasks: {b: {status: failed, attempts: 1}, c: cancelled}
        """,
    "no queued call begins once a limit was passed, but those of finally tasks": """
        name: w
        max_concurrency: 1
        limits: {max_tokens: 5}
        tasks:
          a: {function: app.ask}
          b: {function: app.ask}
          clean: {function: app.save, finally: true}
        tests:
          t: {stubs: {a: {return: 1, usage: {tokens: 6}}, app.save: {return: 1}},
              expect: {status: failed, calls: {app.ask: 1, app.save: 1}}}
        """,
    "max_duration ends the run at that moment, and finally tasks run": """
        name: w
        limits: {max_duration: 5s}
        tasks:
          a: {operator_type: wait, wait_for: 1h}
          clean: {function: app.ask, finally: true}
        tests:
          t:
            stubs: {clean: {return: 1, after: 2s}}
            expect: {duration: 7s, tasks: {a: cancelled, clean: success},
                     error: {type: UsageLimitExceeded, message: "a: max_duration 5s passed", task: a}}
        """,
    "limits are exact under parallel branches": """
        name: w
        limits: {max_tokens: 25}
        tasks:
          fan:
            operator_type: parallel
            branches:
              a: [{task_id: x, function: app.ask}]
              b: [{task_id: x, function: app.ask}]
              c: [{task_id: x, function: app.ask}]
              d: [{task_id: x, function: app.ask}]
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 1s, usage: {tokens: 10}}}
            expect:
              error: {type: UsageLimitExceeded, task: fan.c/x}
              usage: {tokens: 30}
              tasks: {fan.c/x: success, fan.d/x: cancelled, fan: cancelled}
        """,
    "a lock has one holder at a time, and who waits holds no slot": """
        name: w
        max_concurrency: 1
        tasks:
          a: {function: app.ask, lock: repo}
          b: {function: app.ask, lock: {name: repo, wait: 1m}}
          c: {function: app.save}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 5s}, app.save: {return: 1, after: 1s}}
            expect: {duration: 11s}
        """,
    "a lock that is not free in time fails the attempt, which may be retried": """
        name: w
        tasks:
          a: {function: app.ask, lock: {name: repo, wait: 10s}, critical: false}
          b: {function: app.ask, lock: {name: repo, wait: 10s}, retry: {max_retries: 2, delay: 5s}}
        tests:
          t:
            locks: {repo: {held_for: 30s}}
            stubs: {b: {return: 1}}
            expect:
              duration: 35s
              calls: {a: 0, b: 1}
              tasks: {a: {status: failed, attempts: 1}, b: {status: success, attempts: 3}}
              transcript:
                match: subset
                lines: ["a: failed (LockTimeout: lock 'repo' was not free within 10s)"]
        """,
    "a composite holds its lock until all in it has ended, its finally tasks too": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1, 2], lock: repo,
                 loop_body: [{task_id: x, function: app.ask},
                             {task_id: clean, function: app.ask, finally: true}]}
          a: {function: app.ask, lock: repo}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 5s}},
              expect: {duration: 25s}}
          stopped: {stubs: {x: {return: 1, after: 5s}, clean: {return: 1, after: 3s}},
                    cancel: {at: 1s}, expect: {status: cancelled, duration: 4s}}
        """,
    "a composite that does not get its lock starts nothing": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1], lock: {name: repo, wait: 5s},
                 loop_body: [{task_id: x, function: app.echo}]}
          fan: {operator_type: parallel, lock: {name: repo, wait: 5s}, branches: {a: [y]}}
          y: {function: app.echo}
          pause: {operator_type: wait, wait_for: 1s, lock: {name: repo, wait: 5s}}
        tests:
          t: {locks: {repo: {held_for: 1h}},
              expect: {status: failed, calls: {app.echo: 0}, error: {type: LockTimeout},
                       tasks: {each: failed, fan: failed, y: upstream_failed, pause: failed}}}
        """,
    "the time at a lock is none of a timeout": """
        name: w
        tasks:
          a: {function: app.ask, lock: repo, timeout: 5s}
          b: {operator_type: wait, wait_for: 4s, lock: repo, timeout: 5s}
        tests:
          t: {locks: {repo: {held_for: 1m}}, stubs: {a: {return: 1, after: 5s}},
              expect: {duration: 69s}}
        """,
    "the run's lock is held for the whole run": """
        name: w
        lock: {name: repo, wait: 10m}
        tasks: {a: {function: app.echo}}
        tests:
          t: {locks: {repo: {held_for: 30s}}, expect: {duration: 30s}}
          free: {expect: {duration: 0}}
        """,
    "a run that does not get its lock runs nothing, finally tasks neither": """
        name: w
        lock: {name: repo, wait: 10s}
        tasks: {a: {function: app.echo}, clean: {function: app.echo, finally: true}}
        tests:
          t: {locks: {repo: {held_for: 1h}},
              expect: {duration: 10s, calls: {app.echo: 0}, tasks: {a: cancelled, clean: cancelled},
                       error: {type: LockTimeout,
                               message: "lock 'repo' was not free within 10s"}}}
          cancelled: {locks: {repo: {held_for: 1h}}, cancel: {at: 5s},
                      expect: {status: cancelled, duration: 5s, calls: {app.echo: 0}}}
        """,
    "a cancelled task leaves the queue of a lock": """
        name: w
        tasks:
          a: {function: app.ask, lock: repo}
          each: {operator_type: foreach, items: [1], timeout: 2s, critical: false,
                 loop_body: [{task_id: x, function: app.ask, lock: repo}]}
          c: {function: app.ask, lock: repo}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 5s}}, expect: {duration: 10s, calls: {x: 0}}}
        """,
}


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


def test_the_log_holds_the_breaching_step(tmp_path: Path) -> None:
    """Usage, breach and the step's success stand in this order, and nothing of it is lost."""
    text = """
        name: w
        limits: {max_cost: 0.1}
        tasks: {a: {function: app.ask}}
        tests: {t: {stubs: {a: {return: 1, usage: {cost: 0.2}}}, expect: {status: failed}}}
        """
    log = result_of(load(tmp_path, text)).log
    kinds = (UsageAdded, LimitBreached, TaskEnded)
    assert [event[:3] for event in log if isinstance(event, kinds)] == [
        (0.0, "a", "0.2"),
        (0.0, "a", "max_cost"),
        (0.0, "a", "success"),
    ]


FAULTS = {
    "a lock inside its own section": (
        (
            "each: {operator_type: foreach, items: [], lock: repo,\n"
            "         loop_body: [{task_id: x, function: app.echo, lock: repo}]}"
        ),
        ["4:61: 'x' takes the lock 'repo' inside a section that holds it"],
    ),
    "deep inside": (
        (
            "fan: {operator_type: parallel, lock: repo, branches: {a: [in]}}\n"
            "  in: {operator_type: parallel, branches: {b: [each]}}\n"
            "  each: {operator_type: while, condition: 'true', loop_body: [x]}\n"
            "  x: {function: app.echo, lock: {name: repo, wait: 1s}}"
        ),
        ["6:33: 'x' takes the lock 'repo' inside a section that holds it"],
    ),
    "max_queue alone": (
        "a: {function: app.echo}\ntools: {app.ask: {max_queue: 3}}",
        ["4:19: 'max_queue' needs 'max_concurrent'"],
    ),
    "a policy of an unknown tool": (
        "a: {function: app.echo}\ntools: {app.aks: {max_concurrent: 3}}",
        ["4:9: unknown tool 'app.aks'; did you mean 'app.ask'?"],
    ),
    "a negative cost": (
        "a: {function: app.echo}\nlimits: {max_cost: -1}",
        ["4:20: expected an amount of 0 or more, got the number -1"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot be meant is found at collection, at its place."""
    tasks, expected = FAULTS[title]
    assert faults(tmp_path, f"name: w\ntasks:\n  {tasks}\n") == expected


def test_a_lock_inside_that_of_the_run(tmp_path: Path) -> None:
    """The run is the widest section."""
    text = "name: w\nlock: repo\ntasks:\n  a: {function: app.echo, lock: repo}\n"
    assert faults(tmp_path, text) == [
        "4:33: 'a' takes the lock 'repo' inside a section that holds it"
    ]
