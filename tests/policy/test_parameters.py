"""Parameters: JSON values that tools keep in the broker."""

import pytest

from broker.policy.parameters import GLOBAL, LONGEST_NAME, LONGEST_VALUE, MOST_PARAMETERS, Parameter, Parameters
from broker.policy.policy import PolicyRefused


def test_a_parameter_replaces_the_one_of_its_name() -> None:
    parameters = Parameters()
    parameters.set(Parameter("/", "shovel", "s", b"1"))
    parameters.set(Parameter("/", "shovel", "s", b"2"))
    assert [each.value for each in parameters.listed()] == [b"2"]
    assert parameters.remove("/", "shovel", "s")
    assert not parameters.remove("/", "shovel", "s")
    assert parameters.find("/", "shovel", "s") is None


def test_a_vhost_takes_its_parameters_along() -> None:
    parameters = Parameters()
    for vhost in ("/", "v", GLOBAL):
        parameters.set(Parameter(vhost, "c", "p", b"1"))
    parameters.forget_vhost("v")
    assert [each.vhost_name for each in parameters.listed()] == [GLOBAL, "/"]


@pytest.mark.parametrize(
    ("component", "name", "value"),
    [
        ("c", "", b"1"),
        ("c" * (LONGEST_NAME + 1), "p", b"1"),
        ("c", "ä" * 128, b"1"),
        ("c", "p", b"1" * (LONGEST_VALUE + 1)),
    ],
)
def test_what_is_too_long_is_no_parameter(component: str, name: str, value: bytes) -> None:
    with pytest.raises(PolicyRefused):
        Parameter("/", component, name, value)


def test_there_is_a_last_parameter() -> None:
    parameters = Parameters()
    for number in range(MOST_PARAMETERS):
        parameters.set(Parameter("/", "c", str(number), b"1"))
    with pytest.raises(PolicyRefused, match="already"):
        parameters.set(Parameter("/", "c", "one more", b"1"))
    parameters.set(Parameter("/", "c", "7", b"2"))
