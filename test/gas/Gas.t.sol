// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
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
