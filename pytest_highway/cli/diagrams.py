"""Drawings in the languages of Mermaid and of Graphviz.

Both get made-up keys and quoted labels, in which every sign that means something is escaped. An
edge to or from a vertex with parts leads to its frame: Mermaid has such edges, in DOT they lead to
a leaf of it and are cut off at the frame.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from pytest_highway.cli.course import Course
from pytest_highway.cli.drawing import Drawing, Edge, Vertex
from pytest_highway.errors import HighwayError

__all__ = ["FORMATS"]

# State: the colour inside, and that of the line.
COLOURS = {
    "success": ("#dafbe1", "#1a7f37"),
    "failed": ("#ffebe9", "#cf222e"),
    "timed_out": ("#ffebe9", "#bc4c00"),
    "cancelled": ("#fff8c5", "#9a6700"),
    "running": ("#ddf4ff", "#0969da"),
    "upstream_failed": ("#fff1e5", "#bc4c00"),
    "skipped": ("#f6f8fa", "#8c959f"),
}
TAKEN = "#1a7f37"


# --- Mermaid -------------------------------------------------------------------------------------

MERMAID_SIGNS = {
    "#": "#35;",
    '"': "#quot;",
    "<": "#lt;",
    ">": "#gt;",
    "&": "#amp;",
    "`": "#96;",
    "%": "#37;",
    "\\": "#92;",
}
MERMAID_SHAPES = {"condition": ('{"', '"}'), "wait": ('(["', '"])')}
MERMAID_BOX = ('["', '"]')


def _mermaid(drawing: Drawing, course: Course | None) -> Iterator[str]:
    yield "flowchart TD"
    for vertex in drawing.vertices:
        yield from _mermaid_vertex(vertex, "  ")
    for edge in drawing.edges:
        arrow = "-.->" if edge.is_dashed else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        yield f"  {edge.source.key} {arrow}{label} {edge.target.key}"
    if course is not None:
        yield from _mermaid_course(drawing, course)


def _mermaid_vertex(vertex: Vertex, indent: str) -> Iterator[str]:
    label = "<br/>".join(_mermaid_text(each) for each in (vertex.title, vertex.detail) if each)
    if not vertex.parts:
        opening, closing = MERMAID_SHAPES.get(vertex.kind, MERMAID_BOX)
        yield f"{indent}{vertex.key}{opening}{label}{closing}"
        return
    yield f'{indent}subgraph {vertex.key}["{label}"]'
    for part in vertex.parts:
        yield from _mermaid_vertex(part, f"{indent}  ")
    yield f"{indent}end"


def _mermaid_course(drawing: Drawing, course: Course) -> Iterator[str]:
    keys: dict[str, list[str]] = {}
    for vertex in _all(drawing.vertices):
        keys.setdefault(course.state(vertex), []).append(vertex.key)
    for state, (fill, line) in COLOURS.items():
        if state in keys:
            yield f"  classDef {state} fill:{fill},stroke:{line},color:#1f2328"
            yield f"  class {','.join(keys[state])} {state}"
    taken = [str(number) for number, edge in enumerate(drawing.edges) if course.took(edge)]
    if taken:
        yield f"  linkStyle {','.join(taken)} stroke:{TAKEN},stroke-width:3px"


def _mermaid_text(text: str) -> str:
    return "".join(MERMAID_SIGNS.get(sign, sign) for sign in text)


# --- DOT -----------------------------------------------------------------------------------------

DOT_SHAPES = {"condition": "diamond", "wait": "ellipse"}


def _dot(drawing: Drawing, course: Course | None) -> Iterator[str]:
    yield f"digraph {_quoted(drawing.name)} {{"
    yield "  compound=true"
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"]'
    yield '  edge [fontname="sans-serif"]'
    yield '  fontname="sans-serif"'
    for vertex in drawing.vertices:
        yield from _dot_vertex(vertex, course, "  ")
    for edge in drawing.edges:
        yield f"  {_dot_edge(edge, course)}"
    yield "}"


def _dot_vertex(vertex: Vertex, course: Course | None, indent: str) -> Iterator[str]:
    label = "\\n".join(_dot_text(each) for each in (vertex.title, vertex.detail) if each)
    given = [f'label="{label}"']
    state = "" if course is None else course.state(vertex)
    if state:
        fill, line = COLOURS[state]
        given += [f'fillcolor="{fill}"', f'color="{line}"', f"tooltip={_quoted(state)}"]
    if not vertex.parts:
        shape = DOT_SHAPES.get(vertex.kind)
        given += [f"shape={shape}, style=filled"] if shape else []
        yield f"{indent}{vertex.key} [{', '.join(given)}]"
        return
    yield f"{indent}subgraph cluster_{vertex.key} {{"
    if state:
        yield f"{indent}  style=filled"
    yield from (f"{indent}  {each}" for each in given)
    for part in vertex.parts:
        yield from _dot_vertex(part, course, f"{indent}  ")
    yield f"{indent}}}"


def _dot_edge(edge: Edge, course: Course | None) -> str:
    given = [f"label={_quoted(edge.label)}"] if edge.label else []
    if edge.is_dashed:
        given.append("style=dashed")
    if edge.source.parts:
        given.append(f"ltail=cluster_{edge.source.key}")
    if edge.target.parts:
        given.append(f"lhead=cluster_{edge.target.key}")
    if course is not None and course.took(edge):
        given += [f'color="{TAKEN}"', "penwidth=3"]
    ends = f"{edge.source.leaves()[-1].key} -> {edge.target.leaves()[0].key}"
    return f"{ends} [{', '.join(given)}]" if given else ends


def _quoted(text: str) -> str:
    return f'"{_dot_text(text)}"'


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# --- SVG -----------------------------------------------------------------------------------------


def _svg(drawing: Drawing, course: Course | None) -> Iterator[str]:
    """What Graphviz makes of DOT; HighwayError when it is not there, or fails."""
    program = shutil.which("dot")
    if program is None:
        raise HighwayError(
            "--format svg: there is no program 'dot' on PATH; install Graphviz, "
            "or use --format mermaid, which needs nothing"
        )
    text = "\n".join(_dot(drawing, course))
    done = subprocess.run(
        [program, "-Tsvg"], input=text, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise HighwayError(f"--format svg: {program} ended with {done.returncode}: {done.stderr}")
    yield done.stdout.rstrip("\n")


def _all(vertices: tuple[Vertex, ...]) -> Iterator[Vertex]:
    for vertex in vertices:
        yield vertex
        yield from _all(vertex.parts)


FORMATS = {"mermaid": _mermaid, "dot": _dot, "svg": _svg}
