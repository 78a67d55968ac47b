"""Every figure's numbers as tables: what the browser writes into them is what the figure draws."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import numpy as np
import pytest

from bnviz import figures
from bnviz.export.numbers import drawn_numbers
from bnviz.figures.charts import layer as layer_figures
from bnviz.figures.charts.where_training_works import accuracy_map
from bnviz.labs import all_labs
from bnviz.labs.base import View
from bnviz.web.assets import ASSETS
from tests.recordings import pair, recording
from tests.test_charts import history, map_of
from tests.test_lab_texts import as_claimed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCRIPTS = re.sub(
    r"^import .*\n|^export ",
    "",
    "".join(ASSETS[name].read_text() for name in ("figure_table.js", "table_dialog.js")),
    flags=re.MULTILINE,
)
NAMES = list(figures.FIGURES)
SPIRALS = {"dataset": "spirals", "hidden": (8, 8, 8), "activation": "tanh"}


@pytest.fixture(scope="module")
def page(chromium):
    """A page that knows how to make tables, and nothing else."""
    page = chromium.new_page()
    page.set_content("<main></main>")
    page.add_script_tag(content=f"{SCRIPTS}\nObject.assign(window, {{ tablesOf, csvOf, TableDialog }});")
    yield page
    page.close()


def tables(page, plot):
    """The tables of a Plot: each its columns' names and its rows of lists of numbers or words."""
    return page.evaluate("(figure) => tablesOf(figure)", json.loads(plot.json()))


def plain(values):
    return [float(value) for value in np.asarray(values, float).ravel()]


def of_trace(plot):
    """For each trace what it draws: its z, or else its y."""
    return [trace.get("z" if trace["type"] == "heatmap" else "y", ()) for trace in plot.data]


def of_export(plot):
    """The same as an exported file has it."""
    table = drawn_numbers(plot.figure())
    return [
        table.loc[table["trace"] == index, "z" if trace["type"] == "heatmap" else "y"]
        for index, trace in enumerate(plot.data)
    ]


def drawn(plot, source=of_trace):
    """Every finite number that the figure draws as data, told a second way: from the traces as Python has them."""
    found = []
    for trace, values in zip(plot.data, source(plot), strict=True):
        about = trace.get("meta", {}).get("table", {})
        if about is False or about.get("note") or trace["type"] == "table":
            continue
        values = [
            v / about.get("largest", 1.0)
            for v in plain([np.nan if v is None else v for v in np.ravel(values)])
        ]
        if trace.get("line", {}).get("shape") == "hv":
            values = values[:-1]
        said = about.get("said") or [None] * len(values)
        found += [v for v, words in zip(values, said, strict=True) if math.isfinite(v) and words is None]
        if about.get("more"):
            found += [v for v in plain(trace["customdata"]) if math.isfinite(v)]
    return sorted(found)


def written(made, points=False):
    """Every number of the tables besides those that name the rows."""
    return sorted(
        float(value)
        for table in made["tables"]
        for row in table["rows"]
        for cell in (row[1:2] if table["columns"][-1]["name"] == "kind" else row[1:])
        for value in cell
        if not isinstance(value, str)
    )


def check(page, plot):
    made = tables(page, plot)
    assert made["tables"], "a figure that draws something has a table"
    np.testing.assert_array_equal(written(made), drawn(plot))
    np.testing.assert_array_equal(written(made), drawn(plot, of_export))
    for table in made["tables"]:
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
        names = [str(column["name"]) for column in table["columns"]]
        assert all(names)
        assert not any(re.search(r"<|&\w+;|undefined|NaN", text) for text in [*names, table["caption"]])
        assert len(set(names)) == len(names)
    return made


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_tables_of_a_chart_have_its_numbers_and_no_others(page, name, narrow):
    check(page, figures.FIGURES[name].function.draw(pair(**SPIRALS), step=300, narrow=narrow))
    if name == "boundary":
        return  # of data that are no points in the plane it draws nothing
    single = {"layer": 2, "unit": 1} if name in ("bands", "overview") else {}
    check(page, figures.FIGURES[name].function.draw(pair(hidden=(6, 6)), narrow=narrow, **single))


@pytest.mark.parametrize("name", [name for name, lab in all_labs().items()])
def test_the_tables_of_a_labs_figures_have_their_numbers_and_no_others(page, name):
    lab = all_labs()[name]
    for item in lab.figures(as_claimed(lab), View()):
        check(page, item.plot) if item.plot.data[0]["type"] != "table" else tables(page, item.plot)


