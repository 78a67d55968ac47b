"""The command line, `python -m bnviz`: app, train, replay, lesson, plan, site, lab, bench and load."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from bnviz.experiment import Experiment, presets
from bnviz.recording import Recording
from bnviz.recording.snapshot import LATER_TABLES, TABLES

app = typer.Typer(
    help="Watch what batch normalization changes inside a deep network. The page itself: bnviz app",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="The folder to write into; it is made if it is not there.")]
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended, by convention."""


def main() -> None:
    """Run a command. An error that the user can mend is one sentence on the error stream, and exit status 2."""
    from bnviz.data.dataset import DatasetError
    from bnviz.runs.pool import TrainingError
    from bnviz.tools.load.connection import LoadError

    try:
        app()
    except (ValueError, DatasetError, TrainingError, LoadError, OSError) as error:
        print(f"bnviz: {error}", file=sys.stderr)
        sys.exit(2)


def with_knobs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose last parameter takes them by name, an option for each knob of an Experiment.

    An option's value is text, or None where it is not given.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = [
        item for item in signature.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    for name, knob in Experiment.knobs().items():
        text = f"{knob.help} Allowed: {knob.allowed}. Default: {Experiment.default_text(name)}."
        option = typer.Option(f"--{name.replace('_', '-')}", help=text, metavar="VALUE")
        annotation = Annotated[str | None, option]
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        )

    def wrapped(**values: Any) -> None:
        command(**values)

    wrapped.__doc__ = command.__doc__
    wrapped.__name__ = command.__name__
    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {item.name: item.annotation for item in parameters}
    return wrapped


@app.command("app")
def serve(
    port: Annotated[int, typer.Option(help="The port to serve at.", min=1, max=65535)] = 8501,
    address: Annotated[str, typer.Option(help="The address to serve at; 0.0.0.0 for all.")] = "localhost",
) -> None:
    """Open the app in a browser. Streamlit's own options: streamlit run, with the path of app.py."""
    import subprocess

    from bnviz.ui.parts.served import APP

    print(f"bnviz opens at http://{address}:{port}", flush=True)
    options = ["--server.port", str(port), "--server.address", address]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "streamlit", "run", str(APP), *options]))


@app.command()
@with_knobs
def train(
    out: Out = Path("out"),
    preset: Annotated[str, typer.Option(help=f"Where to start from: {', '.join(presets)}.")] = "",
    **knobs: str | None,
) -> None:
    """Train one network; write its recording, its tables and its figures."""
    from bnviz.engine.trainer import train as train_one
    from bnviz.export import Stamp, export_numbers
    from bnviz.export.files import write_figures
    from bnviz.figures import FIGURES

    if preset and preset not in presets:
        raise ValueError(f"preset = {preset!r} is not allowed; allowed is one of {', '.join(presets)}")
    base = presets[preset] if preset else Experiment()
    experiment = base.replace(**{name: value for name, value in knobs.items() if value is not None})
    out.mkdir(parents=True, exist_ok=True)
    recording = train_one(experiment)
    recording.save(out / "recording.bnviz")
    stamp = Stamp.of([recording])
    for table in (*TABLES, *LATER_TABLES):
        frame = getattr(recording, table)
        if len(frame):
            (out / f"{table}.csv").write_bytes(export_numbers(frame, "csv", stamp))
    drawn = {
        name: tuple(kind.function([recording], theme="print", narrow=narrow) for narrow in (False, True))
        for name, kind in FIGURES.items()
        if name != "boundary" or len(recording.boundaries)
    }
    _print(write_figures(drawn, out, stamp))
    print(f"{_ended(recording)} Written to {out}.")


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="A file written by train, a lab or the page.")],
) -> None:
    """Train a recording's experiment again, with its interventions, and say whether every number agrees.

    Exit status 1 if not.
    """
    from bnviz.engine.replay import replay as train_again

    done = train_again(Recording.load(recording))
    print(done.said)
    if not done.agrees:
        raise typer.Exit(1)


