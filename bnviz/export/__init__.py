"""Figures and recordings as files, each stamped with where its numbers come from."""

from bnviz.export.figure import browser_drawing, export_figure, export_numbers
from bnviz.export.kinds import KINDS, Kind, kind_named
from bnviz.export.stamp import Stamp

__all__ = ["KINDS", "Kind", "Stamp", "browser_drawing", "export_figure", "export_numbers", "kind_named"]
