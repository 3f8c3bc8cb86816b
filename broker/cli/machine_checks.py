"""What can be said of a broker from its settings, its directory and the machine, whether it runs or not."""

import contextlib
import os
import resource
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from broker.cli.data_files import ReadOnlyFiles
from broker.cli.finding import Finding, note, ok, problem
from broker.metrics.machine import Machine
from broker.net.listener import BACKLOG
from broker.server.build import is_compiled, version_text
from broker.server.resources import default_free_bytes, memory_limit_bytes
from broker.settings.model import Settings
from broker.settings.together import listeners_of
from broker.store.data_directory import format_key, holder_of
from broker.store.errors import StoreError
from broker.store.records import History
from broker.store.series import Series

SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")
MIB: Final = 1 << 20
FEW_FILES: Final = 4096
FILES_OF_OUR_OWN: Final = 200  # segments, listeners, logs: what is no connection
PROBE_WRITES: Final = 20
PROBE_BYTES: Final = 4096
SLOW_SYNC_MS: Final = 20.0
BAD_SYNC_MS: Final = 200.0
SOON_DAYS: Final = 30
LATE_DAYS: Final = 7


def machine_findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one after the other."""
    yield build()
    path = Path(settings.data_dir).absolute()
    holder = _holder(path)
    yield data_directory(path)
    yield free_space(path, settings)
    yield sync_latency(path)
    yield last_stop(path, holder)
    yield open_files(settings, holder)
    yield memory(settings)
    yield from certificates(settings)
    yield accept_queue(SOMAXCONN)


def build() -> Finding:
    """Is the fast build installed?"""
    if is_compiled():
        return ok("build", version_text())
    return note("build", version_text(), "the interpreted build is several times slower; install the compiled wheel")


def data_directory(path: Path) -> Finding:
    """Whose is it, and who may read it?"""
    subject = "data directory"
    if not path.exists():
        return note(subject, f"{path} is not there yet", "a start makes it; or name another with --data-dir")
    about = path.stat()
    if not stat.S_ISDIR(about.st_mode):
        return problem(subject, f"{path} is not a directory", "choose another data_dir")
    if os.geteuid() == 0 and about.st_uid != 0:
        return ok(subject, f"{path} belongs to user {about.st_uid}")
    if about.st_uid != os.geteuid() or not os.access(path, os.W_OK | os.X_OK):
        text = f"{path} belongs to user {about.st_uid}, and this is user {os.geteuid()}"
        return problem(subject, text, "run this as the broker's user; or have it own the directory: chown -R")
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        text = f"{path} can be entered by others than its owner: {stat.filemode(about.st_mode)}"
        return note(subject, text, f"messages are in it: chmod 700 {path}")
    return ok(subject, f"{path} is its owner's alone")


def free_space(path: Path, settings: Settings) -> Finding:
    """Is there room before publishers are refused?"""
    free, size = Machine(str(_existing(path))).disk()
    if size < 0:
        return note("disk", f"the disk of {path} cannot be asked")
    limit = settings.limits.disk_free_limit_bytes or default_free_bytes(size, settings.store.segment_bytes)
    text = f"{free // MIB:,} MiB free of {size // MIB:,} MiB; publishers are refused below {limit // MIB:,} MiB"
    if free < limit:
        return problem("disk", text, "make room, or set limits.disk_free_limit_bytes lower")
    if free < 2 * limit:
        return note("disk", text, "make room before it is needed")
    return ok("disk", text)


def sync_latency(path: Path) -> Finding:
    """How long does the disk take to keep something? Every confirm of a persistent message waits that long."""
    where = _existing(path)
    took_ms: list[float] = []
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            for _ in range(PROBE_WRITES):
                file.write(bytes(PROBE_BYTES))
                file.flush()
                began = time.perf_counter()
                os.fdatasync(file.fileno())
                took_ms.append((time.perf_counter() - began) * 1000)
    except OSError as error:
        return note("sync", f"nothing could be written to {where}: {error.strerror}", "run this as the broker's user")
    return sync_verdict(statistics.median(took_ms), max(took_ms))


def sync_verdict(median_ms: float, worst_ms: float) -> Finding:
    """What such a disk means."""
    text = f"fdatasync takes {median_ms:.2f} ms, {worst_ms:.2f} ms at worst, of {PROBE_WRITES}"
    advice = (
        "confirms of persistent messages wait so long; use a local disk with a write cache that survives power loss"
    )
    if median_ms > BAD_SYNC_MS:
        return problem("sync", text, advice)
    if median_ms > SLOW_SYNC_MS:
        return note("sync", text, advice)
    return ok("sync", text)


def last_stop(path: Path, holder: str) -> Finding:
    """Did the last process say good-bye?"""
    subject = "last stop"
    if holder:
        return ok(subject, f"process {holder} runs on it")
    if not (path / "format").exists():
        return ok(subject, "nothing has run here yet")
    files = ReadOnlyFiles(lambda _, octets: None)
    history = History()
    try:
        log = Series(files, f"{path}/log", ".log", format_key(files, str(path)))
        log.read_newest()
        for piece in log.pieces:
            log.read_settlements(piece, history)
    except (OSError, StoreError) as error:
        return problem(subject, f"the log cannot be read: {error}", f"ponymqctl log check {path}")
    if history.is_closed:
        return ok(subject, "in good order")
    return note(
        subject, "not in good order: killed, or the machine went down", f"ponymqctl log check {path}, if in doubt"
    )


def open_files(settings: Settings, holder: str) -> Finding:
    """Are there files for as many connections as are allowed?"""
    limit, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[1], "this shell"
    if holder.isdigit():
        with contextlib.suppress(psutil.Error, AttributeError):  # of another user, or not on this system
            limit, whose = psutil.Process(int(holder)).rlimit(psutil.RLIMIT_NOFILE)[1], f"process {holder}"
    wanted = settings.amqp.max_connections
    text = f"{limit:,} for {whose}" if limit != resource.RLIM_INFINITY else f"no limit for {whose}"
    advice = "raise it: LimitNOFILE= of the unit, or ulimit -Hn"
    if limit == resource.RLIM_INFINITY:
        return ok("open files", text)
    if wanted and wanted + FILES_OF_OUR_OWN > limit:
        return problem("open files", f"{text}, and amqp.max_connections is {wanted:,}", advice)
    if limit < FEW_FILES:
        return note("open files", f"{text}: each connection is one", advice)
    return ok("open files", text)


def memory(settings: Settings) -> Finding:
    """Does the memory alarm come before the kernel?"""
    machine = Machine(".").memory_limit_bytes
    limit = memory_limit_bytes(settings.limits.memory_high_watermark, machine)
    text = f"publishers are refused above {limit // MIB:,} MiB of {machine // MIB:,} MiB"
    advice = "set limits.memory_high_watermark to 0.6 or less"
    if limit > machine:
        return problem("memory", f"{text}: the system would end the broker first", advice)
    if limit > 0.9 * machine:
        return note("memory", text, advice)
    if limit < 128 * MIB:
        return note("memory", text, "an idle broker takes about 60 MB; give it more")
    return ok("memory", text)


def certificates(settings: Settings) -> Iterator[Finding]:
    """Do they end soon?"""
    for key, listener in listeners_of(settings):
        for path in [listener.tls.certificate, *(host.certificate for host in listener.tls.hosts)]:
            if path:
                yield certificate(f"certificate of {key}", path, datetime.now(UTC))


def certificate(subject: str, path: str, now: datetime) -> Finding:
    """Does this one, or what comes behind it in the file, end soon?"""
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - takes a while to load

    try:
        end = min(each.not_valid_after_utc for each in load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        return problem(subject, f"{path} cannot be read: {error}", "the broker does not start with it")
    days = (end - now).days
    advice = "put a new one in its place and send SIGHUP"
    if end <= now:
        return problem(subject, f"{path} ended on {end:%Y-%m-%d}", advice)
    text = f"{path} ends on {end:%Y-%m-%d}, in {days} days"
    if days < LATE_DAYS:
        return problem(subject, text, advice)
    if days < SOON_DAYS:
        return note(subject, text, advice)
    return ok(subject, text)


def accept_queue(path: Path) -> Finding:
    """Does the kernel let as many clients wait for the door as the broker asks for?"""
    try:
        most = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return note("somaxconn", f"{path} cannot be read")
    if most < BACKLOG:
        text = f"{most}, and the broker asks for {BACKLOG}"
        advice = f"after a restart many clients come at once: sysctl -w net.core.somaxconn={BACKLOG}"
        return note("somaxconn", text, advice)
    return ok("somaxconn", str(most))


def _existing(path: Path) -> Path:
    """The directory, or the nearest above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def _holder(path: Path) -> str:
    try:
        return holder_of(str(path))
    except OSError:
        return ""  # another user's; data_directory tells
