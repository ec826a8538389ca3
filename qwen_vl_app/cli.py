"""The command line: serve the page (the default), or describe pictures in the terminal."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from qwen_vl_app import bench, bench_media, doctor, settings, tasks, weights
from qwen_vl_app.chat import Message, Request, Text, Token
from qwen_vl_app.errors import AppError, Language, SetupError
from qwen_vl_app.host import Host, open_host
from qwen_vl_app.install import libraries
from qwen_vl_app.planning import model_for
from qwen_vl_app.settings import Settings
from qwen_vl_app.tasks import Task
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
    describing = command("describe", _describe_all, "describe pictures in the terminal")
    describing.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files")
    describing.add_argument("--task", choices=tasks.TASKS, default="describe", help="what to do (default: describe)")
    describing.add_argument("--prompt", help="your own question; for a task that takes words: what to find, fields")
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
    task, prompt = tasks.TASKS[arguments.task], arguments.prompt or ""
    return asyncio.run(describe(options, arguments.pictures, task, prompt, language(os.environ)))


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


async def describe(options: Settings, pictures: Sequence[str], task: Task, prompt: str, language: Language) -> int:
    """Print an answer for each picture file (or each group that the task takes) as it is written; 1 if any failed.

    Raises:
        SetupError: the model cannot be loaded.
    """
    host = open_host(options)
    await host.start(Terminal(sys.stderr, language))
    failed = 0
    try:
        for first in range(0, len(pictures), task.pictures):
            names = pictures[first : first + task.pictures]
            if len(pictures) > task.pictures:
                print(f"{', '.join(names)}:")
            failed += not await _describe(host, names, task, prompt, language)
    finally:
        await host.close()
    return 1 if failed else 0


async def _describe(host: Host, names: Sequence[str], task: Task, prompt: str, language: Language) -> bool:
    try:
        request = await _request(host, names, task, prompt, language)
        async with aclosing(host.engine.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Token):
                    print(delta.text, end="", flush=True)
        print(flush=True)
    except AppError as error:
        print(f"error: {error.text(language)}", file=sys.stderr)
        return False
    except OSError as error:
        print(f"error: {', '.join(names)}: {error.strerror}", file=sys.stderr)
        return False
    return True


async def _request(host: Host, names: Sequence[str], task: Task, prompt: str, language: Language) -> Request:
    among = len(names)
    pictures = [(await host.picture(Path(name), name, among=among, detail=task.detail)).image for name in names]
    message = Message("user", (*pictures, Text(task.question(language, prompt))))
    return replace(host.request((message,), "cli", task), json_schema=task.schema(language, prompt))
