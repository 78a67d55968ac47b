"""Files that leave the app, read by programs that know nothing of it."""

from __future__ import annotations

import io
import json
import re
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pypdf
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from bnviz import Experiment, Intervention, Recording, figures
from bnviz.experiment.comparison import Comparison
from bnviz.export import KINDS, Stamp, export_figure, export_numbers, kind_named
from bnviz.export.browser import Chrome, ChromeBusyError, ChromeError
from bnviz.export.kinds import COLUMN_CENTIMETRES, COLUMN_WIDTH
from bnviz.export.numbers import drawn_numbers, numbers
from bnviz.recording import Provenance
from bnviz.recording.watched import Watched, WatchedLayer
from tests.browser import CHROMIUM, FLAGS
from tests.recordings import pair
from tests.test_web import recordings as random_recordings

NASTY = "--><script>document.title='broken'</script>\n=1+1,\"#\u202e\x00]]>&"
LINK = "http://localhost:8501/?learning_rate=3&steps=1000"
MADE = Provenance("0.1.0", "2.13.0", "3.11.7", "cpu", "2026-01-02T03:04:05+00:00")
needs_chrome = pytest.mark.skipif(Chrome.path() is None, reason="no Chrome or Chromium to draw with")


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    first, second = (replace(item, provenance=MADE) for item in pair(learning_rate=3.0))
    return [first.extended([], (Intervention(400, "momentum", 0.5),)), second]


@pytest.fixture(scope="module")
def stamp(recordings: list[Recording]) -> Stamp:
    return Stamp.of(recordings, step=400, link=LINK)


@pytest.fixture(scope="module")
def drawn(recordings: list[Recording], stamp: Stamp, chrome: Chrome) -> dict[str, bytes]:
    """The bands as every kind of file that a browser draws."""
    return {
        kind.name: export_figure(
            figures.bands(recordings, theme="print", narrow=kind.column, step=400),
            kind.name,
            stamp,
            chrome=chrome,
        )
        for kind in KINDS.values()
        if kind.drawn
    }


def nasty() -> Stamp:
    """A Stamp of which a stranger wrote every text that is not checked."""
    item = Recording(Experiment(dataset="folder:a--b"), provenance=Provenance(*[NASTY] * 5))
    return Stamp.of([item], link=NASTY)


def test_a_stamp_tells_everything_and_is_json(stamp: Stamp, recordings: list[Recording]) -> None:
    told = json.loads(json.dumps(stamp.to_dict()))
    assert told["step"] == 400
    assert told["link"] == LINK
    for arm, recording in zip(told["arms"], recordings, strict=True):
        assert Experiment(**arm["experiment"]) == recording.experiment
        assert (arm["torch"], arm["python"], arm["device"], arm["seed"]) == ("2.13.0", "3.11.7", "cpu", 0)
    assert told["arms"][0]["interventions"] == [{"step": 400, "field": "momentum", "value": 0.5}]
    assert any("changed at: 400:momentum:0.5" in line for line in stamp.lines)
    assert "torch 2.13.0" in stamp.footer[0]


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("https://bnviz.example.org", True),
        ("http://93.184.216.34:8501", True),
        ("http://localhost:8501", False),
        ("http://127.0.0.1:8501", False),
        ("http://192.168.1.20:8501", False),
        ("http://[::1]:8501", False),
        ("http://lecture-pc:8501", False),
        ("http://laptop.local", False),
        ("", False),
    ],
)
def test_a_figure_names_a_link_only_where_others_can_open_it(recordings, address: str, named: bool) -> None:
    link = f"{address}/?seed=1"
    stamp = Stamp.of(recordings, link=link)
    assert (link in stamp.footer) == named
    assert f"link: {link}" in stamp.lines


def test_the_link_of_two_arms_opens_both_with_their_interventions(recordings: list[Recording]) -> None:
    query = dict(part.split("=") for part in Stamp.of(recordings).link.removeprefix("?").split("&"))
    opened, ignored = Comparison.salvage(query)
    assert not ignored
    assert opened.arms == tuple(item.experiment for item in recordings)
    assert opened.interventions == tuple(item.interventions for item in recordings)


