"""A finished lab as files: its Recordings, its figures and its verdict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bnviz.export import Stamp
from bnviz.export.files import write_figures
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.labs.predictions import Score
from bnviz.labs.verdicts import dumped


def write(lab: Lab, result: Result, folder: Path, score: Score | None = None) -> str | None:
    """Write recordings, figures and verdict.json into an existing folder.

    Returns a sentence if some figures could not be written.
    """
    for arm in result.arms:
        for seed, recording in enumerate(result.recordings(arm.name)):
            recording.save(folder / f"{arm.name}-seed{seed}.bnviz")
    (folder / "verdict.json").write_text(dumped(summary(lab, result, score)) + "\n", encoding="utf-8")
    wide, narrow = (lab.figures(result, View(theme="print", narrow=flag)) for flag in (False, True))
    drawn = {item.name: (item.figure, other.figure) for item, other in zip(wide, narrow, strict=True)}
    return write_figures(drawn, folder, stamp(lab, result))


def stamp(lab: Lab, result: Result, link: str = "", unit: int | None = None) -> Stamp:
    """The Stamp of a lab's numbers. link: the address of the page with the labs. unit: the unit that is shown."""
    recordings = [item for arm in result.arms for item in result.recordings(arm.name)]
    return Stamp.of(recordings, link=f"{link or 'labs'}?{urlencode(query(lab, result.setting, unit))}")


def query(lab: Lab, setting: Setting, unit: int | None = None) -> dict[str, str]:
    """The parameters of the link that opens the lab at this setting."""
    numbers = {"seeds": setting.seeds, "steps": setting.steps, "unit": unit}
    return (
        {"lab": lab.name}
        | ({"images": "true"} if setting.images else {} if setting.quick else {"full": "true"})
        | {name: str(number) for name, number in numbers.items() if number}
    )


def summary(lab: Lab, result: Result, score: Score | None = None) -> dict[str, Any]:
    """The content of verdict.json."""
    setting = result.setting
    return {
        "lab": lab.name,
        "title": lab.title,
        "claim": lab.quote,
        "verbatim": lab.verbatim,
        "paper": lab.paper,
        "section": lab.section,
        "question": lab.question,
        "seeds": setting.seed_count,
        "setting": {
            "quick": setting.quick,
            "images": setting.images,
            "changes": dict(setting.changes),
            "arms": {arm.name: arm.experiment.model_dump() for arm in result.arms},
        },
        **lab.verdict(result).to_dict(),
        "score": None if score is None else asdict(score),
        "diverged_at": {
            arm.name: [recording.diverged_at for recording in result.recordings(arm.name)]
            for arm in result.arms
        },
        "provenance": asdict(result.recordings(result.arms[0].name)[0].provenance),
    }
