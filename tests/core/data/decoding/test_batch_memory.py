"""Memory of batches: used again once a batch is gone, and not a moment earlier."""

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.data.decoding._batch_memory import (
    Lender,
    Place,
    Shape,
    Shelf,
    new_bytes,
    new_shared_bytes,
)

SHAPE: Shape = (2, 3, 4, 5)


class Memory:
    """A lender and its shelf, as a worker and the process that it serves hold them."""

    def __init__(self, max_slots: int = 2) -> None:
        self.lender, self.shelf = Lender(max_slots), Shelf(new_bytes)
        self.places: list[Place] = []

    def batch(self, value: int, shape: Shape = SHAPE) -> Tensor:
        place = self.lender.place(shape)
        self.places.append(place)
        new = self.shelf.fill(place, shape, lambda batch_BCHW: batch_BCHW.fill_(value))  # type: ignore[arg-type, return-value]
        assert (new is not None) == place.is_new
        return self.lender.lend(place, shape, new)


def test_memory_is_used_again_once_the_batch_is_gone() -> None:
    memory = Memory()
    first = memory.batch(1)
    address = first.data_ptr()
    assert memory.batch(2).data_ptr() != address
    del first
    assert memory.batch(3).data_ptr() == address
    assert memory.places == [Place(0, True), Place(1, True), Place(0, False)]


def test_a_view_keeps_the_memory() -> None:
    memory = Memory()
    batch = memory.batch(1)
    view = batch[1:, 0].unsqueeze(0)
    array = batch.numpy()[0]
    del batch
    for value in (2, 3):
        memory.batch(value)
    assert view.unique().tolist() == [1]
    del view
    memory.batch(4)
    assert array.max() == 1
    del array
    # Now both places are free.
    both = memory.batch(5), memory.batch(6)
    assert not any(place.is_new for place in memory.places[2:])
    assert [batch.unique().item() for batch in both] == [5, 6]


def test_more_batches_than_slots_have_memory_of_their_own() -> None:
    memory = Memory(max_slots=1)
    batches = [memory.batch(value) for value in range(4)]
    assert [batch.unique().item() for batch in batches] == [0, 1, 2, 3]
    assert [place.slot for place in memory.places] == [0, None, None, None]


def test_a_smaller_batch_fits_and_a_larger_one_replaces() -> None:
    memory = Memory()
    memory.batch(1)
    small = memory.batch(2, (1, 3, 4, 5))
    assert small.shape == (1, 3, 4, 5)
    assert small.is_contiguous()
    del small
    assert memory.batch(3, (4, 3, 4, 5)).unique().tolist() == [3]
    assert memory.batch(4).unique().tolist() == [4]
    assert memory.places == [Place(0, True), Place(0, False), Place(0, True), Place(0, False)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=40))
def test_no_batch_that_is_held_ever_changes(steps: list[tuple[int, int]]) -> None:
    """Batches of any size, of which some are let go, in any order."""
    memory = Memory(max_slots=3)
    held: list[tuple[int, Tensor]] = []
    for value, (size, keep) in enumerate(steps):
        held.append((value, memory.batch(value, (size, 3, 2, 2))))
        held = held[-keep:] if keep else []
        for expected, batch in held:
            assert (batch == expected).all()


def test_shared_memory_is_shared_unless_there_is_none() -> None:
    assert new_shared_bytes(12).is_shared()
    assert new_shared_bytes(12).shape == (12,)
    assert new_shared_bytes(0).shape == (0,)
