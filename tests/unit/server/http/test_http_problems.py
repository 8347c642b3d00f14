"""Refusals as they leave the server, and as the API page announces them."""

from typing import Any

import msgspec
import pytest
from litestar.exceptions import HTTPException

from tidings.server.domain.identity import BadKeys
from tidings.server.http.problems import GENERAL, HANDLERS, PROBLEMS, NotFound, answers, broke, failed, refused
from tidings.server.services.credentials import NotSignedIn, WrongTime
from tidings.wire.errors import BadFrame, KeyReused, NotAllowed, RateLimited, Refusal, TooLarge
from tidings.wire.http import Problem

NOBODY: Any = None


def told(answer: Any) -> tuple[int, Problem]:
    """Return the status and the body of an answer, as a client reads it."""
    return answer.status_code, msgspec.json.decode(msgspec.json.encode(answer.content), type=Problem)


def handle(error: Exception) -> tuple[int, Problem]:
    return told(HANDLERS[type(error)](NOBODY, error))


@pytest.mark.parametrize("kind", [kind for kind in PROBLEMS if kind is not WrongTime], ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_status_its_code_and_a_text(kind: type[Exception]) -> None:
    status, problem = handle(kind())
    assert (status, problem.code, problem.detail) == PROBLEMS[kind]
    assert 400 <= status < 600
    assert problem.retry_after is None
    assert problem.time is None


def test_every_code_stands_for_one_thing() -> None:
    codes = [code for _, code, _ in PROBLEMS.values()]
    assert len(codes) == len(set(codes))


def test_keys_that_are_refused_are_refused_for_a_reason() -> None:
    assert handle(BadKeys("signed by nobody"))[1].detail == "signed by nobody"
    assert handle(BadKeys())[1].detail == PROBLEMS[BadKeys][2]


def test_a_clock_that_is_wrong_is_told_the_time() -> None:
    assert handle(WrongTime(1_790_000_000_000))[1].time == 1_790_000_000_000


def test_what_is_not_yours_looks_like_what_is_not_there() -> None:
    assert told(refused(NOBODY, Refusal(NotAllowed()))) == handle(NotFound())


def test_who_asks_too_often_is_told_when_to_come_back_in_whole_seconds() -> None:
    for wait, header in ((1, "1"), (999, "1"), (1_000, "1"), (1_001, "2")):
        answer = refused(NOBODY, Refusal(RateLimited(wait)))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, header)
        assert told(answer)[1].retry_after == wait


def test_what_else_the_protocol_refuses_is_a_fault_of_the_request() -> None:
    assert told(refused(NOBODY, Refusal(BadFrame("odd")))) == (400, Problem("BAD_REQUEST", "odd"))
    for error, code in ((KeyReused(), "KEY_REUSED"), (TooLarge(5), "TOO_LARGE")):
        assert told(refused(NOBODY, Refusal(error)))[1].code == code


def test_what_litestar_refuses_has_a_code_too() -> None:
    for status, code in ((404, "NOT_FOUND"), (405, "METHOD_NOT_ALLOWED"), (413, "TOO_LARGE"), (418, "BAD_REQUEST")):
        found = told(failed(NOBODY, HTTPException(detail="no", status_code=status)))
        assert found == (status, Problem(code, "no"))


def test_what_should_not_have_happened_is_not_told() -> None:
    status, problem = told(broke(NOBODY, ValueError("a secret")))
    assert (status, problem.code) == (500, "INTERNAL")
    assert "secret" not in problem.detail


def test_the_page_of_the_api_names_each_refusal_under_its_status() -> None:
    found = answers(NotSignedIn, NotFound)
    assert set(found) == {status for status, _, _ in GENERAL} | {401, 404}
    assert found[401].description == "`NOT_SIGNED_IN`: Sign in first."
    unavailable = found[503].description
    assert "`UNKNOWN_OUTCOME`" in unavailable
    assert "`UNAVAILABLE`" in unavailable
