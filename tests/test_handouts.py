"""Handouts: one page that holds everything, whatever the recordings say."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from copy import deepcopy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from bnviz.experiment import Experiment, Intervention
from bnviz.export.handouts.animation import MOST_FRAMES, Look, Slide, animated, frame_steps
from bnviz.export.handouts.array_pool import ArrayPool, differences, patches
from bnviz.export.handouts.lab_page import lab_handout
from bnviz.export.handouts.markdown import line, paragraphs
from bnviz.export.handouts.page import _templates
from bnviz.export.handouts.question import scores
from bnviz.export.handouts.readouts import ShownNetwork
from bnviz.export.handouts.run_page import run_handout
from bnviz.export.stamp import Stamp
from bnviz.export.templates import environment
from bnviz.figures import bands, histogram
from bnviz.labs import all_labs, find
from bnviz.labs.base import Setting, View
from bnviz.labs.predictions import Choice
from bnviz.recording import Provenance, Recording
from bnviz.recording.watched import Watched, WatchedLayer
from tests.recordings import pair, recording
from tests.test_labs import as_claimed

ATTACK = "</script></style>--><script>alert(1)</script><img src=x onerror=alert(1)>\"'"


class Page(HTMLParser):
    """A page as an independent parser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        self.ids += [value for key, value in attributes if key == "id" and value]
        self._in_script = name == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, name: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data
        self.words.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def policy(self) -> str:
        return next(str(item["content"]) for item in self.all("meta") if "http-equiv" in item)


def packed_in(text: str, name: str) -> bytes:
    found = re.search(rf'id="{name}">([A-Za-z0-9+/=]+)<', text)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1]))


def unpooled(value: Any, arrays: list[dict[str, str]]) -> Any:
    """A figure's JSON with its arrays as NumPy reads them."""
    if isinstance(value, dict) and set(value) == {"array"}:
        spec = arrays[value["array"]]
        values = np.frombuffer(base64.b64decode(spec["bdata"]), "<" + spec["dtype"])
        return values.reshape([int(size) for size in spec["shape"].split(",")]) if "shape" in spec else values
    if isinstance(value, dict):
        return {key: unpooled(item, arrays) for key, item in value.items()}
    return [unpooled(item, arrays) for item in value] if isinstance(value, list) else value


def patched(base: Any, changes: list[list[Any]]) -> Any:
    result = deepcopy(base)
    for path, value in changes:
        part = result
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
    return result


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return pair(hidden=(6, 5))


@pytest.fixture(scope="module")
def handout(recordings: list[Recording]) -> str:
    return run_handout(recordings, title="My own heading", note="First.\nSecond.")


