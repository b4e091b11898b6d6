// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IDepositRouter} from "../../contracts/interfaces/IDepositRouter.sol";
import {ISignatureTransfer} from "../../contracts/interfaces/ISignatureTransfer.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Offers, Permits} from "../harness/Offers.sol";
import {Posting} from "../harness/Posting.sol";
import {Again, Anchor, Header, Posted, State, Step} from "../harness/Shapes.sol";

interface IGasToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
}

/// @notice What users pay: whole transactions, cold, with their calldata and the 21,000 gas of every transaction. Recorded in
/// snapshots/, under the name of what the user does.
/// forge-config: default.isolate = true
contract GasTest is Posting {
    using Codec for *;

    uint256 private constant USERS = 200;
    uint256 private constant DEPOSITS_AT = DEPLOYMENT_BLOCK + 50;

    function setUp() public override {
        super.setUp();
        vm.deal(challenger, 1 ether); // an account that is there: paying a new one costs 25,000 more
        vm.deal(carol, 1 ether);
        for (uint256 i = 0; i < USERS; i++) {
            depositEth(i % 2 == 0 ? alice : bob, 1 ether);
        }
        nextBlock();
        nextBlock();
    }

    // ---------------------------------------------------------------- deposits and rules

    function test_Deposits() public {
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        bridge.deposit{value: 0.5 ether}(keyFor(alice));
        vm.snapshotGasLastCall("user", "deposit ETH");

        address token = deployCode("Token.sol:Token");
        IGasToken(token).mint(alice, 1000);
        IGasToken(token).mint(address(bridge), 1000);
        vm.prank(alice);
        IGasToken(token).approve(address(bridge), type(uint256).max);
        vm.prank(alice);
        bridge.depositToken(token, 500, keyFor(alice));
        vm.snapshotGasLastCall("user", "deposit a token");
    }

    function test_DepositsWithCaps() public {
        address token = deployCode("Token.sol:Token");
        IBridge.AssetCap[] memory caps = new IBridge.AssetCap[](2);
        caps[0] = IBridge.AssetCap(address(0), 1000 ether);
        caps[1] = IBridge.AssetCap(token, 1e18);
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK, caps);
        depositEth(bob, 1); // the global word is not new
        IGasToken(token).mint(alice, 1000);
        IGasToken(token).mint(address(bridge), 1000);
        vm.prank(alice);
        IGasToken(token).approve(address(bridge), type(uint256).max);
        vm.prank(alice);
        bridge.deposit{value: 0.5 ether}(keyFor(alice));
        vm.snapshotGasLastCall("user", "deposit ETH under a cap");
        vm.prank(alice);
        bridge.depositToken(token, 500, keyFor(alice));
        vm.snapshotGasLastCall("user", "deposit a token under a cap");
    }

    function test_DepositsByPermit() public {
        string memory json = vm.readFile("test/vectors/permit2.json");
        address permit2 = vm.parseJsonAddress(json, ".address");
        vm.etch(permit2, vm.parseJsonBytes(json, ".runtime"));
        vm.chainId(1); // not the one whose domain the runtime has in its cache
        IDepositRouter router =
            IDepositRouter(deployCode("DepositRouter.sol:DepositRouter", abi.encode(bridge, permit2)));
        address token = deployCode("RouterTokens.sol:PermitToken");
        IGasToken(token).mint(alice, 1000);
        IGasToken(token).mint(address(bridge), 1000);

        bytes32 permit = Permits.erc2612(token, alice, address(router), 400, block.timestamp);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[alice], permit);
        vm.prank(alice);
        router.depositWithPermit(token, 400, keyFor(alice), block.timestamp, v, r, s);
        vm.snapshotGasLastCall("user", "deposit a token by its permit");

        vm.prank(alice);
        IGasToken(token).approve(permit2, type(uint256).max);
        ISignatureTransfer.PermitTransferFrom memory order = ISignatureTransfer.PermitTransferFrom(
            ISignatureTransfer.TokenPermissions(token, 400), 7, block.timestamp + 100
        );
        (v, r, s) = vm.sign(keyOf[alice], Permits.permit2(permit2, order, keyFor(alice), address(router)));
        router.depositWithPermit2(order, alice, keyFor(alice), abi.encodePacked(r, s, v));
        vm.snapshotGasLastCall("user", "deposit a token by Permit2");
    }

    function test_Registering() public {
        bytes memory runtime = vm.getDeployedCode("Account.sol:Account");
        address second = deployCode("RuleRegistry.sol:RuleRegistry");
        (bool done,) = second.call(abi.encodeCall(registry.register, (runtime)));
        assertTrue(done);
        vm.snapshotGasLastCall("rule author", "register the Account rule");
        vm.snapshotValue("rule author", "size of the Account rule, bytes", runtime.length);
    }

    // ---------------------------------------------------------------- batches

    function test_Batches() public {
        // The bond's word and the batch's are as they are after a while: not new.
        _post(0, 1, "batch of 1 transfer, first in its word");
        vm.roll(block.number + 2 * WINDOW);
        _post(1, 1, "batch of 1 transfer");
        vm.roll(block.number + 2 * WINDOW);
        _post(2, 10, "batch of 10 transfers");
    }

    function test_ABatchOf100() public {
        _post(0, 100, "batch of 100 transfers, first in its word");
    }

    function _post(uint256 from, uint256 count, string memory name) private {
        Step[] memory list = _transfers(from, count);
        send(proposer, batchBytes(header(list, 9), list));
        vm.snapshotGasLastCall("proposer", name);
    }

    /// @dev One more user root, its body apart: steps of two touches without a body.
    function test_OneMoreUserRoot() public {
        uint256 small = _gasOfBare(0, 20, 9);
        uint256 large = _gasOfBare(20, 80, 10);
        vm.snapshotValue("proposer", "one more user root, two per step, without body", (large - small) / 120);
    }

    function _gasOfBare(uint256 from, uint256 count, uint16 slot) private returns (uint256) {
        Step[] memory list = _transfers(from, count);
        for (uint256 i = 0; i < count; i++) {
            list[i].body = "";
        }
        send(proposer, batchBytes(header(list, slot), list));
        return vm.snapshotGasLastCall("proposer", string.concat("bare batch of ", vm.toString(count), " steps"));
    }

    // ---------------------------------------------------------------- claims

    function test_Claims() public {
        _claim(1, "claim ETH from a batch of 1 step");
        _claim(1000, "claim ETH from a batch of 1,000 steps");
    }

    function _claim(uint256 stepCount, string memory name) private {
        uint256 snapshot = vm.snapshotState();
        Draft memory d = withdrawal(_user(0), carol, address(0), 1 gwei);
        Step[] memory list = _padded(step(d), stepCount);
        Posted memory p = expectPosted(proposer, header(list, 0), list, nextId());
        send(proposer, batchBytes(header(list, 0), list));
        vm.roll(block.number + WINDOW + 1);
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        uint256 used = vm.snapshotGasLastCall("user", name);
        vm.revertToState(snapshot);
        vm.snapshotValue("user", name, used);
    }

    function test_AssignedClaims() public {
        Draft memory d = withdrawal(_user(0), bob, address(0), 1 gwei);
        Step[] memory list = _padded(step(d), 1);
        Posted memory p = expectPosted(proposer, header(list, 0), list, nextId());
        send(proposer, batchBytes(header(list, 0), list));
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 1, block.number, true);
        bytes32 digest = Offers.digest(address(bridge), p.preimage, 0, 0, terms);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[bob], digest);
        vm.prank(alice);
        bridge.assign{value: 1}(p.preimage, 0, d.withdrawals[0], "", terms, abi.encodePacked(r, s, v));
        vm.snapshotGasLastCall("user", "buy a claim");
        terms = IBridge.Terms(carol, alice, address(0), 0, 0, false);
        vm.prank(carol);
        bridge.assign(p.preimage, 0, d.withdrawals[0], "", terms, "");
        vm.snapshotGasLastCall("user", "give a bought claim away");
        vm.roll(block.number + WINDOW + 1);
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        vm.snapshotGasLastCall("user", "claim ETH that was assigned");
    }

    function test_ManyWithdrawals() public {
        Step[] memory list = _padded(step(withdrawal(_user(0), carol, address(0), 1 gwei)), 17);
        IBridge.Withdrawal memory w = list[0].withdrawals[0];
        for (uint256 i = 0; i < 17; i++) {
            list[i].withdrawals = new IBridge.Withdrawal[](15);
            for (uint256 j = 0; j < 15; j++) {
                list[i].withdrawals[j] = w;
            }
        }
        Posted memory p = expectPosted(proposer, header(list, 0), list, nextId());
        send(proposer, batchBytes(header(list, 0), list));
        vm.snapshotGasLastCall("proposer", "batch of 255 withdrawals, first in its word");
        vm.roll(block.number + WINDOW + 1);
        bridge.claim(p.preimage, 0, w, withdrawalOpening(p, 0));
        vm.snapshotGasLastCall("user", "claim ETH, first of 255");
        bridge.claim(p.preimage, 1, w, withdrawalOpening(p, 1));
        vm.snapshotGasLastCall("user", "claim ETH, second of 255");
    }

    // ---------------------------------------------------------------- proofs

    function test_Proofs() public {
        _prove(1, true, "fraud proof of a transfer, batch of 1 step, unwound at once");
        _prove(1, false, "fraud proof of a transfer, batch of 1 step");
        _prove(1000, false, "fraud proof of a transfer, batch of 1,000 steps");
    }

    function _prove(uint256 stepCount, bool unwind, string memory name) private {
        uint256 snapshot = vm.snapshotState();
        Draft memory d = lie(transfer(_user(0), _user(1), ETH, 1));
        d.calls[0].gasLimit = 20_000;
        d.calls[0].maxEffects = 51;
        Step[] memory list = _padded(step(d), stepCount);
        Posted memory p = expectPosted(proposer, header(list, 0), list, nextId());
        send(proposer, batchBytes(header(list, 0), list));
        nextBlock();
        bytes memory proof = evidence(p, 0, preStates(d));
        challenge(proof, unwind ? p.walked.entries : bytes(""));
        uint256 used = vm.snapshotGasLastCall("challenger", name);
        vm.revertToState(snapshot);
        vm.snapshotValue("challenger", name, used);
        vm.snapshotValue("challenger", string.concat(name, ", bytes of evidence"), proof.length);
    }

    function test_Unwinding() public {
        uint256 few = _unwind(1);
        uint256 many = _unwind(76);
        vm.snapshotValue("challenger", "unwinding, per anchor", (many - few) / 150);
    }

    /// @dev A lie in the first of `count` transfers: 2 · count anchors to unwind.
    function _unwind(uint256 count) private returns (uint256 used) {
        uint256 snapshot = vm.snapshotState();
        Step[] memory list = _transfers(0, count);
        Draft memory d = lie(transfer(_user(0), _user(1), ETH, 1));
        list[0] = step(d);
        Posted memory p = post(list, 0);
        challenge(evidence(p, 0, preStates(d)), "");
        bridge.unwind(p.preimage, p.walked.entries);
        string memory name = string.concat("unwinding a batch of ", vm.toString(2 * count), " anchors");
        used = vm.snapshotGasLastCall("challenger", name);
        vm.revertToState(snapshot);
        vm.snapshotValue("challenger", name, used);
    }

    function test_UnwindingAnOrphan() public {
        Draft memory d = lie(transfer(_user(0), _user(1), ETH, 1));
        Posted memory bad = post(steps(step(d)), 0);
        nextBlock();
        Anchor memory next = _user(1);
        next.writer = bad.id;
        next.state = d.freshAfter[1];
        Posted memory orphan = post(steps(step(transfer(next, _user(2), ETH, 1))), 1);
        challenge(evidence(bad, 0, preStates(d)), "");
        bridge.condemn(orphan.preimage, orphan.walked.entries, 0, bad.preimage);
        vm.snapshotGasLastCall("challenger", "condemning an orphan of 2 anchors");
        vm.prank(challenger);
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        vm.snapshotGasLastCall("challenger", "unwinding an orphan of 2 anchors");
    }

    // ---------------------------------------------------------------- helpers

    function _user(uint256 i) private view returns (Anchor memory) {
        uint40 id = idAt(DEPOSITS_AT, i + 1);
        return Anchor(uint56(id) * 65_536, id, userState(i % 2 == 0 ? alice : bob, one(ETH, 1 ether)));
    }

    /// @dev Transfers from users 2i to 2i + 1, with the effects and the gas that they need.
    function _transfers(uint256 from, uint256 count) private view returns (Step[] memory list) {
        list = new Step[](count);
        for (uint256 i = 0; i < count; i++) {
            uint256 first = 2 * (from + i);
            list[i] = step(transfer(_user(first % USERS), _user((first + 1) % USERS), ETH, 1));
        }
    }

    /// @dev The step, then others that touch its first anchor again.
    function _padded(Step memory first, uint256 count) private pure returns (Step[] memory list) {
        list = new Step[](count);
        list[0] = first;
        for (uint256 i = 1; i < count; i++) {
            list[i].again = new Again[](1);
            list[i].again[0] = Again(0, bytes27(uint216(i)));
        }
    }
}
