"""What a link to the labs asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from bnviz.labs import all_labs
from bnviz.labs.base import FULL_SEEDS, Setting
from bnviz.labs.predictions import PredictionError
from bnviz.ui.parts.page_state import PageState, Parameter

PAGE: Final = "labs"
PREFIX: Final = "labs."
MOST_SEEDS = 10
MOST_STEPS = 50_000


def _most_units(visit: Visit, _: Any) -> int:
    return all_labs()[visit.lab].units if visit.lab else 0


def _check_said(said: str, visit: Visit, _: Any) -> None:
    """Refuse what is no answer to the lab's question."""
    if not visit.lab:
        raise ValueError("nothing where no lab is named")
    prediction = all_labs()[visit.lab].prediction
    try:
        prediction.read(said)
    except PredictionError:
        raise ValueError(prediction.allowed) from None


def _check_images(wanted: bool, visit: Visit, _: Any) -> None:
    """Refuse images where the lab has no such setting."""
    if wanted and not (visit.lab and all_labs()[visit.lab].images):
        raise ValueError("false for this lab")


@dataclass(frozen=True)
class Visit(PageState):
    """The parameters of a link to the labs.

    lab: "" for the list. said: the prediction, as text; "" before there is one. seeds, steps: 0 for the
    lab's own choice. unit: the unit that figures of one unit show, counted from 1; 0 for the typical one.
    """

    lab: Annotated[str, Parameter(choices=all_labs())] = ""
    full: Annotated[
        bool,
        Parameter(
            "full size",
            f"MNIST and {FULL_SEEDS} seeds. Otherwise small digits and one seed.",
        ),
    ] = False
    images: Annotated[
        bool,
        Parameter(
            "images",
            "Fashion-MNIST and an Inception network, at the paper’s learning rates and mini-batch. One seed.",
            check=_check_images,
        ),
    ] = False
    seeds: Annotated[int, Parameter("Seeds (0: as many as the lab has)", high=MOST_SEEDS)] = 0
    steps: Annotated[int, Parameter("Steps (0: as many as the lab has)", high=MOST_STEPS)] = 0
    unit: Annotated[int, Parameter("Unit shown (0: a typical one)", high=_most_units)] = 0
    said: Annotated[str, Parameter(check=_check_said)] = ""

    @property
    def setting(self) -> Setting:
        """How much to train."""
        return Setting(
            quick=not self.full, seeds=self.seeds or None, steps=self.steps or None, images=self.images
        )
