// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Calldata} from "../libraries/Calldata.sol";
import {Effects} from "../libraries/Effects.sol";
import {Market, MarketLib} from "./credit/Market.sol";
import {Meanings} from "./credit/Meanings.sol";
import {Position, PositionLib} from "./credit/Position.sol";

/// @title The Credit rule
/// @notice Loans against collateral, without a price oracle (docs/rules/credit.md). A market is a set of terms with money in it; lenders
/// have shares of it. A loan is a position, a fragment with the collateral, and whoever holds its title owns it. Whoever doubts a loan
/// calls it, and after some grace an auction finds out what the collateral is worth.
///
/// Warning: nobody looks at the price of anything. Lenders answer for the terms on which they lend.
///
/// Warning: interest can take a debt above what its collateral covers. Somebody has to call it then: lending goes on meanwhile.
contract Credit is IRule {
    using Amounts for IRule.Fragment;
    using Calldata for bytes;
    using Effects for Effects.List;

    /// @notice A call is for one user.
    error NotOneAuthorisation(uint256 count);
    /// @notice Only creating a market takes unsigned data: this rule's address, for a rule does not know its own.
    error ExtraLength(uint256 expected, uint256 actual);
    /// @notice No operation has this code.
    error UnknownOperation(uint256 code);
    /// @notice An operation has its operands, and nothing behind them.
    error PayloadLength(uint256 expected, uint256 actual);
    /// @notice A loan in an asset that is secured by the same asset.
    error SameAsset(bytes32 asset);
    /// @notice The term at this offset of the payload is out of its bounds.
    error BadTerm(uint256 offset, uint256 value);
    /// @notice Nothing would be lent, redeemed, borrowed, repaid or added.
    error Nothing();
    /// @notice Less than what was asked for at least.
    error TooLittle(uint256 atLeast, uint256 actual);
    /// @notice More than what was agreed to at most.
    error TooMuch(uint256 atMost, uint256 actual);
    /// @notice The rest of the market's money is lent.
    error NotIdle(uint256 idle, uint256 amount);
    /// @notice A debt that is not zero, and less than the market's minimum.
    error BelowMinimum(uint256 minimum, uint256 debt);
    /// @notice More debt than the collateral covers.
    error NotCovered(uint256 covered, uint256 debt);
    /// @notice More collateral than the position holds.
    error NotHeld(uint256 held, uint256 taken);
    /// @notice Whoever signs does not hold the title, an asset of this rule.
    error NotTheOwner(bytes32 title);
    /// @notice The loan was called in this block.
    error IsCalled(uint256 called);
    /// @notice The loan was not called.
    error NotCalled();
    /// @notice The auction starts at a later block.
    error NotYet(uint256 start, uint256 clock);
    /// @notice The debt was paid already.
    error NoDebt();
    /// @notice The debt is not paid, in units of the asset lent.
    error NotPaid(uint256 principal);

    uint8 private constant CREATE = 1; // what a market's data begins with, but for the first byte: up to fall
    uint8 private constant LEND = 2; // market (10) ‖ amount (16) ‖ shares at least (16)
    uint8 private constant REDEEM = 3; // market (10) ‖ shares (16) ‖ at least (16)
    uint8 private constant BORROW = 4; // market (10) ‖ serial (8) ‖ collateral added (16) ‖ amount (16)
    uint8 private constant REPAY = 5; // market (10) ‖ serial (8) ‖ at most (16) ‖ collateral taken (16)
    uint8 private constant CALL = 6; // market (10) ‖ serial (8) ‖ fee at most (16)
    uint8 private constant BID = 7; // market (10) ‖ serial (8) ‖ at most (16) ‖ collateral at least (16)
    uint8 private constant ADD = 8; // market (10) ‖ serial (8) ‖ amount (16)
    uint8 private constant CLOSE = 9; // market (10) ‖ serial (8)

    /// @dev Shares that nobody has, so that rounding cannot be used against the first lenders.
    uint256 private constant VIRTUAL_SHARES = 1e6;
    /// @dev 10 %, in millionths.
    uint256 private constant MAX_CALL_FEE = 100_000;
    /// @dev No call writes as many bytes. The most, to open a position in a cohort: meaning 66, open 23, moves 51 + 51, mint 50,
    /// write 4 + 83, write 4 + 201.
    uint256 private constant CAPACITY = 576;

    /// @dev What the operations share.
    /// @param user Position of the fragment that signed
    struct Call {
        Effects.List effects;
        uint256 clock;
        uint8 user;
    }

    /// @inheritdoc IRule
    function transition(
        Context calldata context,
        Fragment[] calldata fragments,
        Authorisation[] calldata authorisations,
        bytes calldata extra
    ) external pure returns (bytes memory) {
        if (authorisations.length != 1) revert NotOneAuthorisation(authorisations.length);
        bytes calldata payload = authorisations[0].payload;
        uint256 operation = payload.length == 0 ? 0 : uint8(payload[0]);
        uint256 expected = operation == CREATE ? 20 : 0;
        if (extra.length != expected) revert ExtraLength(expected, extra.length);
        Call memory call = Call(Effects.list(CAPACITY), context.blockNumber, authorisations[0].fragment);
        if (operation == LEND) _lend(call, fragments, payload);
        else if (operation == REDEEM) _redeem(call, fragments, payload);
        else if (operation == BORROW) _borrow(call, fragments, payload);
        else if (operation == REPAY) _repay(call, fragments, payload);
        else if (operation == CALL) _call(call, fragments, payload);
        else if (operation == BID) _bid(call, fragments, payload);
        else if (operation == ADD) _add(call, fragments, payload);
        else if (operation == CLOSE) _close(call, fragments, payload);
        else if (operation == CREATE) _create(call, fragments.length, payload, address(bytes20(extra)));
        else revert UnknownOperation(operation);
        return call.effects.finish();
    }

    // ---------------------------------------------------------------- lenders

    function _create(Call memory call, uint256 place, bytes calldata payload, address rule) private pure {
        _requireLength(payload, MarketLib.TERMS);
        bytes32 collateral = bytes32(payload.number(2, 32));
        bytes32 asset = bytes32(payload.number(34, 32));
        if (collateral == asset) revert SameAsset(asset);
        uint256 depth = payload.number(1, 1);
        uint256 ratio = _atLeastOne(payload, 66, 16);
        uint256 minimum = _atLeastOne(payload, 90, 16);
        uint256 callFee = payload.number(106, 3);
        if (callFee > MAX_CALL_FEE) revert BadTerm(106, callFee);
        uint256 rise = _atLeastOne(payload, 113, 4);
        uint256 fall = _atLeastOne(payload, 117, 4);
        bytes32 meaning = keccak256(
            abi.encode(
                Meanings.CREATE,
                depth,
                collateral,
                asset,
                ratio,
                payload.number(82, 8),
                minimum,
                callFee,
                payload.number(109, 4),
                rise,
                fall
            )
        );
        call.effects.meaning(0, Meanings.SIGNED_CREATE, meaning);
        call.effects.open(uint8(depth), Effects.KIND_RULE, rule);
        // The payload is laid out as the terms are, and CREATE is a market's tag. The kernel lists at most 16 fragments.
        call.effects.write(uint8(place), abi.encodePacked(payload, new bytes(MarketLib.SIZE - MarketLib.TERMS)));
    }

    function _lend(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 43);
        Market memory market = MarketLib.read(fragments, _market(payload));
        uint128 amount = _amount(payload, 11);
        uint128 sharesAtLeast = _amount(payload, 27);
        // Nothing for nothing: an amount of zero has no shares.
        uint256 shares = Amounts.mulDivDown(amount, market.shares + VIRTUAL_SHARES, market.high(call.clock) + 1);
        if (shares == 0) revert Nothing();
        if (shares < sharesAtLeast) revert TooLittle(sharesAtLeast, shares);
        market.shares += shares;
        bytes32 meaning = keccak256(abi.encode(Meanings.LEND, market.id, market.asset, amount, sharesAtLeast));
        call.effects.meaning(0, Meanings.SIGNED_LEND, meaning);
        call.effects.move(call.user, 0, market.asset, amount);
        call.effects.mint(call.user, market.sharesTag(), Amounts.toAmount(shares));
        call.effects.write(0, market.pack(fragments[0]));
    }

    function _redeem(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 43);
        Market memory market = MarketLib.read(fragments, _market(payload));
        uint128 shares = _amount(payload, 11);
        uint128 atLeast = _amount(payload, 27);
        if (shares > market.shares) revert TooMuch(market.shares, shares);
        uint256 amount = Amounts.mulDivDown(shares, market.low(call.clock) + 1, market.shares + VIRTUAL_SHARES);
        if (amount == 0) revert Nothing();
        if (amount > market.idle) revert NotIdle(market.idle, amount);
        if (amount < atLeast) revert TooLittle(atLeast, amount);
        market.shares -= shares;
        bytes32 meaning = keccak256(abi.encode(Meanings.REDEEM, market.id, shares, market.asset, atLeast));
        call.effects.meaning(0, Meanings.SIGNED_REDEEM, meaning);
        call.effects.burn(call.user, market.sharesTag(), shares);
        call.effects.move(0, call.user, market.asset, uint128(amount)); // not more than is idle
        call.effects.write(0, market.pack(fragments[0]));
    }

    // ---------------------------------------------------------------- borrowers

    function _borrow(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 51);
        Market memory market = MarketLib.read(fragments, _market(payload));
        uint64 serial = _serial(payload);
        uint128 added = _amount(payload, 19);
        uint128 amount = _amount(payload, 35);
        if (amount == 0) revert Nothing();
        if (amount > market.idle) revert NotIdle(market.idle, amount);
        bytes32 meaning =
            keccak256(abi.encode(Meanings.BORROW, market.id, serial, market.collateral, added, market.asset, amount));
        call.effects.meaning(0, Meanings.SIGNED_BORROW, meaning);
        if (serial == 0) _openPosition(call, fragments, market, added, amount);
        else _borrowMore(call, fragments, market, serial, added, amount);
        call.effects.write(0, market.pack(fragments[0]));
    }

    function _openPosition(
        Call memory call,
        Fragment[] calldata fragments,
        Market memory market,
        uint128 added,
        uint128 amount
    ) private pure {
        uint8 place = uint8(fragments.length); // the kernel lists at most 16
        address rule = fragments[0].controller;
        // No collateral covers no debt.
        _requireSound(market, amount, added);
        Position memory position = Position(market.id, ++market.serial, market.collateral, amount, call.clock, 0, added);
        market.include(position);
        if (market.depth == 0) call.effects.open(0, Effects.KIND_RULE, rule);
        else call.effects.openLeaf(0, Effects.KIND_RULE, rule);
        call.effects.move(call.user, place, market.collateral, added);
        call.effects.move(0, call.user, market.asset, amount);
        call.effects.mint(call.user, position.titleTag(), 1);
        call.effects.write(place, position.pack());
    }

    function _borrowMore(
        Call memory call,
        Fragment[] calldata fragments,
        Market memory market,
        uint64 serial,
        uint128 added,
        uint128 amount
    ) private pure {
        Position memory position = PositionLib.read(fragments, 1, market.id, serial);
        _requireOwner(call, fragments, position);
        _requireRunning(position);
        market.exclude(position);
        position.principal = position.debt(market.rate, call.clock) + amount;
        position.since = call.clock;
        _requireSound(market, position.principal, uint256(position.held) + added);
        market.include(position);
        if (added != 0) call.effects.move(call.user, 1, market.collateral, added);
        call.effects.move(0, call.user, market.asset, amount);
        call.effects.write(1, position.pack());
    }

    function _repay(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 51);
        Market memory market = MarketLib.read(fragments, _market(payload));
        Position memory position = PositionLib.read(fragments, 1, market.id, _serial(payload));
        uint128 atMost = _amount(payload, 19);
        uint128 taken = _amount(payload, 35);
        _requireOwner(call, fragments, position);
        if (position.principal == 0) revert NoDebt();
        uint256 debt = position.debt(market.rate, call.clock);
        uint128 paid = uint128(Amounts.min(atMost, debt));
        if (paid == 0) revert Nothing();
        market.exclude(position);
        position.principal = debt - paid;
        position.since = call.clock;
        market.include(position);
        uint128 back = position.held;
        if (position.principal != 0) {
            if (position.called != 0) revert IsCalled(position.called);
            if (taken > back) revert NotHeld(back, taken);
            _requireSound(market, position.principal, back - taken);
            back = taken;
        }
        bytes32 meaning = keccak256(
            abi.encode(Meanings.REPAY, market.id, position.serial, market.asset, atMost, market.collateral, taken)
        );
        call.effects.meaning(0, Meanings.SIGNED_REPAY, meaning);
        call.effects.move(call.user, 0, market.asset, paid);
        if (back != 0) call.effects.move(1, call.user, market.collateral, back);
        if (position.principal == 0) call.effects.burn(call.user, position.titleTag(), 1);
        call.effects.write(1, position.pack());
        call.effects.write(0, market.pack(fragments[0]));
    }

    function _add(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 35);
        Position memory position = PositionLib.read(fragments, 0, _market(payload), _serial(payload));
        uint128 amount = _amount(payload, 19);
        _requireOwner(call, fragments, position);
        _requireRunning(position);
        if (amount == 0) revert Nothing();
        bytes32 meaning =
            keccak256(abi.encode(Meanings.ADD, position.market, position.serial, position.collateral, amount));
        call.effects.meaning(0, Meanings.SIGNED_ADD, meaning);
        call.effects.move(call.user, 0, position.collateral, amount);
    }

    function _close(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 19);
        Position memory position = PositionLib.read(fragments, 0, _market(payload), _serial(payload));
        _requireOwner(call, fragments, position);
        if (position.principal != 0) revert NotPaid(position.principal);
        bytes32 meaning = keccak256(abi.encode(Meanings.CLOSE, position.market, position.serial));
        call.effects.meaning(0, Meanings.SIGNED_CLOSE, meaning);
        if (position.held != 0) call.effects.move(0, call.user, position.collateral, position.held);
        call.effects.burn(call.user, position.titleTag(), 1);
        call.effects.write(0, ""); // no position any more
    }

    // ---------------------------------------------------------------- anybody

    function _call(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 35);
        Market memory market = MarketLib.read(fragments, _market(payload));
        Position memory position = PositionLib.read(fragments, 1, market.id, _serial(payload));
        uint128 feeAtMost = _amount(payload, 19);
        _requireRunning(position);
        uint256 debt = position.debt(market.rate, call.clock);
        uint256 covered = market.covered(position.held);
        uint256 bare = debt > covered ? debt - covered : 0;
        uint256 fee = Amounts.mulDivUp(debt, MarketLib.callFee(fragments[0]), 1e6);
        fee = fee > bare ? fee - bare : 0;
        if (fee > feeAtMost) revert TooMuch(feeAtMost, fee);
        market.exclude(position);
        position.principal = debt;
        position.since = call.clock;
        position.called = call.clock;
        market.include(position);
        bytes32 meaning = keccak256(abi.encode(Meanings.CALL, market.id, position.serial, market.asset, feeAtMost));
        call.effects.meaning(0, Meanings.SIGNED_CALL, meaning);
        if (fee != 0) call.effects.move(call.user, 0, market.asset, uint128(fee)); // not above fee at most
        call.effects.write(1, position.pack());
        call.effects.write(0, market.pack(fragments[0]));
    }

    function _bid(Call memory call, Fragment[] calldata fragments, bytes calldata payload) private pure {
        _requireLength(payload, 51);
        Market memory market = MarketLib.read(fragments, _market(payload));
        Position memory position = PositionLib.read(fragments, 1, market.id, _serial(payload));
        uint128 atMost = _amount(payload, 19);
        uint128 atLeast = _amount(payload, 35);
        if (position.called == 0) revert NotCalled();
        if (position.principal == 0) revert NoDebt();
        (uint256 offered, uint256 asked) = _auction(fragments[0], position, call.clock);
        if (asked > atMost) revert TooMuch(atMost, asked);
        if (offered < atLeast) revert TooLittle(atLeast, offered);
        market.exclude(position);
        position.principal = 0;
        position.since = call.clock;
        bytes32 meaning = keccak256(
            abi.encode(Meanings.BID, market.id, position.serial, market.asset, atMost, market.collateral, atLeast)
        );
        call.effects.meaning(0, Meanings.SIGNED_BID, meaning);
        // Asked is not above the principal, offered not above what is held.
        if (asked != 0) call.effects.move(call.user, 0, market.asset, uint128(asked));
        if (offered != 0) call.effects.move(1, call.user, market.collateral, uint128(offered));
        call.effects.write(1, position.pack());
        call.effects.write(0, market.pack(fragments[0]));
    }

    /// @dev How much collateral goes for how much of the asset lent. First the whole debt is asked for more and more of the collateral,
    /// then less and less of the debt for all of it. Rounded in favour of the owner and the lenders.
    function _auction(Fragment calldata market, Position memory position, uint256 clock)
        private
        pure
        returns (uint256 offered, uint256 asked)
    {
        (uint256 grace, uint256 rise, uint256 fall) = MarketLib.auction(market);
        uint256 start = position.called + grace;
        if (clock < start) revert NotYet(start, clock);
        uint256 passed = clock - start;
        if (passed < rise) return (Amounts.mulDivDown(position.held, passed, rise), position.principal);
        passed -= rise;
        return (position.held, passed < fall ? Amounts.mulDivUp(position.principal, fall - passed, fall) : 0);
    }

    // ---------------------------------------------------------------- what operations require

    function _requireLength(bytes calldata payload, uint256 expected) private pure {
        if (payload.length != expected) revert PayloadLength(expected, payload.length);
    }

    /// @dev The term at this offset of what creates a market.
    function _atLeastOne(bytes calldata payload, uint256 offset, uint256 size) private pure returns (uint256 value) {
        value = payload.number(offset, size);
        if (value == 0) revert BadTerm(offset, value);
    }

    function _requireOwner(Call memory call, Fragment[] calldata fragments, Position memory position) private pure {
        // A position's fragment stands where the rule that issued its title controls it.
        bytes32 title = Effects.issuedAsset(fragments[0].controller, position.titleTag());
        if (fragments[call.user].held(title) == 0) revert NotTheOwner(title);
    }

    /// @dev There is a debt, which bears interest.
    function _requireRunning(Position memory position) private pure {
        if (position.called != 0) revert IsCalled(position.called);
        if (position.principal == 0) revert NoDebt();
    }

    /// @dev A debt on which the market lends.
    function _requireSound(Market memory market, uint256 debt, uint256 collateral) private pure {
        if (debt < market.minimum) revert BelowMinimum(market.minimum, debt);
        uint256 covered = market.covered(collateral);
        if (debt > covered) revert NotCovered(covered, debt);
    }

    // ---------------------------------------------------------------- fields of payloads whose length was checked

    function _market(bytes calldata payload) private pure returns (uint80) {
        return uint80(payload.number(1, 10));
    }

    function _serial(bytes calldata payload) private pure returns (uint64) {
        return uint64(payload.number(11, 8));
    }

    function _amount(bytes calldata payload, uint256 offset) private pure returns (uint128) {
        return uint128(payload.number(offset, 16));
    }
}
