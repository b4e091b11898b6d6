"""What the effects of a call do to the fragments of its step: section 6.3 of docs/spec.md."""

from eth_hash.auto import keccak

import codec
from codec import KEY_KINDS, RULE_KIND, U128, Call, Cursor, Fragment, Unreadable, require, u

MAX_LEASE, MAX_EFFECTS, MAX_WITHDRAWALS = 64, 64, 15

OPERANDS = {1: (1, 1, 32, 16), 2: (1, 32, 16), 3: (1, 32, 16), 4: (1, 2), 5: (1, 1, 20), 6: (1, 20, 20, 16)}
OPERANDS |= {7: (1, 1, 20), 8: (1, 20, 8), 9: (1, 1, 20), 10: (1, 32, 32)}


def read_effects(effects: bytes, authorisations: int) -> tuple[dict[int, tuple[bytes, bytes]], list[tuple]]:
    """The meanings, and all others in order."""
    c, meanings, others = Cursor(effects), {}, []
    try:
        while c.more():
            code = c.num(1)
            require(code in OPERANDS, "unknown effect")
            operands = [c.take(size) for size in OPERANDS[code]]
            if code == 4:
                operands.append(c.take(int.from_bytes(operands[1], "big")))
            require(len(others) + len(meanings) < MAX_EFFECTS, "too many effects")
            if code != 10:
                others.append((code, operands))
                continue
            number = operands[0][0]
            require(not others and number < authorisations and number > max(meanings, default=-1), "meaning")
            meanings[number] = (operands[1], operands[2])
    except Unreadable:
        raise codec.Invalid("an effect is cut off") from None
    return meanings, others


class Effects:
    """What a call's effects do to the step's fragments."""

    def __init__(self, step, rule: bytes, call: Call, authority: set, credited: set, outflows: dict):
        self.step, self.rule, self.fragments = step, rule, list(call.fragments)
        self.authority, self.credited, self.outflows = authority, credited, outflows
        self.debits: dict[tuple[int, int], int] = {}

    def apply(self, effects: list[tuple]) -> None:
        apply = {1: self.move, 2: self.mint, 3: self.burn, 4: self.write, 5: self.open, 6: self.withdraw}
        apply |= {7: self.set_controller, 8: self.set_lease, 9: self.open_leaf}
        for code, operands in effects:
            apply[code](*(x if len(x) in (20, 32) or code == 4 else int.from_bytes(x, "big") for x in operands))

    def at(self, position: int, authority: bool = False) -> Fragment:
        require(position < len(self.fragments), "position")
        require(not authority or position in self.authority, "authority")
        return self.step.states[self.fragments[position]]

    def debit(self, position: int, asset: int, amount: int) -> None:
        state = self.at(position, True)
        require(0 < amount <= state.assets.get(asset, 0), "debit")
        total = self.debits[position, asset] = self.debits.get((position, asset), 0) + amount
        if position in self.outflows:
            require(total <= self.outflows[position].get(asset, 0), "outflow")
        state.assets[asset] -= amount
        if not state.assets[asset]:
            del state.assets[asset]

    def credit(self, position: int, asset: int, amount: int) -> None:
        state = self.at(position)
        require(position not in self.credited or asset in state.assets, "a new asset without consent")
        state.assets[asset] = state.assets.get(asset, 0) + amount
        require(0 < amount and state.assets[asset] < U128 and len(state.assets) <= codec.MAX_ASSETS, "credit")

    def issued(self, tag: bytes) -> int:
        return int.from_bytes(keccak(self.rule + tag), "big") | 1 << 255

    def move(self, source: int, to: int, asset: bytes, amount: int) -> None:
        require(source != to, "move to itself")
        self.debit(source, int.from_bytes(asset, "big"), amount)
        self.credit(to, int.from_bytes(asset, "big"), amount)

    def mint(self, to: int, tag: bytes, amount: int) -> None:
        self.credit(to, self.issued(tag), amount)

    def burn(self, source: int, tag: bytes, amount: int) -> None:
        self.debit(source, self.issued(tag), amount)

    def write(self, position: bytes, _length: bytes, data: bytes) -> None:
        require(len(data) <= codec.MAX_DATA, "data")
        self.at(position[0], True).data = data

    def create(self, i: int, kind: int, controller: bytes) -> None:
        own = kind == RULE_KIND and controller == self.rule
        require(own or (kind in KEY_KINDS and any(controller)), "controller")
        self.step.states[i] = Fragment(kind, controller)
        self.step.opened.add(i)
        self.fragments.append(i)
        if own:
            self.authority.add(len(self.fragments) - 1)

    def open(self, depth: int, kind: int, controller: bytes) -> None:
        places, states = self.step.places, self.step.states
        free = [i for i, (t, _) in enumerate(places) if self.step.e.is_opened(t) and not states[i]]
        require(free and depth <= codec.MAX_DEPTH, "open")
        self.step.depths[places[free[0]][0]] = depth
        self.create(free[0], kind, controller)

    def open_leaf(self, header: int, kind: int, controller: bytes) -> None:
        self.at(header, True)
        places, states = self.step.places, self.step.states
        free = [i for i, (_, leaf) in enumerate(places) if leaf and not states[i]]
        require(free and (places[free[0]][0], 0) == places[self.fragments[header]], "open leaf")
        self.create(free[0], kind, controller)

    def withdraw(self, source: int, recipient: bytes, token: bytes, amount: int) -> None:
        self.debit(source, int.from_bytes(token, "big"), amount)
        self.step.withdrawals.append(recipient + token + u(amount, 16))
        require(any(recipient) and len(self.step.withdrawals) <= MAX_WITHDRAWALS, "withdrawal")

    def controlled(self, position: int) -> Fragment:
        state = self.at(position, True)
        require(state.kind == RULE_KIND or self.rule == self.step.rules.account, "a key's fragment")
        return state

    def set_controller(self, position: int, kind: int, controller: bytes) -> None:
        state = self.controlled(position)
        require(kind in KEY_KINDS and any(controller), "controller")
        state.kind, state.controller = kind, controller

    def set_lease(self, position: int, holder: bytes, last: int) -> None:
        state = self.controlled(position)
        require(self.step.places[self.fragments[position]][1] == 0, "a lease beside a header")
        require(any(holder) == (last != 0) and last <= self.step.e.header.clock + MAX_LEASE, "lease")
        state.lease = (holder, last) if last else None
