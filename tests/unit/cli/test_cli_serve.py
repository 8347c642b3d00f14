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


def test_without_being_asked_there_are_no_workers() -> None:
    assert parse().workers == 1