@pytest.mark.parametrize("normalizer", ["none", "batch", "whiten"])
def test_arms_that_fit_no_comparison_have_links_of_their_own(normalizer: str) -> None:
    changes = (Intervention(5, "learning_rate", 0.25),)
    item = Recording(Experiment(normalizer=normalizer, seed=3), changes)
    stamp = Stamp.of([item] * 6)
    assert stamp.link == ""
    query = dict(part.split("=") for part in stamp.arms[0].query.split("&"))
    opened, _ = Comparison.salvage(query)
    assert (item.experiment, changes) in zip(opened.arms, opened.interventions, strict=True)


def test_a_network_that_was_only_watched_is_told_as_such_and_has_no_link() -> None:
    watched = Watched("somebodys net", (WatchedLayer("features.fc1", 7, "relu"),))
    item = Recording(watched, provenance=MADE)
    stamp = Stamp.of([item, item])
    told = json.loads(json.dumps(stamp.to_dict()))["arms"][0]
    assert (told["experiment"], told["seed"], told["link"]) == (None, None, "")
    assert told["watched"]["layers"][0]["name"] == "features.fc1"
    assert any("features.fc1 (7)" in line for line in stamp.lines)
    assert not any("opens at" in line for line in stamp.lines)
    assert "watched" in stamp.footer[0]
    table = numbers("drift", [item, item], figures.drift([item, item]))
    assert len(table) == 0


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"kind = 'bmp' is not allowed; allowed is one of png, .*parquet"):
        kind_named("bmp")


@needs_chrome
def test_a_png_has_twice_the_pixels_or_300_to_the_inch(drawn: dict[str, bytes], stamp: Stamp) -> None:
    for name, width, dpi in (("png", 1800, 192), ("png-print", round(COLUMN_CENTIMETRES / 2.54 * 300), 300)):
        with Image.open(io.BytesIO(drawn[name])) as picture:
            picture.load()
            assert picture.width == width
            assert picture.info["dpi"] == pytest.approx((dpi, dpi), rel=1e-3)
            assert json.loads(picture.info["bnviz"]) == json.loads(json.dumps(stamp.to_dict()))
            assert "sigmoid" in picture.info["Description"]
            assert picture.getpixel((0, 0)) == (255, 255, 255)
            colours = {colour for _, colour in picture.getcolors(1 << 24)}
        assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours


@needs_chrome
def test_an_svg_is_as_wide_as_a_column_and_its_smallest_type_is_legible(
    drawn: dict[str, bytes], stamp: Stamp
) -> None:
    root = ET.fromstring(drawn["svg"])
    assert root.attrib["width"] == f"{COLUMN_CENTIMETRES:.3f}cm"
    text = drawn["svg"].decode()
    points = COLUMN_CENTIMETRES / 2.54 * 72 / COLUMN_WIDTH
    sizes = [float(size) for size in re.findall(r"font-size:\s*([\d.]+)px", text)]
    assert min(sizes) * points >= 6
    assert text.count("@font-face{font-family:Inter;") == 2
    assert all("Inter" in family for family in re.findall(r"font-family: ([^;\"]+)", text))
    words = "".join(root.itertext())
    assert all(line[:40] in words for line in stamp.footer)
    assert "seed 0" in words
    assert "http:" not in re.sub(
        r"http://www\.w3\.org/[\w/]+|http://localhost\S*", "", text
    )  # nothing from elsewhere


@needs_chrome
def test_a_pdf_is_one_page_with_its_typeface_and_its_text(drawn: dict[str, bytes], stamp: Stamp) -> None:
    document = pypdf.PdfReader(io.BytesIO(drawn["pdf"]))
    (page,) = document.pages
    assert float(page.mediabox.width) / 72 * 2.54 == pytest.approx(COLUMN_CENTIMETRES, abs=0.02)
    fonts = [font.get_object() for font in page["/Resources"].get_object()["/Font"].values()]
    assert {str(font["/BaseFont"]).partition("+")[2] for font in fonts} == {"Inter-Regular", "Inter-Bold"}
    for font in fonts:
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
        assert len(descriptor["/FontFile2"].get_object().get_data()) > 1000
    assert "What each layer" in page.extract_text()
    assert "seed 0" in page.extract_text()
    about = document.metadata
    assert about is not None
    assert about.title == "What each layer’s sigmoids receive"
    assert json.loads(str(about["/bnviz"])) == json.loads(json.dumps(stamp.to_dict()))


