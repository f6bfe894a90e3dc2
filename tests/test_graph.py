"""Order in a graph, against the plainest way to compute it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_highway.planning.graph import Graph

Edges = Sequence[tuple[int, int]]


def graph_of(size: int, edges: Edges) -> Graph:
    """A graph with these edges, each from the earlier vertex to the later."""
    graph = Graph(size)
    for vertex in range(size):
        graph.place_after(vertex, [before for before, after in edges if after == vertex])
    return graph


def plain_order(size: int, edges: Edges) -> list[int]:
    """Always the smallest vertex whose upstreams have come, found by looking at all of them."""
    order: list[int] = []
    while True:
        ready = [
            vertex
            for vertex in range(size)
            if vertex not in order
            and all(before in order for before, after in edges if after == vertex)
        ]
        if not ready:
            return order
        order.append(ready[0])


def plain_reach(size: int, edges: Edges) -> set[tuple[int, int]]:
    """Every pair with a path from the first to the second."""
    pairs = {(vertex, vertex) for vertex in range(size)} | set(edges)
    for middle in range(size):
        ends = [(a, d) for a, b in pairs for c, d in pairs if b == middle == c]
        pairs |= set(ends)
    return pairs


@st.composite
def edge_lists(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    size = draw(st.integers(1, 7))
    vertex = st.integers(0, size - 1)
    pairs = st.tuples(vertex, vertex).filter(lambda pair: pair[0] != pair[1])
    return size, draw(st.lists(pairs, max_size=12, unique=True)) if size > 1 else []


@settings(max_examples=300, derandomize=True, deadline=None)
@given(edge_lists())
def test_order_cycle_and_reach(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    """The order is the plain one; what it leaves out has a cycle; paths are found in it."""
    size, edges = drawn
    graph = graph_of(size, edges)
    order = [*graph.sort()]
    assert order == plain_order(size, edges)
    reach = plain_reach(size, edges)
    for vertex in range(size):
        assert graph.descendants([vertex]) == {b for a, b in reach if a == vertex}
        assert graph.ancestors([vertex]) == {a for a, b in reach if b == vertex}
    cycles = [graph.cycle(order)] if len(order) < size else []
    for cycle in cycles:
        assert cycle[0] == cycle[-1] == min(cycle)
        assert len(set(cycle)) == len(cycle) - 1
        assert set(pairwise(cycle)) <= set(edges)
    ordered = range(size) if len(order) == size else []
    assert [(a, b) for a in ordered for b in ordered if graph.reaches(a, b)] == sorted(
        pair for pair in reach if len(order) == size
    )


@pytest.mark.parametrize(
    ("size", "edges", "order", "rank"),
    [
        (0, [], [], []),
        (3, [], [0, 1, 2], [0, 1, 2]),
        (3, [(0, 1), (1, 2)], [0, 1, 2], [0, 1, 2]),
        (3, [(2, 0)], [1, 2, 0], [2, 0, 1]),
        (4, [(3, 0), (3, 1)], [2, 3, 0, 1], [2, 3, 0, 1]),
        (3, [(0, 1), (1, 0)], [2], [3, 3, 0]),
    ],
)
def test_the_smallest_ready_vertex_comes_first(
    size: int, edges: Edges, order: list[int], rank: list[int]
) -> None:
    """`rank` is the place in the order; what is left out ranks last."""
    graph = graph_of(size, edges)
    assert [*graph.sort()] == order
    assert [*graph.rank] == rank


def test_a_cycle_of_a_hundred_thousand_is_found_without_recursion() -> None:
    """It starts at its smallest vertex and follows the edges."""
    size = 100_000
    graph = Graph(size)
    for vertex in range(size):
        graph.place_after(vertex, [(vertex + 1) % size])
    cycle = graph.cycle(graph.sort())
    assert (cycle[:3], len(cycle)) == ([0, size - 1, size - 2], size + 1)


def test_a_near_question_is_not_a_walk_over_everything() -> None:
    """From a vertex of low rank nothing that ranks below the other is looked at."""
    graph = graph_of(5, [(0, 1), (1, 2), (2, 3), (3, 4)])
    graph.sort()
    graph.up[2] = []
    assert graph.reaches(2, 4)
    assert not graph.reaches(4, 2)
