"""The part of the fold that is about people: colleges, powers, proposals and what the ballots make of them.

Nobody closes a vote. A proposal passes at the ballot that fulfils its rule, and is rejected at the one after which the
rule cannot be fulfilled any more; its effect, and the rule it was judged by, are those of that entry. Where the charter
asks for witnesses, their clocks say whether that ballot was in time: it takes effect at the Stamp that shows it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, MutableSet, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from commons.core.dataset.rule import Rule, as_wide
from commons.core.dataset.terms import DAY
from commons.core.state import proposals, rules, transfer
from commons.core.state.ballot import Ballot, World
from commons.core.state.charter import Charter, College, Colleges, check_amendment, check_livable, expand, rule_of
from commons.core.state.proposals import Join, Proposal, Vote
from commons.core.state.tables import MEMORY, Tables
from commons.core.state.transfer import Succession, Tenure
from commons.core.tlog import cosignature
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.errors import CommonsError, Conflict, Gone, Malformed, NotFound, Pending, Refused, StorageFailed

OPEN = 50  # proposals of one member
Verdict = tuple[str, int | None]
ANSWERS = ("grant", "refuse", "revoke")  # what is decided about a request
UNTIMED = (
    "amend-charter",
    "change-registrar",
)  # what witnesses or a registrar that are gone must not be able to hold up


class Members:
    """Who is in which college; somebody may be in several. `colleges` holds the members of each, sorted."""

    def __init__(self, colleges: Colleges) -> None:
        self.colleges: Colleges = {}
        self._where: dict[str, tuple[str, ...]] = {}  # the colleges of each member
        self.arrange(colleges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Members) and self.colleges == other.colleges

    @property
    def members(self) -> Collection[str]:
        """The peer ids of all who are in a college, each once."""
        return self._where.keys()

    def colleges_of(self, peer: str) -> tuple[str, ...]:
        """The names of the colleges that a peer is in, sorted."""
        return self._where.get(peer, ())

    def arrange(self, colleges: Colleges) -> None:
        """Nothing: these are the colleges from now on."""
        for name in {*self.colleges, *colleges}:
            before, after = self.colleges.get(name, ()), colleges.get(name, ())
            if before is not after:
                for peer in {*before} - {*after}:
                    left = tuple(each for each in self._where[peer] if each != name)
                    self._where.pop(peer) if not left else self._where.update({peer: left})
                for peer in {*after} - {*before}:
                    self._where[peer] = tuple(sorted((*self._where.get(peer, ()), name)))
        self.colleges = colleges

    def tally(self, peers: Iterable[str]) -> dict[str, int]:
        """How many of these peers are in each college.

        >>> Members({"farmers": ("ana", "ben"), "millers": ("ben",)}).tally(["ben", "cleo"])
        Counter({'farmers': 1, 'millers': 1})
        """
        return Counter(college for peer in peers for college in self.colleges_of(peer))

    def enter(self, college: str, peer: str) -> None:
        """Nothing: a peer that is not in it becomes a member of a college."""
        peers = self.colleges[college]
        at = bisect_left(peers, peer)
        self.colleges = {**self.colleges, college: (*peers[:at], peer, *peers[at:])}
        self._where[peer] = tuple(sorted((*self.colleges_of(peer), college)))

    def without(self, college: str, peer: str) -> Colleges:
        """The colleges as they would be without this peer in that one."""
        return {**self.colleges, college: tuple(each for each in self.colleges[college] if each != peer)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityRest:
    """What of a community stands in no table."""

    charter: Charter
    colleges: Colleges
    tenures: tuple[Tenure, ...]
    quorums: tuple[tuple[int, str], ...]
    numbers: tuple[tuple[int, int], ...]
    heir: Proposal | None
    chosen: int
    counted: tuple[int, ...]
    opened: tuple[int, ...]
    custodians: str
    unsettled: tuple[int, ...]


class Community:
    """The people of a commons and what they decide, by its charter and the entries after it; `world` is what the rest
    of the fold knows. `charter` is the one in force; `tenures` who has kept the log under which key, the last now;
    `quorums` whose cosignatures are asked for, by the entries from which they are; `numbers` by which rules the entries
    after those are judged."""

    def __init__(self, charter: Charter, tables: Tables = MEMORY) -> None:
        self.people = Members(charter.listed())
        self.charter = charter
        self.tenures = [Tenure(since=0, registrar=charter.registrar, key=charter.log_key)]
        self.quorums = [(0, charter.witnesses)]
        self.numbers = [(0, rules.FIRST)]
        self.heir: Proposal | None = None  # who was chosen to keep the log, and has not taken it over yet
        self.chosen = 0  # when, by the clocks of those who chose
        self.ballots: MutableMapping[int, Ballot] = tables.rows("ballots", Ballot)  # by entry
        self.changed: list[Proposal] = []  # about datasets, passed at this entry: for the rest of the fold
        self._counted: list[int] = []  # ballots that wait for a stamp, in the order in which they got their votes
        self._open: dict[int, None] = {}  # those that wait for ballots
        self.custodians = charter.custodians
        self.rules: MutableMapping[bytes, Rule] = tables.rows("rules", Rule)  # by series, as they were voted
        self.unsettled: set[int] = set()  # of these, what the log has no decision of yet
        self.approved: MutableSet[str] = tables.names(
            "approved"
        )  # datasets that may be published, where members decide about that
        self.withdrawn: MutableMapping[str, int] = tables.rows("withdrawn", int, lambda index: index)  # datasets
        # by request: grant or refuse, and when it ends
        self.verdicts: MutableMapping[int, Verdict] = tables.rows("verdicts", Verdict)
        self.shown: MutableMapping[int, int] = tables.rows("shown", int)  # requests whose identity was opened, and when
        self._numbers: MutableMapping[bytes, int] = tables.rows("proposals", int)  # proposals by digest

    @classmethod
    def restored(cls, rest: CommunityRest, tables: Tables) -> Community:
        """The one of which this is the rest, and these are the tables."""
        made = cls(rest.charter, tables)
        made.people = Members(rest.colleges)
        made.tenures, made.quorums, made.numbers = [*rest.tenures], [*rest.quorums], [*rest.numbers]
        made.heir, made.chosen, made.custodians = rest.heir, rest.chosen, rest.custodians
        made._counted, made._open, made.unsettled = [*rest.counted], dict.fromkeys(rest.opened), {*rest.unsettled}
        return made

    def rest(self) -> CommunityRest:
        """What of it stands in no table."""
        return CommunityRest(
            charter=self.charter, colleges=self.colleges, tenures=tuple(self.tenures), quorums=tuple(self.quorums),
            numbers=tuple(self.numbers), heir=self.heir, chosen=self.chosen, counted=tuple(self._counted),
            opened=tuple(self._open), custodians=self.custodians, unsettled=tuple(sorted(self.unsettled)),
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Community) and _public(self) == _public(other)

    @property
    def colleges(self) -> Colleges:
        """The members of each, sorted."""
        return self.people.colleges

    @property
    def members(self) -> Collection[str]:
        """The peer ids of all members, each once."""
        return self.people.members

    def colleges_of(self, peer: str) -> tuple[str, ...]:
        """The names of the colleges that a peer is in, sorted."""
        return self.people.colleges_of(peer)

    @property
    def counted(self) -> Mapping[int, Ballot]:
        """Those that wait for a stamp."""
        return {index: self.ballots[index] for index in self._counted}

    def waiting(self) -> list[Ballot]:
        """Those that wait for ballots, or for a stamp, as they were proposed."""
        return [self.ballots[index] for index in sorted({*self._open, *self._counted})]

    def _opened(self) -> Iterator[Ballot]:
        return (self.ballots[index] for index in self._open)

    def _keep(self, ballot: Ballot) -> Ballot:
        self.ballots[ballot.index] = ballot
        return ballot

    # -- entries ------------------------------------------------------------------------------------------------------

    def propose(
        self, index: int, signer: str, entry: Proposal, digest: bytes, now: int, world: World, number: int | None = None
    ) -> None:
        """Nothing: takes a member's proposal, with their own yes; `number` is that of the later rules that it would put
        in force. Refused, Malformed, Conflict, NotFound."""
        if signer not in self.members:
            raise Refused(f"{signer} is no member of this commons and cannot propose anything in it")
        if entry.action == "change-registrar" and entry.peer != signer:
            raise Refused(f"who is to keep the log offers it: only {entry.peer} has the key that is named")
        self._check(entry, number, world)
        rule, days = rule_of(self.charter.powers, entry.action, self.colleges)
        if entry.action in ANSWERS:
            known = world.rule(entry.target or 0)
            college = known.college if known.kind == "vote" else None
            rule = f"group any any *{college}\nquorum any\n" if college else rule
        ballot = Ballot(
            index=index,
            digest=digest,
            proposer=signer,
            entry=entry,
            rule=rule,
            deadline=now + days * DAY,
            dated=entry.time,
            number=number,
            votes={signer: "yes"},
        )
        asked = self._policy(ballot).crowds()
        if entry.action in ANSWERS and not asked.keys() & set(self.colleges_of(signer)):
            raise Refused(f"{signer} is not among those who decide about this")
        alike = [each for each in self._opened() if (each.number is None) == (number is None)]
        if sum(each.proposer == signer and now <= each.deadline for each in alike) >= OPEN:
            raise Conflict(f"{signer} has {OPEN} proposals open", hint="wait until some are decided")
        if number is None:
            self._expire(now)
        self._open[index] = None
        self._numbers[digest] = index
        self._judge(self._keep(ballot), index, world)

    def vote(self, index: int, signer: str, entry: Vote, now: int, world: World) -> None:
        """Nothing: takes a member's ballot, which is cast once. Refused, NotFound, Conflict; Gone after the end."""
        if signer not in self.members:
            raise Refused(f"{signer} is no member of this commons and cannot vote in it")
        ballot = self.ballot(self._numbers.get(entry.proposal, -1))
        if ballot.standing != "open" or now > ballot.deadline:
            standing = ballot.standing if ballot.standing != "open" else "expired"
            closed = "" if ballot.closed is None else f" at entry {ballot.closed}"
            raise Gone(f"proposal {ballot.index} is {standing}{closed}", hint="nothing is left to decide")
        if signer in ballot.votes:
            raise Conflict(f"{signer} has voted on proposal {ballot.index} already", hint="a ballot is cast once")
        if ballot.number is None:
            self._expire(now)
        votes, reasons = {**ballot.votes, signer: entry.choice}, ballot.reasons
        if entry.reason:
            reasons = {**reasons, signer: entry.reason}
        cast = replace(ballot, votes=votes, reasons=reasons, dated=max(ballot.dated, entry.time))
        self._judge(self._keep(cast), index, world)

    def join(self, index: int, signer: str, entry: Join, now: int) -> None:
        """Nothing: `signer` takes an invitation, and is a member. NotFound, Gone, Conflict, Malformed."""
        ballot = self.ballot(entry.invitation)
        said, college = ballot.entry, ballot.entry.college or ""
        if ballot.standing == "counted":
            raise Pending(f"invitation {entry.invitation} waits for the witnesses of its log", hint="try again later")
        if said.key is not None and ballot.standing == "open":
            raise Pending(f"the members have still to decide about invitation {entry.invitation}", hint="try later")
        if said.key is None or ballot.standing != "passed":
            raise NotFound(f"proposal {entry.invitation} is no invitation that holds", hint="ask for a new one")
        if ballot.taken is not None or now >= (said.expires or 0):
            raise Gone("this invitation was taken, closed, or has expired", hint="ask for a new one")
        if college not in self.colleges:
            raise Gone(f"there is no college {college} any more", hint="ask for a new invitation")
        if college in self.colleges_of(signer):
            raise Conflict(f"{signer} is in {college} already")
        proposals.check_taking(entry, said.key, signer)
        self._expire(now)
        self._keep(replace(ballot, taken=index))
        self.people.enter(college, signer)

    def succeed(self, index: int, signer: str, entry: Succession, least: int, origin: str) -> None:
        """Nothing: the registrar whom the members chose takes the log over, from a head with at least `least` entries.
        Refused, Untrue."""
        said = self.heir
        if said is None or signer != said.peer:
            raise Refused(f"the members have not chosen {signer} to keep this log")
        key, following = said.log_key or b"", said.next_key or b""
        log = Verifier(name=origin, public=self.charter.log_key)
        base = transfer.check_head(entry, log, self.quorums, least, index)
        self.charter = replace(self.charter, registrar=signer, log_key=key, next_key=following)
        self.tenures.append(Tenure(since=index, registrar=signer, key=key, base=base))
        self.heir = None

    def number_of(self, proposal: bytes) -> int | None:
        """The number of the rules that the proposal of this digest puts in force; None where it puts none."""
        known = self._numbers.get(proposal)
        return None if known is None else self.ballots[known].number

    def ballot(self, index: int) -> Ballot:
        """The proposal at entry `index`, and what became of it. NotFound where there is none."""
        if index not in self.ballots:
            what = f"entry {index} is no proposal" if index >= 0 else "this log has no such proposal"
            raise NotFound(what, hint="`commons community status` lists them")
        return self.ballots[index]

    # -- what ballots make --------------------------------------------------------------------------------------------

    def _expire(self, now: int, but: Sequence[str] = ()) -> None:
        late = [each for each in self._opened() if now > each.deadline and each.entry.action not in but]
        for ballot in late:
            self._keep(replace(ballot, standing="expired"))
            del self._open[ballot.index]

    def missing(self, ballot: Ballot) -> str:
        """What the proposal still lacks to pass, in words ("1 more of farmers")."""
        return self._policy(ballot).missing((), self.people.tally(ballot.who("yes")))

    def silent(self, ballot: Ballot) -> list[str]:
        """The peer ids, sorted, of those who are asked about a proposal and have not voted."""
        asked = {peer for college in self._policy(ballot).crowds() for peer in self.colleges[college]}
        return sorted(asked - set(ballot.votes))

    def _policy(self, ballot: Ballot) -> Policy:
        return expand(ballot.rule, self.colleges)

    def _judge(self, ballot: Ballot, index: int, world: World) -> None:
        self._count(ballot, index, world)
        if self.ballots[ballot.index].standing != "open":
            del self._open[ballot.index]

    def _count(self, ballot: Ballot, index: int, world: World) -> None:
        try:
            rule = self._policy(ballot)
        except Malformed as error:  # the colleges have changed, and too few are left
            self._keep(replace(ballot, standing="void", closed=index, why=error.message))
            return
        if rule.met((), self.people.tally(ballot.who("yes"))):
            if ballot.entry.action not in UNTIMED and cosignature.quorum(self.charter.witnesses).quorum is not None:
                self._keep(replace(ballot, standing="counted", met=index))
                self._counted.append(ballot.index)
            else:
                self._pass(ballot, index, world)
        elif not rule.open((), self.people.tally(ballot.who("no") | ballot.who("abstain"))):
            self._keep(replace(ballot, standing="rejected", closed=index))

    def _pass(self, ballot: Ballot, index: int, world: World) -> None:
        passed = self._keep(replace(ballot, standing="passed", closed=index))
        try:
            self._check(ballot.entry, ballot.number, world)
            self._effect(ballot, index)
        except StorageFailed:
            raise
        except CommonsError as error:  # another proposal was faster
            self._keep(replace(passed, standing="void", why=error.message))
        if cosignature.quorum(self.charter.witnesses).quorum is None:  # nobody is left to stamp them
            while self._counted:
                self._pass(self.ballots[self._counted.pop(0)], index, world)

    def stamp(self, index: int, head: Signed, world: World) -> None:
        """Nothing: the witnesses of the charter have seen a head of this log. What was decided in it takes effect, if
        they saw it by the deadline; what is open, and past its deadline by the least of their times, has expired.
        Refused."""
        late, least = cosignature.seen(head, cosignature.quorum(self.charter.witnesses))
        for waiting in [each.index for each in self.counted.values() if (each.met or 0) < head.checkpoint.size]:
            self._counted.remove(waiting)
            ballot = self.ballots[waiting]
            if late <= ballot.deadline:
                self._pass(ballot, index, world)
            else:
                why = f"the witnesses saw its votes at {late}, and it ended at {ballot.deadline}"
                self._keep(replace(ballot, standing="expired", closed=index, why=why))
        self._expire(least, but=UNTIMED)

    def _check(self, said: Proposal, number: int | None, world: World) -> None:
        """Whether it could be done now."""
        if number is not None and number <= (last := self.numbers[-1][1]):
            raise Refused(f"rules are never taken back: this commons goes by rules {last}, and this asks for {number}")
        if said.college is not None:
            self._check_college(said.college)
        if said.action == "admit" and said.college in self.colleges_of(said.peer or ""):
            raise Conflict(f"{said.peer} is in {said.college} already")
        if said.action == "expel":
            if said.college not in self.colleges_of(said.peer or ""):
                raise NotFound(f"{said.peer} is not in {said.college}")
            left = self.people.without(said.college or "", said.peer or "")
            if self.charter.registrar not in {peer for peers in left.values() for peer in peers}:
                raise Conflict("the registrar keeps the log, and stays a member")
            check_livable(self.charter.powers, left)
        if said.action == "close-invitation":
            ballot = self.ballot(said.target or 0)
            if ballot.entry.key is None or ballot.taken is not None:
                raise Conflict(f"proposal {said.target} is no invitation that could be closed")
        if said.charter is not None:
            check_amendment(self.charter, said.charter, self.custodians, self._merged(said.charter))
        if said.action == "change-registrar":
            self.check_offer(said)
        if said.action in (*ANSWERS, "open-identity"):
            world.check_target(said.action, said.target or 0)
            before = self.verdicts.get(said.target or 0, ("", None))[0]
            if said.action != "open-identity" and before in (("revoke",) if said.action == "revoke" else ANSWERS):
                raise Conflict(f"the members have decided about request {said.target} already")
        if said.action == "open-identity" and (shown := self.shown.get(said.target or 0)) is not None:
            raise Conflict(f"the identity of request {said.target} was opened at entry {shown}")
        if said.action == "publish":
            self._check_offered(said.dataset or "", world)
        elif said.dataset is not None:
            world.published(said.dataset)
            if said.dataset in self.withdrawn:
                raise Conflict(f"{said.dataset} was withdrawn at entry {self.withdrawn[said.dataset]} already")
        if said.rule is not None:
            self.check_rule(said.rule, world.rule_of_series(said.series or b""))

    def check_offer(self, said: Proposal) -> None:
        """Nothing; Refused unless a member could keep the log under the key that they offer."""
        if said.peer not in self.members:
            raise Refused("the registrar keeps the log, and is a member")
        if said.log_key in {each.key for each in self.tenures}:
            raise Refused("this log has had that key already: a new one signs from then on")
        if said.peer == self.charter.registrar and sha256(said.log_key or b"").digest() != self.charter.next_key:
            raise Refused("the registrar has committed to another key as the next one")

    def _check_offered(self, dataset: str, world: World) -> None:
        world.check_new(dataset)
        if not self.screened or dataset in self.approved:
            what = "any member publishes here" if not self.screened else f"{dataset} may be published already"
            raise Conflict(f"{what}, so there is nothing to decide", hint="`commons publish`")

    @property
    def screened(self) -> bool:
        """Whether the members decide about each dataset before it is published."""
        return any(power.action == "publish" for power in self.charter.powers)

    def check_approved(self, dataset: str) -> None:
        """Nothing; Refused for a dataset about which the members have still to decide."""
        if self.screened and dataset not in self.approved:
            raise Refused(
                f"the members decide what is published here, and have not decided about {dataset}",
                hint=f"`commons community propose publish --dataset commons:{dataset}`",
            )

    def check_next(self, series: bytes, rule: Rule, before: Rule | None) -> None:
        """Nothing; NotFound, Refused, or Conflict where the members have set another rule, unless the next version of a
        series may be published under `rule`. `before` is the rule of the newest version, None for a first one."""
        voted = self.rules.get(series)
        if voted is not None and voted != rule:
            raise Conflict(
                f"the members have set the rule {voted} for this series, and this version is under {rule}",
                hint=f"publish it with {voted.spoken}, or propose set-rule",
            )
        self.check_rule(rule, before)

    def check_rule(self, rule: Rule, before: Rule | None) -> None:
        """Whether a rule names a college that there is, and is as wide as a ratchet asks. NotFound, Refused."""
        if rule.college is not None:
            self._check_college(rule.college)
        if before is not None and "access" in self.charter.ratchets and not as_wide(rule, before):
            raise Refused(f"the charter lets access only be widened, and {rule} is not as wide as {before}")

    def _check_college(self, name: str) -> None:
        if name not in self.colleges:
            raise NotFound(f"no college is called {name!r}", hint=f"there are {', '.join(self.colleges)}")

    def _effect(self, ballot: Ballot, index: int) -> None:
        match said := ballot.entry:
            case Proposal(action="admit", peer=str(peer), college=str(college)):
                self.people.enter(college, peer)
            case Proposal(action="expel", peer=str(peer), college=str(college)):
                self.people.arrange(self.people.without(college, peer))
            case Proposal(action="close-invitation", target=int(target)):
                self._keep(replace(self.ballots[target], taken=index))
            case Proposal(action="set-rule", series=bytes(series), rule=Rule() as rule):
                self.rules[series] = rule
                self.changed.append(said)
            case Proposal(action="grant" | "refuse" | "revoke" as answer, target=int(target)):
                self.verdicts[target] = answer, said.expires
                self.unsettled.add(target)
            case Proposal(action="publish", dataset=str(dataset)):
                self.approved.add(dataset)
            case Proposal(action="withdraw", dataset=str(dataset)):
                self.withdrawn[dataset] = index
                self.changed.append(said)
            case Proposal(action="open-identity", target=int(target)):
                self.shown[target] = index
            case Proposal(action="change-custodians", custodians=str(custodians)):
                self.custodians = custodians
            case Proposal(action="change-registrar"):
                self.heir, self.chosen = said, ballot.dated
            case Proposal(action="amend-charter", charter=Charter() as charter):
                self.people.arrange(self._merged(charter))
                colleges = tuple(College(name=name, members=peers) for name, peers in sorted(self.colleges.items()))
                self.charter = replace(charter, colleges=colleges)
                self.quorums.append((index, charter.witnesses))
                if ballot.number is not None:
                    self.numbers.append((index, ballot.number))
        if self.heir is not None and self.heir.peer not in self.members:
            self.heir = None

    def _merged(self, new: Charter) -> Colleges:
        """The colleges of an amendment: one that stays keeps the members it has by now."""
        return {each.name: self.colleges.get(each.name, each.members) for each in new.colleges}


def _public(community: Community) -> dict[str, object]:
    """Without what is only remembered to be fast."""
    return {name: value for name, value in vars(community).items() if not name.startswith("_")}
