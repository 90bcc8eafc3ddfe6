"""What the log's entries have made true by now, and what can be asked of it. How they do is `state`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from commons.core.crypto.ids import Cid
from commons.core.dataset import rule as rules
from commons.core.dataset.rule import Rule
from commons.core.state.charter import Charter, custodians, custodians_digest
from commons.core.state.community import Community
from commons.core.state.grants import Access, Published
from commons.core.state.transfer import Tenure
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.errors import Conflict, Gone, NotFound, Pending, Refused, Untrue


@dataclass(slots=True)
class Facts:
    size: int = 0
    time: int = 0
    community: Community | None = None
    commons: Cid | None = None
    datasets: dict[str, Published] = field(default_factory=dict)
    series: dict[bytes, str] = field(default_factory=dict)  # to the manifest of the newest version
    epochs: dict[bytes, int] = field(default_factory=dict)  # the least epoch of the next version
    accesses: dict[int, Access] = field(default_factory=dict)
    tally: dict[str, tuple[int, int]] = field(default_factory=dict)  # receipts by dataset; of these, dropped
    redacted: dict[int, int] = field(default_factory=dict)  # entry to redaction entry
    governed: set[bytes] = field(default_factory=set)  # SHA-256 of each proposal, ballot, joining and succession
    attested: int = 0  # the end of what rests on the registrar's signature: what follows, members signed themselves

    @property
    def charter(self) -> Charter | None:
        """As it stands by now."""
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
        """Whether the next version of a series may be published under a rule. See `Community.check_next`."""
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
        return self.datasets[self.access(request).entry.dataset].rule

    def rule_of_series(self, series: bytes) -> Rule:
        if series not in self.series:
            raise NotFound("no dataset of this series is published in this commons")
        return self.datasets[self.series[series]].rule

    def check_target(self, action: str, request: int) -> None:
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
        """Conflict where a request was not granted, so there is nothing to revoke; Gone where it was erased."""
        if self.access(request).outcome != "grant":
            raise Conflict(f"request {request} was not granted, so there is nothing to revoke")
        if request in self.redacted:
            raise Gone(f"request {request} was erased at entry {self.redacted[request]}")

    def published(self, cid: str) -> Published:
        """NotFound unless the dataset is in this commons."""
        if cid not in self.datasets:
            raise NotFound(f"{cid} is not published in this commons")
        return self.datasets[cid]

    def check_new(self, cid: str) -> None:
        """Conflict where the dataset is in this commons already."""
        if cid in self.datasets:
            raise Conflict(f"{cid} is published already", hint="nothing to do")

    def check_there(self, cid: str) -> None:
        """Gone where the community has withdrawn the dataset."""
        if cid in (gone := self.founded.withdrawn):
            raise Gone(f"{cid} was withdrawn by its community at entry {gone[cid]}")

    def check_still(self, access: Access, requester: str) -> None:
        """What the members may have decided after a grant: Gone for what they withdrew, Refused for whom they expelled
        where the rule is for members."""
        self.check_there(access.entry.dataset)
        rule = self.rule(access.index)
        if rule.kind == "members":
            rules.check_member(rule, self.founded.colleges_of(requester))

    def access(self, index: int) -> Access:
        if index not in self.accesses:
            raise NotFound(f"there is no request {index}", hint="`commons requests --all` lists them")
        return self.accesses[index]

    def granted(self, index: int, now: int) -> Access:
        """The access at `index` if its key may be released at `now`: Pending, Refused or Gone otherwise."""
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
