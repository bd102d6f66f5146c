"""The file of results: a header, then a trial a line as they finish, so that a run can go on where it ended."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from isactrack.errors import ConfigError, RecordingError
from isactrack.experiments.experiment import Result

FORMAT_VERSION = 1
"""Version of the file's format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """How one trial ended.

    Attributes
    ----------
    trial, seed
        Its number, from 0, and its seed.
    result
        What it found; None if it failed.
    error, trace
        What it failed with, one line, and the stack trace; empty if it did not.
    elapsed_s
        How long it took.
    """

    trial: int
    seed: int
    result: Result | None
    error: str = ""
    trace: str = ""
    elapsed_s: float = 0.0


class ResultsFile:
    """An open file of results, which takes one outcome after the other.

    Opening reads what is there. A last line that was cut is dropped; failed trials count as not run.

    Parameters
    ----------
    path
        The file; it is created with its folder.
    header
        What the results depend on, plain JSON types: a file with another header is refused.
    resume
        Whether to keep what is there; otherwise the file starts anew.

    Raises
    ------
    ConfigError
        If the file is of other parameters, or another run is writing it.
    RecordingError
        If the file cannot be read, or written, or is damaged before its end.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], resume: bool = True) -> None:
        self.path = path
        self.outcomes: dict[int, TrialOutcome] = {}
        self._header = json.loads(_line({"format_version": FORMAT_VERSION, **header}))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Never truncated before its header is known to be ours: the name may be of somebody's work.
            self._file: BinaryIO = path.open("r+b" if path.exists() else "x+b")
        except OSError as error:
            raise RecordingError(
                f"cannot write {path}: {error.strerror or error}", "check the folder and the permissions"
            ) from error
        try:
            _lock(self._file, path)
            kept = self._read() if resume else 0
            self._file.truncate(kept)
            self._file.seek(kept)
            if not kept:
                self._write(self._header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()

    def append(self, outcome: TrialOutcome) -> None:
        """Write an outcome; a later one of the same trial replaces it.

        Raises
        ------
        RecordingError
            If it cannot be written.
        """
        line: dict[str, Any] = {"trial": outcome.trial, "seed": outcome.seed, "elapsed_s": round(outcome.elapsed_s, 6)}
        line |= (
            {"error": outcome.error, "trace": outcome.trace} if outcome.result is None else {"result": outcome.result}
        )
        self._write(line)
        self.outcomes[outcome.trial] = outcome

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(_line(line))
            self._file.flush()
        except OSError as error:
            raise RecordingError(
                f"cannot write {self.path}: {error.strerror or error}",
                "free some space and run the same command again: it goes on from here",
            ) from error

    def _read(self) -> int:
        """Read the outcomes and return the bytes up to the end of the last whole line."""
        content = self._file.read()
        kept = content.rfind(b"\n") + 1
        for number, text in enumerate(content[:kept].splitlines(), start=1):
            try:
                line = json.loads(text)
                if number == 1:
                    self._require_header(line)
                else:
                    outcome = _outcome(line)
                    self.outcomes[outcome.trial] = outcome
            except (ValueError, KeyError, TypeError) as error:
                raise RecordingError(
                    f"{self.path}: line {number} is damaged: {error}", "remove the line, or start anew with --fresh"
                ) from error
        return kept

    def _require_header(self, found: object) -> None:
        if not isinstance(found, dict) or "format_version" not in found:
            raise RecordingError(
                f"{self.path} is no file of results", "write elsewhere with -o, or replace the file with --fresh"
            )
        differ = sorted(key for key in self._header.keys() | found.keys() if self._header.get(key) != found.get(key))
        if differ:
            key = differ[0]
            raise ConfigError(
                f"{self.path} holds results of another {', '.join(differ)} "
                f"({key}: {_short(found.get(key))} there, {_short(self._header.get(key))} asked for)",
                "start anew with --fresh, or write elsewhere with -o",
            )


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep a second run from writing between the lines of the first; the lock ends with the file or the process."""
    try:
        import fcntl
    except ImportError:  # no Unix
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(f"another run is writing {path}", "wait for it, or write elsewhere with -o") from error
    except OSError:
        return  # a file system without locks


def plain(result: Any) -> Result:
    """Return a result as JSON holds it, so that one that is read back equals one that was just found.

    Raises
    ------
    ValueError
        If it holds what JSON does not, NaN and infinity among it.
    """
    value: Result = json.loads(json.dumps(result, allow_nan=False, default=_listed))
    if not isinstance(value, dict):
        raise TypeError(f"a trial returns a dictionary, not {type(result).__name__}")
    return value


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return value.tolist()
    raise TypeError(f"a result must be of plain JSON types, not hold a {type(value).__name__}")


def _line(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, allow_nan=False, default=_listed, separators=(",", ":")).encode() + b"\n"


def _outcome(line: dict[str, Any]) -> TrialOutcome:
    return TrialOutcome(
        trial=int(line["trial"]),
        seed=int(line["seed"]),
        result=line.get("result"),
        error=str(line.get("error", "")),
        trace=str(line.get("trace", "")),
        elapsed_s=float(line["elapsed_s"]),
    )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
