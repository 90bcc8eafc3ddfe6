"""The commons' log in one SQLite file: entries, tree, openings and signed checkpoints, one transaction a batch.

One committer thread. All drafts that arrive while a commit runs share the next one (group commit). Reads see committed
entries only. Fails closed: after one failed commit nothing is appended, signed or released until it is opened again.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import cid
from commons.core.crypto.keys import Signer
from commons.core.state import entries, transfer
from commons.core.state.charter import Charter
from commons.core.state.fold import State
from commons.core.state.grants import Access
from commons.core.tlog import checkpoint, merkle, note, tiles
from commons.core.tlog.checkpoint import Signed
from commons.disk import damage, journal, sql
from commons.disk.records import Appended, Draft, Record, record
from commons.disk.stored import Stored, alarmed, damaged, outrun, rolled_back
from commons.errors import CommonsError, Conflict, Internal, Malformed, Pending, Stale, StorageFailed

BATCH = 1024  # drafts of one commit
Later = Callable[[str], Iterable[Signer]]  # of the commons by its id
Admit = Callable[[Sequence[Record], int], None]  # (what would be added, dated when); raises why it is not, may wait


class Log(Stored):
    """Use `create` or `adopt` once and `open` afterwards; `append` from any thread; `close` at the end."""

    def __init__(
        self, path: Path, signer: Signer, local: bytes, clock: Callable[[], float] = time.time,
        later: Later = lambda commons: (),
    ) -> None:  # fmt: skip
        super().__init__(path, local)
        self._signer, self._later, self._clock = signer, later, clock
        self.state = State()
        self._proven = False  # what shut it, and not only somebody's word
        self.admits: list[Admit] = []  # asked, in this order, before anything is added
        self._fresh: dict[bytes, int] = {}  # statements of the batch that is being committed
        self._queue: queue.SimpleQueue[tuple[Draft, Future[Appended]] | None] = queue.SimpleQueue()
        self._gate, self._closed = threading.Lock(), False
        self._thread: threading.Thread | None = None

    @classmethod
    def create(cls, path: Path, charter: Opened[Charter], signer: Signer, local: bytes) -> Log:
        """A new log whose first entry is `charter`. A crash in here leaves a log without a charter: create again."""
        log = cls(path, signer, local)
        try:
            log._begin((), None, charter)
            log._start()
            log.append(lambda _state, _index, _now: [record(charter)]).result()
        except BaseException:
            log.close()
            raise
        return log

    @classmethod
    def adopt(cls, path: Path, records: Sequence[Record], signer: Signer, local: bytes) -> None:
        """Write a log that somebody else began, up to the Succession by which `signer` keeps it: in one commit, under
        one head. Refused, Conflict or Untrue where the entries do not follow. A crash leaves no log: do it again."""
        log = cls(path, signer, local)
        try:
            charter = records[0].entry
            if not isinstance(charter, Opened) or not isinstance(charter.value, Charter):
                raise Malformed("a log begins with a charter")
            if (last := [log.state.take(new.data) for new in records][-1]) is not None:  # some before it may be faulty
                raise last
            log._begin((), None, charter)
            with sql.door(path):
                log._store(0, records)
        finally:
            log.close()

    @classmethod
    def open(
        cls, path: Path, signer: Signer, local: bytes, clock: Callable[[], float] = time.time,
        later: Later = lambda commons: (),
    ) -> Log:  # fmt: skip
        """Recover: the newest committed checkpoint must be ours and be the root of what is stored. StorageFailed for
        what cannot be read; what can be read, but not continued, is opened `broken`. `later` gives the keys that
        may have come after `signer`."""
        log = cls(path, signer, local, clock, later)
        try:
            log._recover()
        except BaseException:
            log.close()
            raise
        return log

    def _recover(self) -> None:
        with sql.door(self._path):
            sql.forget(self._db)  # a crash may have come between an erasure and this
            (size,) = self._db.execute("SELECT count(*) FROM entries").fetchone()
            row = self._db.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
            first = self._db.execute("SELECT data FROM entries WHERE idx = 0").fetchone()
            alarm = self._db.execute("SELECT note FROM alarms").fetchone()
        if row is None or first is None:
            raise StorageFailed(f"the log has no entries: {self._path.name} is not whole", hint=sql.MEND)
        with _damage("entry 0, its charter, cannot be read"):
            charter = entries.decode(sql.blob(first[0], "entry 0"))
        if not isinstance(charter, Opened) or not isinstance(charter.value, Charter):
            raise damaged("entry 0 is no charter")
        tree, fault = damage.TreeCheck(self._reads, f"commons/{cid(charter.data)}"), (-1, "")
        for start in range(0, size, tiles.WIDTH):
            batch = list(self.entries(start, min(start + tiles.WIDTH, size)))
            if len(batch) != min(tiles.WIDTH, size - start):
                raise damaged(f"an entry from {start} to {start + tiles.WIDTH - 1} is missing")
            with sql.door(self._path):
                tree.take([merkle.leaf(data) for data in batch])
            for index, data in enumerate(batch, start):
                if (error := self.state.take(data)) is not None:
                    fault = (index, error.message)
        with sql.door(self._path):
            self.damage = self._find(self._reads, tree, damage.SIGNED)
        try:
            if fault[0] >= (self.state.tenures[-1].since if self.state.community else 0):  # else of who came before
                raise damaged(f"entry {fault[0]} cannot be read: {fault[1]}")
            self._begin(tree.edge, row[0], charter)
        except CommonsError as fails:
            if not self.damage:
                raise
            raise damaged(damage.told(self.damage)) from fails
        self._start()
        if self.damage:
            self.broken = damaged(damage.told(self.damage))
        if alarm is not None:
            self.broken, self._proven = alarmed(self.head, alarm[0]), True

    def examine(self) -> list[damage.Damage]:
        """What is damaged in the file by now, all of it read again, while others go on using the log."""
        db, size = sql.connect(self._path, ""), self.size
        with closing(db), sql.door(self._path):
            tree = damage.TreeCheck(db, self.origin)
            while leaves := self._leaves(tree.size, min(tree.size + tiles.WIDTH, size)):
                tree.take(leaves)
            return self._find(db, tree, -1)

    def _find(self, db: sql.Connection, tree: damage.TreeCheck, newest: int) -> list[damage.Damage]:
        def open_head(data: bytes) -> Signed:
            return transfer.open_head(data, tree.origin, self.state.tenures)

        return damage.find(db, tree, self._leaves, open_head, newest)

    def _leaves(self, first: int, last: int) -> list[bytes]:
        return [merkle.leaf(data) for data in self.entries(first, last)]

    def _begin(self, edge: tuple[bytes, ...], head: bytes | None, charter: Opened[Charter]) -> None:
        self._edge, self.origin = edge, f"commons/{cid(charter.data)}"
        public = self.state.charter.log_key if self.state.charter else charter.value.log_key
        self.key = note.Verifier(name=self.origin, public=public)
        ours = itertools.chain((self._signer,), self._later(self.origin.partition("/")[2]))
        held = next((each for each in ours if each.public == public), None)
        if held is None:
            raise Conflict("this home's key is not the one that signs this log")
        self._signer = held
        with _damage("its checkpoint does not verify"):
            self.head = Signed(
                checkpoint=checkpoint.Checkpoint(origin=self.origin, size=0, root=merkle.EMPTY), note=b""
            ) if head is None else checkpoint.open(head, self.key)  # fmt: skip

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def clock(self) -> float:
        """What the clock says by which entries are dated, in seconds since 1970."""
        return self._clock()

    # -- append ---------------------------------------------------------------------------------------------------

    def append(self, draft: Draft) -> Future[Appended]:
        """Durable when the future resolves, which raises what the draft raised, or StorageFailed. May be cancelled."""
        future: Future[Appended] = Future()
        with self._gate:  # nothing is queued behind the None that ends the committer
            if self._closed:
                future.set_exception(StorageFailed("the log is closed", hint="the node is stopping; try again"))
            else:
                self._queue.put((draft, future))
        return future

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < BATCH:  # nothing is behind None
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: Sequence[tuple[Draft, Future[Appended]]]) -> None:
        """Commit, then speak. The order is the security:

        1. fold each draft's records into the state; one that is refused is told so and leaves nothing
        2. in one transaction: store, hash the stored bytes again, grow the tree, sign the checkpoint, COMMIT (fsync)
        3. only now let readers see the new size, and tell those who wait

        A crash before COMMIT returns leaves the last batch; after it, everything is there and was signed once. A COMMIT
        that fails may have persisted or not: nobody is told, and the log stays shut until it is opened again.
        """
        start = self.head.checkpoint.size
        records: list[Record] = []
        waiting: list[tuple[Future[Appended], int]] = []
        for draft, future in batch:
            if not future.set_running_or_notify_cancel():  # whoever waited has left; from here on nobody can
                continue
            try:
                self._whole()
                first = start + len(records)
                now = max(int(self.clock()), self.state.time)  # for each: the one before may be dated ahead
                records += self._fold(draft, first, now)
                waiting.append((future, first))
            except CommonsError as error:
                future.set_exception(error)
            except Exception as error:  # a bug in a draft must not end the committer
                journal.log.exception("a log entry could not be drafted")
                future.set_exception(Internal(f"a log entry could not be drafted: {journal.place(error)}"))
        if not records:
            for future, first in waiting:  # drafts that found their answer in the log already
                future.set_result(Appended(first=first, head=self.head))
            return
        try:
            with sql.door(self._path):
                head, edge = self._store(start, records)
        except Exception as error:
            told = error if isinstance(error, CommonsError) else Internal(f"the log failed: {journal.place(error)}")
            journal.log.exception("the log cannot be written")
            self.broken = told
            for future, _ in waiting:
                future.set_exception(told)
            return
        self._edge, self.head = edge, head
        self._fresh.clear()
        self.stored()
        for future, first in waiting:
            future.set_result(Appended(first=first, head=head))
        for index, new in enumerate(records, start):
            journal.committed(self.state, index, new.entry)
        self.told()

    def _fold(self, draft: Draft, first: int, now: int) -> list[Record]:
        records, before = list(draft(self.state, first, now)), self.state.size
        if records:
            self._admit(records, now)
        for n, new in enumerate(records):
            try:
                tiles.check_entry(new.data)  # a larger one could be neither exported nor read back
                self.state.apply(new.entry)
            except Exception as error:
                self.state.size = before + n
                if n or not isinstance(error, CommonsError):  # only a new fold takes half a draft out of the state
                    self.broken = Internal(f"a draft failed half way: {journal.place(error)}", hint="restart the node")
                raise
            if new.statement is not None:
                self._fresh[new.statement] = first + n
        return records

    def _admit(self, records: Sequence[Record], now: int) -> None:
        """The one place on the way of every entry: the committer's thread, before anything is folded."""
        for admit in self.admits:
            admit(records, now)

    def _store(self, start: int, records: Sequence[Record]) -> tuple[Signed, tuple[bytes, ...]]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT INTO entries VALUES(?, ?)", ((start + n, r.data) for n, r in enumerate(records)))
            stored = db.execute("SELECT data FROM entries WHERE idx >= ? ORDER BY idx", (start,)).fetchall()
            leaves = [merkle.leaf(data) for (data,) in stored]
            if leaves != [merkle.leaf(r.data) for r in records]:  # corruption before signing is final: see docs
                raise StorageFailed("stored entries read back differently", hint="the disk or the memory is damaged")
            nodes, edge = merkle.grow(start, self._edge, leaves)
            db.executemany("INSERT INTO nodes VALUES(?, ?, ?)", nodes)
            for n, r in enumerate(records):
                if r.opening is not None:
                    self._openings.put(start + n, r.subject, r.opening)
                if r.statement is not None:
                    db.execute("INSERT INTO statements VALUES(?, ?)", (r.statement, start + n))
                self._openings.erase(r.erases)
            size = start + len(records)
            head = checkpoint.Checkpoint(origin=self.origin, size=size, root=merkle.edge_root(edge))
            signed = Signed(checkpoint=head, note=checkpoint.sign(head, self._signer))
            db.execute("INSERT INTO checkpoints VALUES(?, ?)", (size, signed.note))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if any(r.erases for r in records):
            sql.forget(db)
        return signed, edge

    # -- what the registrar asks ------------------------------------------------------------------------------------

    def known(self, statement: bytes) -> int | None:
        """For drafts: the entry that this statement (its SHA-256) made, in this very batch or before."""
        return self._fresh.get(statement, self.answered(statement))

    def granted(self, index: int, now: int) -> Access:
        """The access whose key may be released: granted by a *durable* decision of a log that can still be written."""
        self._whole()
        access = self.state.granted(index, now)
        if access.decision is None or access.decision >= self.size:
            raise Pending(f"the decision on request {index} is being written", hint="try again")
        return access

    def compare(self, head: bytes, by: str = "somebody", lead: Sequence[bytes] = ()) -> int:
        """The size of a head of ours that somebody holds, and shows us. If we do not lead to it, we are an old copy, or
        were forked: sign nothing. Conflict if it is by a key that the log had before, whose holder must not shut it.

        Where it contradicts what is here, or `lead`, the consistency proof from here to there, shows that it goes on
        from here, the log is shut first, then the alarm stored, so that it stays shut after a restart (if the disk
        takes it). A larger head alone is the word of who shows it: it shuts the log too, Stale, until a newer copy is
        restored or the owner goes on without.
        """
        theirs = transfer.open_head(head, self.origin, self.state.tenures).checkpoint
        if theirs.size <= self.size and merkle.root(theirs.size, self.read) == theirs.root:
            return theirs.size
        if theirs.size <= self.state.tenures[-1].since:
            what = "the log went on from before that head, which is by a key that keeps it no more"
            raise Conflict(what, hint="`commons log forget-fork` forgets it")
        forked = theirs.size <= self.size
        proven = forked or self.leads(theirs, lead)
        if not proven and theirs.size <= self.waived:
            return theirs.size
        if self.broken is None or (isinstance(self.broken, Stale) and not self._proven):  # what is proven stays so
            self._proven = proven
            self.broken = rolled_back(self.head, head) if forked else outrun(self.head, head, by, proven)
        if proven:
            with suppress(StorageFailed), self._reading, sql.door(self._path):
                self._reads.execute("INSERT INTO alarms SELECT ? WHERE NOT EXISTS(SELECT 1 FROM alarms)", (head,))
        else:
            with suppress(StorageFailed):
                self.outran(head, by)
        raise self.broken.with_traceback(None)

    def leads(self, to: checkpoint.Checkpoint, lead: Sequence[bytes]) -> bool:
        """Whether these hashes show that a larger tree, with that root, begins with all that is here."""
        here = self.head.checkpoint
        try:
            merkle.check_consistency(here.size, to.size, here.root, to.root, lead)
        except CommonsError:
            return False
        return True

    def waive(self, size: int) -> bool:
        """Whether its owner can go on without what heads of up to so many entries have more than there is here: not if
        it is proven to lead there."""
        with self._reading, sql.door(self._path):
            alarm = self._reads.execute("SELECT 1 FROM alarms").fetchone()
        if alarm is None and isinstance(self.broken, Stale | None):
            self.waived, self.broken = max(self.waived, size), None
        return self.broken is None

    def _whole(self) -> None:
        if self.broken is not None:
            raise self.broken.with_traceback(None)  # one error for all who ask: it must not grow with each of them

    def close(self) -> None:
        """After the drafts in the queue are committed."""
        with self._gate:
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        with self._reading:
            self._reads.close()
        self._db.close()


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except CommonsError as error:
        raise damaged(f"{what}: {error.message}") from error
