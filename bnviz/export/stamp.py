"""The provenance that every exported file carries: which experiments, made where and when, and a link to them.

A Stamp's texts may come from a stranger's file or folder. Here each is cut to one bounded line; the code that writes
them into HTML, CSV or a comment escapes them for that place.
"""

from __future__ import annotations

import datetime
import ipaddress
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.comparison import LEAST_ARMS, MOST_ARMS, Comparison
from bnviz.recording import Provenance, Recording
from bnviz.recording.watched import Watched
from bnviz.version import __version__

MAX_TEXT = 200
"""The most characters of a text that no Experiment has validated."""

MAX_FOOTER = 150
"""The most characters of a line below a figure."""


@dataclass(frozen=True)
class ArmStamp:
    """One network: what determined its training, and where it was trained.

    subject: its Experiment, or what is known of a network that bnviz only watched and cannot train again.
    """

    subject: Experiment | Watched
    interventions: tuple[Intervention, ...]
    diverged_at: int | None
    provenance: Provenance

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """The stamp of a Recording."""
        made = {name: plain(text) for name, text in asdict(recording.provenance).items()}
        subject = recording.watched or recording.experiment
        return cls(subject, recording.interventions, recording.diverged_at, Provenance(**made))

    @property
    def query(self) -> str:
        """The query of the link that opens this network and its interventions, beside one of another normalizer.

        Nothing for a network that was only watched.
        """
        if isinstance(self.subject, Watched):
            return ""
        own, mine = self.subject.normalizer, self.interventions
        if own == "none":
            comparison = Comparison(self.subject, interventions=(mine, ()))
        else:
            comparison = Comparison(self.subject, values=("none", own), interventions=((), mine))
        return urlencode(comparison.to_query(), safe=":,")

    @property
    def described(self) -> str:
        """Every field of the Experiment, or the name and layers of a network that was only watched."""
        if isinstance(self.subject, Watched):
            layers = ", ".join(f"{layer.name} ({layer.width})" for layer in self.subject.layers)
            return f"{self.subject.name}, watched while another program trained it; layers {layers}"
        return ", ".join(f"{name} = {text}" for name, text in self.subject.texts().items())

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "experiment": self.subject.model_dump() if isinstance(self.subject, Experiment) else None,
            "watched": asdict(self.subject) if isinstance(self.subject, Watched) else None,
            "interventions": [item.model_dump() for item in self.interventions],
            "seed": self.subject.seed if isinstance(self.subject, Experiment) else None,
            "diverged_at": self.diverged_at,
            "link": f"?{self.query}" if isinstance(self.subject, Experiment) else "",
            **asdict(self.provenance),
        }


@dataclass(frozen=True)
class Stamp:
    """Where a file's numbers come from.

    remark: a short line on the numbers. step: the step that is shown, None for all.
    link: opens what is shown again; "?…" if the address of the server is not known, and "" if no single link opens
    all arms, so that each has a link of its own.
    """

    arms: tuple[ArmStamp, ...]
    step: int | None = None
    link: str = ""
    remark: str = ""

    @classmethod
    def of(cls, recordings: Sequence[Recording], *, step: int | None = None, link: str = "") -> Self:
        """The Stamp of what was drawn or computed from `recordings`."""
        query = comparison_query(recordings)
        return cls(
            tuple(map(ArmStamp.of, recordings)),
            step,
            plain(link, 20_000) or ("" if query is None else f"?{query}"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "step": self.step,
            "link": self.link,
            "remark": self.remark,
            "arms": [arm.to_dict() for arm in self.arms],
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything as text: one fact a line, no line empty."""
        told = [f"link: {self.link}"] if self.link else []
        told += [self.remark] if self.remark else []
        told += [f"step shown: {self.step}"] if self.step is not None else []
        for letter, arm in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", self.arms, strict=False):
            told.append(f"network {letter}: {arm.described}")
            if arm.interventions:
                told.append(f"network {letter} was changed at: {Intervention.format_all(arm.interventions)}")
            if arm.diverged_at is not None:
                told.append(f"network {letter} diverged at step {arm.diverged_at}")
            made = ", ".join(f"{name} {text}" for name, text in asdict(arm.provenance).items() if text)
            told += [f"network {letter} was made by: {made}"] if made else []
            told += [] if self.link or not arm.query else [f"network {letter} opens at: ?{arm.query}"]
        if len(self.arms) > 26:
            told.append(f"and {len(self.arms) - 26} more networks")
        return tuple(told)

    @property
    def footer(self) -> tuple[str, ...]:
        """One or two short lines to stand below a figure. A link that opens nowhere else is left out."""
        trained = [arm.subject for arm in self.arms if isinstance(arm.subject, Experiment)]
        seeds = sorted({experiment.seed for experiment in trained})
        shown = ", ".join(map(str, seeds[:3])) + (" …" if seeds[3:] else "")
        words = [
            self._same(lambda arm: f"bnviz {arm.provenance.bnviz}".strip()),
            ", ".join(sorted({experiment.dataset for experiment in trained})),
            f"seed{'s' if seeds[1:] else ''} {shown}" if seeds else "",
            "watched" if len(trained) < len(self.arms) else "",
            self.remark,
            f"step {self.step:,}" if self.step is not None else "",
            self._same(lambda arm: f"torch {arm.provenance.torch}" if arm.provenance.torch else ""),
            self._same(lambda arm: arm.provenance.device),
            self._same(lambda arm: arm.provenance.date[:10]),
        ]
        lines = [plain(" · ".join(filter(None, words)), MAX_FOOTER)]
        if _is_public(self.link) and len(self.link) <= MAX_FOOTER:
            lines.append(self.link)
        return tuple(lines)

    def _same(self, text: Callable[[ArmStamp], str]) -> str:
        """The different texts about the arms, sorted: one text where it is the same for all."""
        return ", ".join(sorted({text(arm) for arm in self.arms}))


def _is_public(link: str) -> bool:
    """Whether a link names a server that others can reach: not this machine, nor one in a private network."""
    host = urlsplit(link).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))


def made_here() -> Provenance:
    """The Provenance of what is made now by this bnviz, this torch and this Python, on a device that is not known."""
    return Provenance(
        bnviz=__version__,
        torch=metadata.version("torch"),
        python=platform.python_version(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def comparison_query(recordings: Sequence[Recording]) -> str | None:
    """The query of the link that opens two to five Recordings as one Comparison; None if there is no such link."""
    if not LEAST_ARMS <= len(recordings) <= MOST_ARMS or any(item.watched for item in recordings):
        return None
    arms = tuple(item.experiment for item in recordings)
    differences = {name for other in arms[1:] for name in arms[0].differences(other)}
    if len(differences) > 1:
        return None
    vary = next(iter(differences), "normalizer")
    comparison = Comparison(
        arms[0],
        vary,
        tuple(arm.texts()[vary] for arm in arms),
        tuple(item.interventions for item in recordings),
    )
    query = comparison.to_query()
    try:
        back, ignored = Comparison.salvage(query)
        reopened = not ignored and back.arms == arms
    except ExperimentError:
        return None
    return urlencode(query, safe=":,") if reopened else None


def plain(text: str, length: int = MAX_TEXT) -> str:
    """A text on one line, without control characters, at most `length` characters long."""
    seen = "".join(sign if sign.isprintable() else " " for sign in str(text)[: 4 * length])
    line = " ".join(seen.split())
    return line if len(line) <= length else line[: length - 1] + "…"
