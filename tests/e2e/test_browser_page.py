"""The page keeps strangers' scripts out, whatever people call themselves and write, and says when it is not safe."""

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Browser, Page, expect

from support.browser import STRANGE_HOST, BrowserPerson, browser_person
from support.scenes import Calendar
from support.server import PASSWORD, local_server, new_person, server_process
from tidings.sdk import Client

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html default"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=(self)",
}

HIT = "window.hit=1"
NAMES = [
    f"<script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f"<svg onload={HIT}>",
    f'"><svg/onload={HIT}>',
    f"' onmouseover='{HIT}",
    f"javascript:{HIT}",
    f"{{{{constructor.constructor('{HIT}')()}}}}",
    f"</title><script>{HIT}</script>",
    "<b>Bold</b> & <i>proud</i>",
    "\u202eevil\u202c \u0000\u0007 \ufeff\u2028.",
    "__proto__",
]
TEXTS = [
    *NAMES,
    f"<iframe srcdoc='<script>parent.{HIT}</script>'></iframe>",
    f"<a href='javascript:{HIT}'>click me</a>",
    f"[click me](javascript:{HIT})",
    f"javascript:{HIT}//https://example.org/",
    f'https://example.org/"onmouseover="{HIT}',
    f"https://example.org/<script>{HIT}</script>",
    f"data:text/html,<script>opener.{HIT}</script>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={HIT}>",
    f"<noscript><p title='</noscript><img src=x onerror={HIT}>'>",
    f"<template><script>{HIT}</script></template>",
    f"<details open ontoggle={HIT}>",
    f"<form><button formaction=javascript:{HIT}>Send",
    "<base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example/>",
    "<style>*{display:none}</style><link rel=stylesheet href=//evil.example/>",
    f"<!--><img src=x onerror={HIT}>-->",
    f"\\u003cscript\\u003e{HIT}\\u003c/script\\u003e",
    f"&lt;script&gt;{HIT}&lt;/script&gt;",
    f"${{{HIT}}} #{{{HIT}}} <%= {HIT} %>",
    "a" * 2_000,
    "\u0301" * 500 + "z\u0300\u0301\u0302\u0303" * 100,
]

WATCH = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""
FORBIDDEN = """() => {
  const allowed = [];
  const attempts = {
    markup: () => document.body.insertAdjacentHTML("beforeend", "<b></b>"),
    evaluation: () => eval("1"),
    "a script's text": () => (document.createElement("script").text = "1"),
    "a script's address": () => (document.createElement("script").src = "https://evil.example/"),
    "a worker from elsewhere": () => new Worker("https://evil.example/"),
    "another policy": () => trustedTypes.createPolicy("evil", {}),
  };
  return new Promise((done) => setTimeout(() => {  // not within what the test itself evaluates, which may do more
    for (const [name, attempt] of Object.entries(attempts)) {
      try {
        attempt();
        allowed.push(name);
      } catch {}
    }
    done(allowed);
  }));
}"""
"""Returns what a script that got in might do."""

MARKUP = """() => [...document.querySelectorAll("article *, nav a *, header *, dialog *")]
  .filter((one) => one.matches("script, img, iframe, object, embed, base, meta, link, style, math, template, details")
    || one.matches("a[href]") || [...one.attributes].some(({ name }) => name.startsWith("on")))
  .map((one) => one.outerHTML)"""


async def watched(person: BrowserPerson) -> Page:
    """Let every refusal of the policy count as a complaint of the page."""
    await person.page.add_init_script(WATCH)
    person.page.on("dialog", lambda dialog: person.complaints.append(f"dialog: {dialog.message}"))
    person.page.on("popup", lambda page: person.complaints.append(f"window: {page.url}"))
    return person.page


async def is_inert(page: Page) -> None:
    """Check that nothing of the corpus ran, nor became an element."""
    assert await page.evaluate("window.hit") is None
    assert await page.evaluate(MARKUP) == []


