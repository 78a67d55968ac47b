"""`python -m bnviz.tools.look`: look at every page and lab, or record the README's moving picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bnviz.tools.look.views import PAGES, SIZES, lab_views
from bnviz.tools.look.whole import look, record

app = typer.Typer(add_completion=False)


@app.command()
def pages(
    out: Annotated[Path, typer.Option(help="The folder for the pictures.")] = Path("out/look"),
    base: Annotated[str, typer.Option(help="A running server; without, one is started.")] = "",
    sizes: Annotated[str, typer.Option(help=f"Of {', '.join(size.name for size in SIZES)}.")] = "",
    names: Annotated[str, typer.Option(help="Pages to look at, with commas; all without.")] = "",
    labs: Annotated[str, typer.Option(help="Labs to look at, with commas; all, none.")] = "all",
) -> None:
    """Look at pages and labs, at every size; ends with 1 if anything is wrong."""
    chosen = [size for size in SIZES if not sizes or size.name in sizes.split(",")]
    views = [view for view in PAGES if not names or view.name in names.split(",")]
    views += {"all": lab_views(), "none": ()}.get(labs) or (
        lab_views(labs.split(",")) if labs != "none" else ()
    )
    wrong = 0
    for found in look(views, chosen, out, base):
        wrong += len(found.faults)
        typer.echo(f"{found.view.name} [{found.size.name}]" + ("" if found.faults else ": nothing wrong"))
        for fault in found.faults:
            typer.echo(f"    {fault}")
    typer.echo(f"{wrong} found; look at the pictures too, {out}/sheet.png first")
    raise typer.Exit(int(wrong > 0))


@app.command("film")
def film_command(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("docs/first-minute.webp"),
    base: Annotated[str, typer.Option(help="A running server; without, one is started.")] = "",
) -> None:
    """Record the Playground's first minute."""
    record(out, base)


if __name__ == "__main__":
    app()