@pytest.fixture(scope="module")
def data(handout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(packed_in(handout, "data"))
    return found


def test_a_handout_is_one_page_that_asks_for_nothing(handout: str) -> None:
    page = Page(handout)
    assert len(handout.encode()) < 6e6
    for name, attributes in page.elements:
        assert not {"src", "srcset", "action", "data", "poster"} & set(attributes), name
        assert name not in ("link", "iframe", "object", "embed", "base")
    assert "url(" not in handout.partition("<style>")[2].partition("</style>")[0]
    assert "default-src 'none'" in page.policy
    assert "connect-src" not in page.policy


def test_the_policy_allows_the_two_scripts_and_no_other(handout: str) -> None:
    page = Page(handout)
    library = packed_in(handout, "library")
    digests = [
        base64.b64encode(hashlib.sha256(script).digest()).decode()
        for script in (page.scripts[-1].encode(), library)
    ]
    assert f"script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}';" in page.policy
    assert library.lstrip().startswith(b"/**\n* plotly.js")


def test_nothing_that_a_stranger_wrote_becomes_markup(recordings: list[Recording]) -> None:
    harmless, hostile = (
        [replace(item, provenance=Provenance(*[text] * 5)) for item in recordings] for text in ("x", ATTACK)
    )
    plain = Page(run_handout(harmless, note="a\nb"))
    text = run_handout(hostile, title=ATTACK, note=f"{ATTACK}\n{ATTACK}")
    page = Page(text)
    assert [name for name, _ in page.elements] == [name for name, _ in plain.elements]
    assert "alert(1)" in page.text
    assert "<script>alert" not in text


def test_what_a_teacher_writes_stands_above_the_figures(handout: str) -> None:
    page = Page(handout)
    assert "My own heading" in page.text
    assert page.text.index("First.") < page.text.index("Second.") < page.text.index("Move the slider")


def test_the_numbers_at_every_frame_are_those_last_evaluated(
    recordings: list[Recording], data: dict[str, Any]
) -> None:
    assert data["steps"][0] == 0
    assert data["steps"][-1] == recordings[0].last_step
    for step, rows in zip(data["steps"], data["numbers"], strict=True):
        for item, (loss, accuracy, gone) in zip(recordings, rows, strict=True):
            past = item.curves[item.curves["step"] <= step]
            last = past.groupby("split").last()
            assert float(loss) == pytest.approx(last.loc["train", "loss"], rel=5e-3)
            assert accuracy == f"{100 * last.loc['test', 'accuracy']:.1f} %"
            assert gone == ""
    assert len(data["stories"]) == len(data["steps"])


def test_figures_hold_the_same_arrays_as_when_they_are_drawn(
    recordings: list[Recording], data: dict[str, Any]
) -> None:
    drawn = bands(recordings, theme="dark", narrow=True)
    (held,) = [
        look
        for item in data["slides"]
        for choice in item["choices"].values()
        if (look := choice["looks"]["dark narrow"])["layout"]["meta"]["alt"] == drawn.layout.meta["alt"]
    ]
    traces = unpooled(held["data"], data["arrays"])
    assert len(traces) == len(drawn.data)
    for mine, theirs in zip(traces, drawn.data, strict=True):
        np.testing.assert_array_equal(mine["y"], theirs.y)
        np.testing.assert_array_equal(mine["x"], theirs.x)
        assert mine.get("fillcolor") == theirs.fillcolor


@pytest.mark.parametrize("look", [Look("dark", False), Look("dark", True), Look("light", True)])
def test_every_frame_of_an_animation_is_the_figure_drawn_at_that_step(look: Look) -> None:
    arms = pair(hidden=(6, 5))
    arms[0] = recording(arms[0].experiment, shift=30.0)  # beyond the frame, which a note then says

    def at(step: int, look: Look) -> Any:
        return histogram(arms, 2, step, theme=look.theme, narrow=look.narrow)

    pool, steps = ArrayPool(), [0, 500, 1000]
    choice = animated("histogram", "", {"": at}, steps, pool).choices[""]
    for step, moves in zip(steps, choice["moves"][look.key], strict=True):
        assert patched(choice["looks"][look.key], moves) == pool.figure(at(step, look))


@given(
    st.recursive(
        st.integers(0, 3) | st.sampled_from("ab"),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
        ),
    ),
    st.recursive(
        st.integers(0, 3) | st.sampled_from("ab"),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
        ),
    ),
)
def test_patches_turn_one_value_into_the_other(before: Any, now: Any) -> None:
    assert patched([before], patches([before], [[now]])[0]) == [now]
    assert not list(differences(before, before))


def test_the_scrubber_stops_at_recorded_steps_first_and_last_included() -> None:
    long = [recording(Experiment(steps=5000, hidden=(2,)), records=300), recording(Experiment(hidden=(2,)))]
    steps = frame_steps(long)
    assert (steps[0], steps[-1]) == (0, 5000)
    assert len(steps) <= MOST_FRAMES
    few = frame_steps(long, 7, also=long[0].steps[5] + 1)
    assert set(few) - set(frame_steps(long, 7)) == {long[0].steps[5]}
    assert set(steps) <= {*long[0].steps.tolist(), *long[1].steps.tolist()}


