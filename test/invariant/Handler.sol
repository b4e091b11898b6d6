// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Random} from "../harness/Random.sol";
import {Anchor, Header, Posted, Step} from "../harness/Shapes.sol";
import {Batch, World} from "./World.sol";

/// @notice Every entry point of the bridge, as random calls reach it. What must succeed is called plainly, so that a revert fails the
/// run; what must fail is expected to, with its error. An action for which there is nothing to act upon returns.
contract Handler is World {
    using Codec for *;
    using Random for Random.Rng;

    uint256 private constant SLOTS = 24;
    uint256 private constant GWEI = 1e9;

    /// @dev How often an action did what it is for.
    mapping(bytes32 action => uint256) public done;
    mapping(address rule => uint256) private _registered;

    function _did(bytes32 action) private {
        done[action]++;
    }

    function _rng(uint256 seed) private pure returns (Random.Rng memory) {
        return Random.Rng(seed);
    }

    function _user(uint256 i) private view returns (address) {
        return i % 3 == 0 ? alice : i % 3 == 1 ? bob : carol;
    }

    // ---------------------------------------------------------------- deposits

    function deposit(uint256 who, uint128 amount) external {
        amount = uint128(bound(amount, 1, 10 ether));
        Anchor memory made = depositEth(_user(who), amount);
        _newId(made.writer);
        _opened(made);
        _did("deposit");
    }

    function depositToken(uint256 who, uint128 amount) external {
        amount = uint128(bound(amount, 1, 1e24));
        address sender = _user(who);
        token.mint(sender, amount);
        vm.startPrank(sender);
        token.approve(address(bridge), amount);
        uint40 id = BatchId.unwrap(bridge.depositToken(address(token), amount, keyFor(sender)));
        vm.stopPrank();
        _newId(id);
        _opened(Anchor(uint56(id) * 65_536, id, userState(sender, one(_asset(true), amount))));
        _did("depositToken");
    }

    function sendPlainly(uint96 amount) external {
        vm.deal(address(this), amount);
        (bool sent,) = address(bridge).call{value: amount}("");
        assertFalse(sent, "a plain transfer");
        _did("sendPlainly");
    }

    // ---------------------------------------------------------------- batches

    /// @dev Posts an honest batch or a lie: a payment, withdrawals of one step or two, or a new anchor.
    function submit(uint256 seed, bool lying) external {
        Random.Rng memory rng = _rng(seed);
        Draft[] memory drafts = _plan(rng);
        if (drafts.length == 0) return;
        if (lying) _spoil(rng, drafts[0]);
        _post(rng, drafts, lying, drafts.length);
    }

    /// @dev Posts a step with one behind it that somebody has overtaken: only the first is applied.
    function submitConflicting(uint256 seed) external {
        Random.Rng memory rng = _rng(seed);
        Draft[] memory drafts = new Draft[](2);
        (Anchor memory moving, bool found) = _pick(rng, false);
        (Anchor memory overtaken, bool other) = _pick(rng, true);
        if (!found || !other) return;
        drafts[0] = solo(moving, "", noAssets(), 0, 0);
        drafts[1] = solo(overtaken, "", noAssets(), 0, 0);
        _post(rng, drafts, false, 1);
        if (!_isHeld(rng)) return;
        _did("submitConflicting");
    }

    /// @dev Nothing of a batch that is stale throughout is taken, not even its lock.
    function submitStale(uint256 seed) external {
        Random.Rng memory rng = _rng(seed);
        (Anchor memory overtaken, bool found) = _pick(rng, true);
        if (!found) return;
        Step[] memory list = steps(step(solo(overtaken, "", noAssets(), 0, 0)));
        (uint16 slot, bool free) = _slot(rng, proposer);
        (, uint256 unlocked) = bridge.bondOf(proposer);
        if (!free || unlocked < bridge.lockOf(CEILING, 1)) return;
        bytes memory batch = batchBytes(header(list, slot), list);
        vm.expectRevert(IBridge.NothingApplied.selector);
        vm.prank(proposer, proposer);
        bridge.submit(batch);
        _did("submitStale");
    }

    /// @dev One or two honest steps on anchors that are fresh.
    function _plan(Random.Rng memory rng) private view returns (Draft[] memory drafts) {
        (Anchor memory from, bool found) = _pick(rng, false);
        if (!found) return drafts;
        (Anchor memory to, bool other) = _pick(rng, false);
        other = other && to.id != from.id;
        uint256 kind = rng.below(4);
        if (from.state.assets.length == 0) kind = 3;
        drafts = new Draft[](kind == 1 && other && to.state.assets.length != 0 ? 2 : 1);
        if (kind == 0 && other) {
            IRule.Asset memory paid = _part(rng, from);
            drafts[0] = transfer(from, to, paid.id, paid.amount);
        } else if (kind == 1) {
            drafts[0] = _withdrawing(rng, from);
            if (drafts.length == 2) drafts[1] = _withdrawing(rng, to);
        } else if (kind == 2) {
            IRule.Asset memory given = _part(rng, from);
            drafts[0] = solo(from, open(1, bob, one(given.id, given.amount)), one(given.id, given.amount), 1, 0);
            drafts[0].freshAfter[0].assets = minus(drafts[0].freshAfter[0].assets, given.id, given.amount);
            drafts[0].opened[0] = userState(bob, one(given.id, given.amount));
        } else {
            drafts[0] = solo(from, "", noAssets(), 0, 0);
        }
    }

    /// @dev Up to 15 withdrawals of one asset: with two such steps a batch has more than its word has bits for.
    function _withdrawing(Random.Rng memory rng, Anchor memory from) private view returns (Draft memory d) {
        IRule.Asset memory taken = _part(rng, from);
        uint256 count = rng.onceIn(2) ? 15 : 1 + rng.below(15);
        if (taken.amount < count) count = 1;
        address l1 = address(uint160(uint256(taken.id)));
        bytes memory payload;
        IBridge.Withdrawal[] memory list = new IBridge.Withdrawal[](count);
        for (uint256 i = 0; i < count; i++) {
            uint128 each = taken.amount / uint128(count);
            if (i == 0) each += taken.amount % uint128(count);
            list[i] = IBridge.Withdrawal(_user(rng.next()), l1, each);
            payload = bytes.concat(payload, withdraw(list[i].recipient, l1, each));
        }
        d = solo(from, payload, one(taken.id, taken.amount), 0, 0);
        d.calls[0].maxEffects = 1000;
        d.freshAfter[0].assets = minus(d.freshAfter[0].assets, taken.id, taken.amount);
        d.withdrawals = list;
    }

    /// @dev One thing of an honest step is changed: its nonce; or what was paid stays with the payer; or it gains something.
    function _spoil(Random.Rng memory rng, Draft memory d) private pure {
        uint256 how = rng.below(3);
        if (how == 0) {
            d.freshAfter[0].nonce += 7;
        } else if (how == 1 && d.fresh[0].state.assets.length > 0 && _changes(d)) {
            d.freshAfter[0].assets = d.fresh[0].state.assets;
        } else {
            d.freshAfter[0].assets = plus(d.freshAfter[0].assets, ETH, 1 ether);
        }
    }

    function _changes(Draft memory d) private pure returns (bool) {
        return keccak256(abi.encode(d.freshAfter[0].assets)) != keccak256(abi.encode(d.fresh[0].state.assets));
    }

    /// @dev Posts the drafts, of which the first `applied` are; or sees the bridge refuse them for the slot's or the bond's sake.
    function _post(Random.Rng memory rng, Draft[] memory drafts, bool lying, uint256 applied) private {
        address who = proposers[rng.below(proposers.length)];
        Step[] memory list = new Step[](drafts.length);
        for (uint256 i = 0; i < drafts.length; i++) {
            list[i] = step(drafts[i]);
        }
        (uint16 slot, bool free) = _slot(rng, who);
        Header memory h = header(list, slot);
        uint256 lock = bridge.lockOf(CEILING, h.entryCount);
        (, uint256 unlocked) = bridge.bondOf(who);
        if (!free || unlocked < lock) {
            bytes memory batch = batchBytes(h, list);
            if (!free) {
                vm.expectRevert(abi.encodeWithSelector(IBridge.WordSlotBusy.selector, slot, bridge.wordOf(who, slot)));
            } else {
                vm.expectRevert(); // too little bond: the error is the library's
            }
            vm.prank(who, who);
            bridge.submit(batch);
            _did(free ? bytes32("bond too small") : bytes32("slot busy"));
            return;
        }
        _overwritten(who, slot);
        Posted memory p = post(who, h, list);
        _newId(p.id);
        _record(
            p,
            drafts,
            Batch(p.id, who, slot, block.number, lying, lying, false, Status.Live, lock, "", "", "", 0),
            applied
        );
        rng.state = 1; // posted
        _did(lying ? bytes32("submit a lie") : bytes32("submit"));
    }

    function _isHeld(Random.Rng memory rng) private pure returns (bool) {
        return rng.state == 1;
    }

    function _record(Posted memory p, Draft[] memory drafts, Batch memory batch, uint256 applied) private {
        uint256 count;
        for (uint256 i = 0; i < applied; i++) {
            count += drafts[i].withdrawals.length;
            for (uint256 j = 0; j < drafts[i].fresh.length; j++) {
                if (_isTainted(drafts[i].fresh[j].writer)) batch.tainted = true;
            }
        }
        IBridge.Withdrawal[] memory list = new IBridge.Withdrawal[](count);
        count = 0;
        for (uint256 i = 0; i < applied; i++) {
            Draft memory d = drafts[i];
            for (uint256 j = 0; j < d.withdrawals.length; j++) {
                list[count++] = d.withdrawals[j];
            }
            for (uint256 j = 0; j < d.fresh.length; j++) {
                _write(Anchor(d.fresh[j].id, p.id, d.freshAfter[j]));
            }
            for (uint256 j = 0; j < d.opened.length; j++) {
                _opened(openedBy(p, i, j, d.opened[j]));
            }
        }
        if (count > 24) _did("submit many withdrawals");
        batch.withdrawals = abi.encode(list);
        batch.evidence = evidence(p, 0, preStates(drafts[0]));
        batch.record = abi.encode(p);
        batches.push(batch);
        batchOf[p.id] = batches.length;
    }

    /// @dev A word slot of a proposer, and whether it is free.
    function _slot(Random.Rng memory rng, address who) private view returns (uint16 slot, bool free) {
        slot = uint16(rng.below(SLOTS));
        (uint256 index, bool used) = _inSlot(who, slot);
        free = !used || _isSlotFree(batches[index]);
    }

    function _inSlot(address who, uint16 slot) private view returns (uint256 index, bool used) {
        for (uint256 i = 0; i < batches.length; i++) {
            Batch storage batch = batches[i];
            if (!batch.gone && batch.proposer == who && batch.slot == slot) return (i, true);
        }
    }

    function _overwritten(address who, uint16 slot) private {
        (uint256 index, bool used) = _inSlot(who, slot);
        if (!used) return;
        batches[index].gone = true;
        _did("reuse a slot");
    }

    /// @dev An anchor as it is, if a batch may touch it now; or a stale one: as it was before its last update, or as it is while it may
    /// not be touched.
    function _pick(Random.Rng memory rng, bool stale) private view returns (Anchor memory anchor, bool found) {
        uint256 start = rng.below(anchors.length);
        for (uint256 i = 0; i < anchors.length; i++) {
            uint56 id = anchors[(start + i) % anchors.length];
            bytes[] storage all = versions[id];
            (anchor, found) = _present(id);
            if (!found) continue;
            if (stale && !_isFresh(anchor.writer)) return (anchor, true);
            if (stale && all.length > 1) return (abi.decode(all[all.length - 2], (Anchor)), true);
            if (stale) continue;
            if (_isFresh(anchor.writer)) return (anchor, true);
        }
        found = false;
    }

    /// @dev Some of one of its assets, now and then all.
    function _part(Random.Rng memory rng, Anchor memory from) private pure returns (IRule.Asset memory part) {
        part = from.state.assets[rng.below(from.state.assets.length)];
        part = IRule.Asset(part.id, rng.onceIn(4) ? part.amount : uint128(1 + rng.below(part.amount)));
    }

    // ---------------------------------------------------------------- fraud

    /// @dev Convicts a lie; with its entries it is unwound at once if it can be.
    function challengeLie(uint256 seed, bool withEntries) external {
        for (uint256 i = 0; i < batches.length; i++) {
            uint256 index = addmod(seed, i, batches.length);
            if (!_isOpen(batches[index]) || !batches[index].lie) continue;
            _convict(batches[index], withEntries);
            return;
        }
    }

    /// @dev No evidence convicts an honest batch, whatever it is built on.
    function challengeHonest(uint256 seed) external {
        for (uint256 i = 0; i < batches.length; i++) {
            Batch storage batch = batches[addmod(seed, i, batches.length)];
            if (!_isOpen(batch) || batch.lie) continue;
            bytes memory proof = batch.evidence;
            vm.expectRevert(IBridge.StepIsValid.selector);
            challenge(proof, "");
            _did("challengeHonest");
            return;
        }
    }

    /// @dev Evidence with one bit changed convicts nobody, liar or not.
    function challengeBadly(uint256 seed, uint256 bit) external {
        if (batches.length == 0) return;
        Batch storage batch = batches[seed % batches.length];
        bytes memory proof = batch.evidence;
        bit %= 8 * proof.length;
        proof[bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        vm.expectRevert();
        challenge(proof, "");
        _did("challengeBadly");
    }

    /// @dev After the window, or once its fate is sealed, nothing convicts a batch.
    function challengeLate(uint256 seed) external {
        if (batches.length == 0) return;
        Batch storage batch = batches[seed % batches.length];
        if (batch.gone || _isOpen(batch)) return;
        bytes memory proof = batch.evidence;
        uint256 last = batch.posted + WINDOW;
        vm.expectRevert(
            batch.fate == Status.Live || batch.fate == Status.Condemned
                ? abi.encodeWithSelector(IBridge.ChallengeWindowOver.selector, last, block.number)
                : abi.encodeWithSelector(IBridge.WrongStatus.selector, batch.fate)
        );
        challenge(proof, "");
        _did("challengeLate");
    }

    function condemn(uint256 seed) external {
        for (uint256 i = 0; i < batches.length; i++) {
            if (_condemn(batches[addmod(seed, i, batches.length)])) return;
        }
    }

    /// @dev Whoever is not built on a faulty or condemned batch is not condemned.
    function condemnWrongly(uint256 seed, uint256 other) external {
        if (batches.length < 2) return;
        Batch storage child = batches[seed % batches.length];
        Batch storage parent = batches[other % batches.length];
        Posted memory p = abi.decode(child.record, (Posted));
        Posted memory q = abi.decode(parent.record, (Posted));
        bool right = !child.gone && !parent.gone && child.fate == Status.Live
            && (parent.fate == Status.Faulty || parent.fate == Status.Condemned);
        for (uint256 i = 0; i < p.walked.entriesWritten; i++) {
            if (right && _parentAt(p.walked.entries, i) == parent.id) continue;
            vm.expectRevert();
            bridge.condemn(p.preimage, p.walked.entries, i, q.preimage);
            _did("condemnWrongly");
        }
    }

    /// @dev Restores a batch's anchors, or is refused while something is built on it.
    function unwind(uint256 seed) external {
        for (uint256 i = 0; i < batches.length; i++) {
            Batch storage batch = batches[addmod(seed, i, batches.length)];
            if (batch.fate != Status.Faulty && batch.fate != Status.Condemned) continue;
            if (_isHeadOfAll(batch)) {
                _unwind(batch);
            } else {
                Posted memory p = abi.decode(batch.record, (Posted));
                vm.expectPartialRevert(IBridge.NotHead.selector);
                bridge.unwind(p.preimage, p.walked.entries);
                _did("unwind too early");
            }
            return;
        }
    }

    function unwindWrongly(uint256 seed) external {
        if (batches.length == 0) return;
        Batch storage batch = batches[seed % batches.length];
        if (batch.gone || batch.fate == Status.Faulty || batch.fate == Status.Condemned) return;
        Posted memory p = abi.decode(batch.record, (Posted));
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, batch.fate));
        bridge.unwind(p.preimage, p.walked.entries);
        _did("unwindWrongly");
    }

    /// @dev Rolls back all that is known to be built on a lie: condemned from the lies on, unwound from the tips.
    function rollBack() external {
        for (uint256 i = 0; i < batches.length; i++) {
            _condemn(batches[i]); // parents come first
        }
        for (uint256 i = batches.length; i > 0; i--) {
            Batch storage batch = batches[i - 1];
            if (batch.fate != Status.Faulty && batch.fate != Status.Condemned) continue;
            _unwind(batch);
        }
        assertEq(bridge.oldestFault(), NO_FAULT, "all is rolled back");
        _did("rollBack");
    }

    /// @dev Live or condemned, and within its window.
    function _isOpen(Batch storage batch) private view returns (bool) {
        bool open = batch.fate == Status.Live || batch.fate == Status.Condemned;
        return open && block.number <= batch.posted + WINDOW;
    }

    function _convict(Batch storage batch, bool withEntries) private {
        Posted memory p = abi.decode(batch.record, (Posted));
        (uint256 balance,) = bridge.bondOf(batch.proposer);
        uint256 slashed = batch.lock < balance ? batch.lock : balance;
        uint256 before = challenger.balance;
        challenge(batch.evidence, withEntries ? p.walked.entries : bytes(""));
        assertEq(challenger.balance, before + slashed / 2, "reward");
        burnt += slashed - slashed / 2;
        if (withEntries && _isHeadOfAll(batch)) {
            _unwound(batch);
            _did("challenge and unwind");
        } else {
            batch.fate = Status.Faulty;
            _did("challengeLie");
        }
        if (_faults() > mostFaults) mostFaults = _faults();
    }

    /// @dev Condemns the batch if one that it is built on is faulty or condemned.
    function _condemn(Batch storage batch) private returns (bool) {
        if (batch.fate != Status.Live || batch.gone) return false;
        Posted memory p = abi.decode(batch.record, (Posted));
        for (uint256 i = 0; i < p.walked.entriesWritten; i++) {
            uint256 known = batchOf[_parentAt(p.walked.entries, i)];
            if (known == 0) continue;
            Batch storage parent = batches[known - 1];
            if (parent.fate != Status.Faulty && parent.fate != Status.Condemned) continue;
            assertTrue(batch.tainted, "only what is built on a lie is condemned");
            bridge.condemn(p.preimage, p.walked.entries, i, abi.decode(parent.record, (Posted)).preimage);
            batch.fate = Status.Condemned;
            _did("condemn");
            return true;
        }
        return false;
    }

    function _unwind(Batch storage batch) private {
        Posted memory p = abi.decode(batch.record, (Posted));
        uint256 fee;
        if (batch.fate == Status.Condemned) {
            // Rounded down to gwei, or what there is.
            fee = (250_000 + 13_000 * p.walked.entriesWritten) * INSURED_GAS_PRICE / GWEI * GWEI;
            (uint256 balance,) = bridge.bondOf(batch.proposer);
            if (fee > balance) fee = balance;
        }
        uint256 before = challenger.balance;
        vm.prank(challenger);
        bridge.unwind(p.preimage, p.walked.entries);
        assertEq(challenger.balance, before + fee, "fee");
        _did(batch.fate == Status.Faulty ? bytes32("unwind a lie") : bytes32("unwind an orphan"));
        _unwound(batch);
    }

    /// @dev Id in the head that entry `index` records.
    function _parentAt(bytes memory entries, uint256 index) private pure returns (uint40 id) {
        for (uint256 i = 34; i < 39; i++) {
            id = id * 256 + uint8(entries[39 * index + i]);
        }
    }

    // ---------------------------------------------------------------- claims

    /// @dev Pays an unpaid withdrawal of a final batch to whomever it belongs to; a batch that is not final pays nothing.
    function claim(uint256 seed, uint256 position) external {
        (uint256 index, bool found) = _withClaims(seed);
        if (!found) return;
        Batch storage batch = batches[index];
        Posted memory p = abi.decode(batch.record, (Posted));
        IBridge.Withdrawal[] memory list = abi.decode(batch.withdrawals, (IBridge.Withdrawal[]));
        position = position % list.length;
        IBridge.Withdrawal memory w = list[position];
        bytes memory opening = withdrawalOpening(p, position);
        bool unpaid = (batch.paid / 2 ** position) % 2 == 0;
        if (!_isFinal(batch) || !unpaid) {
            if (batch.fate != Status.Live) {
                vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, batch.fate));
            } else if (!_isFinal(batch)) {
                vm.expectPartialRevert(IBridge.NotFinal.selector);
            } else {
                vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, position));
            }
            bridge.claim(p.preimage, position, w, opening);
            bool frozen = unpaid && batch.fate == Status.Live && block.number > batch.posted + WINDOW;
            _did(frozen ? bytes32("claim while frozen") : bytes32("claim in vain"));
            return;
        }
        assertFalse(batch.tainted, "nothing that is built on a lie is ever final");
        address recipient = _recipient(batch, position, w);
        uint256 before = _balance(recipient, w.token);
        bridge.claim(p.preimage, position, w, opening);
        assertEq(_balance(recipient, w.token), before + w.amount, "paid");
        batch.paid += 2 ** position;
        _did("claim");
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, position));
        bridge.claim(p.preimage, position, w, opening);
        _did("claim twice");
    }

    /// @dev The present recipient gives its claim away, or sells it by its signature.
    function assign(uint256 seed, uint256 position, uint256 to, bool sold, uint64 price) external {
        (uint256 index, bool found) = _withClaims(seed);
        if (!found) return;
        Batch storage batch = batches[index];
        IBridge.Withdrawal[] memory list = abi.decode(batch.withdrawals, (IBridge.Withdrawal[]));
        position = position % list.length;
        bool can = batch.fate == Status.Live && _oldestFault() > batch.id && (batch.paid / 2 ** position) % 2 == 0;
        address from = _recipient(batch, position, list[position]);
        _assign(
            batch,
            position,
            list[position],
            IBridge.Terms(from, _user(to), address(0), sold ? price : 0, block.number, false),
            sold,
            can
        );
    }

    function _assign(
        Batch storage batch,
        uint256 position,
        IBridge.Withdrawal memory w,
        IBridge.Terms memory terms,
        bool sold,
        bool can
    ) private {
        Posted memory p = abi.decode(batch.record, (Posted));
        bytes memory signature = sold ? _sign(p, position, assignments[batch.id][position], terms) : bytes("");
        bytes memory opening = withdrawalOpening(p, position);
        address buyer = sold ? challenger : terms.from;
        vm.deal(buyer, buyer.balance + terms.price);
        uint256 before = terms.from.balance;
        if (!can) vm.expectRevert();
        vm.prank(buyer);
        bridge.assign{value: terms.price}(p.preimage, position, w, opening, terms, signature);
        if (!can) {
            _did("assign in vain");
            return;
        }
        if (sold) assertEq(terms.from.balance, before + terms.price, "price");
        assigned[batch.id][position] = terms.to;
        assignments[batch.id][position]++;
        _did(sold ? bytes32("sell") : bytes32("assign"));
    }

    function _recipient(Batch storage batch, uint256 position, IBridge.Withdrawal memory w)
        private
        view
        returns (address)
    {
        address to = assigned[batch.id][position];
        return to == address(0) ? w.recipient : to;
    }

    /// @dev A batch with withdrawals whose word is still there.
    function _withClaims(uint256 seed) private view returns (uint256 index, bool found) {
        for (uint256 i = 0; i < batches.length; i++) {
            index = addmod(seed, i, batches.length);
            if (!batches[index].gone && abi.decode(batches[index].withdrawals, (IBridge.Withdrawal[])).length != 0) {
                return (index, true);
            }
        }
    }

    function _balance(address who, address l1) private view returns (uint256) {
        return l1 == address(0) ? who.balance : token.balanceOf(who);
    }

    // ---------------------------------------------------------------- bonds, rules, time

    function fundBond(uint256 who, uint64 amount) external {
        uint256 value = uint256(amount % 0.2 ether) / GWEI * GWEI;
        fund(proposers[who % proposers.length], value);
        _did("fundBond");
    }

    /// @dev Free bond leaves, unless there is a fault; nothing else does.
    function withdrawBond(uint256 who, uint256 amount) external {
        address owner = proposers[who % proposers.length];
        (uint256 balance, uint256 free) = bridge.bondOf(owner);
        amount = bound(amount, 0, balance / 4) / GWEI * GWEI;
        bool can = amount <= free && _oldestFault() == NO_FAULT;
        uint256 before = owner.balance;
        if (!can) vm.expectRevert();
        vm.prank(owner);
        bridge.withdrawBond(amount, payable(owner));
        assertEq(owner.balance, before + (can ? amount : 0), "bond withdrawn");
        _did(can ? bytes32("withdrawBond") : bytes32("withdrawBond in vain"));
    }

    /// @dev A rule's block is the first one's in which it was registered.
    function register(uint256 salt) external {
        // PUSH32 salt, POP, STOP-like return of nothing.
        bytes memory runtime = abi.encodePacked(hex"7f", salt % 8, hex"505f5ff3");
        address rule = registry.register(runtime);
        if (_registered[rule] == 0) _registered[rule] = block.number;
        assertEq(registry.registeredAt(rule), _registered[rule], "registered once");
        assertEq(rule.code, runtime, "the code registered");
        _did("register");
    }

    /// @dev Time passes. Somebody watches: no live lie outlasts its window unchallenged.
    function wait(uint256 blocks) external {
        uint256 target = block.number + bound(blocks, 1, WINDOW + 4);
        for (uint256 i = 0; i < batches.length; i++) {
            Batch storage batch = batches[i];
            if (batch.lie && batch.fate == Status.Live && target > batch.posted + WINDOW) {
                _convict(batch, blocks % 2 == 0);
            }
        }
        vm.roll(target);
        _did("wait");
    }

    function _asset(bool ofToken) private view returns (bytes32) {
        return ofToken ? bytes32(uint256(uint160(address(token)))) : ETH;
    }

    function _newId(uint40 id) private {
        assertGt(id, lastId, "ids grow");
        lastId = id;
    }

    // ---------------------------------------------------------------- what holds

    function assertSolvent() external view {
        assertEq(address(bridge).balance, owed(ETH) + bonds() + burnt, "ETH");
        assertEq(token.balanceOf(address(bridge)), owed(_asset(true)), "token");
    }

    function assertBondsCoverLocks() external view {
        for (uint256 i = 0; i < proposers.length; i++) {
            (uint256 balance, uint256 free) = bridge.bondOf(proposers[i]);
            assertLe(free + locks(proposers[i]), balance, "bond");
        }
    }

    function assertHeadsAreTheLastVersions() external view {
        for (uint256 i = 0; i < anchors.length; i++) {
            (Anchor memory present, bool exists) = _present(anchors[i]);
            bytes32 head = exists
                ? bytes32(abi.encodePacked(bytes27(keccak256(present.state.encode())), present.writer))
                : bytes32(0);
            assertEq(bridge.headOf(anchors[i]), head, "head");
        }
    }

    function assertFates() external view {
        for (uint256 i = 0; i < batches.length; i++) {
            Batch storage batch = batches[i];
            if (batch.gone) continue;
            Posted memory p = abi.decode(batch.record, (Posted));
            assertEq(uint8(bridge.status(p.preimage)), uint8(batch.fate), "status");
            if (!batch.tainted) {
                assertEq(uint8(batch.fate), uint8(Status.Live), "an honest batch on honest ones stands");
            }
            if (!batch.lie) assertTrue(batch.fate != Status.Faulty, "an honest batch is never convicted");
            if (_isFinal(batch)) assertFalse(batch.tainted, "what is final is true");
        }
    }

    function assertFrozenWhileThereAreFaults() external view {
        uint256 oldest = bridge.oldestFault();
        assertEq(oldest != NO_FAULT, _faults() != 0, "frozen");
        assertLe(oldest, _oldestFault(), "never too late");
        // Five fields hold one fault each.
        if (mostFaults <= 5) assertEq(oldest, _oldestFault(), "oldest fault");
    }
}
