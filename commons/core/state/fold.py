"""The fold: what the log's entries, in order, make true. Nothing about rights lives anywhere else.

`apply` raises and changes nothing when an entry breaks the rules in force before it; a registrar refuses to append such
an entry, an auditor reports it as a fault and goes on. Each entry is judged by the rules that were in force in front of
it; where these are of a number that is not known here, nothing is judged any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping, MutableSet, Sequence
from dataclasses import dataclass, field, replace

from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.dataset.rule import Rule, check_member
from commons.core.state import entries, rules, transfer
from commons.core.state.charter import Charter, check_founding, custodians, custodians_digest
from commons.core.state.community import Community, CommunityRest
from commons.core.state.entries import (
    Decision,
    Dropped,
    Entry,
    Governance,
    Publish,
    Receipt,
    Redaction,
    Request,
    Stamp,
    Unknown,
)
from commons.core.state.proposals import Join, LaterRules, Proposal, Vote
from commons.core.state.tables import MEMORY, Tables
from commons.core.state.transfer import Succession, Tenure
from commons.core.tlog import cosignature
from commons.core.tlog.checkpoint import Checkpoint
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.errors import CommonsError, Conflict, Gone, Malformed, NotFound, Pending, Refused, StorageFailed, Untrue

Tally = tuple[int, int]
SLOW = 600  # seconds that a member's clock may be behind the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """`rule` is in force by the entry `basis`: the publish entry itself, or what the members decided since."""

    index: int
    publisher: str
    entry: Publish
    rule: Rule
    basis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One request and what became of it. `decision`, the last one, `receipt` and `dropped` are entry indices."""

    index: int
    entry: Request
    decision: int | None = None
    outcome: str = "pending"
    reason: str = ""
    expires: int | None = None
    decided: int | None = None
    receipt: int | None = None
    dropped: int | None = None

    @property
    def last(self) -> int:
        """The last entry that says something of it."""
        return max(self.index, *(n or 0 for n in (self.decision, self.receipt, self.dropped)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRest:
    """What of a State stands in no table."""

    size: int
    time: int
    attested: int
    commons: str | None
    community: CommunityRest | None


@dataclass(slots=True)
class State:
    """What the entries have made true by now, how the next one changes it, and what can be asked of it. `known` are the
    numbers of the rules by which it can judge."""

    known: frozenset[int] = field(default_factory=lambda: rules.KNOWN)
    size: int = 0
    time: int = 0
    community: Community | None = None
    commons: Cid | None = None
    tables: Tables = field(default=MEMORY, repr=False, compare=False)
    datasets: MutableMapping[str, Published] = field(init=False)
    series: MutableMapping[bytes, str] = field(init=False)  # to the manifest of the newest version
    epochs: MutableMapping[bytes, int] = field(init=False)  # the least epoch of the next version
    accesses: MutableMapping[int, Access] = field(init=False)  # by the entry of the request
    tally: MutableMapping[str, Tally] = field(init=False)  # receipts by dataset; of these, dropped
    redacted: MutableMapping[int, int] = field(init=False)  # entry to redaction entry
    governed: MutableSet[bytes] = field(init=False)  # SHA-256 of each proposal, ballot, joining and succession
    attested: int = 0  # the end of what rests on the registrar's signature: what follows, members signed themselves

    def __post_init__(self) -> None:
        self.datasets = self.tables.rows("datasets", Published, lambda known: known.index)
        self.series, self.epochs = self.tables.rows("series", str), self.tables.rows("epochs", int)
        self.accesses = self.tables.rows("accesses", Access)
        self.tally, self.redacted = self.tables.rows("tally", Tally), self.tables.rows("redacted", int)
        self.governed = self.tables.names("governed")

    @classmethod
    def restored(cls, rest: StateRest, tables: Tables) -> State:
        """The one of which this is the rest, and these are the tables."""
        state = cls(tables=tables)
        state.size, state.time, state.attested = rest.size, rest.time, rest.attested
        state.commons = Cid(rest.commons) if rest.commons is not None else None
        state.community = Community.restored(rest.community, tables) if rest.community is not None else None
        return state

    def rest(self) -> StateRest:
        """What of it stands in no table."""
        return StateRest(
            size=self.size, time=self.time, attested=self.attested, commons=self.commons,
            community=self.community.rest() if self.community else None,
        )  # fmt: skip

    # -- entries ------------------------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> None:
        """Nothing: takes the next entry. Malformed, Refused, Conflict, Untrue or Outdated for one that breaks the
        rules; then `size` alone has grown."""
        index = self.size
        self.size += 1
        self.check_known()
        if (index == 0) != (isinstance(entry, Opened) and isinstance(entry.value, Charter)):
            raise Malformed("the charter is the first entry of a log, and only that")
        value = entry.value if isinstance(entry, Opened) else entry
        own, heir = isinstance(value, Proposal | Vote | Join), self.community.heir if self.community else None
        if heir is not None and not own and not isinstance(value, Succession):
            raise Conflict(
                f"the members have chosen {heir.peer} to keep this log, and it waits for that one",
                hint="ask there: `commons community follow ADDRESS`",
            )
        if isinstance(entry, Unknown) or isinstance(value, Unknown):
            self.attested = self.size
            return
        if (
            isinstance(entry, Opened) and self._renumbers(value) is not None
        ):  # who knows of no numbers passes over it: it moves nothing else
            self._govern(index, entry, max(value.time, self.time))
            self.attested = self.attested if own else self.size
            return
        # members date what they sign by clocks of their own; the registrar dates the rest, one after the other
        slack = SLOW if isinstance(value, Publish) else 0
        floor = self.community.chosen if self.community and isinstance(value, Succession) else self.time - slack
        if not own and value.time < floor:
            raise Untrue(f"entry {index} is dated before the entry in front of it")
        if isinstance(entry, Opened):
            self._govern(index, entry, max(value.time, self.time))
        elif isinstance(entry, Request):
            self._request(index, entry)
        elif isinstance(entry, Decision):
            self._decide(index, entry)
        elif isinstance(entry, Receipt | Dropped):
            self._receive(index, entry)
        elif isinstance(entry, Stamp):
            self._stamp(index, entry)
        else:
            self._redact(index, entry)
        # a registrar whose clock ran ahead ends no log: whom the members chose begins by a clock of their own
        self.time = value.time if isinstance(value, Succession) else max(value.time, self.time)
        if not own:
            self.attested = self.size

    def take(self, data: bytes) -> CommonsError | None:
        """What is wrong with the next entry of a log that others keep, None if nothing is. A faulty one gives nobody a
        right, and the log goes on."""
        index = self.size
        try:
            self.apply(entries.decode(data))
        except StorageFailed:  # of where its tables are: no fault of the entry
            raise
        except CommonsError as error:
            self.size = index + 1
            return error
        return None

    def _govern(self, index: int, entry: Governance, now: int) -> None:
        value = entry.value
        if isinstance(value, Charter):
            if entry.signer not in value.members:
                raise Refused("a charter is signed by one of its members")
            self.community, self.commons = Community(check_founding(value), self.tables), ids.cid(entry.data)
            return
        if self.community is None:
            raise Malformed("there is no charter in front of this entry")
        if value.commons != self.commons:
            raise Conflict(f"this was written for {value.commons}, another commons")
        if isinstance(value, Publish):
            self._publish(index, entry.signer, value)
            return
        digest = hashlib.sha256(entry.data).digest()
        if digest in self.governed:
            raise Conflict("this statement is in the log already", hint="one statement makes one entry")
        if isinstance(value, Proposal):
            self.community.propose(index, entry.signer, value, digest, now, self)
        elif isinstance(value, LaterRules):
            self.community.propose(index, entry.signer, value.proposal, digest, now, self, value.rules)
        elif isinstance(value, Vote):
            self.community.vote(index, entry.signer, value, now, self)
        elif isinstance(value, Join):
            self.community.join(index, entry.signer, value, now)
        else:
            self.community.succeed(index, entry.signer, value, self.attested, f"commons/{self.commons}")
        self.governed.add(digest)
        self._change(index, self.community)

    def _stamp(self, index: int, entry: Stamp) -> None:
        if self.community is None:
            raise Malformed("there is no charter in front of this entry")
        asked = cosignature.quorum(self.community.charter.witnesses)
        head, _ = cosignature.open(entry.head, transfer.signer(entry.head, self.keeper.name, self.tenures), asked)
        if (size := head.checkpoint.size) > index:
            raise Untrue(f"the head in front of entry {index} has {size} entries")
        self.community.stamp(index, head, self)
        self._change(index, self.community)

    def _change(self, index: int, community: Community) -> None:
        """What has passed at this entry and is about datasets."""
        for said in community.changed:
            if said.dataset is not None:
                self._withdraw(index, self.datasets[said.dataset].entry, community.withdrawn)
            elif said.series is not None:
                key = (said.series, self.datasets[self.series[said.series]].entry.epoch)
                for cid, known in self.datasets.items():  # older versions too, whose key is the same
                    if (known.entry.series, known.entry.epoch) == key:
                        self.datasets[cid] = replace(known, rule=community.rules[said.series], basis=index)
        community.changed = []

    def _withdraw(self, index: int, entry: Publish, withdrawn: MutableMapping[str, int]) -> None:
        """With a dataset, other versions under the same key go too, and the next one gets another key."""
        for cid, known in self.datasets.items():
            if (known.entry.series, known.entry.epoch) == (entry.series, entry.epoch):
                withdrawn.setdefault(cid, index)
        self.epochs[entry.series] = max(self.epochs[entry.series], entry.epoch + 1)

    def check_publish(self, signer: str, value: Publish) -> None:
        """Nothing; what `apply` would raise if `signer` added this entry now, but for its commons and its date."""
        if self.community is None or signer not in self.community.members:
            raise Refused(f"{signer} is no member of this commons and cannot publish in it")
        self.check_new(value.manifest)
        newest = self.series.get(value.series)
        if newest is not None and self.datasets[newest].publisher != signer:
            raise Refused("a series is continued by who began it")
        last = self.datasets[newest].entry.version if newest else 0
        if value.version != last + 1:
            raise Conflict(f"version {value.version} does not follow version {last} of this series")
        self.check_rule(value.series, value.rule)
        needed = self.epoch_for(value.series, value.terms, value.rule)
        if value.epoch != needed:
            raise Conflict(
                f"this version needs key epoch {needed}, not {value.epoch}",
                hint="terms, rule or grants changed meanwhile: publish again",
            )
        if value.custodians != self.custodians(value.rule):
            raise Conflict(
                "the key of this version is not kept by those whom the members have chosen",
                hint="they changed meanwhile: publish again",
            )

    def _publish(self, index: int, signer: str, value: Publish) -> None:
        self.check_publish(signer, value)
        self.founded.check_approved(value.manifest)
        self.datasets[value.manifest] = Published(
            index=index, publisher=signer, entry=value, rule=value.rule, basis=index
        )
        self.series[value.series] = value.manifest
        self.epochs[value.series] = value.epoch

    def _request(self, index: int, entry: Request) -> None:
        known = self.published(entry.dataset)
        self.check_there(entry.dataset)
        if entry.terms != known.entry.terms or entry.epoch != known.entry.epoch:
            raise Conflict("the request names other terms than the dataset's", hint="fetch again to see its terms")
        self.accesses[index] = Access(index=index, entry=entry)

    def _decide(self, index: int, entry: Decision) -> None:
        access = self.accesses.get(entry.request)
        if access is None:
            raise NotFound(f"there is no request {entry.request}")
        known = self.datasets[access.entry.dataset]
        if entry.basis != known.basis:
            raise Untrue(f"the decision at {index} rests on entry {entry.basis}, which is not what was asked for")
        if entry.outcome == "revoke":
            if access.outcome != "grant":
                raise Conflict(f"request {entry.request} was not granted, so there is nothing to revoke")
            voted, _ = self.founded.verdicts.get(entry.request, ("", None))
            if entry.reason == "voted" and voted != "revoke":
                raise Refused(f"the members have not decided to revoke the grant of request {entry.request}")
            series = self.datasets[access.entry.dataset].entry.series
            self.epochs[series] = max(self.epochs[series], access.entry.epoch + 1)
        elif access.outcome != "pending":
            raise Conflict(f"request {entry.request} was decided at entry {access.decision}: {access.outcome}")
        elif entry.reason == "voted" or (known.rule.kind == "vote" and not self._off_purpose(access, entry)):
            voted, until = self.founded.verdicts.get(entry.request, ("", None))
            if (voted, "voted") != (entry.outcome, entry.reason) or (until and (entry.expires or until + 1) > until):
                raise Refused(
                    f"the members have not decided so about request {entry.request}",
                    hint=f"propose it: `commons community propose {entry.outcome} --entry {entry.request}`",
                )
        self.accesses[entry.request] = replace(
            access, decision=index, outcome=entry.outcome, reason=entry.reason, expires=entry.expires,
            decided=entry.time,
        )  # fmt: skip
        self.founded.unsettled.discard(entry.request)

    def _off_purpose(self, access: Access, entry: Decision) -> bool:
        """A refusal that needs no ballots: the purpose is outside the terms."""
        allowed = self.datasets[access.entry.dataset].entry.purposes
        off = bool(allowed) and access.entry.purpose not in allowed
        return off and (entry.outcome, entry.reason) == ("refuse", "purpose")

    def _receive(self, index: int, entry: Receipt | Dropped) -> None:
        access = self.accesses.get(entry.request)
        if access is None or access.outcome not in ("grant", "revoke"):
            raise NotFound(f"there is no granted request {entry.request}")
        name, dataset = "receipt" if isinstance(entry, Receipt) else "dropped", access.entry.dataset
        if name == "dropped" and dataset not in self.founded.withdrawn:
            raise Conflict(f"{dataset} is not withdrawn, so nobody is asked to drop it")
        if (there := getattr(access, name)) is not None:
            raise Conflict(f"request {entry.request} has its {name} entry already: {there}")
        access = replace(access, receipt=index) if name == "receipt" else replace(access, dropped=index)
        self.accesses[entry.request] = access
        held, dropped = self.tally.get(dataset, (0, 0))
        both = access.receipt is not None and access.dropped is not None
        self.tally[dataset] = (held + (name == "receipt"), dropped + both)

    def _redact(self, index: int, entry: Redaction) -> None:
        for target in entry.entries:
            if not 0 <= target < index:
                raise NotFound(f"there is no entry {target} to erase")
        for target in entry.entries:
            self.redacted.setdefault(target, index)

    # -- rules have a number ------------------------------------------------------------------------------------------

    @property
    def rules(self) -> int:
        """The number of the rules by which the next entry is judged."""
        return self.community.numbers[-1][1] if self.community else rules.FIRST

    def rules_at(self, size: int) -> int:
        """The number of the rules by which the entry at index `size` is judged."""
        numbers = self.community.numbers if self.community else [(0, rules.FIRST)]
        return next(number for since, number in reversed(numbers) if since < max(size, 1))

    @property
    def judged(self) -> int:
        """How many entries were judged, from the first on: all, or those before rules came into force that are not
        known here."""
        return self.size if self.rules in self.known else self.founded.numbers[-1][0] + 1

    def check_known(self, entry: Entry | None = None) -> None:
        """Nothing; Outdated where the rules in force are not known here, or those that `entry` is to put in force."""
        asked = self._renumbers(entry.value) if isinstance(entry, Opened) else None
        rules.check(max(self.rules, asked or 0), self.known)

    def check_head(self, head: Checkpoint) -> None:
        """Nothing; Untrue for a head that names other rules than those in force after its entries, as far as these were
        judged."""
        if head.size <= self.judged and head.rules != self.rules_at(head.size):
            raise Untrue(
                f"this log signs a head of {head.size} entries for rules {head.rules}, and in force are rules "
                f"{self.rules_at(head.size)}",
                hint="keep the head, and show it to the members of this commons",
            )

    def _renumbers(self, value: object) -> int | None:
        """The rules that a statement is about to put in force, or a ballot on one that is; None for anything else."""
        if isinstance(value, LaterRules):
            return value.rules
        if isinstance(value, Vote) and self.community is not None:
            return self.community.number_of(value.proposal)
        return None

    # -- what can be asked --------------------------------------------------------------------------------------------

    @property
    def charter(self) -> Charter | None:
        """The charter in force; None where the log has none yet."""
        return self.community.charter if self.community else None

    @property
    def founded(self) -> Community:
        """The community whose log it is. Untrue where it has no charter."""
        if self.community is None:
            raise Untrue("the log has no charter")
        return self.community

    @property
    def tenures(self) -> Sequence[Tenure]:
        """Who has kept this log, one after the other. Untrue where it has no charter."""
        return self.founded.tenures

    @property
    def keeper(self) -> Verifier:
        """The key under which this log is kept by now. Untrue where it has no charter."""
        return Verifier(name=f"commons/{self.commons}", public=self.tenures[-1].key)

    def check_rule(self, series: bytes, rule: Rule) -> None:
        """Nothing; raises unless the next version of a series may be published under a rule: see
        `Community.check_next`."""
        before = self.rule_of_series(series) if series in self.series else None
        self.founded.check_next(series, rule, before)

    def epoch_for(self, series: bytes, terms: bytes, rule: Rule) -> int:
        """The key epoch of the next version: a new one after a revocation, or when terms, rule or custodians change."""
        if series not in self.series:
            return 0
        newest = self.datasets[self.series[series]].entry
        said = (newest.terms, newest.rule, newest.custodians, self.datasets[self.series[series]].rule)
        return max(self.epochs[series], newest.epoch + (said != (terms, rule, self.custodians(rule), rule)))

    @property
    def custodian_policy(self) -> Policy | None:
        """Whom the members have chosen to keep their keys; None for nobody."""
        return custodians(self.community.custodians) if self.community else None

    def custodians(self, rule: Rule) -> bytes | None:
        """SHA-256 of the policy by which the key of a dataset under this rule has to be shared now; None for nobody."""
        return custodians_digest(self.founded.custodians) if rule.kind != "public" else None

    def rule(self, request: int) -> Rule:
        """The rule in force for the dataset that a request is about. NotFound."""
        return self.datasets[self.access(request).entry.dataset].rule

    def rule_of_series(self, series: bytes) -> Rule:
        """The rule in force for a series of versions. NotFound where none is published."""
        if series not in self.series:
            raise NotFound("no dataset of this series is published in this commons")
        return self.datasets[self.series[series]].rule

    def check_target(self, action: str, request: int) -> None:
        """Nothing; NotFound, Gone or Conflict where members cannot do `action` to a request."""
        access = self.access(request)
        if action == "open-identity":
            if request in self.redacted:
                raise Gone(f"request {request} was erased at entry {self.redacted[request]}")
        elif action == "revoke":
            self.check_granted(request)
        elif access.outcome != "pending":
            raise Conflict(f"request {request} is decided already: {access.outcome}")
        elif self.rule(request).kind != "vote":
            raise Conflict(f"request {request} is not for the members to decide: the rule is {self.rule(request)}")

    def check_granted(self, request: int) -> None:
        """Nothing; Conflict where a request was not granted, and nothing can be revoked; Gone where it was erased."""
        if self.access(request).outcome != "grant":
            raise Conflict(f"request {request} was not granted, so there is nothing to revoke")
        if request in self.redacted:
            raise Gone(f"request {request} was erased at entry {self.redacted[request]}")

    def published(self, cid: str) -> Published:
        """What the log says of the dataset with this CID. NotFound unless it is in this commons."""
        if cid not in self.datasets:
            raise NotFound(f"{cid} is not published in this commons")
        return self.datasets[cid]

    def check_new(self, cid: str) -> None:
        """Nothing; Conflict where the dataset is in this commons already."""
        if cid in self.datasets:
            raise Conflict(f"{cid} is published already", hint="nothing to do")

    def check_there(self, cid: str) -> None:
        """Nothing; Gone where the community has withdrawn the dataset."""
        if cid in (gone := self.founded.withdrawn):
            raise Gone(f"{cid} was withdrawn by its community at entry {gone[cid]}")

    def check_still(self, access: Access, requester: str) -> None:
        """Nothing; Gone or Refused for what the members have decided since a grant: they withdrew the dataset, or
        expelled the requester where the rule is for members."""
        self.check_there(access.entry.dataset)
        rule = self.rule(access.index)
        if rule.kind == "members":
            check_member(rule, self.founded.colleges_of(requester))

    def access(self, index: int) -> Access:
        """The request at entry `index`, and what became of it. NotFound."""
        if index not in self.accesses:
            raise NotFound(f"there is no request {index}", hint="`commons requests --all` lists them")
        return self.accesses[index]

    def granted(self, index: int, now: int) -> Access:
        """The access at `index` if its key may be released at `now`: Pending, Refused, Gone or Outdated otherwise."""
        self.check_known()
        access = self.access(index)
        if index in self.redacted:
            raise Gone(f"request {index} was erased at entry {self.redacted[index]}", hint="ask again")
        if access.outcome == "pending" or access.decision is None:
            raise Pending(f"request {index} waits for a decision", hint="fetch again later; nothing has to be repeated")
        if access.outcome != "grant":
            said = "revoked" if access.outcome == "revoke" else "refused"
            raise Refused(f"request {index} was {said} at entry {access.decision}: {access.reason}")
        if access.expires is not None and now >= access.expires:
            raise Gone(
                f"the grant of request {index} has expired", hint="ask again: `commons fetch` makes a new request"
            )
        return access
