"""A question of the page Inside, asked of a network that a Job trains. Runs in a worker process."""

from __future__ import annotations

import pkgutil
from typing import Any

from bnviz.engine.trainer import Trainer


def answer(trainer: Trainer, question: str, **arguments: Any) -> dict[str, Any]:
    """The answer, by the name "answer". question: a function of this folder, such as "layer:history"."""
    return {"answer": pkgutil.resolve_name(f"bnviz.engine.inspections.{question}")(trainer, **arguments)}
