// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";
import {RuleBench} from "../harness/RuleBench.sol";

/// @notice What the escrow does, and what it refuses. The rule is called with what a kernel would show it, and nothing has to be signed;
/// EscrowOnL1.t.sol has the kernel itself.
contract EscrowTest is RuleBench {
    bytes32 internal constant ETH = 0;
    uint64 internal constant REFUND_BLOCK = 2000;
    uint24 internal constant FEE = 12_345; // millionths

    address internal rule;
    uint256 internal buyer;
    uint256 internal seller;
    uint256 internal arbiter;

    function setUp() public {
        rule = registered("Escrow.sol:Escrow");
        buyer = user("buyer");
        seller = user("seller");
        arbiter = user("arbiter");
        give(buyer, ETH, 1000);
    }

    // ---------------------------------------------------------------- payloads

    function _key(uint256 place) internal view returns (bytes21) {
        IRule.Fragment memory f = shown(place);
        return bytes21(abi.encodePacked(f.kind, f.controller));
    }

    function _terms(uint24 fee, address proposer) private view returns (bytes memory) {
        return abi.encodePacked(_key(seller), _key(arbiter), fee, REFUND_BLOCK, proposer);
    }

    function _opening(bytes memory terms, uint128 amount) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), terms, ETH, amount);
    }

    function _payment(uint256 escrow) private view returns (bytes memory) {
        return abi.encodePacked(uint8(2), idOf(escrow));
    }

    /// @dev The buyer opens an escrow of `amount`.
    function _open(uint128 amount, address proposer) private returns (uint256 escrow) {
        bytes memory payload = _opening(_terms(FEE, proposer), amount);
        run(rule, places(buyer), one(0, payload), abi.encodePacked(rule));
        return opened[0];
    }

    /// @dev The same, in an earlier batch.
    function _opened(uint128 amount) private returns (uint256 escrow) {
        escrow = _open(amount, address(0));
        nextBatch();
    }

    function _pays(uint256 escrow, uint256 signer) private returns (bool) {
        return tryRun(rule, places(escrow, signer), one(1, _payment(escrow)), "");
    }

    function _refunds(uint256 escrow) private returns (bool) {
        return tryRun(rule, places(escrow), new Consent[](0), "");
    }

    // ---------------------------------------------------------------- what it does

    function test_OpeningPutsTheAmountUnderTheRule() public {
        uint256 escrow = _open(400, address(7));
        assertEq(holding(buyer, ETH), 600);
        assertEq(holding(escrow, ETH), 400);
        assertEq(shown(escrow).kind, RULE);
        assertEq(shown(escrow).controller, rule);
        assertEq(dataOf(escrow), abi.encodePacked(uint8(1), _key(buyer), _terms(FEE, address(7))));
    }

    function test_TheBuyerPaysAllOfIt() public {
        uint256 escrow = _opened(400);
        assertTrue(_pays(escrow, buyer));
        assertEq(_key(escrow), _key(seller), "the fragment is the seller's");
        assertEq(holding(escrow, ETH), 400);
        assertEq(dataOf(escrow), "");
        assertFalse(_pays(escrow, buyer), "once");
    }

    function testFuzz_TheArbiterPaysForAFeeThatIsRoundedDown(uint128 amount, uint24 fee) public {
        amount = uint128(bound(amount, 1, type(uint128).max - 1000));
        fee = uint24(bound(fee, 0, 100_000));
        give(buyer, ETH, amount);
        bytes memory payload = _opening(_terms(fee, address(0)), amount);
        run(rule, places(buyer), one(0, payload), abi.encodePacked(rule));
        uint256 escrow = opened[0];
        nextBatch();
        assertTrue(_pays(escrow, arbiter));
        uint256 taken = holding(arbiter, ETH);
        assertEq(taken + holding(escrow, ETH), amount, "nothing is lost");
        assertLe(taken * 1_000_000, uint256(amount) * fee, "no more than the fee");
        assertGt((taken + 1) * 1_000_000, uint256(amount) * fee, "and no less than it has to be");
        assertEq(_key(escrow), _key(seller));
    }

    function test_AFeeThatRoundsToNothingIsNotMoved() public {
        uint256 escrow = _opened(1);
        assertTrue(_pays(escrow, arbiter));
        assertEq(holding(escrow, ETH), 1);
    }

    function test_FromTheRefundBlockOnAnybodyRefunds() public {
        uint256 escrow = _opened(400);
        context.blockNumber = REFUND_BLOCK - 1;
        assertFalse(_refunds(escrow), "too early");
        context.blockNumber = REFUND_BLOCK;
        assertTrue(_refunds(escrow));
        assertEq(_key(escrow), _key(buyer));
        assertEq(dataOf(escrow), "");
    }

    function test_APaymentIsGoodUntilSomebodyRefunds() public {
        uint256 escrow = _opened(400);
        context.blockNumber = REFUND_BLOCK + 1;
        assertTrue(_pays(escrow, buyer));
    }

    function test_TheChosenProposerAlonePostsPaymentsBeforeTheRefundBlock() public {
        uint256 escrow = _open(400, address(7));
        nextBatch();
        context.blockNumber = REFUND_BLOCK - 1;
        assertFalse(_pays(escrow, buyer), "another one");
        context.proposer = address(7);
        assertTrue(_pays(escrow, buyer), "the chosen one");

        escrow = _open(400, address(7));
        nextBatch();
        (context.proposer, context.blockNumber) = (address(8), REFUND_BLOCK);
        assertTrue(_pays(escrow, buyer), "anybody");
    }

    // ---------------------------------------------------------------- what it refuses

    function test_OnlyBuyerAndArbiterPay() public {
        uint256 escrow = _opened(400);
        assertFalse(_pays(escrow, seller), "the seller");
        assertFalse(_pays(escrow, user("stranger")), "a stranger");
        assertFalse(_pays(escrow, fragment(2, shown(buyer).controller)), "the same controller of another kind");
    }

    function test_InTheBatchThatOpensItAnEscrowHasNoId() public {
        uint256 escrow = _open(400, address(0));
        assertFalse(_pays(escrow, buyer), "by the id that it will have");
        bytes memory zero = abi.encodePacked(uint8(2), uint80(0));
        assertFalse(tryRun(rule, places(escrow, buyer), one(1, zero), ""), "by the id that is shown");
        nextBatch();
        assertTrue(_pays(escrow, buyer));
    }

    function test_ASignatureIsForOneEscrow() public {
        uint256 first = _opened(400);
        uint256 second = _opened(500);
        assertFalse(tryRun(rule, places(second, buyer), one(1, _payment(first)), ""));
    }

    function test_TheDataOfAKeysFragmentIsNotBelieved() public {
        uint256 forged = user("mallory");
        uint256 signer = user("mallory");
        give(forged, ETH, 1);
        setData(forged, abi.encodePacked(uint8(1), _key(signer), _terms(0, address(0))));
        IRule.Fragment[] memory fragments = new IRule.Fragment[](2);
        (fragments[0], fragments[1]) = (shown(forged), shown(signer));
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(1, _payment(forged));
        vm.expectRevert(abi.encodeWithSignature("NotTheEscrow()"));
        IRule(rule).transition(context, fragments, signed, "");
        vm.expectRevert(abi.encodeWithSignature("NotTheEscrow()"));
        IRule(rule).transition(context, fragments, new IRule.Authorisation[](0), "");
        // Nor that of another type under this rule.
        uint256 escrow = _opened(400);
        setData(escrow, abi.encodePacked(uint8(2), _key(buyer), _terms(FEE, address(0))));
        assertFalse(_pays(escrow, buyer));
    }

    function test_TermsThatCouldNotBeKeptAreRefused() public {
        bytes21 good = _key(seller);
        bytes21[4] memory sellers = [bytes21(0), bytes21(abi.encodePacked(uint8(1), address(0))), good, good];
        sellers[2] = bytes21(abi.encodePacked(uint8(3), rule));
        uint24[4] memory fees = [FEE, FEE, FEE, 100_001];
        for (uint256 i = 0; i < 4; i++) {
            bytes memory terms = abi.encodePacked(sellers[i], _key(arbiter), fees[i], REFUND_BLOCK, address(0));
            assertFalse(tryRun(rule, places(buyer), one(0, _opening(terms, 400)), abi.encodePacked(rule)));
        }
        assertFalse(tryRun(rule, places(buyer), one(0, _opening(_terms(FEE, address(0)), 0)), abi.encodePacked(rule)));
    }

    function test_NobodyElsesAddressOpens() public {
        bytes memory payload = _opening(_terms(FEE, address(0)), 400);
        assertFalse(tryRun(rule, places(buyer), one(0, payload), ""));
        assertFalse(tryRun(rule, places(buyer), one(0, payload), abi.encodePacked(address(this))));
        assertFalse(tryRun(rule, places(buyer), one(0, payload), abi.encodePacked(rule, uint8(0))));
        assertTrue(tryRun(rule, places(buyer), one(0, payload), abi.encodePacked(rule)));
    }

    function test_OtherBytesAreRefused() public {
        uint256 escrow = _opened(400);
        bytes memory payload = bytes.concat(_payment(escrow), hex"00");
        assertFalse(tryRun(rule, places(escrow, buyer), one(1, payload), ""), "longer");
        assertFalse(tryRun(rule, places(escrow, buyer), one(1, ""), ""), "empty");
        assertFalse(tryRun(rule, places(escrow, buyer), one(1, _payment(escrow)), hex"00"), "extra");
        payload = abi.encodePacked(uint8(3), idOf(escrow));
        assertFalse(tryRun(rule, places(escrow, buyer), one(1, payload), ""), "another operation");
        payload = bytes.concat(_opening(_terms(FEE, address(0)), 400), hex"00");
        assertFalse(tryRun(rule, places(buyer), one(0, payload), abi.encodePacked(rule)), "a longer opening");
        Consent[] memory both = new Consent[](2);
        (both[0], both[1]) = (Consent(1, _payment(escrow)), Consent(2, ""));
        assertFalse(tryRun(rule, places(escrow, buyer, seller), both, ""), "two signers");
        context.blockNumber = REFUND_BLOCK;
        assertFalse(tryRun(rule, places(escrow, buyer, seller), both, ""), "two signers of a refund");
        assertFalse(tryRun(rule, places(escrow), new Consent[](0), hex"00"), "extra of a refund");
    }

    // ---------------------------------------------------------------- what wallets show

    /// @dev By forge's own EIP-712: type strings are canonical, and hashes are of what the wallet was shown.
    function test_MeaningsAreStructsThatWalletsShow() public {
        uint256 escrow = _open(1000, address(7));
        string memory intent =
            "EscrowOpen(Key seller,Key arbiter,uint24 fee,uint64 refundBlock,address proposer,bytes32 asset,uint128 amount)Key(uint8 kind,address controller)";
        bytes memory keys = abi.encode(KEY, shown(seller).controller, KEY, shown(arbiter).controller);
        bytes memory rest = abi.encode(FEE, REFUND_BLOCK, address(7), ETH, uint128(1000));
        _assertMeaning("EscrowOpen", intent, bytes.concat(keys, rest));

        nextBatch();
        context.proposer = address(7);
        assertTrue(_pays(escrow, arbiter));
        intent =
            "EscrowPay(uint80 escrow,Key seller,bytes32 asset,uint128 amount,uint128 fee)Key(uint8 kind,address controller)";
        bytes memory values = abi.encode(idOf(escrow), KEY, shown(seller).controller, ETH, uint128(988), uint128(12));
        _assertMeaning("EscrowPay", intent, values);
    }

    /// @dev The last call's only meaning is the struct of this type with these values.
    function _assertMeaning(string memory name, string memory intent, bytes memory values) private view {
        string memory signed = string.concat(
            "Authorisation(",
            name,
            " intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)",
            intent,
            "Outflow(bytes32 asset,uint128 amount)"
        );
        assertEq(meanings.length, 1);
        assertEq(meanings[0].authorisation, 0);
        assertEq(meanings[0].typeHash, keccak256(bytes(signed)));
        assertEq(meanings[0].structHash, vm.eip712HashStruct(intent, values));
    }

    // ---------------------------------------------------------------- registering

    function test_ItsAddressIsAFunctionOfItsCode() public {
        bytes memory runtime = vm.getDeployedCode("Escrow.sol:Escrow");
        IRuleRegistry registry = IRuleRegistry(deployCode("RuleRegistry.sol:RuleRegistry"));
        address foretold = registry.addressOf(runtime);
        vm.expectEmit(address(registry));
        emit IRuleRegistry.RuleRegistered(foretold, runtime.length);
        assertEq(registry.register(runtime), foretold);
        assertEq(foretold.code, runtime);
        assertEq(registry.registeredAt(foretold), block.number);
    }
}
