"""What the bridge writes, from its events and calldata: heads, batch words, faults, bonds (4.5 to 4.9, 8, 9)."""

from dataclasses import dataclass, field

from eth_hash.auto import keccak

import codec
from codec import ZERO, Cohort, Fragment, Header, Step, u

LIVE, FAULTY, CONDEMNED, UNWOUND = range(4)
ENTRY_GAS, ORPHAN_GAS = 13_000, 250_000
GWEI = 10**9


@dataclass
class Parameters:
    deployment: int
    window: int
    insured: int  # wei for a unit of gas
    min_lock: int  # wei


@dataclass
class Batch:
    id: int
    proposer: bytes
    block: int
    header: Header
    steps: list[Step]
    heads: list[list[bytes] | None] = field(default_factory=list)  # before each step, by touch; none if skipped
    anchors: list[list[bytes]] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    status: int = LIVE
    paid: set[int] = field(default_factory=set)
    assigned: bool = False

    def commit(self) -> None:
        """Section 4.6."""
        self.commitments = [
            keccak(b"".join(a + h for a, h in zip(anchors, heads)) + step.raw + u(step.touches(), 1)) if heads is not None else ZERO
            for step, anchors, heads in zip(self.steps, self.anchors, self.heads)
        ]
        self.withdrawals = [w for step, heads in zip(self.steps, self.heads) if heads is not None for w in step.withdrawals]
        paid_out = codec.tree_levels([keccak(w) for w in self.withdrawals])[-1][0] if self.withdrawals else ZERO
        self.all_entries = b"".join(self.entries)
        self.preimage = (
            u(self.id, 5) + self.proposer + u(len(self.withdrawals), 1) + u(len(self.entries), 2) + keccak(self.all_entries)
            + codec.tree_levels(self.commitments)[-1][0] + paid_out + self.header.raw
        )  # fmt: skip

    def word(self, parameters: Parameters) -> int:
        """Section 4.7."""
        many = len(self.withdrawals) > 24
        unpaid = [p for p in range(len(self.withdrawals)) if p not in self.paid]
        low = len(unpaid) if many else sum(1 << p for p in unpaid)
        age = self.block - parameters.deployment
        flags = self.status << 54 | many << 52 | self.assigned << 51
        return int.from_bytes(keccak(self.preimage)[:25], "big") << 56 | flags | age << 24 | low


class Faults:
    """The five fields of the global word (4.8, 9)."""

    def __init__(self):
        self.fields, self.more = [0] * 5, 0

    def oldest(self) -> int:
        return min((f for f in self.fields if f), default=0)

    def add(self, id_: int) -> None:
        if 0 in self.fields:
            self.fields[self.fields.index(0)] = id_
        else:
            self.fields[4], self.more = min(self.fields[4], id_), self.more + 1

    def resolve(self, id_: int) -> None:
        if id_ in self.fields[:4]:
            self.fields[self.fields.index(id_)] = 0
        elif self.more:
            self.more -= 1
        else:
            self.fields[4] = 0


@dataclass
class Bond:
    """Section 8, in gwei."""

    balance: int = 0
    current: int = 0
    previous: int = 0
    epoch: int = 0

    def move_to(self, epoch: int, held: int | None) -> None:
        """`held`: the epoch of the oldest fault."""
        if epoch == self.epoch:
            return
        stay = self.current if epoch == self.epoch + 1 or (held is not None and self.epoch >= held) else 0
        if held is not None and self.epoch > held:
            stay += self.previous
        self.previous, self.current, self.epoch = stay, 0, epoch

    def slash(self, lock: int, epoch: int) -> None:
        self.balance -= min(lock, self.balance)
        if epoch < self.epoch:
            self.previous -= min(lock, self.previous)
        else:
            self.current -= min(lock, self.current)

    def word(self) -> int:
        return self.balance << 192 | self.current << 128 | self.previous << 64 | self.epoch << 32


