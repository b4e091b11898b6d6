//! Bindings of the contracts, from the ABIs in `abi/`; they build without a Solidity compiler.
