"""The command line: serve the page (the default), or describe pictures in the terminal."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from qwen_vl_app import bench, bench_media, doctor, settings, tasks, weights
from qwen_vl_app.chat import Message, Text, Token
from qwen_vl_app.errors import AppError, Language, SetupError
from qwen_vl_app.host import Host, model_for, open_host
from qwen_vl_app.settings import Settings
from qwen_vl_app.weights import Terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: this process's); returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "serve")
    arguments = parser().parse_args(words)
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
    describing = command("describe", _describe_all, "describe pictures in the terminal")
    describing.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files")
    describing.add_argument("--prompt", help="what to ask instead of a description")
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

    return server.serve(options, language(os.environ))


def _describe_all(options: Settings, arguments: argparse.Namespace) -> int:
    return asyncio.run(describe(options, arguments.pictures, arguments.prompt, language(os.environ)))


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


async def describe(options: Settings, pictures: Sequence[str], prompt: str | None, language: Language) -> int:
    """Print an answer for each picture file as it is written; 1 if any of them failed.

    Raises:
        SetupError: the model cannot be loaded.
    """
    host = open_host(options)
    await host.start(Terminal(sys.stderr, language))
    failed = 0
    try:
        for name in pictures:
            if len(pictures) > 1:
                print(f"{name}:")
            failed += not await _describe(host, name, prompt or tasks.DESCRIBE.prompt(language), language)
    finally:
        await host.close()
    return 1 if failed else 0


async def _describe(host: Host, name: str, prompt: str, language: Language) -> bool:
    try:
        picture = await host.picture(Path(name), name)
        request = host.request((Message("user", (picture.image, Text(prompt))),), owner="cli")
        async with aclosing(host.engine.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Token):
                    print(delta.text, end="", flush=True)
        print(flush=True)
    except AppError as error:
        print(f"error: {error.text(language)}", file=sys.stderr)
        return False
    except OSError as error:
        print(f"error: {name}: {error.strerror}", file=sys.stderr)
        return False
    return True