def test_the_bands_tell_each_layers_quantiles_at_each_step(page):
    item = recording(records=5)
    made = tables(page, figures.FIGURES["bands"].function.draw([item]))
    first = made["tables"][0]
    assert [column["name"] for column in first["columns"]] == [
        "training step",
        "5 %",
        "15 %",
        "median",
        "85 %",
        "95 %",
    ]
    assert first["caption"].startswith("A · ")
    own = item.layers[item.layers["layer"] == 1]
    columns = ("step", "q05", "q15", "q50", "q85", "q95")
    got = [[cell[0] for cell in row] for row in first["rows"]]
    np.testing.assert_array_equal(np.float32(got), np.float32(own[list(columns)].to_numpy()))


def test_shares_are_called_so_and_the_row_of_the_step_is_marked(page):
    plot = figures.FIGURES["accuracy"].function.draw(pair(), step=300)
    made = tables(page, plot)["tables"][0]
    assert [column["percent"] for column in made["columns"]] == [False, True, True]
    assert made["rows"][made["at"]][0][0] <= 300 < made["rows"][made["at"] + 1][0][0]
    logarithmic = figures.FIGURES["overview"].function.draw(pair(), axis="log", step=0)
    made = tables(page, logarithmic)["tables"][0]
    assert made["rows"][0][0] == [0]
    assert made["at"] == 0


def test_the_map_names_its_rates_and_scales_as_it_is_drawn(page):
    accuracy = np.arange(12.0).reshape(2, 2, 3) / 12
    made = check(page, accuracy_map.draw(map_of(accuracy, np.zeros((2, 2, 3)))))
    first = made["tables"][0]
    data = map_of(accuracy, np.zeros((2, 2, 3)))
    assert [column["name"] for column in first["columns"][1:]] == [
        f"{rate:g}" for rate in data.learning_rates
    ]
    assert [row[0][0] for row in first["rows"]] == [f"{scale:g}" for scale in data.init_scales[::-1]]
    assert [cell[0] for cell in first["rows"][0][1:]] == accuracy[0, 1].tolist()


def test_a_units_gamma_is_in_a_column_of_its_own(page):
    seen = history.__wrapped__() if hasattr(history, "__wrapped__") else history()
    check(page, layer_figures.learned.draw(seen, 1, 10))


def test_an_arm_that_diverged_is_told_and_has_no_number_that_was_not_measured(page):
    gone = recording(records=9, diverged_at=400)
    made = check(page, figures.FIGURES["accuracy"].function.draw([gone, recording()]))
    assert any("diverged at step 400" in note for note in made["notes"])


def test_the_csv_has_every_row_with_the_bits_of_the_figure(page):
    plot = figures.FIGURES["loss"].function.draw(pair())
    made = tables(page, plot)
    text = page.evaluate("(figure) => csvOf(tablesOf(figure), '=a title')", json.loads(plot.json()))
    rows = [row for row in csv.reader(io.StringIO(text)) if not row[0].startswith("#")]
    assert len(rows) == 1 + len(made["tables"][0]["rows"])
    numbers = np.float32([[float(cell) for cell in row[1:]] for row in rows[1:]]).ravel()
    np.testing.assert_array_equal(np.sort(numbers), np.float32(drawn(plot)))


def test_a_strangers_name_becomes_neither_markup_nor_a_formula(page):
    plot = {
        "data": [{"type": "scatter", "name": "=<img src=x onerror=alert(1)>cmd", "x": [1], "y": [2]}],
        "layout": {"meta": {"alt": "a: b"}},
    }
    text = page.evaluate("(figure) => csvOf(tablesOf(figure), 't')", plot)
    assert "<img" not in text
    assert "'=cmd" in text


OPEN = """(figure) => {
  const table = new TableDialog(() => figure);
  table.name("Loss");
  document.querySelector("main").replaceChildren(...table.nodes);
  table.button.focus();
  table.button.click();
  const { dialog } = table;
  return { open: dialog.open, captions: [...dialog.querySelectorAll("caption")].map((node) => node.textContent),
    scopes: [...new Set([...dialog.querySelectorAll("th")].map((node) => node.scope))],
    rows: dialog.querySelectorAll("tbody tr").length, said: dialog.querySelector(".bnviz-tables-count").textContent,
    cells: [...dialog.querySelectorAll("tbody td")].map((node) => node.textContent) };
}"""


def test_a_long_table_is_shown_in_part_says_so_and_escape_leaves_it(page):
    plot = figures.FIGURES["loss"].function.draw([recording(records=300)])
    shown = page.evaluate(OPEN, json.loads(plot.json()))
    assert shown["open"]
    assert shown["scopes"] == ["col", "row"]
    assert shown["rows"] == 40
    assert shown["said"].startswith("40 of ")
    values = [f"{value:.4g}" for value in drawn(plot)]
    assert all(f"{float(cell):.4g}" in values for cell in shown["cells"])
    page.keyboard.press("Escape")
    assert page.evaluate(
        "() => [document.querySelector('dialog').open, document.activeElement.className]"
    ) == [
        False,
        "bnviz-as-table",
    ]
