"""A finished lab as files: every Recording, every figure and the verdict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from bnviz.labs.base import Lab, Result, View
from bnviz.labs.predictions import Score
from bnviz.labs.verdicts import dumped
from bnviz.pictures import write_figures


def write(lab: Lab, result: Result, folder: Path, score: Score | None = None) -> str | None:
    """Write recordings, figures and verdict.json into an existing folder.

    Returns a sentence if some figures could not be written.
    """
    for arm in result.arms:
        for seed, recording in enumerate(result.recordings(arm.name)):
            recording.save(folder / f"{arm.name}-seed{seed}.bnviz")
    (folder / "verdict.json").write_text(dumped(summary(lab, result, score)) + "\n", encoding="utf-8")
    drawings = lab.figures(result, View())
    return write_figures({item.name: item.figure for item in drawings}, folder)


def summary(lab: Lab, result: Result, score: Score | None = None) -> dict[str, Any]:
    """What verdict.json holds."""
    setting = result.setting
    return {
        "lab": lab.name,
        "title": lab.title,
        "claim": lab.quote,
        "verbatim": lab.verbatim,
        "section": lab.section,
        "question": lab.question,
        "seeds": setting.seed_count,
        "setting": {
            "quick": setting.quick,
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
