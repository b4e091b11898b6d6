// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice What users of the Credit rule sign, as EIP-712 types. For each operation the type hash of its struct, and that of the
/// `Authorisation` which has the struct for its first member.
library Meanings {
    bytes32 internal constant CREATE = keccak256(
        "CreditCreate(uint8 depth,bytes32 collateral,bytes32 asset,uint128 ratio,uint64 rate,uint128 minimum,uint24 callFee,uint32 grace,uint32 rise,uint32 fall)"
    );
    bytes32 internal constant SIGNED_CREATE = keccak256(
        "Authorisation(CreditCreate intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditCreate(uint8 depth,bytes32 collateral,bytes32 asset,uint128 ratio,uint64 rate,uint128 minimum,uint24 callFee,uint32 grace,uint32 rise,uint32 fall)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant LEND =
        keccak256("CreditLend(uint80 market,bytes32 asset,uint128 amount,uint128 sharesAtLeast)");
    bytes32 internal constant SIGNED_LEND = keccak256(
        "Authorisation(CreditLend intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditLend(uint80 market,bytes32 asset,uint128 amount,uint128 sharesAtLeast)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant REDEEM =
        keccak256("CreditRedeem(uint80 market,uint128 shares,bytes32 asset,uint128 atLeast)");
    bytes32 internal constant SIGNED_REDEEM = keccak256(
        "Authorisation(CreditRedeem intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditRedeem(uint80 market,uint128 shares,bytes32 asset,uint128 atLeast)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant BORROW = keccak256(
        "CreditBorrow(uint80 market,uint64 serial,bytes32 collateral,uint128 added,bytes32 asset,uint128 amount)"
    );
    bytes32 internal constant SIGNED_BORROW = keccak256(
        "Authorisation(CreditBorrow intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditBorrow(uint80 market,uint64 serial,bytes32 collateral,uint128 added,bytes32 asset,uint128 amount)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant REPAY = keccak256(
        "CreditRepay(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 taken)"
    );
    bytes32 internal constant SIGNED_REPAY = keccak256(
        "Authorisation(CreditRepay intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditRepay(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 taken)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant CALL =
        keccak256("CreditCall(uint80 market,uint64 serial,bytes32 asset,uint128 feeAtMost)");
    bytes32 internal constant SIGNED_CALL = keccak256(
        "Authorisation(CreditCall intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditCall(uint80 market,uint64 serial,bytes32 asset,uint128 feeAtMost)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant BID = keccak256(
        "CreditBid(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 atLeast)"
    );
    bytes32 internal constant SIGNED_BID = keccak256(
        "Authorisation(CreditBid intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditBid(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 atLeast)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant ADD =
        keccak256("CreditAdd(uint80 market,uint64 serial,bytes32 collateral,uint128 amount)");
    bytes32 internal constant SIGNED_ADD = keccak256(
        "Authorisation(CreditAdd intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditAdd(uint80 market,uint64 serial,bytes32 collateral,uint128 amount)"
        "Outflow(bytes32 asset,uint128 amount)"
    );

    bytes32 internal constant CLOSE = keccak256("CreditClose(uint80 market,uint64 serial)");
    bytes32 internal constant SIGNED_CLOSE = keccak256(
        "Authorisation(CreditClose intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)"
        "CreditClose(uint80 market,uint64 serial)" "Outflow(bytes32 asset,uint128 amount)"
    );
}
