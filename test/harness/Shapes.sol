// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";

// What docs/spec.md calls things, one struct each. Fields are as wide as on the wire, so that a test can write any value.

/// @dev Section 3. A lease of which either field is not zero is encoded.
struct State {
    uint8 kind;
    address controller;
    uint64 nonce;
    IRule.Asset[] assets;
    bytes data;
    Lease lease;
}

struct Lease {
    address holder;
    uint64 last;
}

/// @dev A state without a lease.
function unleased(uint8 kind, address controller, uint64 nonce, IRule.Asset[] memory assets, bytes memory data)
    pure
    returns (State memory)
{
    return State(kind, controller, nonce, assets, data, Lease(address(0), 0));
}

/// @dev An anchor as a test knows it: who wrote it last, and what its leaf 0 holds.
struct Anchor {
    uint56 id;
    uint40 writer;
    State state;
}

/// @dev What a step does not say of an anchor's leaf 0: the further leaves that it works on, and the rest of the tree. As it is in
/// fresh memory: a single fragment.
struct Cohort {
    uint8 depth;
    Leaf[] leaves;
    Node[] rest;
}

/// @dev Before and after the step. Kind 0: the leaf is not there.
struct Leaf {
    uint24 index;
    State state;
    State next;
}

/// @dev A node of a cohort's tree, and with it all that lies under it. Level 0: a leaf.
struct Node {
    uint8 level;
    uint24 index;
    bytes32 value;
}

/// @dev Section 4.1.
struct Header {
    uint8 version;
    uint8 availability;
    uint64 chainId;
    uint64 clock;
    bytes32 clockHash;
    uint32 ceiling;
    uint16 slot;
    uint16 stepCount;
    uint16 entryCount;
    address[] rules;
}

/// @dev Section 4.2.
struct Fresh {
    uint56 anchor;
    bytes27 root;
    uint40 parent;
}

struct Again {
    uint16 entry;
    bytes27 root;
}

struct Step {
    Fresh[] fresh;
    bytes27[] opened;
    Again[] again;
    IBridge.Withdrawal[] withdrawals;
    bytes body;
}

/// @dev Section 5.
struct Signed {
    uint8 position;
    uint64 validUntil;
    IRule.Asset[] outflows;
    bytes payload;
    uint8 scheme;
    bytes signature; // all that follows the scheme
}

/// @dev Section 5.1: the two first words of the struct that is signed.
struct Meaning {
    bytes32 typeHash;
    bytes32 intent;
}

struct Call {
    uint8 rule;
    uint32 gasLimit;
    uint16 maxEffects;
    uint8[] fragments;
    Signed[] signed;
    bytes extra;
}

/// @dev What the steps of a batch do (section 4.5 and 4.6).
struct Walked {
    bool[] applied;
    bytes[] preEntries; // of each step; empty if it was skipped
    bytes32[] commitments;
    bytes entries;
    uint256 entriesWritten;
    bytes32 stepRoot;
    bytes32[] leaves; // of withdrawals
    bytes32 withdrawalRoot;
    bool anySkipped;
    bytes skipped;
    uint256 count; // of the two lists below
    uint56[] anchors; // those touched, and their heads afterwards
    bytes32[] heads;
}

/// @dev A batch on L1, with all that a challenge needs of it.
struct Posted {
    uint40 id;
    address proposer;
    bytes header;
    bytes[] steps;
    Walked walked;
    bytes preimage;
    uint56[][] opened; // anchor ids of each step
    uint56[][] again;
}
