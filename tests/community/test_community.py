"""Communities between real nodes: founded from a file, joined by invitation, and deciding together who has a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from commons.access import retention
from commons.community import invitation
from commons.core.crypto import envelope
from commons.core.dataset.terms import DAY
from commons.core.state import proposals
from commons.core.state.proposals import Vote
from commons.errors import Conflict, Gone, Malformed, NotFound, Pending, Refused, Undated, Unreachable, Untrue
from commons.node.verbs import context
from commons.node.verbs.community import send
from tests.conftest import Party, Start, until
from tests.dishonest import Asker, CallsItsLogAnothers

CHARTER = """
name = "River watch"
purpose = "To know our rivers"
readers = "members"
[colleges]
workers = ["me"]
users = []
[powers.admit]
rule = "group w any *workers\\nquorum w"
[powers.grant]
rule = '''
group w majority *workers
group u any *users
group both all w u
quorum both
'''
days = 7
[powers.amend-charter]
rule = "group w majority *workers\\nquorum w"
"""
# a rule that asks a user could not be met while there is none
BEGINNING = CHARTER.replace("users = []", "").replace("group u any *users\n", "").replace("all w u", "all w")

Seats = dict[str, Party]
Gather = Callable[..., Awaitable[Seats]]


@pytest.fixture
def gather(start: Start) -> Gather:
    """A registrar and members in their colleges, each with a node of their own."""

    async def make(**members: str) -> Seats:
        seats = {"coop": await start("coop", charter=BEGINNING)}
        coop = seats["coop"]
        for college in {*members.values()} - {"workers"}:
            text = BEGINNING.replace("[colleges]", f"[colleges]\n{college} = []")
            await coop.desk.propose(action="amend-charter", file=text)
        for name, college in members.items():
            seats[name] = await start(name)
            invited = await coop.desk.invite(college=college)
            await seats[name].desk.join(text=invited["invitation"], linked=True)
        if "users" in members.values():  # now that there is one, the rule can ask one
            amended = (await coop.desk.propose(action="amend-charter", file=CHARTER))["proposal"]
            for name, college in members.items():
                if college == "workers" and (await coop.desk.community())["proposals"]:
                    await seats[name].desk.vote(proposal=amended, choice="yes")
        return seats

    return make


async def test_members_join_by_invitation_and_everybody_sees_the_same(gather: Gather) -> None:
    seats = await gather(ben="workers", dora="users")
    told = [await seats[name].desk.community() for name in seats]
    assert {len(each["colleges"]["workers"]) for each in told} == {2}
    assert {tuple(each["colleges"]["users"]) for each in told} == {(seats["dora"].peer,)}
    assert [each["mine"] for each in told] == [["workers"], ["workers"], ["users"]]
    assert len({each["commons"] for each in told}) == 1
    audited = await seats["dora"].desk.audit(source=seats["coop"].address)
    assert audited["faults"] == []


async def test_a_key_is_granted_when_both_colleges_have_decided(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await gather(ben="workers", cleo="workers", dora="users")
    coop, asker = seats["coop"], await start("asker")
    reference = await coop.publish(folder, access="vote")
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "copy", coop.address)
    asked = (await coop.desk.requests())["requests"][0]["request"]
    with pytest.raises(Refused, match="not decided so") as caught:
        await coop.desk.decide(request=asked, outcome="grant")
    assert f"community propose grant --entry {asked}" in caught.value.hint
    opened = await seats["ben"].desk.propose(action="grant", target=asked, words="For science")
    told = await seats["cleo"].desk.vote(proposal=opened["proposal"], choice="yes")
    assert told["outcome"]["standing"] == "open"
    assert told["outcome"]["missing"] == "1 of users"
    assert seats["dora"].peer in told["outcome"]["silent"]
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "copy", coop.address)
    done = await seats["dora"].desk.vote(proposal=opened["proposal"], choice="yes")
    assert done["outcome"]["standing"] == "passed"
    await asker.fetch(reference, tmp_path / "copy", coop.address)
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    audited = await seats["dora"].desk.audit(source=coop.address)
    assert (audited["faults"], audited["rows"][0]["reason"]) == ([], "voted")
    row = (await seats["dora"].desk.statistics())["datasets"][0]
    assert (row["requests"], row["granted"], row["reasons"]) == (1, 1, {"voted": 1})


async def test_members_revoke_a_grant_whoever_gave_it(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await gather(ben="workers", cleo="workers")
    coop, ben, asker = seats["coop"], seats["ben"], await start("asker")
    reference = await coop.publish(folder)
    with pytest.raises(NotFound, match="no request"):
        await ben.desk.propose(action="revoke", target=2)
    await asker.fetch(reference, tmp_path / "copy", coop.address)
    asked = next(iter(coop.home.first.log.state.accesses))
    opened = await ben.desk.propose(action="revoke", target=asked, words="It was sold on")
    assert coop.home.first.log.state.accesses[asked].outcome == "grant"
    assert (await coop.desk.vote(proposal=opened["proposal"], choice="yes"))["outcome"]["standing"] == "passed"
    access = coop.home.first.log.state.accesses[asked]
    assert (access.outcome, access.reason) == ("revoke", "voted")
    with pytest.raises(Conflict, match="not granted"):
        await ben.desk.propose(action="revoke", target=asked)
    assert (await ben.desk.audit(source=coop.address))["faults"] == []
    newer = await coop.publish(folder, update=reference)
    dataset = newer.partition("?")[0].removeprefix("commons:")
    assert coop.home.first.log.state.published(dataset).entry.epoch == 1  # what they hold opens nothing new


async def test_members_have_what_is_for_members_until_they_are_none(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await gather(ben="workers", cleo="workers", dora="workers")
    coop, stranger = seats["coop"], await start("stranger")
    reference = await coop.publish(folder, access="members")
    await seats["ben"].fetch(reference, tmp_path / "ben", coop.address)
    with pytest.raises(Refused, match="not-member"):
        await stranger.fetch(reference, tmp_path / "stranger", coop.address)
    expelled = await coop.desk.propose(action="expel", college="workers", peer=seats["cleo"].peer)
    for name in ("ben", "dora"):
        await seats[name].desk.vote(proposal=expelled["proposal"], choice="yes")
    with pytest.raises(Refused, match="not-member"):
        await seats["cleo"].fetch(reference, tmp_path / "cleo", coop.address)
    with pytest.raises(Refused, match="no member"):
        await seats["cleo"].desk.propose(action="admit", college="workers", peer=stranger.peer)


async def test_who_is_no_member_is_told_so_before_anything_is_signed(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await gather(ben="workers", dora="users")
    coop, ben, dora, stranger = seats["coop"], seats["ben"], seats["dora"], await start("stranger")
    reference = await coop.publish(folder, access="members", college="users")
    for party, name in ((stranger, "stranger"), (ben, "ben")):  # a member, too, of another college
        with pytest.raises(
            Refused, match=r"for members of users, and you are not among them .*nothing was sent"
        ) as said:
            await party.fetch(reference, tmp_path / name, coop.address)
        assert party.peer in said.value.hint
        assert party.home.shelf.asks() == []
    assert coop.home.first.log.state.accesses == {}
    await dora.fetch(reference, tmp_path / "dora", coop.address)
    widened = await coop.desk.propose(action="set-rule", dataset=reference, access="members")
    await ben.desk.vote(proposal=widened["proposal"], choice="yes")
    with pytest.raises(Refused, match="for members, and you are not among them"):
        await stranger.fetch(reference, tmp_path / "stranger", coop.address)
    await ben.fetch(reference, tmp_path / "ben", coop.address)  # the manifest still says: of users
    rows = (await coop.desk.audit())["rows"]
    assert [(row["who"], row["decision"]) for row in rows] == [(dora.peer, "grant"), (ben.peer, "grant")]
    index = await Asker(coop, reference).ask()  # who asks all the same is refused, in the log
    access = coop.home.first.log.state.accesses[index]
    assert (access.outcome, access.reason) == ("refuse", "not-member")
    assert (await ben.desk.audit(source=coop.address))["faults"] == []


async def test_who_is_expelled_between_the_grant_and_the_key_gets_none(
    gather: Gather, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await gather(ben="workers", cleo="workers", dora="workers")
    coop = seats["coop"]
    reference = await coop.publish(folder, access="members")
    release = coop.node.at().registrar.release

    def late(body: bytes) -> bytes:
        raise Pending("the node is slow")

    with monkeypatch.context() as patch:
        patch.setattr(coop.node.at().registrar, "release", late)
        with pytest.raises(Pending):
            await seats["cleo"].fetch(reference, tmp_path / "cleo", coop.address)
    expelled = await coop.desk.propose(action="expel", college="workers", peer=seats["cleo"].peer)
    for name in ("ben", "dora"):
        await seats[name].desk.vote(proposal=expelled["proposal"], choice="yes")
    assert coop.node.at().registrar.release == release
    with pytest.raises(Refused, match="none any more"):
        await seats["cleo"].fetch(reference, tmp_path / "cleo", coop.address)


async def test_a_rule_is_changed_by_vote_and_later_requests_follow_it(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await gather(ben="workers")
    coop, asker, other = seats["coop"], await start("asker"), await start("other")
    reference = await coop.publish(folder)
    await asker.fetch(reference, tmp_path / "asker", coop.address)
    changed = await coop.desk.propose(action="set-rule", dataset=reference, access="members")
    await seats["ben"].desk.vote(proposal=changed["proposal"], choice="yes")
    with pytest.raises(Refused, match="not-member"):
        await other.fetch(reference, tmp_path / "other", coop.address)
    audited = await other.desk.audit(source=coop.address)
    assert audited["faults"] == []
    assert audited["datasets"][0]["access"] == "members"


async def test_a_version_under_another_rule_than_was_voted_is_refused_before_it_is_sealed(
    gather: Gather, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = (await gather())["coop"]
    reference = await coop.publish(folder)
    await coop.desk.propose(action="set-rule", dataset=reference, access="members")

    def sealed(*_: Any, **__: Any) -> None:
        pytest.fail("it was sealed")

    with monkeypatch.context() as patch:
        patch.setattr("commons.disk.packer.pack", sealed)
        with pytest.raises(Conflict, match="have set the rule members") as caught:
            await coop.publish(folder, update=reference)
        assert "--access members" in caught.value.hint
        with pytest.raises(NotFound, match="'elders'"):
            await coop.publish(folder, access="vote", college="elders")
    assert len((await coop.desk.datasets())["datasets"]) == 1
    await coop.publish(folder, update=reference, access="members")


async def test_what_the_members_withdraw_is_given_to_nobody(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await gather(ben="workers")
    coop, asker = seats["coop"], await start("asker")
    reference = await coop.publish(folder)
    gone = await coop.desk.propose(action="withdraw", dataset=reference, words="Somebody asked")
    await seats["ben"].desk.vote(proposal=gone["proposal"], choice="yes")
    with pytest.raises(Gone, match="withdrawn"):
        await asker.fetch(reference, tmp_path / "copy", coop.address)


async def test_an_identity_is_shown_to_members_only_by_decision(
    gather: Gather, start: Start, folder: Path, tmp_path: Path
) -> None:
    coop = await start("coop", charter=BEGINNING.replace('readers = "members"', 'readers = "owner"'))
    ben, asker = await start("ben"), await start("asker")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    await asker.fetch(await coop.publish(folder), tmp_path / "copy", coop.address)
    assert (await ben.desk.audit(source=coop.address))["rows"][0]["who"] is None
    opened = await coop.desk.propose(action="open-identity", target=4)
    await ben.desk.vote(proposal=opened["proposal"], choice="yes")
    assert (await ben.desk.audit(source=coop.address))["rows"][0]["who"] == asker.peer
    assert (await asker.desk.audit(source=coop.address))["rows"][0]["who"] == asker.peer


async def test_who_the_charter_lists_takes_part_and_anybody_may_watch(start: Start) -> None:
    ben, eve = await start("ben"), await start("eve")
    coop = await start("coop", charter=BEGINNING.replace('["me"]', f'["me", "{ben.peer}"]'))
    with pytest.raises(NotFound, match="takes no part"):
        await ben.desk.community(named=coop.home.first.commons)
    for party, mine in ((ben, ["workers"]), (eve, [])):
        told = await party.desk.follow(source=coop.address, commons=f"commons:{coop.home.first.commons}")
        assert (told["commons"], told["mine"]) == (coop.home.first.commons, mine)
    amended = await coop.desk.propose(action="amend-charter", file=BEGINNING.replace("River", "Sea"))
    with pytest.raises(Refused, match="no member"):
        await eve.desk.vote(proposal=amended["proposal"], choice="no")
    done = await ben.desk.vote(proposal=amended["proposal"], choice="yes", reason="We went out to sea")
    assert done["outcome"]["ballots"] == [
        {"peer": coop.peer, "choice": "yes", "reason": ""},
        {"peer": ben.peer, "choice": "yes", "reason": "We went out to sea"},
    ]
    assert (await eve.desk.community())["name"] == "Sea watch"


async def test_only_a_community_that_bears_out_its_name_is_followed(start: Start) -> None:
    coop, eve = await start("coop", charter=BEGINNING), await start("eve", http="127.0.0.1:0")
    for at, commons, kind in (
        (eve.address, None, Unreachable), (eve.node.door, None, Conflict), ("/somewhere", None, Malformed),
        (coop.address, eve.home.first.commons, NotFound), (coop.address, "coop", NotFound),
    ):  # fmt: skip
        with pytest.raises(kind):
            await eve.desk.follow(source=at, commons=commons)
    liar = await start("liar", lie=lambda site: CallsItsLogAnothers(site, coop.home.first.commons))
    with pytest.raises(Untrue, match="not of"):
        await eve.desk.follow(source=liar.address)
    assert eve.home.shelf.seats() == []


async def test_what_is_older_than_the_charter_keeps_is_erased(start: Start, folder: Path, tmp_path: Path) -> None:
    coop = await start("coop", charter=f"retention_days = 30\n{BEGINNING}")
    asker, now = await start("asker"), time.time()
    reference = await coop.publish(folder)
    await asker.fetch(reference, tmp_path / "copy", coop.address)
    registrar, size = coop.node.at().registrar, coop.home.first.log.size
    assert await retention.forget(registrar, now + 29 * DAY) == []
    with pytest.raises(Undated):  # by one clock alone
        await retention.forget(registrar, now + 31 * DAY)
    coop.home.first.dating.right(int(now) + 31 * DAY)
    running = asyncio.create_task(retention.daily(registrar, lambda: now + 31 * DAY))
    await until(lambda: coop.home.first.log.size > size)
    running.cancel()
    audited = await coop.desk.audit()
    assert (audited["rows"][0]["who"], audited["rows"][0]["state"]) == (None, f"redacted by entry {size}")
    assert audited["faults"] == []
    assert await retention.forget(registrar, now + 32 * DAY) == []


# -- what nobody may do -----------------------------------------------------------------------------------------------


async def test_an_invitation_is_taken_once_can_be_closed_and_is_no_other(gather: Gather, start: Start) -> None:
    seats = await gather(ben="workers")
    coop, dora, emil = seats["coop"], await start("dora"), await start("emil")
    invited = await coop.desk.invite(college="workers")
    await dora.desk.join(text=invited["invitation"], linked=True)
    with pytest.raises(Gone):
        await emil.desk.join(text=invited["invitation"], linked=True)
    closed = await coop.desk.invite(college="workers")
    over = await coop.desk.propose(action="close-invitation", target=closed["proposal"])
    for party in (seats["ben"], dora):
        if (await party.desk.community())["proposals"]:
            await party.desk.vote(proposal=over["proposal"], choice="yes")
    with pytest.raises(Gone):
        await emil.desk.join(text=closed["invitation"], linked=True)
    open_one = invitation.parse((await coop.desk.invite(college="workers"))["invitation"])
    forged = invitation.Invitation(
        commons=open_one.commons, proposal=open_one.proposal, token=bytes(32), log_key=open_one.log_key,
        sources=open_one.sources,
    )  # fmt: skip
    with pytest.raises(Malformed, match="another key"):
        await emil.desk.join(text=str(forged), linked=True)
    for text in ("", "commons-invitation:", str(open_one)[:200], "commons:x", str(open_one).replace(",", ";")):
        with pytest.raises(Malformed):
            await emil.desk.join(text=text, linked=True)
    size = coop.home.first.log.size
    for days in (0, -1, 367):
        with pytest.raises(Malformed, match="1 to 366 days"):
            await coop.desk.invite(college="workers", days=days)
    assert coop.home.first.log.size == size
    with pytest.raises(NotFound, match="takes no part"):
        await emil.desk.community(named=open_one.commons)


async def test_ballots_that_do_not_count_are_refused_and_not_logged(gather: Gather, start: Start) -> None:
    seats = await gather(ben="workers", cleo="workers")
    coop, ben, other = seats["coop"], seats["ben"], await start("other")
    opened = (await coop.desk.propose(action="admit", college="workers", peer=other.peer))["proposal"]
    assert (await coop.desk.community(everything=True))["proposals"][-1]["standing"] == "passed"  # any worker admits
    amended = (await coop.desk.propose(action="amend-charter", file=BEGINNING.replace("River", "Sea")))["proposal"]
    await ben.desk.vote(proposal=amended, choice="no")
    size = coop.home.first.log.size
    with pytest.raises(Conflict, match="has voted"):
        await ben.desk.vote(proposal=amended, choice="yes")
    with pytest.raises(Gone):
        await ben.desk.vote(proposal=opened, choice="yes")
    with pytest.raises(NotFound):
        await ben.desk.vote(proposal=0, choice="yes")
    seat = context.seat(ben.desk.context, None)
    for lie, kind in (
        ({"commons": other.home.first.commons}, NotFound), ({"time": int(time.time()) - 3600}, Malformed),
    ):  # fmt: skip
        digest = sha256(coop.home.first.log.entry(amended)).digest()
        said: dict[str, Any] = {"commons": seat.commons, "proposal": digest, "choice": "yes", "reason": "",
                                "time": int(time.time())}  # fmt: skip
        with pytest.raises(kind):
            await send(ben.desk.context, seat, proposals.VOTE, Vote(**{**said, **lie}))
    statement = envelope.sign(proposals.VOTE, Vote(**said), seats["cleo"].home.keys.identity)
    first = await coop.node.at().registrar.govern(statement)
    assert await coop.node.at().registrar.govern(statement) == first  # replayed: the same entry, and no other
    broken = statement[:-1] + bytes([statement[-1] ^ 1])
    with pytest.raises(Untrue):
        await coop.node.at().registrar.govern(broken)
    assert coop.home.first.log.size == size + 1


async def test_what_was_decided_and_not_yet_logged_is_logged_at_the_next_start(
    gather: Gather, start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await gather(ben="workers")
    coop, asker = seats["coop"], await start("asker")
    reference = await coop.publish(folder, access="vote")
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "copy", coop.address)
    asked = (await coop.desk.requests())["requests"][0]["request"]

    async def crash(log: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("commons.community.voting.settle", crash)
        opened = coop.desk.propose(action="grant", target=asked)
        with pytest.raises(KeyboardInterrupt):
            await opened
        index = coop.home.first.log.size - 1
        with pytest.raises(KeyboardInterrupt):
            await coop.node.at().registrar.govern(
                envelope.sign(
                    proposals.VOTE,
                    Vote(
                        commons=coop.home.first.commons,
                        proposal=sha256(coop.home.first.log.entry(index)).digest(),
                        choice="yes",
                        reason="",
                        time=int(time.time()),
                    ),
                    seats["ben"].home.keys.identity,
                )
            )
    assert coop.home.first.log.state.accesses[asked].outcome == "pending"
    from commons.community import voting

    await voting.settle(coop.home.first.log)  # as a node does when it starts
    assert coop.home.first.log.state.accesses[asked].outcome == "grant"
    await asker.fetch(reference, tmp_path / "copy", coop.address)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"action": "set-rule"}, "needs --dataset and --access"), ({"action": "grant"}, "needs --entry"),
        ({"action": "set-rule", "access": "members"}, "needs --dataset$"),
        ({"action": "set-rule", "dataset": "x", "access": "public"}, "can be voted: 'public'"),
        ({"action": "set-rule", "dataset": "x", "access": "allow-list"}, "can be voted"),
        ({"action": "refuse", "target": 1, "expires": 5}, "takes no --until"), ({"action": "sing"}, "to decide"),
        ({"action": "grant", "target": 1, "dataset": "x"}, "takes no --dataset"),
        ({"action": "admit", "college": "workers"}, "needs --peer"), ({"action": "amend-charter"}, "needs --file"),
    ],
)  # fmt: skip
async def test_a_proposal_that_lacks_an_option_names_it(start: Start, words: dict[str, Any], why: str) -> None:
    coop = await start("coop", charter=BEGINNING, listen=())
    with pytest.raises(Malformed, match=why) as caught:
        await coop.desk.propose(**words)
    assert "public" not in caught.value.hint
    assert coop.home.first.log.size == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "no TOML"), ("name = 5", "a text belongs"), ('name = "x"\nregistrar = "me"', "no 'registrar'"),
        ('name = "x"', "registrar is a member"), ('name = "x"\n[colleges]\nworkers = ["ana"]', "peer"),
        ('name = "x"\n[colleges]\nworkers = "me"', "where a list belongs"),
        ('name = "x"\n[colleges]\nworkers = ["me"]\n[powers.admit]\nrule = "r"\ndays = 1.5', "whole number"),
        ('name = "x"\n[colleges]\nworkers = ["me"]\n[powers.sing]\nrule = "quorum none"', "not something to decide"),
        ('name = "x"\n[colleges]\nworkers = ["me"]\n[powers.admit]\nrule = "group a 2 *workers\\nquorum a"', "ever"),
        ('name = "x"\n[colleges]\nworkers = ["me"]\n[powers.admit]\ndays = 3', "rule"),
        (CHARTER, "nobody could ever decide to grant"),
    ],
)  # fmt: skip
def test_a_charter_that_is_none_is_refused_with_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    from commons.community.charter import founding
    from commons.disk import home

    with pytest.raises(Malformed, match=why):
        home.create(tmp_path / "coop", founding(text, 1), {})
    assert not (tmp_path / "coop" / "config.json").exists()
