"""What `tidings serve` refuses before it begins."""

import argparse

import pytest

from tidings.cli import serve


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.arguments(parser)
    return parser.parse_args(words)


def test_workers_leave_tls_to_a_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse("--workers", "2", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    assert serve.run(options) == 1
    assert "--workers leaves TLS to a proxy in front; leave out --tls-cert and --tls-key" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["-1", "65", "two"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--workers", number)
    assert "a number up to 64" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--connections-per-address", "--address-rate"])
@pytest.mark.parametrize("number", ["0", "-1"])
def test_a_limit_per_address_that_lets_nobody_in_is_refused(
    option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.run(parse(option, number)) == 1
    assert f"{option} takes 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_factor_on_limits_is_a_number_that_one_can_count_with(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.run(parse("--address-rate", number)) == 1
    assert "--address-rate takes 1 or more" in capsys.readouterr().err


def test_without_being_asked_there_are_no_workers() -> None:
    assert parse().workers == 1