@app.command()
def lesson(
    recordings: Annotated[
        list[Path], typer.Argument(help="One to five files written by train, a lab or the page.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("lesson.html"),
    title: Annotated[str, typer.Option(help="A heading of your own.", show_default=False)] = "",
    note: Annotated[str, typer.Option(help="Words of your own below it.", show_default=False)] = "",
) -> None:
    """Write a handout: one HTML page with figures, numbers and a slider over time, that needs no server."""
    from bnviz.export.handouts.run_page import run_handout

    page = run_handout([Recording.load(path) for path in recordings], title=title, note=note)
    out.write_text(page, encoding="utf-8")
    print(f"A handout of {len(page.encode()) / 1e6:.1f} MB was written to {out}.")


@app.command()
def plan(
    file: Annotated[
        Path, typer.Argument(help="A lesson plan, a TOML file, or the name of one that bnviz has.")
    ],
    seeds: Annotated[
        int, typer.Option(help="With how many seeds networks are trained; 0 trains none.", min=0)
    ] = 3,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; as a rule one per core.", show_default=False)
    ] = None,
) -> None:
    """Try a lesson before the class: what each part will say, and which answers will be right."""
    from bnviz.classroom.lesson_plans import find_plan, read_plan
    from bnviz.classroom.rehearsal import rehearse
    from bnviz.runs.pool import train_many

    found = read_plan(file) if file.suffix == ".toml" else find_plan(str(file))
    if not seeds:
        print(f"{file}: {len(found.parts)} parts, nothing wrong.")
        return
    for line in rehearse(found, seeds, lambda jobs: train_many(jobs, workers)):
        print(line, flush=True)


@app.command()
def site(
    out: Annotated[
        Path, typer.Option(help="The folder to write into; it is made if it is not there.")
    ] = Path("site"),
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; as a rule one per core.", show_default=False)
    ] = None,
) -> None:
    """Write a web site without a server: lessons, labs and a Playground of recordings, all really trained."""
    from collections.abc import Sequence

    from bnviz.experiment.job import Job
    from bnviz.recording.outcome import Outcome
    from bnviz.runs.pool import train_many
    from bnviz.site.build import build

    def train_them(jobs: Sequence[Job]) -> list[Outcome]:
        with tqdm(total=sum(job.steps for job in jobs), unit="step", unit_scale=True, mininterval=0.5) as bar:
            return train_many(jobs, workers, lambda done, _: _move(bar, done))

    changed = build(out, train_them, print)
    print(f"Written to {out}." if changed else f"{out} is as new: nothing has changed.")


