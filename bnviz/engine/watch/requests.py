"""The modules that somebody asked for with layers=[...]: which there are, and what is told of those not recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnviz.engine.watch.names import Names
from bnviz.engine.watch.observation import Found, Observation
from bnviz.recording.watched import WatchError

NOTHING_ASKED = "none of the modules named in layers=[...] gave out something to measure"
NOTHING_FOUND = (
    "no nonlinearity receives what a layer of this model gives out; name the modules to watch with "
    'layers=["..."], as in model.named_modules()'
)


NAMED = 6
"""Of the modules that are left out, as many are told by name."""


def why_left_out(names: Sequence[str]) -> str:
    """Why maps are not recorded of which no nonlinearity receives anything."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return (
        f"no nonlinearity receives what these give out, so they are not recorded: {', '.join(names[:NAMED])}{more}; "
        "layers=[...] records what the modules named in it give out"
    )


def why_nothing(asked: frozenset[str] | None) -> str:
    """Why a pass has shown nothing to record."""
    return NOTHING_FOUND if asked is None else NOTHING_ASKED


def known_names(layers: Sequence[str], names: Names) -> frozenset[str]:
    """The modules that were asked for, by name. Raises WatchError."""
    if isinstance(layers, str):
        raise WatchError(
            f'layers = {layers!r} is not allowed; allowed is a list of names, such as ["{layers}"]'
        )
    known = set(filter(None, names.modules.values()))
    unknown = [name for name in layers if name not in known]
    if unknown:
        allowed = ", ".join(filter(None, names.modules.values()))
        raise WatchError(f"layers = {unknown[0]!r} is no module of the model; allowed are {allowed}")
    return frozenset(layers)


def unmet(
    asked: frozenset[str], observation: Observation, found: Sequence[Found]
) -> Iterator[tuple[str, str]]:
    """The modules asked for that were not measured: each name, and why, with what to write instead."""
    names = observation.names
    met = {names.modules[item.module] for item in found}
    called = [names.modules[module] for module in observation.called]
    for name in sorted(asked - met):
        reason = observation.refused.get(
            name, "it was not called as a module, nor was a weight of its own used"
        )
        inside = [other for other in called if other.startswith(f"{name}.")]
        above = [other for other in called if other and name.startswith(f"{other}.")]
        instead = inside[:3] or above[-1:]
        write = f"; write layers={[*instead]}" if instead else ""
        yield name, f'layers=["{name}"] is not recorded: {reason}{write}'
