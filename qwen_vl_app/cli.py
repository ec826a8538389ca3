"""The command line: serve the page (the default), or describe pictures in the terminal."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qwen_vl_app import bench, bench_media, describing, doctor, settings, weights
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.install import libraries, meanwhile
from qwen_vl_app.planning import model_for
from qwen_vl_app.settings import Settings
from qwen_vl_app.weights import Terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: this process's); returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "serve")
    arguments = parser().parse_args(words)
    os.environ.update(libraries.for_children(os.environ, Path(sys.prefix)))  # for the engine, a process of its own
    try:
        return int(arguments.run(settings.load(arguments, os.environ), arguments))
    except SetupError as error:
        print(f"error: {error.text(language(os.environ))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="app.py", description="Ask a local vision-language model about pictures.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Settings, argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help)
        made.set_defaults(run=run)
        return made

    command("serve", _serve, "serve the page (the default: `app.py --port 8000`)")
    describing.add_arguments(command("describe", _describe, "describe pictures in the terminal"))
    command("download", _download, "fetch and verify the model's files, and nothing more")
    benching = command("bench", _bench, "measure this machine's speed; the last line is one JSON object")
    benching.add_argument("what", nargs="?", choices=("engine", "media"), default="engine", help="(default: engine)")
    benching.add_argument("--against", default="", metavar="URL", help="measure this server too, in turn")
    benching.add_argument("--rounds", type=int, default=5, metavar="N", help="take the median of N (default: 5)")
    checking = command("doctor", _doctor, "check this machine and say what to do")
    checking.add_argument("--json", action="store_true", help="print the findings as JSON")
    for made in commands.choices.values():
        settings.add_options(made, language(os.environ))
    return top


def _serve(options: Settings, _arguments: argparse.Namespace) -> int:
    from qwen_vl_app import server  # gradio takes seconds to import: not for the other commands

    return server.serve(options, language(os.environ), meanwhile.pending(os.environ, options.accelerator))


def _describe(options: Settings, arguments: argparse.Namespace) -> int:
    asked = describing.wanted(arguments, language(os.environ))
    return asyncio.run(describing.describe(options, arguments.pictures, asked))


def _download(options: Settings, _arguments: argparse.Namespace) -> int:
    show = Terminal(sys.stderr, language(os.environ))
    for file in weights.fetch(model_for(options), Path(options.models_dir), options.hub, show):
        print(file)
    return 0


def _bench(options: Settings, arguments: argparse.Namespace) -> int:
    if arguments.what == "media":
        return bench_media.run(arguments.rounds)
    return bench.run(options, arguments.against, arguments.rounds)


def _doctor(options: Settings, arguments: argparse.Namespace) -> int:
    return doctor.run(options, arguments.json)


def language(environ: Mapping[str, str]) -> Language:
    """The person's language by the locale."""
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"