@app.command()
def lab(
    name: Annotated[str, typer.Argument(help="The lab's name, or “list” for all of them.")],
    out: Out = Path("out"),
    quick: Annotated[bool, typer.Option("--quick", help="The small setting: digits, a few seconds.")] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Fashion-MNIST and an Inception network, where the lab has it.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help="How often each arm is trained.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="How long each network is trained.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; as a rule one per core.", show_default=False)
    ] = None,
    predict: Annotated[
        str | None, typer.Option(help="Your prediction, to be scored.", show_default=False)
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Also write report.html and report.pdf.")] = False,
    lesson: Annotated[bool, typer.Option("--lesson", help="Also write lesson.html.")] = False,
    worksheet: Annotated[
        bool, typer.Option("--worksheet", help="Write worksheet.html alone, to print; nothing is trained.")
    ] = False,
) -> None:
    """Put one claim of the paper to the test; write recordings, figures and verdict.json."""
    from bnviz.export import lab_files
    from bnviz.labs import all_labs, find
    from bnviz.labs.base import Setting
    from bnviz.runs.pool import train_many

    if name == "list":
        for item in all_labs().values():
            print(f"{item.name:18} {item.title}")
        return
    chosen = find(name)
    prediction = None if predict is None else chosen.prediction.read(predict)
    if images and not chosen.images:
        having = ", ".join(item.name for item in all_labs().values() if item.images)
        raise typer.BadParameter(f"--images is not allowed with {name}; allowed with {having}")
    setting = Setting(quick=quick, seeds=seeds, steps=steps, images=images)
    jobs = chosen.jobs(setting)
    out.mkdir(parents=True, exist_ok=True)
    if worksheet:
        from bnviz.export.handouts.worksheet import lab_worksheet

        (out / "worksheet.html").write_text(lab_worksheet(chosen, setting), encoding="utf-8")
        print(f"Written to {out}.")
        return
    claim = f"“{chosen.quote}”" if chosen.verbatim else f"In our words: {chosen.quote}"
    print(f"{chosen.title}\n{claim} ({chosen.source})\n{len(jobs)} networks to train.")
    try:
        with tqdm(total=sum(job.steps for job in jobs), unit="step", unit_scale=True, mininterval=0.5) as bar:
            outcomes = train_many(jobs, workers, lambda done, _: _move(bar, done))
    except KeyboardInterrupt:
        print("Stopped. Nothing was written.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    result = chosen.result(setting, outcomes)
    score = None if prediction is None else chosen.score(prediction, result)
    _print(lab_files.write(chosen, result, out, score))
    print(chosen.verdict(result).said)
    _print(score.sentence if score else None)
    if report:
        from bnviz.export.handouts.report import write_report

        _print(write_report(chosen, result, out, predict or ""))
    if lesson:
        from bnviz.export.handouts.lab_page import lab_handout

        (out / "lesson.html").write_text(lab_handout(chosen, result), encoding="utf-8")
    print(f"Written to {out}.")


@app.command()
def bench(
    part: Annotated[
        list[str] | None,
        typer.Option(help="A part to measure, several times for several; all without.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file to write.", show_default=False)] = None,
    repeats: Annotated[int, typer.Option(help="How often each contender has its turn.", min=1)] = 5,
    steps: Annotated[int, typer.Option(help="Training steps in a turn.", min=1)] = 1500,
    whole: Annotated[
        int, typer.Option(help="Training steps of each arm of the whole Figure 1.", min=1)
    ] = 50_000,
    dataset: Annotated[str, typer.Option(help="What to train on.")] = "mnist-binary",
) -> None:
    """Measure how fast bnviz is, as ratios side by side."""
    import json

    from bnviz.tools.bench.parts import measure
    from bnviz.tools.bench.readings import Setting, table

    setting = Setting(repeats, steps, whole, dataset)
    found = {}
    for name, sections in measure(part or [], setting):
        print(table(sections), flush=True)
        found[name] = [item.to_dict() for item in sections]
    if out is not None:
        out.write_text(json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def load(
    viewers: Annotated[
        int, typer.Option(help="How many watch one shared run; 0 leaves it out.", min=0)
    ] = 100,
    students: Annotated[int, typer.Option(help="How many train runs of their own.", min=0)] = 30,
    seconds: Annotated[float, typer.Option(help="How long each turn is measured.", min=1)] = 15.0,
    repeats: Annotated[int, typer.Option(help="Turns with viewers, and as many without.", min=1)] = 2,
    churn: Annotated[
        float,
        typer.Option("--churn", "--lesson", help="Minutes in which users come and go; 0 for none.", min=0),
    ] = 0.0,
    dataset: Annotated[str, typer.Option(help="What is trained on.")] = "digits",
    out: Annotated[Path | None, typer.Option(help="A JSON file to write.", show_default=False)] = None,
) -> None:
    """Measure a new server while a class of simulated users works on it. Exit status 1 if an aim is missed."""
    import json

    from bnviz.tools.load.findings import machine, table
    from bnviz.tools.load.whole import Plan, run

    where, chapters = machine(), []
    for chapter in run(Plan(viewers, students, seconds, repeats, churn, dataset)):
        print(table(chapter), flush=True)
        chapters.append(chapter)
    if out is not None:
        found = {"machine": where, "chapters": [item.to_dict() for item in chapters]}
        out.write_text(json.dumps(found, indent=2, ensure_ascii=False))
    if not all(item.met for item in chapters):
        raise typer.Exit(1)


def _move(bar: Any, done: int) -> None:
    bar.update(done - bar.n)


def _print(sentence: str | None) -> None:
    if sentence:
        print(sentence)


def _ended(recording: Recording) -> str:
    """How a training ended, in a sentence."""
    if recording.diverged_at is not None:
        return (
            f"The loss stopped being a finite number at step {recording.diverged_at:,}: the network diverged."
        )
    last = recording.curves[recording.curves["split"] == "test"].iloc[-1]
    return (
        f"After {recording.last_step:,} steps it classifies {last['accuracy']:.2%} of {last['examples']:,} held-out "
        f"examples correctly."
    )
