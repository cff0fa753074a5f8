"""Compiled: the places of nodes, taken and given back.

Shape letters: P places, M nodes.
"""

from core.tree.compiled._compile import compiled
from core.tree.compiled._lists import as_int
from core.tree.compiled._records import NO_FEATURE, NO_SLOT, Indices, Places


@compiled
def take_place(places: Places) -> int:
    """A place for a new leaf."""
    places.num_free_2[0] -= 1
    place = as_int(places.free_P[places.num_free_2[0]])
    places.feature_P[place] = NO_FEATURE
    places.slot_P[place] = NO_SLOT
    return place


@compiled
def cut_below(place: int, places: Places) -> None:
    """Make a leaf of a node, and give back the places and slots of all nodes below it."""
    if places.feature_P[place] == NO_FEATURE:
        return
    start = places.num_free_2[0]
    _give_back_children(place, places)
    places.feature_P[place] = NO_FEATURE
    while start < places.num_free_2[0]:
        below = places.free_P[start]
        if places.feature_P[below] != NO_FEATURE:
            _give_back_children(below, places)
        if places.slot_P[below] != NO_SLOT:
            places.free_B[places.num_free_2[1]] = places.slot_P[below]
            places.num_free_2[1] += 1
        start += 1


@compiled
def _give_back_children(place: int, places: Places) -> None:
    num_free = places.num_free_2[0]
    places.free_P[num_free] = places.left_P[place]
    places.free_P[num_free + 1] = places.right_P[place]
    places.num_free_2[0] = num_free + 2


@compiled
def number_nodes(places: Places, place_M: Indices, left_M: Indices, right_M: Indices) -> int:
    """Number the nodes breadth-first. Returns how many there are."""
    place_M[0] = 0
    num_nodes = 1
    node = 0
    while node < num_nodes:
        place = place_M[node]
        left_M[node] = right_M[node] = node
        if places.feature_P[place] >= 0:
            left_M[node], right_M[node] = num_nodes, num_nodes + 1
            place_M[num_nodes] = places.left_P[place]
            place_M[num_nodes + 1] = places.right_P[place]
            num_nodes += 2
        node += 1
    return num_nodes
