"""Find the wheel of Home Assistant: in a cache, or once through pip. It is never installed."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lamcore import LamcoreError

VERSION = "2026.11.0"
FILE = f"homeassistant-{VERSION}-py3-none-any.whl"
SHA256 = "7ca5fbde9dea879ac7723949fc84347aac5182e6309c357b2e4973fd391b00f7"
SIZE = "67.6 MB"
PIP = f"download --no-deps --only-binary=:all: --python-version 3.14.2 homeassistant=={VERSION}"
"""What to ask pip for; the wheel wants a newer Python than we do, and is only read."""
QUIET = "--quiet --no-input --no-cache-dir --disable-pip-version-check --progress-bar off --retries 2"
REPORT_SECONDS = 3

log = logging.getLogger("lamcore")


def stat_wheel(path: Path) -> str:
    """Return size and time of a wheel that the user named."""
    try:
        found = path.stat()
    except OSError as error:
        raise LamcoreError(f"source.wheel={path}: can't be read ({error.strerror}) - name a wheel file") from None
    return f"{found.st_size} {found.st_mtime_ns}"


def find_wheel(cache: str | None = None, shared: str | None = None) -> Path:
    """Return the checked wheel from the shared folder or the cache; fetch it where neither has it."""
    own = [folder for folder in (cache_folder(cache), Path.cwd() / ".lamcore-cache") if folder]
    for folder in [Path(shared).expanduser(), *own] if shared else own:
        if (folder / FILE).is_file():
            return _checked(folder / FILE)
    for folder in own:
        if temporary := _temporary_in(folder):
            with temporary as workspace:
                return _fetch(Path(workspace), folder)
    raise LamcoreError(
        f"No folder to keep {FILE} in can be written ({_listed(own)}) - set source.cache to one that can"
    )


def cache_folder(setting: str | None = None) -> Path | None:
    """Return the folder of the setting, of LAMCORE_CACHE, or the user's; None where there is no home."""
    named = setting or os.environ.get("LAMCORE_CACHE")
    try:
        return Path(named).expanduser() if named else _user_cache() / "lamcore"
    except RuntimeError:  # no home folder
        return None


def _user_cache() -> Path:
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _listed(folders: list[Path]) -> str:
    return ", ".join(str(folder) for folder in folders)


def _temporary_in(folder: Path) -> tempfile.TemporaryDirectory[str] | None:
    """Return a new folder beside the wheel's place, so that a rename brings it there; None where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder, ignore_cleanup_errors=True)
    except OSError:
        return None


def _checked(path: Path) -> Path:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == SHA256:
        return path
    raise LamcoreError(
        f"{path}: not the file that was published (sha256 {found[:12]}..., not {SHA256[:12]}...) - {_aside(path)}"
    )


def _aside(path: Path) -> str:
    """Rename a file that can't be trusted, where that is allowed, and say what to do."""
    try:
        os.replace(path, path.with_name(f"{path.name}.bad"))
    except OSError:
        return "remove it, or leave source.shared_cache out"
    return f"it is now {path.name}.bad; run again to fetch it anew"


def _fetch(workspace: Path, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise LamcoreError(
            f"This Python has no pip to fetch Home Assistant with - {_how(folder, 'uv pip install pip, or ')}"
        )
    log.info("Fetching Home Assistant %s (%s) into %s, once", VERSION, SIZE, folder)
    _run_pip(workspace, folder)
    os.replace(workspace / FILE, folder / FILE)
    path = _checked(folder / FILE)
    log.info("Fetched %s", path)
    return path


def _run_pip(workspace: Path, folder: Path) -> None:
    """Run pip with all it writes in the workspace, so that its progress can be seen there."""
    command = [sys.executable, "-m", "pip", *PIP.split(), *QUIET.split(), "--dest", str(workspace)]
    scratch = {name: str(workspace) for name in ("TMPDIR", "TEMP", "TMP")}
    with open(workspace / "pip.log", "wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | scratch, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        code = _wait(process, workspace)
    finally:
        process.kill()
        process.wait()
    if code or not (workspace / FILE).is_file():
        raise LamcoreError(f"Home Assistant can't be fetched ({_last_error(workspace / 'pip.log')}) - {_how(folder)}")


def _wait(process: subprocess.Popen[bytes], workspace: Path) -> int:
    while True:
        try:
            return process.wait(REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            log.info("Fetching Home Assistant: %.1f of %s", _megabytes(workspace), SIZE)


def _megabytes(folder: Path) -> float:
    """Return the size of the largest file: pip may hold the wheel twice for a moment."""
    return max((_size(path) for path in folder.rglob("*")), default=0) / 1e6


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # pip has just removed it
        return 0


def _last_error(pip_log: Path) -> str:
    lines = pip_log.read_text("utf-8", errors="replace").split("\n")
    errors = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if line.strip()]
    return errors[-1].strip()[:200] if errors else "pip said nothing"


def _how(folder: Path, first: str = "") -> str:
    """Say how to get the file by hand."""
    return f"{first}where there is a network run `pip {PIP}` and put {FILE} into {folder}, or set source.wheel to it"
