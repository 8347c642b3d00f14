"""How far an account got in a conversation: what is delivered, read or expired. All of it only rises.

A message of someone else with the place `seq` needs a device of the account to decrypt, store and ack it.
Most acks come in order, so one number tells nearly everything: all needed places up to `delivered` are done.
What is done above a hole is kept as intervals until the hole closes. A message brings `lower`, the place of
the message before it that the account needed, so that the account's own messages leave no holes.
"""

import msgspec

Interval = tuple[int, int]


def needed_before(seq: int, account: int, last_sender: int, run_start: int) -> int:
    """Return the place before `seq` that `account` needed delivered.

    `last_sender` is the account that sent the message before the one at `seq`, and `run_start` the place where
    its unbroken run of messages began: nobody waits for the messages of that run to reach their own sender.
    """
    return run_start - 1 if last_sender == account else seq - 1


class Mark(msgspec.Struct):
    """The mark of one account in one conversation; places are counted above `since`.

    `above` holds intervals (lower, upper] that are done above a hole; `expired` holds first and last places
    that no device of the account ever got. `changed` is the time of the last change.
    """

    since: int
    delivered: int
    read: int
    above: tuple[Interval, ...]
    expired: tuple[Interval, ...]
    changed: int

    @classmethod
    def starting(cls, since: int) -> "Mark":
        """Return the mark of a member who joined at `since`."""
        return cls(since=since, delivered=since, read=since, above=(), expired=(), changed=0)

    def deliver(self, lower: int, seq: int) -> bool:
        """Note that the message at `seq` arrived; `lower` is the needed place before it. Return if that is news."""
        if seq <= self.delivered or any(low < seq <= high for low, high in self.above):
            return False
        if lower <= self.delivered:
            self.delivered = seq
        else:
            self.above = (*self.above, (lower, seq))
        if self.above:
            self._close_holes()
        return True

    def expire(self, lower: int, seq: int) -> bool:
        """Note that no device ever got the message at `seq`. Return if that is news."""
        if not self.deliver(lower, seq):
            return False
        if self.expired and self.expired[-1][1] == seq - 1:
            self.expired = (*self.expired[:-1], (self.expired[-1][0], seq))
        else:
            self.expired = tuple(sorted((*self.expired, (seq, seq))))
        return True

    def see(self, seq: int, head: int) -> bool:
        """Note that the person has read up to `seq`, at most up to the conversation's `head`. Return if news."""
        seq = min(seq, head)
        if seq <= self.read:
            return False
        self.read = seq
        return True

    def _close_holes(self) -> None:
        rest: list[Interval] = []
        for low, high in sorted(self.above):
            if low <= self.delivered:
                self.delivered = max(self.delivered, high)
            elif rest and low <= rest[-1][1]:
                rest[-1] = (rest[-1][0], max(rest[-1][1], high))
            else:
                rest.append((low, high))
        self.above = tuple(rest)