@needs_chrome
def test_without_footer_the_figure_is_lower_and_says_the_rest_as_before(
    drawn: dict[str, bytes], recordings: list[Recording], stamp: Stamp, chrome: Chrome
) -> None:
    figure = figures.bands(recordings, theme="print", narrow=True, step=400)
    bare = export_figure(figure, "svg", stamp, footer=False, chrome=chrome)
    assert "seed 0" not in "".join(ET.fromstring(bare).itertext())
    assert stamp.arms[0].to_dict()["date"].encode() in bare  # in the comment
    heights = [
        float(ET.fromstring(item).attrib["height"].removesuffix("cm")) for item in (bare, drawn["svg"])
    ]
    assert heights[0] < heights[1]


@needs_chrome
def test_a_hostile_stamp_stays_text_in_svg_and_pdf(recordings: list[Recording], chrome: Chrome) -> None:
    figure = figures.accuracy(recordings, theme="print", narrow=True)
    root = ET.fromstring(export_figure(figure, "svg", nasty(), chrome=chrome))
    assert not [item for item in root.iter() if item.tag.endswith("script")]
    document = pypdf.PdfReader(io.BytesIO(export_figure(figure, "pdf", nasty(), chrome=chrome)))
    assert document.metadata is not None
    assert json.loads(str(document.metadata["/bnviz"])) == json.loads(json.dumps(nasty().to_dict()))


@pytest.mark.slow
@needs_chrome
def test_a_browser_that_died_is_replaced(recordings: list[Recording], stamp: Stamp, chrome: Chrome) -> None:
    figure = figures.loss(recordings, theme="print")
    first = export_figure(figure, "svg-wide", stamp, chrome=chrome)
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            process.kill()
    again = export_figure(figure, "svg-wide", stamp, chrome=chrome)
    assert list(ET.fromstring(again).itertext()) == list(ET.fromstring(first).itertext())


def test_who_asks_while_too_many_wait_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object) -> bytes:
        begun.set()
        go_on.wait()
        return b""

    monkeypatch.setattr(Chrome, "path", staticmethod(lambda: "chrome"))
    monkeypatch.setattr(Chrome, "_bytes", slow)
    browser = Chrome(waiting=1)
    other = threading.Thread(target=browser.print_page, args=("<p>",))
    other.start()
    begun.wait()
    with pytest.raises(ChromeBusyError, match="try again"):
        browser.print_page("<p>")
    go_on.set()
    other.join()


def test_without_a_browser_a_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: list[Recording], stamp: Stamp
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    with pytest.raises(ChromeError, match="there is none"):
        export_figure(figures.loss(recordings), "pdf", stamp)


