"""What the judge of every chaos run is shown, and what it says: `rules.py` has the rules.

A device's journal is a file of JSON lines (`Line`), written before anything follows from what they say. Beside it
stand what the device's store holds at the end (`Kept`) and what is left on the server (`Server`). A message goes by
its K here: the sending device's id (random, so the account adds nothing), a colon, the msg_id in hexadecimal.
"""

import msgspec


class Line(msgspec.Struct, frozen=True, tag_field="what", tag=str.lower):
    """Something that happened to a device."""


class Began(Line, frozen=True):
    """The program opened its store: a new life begins."""


class Connected(Line, frozen=True):
    """The server greeted the device; everything above `last_pos` follows."""

    mailbox: str
    last_pos: int


class Arrived(Line, frozen=True):
    """An entry of the mailbox came in at `pos`. No K: it is a key share, or a gap."""

    pos: int
    k: str | None = None
    seq: int | None = None
    conversation: str | None = None


class Caughtup(Line, frozen=True):
    """The server says that everything which waited up to `pos` has been sent."""

    pos: int


class Enqueued(Line, frozen=True):
    """A message is in the outbox. `number` counts the device's messages."""

    k: str
    conversation: str
    number: int
    digest: str


class Ticked(Line, frozen=True):
    """A message of one's own has its one tick."""

    k: str
    seq: int


class Failed(Line, frozen=True):
    """A message of one's own will never be sent."""

    k: str
    reason: str


class Announced(Line, frozen=True):
    """A subscriber to events was told of a message."""

    k: str


class Displayed(Line, frozen=True):
    """A message was handed to the program, which shows it."""

    k: str
    seq: int
    conversation: str
    digest: str


class Marked(Line, frozen=True):
    """The device was told how far an account got."""

    conversation: str
    account: str
    delivered: int
    read: int


class Rose(Line, frozen=True):
    """The state of a message of one's own, looked at."""

    k: str
    state: str


class Missed(Line, frozen=True):
    """The device was told that messages are missing, or were repeated."""

    conversation: str
    reason: str


AnyLine = (
    Began | Connected | Arrived | Caughtup | Enqueued | Ticked | Failed | Announced | Displayed | Marked | Rose | Missed
)


class Kept(msgspec.Struct, frozen=True):
    """A text in a device's store at the end. `number` stands in the text; `state` is that of one's own messages."""

    k: str
    conversation: str
    seq: int | None
    number: int
    digest: str
    state: str
    missing: bool


class Device(msgspec.Struct, frozen=True):
    """One device. `sealed` and `unsent` count envelopes without a key, and what its outbox and its shares hold."""

    name: str
    id: str
    lines: list[AnyLine]
    kept: list[Kept]
    sealed: int = 0
    unsent: int = 0


class Place(msgspec.Struct, frozen=True):
    """The server's record of a message."""

    conversation: str
    seq: int
    k: str


class Server(msgspec.Struct, frozen=True):
    """What is left there. `rows` counts what the tables still hold that should be empty, `found` the ciphertexts
    that were found in the files, of `searched` that were looked for.
    """

    rows: dict[str, int]
    places: list[Place]
    found: int = 0
    searched: int = 0
    problems: list[str] = []


class Evidence(msgspec.Struct, frozen=True):
    """Everything. `conversations` names the devices that each message of a conversation is addressed to."""

    devices: list[Device]
    conversations: dict[str, list[str]]
    server: Server


class Violation(msgspec.Struct, frozen=True):
    """A promise that was not kept."""

    rule: str
    what: str


class Verdict(msgspec.Struct, frozen=True):
    """What was counted, and every broken promise."""

    counts: dict[str, int]
    violations: list[Violation]

    def broken(self) -> set[str]:
        """Return the names of the rules that were broken."""
        return {violation.rule for violation in self.violations}

    def report(self) -> str:
        """Return it as text: the counts, and the first violations of each rule."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        lines = [f"the oracle counted {counts}", f"and found {len(self.violations)} violations"]
        for rule in sorted(self.broken()):
            told = [violation.what for violation in self.violations if violation.rule == rule]
            lines += [f"  {rule}: {len(told)}", *(f"    {what}" for what in told[:5])]
        return "\n".join(lines)
