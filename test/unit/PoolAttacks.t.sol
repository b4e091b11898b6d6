// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Pools} from "../harness/Pools.sol";

/// @notice Attacks on a pool and on those who use it, each by name: what the attacker gets out of it is nothing, or within what the victim signed.
/// forge-config: default.fuzz.runs = 64
/// forge-config: audit.fuzz.runs = 10000
contract PoolAttacksTest is Pools {
    uint256 private ann; // has put in what is there
    uint256 private ben;
    uint256 private eve;
    uint256 private pool;

    uint128 private constant RICH = 1e30;

    function setUp() public override {
        super.setUp();
        ann = user("ann");
        ben = user("ben");
        eve = user("eve");
        pool = pooled(ann, FEE, 1e18, 4e18);
        give(ben, ASSET0, RICH);
        give(ben, ASSET1, RICH);
        give(eve, ASSET0, RICH);
        give(eve, ASSET1, RICH);
    }

    /// @dev Who has shares of no pool ends with less of one asset, or as it began.
    function _assertNoGain(uint256 who) private view {
        (uint128 now0, uint128 now1) = (holding(who, ASSET0), holding(who, ASSET1));
        assertTrue(now0 < RICH || now1 < RICH || (now0 == RICH && now1 == RICH), "a gain");
    }

    function _refused(string memory why) private {
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, why));
    }

    // ---------------------------------------------------------------- rounding

    function testFuzz_ARoundTripLoses(uint128 amount, uint8 side, uint24 fee) public {
        (side, fee) = (side % 2, fee % 100_001);
        pool = pooled(ann, fee, 1e18, 4e18);
        amount = uint128(bound(amount, 10, 1e24));
        act(pool, eve, sellTo(pool, side, amount, 0));
        bytes32 bought = side == 0 ? ASSET1 : ASSET0;
        act(pool, eve, sellTo(pool, 1 - side, holding(eve, bought) - RICH, 0));
        assertLe(holding(eve, side == 0 ? ASSET0 : ASSET1), RICH);
        assertEq(holding(eve, bought), RICH);
    }

    function testFuzz_BuyingAndSellingBackLoses(uint128 amount, uint8 side, uint24 fee) public {
        (side, fee) = (side % 2, fee % 100_001);
        pool = pooled(ann, fee, 1e18, 4e18);
        amount = uint128(bound(amount, 100, 9e17));
        act(pool, eve, buyFrom(pool, side, amount, MOST));
        act(pool, eve, sellTo(pool, side, amount, 0));
        assertLe(holding(eve, side == 0 ? ASSET1 : ASSET0), RICH);
        assertEq(holding(eve, side == 0 ? ASSET0 : ASSET1), RICH);
    }

    /// @dev In a pool so small that every quotient is mostly rounding.
    function testFuzz_DustIsNeverWorthMore(uint256 seed) public {
        pool = pooled(ann, 0, 1, 1_002_001);
        for (uint256 i = 0; i < 16; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            (uint8 side, uint128 amount) = (uint8(seed % 2), uint128(seed >> 1) % 4);
            if (seed % 3 == 0) {
                tryAct(pool, eve, sellTo(pool, side, amount, 0));
            } else if (seed % 3 == 1) {
                tryAct(pool, eve, buyFrom(pool, side, amount, MOST));
            } else if (tryAct(pool, eve, addTo(pool, amount, RICH / 2, 0))) {
                act(pool, eve, removeFrom(pool, holding(eve, shareOf(pool)), 0, 0));
            }
        }
        _assertNoGain(eve);
    }

    function testFuzz_AddingAndRemovingGainsNothing(uint128 a0, uint128 a1, uint8 parts) public {
        pool = pooled(ann, FEE, 1e9 + 7, 31e6 + 1);
        (a0, a1) = (uint128(bound(a0, 1000, 1e20)), uint128(bound(a1, 1000, 1e20)));
        act(pool, eve, addTo(pool, a0, a1, 0));
        uint128 shares = holding(eve, shareOf(pool));
        uint128 step = shares / (parts % 8 + 1) + 1;
        for (uint128 left = shares; left > 0; left -= step > left ? left : step) {
            act(pool, eve, removeFrom(pool, step > left ? left : step, 0, 0));
        }
        assertLe(holding(eve, ASSET0), RICH);
        assertLe(holding(eve, ASSET1), RICH);
    }

    function testFuzz_SplittingATradeGainsNothing(uint128 a, uint128 b, uint24 fee) public {
        fee = fee % 100_001;
        pool = pooled(ann, fee, 1e9, 4e9);
        (a, b) = (uint128(bound(a, 10, 1e9)), uint128(bound(b, 10, 1e9)));
        uint256 fresh = vm.snapshotState();
        act(pool, eve, sellTo(pool, 0, a, 0));
        act(pool, eve, sellTo(pool, 0, b, 0));
        uint128 inParts = holding(eve, ASSET1);
        vm.revertToState(fresh);
        act(pool, eve, sellTo(pool, 0, a + b, 0));
        assertLe(inParts, holding(eve, ASSET1), "sold");

        vm.revertToState(fresh);
        act(pool, eve, buyFrom(pool, 1, a, MOST));
        act(pool, eve, buyFrom(pool, 1, b, MOST));
        inParts = holding(eve, ASSET0);
        vm.revertToState(fresh);
        act(pool, eve, buyFrom(pool, 1, a + b, MOST));
        assertLe(inParts, holding(eve, ASSET0), "bought");
    }

    // ---------------------------------------------------------------- shares

    /// @dev Eve has the only share, and trades to and fro until it is dear. Ben is not asked for more than his shares are worth.
    function testFuzz_TheFirstDepositorInflatesInVain(uint128 churn, uint128 amount, uint8 rounds) public {
        pool = emptyPool(eve, ASSET0, ASSET1, 100_000);
        act(pool, eve, addTo(pool, 1001, 1001, 1));
        churn = uint128(bound(churn, 1e4, 1e24));
        for (uint256 i = 0; i <= rounds % 4; i++) {
            uint128 before = holding(eve, ASSET1);
            act(pool, eve, sellTo(pool, 0, churn, 0));
            act(pool, eve, sellTo(pool, 1, holding(eve, ASSET1) - before, 0));
        }
        amount = uint128(bound(amount, 1, 1e26));
        if (tryAct(pool, ben, addTo(pool, amount, RICH, 0))) {
            act(pool, ben, removeFrom(pool, holding(ben, shareOf(pool)), 0, 0));
        }
        assertGe(holding(ben, ASSET0) + 1, RICH, "a unit for rounding");
        assertGe(holding(ben, ASSET1) + 1, RICH);
        act(pool, eve, removeFrom(pool, 1, 0, 0));
        _assertNoGain(eve);
        assertLe(holding(eve, ASSET0) + holding(eve, ASSET1) + 2000, 2 * RICH, "the 1,000 shares cost her");
    }

    /// @dev Who comes first with a crooked price cannot give the next one fewer shares than that one would have had as the first.
    function testFuzz_ACrookedFirstPriceIsRefusedBySharesAtLeast(uint128 first, int16 crooked) public {
        pool = emptyPool(eve, ASSET0, ASSET1, FEE);
        first = uint128(bound(first, 1e9, 1e12));
        uint256 other = uint256(first) * 4 * uint256(1e9 + int256(crooked) / 8) / 1e9;
        act(pool, eve, addTo(pool, first, uint128(other), 0));
        uint128 expected = uint128(rootOf(1e9, 4e9) - NOBODYS);
        bool done = tryAct(pool, ben, addTo(pool, 1e9, 4e9, expected));
        // Of 2 · 10^9 shares 1,000 are a millionth of the price.
        if (done) assertApproxEqRel(other * 1e18 / first, 4e18, 1.01e12);
        else assertNotEq(other, uint256(first) * 4);
    }

    function test_SharesOfAnotherPoolAreWorthNothingHere() public {
        uint256 other = pooled(eve, FEE, 1e18, 4e18);
        assertGt(holding(eve, shareOf(other)), 1e18);
        _refused("overdraft");
        act(pool, eve, removeFrom(pool, 1e18, 0, 0));
    }

    /// @dev Its id can be guessed, so its creator can name its shares. But nobody has any to pay for the first with.
    function test_APoolOfItsOwnSharesStaysEmpty() public {
        bytes32 own = issued(rule, bytes32((fragmentCount() + 1) << 24));
        uint256 made = emptyPool(eve, ASSET0, own, FEE);
        assertEq(shareOf(made), own);
        _refused("overdraft");
        act(made, eve, addTo(made, 1e18, 1e18, 0));
    }

    /// @dev Shares are assets like others: a pool of them is a pool.
    function test_APoolOfAnothersSharesIsAPool() public {
        bytes32 share = shareOf(pool);
        uint256 made = emptyPool(ann, ASSET0, share, FEE);
        give(ann, ASSET0, 1e18);
        act(made, ann, addTo(made, 1e18, 1e18, 0));
        act(made, ben, buyFrom(made, 1, 1e17, 2e17));
        assertEq(holding(ben, share), 1e17);
        act(pool, ben, removeFrom(pool, 1e17, 0, 0));
    }

    // ---------------------------------------------------------------- forgeries

    function test_AForgedPoolIsNone() public {
        uint256 forged = user("forged");
        setData(forged, abi.encodePacked(ASSET0, ASSET1, FEE, uint128(2e18)));
        give(forged, ASSET0, 1e18);
        give(forged, ASSET1, 4e18);
        bytes memory reason = abi.encodeWithSignature("NotAPool(uint80)", idOf(forged));
        expectFailure(forged, eve, addTo(forged, 1e18, 4e18, 0), reason); // else shares under a tag of her choice
        expectFailure(forged, ben, sellTo(forged, 0, 1e18, 0), reason);
        vm.expectRevert(reason);
        this.run(rule, places(forged), one(0, sellTo(forged, 0, 1e18, 0)), "");
    }

    function test_APoolOfAnotherRuleIsNone() public {
        uint256 foreign = fragment(RULE, address(0xE5E));
        setData(foreign, dataOf(pool));
        give(foreign, ASSET0, 1e18);
        _refused("under another rule");
        act(foreign, eve, sellTo(foreign, 0, 1e18, 0));
    }

    function test_APoolIsNotCreatedForAnotherRule() public {
        Consent[] memory consents = one(0, abi.encodePacked(CREATE, ASSET0, ASSET1, FEE));
        _refused("under another rule");
        this.run(rule, places(eve), consents, abi.encodePacked(address(0xE5E)));
    }

    function test_NobodyDonates() public {
        bytes memory reason = abi.encodeWithSelector(Refused.selector, "under another rule");
        address other = registered("Puppet.sol:Puppet"); // returns its extra as effects
        bytes memory move = abi.encodePacked(uint8(1), uint8(0), uint8(1), ASSET0, uint128(1e18));
        vm.expectRevert(reason);
        this.run(other, places(eve, pool), one(0, ""), move);
        // Nor by this rule, listed beside the pool that it works on.
        uint256 second = pooled(ann, FEE, 1e18, 4e18);
        _refused("unchanged");
        this.run(rule, places(pool, eve, second), one(1, sellTo(pool, 0, 1e18, 0)), "");
    }

    function test_APoolAuthorisesNothing() public {
        _refused("a move to itself");
        this.run(rule, places(pool), one(0, sellTo(pool, 0, 1e18, 0)), "");
    }

    function test_CreateStandsAlone() public {
        bytes memory create = abi.encodePacked(CREATE, ASSET0, ASSET1, FEE);
        Consent[] memory consents = new Consent[](2);
        (consents[0], consents[1]) = (Consent(0, create), Consent(1, create));
        vm.expectRevert(abi.encodeWithSignature("BadExtra(uint256,uint256)", 0, 20));
        this.run(rule, places(eve, ben), consents, abi.encodePacked(rule));
        vm.expectRevert(abi.encodeWithSignature("NotAPool(uint80)", idOf(eve)));
        this.run(rule, places(eve, ben), consents, "");
        (consents[0], consents[1]) = (Consent(1, sellTo(pool, 0, 1e18, 0)), Consent(2, create));
        vm.expectRevert(abi.encodeWithSignature("BadPayload(uint256)", 1));
        this.run(rule, places(pool, eve, ben), consents, "");
    }

    // ---------------------------------------------------------------- trades

    /// @dev Eve trades before ben and after him. He gets what he signed for, or nothing happens to him and she loses.
    function testFuzz_ASandwichStaysWithinSlippage(uint128 before, uint128 amount, uint16 slippage) public {
        before = uint128(bound(before, 1e3, 1e17));
        amount = uint128(bound(amount, 1e6, 1e18));
        uint256 quoted = sumOfSale(1e18, 4e18, FEE, amount);
        uint128 atLeast = uint128(quoted - quoted * (slippage % 1000) / 10_000);
        act(pool, eve, sellTo(pool, 0, before, 0));
        bool done = tryAct(pool, ben, sellTo(pool, 0, amount, atLeast));
        act(pool, eve, sellTo(pool, 1, holding(eve, ASSET1) - RICH, 0));
        if (done) {
            assertGe(holding(ben, ASSET1), RICH + atLeast);
        } else {
            assertEq(holding(ben, ASSET0), RICH);
            assertLe(holding(eve, ASSET0), RICH);
        }
        assertEq(holding(eve, ASSET1), RICH);
    }

    /// @dev As above, for what is bought.
    function testFuzz_APurchaseCostsAtMostWhatWasSigned(uint128 before, uint128 amount, uint16 slippage) public {
        before = uint128(bound(before, 1e3, 1e17));
        amount = uint128(bound(amount, 1e6, 1e18));
        uint256 quoted = sumOfPurchase(1e18, 4e18, FEE, amount);
        uint128 atMost = uint128(quoted + quoted * (slippage % 1000) / 10_000);
        act(pool, eve, sellTo(pool, 0, before, 0));
        if (tryAct(pool, ben, buyFrom(pool, 1, amount, atMost))) assertGe(holding(ben, ASSET0) + atMost, RICH);
        else assertEq(holding(ben, ASSET0), RICH);
        act(pool, eve, sellTo(pool, 1, holding(eve, ASSET1) - RICH, 0));
        assertEq(holding(eve, ASSET1), RICH);
    }

    /// @dev Whatever she does to the price between, what a provider takes out is worth the shares that he asked for: a share was √(r0 · r1) / T = 1.
    function testFuzz_ACrookedPriceRobsNoProvider(uint128 before, uint16 slippage) public {
        act(pool, eve, sellTo(pool, 0, uint128(bound(before, 1e3, 1e17)), 0));
        uint128 least = uint128(2e18 - uint256(slippage % 1000) * 2e14);
        if (!tryAct(pool, ben, addTo(pool, 1e18, 4e18, least))) return;
        act(pool, eve, sellTo(pool, 1, holding(eve, ASSET1) - RICH, 0)); // back again
        (uint128 held0, uint128 held1) = (holding(ben, ASSET0), holding(ben, ASSET1));
        act(pool, ben, removeFrom(pool, holding(ben, shareOf(pool)), 0, 0));
        (uint256 out0, uint256 out1) = (holding(ben, ASSET0) - held0, holding(ben, ASSET1) - held1);
        assertGe((out0 + 1) * (out1 + 1), uint256(least) ** 2);
    }

    function test_TheWholeReserveIsNotForSale() public {
        bytes memory reason = abi.encodeWithSignature("NotForSale(uint256,uint256)", 4e18, 4e18);
        expectFailure(pool, eve, buyFrom(pool, 1, 4e18, MOST), reason);
        // Its last unit but one costs all that there is, and more.
        give(eve, ASSET0, MOST - RICH);
        bool done = tryAct(pool, eve, buyFrom(pool, 1, 4e18 - 1, 4e36));
        assertFalse(done, "with the fee it is more");
        act(pool, eve, buyFrom(pool, 1, 4e18 - 1, MOST));
        assertEq(book(pool).r1, 1);
    }

    function test_TradingWithOneselfLoses() public {
        uint256 evesOther = user("eve's other");
        give(evesOther, ASSET1, 1e18);
        Consent[] memory consents = new Consent[](2);
        consents[0] = Consent(1, sellTo(pool, 0, 1e17, 0));
        consents[1] = Consent(2, buyFrom(pool, 0, 1e17, MOST));
        this.run(rule, places(pool, eve, evesOther), consents, "");
        assertEq(holding(eve, ASSET0) + holding(evesOther, ASSET0), RICH);
        assertLt(uint256(holding(eve, ASSET1)) + holding(evesOther, ASSET1), uint256(RICH) + 1e18);
    }

    function test_AFragmentActsOnceInACall() public {
        bytes memory sale = sellTo(pool, 0, 1e17, 0);
        Consent[] memory consents = new Consent[](2);
        (consents[0], consents[1]) = (Consent(1, sale), Consent(2, sale));
        _refused("a fragment twice");
        this.run(rule, places(pool, eve, eve), consents, "");
        consents[1].position = 1;
        _refused("order of authorisations");
        this.run(rule, places(pool, eve), consents, "");
    }

    /// @dev A payload taken for a pool with the same id but other assets, as after a reorganisation, means something else: the signature is void.
    function test_AMeaningIsForTheAssetsSigned() public {
        bytes memory payload = sellTo(pool, 0, 1e17, 0);
        act(pool, eve, payload);
        bytes32 meant = meanings[0].structHash;
        setData(pool, abi.encodePacked(ASSET0, bytes32(uint256(0xBAD)), FEE, uint128(2e18)));
        give(pool, bytes32(uint256(0xBAD)), 4e18);
        act(pool, eve, payload);
        assertNotEq(meanings[0].structHash, meant);
    }

    /// @dev Three trades and a provider in one call, in each order: nobody pays for the order but within what was signed, and the pool never.
    function test_NoOrderOfACallRobsThePool() public {
        uint256 cat = user("cat");
        give(cat, ASSET0, 1e18);
        give(cat, ASSET1, 1e18);
        uint256[3] memory users = [eve, ben, cat];
        bytes[3] memory payloads =
            [sellTo(pool, 0, 3e17, 5e17), buyFrom(pool, 0, 1e17, 1e18), addTo(pool, 1e17, 1e18, 1)];
        Book memory old = book(pool);
        uint256 state = vm.snapshotState();
        for (uint256 order = 0; order < 6; order++) {
            (uint256 first, uint256 second) = (order / 2, (order / 2 + 1 + order % 2) % 3);
            uint256 third = 3 - first - second;
            uint256[] memory listed = new uint256[](4);
            (listed[0], listed[1], listed[2], listed[3]) = (pool, users[first], users[second], users[third]);
            Consent[] memory consents = new Consent[](3);
            (consents[0], consents[1]) = (Consent(1, payloads[first]), Consent(2, payloads[second]));
            consents[2] = Consent(3, payloads[third]);
            this.run(rule, listed, consents, "");
            Book memory now_ = book(pool);
            assertGe(now_.r0 * now_.r1 * old.shares ** 2, old.r0 * old.r1 * now_.shares ** 2);
            assertGe(holding(eve, ASSET1), RICH + 5e17);
            assertEq(holding(ben, ASSET0), RICH + 1e17);
            assertEq(holding(cat, shareOf(pool)) + old.shares, now_.shares);
            vm.revertToState(state);
        }
    }
}
