"""Marks against a naive model: sets of places."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tidings.server.domain.marks import Mark, needed_before

ME = 1


@dataclass
class Model:
    """A conversation whose every message is remembered, and what arrived of those that account 1 needs."""

    senders: list[int]
    since: int
    done: set[int] = field(default_factory=set)
    expired: set[int] = field(default_factory=set)

    @property
    def needed(self) -> list[int]:
        """The places above `since` of messages that somebody else sent."""
        return [seq for seq, sender in enumerate(self.senders, 1) if sender != ME and seq > self.since]

    @property
    def delivered(self) -> int:
        """The last needed place before the first that is missing."""
        reached = self.since
        for seq in self.needed:
            if seq not in self.done:
                break
            reached = seq
        return reached

    def lower(self, seq: int) -> int:
        """What the server notes beside a message: the place before it that account 1 needed."""
        last_sender = self.senders[seq - 2] if seq > 1 else 0
        run_start = seq - 1
        while run_start > 1 and self.senders[run_start - 2] == last_sender:
            run_start -= 1
        return needed_before(seq, ME, last_sender, run_start)


@given(
    senders=st.lists(st.integers(1, 3), min_size=1, max_size=30),
    since=st.integers(0, 5),
    data=st.data(),
)
def test_a_mark_knows_what_a_set_of_all_places_knows(senders: list[int], since: int, data: st.DataObject) -> None:
    model = Model(senders, min(since, len(senders)))
    mark = Mark.starting(model.since)
    for seq in data.draw(st.permutations(model.needed * 2)):
        news = seq not in model.done
        if data.draw(st.booleans()):
            assert mark.deliver(model.lower(seq), seq) == news
        else:
            assert mark.expire(model.lower(seq), seq) == news
            model.expired |= {seq} if news else set()
        model.done.add(seq)
        assert mark.delivered == model.delivered
        assert {seq for seq in model.needed if seq <= mark.delivered} <= model.done
        above = {seq for seq in model.needed if any(low < seq <= high for low, high in mark.above)}
        assert {seq for seq in model.needed if seq <= mark.delivered} | above == model.done
        listed = [seq for first, last in mark.expired for seq in range(first, last + 1)]
        assert sorted(listed) == sorted(model.expired)
    assert mark.above == ()


@given(news=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_what_was_read_only_rises_and_never_above_the_head(news: list[tuple[int, int]]) -> None:
    mark = Mark.starting(3)
    head = 3
    for seq, more in news:
        head += more
        before = mark.read
        assert mark.see(seq, head) == (min(seq, head) > before)
        assert mark.read == max(before, min(seq, head))


def test_intervals_that_meet_become_one() -> None:
    mark = Mark.starting(0)
    for lower, seq in ((4, 5), (2, 3), (3, 4), (6, 7)):
        assert mark.deliver(lower, seq)
    assert list(mark.above) == [(2, 5), (6, 7)]
    assert mark.deliver(0, 1)
    assert (mark.delivered, list(mark.above)) == (1, [(2, 5), (6, 7)])
    assert mark.deliver(1, 2)
    assert (mark.delivered, list(mark.above)) == (5, [(6, 7)])


def test_places_that_expired_in_any_order_are_told_as_few_intervals() -> None:
    mark = Mark.starting(0)
    for seq in (1, 2, 3, 7, 5):
        mark.expire(seq - 1, seq)
    assert mark.expired == ((1, 3), (5, 5), (7, 7))
    assert not mark.expire(4, 5)
