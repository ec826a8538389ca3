"""From pip's and the compiler's pages of output to the one line that a person needs."""

import re
from pathlib import Path

from qwen_vl_app.errors import Language
from qwen_vl_app.install.machine import ENVIRONMENT_BYTES, GB, SCRATCH_BYTES
from qwen_vl_app.install.runner import Outcome
from qwen_vl_app.install.texts import InstallError

# First match wins: what ends a build comes before what pip merely warned of on its way there.
CAUSES = (
    ("disk_full", r"\[Errno 28\]|\[Errno 122\]|No space left on device|Disk quota exceeded"),
    ("out_of_memory", r"Killed signal terminated program|fatal error: Killed|bad_alloc|emory exhausted|\[Errno 12\]"),
    ("build_failed", r"\*\*\* CMake (?:build|configuration) failed|Failed building wheel for llama"),
    ("certificate", r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|certificate verify failed"),
    (
        "no_network",
        r"NewConnectionError|Connect(?:Timeout|ion)Error|ReadTimeout|[Rr]ead timed out|ProxyError|ProtocolError|"
        r"Connection (?:refused|broken|reset|aborted)|Max retries exceeded|[Nn]ame resolution|IncompleteRead",
    ),
    ("no_version", r"No matching distribution found"),
)
REASON = re.compile(r"^\s*(?:ERROR: |CMake Error[^:]*: ?|.*\berror: )(?!subprocess-exited)(.*\S)", re.M)


class NoNetwork(InstallError):
    """An index could not be reached."""


def explain(outcome: Outcome, otherwise: str, stall_seconds: float, log: Path, language: Language) -> InstallError:
    """The line for a command that failed; `otherwise` names the text for an unknown cause."""
    details = {
        "log": log,
        "why": reason(outcome),
        "need": f"{(ENVIRONMENT_BYTES + SCRATCH_BYTES) / GB:.1f}",
        "minutes": f"{stall_seconds / 60:g}",
    }
    cause = _cause(outcome, otherwise)
    kind = NoNetwork if cause in ("no_network", "stalled") else InstallError
    return kind(cause, language, **details)


def _cause(outcome: Outcome, otherwise: str) -> str:
    if outcome.stalled:
        return "stalled"
    return next((key for key, pattern in CAUSES if re.search(pattern, outcome.output)), otherwise)


def reason(outcome: Outcome) -> str:
    """The first line that reports an error, else the exit code."""
    found = REASON.search(outcome.output)
    return found[1][:200] if found else f"exit code {outcome.code}"
