"""Evaluation of a step from its evidence alone: sections 5.1, 6 and 7 of docs/spec.md."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Callable

from eth_abi import encode
from eth_hash.auto import keccak

import codec
from codec import RULE_KIND, Authorisation, Call, Cursor, Fragment, Header, Invalid, Step, Unreadable, require, u
from effects import Effects, read_effects
from signatures import ecrecover, p256

RULE_GAS_PER_BYTE = 600
TX_BASE, OPEN_BYTE, EVAL_BASE, EVAL_BYTE, EVAL_FRAGMENT, EVAL_NODE = 200_000, 8, 30_000, 40, 6_000, 600
CALL_BASE, CALL_FRAGMENT, PASS_BYTE, EFFECT_BYTE = 15_000, 6_000, 40, 300
AUTH, AUTH_P256, AUTH_WEBAUTHN, AUTH_OUTFLOW = 12_000, 8_000, 10_000, 1_000

K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
R1_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
OUTFLOW = b"Outflow(bytes32 asset,uint128 amount)"
FIELDS = b"address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
PLAIN_TYPE = keccak(b"Authorisation(bytes intent," + FIELDS + OUTFLOW)
DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
SELECTOR = keccak(
    b"transition((uint64,address),(uint80,uint8,address,(bytes32,uint128)[],bytes)[],(uint8,bytes)[],bytes)"
)[:4]
TYPES = ["(uint64,address)", "(uint80,uint8,address,(bytes32,uint128)[],bytes)[]", "(uint8,bytes)[]", "bytes"]


@dataclass
class Seen:
    """A fragment as a rule sees it (6.2)."""

    id: int
    kind: int
    controller: bytes
    assets: dict[int, int]
    data: bytes


@dataclass
class Rules:
    """Where rule 0 stands, and what a call of a rule returns: (rule, gas, calldata, arguments) -> return data, none if it fails."""

    account: bytes
    run: Callable[[bytes, int, bytes, tuple], bytes | None]


class Evidence:
    """Section 7. Raises `Unreadable` if it does not open the commitment it starts with."""

    def __init__(self, raw: bytes):
        self.raw, c = raw, Cursor(raw)
        self.id, self.proposer = c.num(5), c.take(20)
        c.take(35)
        step_root, _ = c.take(32), c.take(32)
        self.header = Header.read(c)
        self.preimage = raw[: c.at]
        index = c.bounded(2, 0, self.header.steps - 1)
        start = c.at
        for count in _sibling_counts(self.header.steps, index):
            c.take(32 * count)
        proof = Cursor(raw[start : c.at])
        self.step = step = Step.read(c)
        fresh, opened, again = len(step.fresh), len(step.opened), len(step.again)
        self.anchors = [a for a, _, _ in step.fresh] + [c.take(7) for _ in range(opened + again)]
        self.table = codec.table_or_empty(step)
        self.depths: list[int | None] = []
        self.encodings: list[dict[int, bytes]] = []
        for touch, leaves in enumerate(self.table):
            if self.is_opened(touch):
                self.depths.append(None)
                self.encodings.append({0: b""})
                continue
            depth = c.bounded(1, 0, codec.MAX_DEPTH)
            self.depths.append(depth)
            self.encodings.append({leaf: c.take(c.num(2)) for leaf in [0, *leaves] if leaf < 1 << depth})
        if any(e and e[0] for leaves in self.encodings for e in leaves.values()):
            raise Unreadable("a pre-state does not start with zero")
        nodes = raw[c.at :]
        if len(nodes) % 32:
            raise Unreadable("nodes")
        self.nodes = [nodes[i : i + 32] for i in range(0, len(nodes), 32)]
        rest, heads = iter(self.nodes), []
        for touch, (depth, leaves) in enumerate(zip(self.depths, self.encodings)):
            if depth is None:
                heads.append(bytes(32))
                continue
            top = self.top(leaves, depth, rest)
            root = codec.anchor_root(depth, top)
            # The id in a repeated touch's head is this batch's: it wrote it.
            heads.append(root + u(step.fresh[touch][2] if touch < fresh else self.id, 5))
        if next(rest, None) is not None:
            raise Unreadable("nodes left")
        entries = b"".join(a + h for a, h in zip(self.anchors, heads))
        commitment = keccak(entries + step.raw + u(step.touches(), 1))
        if codec.tree_root(commitment, index, self.header.steps, proof) != step_root:
            raise Unreadable("the step is not in the batch")

    @staticmethod
    def top(encodings: dict[int, bytes], depth: int, rest) -> bytes:
        values = {leaf: keccak(e) if e else codec.ZERO for leaf, e in encodings.items()}
        try:
            return codec.climb(values, depth, rest)
        except StopIteration:
            raise Unreadable("nodes missing") from None

    def is_opened(self, touch: int) -> bool:
        return 0 <= touch - len(self.step.fresh) < len(self.step.opened)


def _sibling_counts(count: int, index: int):
    while count > 1:
        yield min(8, count - index // 8 * 8) - 1
        index, count = index // 8, (count + 7) // 8


def proof_gas(e: Evidence, calls: list[Call]) -> int:
    states = sum(len(x) for leaves in e.encodings for x in leaves.values())
    fragments = sum(1 + len(leaves) for leaves in e.table)
    evaluation = EVAL_BASE + EVAL_BYTE * (len(e.step.raw) + states) + EVAL_FRAGMENT * fragments
    evaluation += EVAL_NODE * (len(e.nodes) + codec.MAX_DEPTH * len(e.step.opened))
    passed = states
    for call in calls:
        passed += call.effects
        evaluation += CALL_BASE + call.gas + CALL_FRAGMENT * len(call.fragments) + PASS_BYTE * passed
        evaluation += EFFECT_BYTE * call.effects
        for a in call.authorisations:
            evaluation += AUTH + AUTH_P256 * (a.scheme > 1) + AUTH_WEBAUTHN * (a.scheme == 3)
            evaluation += AUTH_OUTFLOW * len(a.outflows)
    return TX_BASE + max(64 * len(e.raw), (16 + OPEN_BYTE) * len(e.raw) + evaluation)


class Evaluation:
    """One step. `evaluate` raises `Invalid` for a lie, and leaves the states after it otherwise."""

    def __init__(self, e: Evidence, bridge: bytes, rules: Rules):
        self.e, self.bridge, self.rules = e, bridge, rules
        self.places: list[tuple[int, int]] = []  # touch and leaf of each of the step's fragments
        self.states: list[Fragment | None] = []
        self.depths = list(e.depths)
        self.withdrawals: list[bytes] = []
        self.digests: list[bytes] = []  # signed
        self.domain = separator(e.header.chain_id, bridge)

    def evaluate(self) -> None:
        e, step = self.e, self.e.step
        try:
            calls = codec.read_calls(step)
        except Unreadable as error:
            raise Invalid(f"body: {error}") from None
        require(
            e.header.steps == 1 or sum(call.gas for call in calls) <= RULE_GAS_PER_BYTE * len(step.raw),
            "more gas than its bytes allow",
        )
        require(proof_gas(e, calls) <= e.header.ceiling, "proof gas above the ceiling")
        for touch, leaves in enumerate(e.table):
            for leaf in [0, *leaves]:
                require(leaf in e.encodings[touch], "leaf beyond its cohort")
                encoding = e.encodings[touch][leaf]
                try:
                    state = Fragment.decode(encoding) if encoding else None
                except Unreadable as error:
                    raise Invalid(f"pre-state: {error}") from None
                require(state or leaf or e.is_opened(touch), "no header")
                self.places.append((touch, leaf))
                self.states.append(state)
        self.leases = [s.lease if s else None for s, (_, leaf) in zip(self.states, self.places) if leaf == 0]
        self.leases = [x if x and e.header.clock <= x[1] else None for x in self.leases]
        require(all(x is None or x[0] == e.proposer for x in self.leases), "leased to another")
        listed: set[int] = set()
        self.opened: set[int] = set()
        for call in calls:
            self.call(call)
            listed |= set(call.fragments)
        for i, (touch, leaf) in enumerate(self.places):
            require(self.states[i], "a fragment is not opened")
            spare = leaf == 0 and e.table[touch]
            require(i in listed or i in self.opened or spare, "a fragment is not used")
        for anchor, root in zip(self.roots(), step.roots()):
            require(anchor == root, "a root is another")
        require(self.withdrawals == step.withdrawals, "withdrawals are others")

    def after(self, touch: int) -> dict[int, bytes]:
        return {leaf: s.encode() for s, (t, leaf) in zip(self.states, self.places) if t == touch and s}

    def roots(self):
        rest = iter(self.e.nodes)
        for touch, depth in enumerate(self.depths):
            if self.e.is_opened(touch):
                yield codec.Cohort(depth, self.after(touch)).root()
            else:
                yield codec.anchor_root(depth, Evidence.top(self.after(touch), depth, rest))

    # --- 6.1

    def id_of(self, i: int) -> int:
        touch, leaf = self.places[i]
        return int.from_bytes(self.e.anchors[touch] + u(leaf, 3), "big")

    def is_new(self, i: int) -> bool:
        return self.e.anchors[self.places[i][0]][:5] == u(self.e.id, 5)

    def call(self, call: Call) -> None:
        e, clock = self.e, self.e.header.clock
        require(call.rule <= len(e.header.rules), "rule beyond the table")
        rule = e.header.rules[call.rule - 1] if call.rule else self.rules.account
        require(len(set(call.fragments)) == len(call.fragments), "a fragment is listed twice")
        for i in call.fragments:
            require(i < len(self.states) and self.states[i], "a fragment listed does not exist")
        before = [self.states[i].encode() for i in call.fragments]
        positions = [a.position for a in call.authorisations]
        require(codec.increasing([-1, *positions, len(call.fragments)]), "positions of authorisations")
        nonces = []
        for a in call.authorisations:
            i = call.fragments[a.position]
            require(codec.increasing([-1, *(asset for asset, _ in a.outflows)]), "outflows")
            require(not self.is_new(i) and clock <= a.valid_until, "a new fragment, or too late")
            nonces.append(self.states[i].nonce)
            require(nonces[-1] < (1 << 64) - 1, "nonce")
            self.states[i].nonce += 1
        authority, credited = set(positions), set()
        for position, i in enumerate(call.fragments):
            state = self.states[i]
            if state.kind == RULE_KIND:
                require(state.controller == rule, "a fragment of another rule")
                authority.add(position)
            elif position not in positions:
                require(self.leases[self.places[i][0]], "neither consent nor lease")
                credited.add(position)
        effects = self.run(rule, call)
        meanings, effects = read_effects(effects, len(positions))
        for number, a in enumerate(call.authorisations):
            words = meanings.get(number, (PLAIN_TYPE, keccak(a.payload)))
            i = call.fragments[a.position]
            self.signed(a, self.states[i], rule, self.id_of(i), nonces[number], words)
        outflows = {a.position: dict(a.outflows) for a in call.authorisations}
        Effects(self, rule, call, authority, credited, outflows).apply(effects)
        for position, i in enumerate(call.fragments):
            require(position in positions or self.states[i].encode() != before[position], "listed in vain")

    def run(self, rule: bytes, call: Call) -> bytes:
        seen = []
        for i in call.fragments:
            s = self.states[i]
            seen.append(Seen(0 if self.is_new(i) else self.id_of(i), s.kind, s.controller, dict(sorted(s.assets.items())), s.data))
        context = (self.e.header.clock, self.e.proposer)
        arguments = (context, seen, [(a.position, a.payload) for a in call.authorisations], call.extra)
        output = self.rules.run(rule, call.gas, calldata(*arguments), arguments)
        require(output is not None, "the rule fails")
        length = int.from_bytes(output[32:64], "big")
        require(length <= call.effects, "effects are longer than committed")
        require(output == returned(output[64 : 64 + length]), "not ABI encoded")
        return output[64 : 64 + length]

    # --- 5.1

    def signed(self, a: Authorisation, state: Fragment, rule: bytes, id_: int, nonce: int, words) -> None:
        digest = digest_of(self.domain, words, rule, id_, nonce, a.valid_until, a.outflows)
        self.digests.append(digest)
        r, s = a.signature[:32], int.from_bytes(a.signature[32:64], "big")
        if a.scheme == 1:
            parity, s = s >> 255, s & ((1 << 255) - 1)
            require(state.kind == 1 and s <= K1_ORDER // 2, "signature")
            require(ecrecover(digest, r, s, parity) == state.controller, "signer")
            return
        if a.scheme == 3:
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=")
            client = b'{"type":"webauthn.get","challenge":"' + challenge + b'"' + a.client_rest
            require(len(a.authenticator) >= 37 and a.authenticator[32] & 1, "authenticator data")
            digest = hashlib.sha256(a.authenticator + hashlib.sha256(client).digest()).digest()
        key = a.signature[64:]
        require(state.kind == 2 and s <= R1_ORDER // 2 and keccak(key)[12:] == state.controller, "signer")
        require(p256(digest, int.from_bytes(r, "big"), s, key), "signature")


def separator(chain_id: int, bridge: bytes) -> bytes:
    return keccak(keccak(DOMAIN_TYPE) + keccak(b"nthroot") + keccak(b"1") + u(chain_id, 32) + bytes(12) + bridge)


def digest_of(domain: bytes, words: tuple, rule: bytes, id_: int, nonce: int, valid_until: int, outflows: list) -> bytes:
    """What is signed (5.1)."""
    spent = b"".join(keccak(keccak(OUTFLOW) + u(asset, 32) + u(amount, 32)) for asset, amount in outflows)
    fields = u(id_, 32) + u(nonce, 32) + u(valid_until, 32) + keccak(spent)
    return keccak(b"\x19\x01" + domain + keccak(words[0] + words[1] + bytes(12) + rule + fields))


def calldata(context: tuple, seen: list[Seen], authorisations: list, extra: bytes) -> bytes:
    fragments = [
        (s.id, s.kind, "0x" + s.controller.hex(), [(u(x, 32), n) for x, n in s.assets.items()], s.data) for s in seen
    ]
    return SELECTOR + encode(TYPES, [(context[0], "0x" + context[1].hex()), fragments, authorisations, extra])


def returned(effects: bytes) -> bytes:
    return u(32, 32) + u(len(effects), 32) + effects + bytes(-len(effects) % 32)
