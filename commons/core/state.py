"""The fold: what the log's entries, in order, make true. Nothing about rights lives anywhere else.

`apply` raises and changes nothing when an entry breaks the rules in force before it; a registrar refuses to append such
an entry, an auditor reports it as a fault and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from commons.core import ids
from commons.core.entries import Charter, Decision, Entry, Publish, Receipt, Redaction, Request, Unknown
from commons.core.envelope import Opened
from commons.core.ids import Cid
from commons.core.rules import Rule
from commons.errors import Conflict, Gone, Malformed, NotFound, Pending, Refused, Untrue


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    index: int
    publisher: str
    entry: Publish


@dataclass(slots=True, kw_only=True)
class Access:
    """One request and what became of it. `decision` is the last one, `receipt` and `decision` are entry indices."""

    index: int
    entry: Request
    decision: int | None = None
    outcome: str = "pending"
    reason: str = ""
    expires: int | None = None
    decided: int | None = None
    receipt: int | None = None


@dataclass(slots=True)
class State:
    size: int = 0
    time: int = 0
    charter: Charter | None = None
    commons: Cid | None = None
    datasets: dict[str, Published] = field(default_factory=dict)
    series: dict[bytes, str] = field(default_factory=dict)  # to the manifest of the newest version
    epochs: dict[bytes, int] = field(default_factory=dict)  # the least epoch of the next version
    accesses: dict[int, Access] = field(default_factory=dict)
    redacted: dict[int, int] = field(default_factory=dict)  # entry to redaction entry

    def apply(self, entry: Entry) -> None:
        """Take the next entry. Malformed, Refused, Conflict or Untrue; then `size` alone has grown."""
        index = self.size
        self.size += 1
        if (index == 0) != (isinstance(entry, Opened) and isinstance(entry.value, Charter)):
            raise Malformed("the charter is the first entry of a log, and only that")
        if isinstance(entry, Unknown):
            return
        value = entry.value if isinstance(entry, Opened) else entry
        if value.time < self.time:
            raise Untrue(f"entry {index} is dated before the entry in front of it")
        if isinstance(entry, Opened):
            self._govern(index, entry)
        elif isinstance(entry, Request):
            self._request(index, entry)
        elif isinstance(entry, Decision):
            self._decide(index, entry)
        elif isinstance(entry, Receipt):
            self._receive(index, entry)
        else:
            self._redact(index, entry)
        self.time = value.time

    def _govern(self, index: int, entry: Opened[Charter] | Opened[Publish]) -> None:
        value = entry.value
        if isinstance(value, Charter):
            if entry.signer not in value.members:
                raise Refused("a charter is signed by one of its members")
            self.charter, self.commons = value, ids.cid(entry.data)
            return
        if self.charter is None or entry.signer not in self.charter.members:
            raise Refused(f"{entry.signer} is no member of this commons and cannot publish in it")
        if value.manifest in self.datasets:
            raise Conflict(f"{value.manifest} is published already", hint="nothing to do")
        newest = self.series.get(value.series)
        if newest is not None and self.datasets[newest].publisher != entry.signer:
            raise Refused("a series is continued by who began it")
        last = self.datasets[newest].entry.version if newest else 0
        if value.version != last + 1:
            raise Conflict(f"version {value.version} does not follow version {last} of this series")
        needed = self.epoch_for(value.series, value.terms, value.rule)
        if value.epoch != needed:
            raise Conflict(
                f"this version needs key epoch {needed}, not {value.epoch}",
                hint="terms, rule or grants changed meanwhile: publish again",
            )
        self.datasets[value.manifest] = Published(index=index, publisher=entry.signer, entry=value)
        self.series[value.series] = value.manifest
        self.epochs[value.series] = value.epoch

    def epoch_for(self, series: bytes, terms: bytes, rule: Rule) -> int:
        """The key epoch of the next version: a new one after a revocation, or when terms or rule change."""
        if series not in self.series:
            return 0
        newest = self.datasets[self.series[series]].entry
        changed = newest.terms != terms or newest.rule != rule
        return max(self.epochs[series], newest.epoch + changed)

    def _request(self, index: int, entry: Request) -> None:
        known = self.datasets.get(entry.dataset)
        if known is None:
            raise NotFound(f"{entry.dataset} is not published in this commons")
        if entry.terms != known.entry.terms or entry.epoch != known.entry.epoch:
            raise Conflict("the request names other terms than the dataset's", hint="fetch again to see its terms")
        self.accesses[index] = Access(index=index, entry=entry)

    def _decide(self, index: int, entry: Decision) -> None:
        access = self.accesses.get(entry.request)
        if access is None:
            raise NotFound(f"there is no request {entry.request}")
        if entry.basis != self.datasets[access.entry.dataset].index:
            raise Untrue(f"the decision at {index} rests on entry {entry.basis}, which is not what was asked for")
        if entry.outcome == "revoke":
            if access.outcome != "grant":
                raise Conflict(f"request {entry.request} was not granted, so there is nothing to revoke")
            series = self.datasets[access.entry.dataset].entry.series
            self.epochs[series] = max(self.epochs[series], access.entry.epoch + 1)
        elif access.outcome != "pending":
            raise Conflict(f"request {entry.request} was decided at entry {access.decision}: {access.outcome}")
        access.decision, access.outcome, access.reason = index, entry.outcome, entry.reason
        access.expires, access.decided = entry.expires, entry.time

    def _receive(self, index: int, entry: Receipt) -> None:
        access = self.accesses.get(entry.request)
        if access is None or access.outcome not in ("grant", "revoke"):
            raise NotFound(f"there is no granted request {entry.request}")
        if access.receipt is not None:
            raise Conflict(f"request {entry.request} has its receipt at entry {access.receipt}")
        access.receipt = index

    def _redact(self, index: int, entry: Redaction) -> None:
        for target in entry.entries:
            if not 0 <= target < index:
                raise NotFound(f"there is no entry {target} to erase")
        for target in entry.entries:
            self.redacted.setdefault(target, index)

    def published(self, cid: str) -> Published:
        """NotFound unless the dataset is in this commons."""
        if cid not in self.datasets:
            raise NotFound(f"{cid} is not published in this commons")
        return self.datasets[cid]

    def access(self, index: int) -> Access:
        if index not in self.accesses:
            raise NotFound(f"there is no request {index}", hint="`commons requests --all` lists them")
        return self.accesses[index]

    def granted(self, index: int, now: int) -> Access:
        """The access at `index` if its key may be released at `now`: Pending, Refused or Gone otherwise."""
        access = self.access(index)
        if index in self.redacted:
            raise Gone(f"request {index} was erased at entry {self.redacted[index]}", hint="ask again")
        if access.outcome == "pending":
            raise Pending(f"request {index} waits for a decision", hint="fetch again later; nothing has to be repeated")
        if access.outcome != "grant":
            said = "revoked" if access.outcome == "revoke" else "refused"
            raise Refused(f"request {index} was {said} at entry {access.decision}: {access.reason}")
        if access.expires is not None and now >= access.expires:
            raise Gone(
                f"the grant of request {index} has expired", hint="ask again: `commons fetch` makes a new request"
            )
        return access
