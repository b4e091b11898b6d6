// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Pools} from "../harness/Pools.sol";

/// @notice What a call to the Pool rule returns, byte by byte: meanings, effects in order, the data written; and operations of several
/// users in one call.
contract PoolCallsTest is Pools {
    string private constant CREATE_TYPE = "PoolCreate(bytes32 asset0,bytes32 asset1,uint24 fee)";
    string private constant ADD_TYPE =
        "PoolAdd(uint80 pool,bytes32 asset0,uint128 atMost0,bytes32 asset1,uint128 atMost1,uint128 sharesAtLeast)";
    string private constant REMOVE_TYPE =
        "PoolRemove(uint80 pool,uint128 shares,bytes32 asset0,uint128 atLeast0,bytes32 asset1,uint128 atLeast1)";
    string private constant SELL_TYPE = "PoolSell(uint80 pool,bytes32 sell,uint128 amount,bytes32 buy,uint128 atLeast)";
    string private constant BUY_TYPE = "PoolBuy(uint80 pool,bytes32 buy,uint128 amount,bytes32 sell,uint128 atMost)";

    uint256 private ann;
    uint256 private ben;
    uint256 private cat;
    uint256 private pool;

    function setUp() public override {
        super.setUp();
        ann = user("ann");
        ben = user("ben");
        cat = user("cat");
        pool = pooled(ann, FEE, 1_000_000, 4_000_000);
        give(ben, ASSET0, 1e9);
        give(ben, ASSET1, 1e9);
        give(cat, ASSET0, 1e9);
        give(cat, ASSET1, 1e9);
    }

    // ---------------------------------------------------------------- effects

    /// @dev docs/spec.md, section 5.1, with the rule's struct for X.
    function _meaning(uint8 number, string memory name, string memory struct_, bytes memory fields)
        private
        pure
        returns (bytes memory)
    {
        string memory whole = string.concat(
            "Authorisation(",
            name,
            " intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)",
            "Outflow(bytes32 asset,uint128 amount)",
            struct_
        );
        bytes32 structHash = keccak256(bytes.concat(keccak256(bytes(struct_)), fields));
        return abi.encodePacked(uint8(10), number, keccak256(bytes(whole)), structHash);
    }

    function _move(uint8 from, uint8 to, bytes32 asset, uint128 amount) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), from, to, asset, amount);
    }

    function _mint(uint8 to, uint128 amount) private view returns (bytes memory) {
        return abi.encodePacked(uint8(2), to, uint256(idOf(pool)), amount);
    }

    function _burn(uint8 from, uint128 amount) private view returns (bytes memory) {
        return abi.encodePacked(uint8(3), from, uint256(idOf(pool)), amount);
    }

    function _write(uint128 shares) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(4), uint8(0), uint16(83), ASSET0, ASSET1, FEE, shares);
    }

    /// @dev With the user at position 1, as the only one.
    function _assertEffects(bytes memory payload, bytes memory expected) private view {
        assertEq(effectsOf(shown(pool), payload), expected);
    }

    function test_CreateMeansOpensAndWrites() public view {
        IRule.Fragment[] memory fragments = new IRule.Fragment[](2);
        IRule.Authorisation[] memory authorisations = new IRule.Authorisation[](1);
        authorisations[0] = IRule.Authorisation(1, abi.encodePacked(CREATE, ASSET0, ASSET1, FEE));
        assertEq(
            IRule(rule).transition(context, fragments, authorisations, abi.encodePacked(rule)),
            bytes.concat(
                _meaning(0, "PoolCreate", CREATE_TYPE, abi.encode(ASSET0, ASSET1, FEE)),
                abi.encodePacked(uint8(5), uint8(0), RULE, rule),
                abi.encodePacked(uint8(4), uint8(2), uint16(83), ASSET0, ASSET1, FEE, uint128(0))
            )
        );
    }

    function test_AddMovesMintsAndWrites() public view {
        bytes memory fields = abi.encode(idOf(pool), ASSET0, 1001, ASSET1, 4000, 1999);
        _assertEffects(
            addTo(pool, 1001, 4000, 1999),
            bytes.concat(
                _meaning(0, "PoolAdd", ADD_TYPE, fields),
                _move(1, 0, ASSET0, 1000),
                _move(1, 0, ASSET1, 4000),
                _mint(1, 2000),
                _write(2_002_000)
            )
        );
    }

    function test_RemoveBurnsMovesAndWrites() public view {
        bytes memory fields = abi.encode(idOf(pool), 2000, ASSET0, 999, ASSET1, 3999);
        _assertEffects(
            removeFrom(pool, 2000, 999, 3999),
            bytes.concat(
                _meaning(0, "PoolRemove", REMOVE_TYPE, fields),
                _burn(1, 2000),
                _move(0, 1, ASSET0, 1000),
                _move(0, 1, ASSET1, 4000),
                _write(1_998_000)
            )
        );
    }

    /// @dev A pool of 1 and 10,000,000 for 3,162 shares, of which nobody gets the 1.
    function test_RemoveMovesNothingThatIsZero() public {
        pool = pooled(ann, FEE, 1, 1e7);
        bytes memory fields = abi.encode(idOf(pool), 1000, ASSET0, 0, ASSET1, 0);
        _assertEffects(
            removeFrom(pool, 1000, 0, 0),
            bytes.concat(
                _meaning(0, "PoolRemove", REMOVE_TYPE, fields),
                _burn(1, 1000),
                _move(0, 1, ASSET1, 3_162_555),
                _write(2162)
            )
        );
        pool = pooled(ann, FEE, 1e7, 1);
        fields = abi.encode(idOf(pool), 1, ASSET0, 0, ASSET1, 0);
        _assertEffects(
            removeFrom(pool, 1, 0, 0),
            bytes.concat(
                _meaning(0, "PoolRemove", REMOVE_TYPE, fields), _burn(1, 1), _move(0, 1, ASSET0, 3162), _write(3161)
            )
        );
    }

    function test_SellAndBuyMoveAndWriteNothing() public view {
        bytes memory fields = abi.encode(idOf(pool), ASSET0, 10_000, ASSET1, 39_000);
        bytes memory moves = bytes.concat(_move(1, 0, ASSET0, 10_000), _move(0, 1, ASSET1, 39_486));
        bytes memory meaning = _meaning(0, "PoolSell", SELL_TYPE, fields);
        _assertEffects(sellTo(pool, 0, 10_000, 39_000), bytes.concat(meaning, moves));
        meaning = _meaning(0, "PoolBuy", BUY_TYPE, abi.encode(idOf(pool), ASSET1, 39_486, ASSET0, 11_000));
        _assertEffects(buyFrom(pool, 1, 39_486, 11_000), bytes.concat(meaning, moves));
    }

    function test_TheOtherSideMovesTheOtherAsset() public view {
        bytes memory fields = abi.encode(idOf(pool), ASSET1, 40_000, ASSET0, 9000);
        bytes memory moves = bytes.concat(_move(1, 0, ASSET1, 40_000), _move(0, 1, ASSET0, 9871));
        bytes memory meaning = _meaning(0, "PoolSell", SELL_TYPE, fields);
        _assertEffects(sellTo(pool, 1, 40_000, 9000), bytes.concat(meaning, moves));
        meaning = _meaning(0, "PoolBuy", BUY_TYPE, abi.encode(idOf(pool), ASSET0, 9871, ASSET1, 50_000));
        // net = 4,000,000 · 9871 / 990,129, rounded up: 39,878; / 0.997, rounded up
        moves = bytes.concat(_move(1, 0, ASSET1, 39_998), _move(0, 1, ASSET0, 9871));
        _assertEffects(buyFrom(pool, 0, 9871, 50_000), bytes.concat(meaning, moves));
    }

    // ---------------------------------------------------------------- several in one call

    function _two(bytes memory first, bytes memory second) private pure returns (Consent[] memory consents) {
        consents = new Consent[](2);
        (consents[0], consents[1]) = (Consent(1, first), Consent(2, second));
    }

    /// @dev All meanings, then the effects of each, then one write.
    function test_MeaningsStandFirstAndTheDataIsWrittenOnce() public view {
        IRule.Fragment[] memory fragments = new IRule.Fragment[](3);
        (fragments[0], fragments[1], fragments[2]) = (shown(pool), shown(cat), shown(ann));
        IRule.Authorisation[] memory authorisations = new IRule.Authorisation[](2);
        authorisations[0] = IRule.Authorisation(1, addTo(pool, 1000, 4000, 0));
        authorisations[1] = IRule.Authorisation(2, removeFrom(pool, 4000, 0, 0));
        assertEq(
            IRule(rule).transition(context, fragments, authorisations, ""),
            bytes.concat(
                _meaning(0, "PoolAdd", ADD_TYPE, abi.encode(idOf(pool), ASSET0, 1000, ASSET1, 4000, 0)),
                _meaning(1, "PoolRemove", REMOVE_TYPE, abi.encode(idOf(pool), 4000, ASSET0, 0, ASSET1, 0)),
                bytes.concat(_move(1, 0, ASSET0, 1000), _move(1, 0, ASSET1, 4000), _mint(1, 2000)),
                bytes.concat(_burn(2, 4000), _move(0, 2, ASSET0, 2000), _move(0, 2, ASSET1, 8000)),
                _write(1_998_000)
            )
        );
    }

    /// @dev What is minted and what is burnt may be the same: here rounding leaves a unit of asset 0. If it left nothing, the pool would be
    /// as before, and a kernel takes no call that changes nothing of what it lists.
    function test_TheDataIsWrittenIfTheSharesChanged() public {
        Consent[] memory consents = _two(addTo(pool, 1, 2, 0), removeFrom(pool, 1, 0, 0));
        IRule.Fragment[] memory fragments = new IRule.Fragment[](3);
        (fragments[0], fragments[1], fragments[2]) = (shown(pool), shown(cat), shown(ann));
        IRule.Authorisation[] memory authorisations = new IRule.Authorisation[](2);
        authorisations[0] = IRule.Authorisation(1, consents[0].payload);
        authorisations[1] = IRule.Authorisation(2, consents[1].payload);
        bytes memory effects = IRule(rule).transition(context, fragments, authorisations, "");
        assertEq(effects.length, 2 * (66 + 50 + 51) + 51, "no write; nothing of asset 0 comes back");
        this.run(rule, places(pool, cat, ann), consents, "");
        assertEq(book(pool).r0, 1_000_001);
        assertEq(book(pool).shares, 2_000_000);

        pool = pooled(ann, FEE, 1_000_000, 4_000_000);
        consents = _two(addTo(pool, 1000, 4000, 0), removeFrom(pool, 2000, 0, 0));
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, "unchanged"));
        this.run(rule, places(pool, cat, ann), consents, "");
    }

    function test_EachTradesOnWhatTheOneBeforeLeft() public {
        uint256 got = 9970 * uint256(4_000_000) / 1_009_970;
        uint256 paid = sumOfPurchase(4_000_000 - got, 1_010_000, FEE, 5000);
        bytes memory first = sellTo(pool, 0, 10_000, uint128(got));
        bytes memory second = buyFrom(pool, 0, 5000, uint128(paid));
        this.run(rule, places(pool, ben, cat), _two(first, second), "");
        assertEq(holding(ben, ASSET1), 1e9 + got);
        assertEq(holding(cat, ASSET1), 1e9 - paid);
        assertEq(holding(cat, ASSET0), 1e9 + 5000);
    }

    /// @dev Whoever comes first gets the better price; and the call is as good as a call each.
    function test_TheOrderIsThatOfTheAuthorisations() public {
        bytes memory sale = sellTo(pool, 0, 10_000, 0);
        uint256 state = vm.snapshotState();
        act(pool, ben, sale);
        act(pool, cat, sale);
        bytes32 oneByOne = keccak256(abi.encode(shown(pool), shown(ben), shown(cat)));
        uint128 better = holding(ben, ASSET1);
        vm.revertToState(state);
        this.run(rule, places(pool, ben, cat), _two(sale, sale), "");
        assertEq(keccak256(abi.encode(shown(pool), shown(ben), shown(cat))), oneByOne);
        assertEq(holding(ben, ASSET1), better);
        assertLt(holding(cat, ASSET1), better);
        vm.revertToState(state);
        this.run(rule, places(pool, cat, ben), _two(sale, sale), "");
        assertEq(holding(cat, ASSET1), better);
    }

    /// @dev Half of all is gone when the sale comes.
    function test_EachTradesWithWhatIsNotRemoved() public {
        uint256 got = sumOfSale(500_000, 2_000_000, FEE, 10_000);
        Consent[] memory consents = _two(removeFrom(pool, 1_000_000, 0, 0), sellTo(pool, 0, 10_000, 0));
        this.run(rule, places(pool, ann, cat), consents, "");
        assertEq(holding(cat, ASSET1), 1e9 + got);
        assertEq(book(pool).r1, 2_000_000 - got);
    }

    function test_EachReadsTheSharesThatTheOneBeforeLeft() public {
        uint256 made = emptyPool(ann, ASSET0, ASSET1, FEE);
        Consent[] memory consents = _two(addTo(made, 10_000, 10_000, 9000), addTo(made, 500, 500, 500));
        this.run(rule, places(made, ben, cat), consents, "");
        assertEq(book(made).shares, 10_500);
        bytes32 share = shareOf(made);
        assertEq(holding(ben, share), 9000);
        assertEq(holding(cat, share), 500);
    }

    function test_OneFailureFailsTheCall() public {
        bytes memory reason = abi.encodeWithSignature("TooLittle(uint256,uint256)", 39_486, 38_713);
        bytes memory sale = sellTo(pool, 0, 10_000, 39_486);
        vm.expectRevert(reason);
        this.run(rule, places(pool, ben, cat), _two(sale, sale), "");
        assertEq(holding(ben, ASSET1), 1e9);
    }

    function test_EachNamesThePool() public {
        uint256 other = pooled(ann, FEE, 1_000_000, 4_000_000);
        Consent[] memory consents = _two(sellTo(pool, 0, 10_000, 0), sellTo(other, 0, 10_000, 0));
        vm.expectRevert(abi.encodeWithSignature("WrongPool(uint80,uint80)", idOf(pool), idOf(other)));
        this.run(rule, places(pool, ben, cat), consents, "");
    }

    function test_TheErrorSaysWhosePayloadIsBad() public {
        Consent[] memory consents = _two(sellTo(pool, 0, 10_000, 0), hex"04");
        vm.expectRevert(abi.encodeWithSignature("BadPayload(uint256)", 1));
        this.run(rule, places(pool, ben, cat), consents, "");
    }

    /// @dev As many as a call can have; within the 64 effects of a call.
    function test_FifteenUsersShareACall() public {
        uint256[] memory listed = new uint256[](16);
        Consent[] memory consents = new Consent[](15);
        listed[0] = pool;
        for (uint256 i = 0; i < 15; i++) {
            listed[i + 1] = user(vm.toString(i));
            give(listed[i + 1], ASSET0, 1e6);
            give(listed[i + 1], ASSET1, 4e6);
            consents[i] = Consent(uint8(i + 1), addTo(pool, 1000, 4000, 2000));
        }
        this.run(rule, listed, consents, "");
        assertEq(book(pool).shares, 2_030_000);
    }
}