def test_changes_on_the_way_divergence_and_planes_are_told() -> None:
    base = Experiment(dataset="spirals", hidden=(3, 3), steps=1000)
    changed = replace(recording(base, records=6), interventions=(Intervention(400, "learning_rate", 5.0),))
    lost = recording(base.replace(normalizer="none"), records=6, diverged_at=700)
    text = run_handout([lost, changed])
    assert "From step 400 on: learning rate 5 in B." in Page(text).text
    assert "diverged at step 700" in Page(text).text
    held = json.loads(packed_in(text, "data"))
    plane = next(item for item in held["slides"] if "plane" in str(item["choices"])[:100_000])
    maps = [
        unpooled(trace["z"], held["arrays"])
        for trace in plane["choices"][""]["looks"]["light wide"]["data"]
        if trace["type"] == "heatmap"
    ]
    np.testing.assert_array_equal(maps[1], changed.snapshots[-1].boundary)


@pytest.mark.parametrize("count", [1, 5])
def test_one_to_five_networks_make_a_handout(count: int) -> None:
    arms = [recording(Experiment(hidden=(3,), learning_rate=0.1 * (i + 1)), records=4) for i in range(count)]
    names = [item for item in Page(run_handout(arms)).all("h2") if item.get("class") == "name"]
    assert len(names) == count


def test_a_network_that_was_only_watched_is_shown_beside_one_that_bnviz_trained() -> None:
    trained = recording(Experiment(hidden=(3, 2)), records=4)
    layers = (WatchedLayer("first_layer", 3, "relu", "BatchNorm1d"), WatchedLayer("second", 2))
    watched = replace(trained, subject=Watched("my net", layers))
    page = Page(run_handout([watched, trained]))
    assert "my net" in page.text
    assert "What they have in common" not in page.text


def test_six_networks_or_an_empty_one_are_refused_in_a_sentence() -> None:
    one = recording(Experiment(hidden=(3,)), records=3)
    with pytest.raises(ValueError, match="6 recordings are not allowed"):
        run_handout([one] * 6)
    with pytest.raises(ValueError, match="nothing was recorded"):
        run_handout([Recording(Experiment(hidden=(3,)))])


@pytest.mark.parametrize("name", ["figure-1", "fewer-steps", "learning-rate"])
def test_a_lab_becomes_a_handout_with_its_claim_question_verdict_and_explanation(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True))
    text = lab_handout(lab, result, link="https://class.example/labs")
    page = Page(text)
    assert len(text.encode()) < 6e6
    assert lab.quote in page.text
    assert lab.verdict(result).sentence.split(". ")[0] in page.text
    assert len(page.all("math")) == len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", lab.explanation, re.DOTALL))
    (link,) = [item["href"] for item in page.all("a") if item["href"]]
    assert str(link).startswith(f"https://class.example/labs?lab={name}")
    held = json.loads(packed_in(text, "data"))
    assert len(held["numbers"][-1]) == len(result.arms)


@pytest.mark.parametrize("name", ["learning-rate", "fewer-steps"])
def test_a_readers_prediction_turns_the_figures_into_those_drawn_with_it(name: str) -> None:
    lab, setting = find(name), Setting(quick=True)
    assert not isinstance(lab.prediction, Choice)
    result = as_claimed(lab, setting)
    data = json.loads(packed_in(lab_handout(lab, result), "data"))
    choices = [slide["choices"][""] for slide in data["slides"]]
    marked = 0
    for look in (Look("light", False), Look("dark", True)):
        for place, notch in enumerate(lab.prediction.sliders[0].notches):
            drawn = lab.figures(result, View(theme=look.theme, narrow=look.narrow, guess=notch))
            for choice, item in zip(choices, drawn, strict=False):
                changes = choice["predicted"][look.key][place] if "predicted" in choice else []
                layout = patched(choice["looks"][look.key], changes)["layout"]
                assert layout["shapes"] == ArrayPool().figure(item.figure)["layout"]["shapes"]
                notes = [note["text"] for note in layout["annotations"]]
                assert notes == [note.text for note in item.figure.layout.annotations]
                marked += "predicted" in notes
    assert marked >= 40


