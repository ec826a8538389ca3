"""`app.py bench`: starts this program's own server, measures it like any other, and prints a table and a JSON line.

With `--against URL` another OpenAI-compatible server is measured in the same run, round by round in turn.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx2
import psutil

from qwen_vl_app.bench_client import Client, measure, user
from qwen_vl_app.engine.process import ENVIRONMENT
from qwen_vl_app.errors import SetupError
from qwen_vl_app.planning import model_for, plan_for
from qwen_vl_app.settings import Settings, as_arguments

APP = Path(__file__).resolve().parent.parent / "app.py"
STARTING = 600.0  # seconds that loading may take
STREAMS = (4, 8, 16)


def run(settings: Settings, against: str, rounds: int) -> int:
    """Measure `rounds` rounds; returns the exit status.

    Raises:
        SetupError: a server does not start or answer.
    """
    with own_server(settings) as (url, process):
        servers = {"here": url} | ({"there": against} if against else {})
        results = _rounds(servers, rounds)
        results["here"].append(
            {"peak_memory_mb": _memory(process) / 1e6, "native_decode_1": bare_decode(settings, tokens=96)}
        )
    print_results({name: _medians(found) for name, found in results.items()}, rounds)
    return 0


def _rounds(servers: dict[str, str], rounds: int) -> dict[str, list[dict[str, float]]]:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, url in servers.items():
            client = Client(url)
            try:
                if number == 0:
                    client.ask([user("Warm up.", client.fresh())], 8)
                    continue
                found = measure(client, STREAMS)
            except httpx2.HTTPError as error:
                raise SetupError(f"{url} does not answer as it should: {error}") from error
            finally:
                client.close()
            results[name].append(found)
            print(f"round {number} of {rounds}, {name}", file=sys.stderr)
    return results


@contextmanager
def own_server(settings: Settings) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """This program's server with `settings`, on a port of its own; its address and process.

    Raises:
        SetupError: it is not ready in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [*as_arguments(settings), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([sys.executable, str(APP), "serve", *arguments], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url, process
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{url}/health").status_code == httpx2.codes.OK:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    raise SetupError("the server to be measured did not get ready")


def _memory(process: "subprocess.Popen[bytes]") -> int:
    """Resident bytes of the server and its engine together, now that all rounds are done."""
    server = psutil.Process(process.pid)
    return int(sum(each.memory_info().rss for each in (server, *server.children(recursive=True))))


def bare_decode(settings: Settings, tokens: int) -> float:
    """Tokens per second of llama.cpp alone, driven by the shortest loop: what our code's overhead is measured by."""
    model = model_for(settings)
    plan = plan_for(settings, model, *model.paths(Path(settings.models_dir)))
    command = [sys.executable, "-m", "qwen_vl_app.engine.bare", plan.model, str(plan.threads), str(tokens)]
    environ = os.environ | ENVIRONMENT  # what the engine's own process has
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=APP.parent, env=environ)
    return float(done.stdout)


def _medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for numbers in found for name in numbers)
    return {name: median(numbers[name] for numbers in found if name in numbers) for name in names}


def print_results(results: dict[str, dict[str, float]], rounds: int) -> None:
    """A table of medians, here, there and their ratio; the last line is one JSON object."""
    here, there = results["here"], results.get("there", {})
    if "native_decode_1" in here:
        here["overhead_us_per_token"] = 1e6 / here["decode_1"] - 1e6 / here["native_decode_1"]
    print(f"{'median of ' + str(rounds) + ' rounds':32}{'here':>12}" + (f"{'there':>12}{'ratio':>9}" if there else ""))
    for name, value in here.items():
        line = f"{name:32}{value:12.4g}"
        if name in there:
            line += f"{there[name]:12.4g}{value / there[name]:9.2f}"
        print(line)
    print(json.dumps({"rounds": rounds, **results}))
