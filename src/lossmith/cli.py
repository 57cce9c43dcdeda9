"""The command line: `lossmith choose`, `predict`, `explain`, `losses`, `show`, `translate`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

try:
    import typer
except ModuleNotFoundError:  # pragma: no cover
    raise SystemExit("lossmith: the command line needs a few more packages: pip install 'lossmith[choose]'") from None

if TYPE_CHECKING:
    from lossmith.choosing.race import Progress

app = typer.Typer(
    name="lossmith",
    help="Which loss should this table train with, and what is proven about it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from lossmith import __version__

        typer.echo(f"lossmith {__version__}")
        raise typer.Exit


@app.callback()
def every(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and stop")
    ] = False,
) -> None:
    """Which loss should this table train with, and what is proven about it?"""


@app.command()
def choose(
    table: Annotated[Path, typer.Argument(help="a CSV or Parquet file", show_default=False)],
    target: Annotated[str | None, typer.Option(help="the column to predict (required)", show_default=False)] = None,
    aim: Annotated[
        str | None,
        typer.Option(
            help="mean, median, quantile:Q, expectile:Q, interval:C, probability, label, balanced-label, metric:NAME, "
            "cost:UNDER,OVER or cost-matrix:FILE; by default the mean of numbers, the probability of classes"
        ),
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="column of groups, whose rows stay together; none: there are none")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="column of times: models are judged on later rows; none: there is none")
    ] = None,
    exposure: Annotated[
        str | None, typer.Option(help="column of exposures, for counts per unit; none: there is none")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="column of row weights")] = None,
    models: Annotated[str, typer.Option(help="kinds of model to race with")] = "linear,lightgbm",
    sample: Annotated[
        str, typer.Option(help="how many rows race at most, or all; the final model is trained on every row")
    ] = "100000",
    seed: Annotated[int, typer.Option(help="seed of the folds")] = 0,
    jobs: Annotated[int | None, typer.Option(help="threads; by default all cores")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    report: Annotated[Path | None, typer.Option(help="write a self-contained HTML report")] = None,
    model_out: Annotated[
        Path | None,
        typer.Option(help="train the chosen loss on every row, and save the model for `lossmith predict`"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="folder that keeps finished folds: a race that was stopped goes on there")
    ] = None,
) -> None:
    """Race the losses that fit the aim, and say USE, SAME or NOT SHOWN."""
    with told(as_json):
        from lossmith.choosing import choose as run
        from lossmith.choosing import parse_aim, read
        from lossmith.choosing.paths import REPORTS, check_path
        from lossmith.choosing.text import as_text

        wanted = None if aim is None else parse_aim(aim)
        if jobs is not None and jobs < 1:
            raise ValueError("--jobs must be 1 or more")
        if report is not None:
            check_path(report, "report", "report.html", endings=REPORTS, read=[table])
        if model_out is not None:
            check_path(model_out, "model", "model.lossmith", read=[table])
        if report is not None and report == model_out:
            raise ValueError(f"report and model cannot both be {report}")
        content = read(table)
        if target is None:
            raise ValueError(f"say which column to predict, with --target: {content.listing(50)}")
        with bar(resume) as progress:
            result = run(
                content,
                target,
                aim=wanted,
                groups=groups,
                time=time,
                weight=weight,
                exposure=exposure,
                models=models,
                sample=sample,
                seed=seed,
                jobs=jobs,
                progress=progress,
                resume=resume,
            )
        if model_out is not None:
            result.model.save(model_out)
        if report is not None:
            result.report(report, table)
        if as_json:
            typer.echo(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False))
        else:
            typer.echo(as_text(result, "--aim"))
            if report is not None:
                typer.echo(f"report   {report}")
            if model_out is not None:
                typer.echo(f"model    {model_out}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="what `lossmith choose --model-out` saved", show_default=False)],
    table: Annotated[Path, typer.Argument(help="a CSV or Parquet file with the same columns", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="write a CSV or Parquet file; by default CSV on stdout")] = None,
) -> None:
    """Predict new rows: numbers in the units of the target, or each class's probability and the label to take."""
    with told():
        from lossmith.choosing import load_model, read
        from lossmith.choosing.paths import check_path
        from lossmith.choosing.storage import TABLES, write_table

        if out is not None:
            check_path(out, "predictions", "predictions.csv", endings=TABLES, read=[model, table])
        columns = load_model(model).table(read(table))
        if out is None:
            write_table(columns, sys.stdout)
        else:
            write_table(columns, out)
            typer.echo(f"predictions of {len(next(iter(columns.values()))):,} rows in {out}")


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="a loss, such as huber", show_default=False)],
    table: Annotated[Path, typer.Option(help="a CSV or Parquet file", show_default=False)],
    target: Annotated[str, typer.Option(help="the column to predict", show_default=False)],
    params: Annotated[list[str] | None, typer.Option("--set", help="a parameter, such as delta=2")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw to a .png or .svg file")] = None,
) -> None:
    """What this loss would do to this table: whose misses count, who pulls, what it would predict."""
    with told():
        from lossmith.choosing import read
        from lossmith.choosing.effects import describe, draw_effects, effects

        found = effects(name, read(table), target, dict(setting(text) for text in params or ()))
        typer.echo(describe(found))
        if plot is not None:
            draw_effects(found, plot)
            typer.echo(f"drawn to {plot}")