class Ledger:
    def __init__(self, parameters: Parameters):
        self.parameters, self.faults, self.last_id = parameters, Faults(), 0
        self.heads: dict[bytes, bytes] = {}
        self.states: dict[tuple[bytes, bytes], Cohort] = {}  # by anchor and head
        self.history: dict[bytes, list[bytes]] = {}  # heads of an anchor that were not unwound
        self.batches: dict[int, Batch] = {}
        self.words: dict[tuple[bytes, int], int] = {}  # id of the batch in each slot
        self.bonds: dict[bytes, Bond] = {}

    def write(self, anchor: bytes, head: bytes) -> None:
        self.heads[anchor] = head
        self.history.setdefault(anchor, []).append(head)

    def deposit(self, id_: int, key: bytes, token: bytes, amount: int) -> None:
        fragment = Fragment(key[0], key[1:], assets={int.from_bytes(token, "big"): amount})
        cohort, anchor = Cohort(0, {0: fragment.encode()}), u(id_, 5) + u(0, 2)
        head = cohort.root() + u(id_, 5)
        self.write(anchor, head)
        self.states[anchor, head] = cohort
        self.last_id = id_

    def stale(self, anchor: bytes, parent: int, clock: int) -> bool:
        head = self.heads.get(anchor, ZERO)
        id_, oldest = int.from_bytes(head[27:], "big"), self.faults.oldest()
        late = id_ >> 13 > clock - self.parameters.deployment
        return head == ZERO or id_ != parent or late or bool(oldest and id_ >= oldest)

    def submit(self, id_: int, proposer: bytes, block: int, data: bytes) -> Batch:
        header, steps = codec.read_batch(data)
        batch = Batch(id_, proposer, block, header, steps)
        named: list[bytes] = []  # anchor of each entry
        poisoned: set[int] = set()
        written: set[bytes] = set()
        for step in steps:
            first = len(named)
            named += [a for a, _, _ in step.fresh]
            named += [u(id_, 5) + u(len(named) + i, 2) for i in range(len(step.opened))]
            entries = [*range(first, len(named)), *(entry for entry, _ in step.again)]
            anchors = [named[entry] for entry in entries]
            before, heads, applied = dict(self.heads), [], not poisoned & set(entries)
            for touch, (anchor, root) in enumerate(zip(anchors, step.roots())):
                if touch < len(step.fresh):
                    applied = applied and not self.stale(anchor, step.fresh[touch][2], header.clock)
                heads.append(self.heads.get(anchor, ZERO))
                self.heads[anchor] = root + u(id_, 5)
            batch.anchors.append(anchors)
            batch.heads.append(heads if applied else None)
            if not applied:
                self.heads = before
                poisoned |= set(entries)
                continue
            for anchor, head in zip(anchors, heads):
                if anchor not in written:
                    written.add(anchor)
                    batch.entries.append(anchor + head)
        for entry in batch.entries:
            self.write(entry[:7], self.heads[entry[:7]])
        batch.commit()
        self.batches[id_] = batch
        self.words[proposer, header.slot] = self.last_id = id_
        bond = self.bonds.setdefault(proposer, Bond())
        fault = self.faults.oldest()
        bond.move_to(self.epoch(block), self.epoch(self.parameters.deployment + (fault >> 13)) if fault else None)
        bond.current += self.lock(header)
        return batch

    def evidence(self, batch: Batch, index: int) -> bytes | None:
        """Section 7; none if a lie below has hidden a pre-state."""
        step, anchors, heads = batch.steps[index], batch.anchors[index], batch.heads[index]
        states, nodes = b"", b""
        for touch, (leaves, anchor, head) in enumerate(zip(codec.table_or_empty(step), anchors, heads)):
            if len(step.fresh) <= touch < len(step.fresh) + len(step.opened):
                continue
            cohort = self.states.get((anchor, head))
            if cohort is None:
                return None
            given = [leaf for leaf in [0, *leaves] if leaf < 1 << cohort.depth]
            encodings = [cohort.leaves.get(leaf, b"") for leaf in given]
            states += u(cohort.depth, 1) + b"".join(u(len(e), 2) + e for e in encodings)
            nodes += b"".join(codec.siblings(cohort.values(), cohort.depth, given))
        opening = u(index, 2) + b"".join(codec.tree_siblings(batch.commitments, index))
        return batch.preimage + opening + step.raw + b"".join(anchors[len(step.fresh) :]) + states + nodes

    def keep(self, batch: Batch, index: int, evaluation) -> None:
        """The states that a valid step led to."""
        touches = zip(batch.anchors[index], batch.heads[index], batch.steps[index].roots())
        for touch, (anchor, head, root) in enumerate(touches):
            before = self.states.get((anchor, head))
            leaves = (before.leaves if before else {}) | evaluation.after(touch)
            self.states[anchor, root + u(batch.id, 5)] = Cohort(evaluation.depths[touch], leaves)

    def epoch(self, block: int) -> int:
        return (block - self.parameters.deployment) // (self.parameters.window + 1)

    def lock(self, header: Header) -> int:
        p = self.parameters
        lock = max(p.min_lock, 2 * (header.ceiling + ENTRY_GAS * header.entries) * p.insured)
        return -(-lock // GWEI)

    def convicted(self, id_: int, unwound: bool) -> None:
        batch = self.batches[id_]
        self.bonds[batch.proposer].slash(self.lock(batch.header), self.epoch(batch.block))
        if unwound:
            self.restore(batch)
        else:
            batch.status = FAULTY
            self.faults.add(id_)

    def unwound(self, id_: int) -> None:
        batch = self.batches[id_]
        if batch.status == FAULTY:
            self.faults.resolve(id_)
        self.restore(batch)

    def restore(self, batch: Batch) -> None:
        """`Convicted` with `unwound` and `Unwound` may both tell of it: the second changes nothing."""
        if batch.status == UNWOUND:
            return
        batch.status = UNWOUND
        for entry in batch.entries:
            self.heads[entry[:7]] = entry[7:]
            self.history[entry[:7]].pop()

    def global_word(self) -> int:
        fields = sum(f << 40 * (i + 1) for i, f in enumerate(self.faults.fields))
        return self.faults.more << 240 | fields | self.last_id

    def is_final(self, id_: int, block: int) -> bool:
        """Of a head's id. A deposit needs no window."""
        batch, oldest = self.batches.get(id_), self.faults.oldest()
        if batch is None:
            return True
        return batch.status == LIVE and block > batch.block + self.parameters.window and not (oldest and oldest < id_)

    def balances(self, block: int | None = None) -> dict[str, dict[str, str]]:
        """By key and asset, in decimal text, of the present heads, or as far as it is final at a block."""
        sums: dict[str, dict[str, int]] = {}
        for anchor, heads in self.history.items():
            for head in reversed(heads):
                if block is None or self.is_final(int.from_bytes(head[27:], "big"), block):
                    break
            else:
                continue
            cohort = self.states.get((anchor, head))
            for encoding in cohort.leaves.values() if cohort else ():
                f = Fragment.decode(encoding)
                own = sums.setdefault((u(f.kind, 1) + f.controller).hex(), {})
                for asset, amount in f.assets.items():
                    own[u(asset, 32).hex()] = own.get(u(asset, 32).hex(), 0) + amount
        return {key: {asset: str(amount) for asset, amount in own.items()} for key, own in sums.items()}
