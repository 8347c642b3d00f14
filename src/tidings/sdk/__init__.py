"""Tidings for programs: a client with full encryption, its own store, and exactly-once delivery.

async with Client.open("bob.db") as me:
    await me.send("@ada", "hi")
    async for message in me.messages():
        print(message.sender_name, message.text)
"""

from tidings.sdk.client import Client
from tidings.sdk.errors import (
    Distrusted,
    IdentityChanged,
    Incompatible,
    NotSignedIn,
    SendFailed,
    ServerRefused,
    StoreInUse,
    StoreTaken,
    TidingsError,
)
from tidings.sdk.events import (
    ConnectionUpdate,
    ContactChanged,
    ConversationUpdate,
    Incoming,
    Missing,
    PresenceUpdate,
    Receipt,
    StateUpdate,
    TypingUpdate,
)
from tidings.sdk.sync.contacts import View
from tidings.sdk.sync.overview import Hole, Page, Summary
from tidings.sdk.sync.timeline import Kept
from tidings.sdk.transport.http import Unreachable

__all__ = [
    "Client",
    "ConnectionUpdate",
    "ContactChanged",
    "ConversationUpdate",
    "Distrusted",
    "Hole",
    "IdentityChanged",
    "Incoming",
    "Incompatible",
    "Kept",
    "Missing",
    "NotSignedIn",
    "Page",
    "PresenceUpdate",
    "Receipt",
    "SendFailed",
    "ServerRefused",
    "StateUpdate",
    "StoreInUse",
    "StoreTaken",
    "Summary",
    "TidingsError",
    "TypingUpdate",
    "Unreachable",
    "View",
]
