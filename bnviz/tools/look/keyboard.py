"""A page as a keyboard goes through it: each stop of the Tab key in view, outlined, and after the one before it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

MOST_STOPS = 150
SLACK = 4.0
"""Pixels by which two rows or columns may overlap."""

FOREIGN = re.compile(r"^Scroll tabs")
"""Buttons that Streamlit itself puts behind what they belong to."""

_STOP = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  let shown = node;
  const { width, height } = node.getBoundingClientRect();
  if (node.tagName === 'INPUT' && (Math.min(width, height) < 8 || getComputedStyle(node).opacity === '0')) {
    shown = node.closest('label') ?? node.parentElement;
  }
  const box = shown.getBoundingClientRect();
  let [left, top, pinned] = [box.left, box.top, false], inView = true;
  for (let up = node.parentElement; up; up = up.parentElement) {
    left += up.scrollLeft;
    top += up.scrollTop;
    const style = getComputedStyle(up), frame = up.getBoundingClientRect();
    if (['fixed', 'sticky'].includes(style.position)) pinned = true;
    if (up.scrollWidth > up.clientWidth && style.overflowX !== 'visible') {
      inView &&= box.right > frame.left && box.left < frame.right;
    }
  }
  if (['fixed', 'sticky'].includes(getComputedStyle(node).position)) pinned = true;
  let outlined = false;
  for (let up = shown, steps = 0; up && steps < 4; up = up.parentElement, steps += 1) {
    const style = getComputedStyle(up);
    outlined ||= style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  }
  inView &&= box.width > 4 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  inView &&= getComputedStyle(shown).visibility === 'visible';
  const name = (node.getAttribute('aria-label') ?? (node.textContent || node.tagName)).trim().slice(0, 40);
  const part = node.closest('dialog, [data-testid=stSidebar], header, main, [data-testid=stMain]');
  return { name, left, top, right: left + box.width, bottom: top + box.height, pinned, outlined, seen: inView,
    part: part ? part.dataset.testid ?? part.tagName : '' };
}"""


@dataclass(frozen=True)
class Stop:
    """What has the focus. left, top, right, bottom: pixels on the page as if nothing were scrolled.

    pinned: whether it stays in view while the page scrolls. part: the part of the page that it belongs to.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float
    pinned: bool
    outlined: bool
    seen: bool
    part: str

    def before(self, other: Stop) -> bool:
        """Whether the eye meets this one first: it ends above the other, or stands to its left in a row."""
        if self.bottom <= other.top + SLACK:
            return self.left < other.right - SLACK  # a column to the right begins at the top again
        in_a_row = abs(self.top - other.top) < 2 * SLACK
        return in_a_row and self.right <= other.left + SLACK


def stops(page: Page) -> list[Stop]:
    """Where the Tab key stops, from where the focus is to the page's end, or until it begins again."""
    found: list[Stop] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        told: dict[str, Any] | None = page.evaluate(_STOP)
        if told is None:
            break
        stop = Stop(**told)
        if any(_same(stop, item) for item in found):
            break
        found.append(stop)
    return found


def keyboard_faults(page: Page) -> list[str]:
    """Stops that are out of sight or not outlined, and those that go back against the reading."""
    found = stops(page)
    return [*_unseen(found), *_backward(found)]


def _same(one: Stop, other: Stop) -> bool:
    return (one.name, round(one.left), round(one.top)) == (other.name, round(other.left), round(other.top))


def _unseen(found: Sequence[Stop]) -> list[str]:
    return [
        f"the focus is {'not outlined' if stop.seen else 'out of sight'} on {stop.name!r}"
        for stop in found
        if not (stop.seen and stop.outlined)
    ]


def _backward(found: Sequence[Stop]) -> list[str]:
    return [
        f"the Tab key goes back from {one.name!r} to {other.name!r}"
        for one, other in itertools.pairwise(found)
        if one.part == other.part
        and not (one.pinned or other.pinned or FOREIGN.match(other.name))
        and other.before(one)
    ]
