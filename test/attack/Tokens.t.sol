// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IDepositRouter} from "../../contracts/interfaces/IDepositRouter.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Offers} from "../harness/Offers.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Posted, Step} from "../harness/Shapes.sol";

interface IHostile {
    enum Mood {
        Plain,
        Calling,
        False,
        Burning,
        Bomb,
        Inflating
    }

    function mint(address to, uint256 amount) external;
    function set(Mood mood, address target, bytes calldata call_) external;
    function balanceOf(address who) external view returns (uint256);
    function done() external view returns (bool);
    function answer() external view returns (bytes memory);
}

interface ICoinDepositor {
    function run(address coin, uint256 amount, uint256 value, bytes21 key) external;
}

interface IAllowed {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function allowance(address owner, address spender) external view returns (uint256);
    function balanceOf(address who) external view returns (uint256);
}

/// @notice An outsider brings a token of its own making, or one that the bridge's authors did not think of (docs/audit/attacks.md).
contract TokensAttacks is Scenario {
    using Codec for *;

    address private mallory = makeAddr("mallory");
    IHostile private token;

    function setUp() public override {
        super.setUp();
        token = IHostile(deployCode("HostileTokens.sol:HostileToken"));
        token.mint(address(this), 1e24);
    }

    function _asset() private view returns (bytes32) {
        return bytes32(uint256(uint160(address(token))));
    }

    function _deposit(uint128 amount) private returns (Anchor memory) {
        uint40 id = BatchId.unwrap(bridge.depositToken(address(token), amount, keyFor(alice)));
        return Anchor(uint56(id) * 65_536, id, userState(alice, one(_asset(), amount)));
    }

    /// @dev Alice withdraws 60 of her 100, and Bob an ether; both final. The token's mood is set afterwards.
    function _withdrawn(address recipient) private returns (Posted memory p, Draft memory some, Draft memory ether_) {
        Anchor memory mine = _deposit(100);
        nextBlock();
        some = withdrawal(mine, recipient, address(token), 60);
        ether_ = withdrawal(b(), carol, address(0), 1 ether);
        p = post(steps(step(some), step(ether_)));
        vm.roll(block.number + WINDOW + 1);
    }

    // ---------------------------------------------------------------- depositing

    /// While it is transferred the token calls the bridge: what moves money is locked, an ether deposit is one of its own.
    function test_ATokenThatCallsBackWhileDepositedEntersNothing() public {
        (Posted memory p,, Draft memory ether_) = _withdrawn(mallory);
        bytes[5] memory calls = [
            abi.encodeCall(IBridge.claim, (p.preimage, 1, ether_.withdrawals[0], withdrawalOpening(p, 1))),
            abi.encodeCall(IBridge.withdrawBond, (0, payable(mallory))),
            abi.encodeCall(IBridge.challenge, ("", "")),
            abi.encodeCall(IBridge.unwind, (p.preimage, p.walked.entries)),
            abi.encodeCall(IBridge.depositToken, (address(token), 1, keyFor(alice)))
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            token.set(IHostile.Mood.Calling, address(bridge), calls[i]);
            _deposit(10);
            assertFalse(token.done());
            assertEq(
                token.answer(), abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
            );
        }
        // The same while it is paid out.
        token.set(IHostile.Mood.Calling, address(bridge), calls[0]);
        bridge.claim(p.preimage, 0, _sixty(mallory), withdrawalOpening(p, 0));
        assertFalse(token.done());
        assertEq(token.balanceOf(mallory), 60, "once");
    }

    function _sixty(address recipient) private view returns (IBridge.Withdrawal memory) {
        return IBridge.Withdrawal(recipient, address(token), 60);
    }

    /// A token that says false, and does it: nothing is deposited.
    function test_ATokenThatSaysFalseIsNotDeposited() public {
        token.set(IHostile.Mood.False, address(0), "");
        bytes memory failed = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token));
        vm.expectRevert(failed);
        bridge.depositToken(address(token), 100, keyFor(alice));
        token.set(IHostile.Mood.Plain, address(0), "");
        (Posted memory p, Draft memory some,) = _withdrawn(bob);
        bytes memory siblings = withdrawalOpening(p, 0);
        token.set(IHostile.Mood.False, address(0), "");
        vm.expectRevert(failed);
        bridge.claim(p.preimage, 0, some.withdrawals[0], siblings);
        token.set(IHostile.Mood.Plain, address(0), "");
        bridge.claim(p.preimage, 0, some.withdrawals[0], siblings);
        assertEq(token.balanceOf(bob), 60, "the claim was kept");
    }

    /// Balances that are made up: the token's own depositors may be cheated, nobody else's money is reckoned by them.
    function test_ATokenThatLiesAboutBalancesIsItsOwnersTrouble() public {
        _deposit(100);
        uint256 pool = address(bridge).balance;
        token.set(IHostile.Mood.Inflating, address(0), "");
        uint40 id = nextId();
        vm.expectEmit(address(bridge));
        emit IBridge.Deposited(id, keyFor(alice), address(token), 200);
        bridge.depositToken(address(token), 100, keyFor(alice));
        assertEq(bridge.headOf(uint56(id) * 65_536), userState(alice, one(_asset(), 200)).head(id), "of this token");
        assertEq(address(bridge).balance, pool);
    }

    /// The bridge, its verifier and registry, precompiles and the zero address as tokens.
    function test_WhatIsNoTokenIsNotDeposited() public {
        address[3] memory contracts = [address(bridge), address(verifier), address(registry)];
        for (uint256 i = 0; i < 3; i++) {
            (bool done,) = address(bridge).call(abi.encodeCall(IBridge.depositToken, (contracts[i], 1, keyFor(alice))));
            assertFalse(done, "a contract without balances");
        }
        address[4] memory codeless = [address(0), address(1), address(0x100), alice];
        for (uint256 i = 0; i < 4; i++) {
            vm.expectRevert(abi.encodeWithSelector(IBridge.TokenWithoutCode.selector, codeless[i]));
            bridge.depositToken(codeless[i], 1, keyFor(alice));
        }
    }

    /// An account that is delegated to a token's code is a token, until it is delegated elsewhere: then its claims wait, and no others.
    function test_ADelegatedAccountAsATokenHurtsItsHoldersOnly() public {
        address account_ = makeAddr("delegated");
        vm.etch(account_, abi.encodePacked(hex"ef0100", address(token)));
        token = IHostile(account_);
        token.mint(address(this), 1000);
        (Posted memory p, Draft memory some, Draft memory ether_) = _withdrawn(bob);
        vm.etch(account_, "");
        bytes memory siblings = withdrawalOpening(p, 0);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, account_));
        bridge.claim(p.preimage, 0, some.withdrawals[0], siblings);
        uint256 before = carol.balance;
        bridge.claim(p.preimage, 1, ether_.withdrawals[0], withdrawalOpening(p, 1));
        assertEq(carol.balance, before + 1 ether);
    }

    /// One ledger under two addresses: what arrives is credited under the address that it was deposited by, and not under the other too.
    function test_ATokenWithTwoAddressesIsCreditedOnce() public {
        address ledger = deployCode("HostileTokens.sol:Ledger");
        address[2] memory faces = [
            deployCode("HostileTokens.sol:Facade", abi.encode(ledger)),
            deployCode("HostileTokens.sol:Facade", abi.encode(ledger))
        ];
        IHostile(ledger).mint(address(this), 100);
        uint256 credited = 0;
        for (uint256 i = 0; i < 10; i++) {
            vm.recordLogs();
            bridge.depositToken(faces[i % 2], 10, keyFor(alice));
            (, uint128 amount) = abi.decode(vm.getRecordedLogs()[0].data, (address, uint128));
            credited += amount;
        }
        assertEq(credited, 100);
        assertEq(IHostile(ledger).balanceOf(address(bridge)), credited, "backed, whichever way it is taken out");
    }

    /// Outside the assumptions: a chain whose own coin is a token too, and tells its sender of a transfer. What is deposited as the coin
    /// meanwhile counts as what the token brought: credited twice. Ethereum's ether is no token.
    function test_ACoinThatIsATokenAndCallsBackIsCreditedTwice() public {
        address coin = deployCode("HostileTokens.sol:NativeCoin");
        address depositor = deployCode("HostileTokens.sol:CoinDepositor", abi.encode(bridge));
        vm.deal(coin, 10 ether);
        vm.deal(depositor, 10 ether);
        uint256 held = address(bridge).balance;
        ICoinDepositor(depositor).run(coin, 10 ether, 10 ether, keyFor(alice));
        assertEq(address(bridge).balance, held + 20 ether, "brought");
        uint40 outer = nextId() - 1;
        assertEq(bridge.headOf(uint56(outer - 1) * 65_536), userState(alice, one(ETH, 10 ether)).head(outer - 1));
        bytes32 asset = bytes32(uint256(uint160(coin)));
        assertEq(bridge.headOf(uint56(outer) * 65_536), userState(alice, one(asset, 20 ether)).head(outer));
    }

    // ---------------------------------------------------------------- being paid

    /// Gas burnt, or a megabyte returned, when a claim is paid: the caller pays, and the next claim of the batch is paid.
    function test_ATokenThatBurnsGasHoldsUpItsOwnClaimsOnly() public {
        (Posted memory p, Draft memory some, Draft memory ether_) = _withdrawn(bob);
        bytes memory siblings = withdrawalOpening(p, 0);
        token.set(IHostile.Mood.Burning, address(0), "");
        (bool done,) = address(bridge).call{gas: 1_000_000}(
            abi.encodeCall(IBridge.claim, (p.preimage, 0, some.withdrawals[0], siblings))
        );
        assertFalse(done);
        uint256 before = carol.balance;
        bridge.claim(p.preimage, 1, ether_.withdrawals[0], withdrawalOpening(p, 1));
        assertEq(carol.balance, before + 1 ether);
        // Of an answer no more than a word is copied: the answer's memory costs 2,019,000 gas once, not twice.
        token.set(IHostile.Mood.Bomb, address(0), "");
        uint256 left = gasleft();
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        bridge.claim(p.preimage, 0, some.withdrawals[0], siblings);
        assertLt(left - gasleft(), 2_019_000 + 100_000);
    }

    /// A known limit. The bridge as a recipient: it takes no plain ether, so the claim waits for ever, and with it the proposer's word. A
    /// proposer that takes such steps has 65,536 of them.
    function test_AClaimThatNobodyCanTakeKeepsAWordForEver() public {
        Draft memory d = withdrawal(a(), address(bridge), address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        vm.roll(block.number + WINDOW + 1);
        uint256 held = address(bridge).balance;
        vm.expectRevert(abi.encodeWithSelector(IBridge.PaymentFailed.selector, address(bridge), 1 ether));
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(address(bridge).balance, held);
        vm.roll(block.number + 2_628_000);
        Step[] memory list = steps(step(solo(c(), "", noAssets(), 0, 0)));
        vm.expectRevert(abi.encodeWithSelector(IBridge.WordSlotBusy.selector, 0, bridge.wordOf(proposer, 0)));
        vm.prank(proposer, proposer);
        bridge.submit(batchBytes(header(list, 0), list));
    }

    // ---------------------------------------------------------------- the router

    /// Whatever the token does, the bridge may take nothing more from the router afterwards, and the router holds nothing.
    function test_TheRouterLeavesNoAllowance() public {
        IDepositRouter router =
            IDepositRouter(deployCode("DepositRouter.sol:DepositRouter", abi.encode(bridge, address(1))));
        string[2] memory kinds = ["Token.sol:Token", "Tokens.sol:FeeToken"];
        for (uint256 i = 0; i < 2; i++) {
            IAllowed real = IAllowed(deployCode(kinds[i]));
            real.mint(address(this), 1e6);
            real.approve(address(router), 1e6);
            router.depositWithPermit(address(real), 1e6, keyFor(alice), 0, 0, 0, 0);
            assertEq(real.allowance(address(router), address(bridge)), 0);
            assertEq(real.balanceOf(address(router)), 0);
        }
    }

    /// Alice lets bridge and router take whatever they want. Nobody but she makes them take it, by whichever door.
    function test_AnAllowanceServesItsOwnerOnly() public {
        IDepositRouter router =
            IDepositRouter(deployCode("DepositRouter.sol:DepositRouter", abi.encode(bridge, address(1))));
        IAllowed real = IAllowed(deployCode("Token.sol:Token"));
        real.mint(alice, 1e6);
        vm.startPrank(alice);
        real.approve(address(router), type(uint256).max);
        real.approve(address(bridge), type(uint256).max);
        vm.stopPrank();
        Draft memory d = withdrawal(b(), bob, address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        IBridge.Terms memory terms = IBridge.Terms(bob, alice, address(real), 1e6, block.number, false);
        bytes32 digest_ = Offers.digest(address(bridge), p.preimage, 0, 0, terms);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[bob], digest_);
        bytes memory poor =
            abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", address(bridge), 0, 1e6);
        vm.startPrank(mallory);
        vm.expectRevert(poor);
        bridge.depositToken(address(real), 1e6, keyFor(mallory));
        // Alice is named as the buyer, and somebody else sends it.
        vm.expectRevert(poor);
        bridge.assign(p.preimage, 0, d.withdrawals[0], "", terms, abi.encodePacked(r, s, v));
        vm.expectRevert(
            abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", address(router), 0, 1e6)
        );
        router.depositWithPermit(address(real), 1e6, keyFor(mallory), 0, 0, 0, 0);
        vm.stopPrank();
        assertEq(real.balanceOf(alice), 1e6);
    }
}
