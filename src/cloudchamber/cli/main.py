"""The entry point `cloudchamber`, which finds a command, runs it and turns failures into one sentence.

A command `a b` is the function `b` of the module `cloudchamber.cli.a`, and a command `a` the function `a` of
the module `cloudchamber.cli.a`; both stand in the table `COMMANDS`. A module is imported only when its
command is called, so that `cloudchamber --help` is quick; it imports what is heavy (torch, Pythia) inside its
functions.

The function is plain: its parameters are annotated as Typer wants them, and its docstring is its help. The
text before `Example:` and `Args:` is shown first, and the lines under `Example:` appear at the end as a
command that works. `cloudchamber.cli.check` is a small model to follow.

Exit codes: 0 success, 1 a check that failed (`raise typer.Exit(1)`), 2 bad input (`raise
InputError(sentence)` or any usage error), 130 interrupted by the user.
"""

import errno
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cloudchamber.errors import InputError
from cloudchamber.formats.atomic import explain_os_error

__all__ = ["COMMANDS", "build", "main"]

COMMANDS = {
    "simulate dis": "Simulate deep-inelastic scattering with Pythia8.",
    "simulate zjets": "Simulate Z + jets with Pythia8.",
    "simulate showers": "Simulate calorimeter showers with a parametrisation.",
    "decay": "Finish events of undecayed hadrons with Pythia8's decay tables.",
    "train": "Train a model on simulated or measured events.",
    "distill": "Teach a model to take few network calls.",
    "generate": "Generate events with a trained model.",
    "pack": "Write a training run as a model that can be passed on.",
    "export": "Write the networks of a model as ONNX files.",
    "models": "List the models that are installed.",
    "mcmc": "Sample a posterior density with Markov chains that a diffusion model helps.",
    "score": "Write the log-density of events under a model.",
    "evaluate": "Compare events with a reference and write a report.",
    "compare": "Put two evaluations side by side.",
    "check": "Judge a file by the EIC conventions and the conservation laws.",
    "convert": "Write events in another format.",
    "pixelate": "Write events as images.",
}
GROUPS = {"simulate": "Simulate events with a conventional generator."}
_USAGE_ERROR = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Args:
        arguments: the words after `cloudchamber`; those of the process by default.

    Raises:
        SystemExit: always.
    """
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = build(words)(args=words, prog_name="cloudchamber", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        code = 2
        print(sentence, file=sys.stderr)  # noqa: T201
    raise SystemExit(code if isinstance(code, int) else 0)


def build(words: Sequence[str]) -> typer.Typer:
    """The application, in which only the command that is called has been imported.

    Args:
        words: the words after `cloudchamber`.
    """
    called = next((word for word in words if not word.startswith("-")), "")
    app = typer.Typer(help="Generative models for collider events.", add_completion=False,
                      pretty_exceptions_enable=False, callback=_root)  # fmt: skip
    groups = {name: typer.Typer(help=text, callback=lambda: None) for name, text in GROUPS.items()}
    for command, text in COMMANDS.items():
        group, _, name = command.rpartition(" ")
        parent = groups[group] if group else app
        if command.split()[0] == called:
            function = _load(command)
            parent.command(name, help=_help(function), epilog=_example(function))(function)
        else:
            parent.command(name, help=text)(_placeholder)
    for name, group_app in groups.items():
        app.add_typer(group_app, name=name)
    return app


def _load(command: str) -> Callable[..., Any]:
    words = command.split()
    function: Callable[..., Any] = getattr(importlib.import_module(f"cloudchamber.cli.{words[0]}"), words[-1])
    return function


def _placeholder() -> None:
    """Stand in for a command that is only listed."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from cloudchamber import __version__

        typer.echo(f"cloudchamber {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""


def _help(function: Callable[..., Any]) -> str:
    return re.split(r"\n(?:Example|Args|Raises|Returns):", inspect.getdoc(function) or "")[0].strip()


def _example(function: Callable[..., Any]) -> str | None:
    found = re.search(r"\nExample:\n((?: +.*\n?)+)", inspect.getdoc(function) or "")
    return found and "Example:\n\n" + inspect.cleandoc(found[1]).replace("\n", "\n\n")


def _sentence(error: Exception) -> str | None:
    """What the user should read, or nothing where the program itself is at fault."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, _USAGE_ERROR):
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "cloudchamber"
        return f"{where}: {_message(error).rstrip('.?')}; see '{where} --help'."
    if isinstance(error, OSError):
        place = Path(error.filename or "the output")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return str(explain_os_error(error, place))
        return f"the operating system refuses '{place}': {error.strerror or error}."
    return None


def _message(usage_error: Any) -> str:  # noqa: ANN401
    return str(usage_error.format_message())
