// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Calldata} from "../libraries/Calldata.sol";
import {Effects} from "../libraries/Effects.sol";

/// @title The Pool rule
/// @notice A constant-product market for two assets, as a fragment that everybody shares: create one, add to it and take out of it,
/// sell to it and buy from it. Shares in it are assets that this rule issues. Every quotient is rounded in the pool's favour, so
/// reserve 0 · reserve 1 / shares² never falls (docs/rules/pool.md).
contract Pool is IRule {
    using Amounts for uint256;
    using Amounts for Fragment;
    using Calldata for bytes;
    using Effects for Effects.List;

    /// @notice A call without an authorisation asks for nothing.
    error NobodyAuthorises();
    /// @notice The payload is none of this rule's operations, or it creates a pool in a call that does more than that.
    error BadPayload(uint256 authorisation);
    /// @notice Unsigned data is this rule's address for a call that creates a pool, and empty for any other.
    error BadExtra(uint256 expectedLength, uint256 length);
    /// @notice A pool is of two assets, the lower one first.
    error AssetsNotIncreasing(bytes32 asset0, bytes32 asset1);
    /// @notice In millionths.
    error FeeTooHigh(uint256 most, uint256 fee);
    /// @notice What is listed first is no pool, or one that was created in this batch.
    error NotAPool(uint80 fragment);
    /// @notice The payload is for another pool than the one that is listed first.
    error WrongPool(uint80 expected, uint80 named);
    /// @notice Fewer shares than asked for, or none, would be minted.
    error TooFewShares(uint256 atLeast, uint256 minted);
    /// @notice No shares, or more than there are without those that nobody has.
    error NotRedeemable(uint256 total, uint256 shares);
    /// @notice Nothing, or all that the pool has or more, is to be bought.
    error NotForSale(uint256 reserve, uint256 amount);
    /// @notice Less than asked for, or nothing, would be paid out.
    error TooLittle(uint256 atLeast, uint256 amount);
    /// @notice More than allowed would be paid in.
    error TooMuch(uint256 atMost, uint256 amount);

    /// @dev The pool at position 0, as the operations so far leave it.
    struct Market {
        uint80 id;
        uint256 fee; // millionths of what is sold
        uint256 shares; // with those that nobody has; zero before the first
        bytes32[2] asset;
        uint256[2] reserve;
    }

    uint8 private constant CREATE = 1; // asset 0 (32) ‖ asset 1 (32) ‖ fee (3)
    uint8 private constant ADD = 2; // pool (10) ‖ at most 0 (16) ‖ at most 1 (16) ‖ shares at least (16)
    uint8 private constant REMOVE = 3; // pool (10) ‖ shares (16) ‖ at least 0 (16) ‖ at least 1 (16)
    uint8 private constant SELL = 4; // pool (10) ‖ side sold (1) ‖ amount (16) ‖ at least (16)
    uint8 private constant BUY = 5; // pool (10) ‖ side bought (1) ‖ amount (16) ‖ at most (16)

    uint256 private constant CREATE_LENGTH = 68;
    uint256 private constant SHARES_LENGTH = 59; // ADD and REMOVE
    uint256 private constant TRADE_LENGTH = 44; // SELL and BUY

    uint256 private constant MILLION = 1_000_000;
    uint256 private constant MAX_FEE = 100_000;
    /// @dev Shares that nobody has: reserves never run out, and whoever raises the price of a share pays for these too.
    uint256 private constant LOCKED = 1000;

    /// @dev A pool's data: asset 0 (32) ‖ asset 1 (32) ‖ fee (3) ‖ shares (16). All but the shares never changes.
    uint256 private constant TERMS_LENGTH = 67;
    uint256 private constant DATA_LENGTH = 83;
    /// @dev Most bytes of an operation's other effects: its meaning (66), two moves (51 each), and mint or burn (50).
    uint256 private constant OPERATION_EFFECTS = 218;
    /// @dev Bytes of the effect that writes a pool's data.
    uint256 private constant WRITE_EFFECT = 87;

    bytes32 private constant CREATE_TYPEHASH = keccak256("PoolCreate(bytes32 asset0,bytes32 asset1,uint24 fee)");
    bytes32 private constant ADD_TYPEHASH = keccak256(
        "PoolAdd(uint80 pool,bytes32 asset0,uint128 atMost0,bytes32 asset1,uint128 atMost1,uint128 sharesAtLeast)"
    );
    bytes32 private constant REMOVE_TYPEHASH = keccak256(
        "PoolRemove(uint80 pool,uint128 shares,bytes32 asset0,uint128 atLeast0,bytes32 asset1,uint128 atLeast1)"
    );
    bytes32 private constant SELL_TYPEHASH =
        keccak256("PoolSell(uint80 pool,bytes32 sell,uint128 amount,bytes32 buy,uint128 atLeast)");
    bytes32 private constant BUY_TYPEHASH =
        keccak256("PoolBuy(uint80 pool,bytes32 buy,uint128 amount,bytes32 sell,uint128 atMost)");

    /// @dev What users sign, with the structs above for intents.
    bytes32 private constant CREATE_INTENT = keccak256(
        "Authorisation(PoolCreate intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "Outflow(bytes32 asset,uint128 amount)" "PoolCreate(bytes32 asset0,bytes32 asset1,uint24 fee)"
    );
    bytes32 private constant ADD_INTENT = keccak256(
        "Authorisation(PoolAdd intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "Outflow(bytes32 asset,uint128 amount)"
        "PoolAdd(uint80 pool,bytes32 asset0,uint128 atMost0,bytes32 asset1,uint128 atMost1,uint128 sharesAtLeast)"
    );
    bytes32 private constant REMOVE_INTENT = keccak256(
        "Authorisation(PoolRemove intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "Outflow(bytes32 asset,uint128 amount)"
        "PoolRemove(uint80 pool,uint128 shares,bytes32 asset0,uint128 atLeast0,bytes32 asset1,uint128 atLeast1)"
    );
    bytes32 private constant SELL_INTENT = keccak256(
        "Authorisation(PoolSell intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "Outflow(bytes32 asset,uint128 amount)"
        "PoolSell(uint80 pool,bytes32 sell,uint128 amount,bytes32 buy,uint128 atLeast)"
    );
    bytes32 private constant BUY_INTENT = keccak256(
        "Authorisation(PoolBuy intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "Outflow(bytes32 asset,uint128 amount)"
        "PoolBuy(uint80 pool,bytes32 buy,uint128 amount,bytes32 sell,uint128 atMost)"
    );

    /// @inheritdoc IRule
    function transition(
        Context calldata,
        Fragment[] calldata fragments,
        Authorisation[] calldata authorisations,
        bytes calldata extra
    ) external pure returns (bytes memory) {
        uint256 count = authorisations.length;
        if (count == 0) revert NobodyAuthorises();
        Effects.List memory effects = Effects.list(count * OPERATION_EFFECTS + WRITE_EFFECT);
        if (count == 1 && authorisations[0].payload.number(0, 1) == CREATE) {
            _create(effects, uint8(fragments.length), authorisations[0].payload, extra);
        } else {
            if (extra.length != 0) revert BadExtra(0, extra.length);
            _operate(effects, fragments[0], authorisations);
        }
        return effects.finish();
    }

    // ---------------------------------------------------------------- creating

    /// @dev Whether `extra` is this rule's address the kernel sees: a rule opens fragments for itself only.
    function _create(Effects.List memory effects, uint8 opened, bytes calldata payload, bytes calldata extra)
        private
        pure
    {
        if (payload.length != CREATE_LENGTH) revert BadPayload(0);
        if (extra.length != 20) revert BadExtra(20, extra.length);
        bytes calldata terms = payload[1:];
        (bytes32 asset0, bytes32 asset1, uint256 fee) = _terms(terms);
        if (asset0 >= asset1) revert AssetsNotIncreasing(asset0, asset1);
        if (fee > MAX_FEE) revert FeeTooHigh(MAX_FEE, fee);
        effects.meaning(0, CREATE_INTENT, keccak256(abi.encode(CREATE_TYPEHASH, asset0, asset1, fee)));
        effects.open(0, Effects.KIND_RULE, address(bytes20(extra)));
        effects.write(opened, abi.encodePacked(terms, uint128(0)));
    }

    function _terms(bytes calldata terms) private pure returns (bytes32 asset0, bytes32 asset1, uint256 fee) {
        return (bytes32(terms.number(0, 32)), bytes32(terms.number(32, 32)), terms.number(64, 3));
    }

    // ---------------------------------------------------------------- all else

    /// @dev The operations of one call: each on what the one before left.
    function _operate(Effects.List memory effects, Fragment calldata listed, Authorisation[] calldata authorisations)
        private
        pure
    {
        Market memory pool = _market(listed);
        uint256 sharesBefore = pool.shares;
        for (uint256 i; i < authorisations.length; ++i) {
            _meaning(effects, pool, i, authorisations[i].payload);
        }
        for (uint256 i; i < authorisations.length; ++i) {
            Authorisation calldata authorisation = authorisations[i];
            uint8 user = authorisation.fragment;
            bytes calldata payload = authorisation.payload;
            uint256 code = payload.number(0, 1);
            if (code == SELL) _sell(effects, pool, user, payload);
            else if (code == BUY) _buy(effects, pool, user, payload);
            else if (code == ADD) _add(effects, pool, user, payload);
            else _remove(effects, pool, user, payload);
        }
        if (pool.shares != sharesBefore) {
            effects.write(0, abi.encodePacked(listed.data[:TERMS_LENGTH], uint128(pool.shares)));
        }
    }

    /// @dev A fragment of kind 3 that the kernel shows to a rule is under that rule, and what it holds and says is the rule's own work.
    function _market(Fragment calldata listed) private pure returns (Market memory pool) {
        bytes calldata data = listed.data;
        if (listed.kind != Effects.KIND_RULE || listed.id == 0 || data.length != DATA_LENGTH) {
            revert NotAPool(listed.id);
        }
        pool.id = listed.id;
        (pool.asset[0], pool.asset[1], pool.fee) = _terms(data);
        pool.shares = data.number(TERMS_LENGTH, 16);
        pool.reserve[0] = listed.held(pool.asset[0]);
        pool.reserve[1] = listed.held(pool.asset[1]);
    }

    /// @dev Says what the payload means. After it the payload is one of four operations, of the right length, for this pool, its side 0 or 1.
    function _meaning(Effects.List memory effects, Market memory pool, uint256 number, bytes calldata payload)
        private
        pure
    {
        uint256 code = payload.number(0, 1);
        bool trade = code == SELL || code == BUY;
        if (!trade && code != ADD && code != REMOVE) revert BadPayload(number);
        if (payload.length != (trade ? TRADE_LENGTH : SHARES_LENGTH)) revert BadPayload(number);
        uint80 id = uint80(payload.number(1, 10));
        if (id != pool.id) revert WrongPool(pool.id, id);
        bytes32 typeHash;
        bytes memory intent;
        if (trade) {
            uint256 side = payload.number(11, 1);
            if (side > 1) revert BadPayload(number);
            typeHash = code == SELL ? SELL_INTENT : BUY_INTENT;
            intent = abi.encode(
                code == SELL ? SELL_TYPEHASH : BUY_TYPEHASH,
                id,
                pool.asset[side],
                payload.number(12, 16),
                pool.asset[1 - side],
                payload.number(28, 16)
            );
        } else {
            (uint256 first, uint256 second, uint256 third) = _operands(payload);
            (bytes32 asset0, bytes32 asset1) = (pool.asset[0], pool.asset[1]);
            if (code == ADD) {
                typeHash = ADD_INTENT;
                intent = abi.encode(ADD_TYPEHASH, id, asset0, first, asset1, second, third);
            } else {
                typeHash = REMOVE_INTENT;
                intent = abi.encode(REMOVE_TYPEHASH, id, first, asset0, second, asset1, third);
            }
        }
        effects.meaning(uint8(number), typeHash, keccak256(intent));
    }

    /// @dev The three amounts of ADD and REMOVE.
    function _operands(bytes calldata payload) private pure returns (uint256 first, uint256 second, uint256 third) {
        return (payload.number(11, 16), payload.number(27, 16), payload.number(43, 16));
    }

    // ---------------------------------------------------------------- shares

    function _add(Effects.List memory effects, Market memory pool, uint8 user, bytes calldata payload) private pure {
        (uint256 paid0, uint256 paid1, uint256 sharesAtLeast) = _operands(payload);
        (uint256 reserve0, uint256 reserve1, uint256 total) = (pool.reserve[0], pool.reserve[1], pool.shares);
        uint256 shares;
        uint256 minted;
        if (total == 0) {
            shares = _geometricMean(paid0, paid1);
            minted = shares > LOCKED ? shares - LOCKED : 0;
        } else {
            shares = Amounts.min(Amounts.mulDivDown(paid0, total, reserve0), Amounts.mulDivDown(paid1, total, reserve1));
            minted = shares;
            // Not more than the most: shares ≤ paid · total / reserve.
            paid0 = Amounts.mulDivUp(shares, reserve0, total);
            paid1 = Amounts.mulDivUp(shares, reserve1, total);
        }
        if (minted == 0 || minted < sharesAtLeast) revert TooFewShares(sharesAtLeast, minted);
        pool.shares = (total + shares).toAmount();
        pool.reserve[0] = (reserve0 + paid0).toAmount();
        pool.reserve[1] = (reserve1 + paid1).toAmount();
        effects.move(user, 0, pool.asset[0], uint128(paid0));
        effects.move(user, 0, pool.asset[1], uint128(paid1));
        effects.mint(user, bytes32(uint256(pool.id)), uint128(minted));
    }

    function _remove(Effects.List memory effects, Market memory pool, uint8 user, bytes calldata payload) private pure {
        (uint256 shares, uint256 atLeast0, uint256 atLeast1) = _operands(payload);
        uint256 total = pool.shares;
        if (shares == 0 || shares + LOCKED > total) revert NotRedeemable(total, shares);
        pool.shares = total - shares;
        effects.burn(user, bytes32(uint256(pool.id)), uint128(shares));
        _payOut(effects, pool, user, 0, Amounts.mulDivDown(shares, pool.reserve[0], total), atLeast0);
        _payOut(effects, pool, user, 1, Amounts.mulDivDown(shares, pool.reserve[1], total), atLeast1);
    }

    function _payOut(
        Effects.List memory effects,
        Market memory pool,
        uint8 user,
        uint256 side,
        uint256 amount,
        uint256 atLeast
    ) private pure {
        if (amount < atLeast) revert TooLittle(atLeast, amount);
        pool.reserve[side] -= amount;
        if (amount != 0) effects.move(0, user, pool.asset[side], uint128(amount));
    }

    /// @dev ⌊√(x · y)⌋ by Newton's iteration, for x and y below 2^128. It starts at the arithmetic mean, which is not below the geometric one; a
    /// step from above ⌊√(x · y)⌋ leads down, but never below it.
    function _geometricMean(uint256 x, uint256 y) private pure returns (uint256 mean) {
        uint256 product = x * y;
        mean = (x + y) / 2;
        while (mean * mean > product) mean = (mean + product / mean) / 2;
    }

    // ---------------------------------------------------------------- trades

    function _sell(Effects.List memory effects, Market memory pool, uint8 user, bytes calldata payload) private pure {
        uint256 side = payload.number(11, 1);
        uint256 sold = payload.number(12, 16);
        uint256 atLeast = payload.number(28, 16);
        uint256 net = Amounts.mulDivDown(sold, MILLION - pool.fee, MILLION);
        uint256 bought = Amounts.mulDivDown(net, pool.reserve[1 - side], pool.reserve[side] + net);
        if (bought == 0 || bought < atLeast) revert TooLittle(atLeast, bought);
        _trade(effects, pool, user, side, sold, bought);
    }

    function _buy(Effects.List memory effects, Market memory pool, uint8 user, bytes calldata payload) private pure {
        uint256 side = 1 - payload.number(11, 1); // of what is sold, as in _sell
        uint256 bought = payload.number(12, 16);
        uint256 atMost = payload.number(28, 16);
        uint256 reserve = pool.reserve[1 - side];
        if (bought == 0 || bought >= reserve) revert NotForSale(reserve, bought);
        uint256 net = Amounts.mulDivUp(pool.reserve[side], bought, reserve - bought);
        uint256 sold = Amounts.mulDivUp(net, MILLION, MILLION - pool.fee);
        if (sold > atMost) revert TooMuch(atMost, sold);
        _trade(effects, pool, user, side, sold, bought);
    }

    function _trade(
        Effects.List memory effects,
        Market memory pool,
        uint8 user,
        uint256 side,
        uint256 sold,
        uint256 bought
    ) private pure {
        pool.reserve[side] = (pool.reserve[side] + sold).toAmount();
        pool.reserve[1 - side] -= bought;
        effects.move(user, 0, pool.asset[side], uint128(sold));
        effects.move(0, user, pool.asset[1 - side], uint128(bought));
    }
}
