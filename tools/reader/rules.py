"""The four rules: 6.4 of docs/spec.md, and the pages of docs/rules. `Fail` is to return no effects."""

from math import isqrt

from eth_hash.auto import keccak

from codec import RULE_KIND, U128, Cursor, Unreadable, increasing, u

MILLION = 10**6
OUTFLOW = "Outflow(bytes32 asset,uint128 amount)"


class Fail(Exception):
    pass


def need(condition: object) -> None:
    if not condition:
        raise Fail


def up(a: int, b: int) -> int:
    return -(-a // b)


def move(source: int, to: int, asset: int, amount: int) -> bytes:
    return u(1, 1) + u(source, 1) + u(to, 1) + u(asset, 32) + u(amount, 16)


def mint(to: int, tag: bytes, amount: int) -> bytes:
    return u(2, 1) + u(to, 1) + tag + u(amount, 16)


def burn(source: int, tag: bytes, amount: int) -> bytes:
    return u(3, 1) + u(source, 1) + tag + u(amount, 16)


def write(position: int, data: bytes) -> bytes:
    return u(4, 1) + u(position, 1) + u(len(data), 2) + data


def open_(depth: int, kind: int, controller: bytes) -> bytes:
    return u(5, 1) + u(depth, 1) + u(kind, 1) + controller


def open_leaf(header: int, kind: int, controller: bytes) -> bytes:
    return u(9, 1) + u(header, 1) + u(kind, 1) + controller


def meaning(number: int, struct: str, words: list, others: tuple = ()) -> bytes:
    """Effect 10. By EIP-712, the types that a type refers to follow it by name."""
    name = struct.split("(")[0]
    head = f"Authorisation({name} intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
    signed = keccak((head + "".join(sorted({struct, OUTFLOW, *others}))).encode())
    said = keccak((struct + "".join(others)).encode())
    return u(10, 1) + u(number, 1) + signed + keccak(said + b"".join(w if isinstance(w, bytes) else u(w, 32) for w in words))


def account(_context, seen, authorisations, extra) -> bytes:
    need(not extra)
    effects, opened = b"", len(seen)
    for position, payload in authorisations:
        c = Cursor(payload)
        while c.more():
            code = c.num(1)
            if code == 1:
                payee, asset, amount = c.num(10), c.num(32), c.num(16)
                to = [i for i, s in enumerate(seen) if s.id == payee]
                need(payee and to)
                effects += move(position, to[0], asset, amount)
            elif code in (2, 6):
                first = c.num(1) if code == 2 else position
                kind, controller = c.num(1), c.take(20)
                need(kind != RULE_KIND)
                effects += (open_ if code == 2 else open_leaf)(first, kind, controller)
                for _ in range(c.num(1)):
                    effects += move(position, opened, c.num(32), c.num(16))
                opened += 1
            elif code == 3:
                effects += u(6, 1) + u(position, 1) + c.take(56)
            elif code in (4, 5):
                effects += u(code + 3, 1) + u(position, 1) + c.take(21 if code == 4 else 28)
            else:
                raise Fail
    return effects


# --- docs/rules/swap.md

SWAP = "Swap(Leg[] give,Leg[] get,Outflow[] reward,uint80[] counterparties,uint64 firstBlock,uint64 lastBlock,uint128 fillAtLeast)"
LEG = "Leg(bytes32 asset,uint128 start,uint128 end)"


class Intent:
    def __init__(self, payload: bytes):
        c = Cursor(payload)
        form = c.num(1)
        need(form <= 3)
        self.curve, self.partial = bool(form & 1), bool(form & 2)
        self.gives, self.gets = self.legs(c), self.legs(c)
        self.rewards = [(c.num(32), c.num(16)) for _ in range(c.num(1))]
        self.parties = [c.num(10) for _ in range(c.num(1))]
        self.first, self.last = (c.num(8), c.num(8)) if self.curve else (0, 0)
        self.whole = self.gives[0][2]
        self.least = c.num(16) if self.partial else self.whole
        c.end()
        need(increasing([asset for asset, _ in self.rewards]) and increasing([0, *self.parties]))
        need(self.first <= self.last and self.whole)

    def legs(self, c: Cursor) -> list[tuple[int, int, int]]:
        legs = []
        for _ in range(c.num(1)):
            asset, start = c.num(32), c.num(16)
            legs.append((asset, start, c.num(16) if self.curve else start))
        need(legs and increasing([leg[0] for leg in legs]))
        return legs

    def meaning(self, number: int) -> bytes:
        def array(struct: str, rows: list) -> bytes:
            return keccak(b"".join(keccak(keccak(struct.encode()) + b"".join(u(x, 32) for x in row)) for row in rows))

        parties = keccak(b"".join(u(x, 32) for x in self.parties))
        lists = [array(LEG, self.gives), array(LEG, self.gets), array(OUTFLOW, self.rewards), parties]
        words = [*lists, self.first, self.last, self.least]
        return meaning(number, SWAP, words, (LEG, OUTFLOW))

    def at(self, leg: tuple[int, int, int], t: int, rises: bool) -> int:
        _, start, end = leg
        need(start <= end if rises else start >= end)
        if t <= self.first:
            return start
        if t >= self.last:
            return end
        change = abs(end - start) * (t - self.first) // (self.last - self.first)
        return start + change if rises else start - change


def swap(context, seen, authorisations, extra) -> bytes:
    intents = [Intent(payload) for _, payload in authorisations]
    c = Cursor(extra)
    assets = [c.num(32) for _ in range(c.num(1))]
    fills = [c.num(16) if intent.partial else intent.whole for intent in intents]
    need(increasing(assets))
    moves = []
    while c.more():
        source, to, number, amount = c.num(1), c.num(1), c.num(1), c.num(16)
        need(source < len(seen) and to < len(seen) and number < len(assets))
        moves.append((source, to, assets[number], amount))
    for (position, _), intent, fill in zip(authorisations, intents, fills):
        need(1 <= fill and intent.least <= fill <= intent.whole)
        granted: dict[int, int] = {}
        for leg in intent.gives:
            granted[leg[0]] = intent.at(leg, context[0], True) * fill // intent.whole
        for asset, amount in intent.rewards:
            granted[asset] = granted.get(asset, 0) + amount * fill // intent.whole
        takes, brings = {}, {}
        for source, to, asset, amount in moves:
            if source == position:
                takes[asset] = takes.get(asset, 0) + amount
            if to == position:
                brings[asset] = brings.get(asset, 0) + amount
            if intent.parties and position in (source, to):
                need(seen[to if source == position else source].id in intent.parties)
        need(all(amount <= granted.get(asset, 0) for asset, amount in takes.items()))
        for leg in intent.gets:
            need(brings.get(leg[0], 0) >= up(intent.at(leg, context[0], False) * fill, intent.whole))
    meanings = b"".join(intent.meaning(number) for number, intent in enumerate(intents))
    return meanings + b"".join(move(*m) for m in moves)


# --- docs/rules/pool.md


def pool(_context, seen, authorisations, extra) -> bytes:
    need(authorisations)
    if authorisations[0][1][:1] == b"\1":
        need(len(authorisations) == 1 and len(extra) == 20)
        c = Cursor(authorisations[0][1], 1)
        assets, fee = c.take(64), c.num(3)
        c.end()
        need(assets[:32] < assets[32:] and fee <= 100_000)
        said = meaning(0, "PoolCreate(bytes32 asset0,bytes32 asset1,uint24 fee)", [assets, fee])
        return said + open_(0, RULE_KIND, extra) + write(len(seen), assets + u(fee, 3) + bytes(16))
    need(not extra and seen[0].kind == RULE_KIND and seen[0].id)
    c = Cursor(seen[0].data)
    pair, fee, before = [c.num(32), c.num(32)], c.num(3), c.num(16)
    c.end()
    reserves, total = [seen[0].assets.get(asset, 0) for asset in pair], before
    tag, said, done = u(seen[0].id, 32), b"", b""

    def trade(user: int, sell: int, sold: int, bought: int) -> bytes:
        reserves[sell] += sold
        reserves[1 - sell] -= bought
        return move(user, 0, pair[sell], sold) + move(0, user, pair[1 - sell], bought)

    for number, (user, payload) in enumerate(authorisations):
        c = Cursor(payload)
        code, id_ = c.num(1), c.num(10)
        need(id_ == seen[0].id and 2 <= code <= 5)
        if code == 2:
            most, least = [c.num(16), c.num(16)], c.num(16)
            if total == 0:
                shares, paid = isqrt(most[0] * most[1]), most
                need(shares > 1000)
                minted = shares - 1000
            else:
                shares = minted = min(most[i] * total // reserves[i] for i in (0, 1))
                paid = [up(shares * reserves[i], total) for i in (0, 1)]
            need(shares >= 1 and minted >= least)
            total += shares
            reserves = [reserves[i] + paid[i] for i in (0, 1)]
            struct = "PoolAdd(uint80 pool,bytes32 asset0,uint128 atMost0,bytes32 asset1,uint128 atMost1,uint128 sharesAtLeast)"
            said += meaning(number, struct, [id_, pair[0], most[0], pair[1], most[1], least])
            done += move(user, 0, pair[0], paid[0]) + move(user, 0, pair[1], paid[1]) + mint(user, tag, minted)
        elif code == 3:
            shares, least = c.num(16), [c.num(16), c.num(16)]
            need(1 <= shares <= total - 1000)
            paid = [shares * r // total for r in reserves]
            need(paid[0] >= least[0] and paid[1] >= least[1])
            total -= shares
            reserves = [reserves[i] - paid[i] for i in (0, 1)]
            struct = "PoolRemove(uint80 pool,uint128 shares,bytes32 asset0,uint128 atLeast0,bytes32 asset1,uint128 atLeast1)"
            said += meaning(number, struct, [id_, shares, pair[0], least[0], pair[1], least[1]])
            done += burn(user, tag, shares) + b"".join(move(0, user, pair[i], paid[i]) for i in (0, 1) if paid[i])
        else:
            side, amount, limit = c.num(1), c.num(16), c.num(16)
            need(side <= 1)
            sell = side if code == 4 else 1 - side
            r_s, r_b = reserves[sell], reserves[1 - sell]
            if code == 4:
                net = amount * (MILLION - fee) // MILLION
                need(r_s + net)
                sold, bought = amount, net * r_b // (r_s + net)
                need(bought and bought >= limit)
                struct = "PoolSell(uint80 pool,bytes32 sell,uint128 amount,bytes32 buy,uint128 atLeast)"
            else:
                need(1 <= amount < r_b)
                sold, bought = up(up(r_s * amount, r_b - amount) * MILLION, MILLION - fee), amount
                need(sold <= limit)
                struct = "PoolBuy(uint80 pool,bytes32 buy,uint128 amount,bytes32 sell,uint128 atMost)"
            said += meaning(number, struct, [id_, pair[side], amount, pair[1 - side], limit])
            done += trade(user, sell, sold, bought)
        c.end()
        need(all(r < U128 for r in reserves) and total < U128)
    return said + done + (write(0, u(pair[0], 32) + u(pair[1], 32) + u(fee, 3) + u(total, 16)) if total != before else b"")


def attempt(rule, arguments: tuple) -> bytes | None:
    """Effects, or none if the rule fails."""
    try:
        return rule(*arguments)
    except (Fail, Unreadable, ZeroDivisionError, OverflowError, IndexError):
        return None