class _Elements(HTMLParser):
    """What an HTML parser finds: the elements, and the texts of the scripts by their ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.scripts: dict[str, str] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self._inside = str(dict(attrs).get("id") or "") if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data


def test_the_page_holds_the_figure_and_the_stamp_whatever_the_texts(recordings: list[Recording]) -> None:
    figure = figures.bands(recordings, theme="print")
    page = export_figure(figure, "html", nasty()).decode()
    assert len(page) < 6_000_000
    found = _Elements(page)
    assert found.names.count("script") == 5
    assert json.loads(found.scripts["bnviz"]) == json.loads(json.dumps(nasty().to_dict()))
    assert json.loads(found.scripts["drawing"])["layout"]["meta"]["alt"] == figure.layout.meta["alt"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chrome or Chromium to open it with")
def test_the_page_works_from_a_file_without_a_network(recordings: list[Recording], tmp_path: Path) -> None:
    path = tmp_path / "bands.html"
    path.write_bytes(export_figure(figures.bands(recordings, theme="print"), "html", nasty()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on(
            "request", lambda request: problems.append(request.url) if "http" in request.url[:5] else None
        )
        page.goto(path.as_uri())
        page.wait_for_selector(".js-plotly-plot .scatterlayer .trace")
        assert page.title() == "What each layer’s sigmoids receive"
        assert "seed 0" in page.locator("footer").inner_text()
        assert page.locator("footer a").count() == 0  # what is no web address becomes no link
        page.get_by_role("button", name="Table").click()
        table = page.get_by_role("dialog").locator("table").first
        assert "layer 1" in table.locator("caption").inner_text()
        cells = table.locator("tbody tr:last-child > *").all_inner_texts()
        recorded = recordings[0].layer_column(1, "q50")[-1]
        assert cells[0] == f"{recordings[0].last_step:,}"
        assert any(
            abs(float(cell.replace("−", "-").replace("–", "nan")) - recorded) < 1e-3 for cell in cells[1:]
        )
        browser.close()
    assert problems == []


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_table_behind_every_figure_names_arm_and_step(name: str) -> None:
    arms = pair(dataset="moons", hidden=(4, 4))
    figure = figures.FIGURES[name].function(arms, theme="print")
    table = pd.read_csv(
        io.BytesIO(export_numbers(numbers(name, arms, figure), "csv", Stamp.of(arms))), comment="#"
    )
    assert set(table["arm"]) == {"A", "B"}
    assert set(table["name"]) == {"no normalization", "batch norm"}
    assert table["step"].isin(arms[0].steps).all()
    assert len(table) >= 40


def test_the_table_of_the_bands_holds_the_recorded_numbers(recordings: list[Recording], stamp: Stamp) -> None:
    table = numbers("bands", recordings, figures.bands(recordings), layer=2)
    content = pq.read_table(io.BytesIO(export_numbers(table, "parquet", stamp)))
    assert json.loads(content.schema.metadata[b"bnviz"]) == json.loads(json.dumps(stamp.to_dict()))
    frame = content.to_pandas()
    assert set(frame["layer"]) == {2}
    for letter, recording in zip("AB", recordings, strict=True):
        shown = frame[frame["arm"] == letter]
        assert np.array_equal(shown["q85"], recording.layer_column(2, "q85"))
    before = numbers("bands", recordings, figures.bands(recordings), where="before")
    assert before.notna().all().all()
    assert "before_q85" in before
    unit = numbers("bands", recordings, figures.bands(recordings), layer=2, unit=3)
    assert np.array_equal(unit[unit["arm"] == "A"]["q50"], recordings[0].unit_column(2, 3, "q50"))


def test_before_the_normalizer_stands_what_it_receives_and_without_one_what_the_nonlinearity_does() -> None:
    made = random_recordings(3)  # before and after are different numbers
    table = numbers("bands", made, figures.bands(made, where="before"), where="before", layer=2)
    for letter, recording, column in zip("AB", made, ("q85", "before_q85"), strict=True):
        shown = table[table["arm"] == letter]["before_q85"]
        assert np.array_equal(shown, recording.layer_column(2, column))


def test_the_map_is_tabulated_where_it_is_drawn() -> None:
    arms = pair(dataset="moons", hidden=(4, 4))
    figure = figures.boundary(arms)
    table = numbers("boundary", arms, figure)
    grid = table[table["arm"] == "A"].pivot(index="x2", columns="x1", values="probability_of_class_1")
    assert np.allclose(grid.to_numpy(), arms[0].snapshots[-1].boundary / 255)
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    assert np.allclose(grid.columns, np.asarray(heat.x))
    assert np.allclose(grid.index, np.asarray(heat.y))


def test_a_drawn_figure_is_tabulated_point_by_point(recordings: list[Recording]) -> None:
    figure = figures.accuracy(recordings)
    table = drawn_numbers(figure)
    for index, trace in enumerate(figure.data):
        mine = table[table["trace"] == index]
        assert np.array_equal(mine["x"], np.asarray(trace.x))
        assert np.allclose(mine["y"], np.asarray(trace.y))


def test_nothing_in_a_csv_is_a_formula_and_comments_stay_comments() -> None:
    table = pd.DataFrame(
        {"=1+1": ["=SUM(A1)", "+1", "-x", "@y", "fine#", "\n=2"], "number": [-1.5, 0, 1, 2, 3, 4]}
    )
    content = export_numbers(table, "csv", nasty()).decode()
    lines = content.splitlines()
    assert all(not line.startswith(("=", "+", "-", "@")) for line in lines)
    read = pd.read_csv(io.StringIO(content), comment="#")
    assert list(read["number"]) == [-1.5, 0, 1, 2, 3, 4]
    assert all(text.startswith("'") for text in read.iloc[[0, 1, 2, 3, 5], 0])
