"""The commons' log in one SQLite file: entries, tree, openings and signed checkpoints, one transaction a batch.

One committer thread. All drafts that arrive while a commit runs share the next one (group commit). Reads see committed
entries only. Fails closed: after one failed commit nothing is appended, signed or released until it is opened again.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import cid
from commons.core.crypto.keys import Signer
from commons.core.state import entries, transfer
from commons.core.state.charter import Charter
from commons.core.state.fold import Access, State
from commons.core.state.opening import Opening
from commons.core.tlog import checkpoint, merkle, note, tiles
from commons.core.tlog.checkpoint import Signed
from commons.disk import alarm, damage, journal, openings, sql, verdicts
from commons.disk.damage import Damage, TreeCheck
from commons.disk.openings import Openings
from commons.disk.records import Appended, Draft, Record, record
from commons.disk.verdicts import RowVerdict, Verdicts, Word
from commons.errors import (
    CommonsError,
    Conflict,
    Internal,
    Malformed,
    Outdated,
    Pending,
    Refused,
    Stale,
    StorageFailed,
    Untrue,
)  # fmt: skip

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS entries(idx INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nodes(level INTEGER, pos INTEGER, hash BLOB NOT NULL, PRIMARY KEY(level, pos)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints(size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS statements(digest BLOB PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms(note BLOB NOT NULL);
"""
    + openings.SCHEMA
    + verdicts.SCHEMA
)

BATCH = 1024  # drafts of one commit
Later = Callable[[str], Iterable[Signer]]  # of the commons by its id
Admit = Callable[[Sequence[Record], int], None]  # (what would be added, dated when); raises why it is not, may wait


