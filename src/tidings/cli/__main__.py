"""`tidings`: serve, chat, send, admin, doctor, bench."""

import argparse
import gc
import os
import sys
from importlib import import_module
from typing import Final, NoReturn, Protocol

from tidings import __version__

COMMANDS: Final = {
    "serve": "run a server",
    "chat": "talk in the terminal",
    "send": "send one message",
    "admin": "invites and accounts of a server on this machine",
    "doctor": "check an installation, by a real message through it",
    "bench": "measure a server of its own",
}


class Command(Protocol):
    """What the module of a command has."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the arguments."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; return the exit code."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command that is named."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="tidings", description="Private messaging that people run themselves.")
    parser.add_argument("--version", action="version", version=f"tidings {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in words if word in COMMANDS), None)
    modules: dict[str, Command] = {}
    for name, purpose in COMMANDS.items():
        sub = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        if name == wanted:
            modules[name] = _load(name)
            modules[name].arguments(sub)
    options = parser.parse_args(words)
    try:
        code = modules[options.command].run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # Who read the output has enough of it, as `head` does. Nothing is left to say, at the exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _load(name: str) -> Command:
    """Import the module of a command. What that makes stays: it is never looked through for garbage, now or later."""
    gc.disable()
    module: Command = import_module(f"tidings.cli.{name}")
    gc.freeze()
    gc.enable()
    return module


def fail(message: str) -> int:
    """Say in one line what went wrong; return the exit code for it."""
    print(f"tidings: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
