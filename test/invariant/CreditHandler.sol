// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {CreditBench} from "../harness/CreditBench.sol";

/// @notice One market of the Credit rule under random operations of four users, against a plain list of its loans. The list says
/// whether an operation must succeed and what it leads to; a difference fails the run. After each, nobody but who signed has less.
contract CreditHandler is CreditBench {
    struct Item {
        uint256 place;
        uint256 owner; // who holds the title
        uint256 principal;
        uint64 since;
        uint64 called;
        uint256 held;
        bool ended; // the title is burnt
        bool closed; // and nothing is left of the position
    }

    /// @dev What stood before an operation.
    struct Before {
        uint256 low;
        uint256 high;
        uint256 shares;
        uint256 wealth;
        uint256 collateral;
        bytes32 others;
    }

    uint256 private constant NONE = type(uint256).max;
    uint256 private constant MAX_LOANS = 16; // in all

    mapping(bytes32 action => uint256) public done;
    Item[] private _loans;
    uint256[] private _users;
    uint256 private _idle;
    uint256 private _shares;
    address private _puppet;

    function setUp() public override {
        super.setUp();
        _puppet = registered("Puppet.sol:Puppet");
        uint256 dan = user("dan");
        give(dan, ASSET, PURSE);
        give(dan, COLLATERAL, PURSE);
        _users = [ann, ben, cat, dan];
    }

    /// @dev So that a few units and a few blocks matter: 0.1 % a block, a minimum of 10, 10 % for a call.
    function terms() internal pure override returns (Terms memory) {
        return Terms(0, COLLATERAL, ASSET, 0.5e18, 1e15, 10, 100_000, 5, 10, 10);
    }

    // ---------------------------------------------------------------- the list's formulas

    function _debt(Item storage loan) private view returns (uint256) {
        if (loan.called != 0) return loan.principal;
        return loan.principal + quotientUp(loan.principal * 1e15 * (context.blockNumber - loan.since), 1e18);
    }

    /// @dev Loan by loan, and rounded once.
    function _owed() private view returns (uint256 whole) {
        uint256 interest;
        for (uint256 i = 0; i < _loans.length; i++) {
            Item storage loan = _loans[i];
            if (loan.called != 0) continue;
            whole += loan.principal;
            interest += loan.principal * 1e15 * (context.blockNumber - loan.since);
        }
        whole += interest / 1e18;
    }

    function _calledDebts() private view returns (uint256 sum) {
        for (uint256 i = 0; i < _loans.length; i++) {
            if (_loans[i].called != 0) sum += _loans[i].principal;
        }
    }

    function _low() private view returns (uint256) {
        return _idle + _owed();
    }

    /// @dev In units of the asset lent: what a user holds, and shares at the high price, less debts.
    function _wealth(uint256 who) private view returns (uint256 wealth) {
        wealth = holding(who, ASSET) + sharesOf(who) * (_low() + _calledDebts() + 1) / (_shares + 1e6);
        for (uint256 i = 0; i < _loans.length; i++) {
            if (_loans[i].owner == who) wealth -= _debt(_loans[i]);
        }
    }

    function _collateral(uint256 who) private view returns (uint256 sum) {
        sum = holding(who, COLLATERAL);
        for (uint256 i = 0; i < _loans.length; i++) {
            if (_loans[i].owner == who) sum += holding(_loans[i].place, COLLATERAL);
        }
    }

    /// @dev All that is not the signer's, but for the loan that is operated on.
    function _others(uint256 signer, uint256 subject) private view returns (bytes32 hash) {
        for (uint256 i = 0; i < _users.length; i++) {
            uint256 who = _users[i];
            if (who == signer) continue;
            hash = keccak256(abi.encode(hash, holding(who, ASSET), holding(who, COLLATERAL), sharesOf(who)));
        }
        for (uint256 i = 0; i < _loans.length; i++) {
            uint256 place = _loans[i].place;
            if (i != subject) hash = keccak256(abi.encode(hash, dataOf(place), holding(place, COLLATERAL)));
        }
    }

    // ---------------------------------------------------------------- trying

    /// @dev Runs an operation, which must succeed or not. If it does, nobody but its signer has less: the price of shares does not fall,
    /// but the high one by a bid for less than the debt, and the low one by a call; and the signer has no more, but by a bid.
    function _try(bytes32 action, uint256 signer, uint256 subject, bytes memory payload, bool expected)
        private
        returns (Before memory b)
    {
        b = Before(low(), high(), books().shares, _wealth(signer), _collateral(signer), _others(signer, subject));
        uint256[] memory listed = subject == NONE
            ? places(market, signer)
            : uint8(payload[0]) >= 8
                ? places(_loans[subject].place, signer)
                : places(market, _loans[subject].place, signer);
        bool ok = tryRun(rule, listed, one(uint8(listed.length - 1), payload), "");
        assertEq(ok, expected, string(abi.encodePacked(action)));
        done[ok ? action : bytes32("refused")]++;
    }

    function _checkStep(Before memory b, uint256 signer, uint256 subject) private view {
        assertEq(_others(signer, subject), b.others, "what is not the signer's");
        _checkLoans();
        uint256 shares = books().shares;
        assertGe((low() + 1) * (b.shares + 1e6), (b.low + 1) * (shares + 1e6), "low price");
        assertGe((high() + 1) * (b.shares + 1e6), (b.high + 1) * (shares + 1e6), "high price");
        assertEq(_collateral(signer), b.collateral, "the signer's collateral");
        // Debts are rounded up one by one: a unit for each, that nobody had, is the lenders' once it is paid.
        assertLe(_wealth(signer), b.wealth + _loans.length + 1, "the signer's wealth");
    }

    function _checkLoans() private view {
        for (uint256 i = 0; i < _loans.length; i++) {
            Item storage item = _loans[i];
            bytes memory expected = abi.encodePacked(
                uint8(2), idOf(market), uint64(i + 1), COLLATERAL, uint128(item.principal), item.since, item.called
            );
            assertEq(dataOf(item.place), item.closed ? bytes("") : expected, "the position's data");
            assertEq(holding(item.place, COLLATERAL), item.held, "held");
        }
    }

    // ---------------------------------------------------------------- actions

    function _pick(uint256 seed) private view returns (uint256) {
        return _users[seed % _users.length];
    }

    /// @dev Of one of the loans that there are.
    function _serial(uint256 seed) private view returns (uint64) {
        return uint64(seed % _loans.length + 1);
    }

    /// @dev Of any order of magnitude up to 2^40.
    function _size(uint256 seed) private pure returns (uint128) {
        return uint128((seed >> 8) % (2 ** (1 + seed % 40)));
    }

    function wait(uint256 seed) external {
        uint256 before = low();
        later(uint64((seed >> 8) % (seed % 8 == 0 ? 2000 : 12)));
        assertGe(low(), before, "time");
        done["wait"]++;
    }

    function lend(uint256 who, uint256 seed) external {
        uint256 signer = _pick(who);
        uint128 amount = _size(seed);
        uint256 shares = uint256(amount) * (_shares + 1e6) / (_low() + _calledDebts() + 1);
        Before memory b = _try("lend", signer, NONE, lend(amount, uint128(shares)), shares != 0);
        if (shares == 0) return;
        _idle += amount;
        _shares += shares;
        _checkStep(b, signer, NONE);
    }

    function redeem(uint256 who, uint256 seed) external {
        uint256 signer = _pick(who);
        uint128 own = sharesOf(signer);
        uint128 shares = seed % 4 == 0 ? own : seed % 4 == 1 ? own + 1 : uint128((seed >> 8) % (uint256(own) + 1));
        uint256 amount = uint256(shares) * (_low() + 1) / (_shares + 1e6);
        bool valid = shares <= own && amount > 0 && amount <= _idle;
        Before memory b = _try("redeem", signer, NONE, redeem(shares, uint128(amount)), valid);
        if (!valid) return;
        _idle -= amount;
        _shares -= shares;
        _checkStep(b, signer, NONE);
    }

    function open(uint256 who, uint256 seed, uint256 cover) external {
        if (_loans.length >= MAX_LOANS) return;
        uint256 signer = _pick(who);
        uint128 amount = _idle == 0 ? 1 : uint128(_size(seed) % (_idle + 2));
        // From what hardly covers it, or does not, upwards.
        uint128 collateral = uint128(2 * uint256(amount) + (cover >> 8) % (1 + uint256(amount))) + uint128(cover % 3);
        collateral -= collateral == 0 ? 0 : 1;
        bool valid = amount >= 10 && amount <= _idle && amount <= collateral / 2;
        Before memory b = _try("open", signer, NONE, borrow(0, collateral, amount), valid);
        if (!valid) return;
        nextBatch();
        _loans.push(Item(opened[0], signer, amount, context.blockNumber, 0, collateral, false, false));
        _idle -= amount;
        _checkStep(b, signer, _loans.length - 1);
    }

    function borrowMore(uint256 which, uint256 seed, uint256 more) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        uint128 amount = uint128(_size(seed) % (_idle + 2));
        uint128 added = _size(more);
        uint256 debt = _debt(loan) + amount;
        bool valid = !loan.ended && loan.called == 0 && loan.principal > 0 && amount > 0 && amount <= _idle
            && debt <= (loan.held + added) / 2;
        bytes memory payload = borrow(_serial(which), added, amount);
        Before memory b = _try("borrowMore", loan.owner, _serial(which) - 1, payload, valid);
        if (!valid) return;
        _idle -= amount;
        (loan.principal, loan.since, loan.held) = (debt, context.blockNumber, loan.held + added);
        _checkStep(b, loan.owner, which % _loans.length);
    }

    function repay(uint256 which, uint256 seed, uint256 takes) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        uint256 debt = _debt(loan);
        uint128 atMost = seed % 4 == 0 ? type(uint128).max : _size(seed);
        uint256 paid = atMost < debt ? atMost : debt;
        uint256 taken = takes % 3 == 0 ? 0 : (takes >> 8) % (loan.held + 2);
        bool valid = !loan.ended && loan.principal > 0 && paid > 0;
        if (paid < debt) {
            valid = valid && loan.called == 0 && debt - paid >= 10 && taken <= loan.held
                && debt - paid <= (loan.held - taken) / 2;
        }
        bytes memory payload = repay(_serial(which), atMost, uint128(taken));
        Before memory b = _try(
            paid < debt ? bytes32("repay a part") : bytes32("repay"), loan.owner, _serial(which) - 1, payload, valid
        );
        if (!valid) return;
        _idle += paid;
        (loan.principal, loan.since) = (debt - paid, context.blockNumber);
        loan.ended = paid == debt;
        loan.held = loan.ended ? 0 : loan.held - taken;
        _checkStep(b, loan.owner, which % _loans.length);
    }

    function callIn(uint256 who, uint256 which) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        uint256 signer = _pick(who);
        uint256 debt = _debt(loan);
        uint256 fee = quotientUp(debt, 10);
        uint256 bare = debt > loan.held / 2 ? debt - loan.held / 2 : 0;
        fee -= bare < fee ? bare : fee;
        bool valid = loan.called == 0 && loan.principal > 0;
        bytes memory payload = callIn(_serial(which), uint128(fee));
        Before memory b =
            _try(fee > 0 ? bytes32("call") : bytes32("call for free"), signer, _serial(which) - 1, payload, valid);
        if (!valid) return;
        _idle += fee;
        // Covered when it was last borrowed or paid, it is above its cover by interest alone.
        assertGe(fee + debt - loan.principal, quotientUp(debt, 10), "fee and interest");
        (loan.principal, loan.since, loan.called) = (debt, context.blockNumber, context.blockNumber);
        assertLe(b.low - low(), debt - fee, "low falls by what is called less the fee, at most");
        assertGe(b.low - low() + 1, debt - fee, "and not by less");
        assertGe(high(), b.high + fee, "high rises by the fee");
        assertLe(high(), b.high + fee + 1, "and not by more");
        b.low = low();
        _checkStep(b, signer, which % _loans.length);
    }

    function bid(uint256 who, uint256 which) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        uint256 signer = _pick(who);
        uint256 age = context.blockNumber - loan.called;
        // Grace 5, rise 10, fall 10.
        uint256 toRise = age < 5 ? 10 : age < 15 ? 15 - age : 0;
        uint256 offered = loan.held - quotientUp(loan.held * toRise, 10);
        uint256 asked = age < 15 ? loan.principal : age < 25 ? quotientUp(loan.principal * (25 - age), 10) : 0;
        bool valid = loan.called != 0 && loan.principal > 0 && age >= 5;
        bytes memory payload = bid(_serial(which), uint128(asked), uint128(offered));
        Before memory b = _try(
            asked < loan.principal ? bytes32("bid with a loss") : bytes32("bid"),
            signer,
            which % _loans.length,
            payload,
            valid
        );
        if (!valid) return;
        assertEq(low(), b.low + asked, "a bid brings what was asked");
        assertEq(b.high - high(), loan.principal - asked, "and lenders lose the rest");
        if (loan.owner != signer) {
            b.collateral += offered;
            b.wealth -= asked; // and what its shares lose; more it cannot have
        } else {
            b.wealth += loan.principal - asked;
        }
        b.high = high();
        _idle += asked;
        (loan.principal, loan.since, loan.held) = (0, context.blockNumber, loan.held - offered);
        _checkStep(b, signer, which % _loans.length);
    }

    function add(uint256 which, uint256 seed) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        uint128 amount = _size(seed);
        bool valid = !loan.ended && loan.called == 0 && loan.principal > 0 && amount > 0;
        Before memory b = _try("add", loan.owner, which % _loans.length, add(_serial(which), amount), valid);
        if (!valid) return;
        loan.held += amount;
        _checkStep(b, loan.owner, which % _loans.length);
    }

    function close(uint256 which) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        bool valid = !loan.ended && loan.principal == 0;
        Before memory b = _try("close", loan.owner, which % _loans.length, close(_serial(which)), valid);
        if (!valid) return;
        (loan.held, loan.ended, loan.closed) = (0, true, true);
        _checkStep(b, loan.owner, which % _loans.length);
    }

    /// @dev As the Account rule would. What the seller could do, the buyer can, and nobody else.
    function handTitle(uint256 which, uint256 to) external {
        if (_loans.length == 0) return;
        Item storage loan = _loans[which % _loans.length];
        if (loan.ended || loan.owner == _pick(to)) return;
        Consent[] memory consents = new Consent[](2);
        consents[1].position = 1;
        bytes memory effects = move(0, 1, issued(rule, titleTag(_serial(which))), 1);
        this.run(_puppet, places(loan.owner, _pick(to)), consents, effects);
        loan.owner = _pick(to);
        done["handTitle"]++;
    }

    /// @dev Whatever is the owner's to do, with whatever amounts, by somebody else.
    function trespass(uint256 who, uint256 which, uint256 seed, uint256 other) external {
        if (_loans.length == 0) return;
        uint64 serial = _serial(which);
        if (_pick(who) == _loans[serial - 1].owner) return;
        bytes[5] memory payloads = [
            borrow(serial, _size(seed), _size(other)),
            repay(serial, _size(seed), _size(other)),
            repay(serial, type(uint128).max, 0),
            add(serial, _size(seed)),
            close(serial)
        ];
        _try("trespass", _pick(who), serial - 1, payloads[seed % 5], false);
    }

    // ---------------------------------------------------------------- what always holds

    function assertConserved() external view {
        _assertAll(ASSET, 4 * uint256(PURSE));
        _assertAll(COLLATERAL, 4 * uint256(PURSE));
        _assertAll(issued(rule, sharesTag()), books().shares);
        assertEq(holding(market, ASSET), _idle, "idle is what came in less what went out");
    }

    function _assertAll(bytes32 asset, uint256 expected) private view {
        uint256 sum;
        for (uint256 place = 0; place < fragmentCount(); place++) {
            sum += holding(place, asset);
        }
        assertEq(sum, expected);
        assertEq(supply[asset], expected);
    }

    function assertBooks() external view {
        Books memory b = books();
        (uint256 principal, uint256 moment) = (0, 0);
        for (uint256 i = 0; i < _loans.length; i++) {
            if (_loans[i].called != 0) continue;
            principal += _loans[i].principal;
            moment += _loans[i].principal * _loans[i].since;
        }
        assertEq(b.serial, _loans.length);
        assertEq(b.shares, _shares);
        assertEq(b.principal, principal);
        assertEq(b.moment, moment);
        assertEq(b.called, _calledDebts());
        assertEq(low(), _low());
    }

    function assertOwed() external view {
        uint256 debts;
        uint256 count;
        for (uint256 i = 0; i < _loans.length; i++) {
            if (_loans[i].called != 0 || _loans[i].principal == 0) continue;
            debts += _debt(_loans[i]);
            count++;
        }
        uint256 owed = low() - holding(market, ASSET);
        assertLe(owed, debts);
        assertLe(debts - owed, count);
    }

    function assertTitles() external view {
        for (uint64 serial = 1; serial <= _loans.length; serial++) {
            Item storage loan = _loans[serial - 1];
            uint128 expected = loan.ended ? 0 : 1;
            assertEq(supply[issued(rule, titleTag(serial))], expected);
            assertEq(titles(loan.owner, serial), expected);
            if (loan.ended) assertEq(loan.principal + loan.held, 0);
        }
        assertEq(supply[issued(rule, titleTag(uint64(_loans.length + 1)))], 0);
    }
}
