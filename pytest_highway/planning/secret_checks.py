"""Whether each name under `secrets` is one of the file: `variables.NAME` or `env.NAME`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.models import Workflow

__all__ = ["secret_faults"]


def secret_faults(workflow: Workflow) -> Iterator[tuple[Loc, str]]:
    """A fault for each name that is none, at its place."""
    roots: Mapping[str, Mapping[str, object]] = {
        "variables": workflow.variables,
        "env": workflow.env,
    }
    known = [f"{root}.{name}" for root, names in roots.items() for name in names]
    for number, text in enumerate(workflow.secrets):
        loc: Loc = ("secrets", number)
        if text in workflow.secrets[:number]:
            yield loc, f"{text!r} stands here twice"
        elif text not in known:
            near = did_you_mean(text, known) or _with_root(text, known)
            yield loc, f"{text!r} is no variable and no env key; there are {listed(known)}{near}"


def _with_root(text: str, known: list[str]) -> str:
    """The name that is meant by one without its root."""
    meant = [each for each in known if each.partition(".")[2] == text]
    return f"; did you mean {meant[0]!r}?" if meant else ""