async def test_fault_15_names_texts_and_links_are_inert(browser: Browser, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        page = await watched(ada)
        await ada.register(await server.invite(), "ada", f"Ada <img src=x onerror={HIT}>")
        store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with Client.open(store) as bob:
            await bob.ready()
            for name in NAMES:
                bob.set_display_name(name)
                await page.wait_for_function(
                    "(name) => document.querySelector('nav a b')?.textContent === name", arg=name
                )
            bob.set_display_name(f"<img src=x onerror={HIT}>")
            await ada.open(f"<img src=x onerror={HIT}>")
            (view,) = bob.conversations()
            other = next(account for account in view.members if account != bob.account)
            assert bob.display_name(other) == f"Ada <img src=x onerror={HIT}>"
            for text in TEXTS:
                await bob.send("@ada", text)
            await ada.texts(len(TEXTS))
            for text in TEXTS:
                await ada.write(text)
            kept = await ada.texts(2 * len(TEXTS))
            assert kept[: len(TEXTS)] == TEXTS
            assert kept[len(TEXTS) :] == [text.strip() for text in TEXTS]
            await is_inert(page)
            # Everything that may be touched is touched.
            for bubble in (await ada.log.get_by_role("article").all())[-8:]:
                await bubble.hover()
            for opener in ("You and settings", "New conversation"):
                await page.get_by_role("button", name=opener).click()
                # What it opens is loaded when it is first asked for.
                await expect(page.get_by_role("dialog")).to_be_visible()
                await is_inert(page)
                await page.keyboard.press("Escape")
                await expect(page.get_by_role("dialog")).to_be_hidden()
            await page.get_by_role("button", name="About <img").click()
            await expect(page.get_by_role("dialog")).to_contain_text("<img src=x")
            await is_inert(page)


async def test_fault_15_addresses_are_inert_and_those_that_name_nothing_open_the_list(
    browser: Browser, tmp_path: Path
) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        page = await watched(ada)
        await ada.register(await server.invite(), "ada", "Ada")
        for part in (f"<img src=x onerror={HIT}>", f"javascript:{HIT}", "%E0%A4%A", "__proto__", "x" * 5_000):
            for address in (f"/#/c/{part}", f"/#/join/{part}", f"/{part}"):
                await page.goto("about:blank")
                await page.goto(server.url + address)
                await expect(page.get_by_role("complementary", name="Conversations")).to_be_attached()
                await is_inert(page)


async def test_the_policy_is_served_and_no_one_runs_into_it_in_a_whole_conversation(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as cem,
    ):
        for path in ("/", "/sw.js", "/v1/devices", "/v1/socket", "/nothing.here"):
            async with httpx.AsyncClient() as web:
                found = (await web.get(f"http://127.0.0.1:{server.port}{path}")).headers
            assert {name: found.get(name) for name in HEADERS} == HEADERS, path
            assert "strict-transport-security" not in found
        await watched(ada)
        page = await watched(cem)
        await ada.register(await server.invite(), "ada", "Ada")
        await cem.register(await ada.invite(), "cem", "Cem")
        await ada.open("Cem")
        await ada.write("Hello! https://example.org/")
        await cem.open("Ada")
        await cem.write("Hello 🐕")
        await ada.sees_tick("Hello!", "read")
        await ada.sees("Hello 🐕")
        for opener in ("You and settings", "New conversation", "About Ada"):
            await page.get_by_role("button", name=opener).click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            await page.keyboard.press("Escape")
        await page.reload()
        await cem.sees("Hello 🐕")
        assert not cem.complaints
        # What the policy forbids is refused, and would have been heard of.
        (cookie,) = await page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (f"tidings-{server.port}", True, "Strict")
        assert await page.evaluate(FORBIDDEN) == []
        await page.evaluate("fetch('http://localhost:1/').catch(() => 0)")
        await page.evaluate("document.body.append(Object.assign(new Image(), { src: 'http://localhost:1/' }))")
        assert [said for said in cem.complaints if said.startswith("policy: connect-src")]
        assert await page.evaluate("window.hit") is None
        cem.complaints.clear()


async def test_over_plain_http_from_another_machine_the_page_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        url = f"http://{STRANGE_HOST}:{server.port}"
        async with browser_person(browser, url) as ada:
            for address in ("/", "/#/join/abcdefgh", "/#/sign-in"):
                await ada.page.goto("about:blank")
                await ada.page.goto(url + address)
                await expect(ada.page.get_by_role("heading", level=1)).to_have_text("This page needs a safe address")
                await expect(ada.page.get_by_text(f"http://localhost:{server.port}", exact=False)).to_be_visible()
                await expect(ada.page.get_by_text("--tls-cert cert.pem --tls-key key.pem")).to_be_visible()
                assert await ada.page.get_by_role("textbox").count() == 0
            # Chromium says itself that some headers mean nothing here.
            ada.complaints[:] = [said for said in ada.complaints if "Cross-Origin-Opener-Policy" not in said]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that nobody else signs, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def test_with_a_certificate_of_its_own_the_server_speaks_tls_to_browsers_and_programs(
    browser: Browser, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    async with server_process(tmp_path, "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        url = f"https://localhost:{server.port}"
        assert f"Tidings is running: {url}" in server.output
        trusting = ssl.create_default_context(cafile=cert)
        async with browser_person(browser, url, ignore_https_errors=True) as ada:
            await watched(ada)
            await ada.register(await server.invite(), "ada", "Ada")
            store = tmp_path / "bob.db"
            (await Client.register(store, await ada.invite(), "bob", PASSWORD, verify=trusting)).close()
            async with Client.open(store, verify=trusting) as bob:
                await bob.ready()
                await ada.open("bob")
                await ada.write("under TLS")
                await ada.sees_tick("under TLS", "delivered")
                await bob.send("@ada", "and back")
                await ada.sees("and back")
            (cookie,) = await ada.page.context.cookies()
            assert cookie["name"] == "__Host-tidings"
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
            assert (cookie["path"], cookie["domain"]) == ("/", "localhost")
            await ada.page.reload()
            await ada.sees("and back")
            # Chromium installs no service worker under a certificate that it does not know. The page works without.
            ada.complaints[:] = [
                said for said in ada.complaints if "error occurred when fetching the script" not in said
            ]
        async with httpx.AsyncClient(verify=trusting) as web:
            found = (await web.get(f"https://localhost:{server.port}/")).headers
        assert found["strict-transport-security"].startswith("max-age=")
        assert {name: found.get(name) for name in HEADERS} == HEADERS


async def test_fault_10_a_browser_with_a_wrong_clock_stays_signed_in(browser: Browser, tmp_path: Path) -> None:
    """Its first signature is refused, with the time in the answer; the second one is by the server's clock."""
    calendar = Calendar()
    async with (
        local_server(tmp_path, clock=calendar) as server,
        browser_person(browser, server.url) as ada,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        store = await new_person(server, tmp_path, "bob", await ada.invite())
        calendar.set("23:00")
        await ada.page.reload()
        async with Client.open(store) as bob:
            await bob.ready()
            await bob.send("@ada", "what time is it?")
            await ada.open("Bob")
            await ada.sees("what time is it?")
        # The browser itself says that something was refused; that is what happened.
        ada.complaints[:] = [said for said in ada.complaints if not re.search(r"status of 401", said)]
