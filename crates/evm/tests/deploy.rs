//! The artifacts in `abi/` deploy, and a deposit costs what it should.
#![allow(clippy::print_stdout, reason = "what was measured")]

use alloy::primitives::{Address, FixedBytes, U256};
use nthroot_bindings::Bridge;
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_protocol::Key;

/// ETH deposit by an account that has deposited before, gas under (Osaka, Amsterdam).
const DEPOSIT_TARGET: [(SpecId, u64); 2] = [(SpecId::OSAKA, 52_000), (SpecId::AMSTERDAM, 147_000)];

#[test]
fn an_eth_deposit_stays_below_its_target() {
    for (spec, target) in DEPOSIT_TARGET {
        let mut world = Deployed::new(spec, Parameters::default()).unwrap();
        let user = Address::repeat_byte(0xa1);
        world.chain.fund(user, U256::from(10).pow(U256::from(20)));
        let deposit = Bridge::depositCall {
            key: FixedBytes(Key::Secp256k1(user).to_bytes()),
        };
        let ether = U256::from(10).pow(U256::from(18));
        assert!(world.send_value(user, ether, &deposit).unwrap().success);
        world.chain.mine(1);
        let receipt = world.send_value(user, ether, &deposit).unwrap();
        assert!(receipt.success);
        println!("{spec:?}: ETH deposit {} gas, target {target}", receipt.gas);
        assert!(receipt.gas <= target, "{spec:?}: {} > {target}", receipt.gas);
    }
}
