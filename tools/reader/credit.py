"""docs/rules/credit.md."""

from codec import RULE_KIND, Cursor, u
from rules import MILLION, burn, meaning, mint, move, need, open_, open_leaf, up, write

WAD, VIRTUAL = 10**18, 10**6
TERMS = (1, 32, 32, 16, 8, 16, 3, 4, 4, 4)
BOOKS = (8, 16, 16, 24, 16)


def fields(c: Cursor, sizes: tuple) -> list[int]:
    return [c.num(size) for size in sizes]


def packed(values: list[int], sizes: tuple) -> bytes:
    """What does not fit fails (OverflowError, also below zero)."""
    return b"".join(u(value, size) for value, size in zip(values, sizes))


class Market:
    def __init__(self, seen, t: int):
        c = Cursor(seen.data)
        need(seen.kind == RULE_KIND and seen.id and c.num(1) == 1)
        self.seen, self.id, self.t, self.terms = seen, seen.id, t, fields(c, TERMS)
        depth, self.collateral, self.asset, self.ratio, self.rate, self.minimum, self.fee, *auction = self.terms
        self.depth, (self.grace, self.rise, self.fall) = depth, auction
        self.serial, self.shares, self.principal, self.moment, self.called = fields(c, BOOKS)
        c.end()
        self.idle = seen.assets.get(self.asset, 0)
        accrued = t * self.principal - self.moment
        need(accrued >= 0)
        self.low = self.idle + self.principal + self.rate * accrued // WAD

    def tag(self) -> bytes:
        return u(self.id, 10) + bytes(22)

    def covers(self, collateral: int, debt: int) -> None:
        need(debt <= collateral * self.ratio // WAD)

    def count(self, p: "Position", sign: int) -> None:
        if p.called:
            self.called += sign * p.principal
        else:
            self.principal += sign * p.principal
            self.moment += sign * p.principal * p.since
        need(self.called >= 0 and self.principal >= 0 and self.moment >= 0)

    def write(self) -> bytes:
        books = [self.serial, self.shares, self.principal, self.moment, self.called]
        return write(0, b"\1" + packed(self.terms, TERMS) + packed(books, BOOKS))


class Position:
    SIZES = (10, 8, 32, 16, 8, 8)

    def __init__(self, market: int, serial: int, asset: int, principal: int, since: int, called: int = 0):
        self.market, self.serial, self.asset = market, serial, asset
        self.principal, self.since, self.called, self.held = principal, since, called, 0

    @staticmethod
    def of(seen, market: int, serial: int) -> "Position":
        c = Cursor(seen.data)
        need(seen.kind == RULE_KIND and c.num(1) == 2)
        position = Position(*fields(c, Position.SIZES))
        c.end()
        need((position.market, position.serial) == (market, serial))
        position.held = seen.assets.get(position.asset, 0)
        return position

    def debt(self, rate: int, t: int) -> int:
        if self.called:
            return self.principal
        need(t >= self.since)
        return self.principal + up(self.principal * rate * (t - self.since), WAD)

    def title(self) -> bytes:
        return u(self.market, 10) + u(self.serial, 8) + bytes(14)

    def write(self, at: int) -> bytes:
        values = [self.market, self.serial, self.asset, self.principal, self.since, self.called]
        return write(at, b"\2" + packed(values, self.SIZES))


def credit(context, seen, authorisations, extra, issued) -> bytes:
    """`issued`: the asset of a tag."""
    need(len(authorisations) == 1)
    (user, payload), t, n = authorisations[0], context[0], len(seen)
    c = Cursor(payload)
    code = c.num(1)
    if code == 1:
        terms = fields(c, TERMS)
        c.end()
        depth, collateral, asset, ratio, _, minimum, fee, _, rise, fall = terms
        need(len(extra) == 20 and collateral != asset and depth <= 24)
        need(ratio and minimum and fee <= 100_000 and rise and fall)
        struct = "CreditCreate(uint8 depth,bytes32 collateral,bytes32 asset,uint128 ratio,uint64 rate,uint128 minimum,"
        struct += "uint24 callFee,uint32 grace,uint32 rise,uint32 fall)"
        data = b"\1" + packed(terms, TERMS) + bytes(sum(BOOKS))
        return meaning(0, struct, terms) + open_(depth, RULE_KIND, extra) + write(n, data)
    need(not extra and 2 <= code <= 9)
    id_ = c.num(10)

    def owner(position: Position) -> None:
        need(seen[user].assets.get(issued(position.title()), 0))

    def maybe(source: int, to: int, asset: int, amount: int) -> bytes:
        return move(source, to, asset, amount) if amount else b""

    if code in (8, 9):
        serial = c.num(8)
        position = Position.of(seen[0], id_, serial)
        owner(position)
        if code == 8:
            amount = c.num(16)
            c.end()
            need(not position.called and position.principal and amount)
            struct = "CreditAdd(uint80 market,uint64 serial,bytes32 collateral,uint128 amount)"
            return meaning(0, struct, [id_, serial, position.asset, amount]) + move(user, 0, position.asset, amount)
        c.end()
        need(position.principal == 0)
        said = meaning(0, "CreditClose(uint80 market,uint64 serial)", [id_, serial])
        back = maybe(0, user, position.asset, position.held)
        return said + back + burn(user, position.title(), 1) + write(0, b"")

    m = Market(seen[0], t)
    need(m.id == id_)
    if code == 2:
        amount, least = c.num(16), c.num(16)
        c.end()
        shares = amount * (m.shares + VIRTUAL) // (m.low + m.called + 1)
        need(amount and shares >= max(1, least))
        m.shares += shares
        struct = "CreditLend(uint80 market,bytes32 asset,uint128 amount,uint128 sharesAtLeast)"
        said = meaning(0, struct, [id_, m.asset, amount, least])
        return said + move(user, 0, m.asset, amount) + mint(user, m.tag(), shares) + m.write()
    if code == 3:
        shares, least = c.num(16), c.num(16)
        c.end()
        need(1 <= shares <= m.shares)
        amount = shares * (m.low + 1) // (m.shares + VIRTUAL)
        need(max(1, least) <= amount <= m.idle)
        m.shares -= shares
        struct = "CreditRedeem(uint80 market,uint128 shares,bytes32 asset,uint128 atLeast)"
        said = meaning(0, struct, [id_, shares, m.asset, least])
        return said + burn(user, m.tag(), shares) + move(0, user, m.asset, amount) + m.write()

    serial = c.num(8)
    if code == 4:
        added, amount = c.num(16), c.num(16)
        c.end()
        struct = "CreditBorrow(uint80 market,uint64 serial,bytes32 collateral,uint128 added,bytes32 asset,uint128 amount)"
        said = meaning(0, struct, [id_, serial, m.collateral, added, m.asset, amount])
        need(1 <= amount <= m.idle)
        if serial == 0:
            need(added and amount >= m.minimum)
            m.covers(added, amount)
            m.serial += 1
            p = Position(id_, m.serial, m.collateral, amount, t)
            m.count(p, 1)
            rule = seen[0].controller
            said += open_leaf(0, RULE_KIND, rule) if m.depth else open_(0, RULE_KIND, rule)
            said += move(user, n, m.collateral, added) + move(0, user, m.asset, amount) + mint(user, p.title(), 1)
            return said + p.write(n) + m.write()
        p = Position.of(seen[1], id_, serial)
        owner(p)
        need(not p.called and p.principal)
        debt = p.debt(m.rate, t) + amount
        need(debt >= m.minimum)
        m.covers(p.held + added, debt)
        m.count(p, -1)
        p.principal, p.since = debt, t
        m.count(p, 1)
        said += maybe(user, 1, m.collateral, added) + move(0, user, m.asset, amount)
        return said + p.write(1) + m.write()

    p = Position.of(seen[1], id_, serial)
    need(p.principal)
    debt = p.debt(m.rate, t)
    m.count(p, -1)
    if code == 5:
        most, taken = c.num(16), c.num(16)
        c.end()
        owner(p)
        struct = "CreditRepay(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 taken)"
        said = meaning(0, struct, [id_, serial, m.asset, most, m.collateral, taken])
        paid = min(most, debt)
        left = debt - paid
        need(paid)
        if left:
            need(not p.called and left >= m.minimum and taken <= p.held)
            m.covers(p.held - taken, left)
        back = taken if left else p.held
        said += move(user, 0, m.asset, paid) + maybe(1, user, m.collateral, back)
        said += b"" if left else burn(user, p.title(), 1)
        p.principal, p.since = left, t
    elif code == 6:
        most = c.num(16)
        c.end()
        need(not p.called)
        struct = "CreditCall(uint80 market,uint64 serial,bytes32 asset,uint128 feeAtMost)"
        said = meaning(0, struct, [id_, serial, m.asset, most])
        fee = up(debt * m.fee, MILLION)
        fee = max(0, fee - max(0, debt - p.held * m.ratio // WAD))
        need(fee <= most)
        said += maybe(user, 0, m.asset, fee)
        p.principal, p.since, p.called = debt, t, t
    else:
        most, least = c.num(16), c.num(16)
        c.end()
        struct = "CreditBid(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 atLeast)"
        said = meaning(0, struct, [id_, serial, m.asset, most, m.collateral, least])
        x = t - p.called - m.grace
        need(p.called and x >= 0)
        if x < m.rise:
            offered, asked = p.held * x // m.rise, p.principal
        else:
            offered, asked = p.held, up(p.principal * max(0, m.fall - (x - m.rise)), m.fall)
        need(asked <= most and offered >= least)
        said += maybe(user, 0, m.asset, asked) + maybe(1, user, m.collateral, offered)
        p.principal, p.since = 0, t
    m.count(p, 1)
    return said + p.write(1) + m.write()