class Log:
    """The log that this home keeps. Use `create` or `adopt` once and `open` afterwards; `append` from any thread;
    `close` at the end.

    `head` is the newest durable checkpoint; `broken` says why the log is shut, if it is. `waived` is how many entries a
    head of ours has at most that somebody shows, and that the owner goes on without.
    """

    head: Signed
    waived = 0
    broken: CommonsError | None = None
    damage: Sequence[Damage] = ()  # found when it was opened

    def __init__(
        self,
        path: Path,
        signer: Signer,
        local: bytes,
        clock: Callable[[], float] = time.time,
        later: Later = lambda commons: (),
    ) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self._reads = sql.connect(path, "")
        self._reading = threading.Lock()
        self._openings = Openings(self._db, local)
        self._signer, self._later, self._clock = signer, later, clock
        self.state = State()
        self._proven = False  # what shut it, and not only somebody's word
        self._admits: list[Admit] = []
        self._withheld: Callable[[int], str] = lambda index: ""
        self._stored: Callable[[], None] = lambda: None
        self._outran: Callable[[bytes, str], None] = lambda head, by: None
        self._told: Callable[[], None] = lambda: None
        self._fresh: dict[bytes, int] = {}  # statements of the batch that is being committed
        self._queue: queue.SimpleQueue[tuple[Draft, Future[Appended]] | None] = queue.SimpleQueue()
        self._gate, self._closed = threading.Lock(), False
        self.writing = threading.Lock()  # while it is held nothing is committed, nor erased: what arrives waits
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
        """Nothing: writes a log that somebody else began, up to the Succession by which `signer` keeps it: in one
        commit, under one head. Refused, Conflict or Untrue where the entries do not follow. A crash leaves no log: do
        it again."""
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
        cls,
        path: Path,
        signer: Signer,
        local: bytes,
        clock: Callable[[], float] = time.time,
        later: Later = lambda commons: (),
    ) -> Log:
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
            raised = self._db.execute("SELECT note FROM alarms").fetchone()
        if row is None or first is None:
            raise StorageFailed(f"the log has no entries: {self._path.name} is not whole", hint=sql.MEND)
        with _damage("entry 0, its charter, cannot be read"):
            charter = entries.decode(sql.blob(first[0], "entry 0"))
        if not isinstance(charter, Opened) or not isinstance(charter.value, Charter):
            raise alarm.damaged("entry 0 is no charter")
        tree, fault = TreeCheck(self._reads, f"commons/{cid(charter.data)}"), (-1, "")
        for start in range(0, size, tiles.WIDTH):
            batch = list(self.entries(start, min(start + tiles.WIDTH, size)))
            if len(batch) != min(tiles.WIDTH, size - start):
                raise alarm.damaged(f"an entry from {start} to {start + tiles.WIDTH - 1} is missing")
            with sql.door(self._path):
                tree.take([merkle.leaf(data) for data in batch])
            for index, data in enumerate(batch, start):
                if (error := self.state.take(data)) is not None and not isinstance(error, Outdated):
                    fault = (index, error.message)
        with sql.door(self._path):
            self.damage = self._find(self._reads, tree, damage.SIGNED)
        try:
            if fault[0] >= (self.state.tenures[-1].since if self.state.community else 0):  # else of who came before
                raise alarm.damaged(f"entry {fault[0]} cannot be read: {fault[1]}")
            self._begin(tree.edge, row[0], charter)
        except CommonsError as fails:
            if not self.damage:
                raise
            raise alarm.damaged(damage.told(self.damage)) from fails
        self._start()
        if self.damage:
            self.broken = alarm.damaged(damage.told(self.damage))
        if self.broken is None:
            try:
                self.state.check_known()
            except Outdated as error:  # nothing is added, signed or released, and everything is shown
                self.broken = error
        if raised is not None:
            self.broken, self._proven = alarm.alarmed(self.head, raised[0]), True

    def examine(self) -> list[Damage]:
        """What is damaged in the file by now, all of it read again, while others go on using the log."""
        db, size = sql.connect(self._path, ""), self.size
        with closing(db), sql.door(self._path):
            tree = TreeCheck(db, self.origin)
            while leaves := self._leaves(tree.size, min(tree.size + tiles.WIDTH, size)):
                tree.take(leaves)
            return self._find(db, tree, -1)

    def _find(self, db: sql.Connection, tree: TreeCheck, newest: int) -> list[Damage]:
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
            self.head = (
                Signed(checkpoint=checkpoint.Checkpoint(origin=self.origin, size=0, root=merkle.EMPTY), note=b"")
                if head is None
                else checkpoint.open(head, self.key)
            )
            self.state.check_head(self.head.checkpoint)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    # -- who takes part in it -------------------------------------------------------------------------------------

    def admit(self, by: Admit) -> None:
        """Nothing: from now on `by` is asked, after those before it, before anything is added."""
        self._admits.append(by)

    def withhold(self, why: Callable[[int], str]) -> None:
        """Nothing: what an entry hides is not opened from now on where `why` says of its index why; "" where it may
        be."""
        self._withheld = why

    def watch(self, stored: Callable[[], None], outran: Callable[[bytes, str], None], waived: int = 0) -> None:
        """Nothing: after each change of the file `stored` is called, before anybody hears of it; `outran` is told of a
        head of ours with more entries than there are here and than are `waived`, and who showed it."""
        self._stored, self._outran, self.waived = stored, outran, waived

    def tell(self, told: Callable[[], None]) -> None:
        """Nothing: from now on, in the place of whoever was called before, `told` is called after each new head, by the
        committer's thread. It must be quick."""
        self._told = told

    def clock(self) -> float:
        """The seconds since 1970 by the clock that dates the entries."""
        return self._clock()

    def shut(self, why: CommonsError) -> None:
        """Nothing: shuts the log until it is opened again. What shut it before stays the reason."""
        self.broken = self.broken or why

    @contextmanager
    def shutting(self, why: CommonsError) -> Iterator[None]:
        """The log is shut from here on, whatever shut it before; unless what is done inside fails: then it is as it
        was."""
        before, self.broken = self.broken, why
        try:
            yield
        except BaseException:
            self.broken = before
            raise

    # -- read -----------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return self.head.checkpoint.size

    def read(self, level: int, pos: int) -> bytes:
        """The hash of a complete subtree, out of the stored tree: a `merkle.Reader`."""
        with self._reading, sql.door(self._path):
            row = self._reads.execute("SELECT hash FROM nodes WHERE level = ? AND pos = ?", (level, pos)).fetchone()
        if row is None:
            raise StorageFailed(f"the log has lost the hash ({level}, {pos})", hint="restore a backup of this home")
        return sql.blob(row[0], f"the hash ({level}, {pos}) of the log")

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """The exact bytes of entries first … last-1."""
        for start in range(first, last, 256):
            with self._reading, sql.door(self._path):
                rows = self._reads.execute(
                    "SELECT idx, data FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx",
                    (start, min(start + 256, last)),
                ).fetchall()
            yield from (sql.blob(data, f"entry {index} of the log") for index, data in rows)

    def entry(self, index: int) -> bytes:
        return next(self.entries(index, index + 1))

    def lead(self, old: int, head: Signed) -> tuple[bytes, ...]:
        """The consistency proof from our first `old` entries, checked: out of a damaged tree it would accuse us."""
        new = head.checkpoint
        if old >= new.size:
            return ()
        hashes = merkle.prove_consistency(old, new.size, self.read)
        try:
            merkle.check_consistency(old, new.size, merkle.root(old, self.read), new.root, hashes)
        except Untrue as error:
            self.broken = alarm.damaged(f"its tree does not lead from {old} to {new.size} entries")
            raise self.broken from error
        return hashes

    def answered(self, statement: bytes) -> int | None:
        """The index of the durable entry that this statement (its SHA-256) made, if it did."""
        with self._reading, sql.door(self._path):
            row = self._reads.execute("SELECT idx FROM statements WHERE digest = ?", (statement,)).fetchone()
        return int(row[0]) if row is not None and row[0] < self.size else None

    def prove(self, index: int, head: Signed) -> tuple[bytes, ...]:
        """The inclusion proof of one entry under `head`, checked: a damaged tree is our fault, not the asker's."""
        at = head.checkpoint
        hashes = merkle.prove_inclusion(index, at.size, self.read)
        try:
            merkle.check_inclusion(index, at.size, merkle.leaf(self.entry(index)), at.root, hashes)
        except Untrue as error:
            self.broken = alarm.damaged(f"entry {index} is not where its tree says")
            raise self.broken from error
        return hashes

    def opening(self, index: int, of: str | None = None) -> Opening | None:
        """The opening of entry `index`; None where the entry hides nothing, or nothing about the person `of`, or was
        erased. Refused where it is withheld."""
        if why := self._withheld(index):
            raise Refused(f"what entry {index} hides is withheld: {why}")
        with self._reading, sql.door(self._path):
            return self._openings.get(index, self._reads, of) if index < self.size else None

    def destroy(self, indices: Iterable[int]) -> None:
        """Nothing: destroys the openings of entries that a newer copy of this log erased: durable, all or none, at its
        end."""
        with self.writing, sql.door(self._path):
            with self._db:  # which commits, or rolls back
                self._db.execute("BEGIN IMMEDIATE")
                self._openings.erase(indices)
            sql.forget(self._db)
        self._stored()

    # -- what was found of requests: it stays when what they hide is erased ------------------------------------------

    def verdicts(self) -> dict[int, RowVerdict]:
        """What was found here of requests, by their entries."""
        with self._reading, sql.door(self._path):
            rows = Verdicts(self._reads).rows()
        return verdicts.true(rows, self.size, lambda size: merkle.root(size, self.read))

    def judge(self, size: int, found: Mapping[int, Word]) -> None:
        """Nothing: keeps what was found of requests, by their entries, when there were so many; durable at its end."""
        root = merkle.root(size, self.read)
        with self.writing, sql.door(self._path), self._db:  # which commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            Verdicts(self._db).put(size, root, found)
        self._stored()

    # -- append ---------------------------------------------------------------------------------------------------

    def append(self, draft: Draft) -> Future[Appended]:
        """A future of what was appended: it resolves when that is durable, and raises what the draft raised, or
        StorageFailed. May be cancelled."""
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
            with self.writing, sql.door(self._path):
                head, edge = self._store(start, records)
                self._edge, self.head = edge, head
        except Exception as error:
            told = error if isinstance(error, CommonsError) else Internal(f"the log failed: {journal.place(error)}")
            journal.log.exception("the log cannot be written")
            self.broken = told
            for future, _ in waiting:
                future.set_exception(told)
            return
        self._fresh.clear()
        self._stored()
        for future, first in waiting:
            future.set_result(Appended(first=first, head=self.head))
        for index, new in enumerate(records, start):
            journal.committed(self.state, index, new.entry)
        self._told()

    def _fold(self, draft: Draft, first: int, now: int) -> list[Record]:
        records, before = list(draft(self.state, first, now)), self.state.size
        for new in records:
            self.state.check_known(new.entry)  # a head that names rules is signed by who knows them
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
        for admit in self._admits:
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
            root, number = merkle.edge_root(edge), self.state.rules_at(size)
            head = checkpoint.Checkpoint(origin=self.origin, size=size, root=root, rules=number)
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
        """The entry that this statement (its SHA-256) made, in this very batch or before; None for none. For drafts."""
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
            self.broken = alarm.rolled_back(self.head, head) if forked else alarm.outrun(self.head, head, by, proven)
        if proven:
            with suppress(StorageFailed), self._reading, sql.door(self._path):
                self._reads.execute("INSERT INTO alarms SELECT ? WHERE NOT EXISTS(SELECT 1 FROM alarms)", (head,))
        else:
            with suppress(StorageFailed):
                self._outran(head, by)
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
            raised = self._reads.execute("SELECT 1 FROM alarms").fetchone()
        if raised is None and isinstance(self.broken, Stale | None):
            self.waived, self.broken = max(self.waived, size), None
        return self.broken is None

    def _whole(self) -> None:
        if self.broken is not None:
            raise self.broken.with_traceback(None)  # one error for all who ask: it must not grow with each of them

    def close(self) -> None:
        """Nothing: closes the log after the drafts in the queue are committed."""
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
        raise alarm.damaged(f"{what}: {error.message}") from error


def begun(path: Path) -> tuple[int, bytes | None]:
    """How many entries the file of a log holds, and the first of them: none where a crash came before the charter."""
    db = sql.connect(path, SCHEMA)
    with closing(db), sql.door(path):
        (size,) = db.execute("SELECT count(*) FROM entries").fetchone()
        row = db.execute("SELECT data FROM entries WHERE idx = 0").fetchone()
    return size, None if row is None else sql.blob(row[0], f"the charter in {path.name}")
