"""A question of the page Inside, asked of a network that a Job trains. Runs in a worker process."""

from __future__ import annotations

import importlib
from typing import Any

from bnviz.engine.trainer import Trainer


def answer(trainer: Trainer, question: str, **arguments: Any) -> dict[str, Any]:
    """The answer, by the name "answer". question: a function of this folder, such as "layer:history"."""
    module, _, function = question.partition(":")
    place = importlib.import_module(f"bnviz.engine.inspections.{module}")
    return {"answer": getattr(place, function)(trainer, **arguments)}
