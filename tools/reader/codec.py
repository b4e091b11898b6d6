"""Encodings of docs/spec.md: names, fragments, trees (2, 3), batches (4), bodies (5), evidence (7)."""

from dataclasses import dataclass, field

from eth_hash.auto import keccak

ZERO = bytes(32)
KEY_KINDS = (1, 2)
RULE_KIND = 3
LEASE_FLAG = 0x80
MAX_ASSETS, MAX_DATA, MAX_DEPTH, MAX_FRAGMENTS = 32, 2048, 24, 16
MAX_BODY, MAX_RULES, MAX_ENTRIES, MAX_TOUCHES = 16384, 32, 512, 16
MAX_CALLS, MAX_EFFECT_BYTES = 16, 8192
U128 = 1 << 128


class Invalid(Exception):
    """The step is a lie, were it posted (section 6)."""


class Unreadable(Exception):
    """Bytes end too early, go on too long, or have a value that the format has not."""


def require(condition: object, why: str) -> None:
    if not condition:
        raise Invalid(why)


def u(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


class Cursor:
    """Reads fields from the front of bytes."""

    def __init__(self, data: bytes, at: int = 0):
        self.data, self.at = data, at

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise Unreadable(f"{size} bytes at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def num(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def bounded(self, size: int, least: int, most: int) -> int:
        value = self.num(size)
        if not least <= value <= most:
            raise Unreadable(f"{value} at {self.at - size}, not {least} to {most}")
        return value

    def more(self) -> bool:
        return self.at < len(self.data)

    def end(self) -> None:
        if self.more():
            raise Unreadable(f"bytes left at {self.at}")


def increasing(values: list) -> bool:
    return all(a < b for a, b in zip(values, values[1:]))


# --- Section 3: fragments and their trees


@dataclass
class Fragment:
    kind: int
    controller: bytes
    nonce: int = 0
    lease: tuple[bytes, int] | None = None
    assets: dict[int, int] = field(default_factory=dict)
    data: bytes = b""

    def encode(self) -> bytes:
        flag = LEASE_FLAG if self.lease else 0
        lease = self.lease[0] + u(self.lease[1], 8) if self.lease else b""
        assets = b"".join(u(asset, 32) + u(amount, 16) for asset, amount in sorted(self.assets.items()))
        head = b"\0" + u(self.kind | flag, 1) + self.controller + u(self.nonce, 8) + lease
        return head + u(len(self.assets), 1) + assets + u(len(self.data), 2) + self.data

    @staticmethod
    def decode(encoding: bytes) -> "Fragment":
        """Raises `Unreadable` for bytes that are not a state."""
        c = Cursor(encoding)
        c.bounded(1, 0, 0)
        flagged = c.num(1)
        kind = flagged & ~LEASE_FLAG
        controller, nonce = c.take(20), c.num(8)
        lease = (c.take(20), c.num(8)) if flagged & LEASE_FLAG else None
        assets = [(c.num(32), c.num(16)) for _ in range(c.bounded(1, 0, MAX_ASSETS))]
        data = c.take(c.bounded(2, 0, MAX_DATA))
        c.end()
        whole = kind in (1, 2, 3) and (lease is None or (any(lease[0]) and lease[1]))
        if not (whole and increasing([asset for asset, _ in assets]) and all(amount for _, amount in assets)):
            raise Unreadable("not a state")
        return Fragment(kind, controller, nonce, lease, dict(assets), data)


def node(left: bytes, right: bytes) -> bytes:
    return ZERO if left == right == ZERO else keccak(b"\1" + left + right)


def anchor_root(depth: int, top: bytes) -> bytes:
    return (keccak(b"\2" + u(depth, 1) + top) if depth else top)[:27]


def levels(values: dict[int, bytes], depth: int) -> list[dict[int, bytes]]:
    """All nodes that are not zero, from the leaves to the top."""
    found = [values]
    for _ in range(depth):
        below = found[-1]
        found.append({i >> 1: node(below.get(i & ~1, ZERO), below.get(i | 1, ZERO)) for i in below})
    return found


def siblings(values: dict[int, bytes], depth: int, given: list[int]) -> list[bytes]:
    """The multiproof of the leaves given (section 7)."""
    nodes, proof = levels(values, depth), []

    def visit(height: int, leaves: list[int]) -> None:
        if height == 0:
            return
        halves = [[leaf for leaf in leaves if leaf >> (height - 1) & 1 == side] for side in (0, 1)]
        for half in halves:
            if half:
                visit(height - 1, half)
        if not all(halves):
            own = leaves[0] >> (height - 1)
            proof.append(nodes[height - 1].get(own ^ 1, ZERO))

    visit(depth, given)
    return proof


def climb(values: dict[int, bytes], depth: int, proof) -> bytes:
    """The top over the values given, with siblings from the iterator `proof`."""

    def visit(height: int, leaves: list[int]) -> bytes:
        if height == 0:
            return values[leaves[0]]
        left, right = ([leaf for leaf in leaves if leaf >> (height - 1) & 1 == side] for side in (0, 1))
        if left and right:
            return node(visit(height - 1, left), visit(height - 1, right))
        own = visit(height - 1, left or right)
        return node(own, next(proof)) if left else node(next(proof), own)

    return visit(depth, sorted(values))


@dataclass
class Cohort:
    """All fragments of an anchor: encodings by leaf."""

    depth: int
    leaves: dict[int, bytes]

    def values(self) -> dict[int, bytes]:
        return {leaf: keccak(encoding) for leaf, encoding in self.leaves.items()}

    def root(self) -> bytes:
        return anchor_root(self.depth, levels(self.values(), self.depth)[-1].get(0, ZERO))


# --- Section 4: batches


@dataclass
class Header:
    raw: bytes
    chain_id: int
    clock: int
    clock_hash: bytes
    ceiling: int
    slot: int
    steps: int
    entries: int
    rules: list[bytes]

    @staticmethod
    def read(c: Cursor) -> "Header":
        start = c.at
        c.bounded(1, 1, 1)
        c.bounded(1, 0, 0)
        fields = [c.num(8), c.num(8), c.take(32), c.num(4), c.num(2), c.bounded(2, 1, 65535)]
        fields += [c.bounded(2, 0, MAX_ENTRIES), [c.take(20) for _ in range(c.bounded(1, 0, MAX_RULES))]]
        return Header(c.data[start : c.at], *fields)


@dataclass
class Step:
    raw: bytes
    fresh: list[tuple[bytes, bytes, int]]  # anchor id, root after, parent id
    opened: list[bytes]
    again: list[tuple[int, bytes]]  # entry, root after
    withdrawals: list[bytes]
    body: bytes

    @staticmethod
    def read(c: Cursor) -> "Step":
        start = c.at
        length, counts, counts2 = c.bounded(2, 0, MAX_BODY), c.num(1), c.num(1)
        fresh = [(c.take(7), c.take(27), c.num(5)) for _ in range(counts >> 4)]
        opened = [c.take(27) for _ in range(counts & 15)]
        again = [(c.num(2), c.take(27)) for _ in range(counts2 >> 4)]
        withdrawals = [c.take(56) for _ in range(counts2 & 15)]
        body = c.take(length)
        return Step(c.data[start : c.at], fresh, opened, again, withdrawals, body)

    def touches(self) -> int:
        return len(self.fresh) + len(self.opened) + len(self.again)

    def roots(self) -> list[bytes]:
        return [root for _, root, _ in self.fresh] + self.opened + [root for _, root in self.again]


def read_batch(data: bytes) -> tuple[Header, list[Step]]:
    c = Cursor(data)
    header = Header.read(c)
    steps = [Step.read(c) for _ in range(header.steps)]
    c.end()
    return header, steps


def tree_levels(values: list[bytes]) -> list[list[bytes]]:
    found = [values]
    while len(found[-1]) > 1:
        below = found[-1]
        found.append([keccak(b"".join(below[i : i + 8])) for i in range(0, len(below), 8)])
    return found


def tree_siblings(values: list[bytes], index: int) -> list[bytes]:
    proof = []
    for level in tree_levels(values)[:-1]:
        start = index // 8 * 8
        proof += [v for i, v in enumerate(level[start : start + 8], start) if i != index]
        index //= 8
    return proof


def tree_root(value: bytes, index: int, count: int, proof: Cursor) -> bytes:
    """The root over `count` values, opened at one of them."""
    while count > 1:
        start = index // 8 * 8
        run = [value if i == index else proof.take(32) for i in range(start, min(start + 8, count))]
        value, index, count = keccak(b"".join(run)), index // 8, (count + 7) // 8
    return value


# --- Section 5: bodies


@dataclass
class Authorisation:
    position: int
    valid_until: int
    outflows: list[tuple[int, int]]
    payload: bytes
    scheme: int
    signature: bytes
    authenticator: bytes
    client_rest: bytes

    @staticmethod
    def read(c: Cursor) -> "Authorisation":
        position, valid_until = c.num(1), c.num(8)
        outflows = [(c.num(32), c.num(16)) for _ in range(c.bounded(1, 0, MAX_ASSETS))]
        payload, scheme = c.take(c.num(2)), c.bounded(1, 1, 3)
        signature = c.take(64 if scheme == 1 else 128)
        extra = [c.take(c.num(1)), c.take(c.num(2))] if scheme == 3 else [b"", b""]
        return Authorisation(position, valid_until, outflows, payload, scheme, signature, *extra)


@dataclass
class Call:
    rule: int
    gas: int
    effects: int
    fragments: list[int]
    authorisations: list[Authorisation]
    extra: bytes

    @staticmethod
    def read(c: Cursor) -> "Call":
        rule, gas, effects = c.num(1), c.num(4), c.bounded(2, 0, MAX_EFFECT_BYTES)
        fragments = [c.num(1) for _ in range(c.bounded(1, 1, MAX_FRAGMENTS))]
        authorisations = [Authorisation.read(c) for _ in range(c.bounded(1, 0, len(fragments)))]
        return Call(rule, gas, effects, fragments, authorisations, c.take(c.num(2)))


def read_table(step: Step) -> tuple[list[list[int]], int]:
    """Further leaves of each touch, and where the calls begin."""
    none = [[] for _ in range(step.touches())]
    c = Cursor(step.body)
    if c.bounded(1, 0, 1) == 0:
        return none, c.at
    table = []
    for touch in range(step.touches()):
        is_opened = len(step.fresh) <= touch < len(step.fresh) + len(step.opened)
        leaves = [] if is_opened else [c.num(3) for _ in range(c.num(1))]
        if not increasing([0, *leaves]):
            raise Unreadable("leaves")
        table.append(leaves)
    if sum(map(len, table)) + len(table) > MAX_FRAGMENTS:
        raise Unreadable("fragments")
    return table, c.at


def table_or_empty(step: Step) -> list[list[int]]:
    try:
        return read_table(step)[0]
    except Unreadable:
        return [[] for _ in range(step.touches())]


def read_calls(step: Step) -> list[Call]:
    """Raises `Unreadable` for a body that is not well formed."""
    c = Cursor(step.body, read_table(step)[1])
    calls = [Call.read(c) for _ in range(c.bounded(1, 1, MAX_CALLS))]
    c.end()
    return calls
