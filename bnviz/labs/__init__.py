"""The labs: one claim of the paper each. `bnviz.labs.base` tells how to add one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from bnviz.labs.base import Lab

__all__ = ["Lab", "all_labs", "find"]


@cache
def all_labs() -> dict[str, Lab]:
    """Every lab by its name, in the order of their numbers: each module of this package that has a `LAB`."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    labs = [lab for module in modules if isinstance(lab := vars(module).get("LAB"), Lab)]
    return {lab.name: lab for lab in sorted(labs, key=lambda lab: (lab.number, lab.name))}


def find(name: str) -> Lab:
    """The lab of that name. Raises ValueError with the names there are."""
    labs = all_labs()
    if name not in labs:
        raise ValueError(f"there is no lab {name[:40]!r}; allowed is one of {', '.join(labs)}")
    return labs[name]
