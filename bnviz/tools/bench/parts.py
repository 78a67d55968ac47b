"""The parts of the benchmark, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from bnviz.tools.bench.images import images
from bnviz.tools.bench.maps import maps
from bnviz.tools.bench.normalizers import normalizers
from bnviz.tools.bench.page import page
from bnviz.tools.bench.readings import Section, Setting
from bnviz.tools.bench.recording import recording
from bnviz.tools.bench.stacking import stacking
from bnviz.tools.bench.start import start
from bnviz.tools.bench.training import training
from bnviz.tools.bench.whole import whole

PARTS: Mapping[str, Callable[[Setting], list[Section]]] = MappingProxyType(
    {
        "training": training,
        "normalizers": normalizers,
        "figure-1": whole,
        "images": images,
        "stacking": stacking,
        "map": maps,
        "recording": recording,
        "page": page,
        "start": start,
    }
)


def measure(names: Sequence[str], setting: Setting) -> Iterator[tuple[str, list[Section]]]:
    """Each part's name and Sections, as soon as it is measured; all parts if none is named. Raises ValueError."""
    for name in names:
        if name not in PARTS:
            raise ValueError(f"part = {name!r} is not allowed; allowed is one of {', '.join(PARTS)}")
    for name in names or PARTS:
        yield name, PARTS[name](setting)
