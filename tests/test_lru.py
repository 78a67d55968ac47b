"""The mapping that forgets the least recently used, beside the standard library's cache of calls."""

from __future__ import annotations

import functools

from hypothesis import given
from hypothesis import strategies as st

from bnviz.data.lru import Lru


@given(st.integers(1, 5), st.lists(st.integers(0, 7), max_size=60))
def test_it_forgets_what_the_standard_library_forgets(capacity: int, keys: list[int]) -> None:
    lru: Lru[int, str] = Lru(capacity)
    expected = functools.lru_cache(maxsize=capacity)(str)
    for key in keys:
        hits = expected.cache_info().hits
        expected(key)
        found = lru.get(key)
        assert (found is not None) == (expected.cache_info().hits > hits)
        if found is None:
            lru.put(key, str(key))
    assert len(lru.values()) == expected.cache_info().currsize


def test_the_values_dropped_for_a_new_one_are_returned() -> None:
    lru: Lru[str, int] = Lru(2)
    assert lru.put("a", 1) == lru.put("b", 2) == lru.put("a", 3) == []
    assert lru.put("c", 4) == [2]
    assert Lru[str, int](0).put("a", 1) == [1]


def test_to_peek_and_to_list_count_as_no_use() -> None:
    lru: Lru[str, int] = Lru(2)
    lru.put("a", 1)
    lru.put("b", 2)
    assert (lru.peek("a"), lru.peek("z"), lru.values()) == (1, None, [1, 2])
    assert lru.put("c", 3) == [1]


def test_what_is_kept_stays_below_its_bytes_and_the_value_used_last_is_kept_whatever_its_size() -> None:
    lru: Lru[str, int] = Lru(10, most_bytes=100)
    assert lru.put("a", 1, 40) == lru.put("b", 2, 40) == []
    assert lru.get("a") == 1
    assert lru.put("c", 3, 30) == [2]  # "b" was used longest ago
    assert (lru.held().count, lru.held().nbytes) == (2, 70)
    assert lru.put("a", 4, 50) == []
    assert lru.held().nbytes == 80
    assert lru.weigh("c", 60) == [3]  # weighed later, as a figure that has been drawn
    assert lru.weigh("z", 1000) == []
    assert lru.put("d", 5, 500) == [4]
    assert (lru.values(), lru.held().nbytes) == ([5], 500)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=40))
def test_the_bytes_counted_are_those_of_what_is_there(puts: list[tuple[int, int]]) -> None:
    lru: Lru[int, int] = Lru(4, most_bytes=100)
    for key, nbytes in puts:
        lru.put(key, nbytes, nbytes)  # the value is its own size
    assert lru.held().nbytes == sum(lru.values())
    assert lru.held().nbytes <= 100