def setting(text: str) -> tuple[str, float]:
    """A parameter and its number, from name=number."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise ValueError(f"--set {text}: write a name and a number, such as delta=2") from None


@app.command()
def losses(
    family: Annotated[str | None, typer.Option(help="one family, such as robust")] = None,
    aim: Annotated[str | None, typer.Option(help="losses whose minimiser is this aim")] = None,
) -> None:
    """List the losses."""
    with told():
        from lossmith.choosing.catalogue import listing

        typer.echo("\n".join(listing(family, aim)))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="a loss, such as huber", show_default=False)],
    plot: Annotated[Path | None, typer.Option(help="draw to a .png or .svg file")] = None,
) -> None:
    """Explain one loss: its formula, parameters, domain, source and shape."""
    with told():
        from lossmith.choosing.catalogue import card, draw

        typer.echo(card(name))
        if plot is not None:
            draw(name, plot)
            typer.echo(f"drawn to {plot}")


@app.command()
def translate(
    name: Annotated[str, typer.Argument(help="library and loss, such as torch.nn.SmoothL1Loss", show_default=False)],
    params: Annotated[list[str] | None, typer.Argument(help="the library's parameters, such as beta=0.5")] = None,
) -> None:
    """Say what another library's loss is here, and by which factor and shift its number differs."""
    with told():
        from lossmith.translation import translate as run

        try:
            typer.echo(run(f"{name}:{';'.join(params)}" if params else name))
        except TypeError as error:  # a parameter that the library's loss has not
            raise ValueError(error) from None


@contextmanager
def told(as_json: bool = False) -> Iterator[None]:
    """What a user can put right is one line on stderr and exit status 2; what is our fault is one line and status 1.

    Who asked for JSON also reads it on stdout, as an object with the one key "error".
    """
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (ValueError, KeyError) as error:
        refuse(one_line(error), as_json)
        raise typer.Exit(2) from None
    except OSError as error:  # a place that cannot be written, a full disk
        if os.environ.get("LOSSMITH_DEBUG"):
            raise
        refuse(f"{error.filename}: {error.strerror}" if error.filename else one_line(error), as_json)
        raise typer.Exit(2) from None
    except ModuleNotFoundError as error:
        refuse(f"the package {error.name} is missing: pip install 'lossmith[choose]'", as_json)
        raise typer.Exit(2) from None
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError) as error:
        if os.environ.get("LOSSMITH_DEBUG"):
            raise
        refuse(
            f"internal error, please report it: {type(error).__name__}: {one_line(error)} "
            "(LOSSMITH_DEBUG=1 shows where)",
            as_json,
        )
        raise typer.Exit(1) from None


def refuse(message: str, as_json: bool) -> None:
    typer.echo(f"lossmith: {message}", err=True)
    if as_json:
        typer.echo(json.dumps({"error": message}, ensure_ascii=False))


def one_line(error: BaseException) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split())


@contextmanager
def bar(resume: Path | None) -> Iterator[Progress]:
    """A progress bar on stderr, when someone is there to see it; and one line on what a stopped race has left."""
    told = resume is None

    def tell(done: int, total: int) -> None:
        nonlocal told
        if not told:
            typer.echo(f"race     {done} of {total} folds found in {resume}, {total - done} to train", err=True)
        told = True

    if not sys.stderr.isatty():
        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("racing on folds", total=None)

        def show(done: int, total: int) -> None:
            tell(done, total)
            display.update(task, completed=done, total=total)

        yield show


def main() -> None:
    app()


if __name__ == "__main__":
    main()
