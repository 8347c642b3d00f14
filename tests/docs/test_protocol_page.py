"""What the protocol's page says by hand is what the code does."""

import re

from codegen.markdown import between, markdown
from support.pages import code_blocks, page, rows, section
from tidings.wire import limits
from tidings.wire.closes import Close, advice
from tidings.wire.errors import WireError
from tidings.wire.signing import hello_text, renewal_text, request_text

TEXT = page("docs/protocol.md")
PROSE = TEXT[: TEXT.index("<!-- generated: frames -->")]


def test_the_generated_part_is_up_to_date() -> None:
    assert between(TEXT, markdown()) == TEXT


def test_every_limit_stands_on_the_page_with_its_number() -> None:
    said = {cells[2].strip("`"): int(cells[1].replace(",", "")) for cells in rows(section(PROSE, "Limits"))}
    known = {name: value for name, value in vars(limits).items() if name.startswith("MAX_")}
    assert said == known


def test_every_error_has_its_rule() -> None:
    table = section(PROSE, "What to do on each error")
    ruled = {name for cells in rows(table) for name in re.findall(r"`([A-Z_]+)`", cells[0])}
    assert ruled == {str(error.__struct_config__.tag) for error in WireError.__args__}


def test_every_close_code_stands_in_a_hundred_that_has_its_rule() -> None:
    table = rows(section(PROSE, "What to do on each close code"))
    ruled = {int(cells[0][:4]) // 100: cells[1] for cells in table}
    words = {"now": "at once", "later": "after a wait", "sign-in": "sign in", "stop": "stops"}
    assert ruled.keys() == {code // 100 for code in Close}
    for code in Close:
        assert words[advice(code)] in ruled[code // 100]


def test_what_is_signed_is_what_the_page_shows() -> None:
    hello, request, renewal = (
        block.strip() for block in code_blocks(PROSE, "text") if block.startswith("tidings ") and " v1\n" in block
    )
    said = {
        "base64 of nonce": "bm9uY2U=",
        "base64 of mailbox_id": "Ym94",
        "server_id": "tserver",
        "account": "@a",
        "device": "D",
        "time": "17",
        "METHOD": "POST",
        "path": "/v1/invites",
        "base64 of SHA-256 of the body": "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=",
    }

    def filled(block: str) -> str:
        return re.sub("<(.+?)>", lambda found: said[found[1]], block)

    assert filled(hello) == hello_text(b"nonce", "tserver", "@a", "D", b"box")
    assert filled(renewal) == renewal_text("tserver", "@a", "D", 17, b"nonce")
    signed = request_text("tserver", "@a", "D", 17, b"nonce", method="POST", path="/v1/invites", body=b"{}")
    assert filled(request) == signed


def test_every_route_of_the_table_is_one_of_the_server(openapi: dict[str, dict[str, object]]) -> None:
    said = {route for cells in rows(section(PROSE, "HTTP")) for route in re.findall(r"`([A-Z]+ /[^`]+)`", cells[0])}
    known = {f"{method.upper()} {path}" for path, methods in openapi.items() for method in methods}
    assert {route for route in said if "schema" not in route} == known
