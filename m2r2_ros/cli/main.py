# SPDX-License-Identifier: Apache-2.0
"""The `m2r2` command: one verb a file of this folder.

A verb is a module with a docstring (first line: summary; rest: examples), `add_arguments(parser)`
and `main(args) -> int`. Only the verb that is run is imported, so `m2r2 --help` needs nothing.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import signal
import sys
import tokenize
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from m2r2_ros import __version__
from m2r2_ros.cli._terminal import printable_output
from m2r2_ros.errors import M2R2Error, missing_package, nearest_name, printable

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + 13  # SIGPIPE, which Windows does not name.


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `m2r2 VERB ...`; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and not arguments[0].startswith("-"):
        return run_verb(arguments[0], arguments[1:])
    _overview().parse_args(arguments)
    _overview().print_help(sys.stderr)
    return EXIT_BAD_INPUT


def verb_main() -> int:
    """Entry point of `ros2 run m2r2_ros VERB ...`: the program's file name is the verb."""
    return run_verb(Path(sys.argv[0]).stem, sys.argv[1:])


def verbs() -> dict[str, Path]:
    """Every verb with its file."""
    files = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return {path.stem: path for path in files if path != Path(__file__)}


def run_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run one verb. What the user can mend is one line on stderr and exit status 2."""
    _open_standard_streams()
    if verb not in verbs():
        return _complain("m2r2", f"unknown verb '{verb}'{nearest_name(verb, verbs())}")
    try:
        with printable_output():
            status = load_verb(verb)(arguments)
        sys.stdout.flush()
    except M2R2Error as error:
        return _complain(f"m2r2 {verb}", str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("m2r2_ros"):
            raise
        return _complain(f"m2r2 {verb}", missing_package(error.name or ""))
    except BrokenPipeError:
        # The reader has gone (`| head`).
        _silence(sys.stdout)
        return EXIT_BROKEN_PIPE
    except OSError as error:
        return _complain(f"m2r2 {verb}", _one_line(error))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return status


def _open_standard_streams() -> None:
    """A service or `>&-` starts a program without them; Python has None there then."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def load_verb(verb: str) -> Callable[[Sequence[str]], int]:
    """A verb as a function of its arguments, which raises M2R2Error."""
    module = importlib.import_module(f"m2r2_ros.cli.{verb}")
    summary, _, examples = (module.__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog=f"m2r2 {verb}",
        description=summary,
        epilog=examples.strip("\n"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)

    def run(arguments: Sequence[str]) -> int:
        args = parser.parse_args(arguments)
        # Late: it knows recordings, which `--help` does not need.
        from m2r2_ros.cli._outputs import check_outputs

        check_outputs(args)
        return module.main(args)

    return run


def call_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run a verb for another one. Raises M2R2Error."""
    return load_verb(verb)(arguments)


def _overview() -> argparse.ArgumentParser:
    table = "\n".join(f"  {verb:<10} {_summary(path)}" for verb, path in verbs().items())
    parser = argparse.ArgumentParser(
        prog="m2r2",
        usage="m2r2 VERB [...]",
        description="Temporal action segmentation from many sensors, for ROS 2.",
        epilog=f"verbs:\n{table}\n\n`m2r2 VERB --help` shows a verb's options and examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"m2r2_ros {__version__}")
    return parser


def _summary(path: Path) -> str:
    """The first line of a module's docstring, read without importing or parsing the rest."""
    with tokenize.open(path) as file:
        tokens = tokenize.generate_tokens(file.readline)
        docstring = next(token.string for token in tokens if token.type == tokenize.STRING)
    return ast.literal_eval(docstring).partition("\n")[0]


def _one_line(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _complain(program: str, message: str) -> int:
    # Where it cannot be said (a log on a full disk), the status says it.
    try:
        print(printable(f"{program}: {message}"), file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)
    return EXIT_BAD_INPUT


def _silence(stream: TextIO) -> None:
    """Keep the interpreter's last flush from failing, which would change the status."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
