// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRuleRegistry} from "../interfaces/IRuleRegistry.sol";

/// @notice Refuses bytecode that could do anything but compute: read state or the environment, call, create, log, destroy,
/// measure gas; and opcodes that are not assigned yet, for they may wake up in a later fork.
library Purity {
    /// @dev Bit `op` is set if the opcode is allowed:
    ///     00–0b arithmetic · 10–1e comparison and bits · 20 KECCAK256 · 34–36 CALLVALUE (zero in a static call),
    ///     CALLDATALOAD, CALLDATASIZE · 37–39 CALLDATACOPY, CODESIZE, CODECOPY · 50–53 POP, MLOAD, MSTORE, MSTORE8 ·
    ///     56 57 5b jumps · 5e MCOPY · 5f–7f PUSH · 80–9f DUP, SWAP · f3 RETURN · fd REVERT · fe INVALID
    uint256 internal constant ALLOWED = (0xfff << 0x00) | (0x7fff << 0x10) | (1 << 0x20) | (0x3f << 0x34)
        | (0xf << 0x50) | (3 << 0x56) | (1 << 0x5b) | (3 << 0x5e) | ((2 ** 32 - 1) << 0x60) | ((2 ** 32 - 1) << 0x80)
        | (1 << 0xf3) | (1 << 0xfd) | (1 << 0xfe);

    /// @dev Linear sweep over `runtime`, skipping push data: the same that decides which bytes are jump targets, so every
    /// instruction that can be executed is seen. An instruction's advance comes from a table of 256 bytes in memory; a refused
    /// opcode does not advance, so its neighbours may be looked at in runs of 32 without asking each time.
    ///
    /// The table lies at address 0, where an opcode is its own address: 22 gas an instruction instead of 28. What lay there is put
    /// back. Not marked memory-safe, for the compiler must keep nothing of its own there meanwhile.
    function check(bytes calldata runtime) internal pure {
        uint256 size = runtime.length;
        if (size == 0) revert IRuleRegistry.EmptyRuntime();
        uint256 pos;
        assembly {
            let saved := add(mload(0x40), 288) // beyond the table, wherever free memory starts
            mcopy(saved, 0, 288)
            for { let op := 0 } lt(op, 256) { op := add(op, 1) } {
                let advance := and(shr(op, ALLOWED), 1)
                if and(gt(op, 0x5f), lt(op, 0x80)) { advance := sub(op, 0x5e) }
                mstore8(op, advance)
            }
            let code := add(saved, 288)
            calldatacopy(code, runtime.offset, size)
            let end := add(code, size)
            // Zeros behind the code: STOP, which advances. A run can pass the end by 32 pushes of 33 bytes.
            calldatacopy(end, calldatasize(), 1088)
            let p := code
            for {} lt(p, end) {} {
                let start := p
                for { let i := 0 } lt(i, 4) { i := add(i, 1) } {
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                    p := add(p, byte(0, mload(byte(0, mload(p)))))
                }
                if eq(p, start) { break }
            }
            pos := sub(p, code)
            mcopy(0, saved, 288)
        }
        if (pos < size) revert IRuleRegistry.OpcodeRefused(pos, uint8(runtime[pos]));
    }
}
