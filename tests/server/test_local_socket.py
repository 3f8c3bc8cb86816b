"""The file through which the control command comes in."""

import socket
import stat
from pathlib import Path

from broker.server.local_socket import local_socket_path, open_local_socket, remove_local_socket
from broker.settings.management import ManagementSettings
from broker.settings.model import Settings


def test_it_is_in_the_data_directory_unless_its_path_is_absolute_and_nowhere_if_empty(tmp_path: Path) -> None:
    def path(name: str) -> Path | None:
        return local_socket_path(Settings(data_dir=str(tmp_path), management=ManagementSettings(socket=name)))

    assert path("ponymqctl.sock") == tmp_path / "ponymqctl.sock"
    assert path("/run/ponymq.sock") == Path("/run/ponymq.sock")
    assert path("") is None


def test_only_its_owner_may_open_it_and_it_goes_with_the_broker(tmp_path: Path) -> None:
    path = tmp_path / "s"
    listening = open_local_socket(path)
    assert listening is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listening.close()
    remove_local_socket(path)
    assert not path.exists()
    remove_local_socket(path)


def test_what_a_killed_broker_left_is_replaced_and_what_another_one_has_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = open_local_socket(path)
    assert first is not None
    assert open_local_socket(path) is None
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # the first one still has it
    first.close()
    second = open_local_socket(path)
    assert second is not None
    second.close()


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")
    assert open_local_socket(tmp_path / "s") is None
    assert (tmp_path / "s").read_text() == "mine"
