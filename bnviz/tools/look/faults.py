"""What is wrong with a page as it stands in a browser. Each function returns a sentence for each fault it finds.

A text that a test finds "present" may still be red source code on the page: these look at what is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page

MARKUP = re.compile(r"\$\$|\*\*|\\(?:frac|mathrm|sigma|mu|hat|partial|sqrt)\b|</?(?:b|i|sub|sup|span|div)\b")
"""What stands in a text only where it was not set: LaTeX, Markdown, HTML."""

FAILURE = re.compile(r"Traceback \(most recent call last\)|\b\w+Error: ")

MAIN = "[data-testid=stMain]"

_SIDEWAYS = """() => { const main = document.querySelector('[data-testid=stMain]') ?? document.scrollingElement;
  return main.scrollWidth - main.clientWidth; }"""

_FIGURES = """() => {
  const found = [];
  for (const plot of document.querySelectorAll('.js-plotly-plot')) {
    const frame = plot.getBoundingClientRect();
    if (!frame.width || !frame.height) continue;
    const shown = [...plot.querySelectorAll('text')].filter((text) => {
      const style = getComputedStyle(text), box = text.getBoundingClientRect();
      return text.textContent.trim() && box.width > 0 && style.visibility !== 'hidden' && Number(style.opacity) > 0.1;
    }).map((text) => [text.textContent.trim().slice(0, 40), text.getBoundingClientRect()]);
    shown.forEach(([words, box], index) => {
      const outside = [frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom];
      if (Math.max(...outside) > 2) found.push(`text is cut off: ${words}`);
      for (const [others, other] of shown.slice(index + 1)) {
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const tall = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        const smaller = Math.min(box.width * box.height, other.width * other.height);
        if (wide > 2 && tall > 2 && wide * tall > 0.15 * smaller) found.push(`texts overlap: ${words} / ${others}`);
      }
    });
  }
  return found;
}"""

_CUT = """() => {
  const cut = (node) => {
    const { left, right, width } = node.getBoundingClientRect(), style = getComputedStyle(node);
    if (width < 2 || style.visibility !== 'visible' || style.clipPath !== 'none') return false;
    if (left >= -2 && right <= innerWidth + 2) return false;
    for (let up = node.parentElement; up; up = up.parentElement) {
      const { overflowX, clip, clipPath } = getComputedStyle(up);
      if (clip !== 'auto' || clipPath !== 'none') return false; // never seen: another element stands for it
      if (['auto', 'scroll'].includes(overflowX) && up.scrollWidth > up.clientWidth) return false;
    }
    return true;
  };
  const controls = document.querySelectorAll('button, a[href], input, select, textarea, summary, [role=slider]');
  return [...controls].filter(cut).map((node) => (node.getAttribute('aria-label') ?? node.textContent).slice(0, 40));
}"""

_DIALOG = """() => {
  const dialog = document.querySelector('dialog[open]');
  if (!dialog) return ['its dialog does not open'];
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  const found = left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1 ? ['it is cut off'] : [];
  for (const table of dialog.querySelectorAll('table')) {
    if (!table.caption?.textContent) found.push('one has no caption');
    if ([...table.querySelectorAll('th')].some((head) => !head.scope)) found.push('a heading has no scope');
  }
  return found;
}"""

_SHARE = """() => {
  const plot = [...document.querySelectorAll('.js-plotly-plot, .bnviz-figure')]
    .find((item) => item.getBoundingClientRect().height > 0);
  if (!plot) return 0;
  const { top, bottom } = plot.getBoundingClientRect();
  return Math.max(0, Math.min(bottom, innerHeight) - Math.max(top, 0)) / Math.max(1, bottom - top);
}"""

_WHOLLY = """(selector) => [...document.querySelectorAll(selector)].some((item) => {
  const { top, bottom, left, right, width, height } = item.getBoundingClientRect();
  return width > 0 && height > 0 && top >= -1 && left >= -1 && bottom <= innerHeight + 1 && right <= innerWidth + 1;
})"""


def text_faults(page: Page) -> list[str]:
    """Formulas that were not set, raw markup, tracebacks."""
    errors = page.eval_on_selector_all(".katex-error", "all => all.map((item) => item.textContent)")
    found = [f"a formula was not set: {' '.join(text.split())[:80]}" for text in errors]
    text: str = page.evaluate("(main) => document.querySelector(main)?.innerText ?? ''", MAIN)
    found += [f"raw markup: {line[:80]}" for line in text.splitlines() if MARKUP.search(line)]
    found += [f"an error is shown: {line[:80]}" for line in text.splitlines() if FAILURE.search(line)]
    return found


def layout_faults(page: Page) -> list[str]:
    """Sideways scrolling, controls that are cut off, and texts of figures that overlap or are cut off."""
    beyond: float = page.evaluate(_SIDEWAYS)
    found = [f"the page scrolls sideways by {beyond:.0f} px"] if beyond > 2 else []
    found += [f"a control is cut off: {name}" for name in page.evaluate(_CUT)]
    return found + list(page.evaluate(_FIGURES))


def accessibility_faults(page: Page, audit: Any) -> list[str]:
    """What the axe audit finds. audit: an `axe_playwright_python.sync_playwright.Axe`."""
    return [
        f"axe {item['id']} ({item['impact']}), {len(item['nodes'])} times: {item['nodes'][0]['html'][:100]}"
        for item in audit.run(page).response["violations"]
    ]


def table_faults(page: Page, audit: Any) -> list[str]:
    """What is wrong with the first figure's table, opened and left by keys; nothing where there is no figure."""
    button = page.locator(".bnviz-as-table:visible").first
    if not button.count():
        return []
    button.focus()
    page.keyboard.press("Enter")
    found = [f"the first figure's table: {text}" for text in page.evaluate(_DIALOG)]
    found += accessibility_faults(page, audit)
    page.keyboard.press("Escape")
    left: bool = page.evaluate(
        "() => !document.querySelector('dialog[open]') && document.activeElement.matches('.bnviz-as-table')"
    )
    return found if left else [*found, "the first figure's table cannot be left by Escape"]


def first_screen_faults(page: Page, selectors: Sequence[str], picture: float) -> list[str]:
    """What should be seen without scrolling, and is not.

    selectors: each must have an element wholly in view. picture: the least share of the first figure in view.
    """
    missing = [selector for selector in selectors if not page.evaluate(_WHOLLY, selector)]
    found = [f"{selector} is not on the first screen" for selector in missing]
    seen: float = page.evaluate(_SHARE) if picture else 1.0
    if seen < picture:
        found.append(f"only {seen:.0%} of the first figure is on the first screen")
    return found
