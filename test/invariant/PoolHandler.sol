// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Pools} from "../harness/Pools.sol";
import {Random} from "../harness/Random.sol";

/// @notice Two pools of the same assets, one without a fee, under random operations of four users, of whom each call takes one or several.
/// After each call, pools are held to what they were before, and whoever did not sign to what they had.
contract PoolHandler is Pools {
    using Random for Random.Rng;

    uint256 private constant PURSE = 1e15; // so that products fit 256 bits
    uint256 private constant USERS = 4;

    mapping(bytes32 action => uint256) public done;
    uint256[USERS] private _users;
    uint256[2] private _pools;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < USERS; i++) {
            _users[i] = user(string(abi.encodePacked("user ", bytes1(uint8(0x30 + i)))));
            give(_users[i], ASSET0, uint128(PURSE));
            give(_users[i], ASSET1, uint128(PURSE));
        }
        _pools = [emptyPool(_users[0], ASSET0, ASSET1, 0), emptyPool(_users[1], ASSET0, ASSET1, 30_000)];
    }

    // ---------------------------------------------------------------- actions

    function add(uint256 seed) external {
        _single(seed, ADD, "add");
    }

    function remove(uint256 seed) external {
        _single(seed, REMOVE, "remove");
    }

    function sell(uint256 seed) external {
        _single(seed, SELL, "sell");
    }

    function buy(uint256 seed) external {
        _single(seed, BUY, "buy");
    }

    /// @dev Several users in one call.
    function together(uint256 seed) external {
        Random.Rng memory rng = Random.Rng(seed);
        if (_call(rng, rng.below(2), 1 + rng.below(15), ADD + uint8(rng.below(4)))) done["together"]++;
    }

    /// @dev Some users act while the others do nothing, on one pool, in calls of their own and in common ones, and give back what shares they took.
    /// They hold no more of one asset then, unless it is less of the other.
    function conspire(uint256 seed) external {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 pool = rng.below(2);
        uint256 gang = 1 + rng.below(15);
        uint128[USERS] memory shares;
        for (uint256 i = 0; i < USERS; i++) {
            shares[i] = holding(_users[i], shareOf(_pools[pool]));
        }
        (uint256 before0, uint256 before1) = (_purse(gang, ASSET0), _purse(gang, ASSET1));
        uint256 acted;
        for (uint256 i = 2 + rng.below(6); i > 0; i--) {
            // A part of the gang, and no more than who is in it.
            uint256 part = gang & rng.next();
            if (part != 0 && _call(rng, pool, part, rng.onceIn(2) ? ADD : SELL + uint8(rng.below(2)))) acted++;
        }
        for (uint256 i = 0; i < USERS; i++) {
            uint128 more = holding(_users[i], shareOf(_pools[pool])) - shares[i];
            if (more > 0) act(_pools[pool], _users[i], removeFrom(_pools[pool], more, 0, 0));
        }
        (uint256 after0, uint256 after1) = (_purse(gang, ASSET0), _purse(gang, ASSET1));
        assertTrue(
            after0 < before0 || after1 < before1 || (after0 == before0 && after1 == before1), "value was extracted"
        );
        if (acted > 1) done["conspire"]++;
    }

    // ---------------------------------------------------------------- calls

    function _single(uint256 seed, uint8 code, bytes32 name) private {
        Random.Rng memory rng = Random.Rng(seed);
        if (_call(rng, rng.below(2), 1 << rng.below(USERS), code)) done[name]++;
        else done["refused"]++;
    }

    /// @dev One call of the users whose bits are set: the first one's operation has this code, the others' are sales, or for one in two of them anything.
    function _call(Random.Rng memory rng, uint256 pool, uint256 who, uint8 code) private returns (bool happened) {
        uint256 count;
        for (uint256 i = 0; i < USERS; i++) {
            count += who >> i & 1;
        }
        uint256[] memory listed = new uint256[](1 + count);
        Consent[] memory consents = new Consent[](count);
        listed[0] = _pools[pool];
        bool trades = true;
        uint8 position;
        for (uint256 i = 0; i < USERS; i++) {
            if (who >> i & 1 == 0) continue;
            listed[++position] = _users[i];
            consents[position - 1] = Consent(position, _payload(rng, _pools[pool], _users[i], code));
            trades = trades && (code == SELL || code == BUY);
            // None of these removes: conspirators keep the shares that they had.
            code = rng.onceIn(2) ? SELL : ADD + uint8(rng.below(2)) * 3;
        }
        Book memory old = book(_pools[pool]);
        bytes32 others = _others(pool, who);
        happened = tryRun(rule, listed, consents, "");
        assertEq(_others(pool, who), others, "of somebody who did not sign");
        if (happened) _compare(old, book(_pools[pool]), trades);
    }

    /// @dev Mostly possible.
    function _payload(Random.Rng memory rng, uint256 pool, uint256 who, uint8 code)
        private
        view
        returns (bytes memory)
    {
        uint8 side = uint8(rng.below(2));
        uint128 most0 = _amount(rng, holding(who, ASSET0));
        uint128 most1 = _amount(rng, holding(who, ASSET1));
        Book memory b = book(pool);
        if (code == ADD) return addTo(pool, most0, most1, 0);
        if (code == REMOVE) return removeFrom(pool, _amount(rng, holding(who, shareOf(pool))), 0, 0);
        if (code == SELL) return sellTo(pool, side, side == 0 ? most0 : most1, 0);
        return buyFrom(pool, side, _amount(rng, side == 0 ? b.r0 : b.r1), MOST);
    }

    /// @dev All of it, or of any magnitude.
    function _amount(Random.Rng memory rng, uint256 most) private pure returns (uint128) {
        return uint128(rng.onceIn(8) ? most : rng.below((most >> rng.below(50)) + 1));
    }

    // ---------------------------------------------------------------- what holds

    function _compare(Book memory old, Book memory now_, bool trades) private pure {
        if (trades) assertGe(now_.r0 * now_.r1, old.r0 * old.r1, "k fell by trades");
        if (old.shares == 0) return;
        assertGe(
            now_.r0 * now_.r1 * old.shares * old.shares,
            old.r0 * old.r1 * now_.shares * now_.shares,
            "a share is worth less"
        );
    }

    /// @dev Whatever belongs to the other users and the other pool, and the data of both.
    function _others(uint256 pool, uint256 who) private view returns (bytes32 hash) {
        hash = keccak256(abi.encode(shown(_pools[1 - pool])));
        for (uint256 i = 0; i < USERS; i++) {
            if (who >> i & 1 == 0) hash = keccak256(abi.encode(hash, shown(_users[i])));
        }
    }

    function _purse(uint256 who, bytes32 asset) private view returns (uint256 sum) {
        for (uint256 i = 0; i < USERS; i++) {
            if (who >> i & 1 == 1) sum += holding(_users[i], asset);
        }
    }

    function assertConserved() external view {
        for (uint256 i = 0; i < 2; i++) {
            bytes32 asset = i == 0 ? ASSET0 : ASSET1;
            uint256 sum = _purse(15, asset) + holding(_pools[0], asset) + holding(_pools[1], asset);
            assertEq(sum, USERS * PURSE);
        }
    }

    /// @dev Shares in fragments, and the 1,000 that nobody has, are what the pool counts.
    function assertSharesCounted() external view {
        for (uint256 i = 0; i < 2; i++) {
            uint256 issued_ = _purse(15, shareOf(_pools[i]));
            uint256 counted = book(_pools[i]).shares;
            assertEq(counted, counted == 0 && issued_ == 0 ? 0 : issued_ + NOBODYS);
        }
    }

    /// @dev There are reserves of both as soon as there are shares; each share is backed by a unit of √(r0 · r1).
    function assertSharesBacked() external view {
        for (uint256 i = 0; i < 2; i++) {
            Book memory b = book(_pools[i]);
            assertEq(b.r0 == 0, b.shares == 0);
            assertEq(b.r1 == 0, b.shares == 0);
            assertGe(b.r0 * b.r1, b.shares * b.shares);
        }
    }
}