def test_a_lab_without_a_verdict_makes_no_handout() -> None:
    lab = find("figure-1")
    with pytest.raises(ValueError, match="no verdict yet"):
        lab_handout(lab, lab.nothing_yet(Setting(quick=True)))


@pytest.mark.parametrize("name", ["figure-1", "fewer-steps", "learning-rate", "saturation"])
def test_the_page_scores_every_prediction_as_the_lab_does(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True))
    told = scores(lab, result)
    if isinstance(lab.prediction, Choice):
        assert told["options"] == {key: lab.score(key, result).sentence for key in lab.prediction.options}
        return
    (slider,), (item,) = told["sliders"], lab.prediction.sliders
    for place, notch in enumerate(slider["notches"]):
        value = float(np.geomspace(item.low, item.high, len(slider["notches"]))[place])
        score = lab.score([min(max(value, item.low), item.high)], result)
        assert notch["right"] == score.right
        assert notch["sentence"] == score.sentence


@pytest.mark.parametrize("name", list(all_labs()))
def test_the_formulas_of_every_lab_become_mathml(name: str) -> None:
    written = paragraphs(find(name).explanation)
    outside = re.sub(r"<math.*?</math>", "", written, flags=re.DOTALL)
    assert not set("$\\\ue000") & set(outside)
    for formula in re.findall(r"<math.*?</math>", written, flags=re.DOTALL):
        assert "\\" not in "".join(ElementTree.fromstring(formula).itertext())


@pytest.mark.parametrize("template", ["run.html", "lab.html", "report.html"])
def test_every_template_escapes_whatever_it_is_given(template: str) -> None:
    assert _templates().get_template(template).environment.autoescape is True
    assert "|safe" not in _templates().loader.get_source(_templates(), template)[0].replace(" ", "")  # type: ignore[union-attr]


def test_texts_are_escaped_in_elements_and_attributes_and_a_missing_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p title="{{ text }}">{{ text }}{{ missing }}</p>', encoding="utf-8")
    template = environment(tmp_path).get_template("page.html")
    page = Page(template.render(text=ATTACK, missing=Markup("<b>")))
    assert [name for name, _ in page.elements] == ["p", "b"]
    assert page.all("p")[0]["title"] == page.text == ATTACK
    with pytest.raises(UndefinedError, match="missing"):
        template.render(text="")


def test_html_in_markdown_becomes_text() -> None:
    for written in (line(f"**a** {ATTACK}"), paragraphs(f"- {ATTACK}\n\n$x < y$ {ATTACK}")):
        assert not {"script", "img", "style"} & {name for name, _ in Page(written).elements}
        assert "alert(1)" in Page(written).text
    assert not Page(line("[x](javascript:alert(1)) ![x](http://a.example)")).all("img")


def test_every_part_of_a_page_shows_hostile_texts_as_text() -> None:
    trained = recording(Experiment(hidden=(3, 2)), records=4)

    def parts(text: str) -> Page:
        macros: Any = _templates().get_template("parts.html").module
        networks = [ShownNetwork(text, (text, "dash"), trained)]
        slide = Slide(text, text, {text: {}, "b": {}}, text, 300, asked=text)
        lab = replace(find("figure-1"), quote=text, title=text, explanation=text)
        told = replace(lab.verdict(as_claimed(find("figure-1"), Setting(quick=True))), criterion=text)
        stamp = Stamp((), link=text, remark=text)
        written = [
            *(macros.readouts(networks, 0, most) for most in (0, 1)),
            macros.slide(slide, 0),
            macros.table([text], [[text, text]], text),
            macros.claim(lab),
            macros.explanation(lab),
            macros.verdict(told),
            macros.provenance(stamp),
        ]
        return Page("".join(written))

    hostile, harmless = parts(ATTACK), parts("x")
    assert [name for name, _ in hostile.elements] == [name for name, _ in harmless.elements]
    assert [set(held) for _, held in hostile.elements] == [set(held) for _, held in harmless.elements]
    assert hostile.text.count("alert(1)") >= 12
