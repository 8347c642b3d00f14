"""What a device asks of its server. A command with an `id` gets exactly one reply; one without gets none."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidings.wire.frames import (
    AccountId,
    Ciphertext,
    ConversationId,
    DeviceId,
    Epoch,
    Frame,
    MsgId,
    NamedKey,
    Operation,
    Pos,
    RequestId,
    Seq,
    Share,
    ShareId,
    Signature,
    SignedObject,
    Version,
)
from tidings.wire.ids import Address, MailboxId, Millis
from tidings.wire.limits import (
    MAX_ACCOUNTS,
    MAX_CONVERSATIONS,
    MAX_FAILED,
    MAX_MEMBERS,
    MAX_ONE_TIME_KEYS,
    MAX_SHARES,
    MAX_SHARES_IN_SEND,
)

Answer = Literal["accept", "decline", "block", "unblock"]


class Hello(Frame, frozen=True):
    """Sign in. The device's Ed25519 key signs the challenge (see "Connection"). Answer: `Ready`."""

    id: RequestId
    account: AccountId
    device: DeviceId
    mailbox_id: MailboxId
    last_pos: Pos
    marks_since: Millis
    signature: Signature


class Send(Frame, frozen=True):
    """Send an envelope to every device of a conversation. Answer: `Sent`, the one tick."""

    id: RequestId
    msg_id: MsgId
    conversation: ConversationId
    epoch: Epoch
    devices: Version
    prev: MsgId | None
    ciphertext: Ciphertext
    shares: Annotated[list[Share], Meta(max_length=MAX_SHARES_IN_SEND)] = msgspec.field(default_factory=list)


class ShareKeys(Frame, frozen=True):
    """Put key shares into mailboxes; repeatable under the same `share_id`. Answer: `Done`."""

    id: RequestId
    share_id: ShareId
    conversation: ConversationId
    shares: Annotated[list[Share], Meta(min_length=1, max_length=MAX_SHARES)]


class Ack(Frame, frozen=True):
    """Everything up to `pos` is stored on the device; the server deletes it.

    What stands in `failed` could not be decrypted and does not count as delivered; when its key has come,
    the device names it in `recovered`.
    """

    pos: Pos
    failed: Annotated[list[Pos], Meta(max_length=MAX_FAILED)] = msgspec.field(default_factory=list)
    recovered: Annotated[list[Pos], Meta(max_length=MAX_FAILED)] = msgspec.field(default_factory=list)


class MarkRead(Frame, frozen=True):
    """The person has read everything up to `seq`."""

    conversation: ConversationId
    seq: Seq


class ChangeMembers(Frame, frozen=True):
    """Change who is in a group, with the envelope that tells the members so. Answer: `Sent`.

    `epoch` is the one before the change; 0 makes a group of oneself, under a name that the device chose.
    `devices` is the sum of the versions of all who are members before or after it: the envelope goes to them.
    """

    id: RequestId
    change_id: MsgId
    conversation: ConversationId
    epoch: Epoch
    devices: Version
    prev: MsgId | None
    operations: Annotated[list[Operation], Meta(min_length=1, max_length=MAX_MEMBERS)]
    ciphertext: Ciphertext


class SetTyping(Frame, frozen=True):
    """The person types, or has stopped."""

    conversation: ConversationId
    active: bool


class SetPresence(Frame, frozen=True):
    """The person looks at Tidings on this device, or has turned away."""

    online: bool


class Watch(Frame, frozen=True):
    """Send `Presence` events of these accounts, as far as they allow it; replaces the list before."""

    accounts: Annotated[list[AccountId], Meta(max_length=MAX_ACCOUNTS)]


class QueryKeys(Frame, frozen=True):
    """Ask for the identities and devices of accounts. Answer: `Keys`."""

    id: RequestId
    accounts: Annotated[list[AccountId], Meta(min_length=1, max_length=MAX_ACCOUNTS)]


class ClaimKeys(Frame, frozen=True):
    """Take a one-time key of each device. Answer: `Claimed`, without those that have none."""

    id: RequestId
    devices: Annotated[list[Address], Meta(min_length=1, max_length=MAX_SHARES)]


class UploadKeys(Frame, frozen=True):
    """Store one-time and fallback keys of this device; `replace` drops those before. Answer: `KeyCount`."""

    id: RequestId
    one_time: Annotated[list[NamedKey], Meta(max_length=MAX_ONE_TIME_KEYS)]
    fallback: NamedKey | None
    replace: bool


class UploadSignatures(Frame, frozen=True):
    """Add signatures by one's own keys to key objects. Answer: `Done`."""

    id: RequestId
    objects: Annotated[list[SignedObject], Meta(min_length=1, max_length=MAX_ACCOUNTS)]


class OpenDirect(Frame, frozen=True):
    """Open, or find, the direct conversation with an account. Answer: `Conversations` with one."""

    id: RequestId
    account: AccountId


class Respond(Frame, frozen=True):
    """Answer a stranger, block or unblock. Answer: `Conversations` with one."""

    id: RequestId
    conversation: ConversationId
    answer: Answer


class ListConversations(Frame, frozen=True):
    """Ask for conversations: those named, or a page of all, behind `after`. Answer: `Conversations`.

    Those that are named come in the order in which they are named; with `more`, ask for those behind the last.
    """

    id: RequestId
    conversations: Annotated[list[ConversationId], Meta(max_length=MAX_CONVERSATIONS)]
    after: ConversationId | None


Command = (
    Hello
    | Send
    | ShareKeys
    | Ack
    | MarkRead
    | ChangeMembers
    | SetTyping
    | SetPresence
    | Watch
    | QueryKeys
    | ClaimKeys
    | UploadKeys
    | UploadSignatures
    | OpenDirect
    | Respond
    | ListConversations
)
