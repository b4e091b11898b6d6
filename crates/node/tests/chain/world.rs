//! A local chain with the contracts on it.

use std::path::{Path, PathBuf};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::local::PrivateKeySigner,
};
use nthroot_node::{Call, Deployment, Parameters, Sender, deploy, devnet::Devnet};

/// 1 ETH.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// The anvil of the environment, or the one that npm installed.
pub(crate) fn anvil() -> PathBuf {
    if let Some(anvil) = std::env::var_os("ANVIL") {
        return anvil.into();
    }
    // The script in `node_modules/.bin` would leave the binary running when it is killed.
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/@foundry-rs");
    let mut packages = std::fs::read_dir(packages).into_iter().flatten().flatten();
    packages
        .find_map(|package| {
            let anvil = package
                .path()
                .join(format!("bin/anvil{}", std::env::consts::EXE_SUFFIX));
            anvil.exists().then_some(anvil)
        })
        .expect("these tests need anvil: run `cargo xtask setup`, or set ANVIL to its path")
}

/// A key that follows from a name.
pub(crate) fn key(name: &str) -> PrivateKeySigner {
    let secret: B256 = keccak256(name);
    PrivateKeySigner::from_bytes(&secret).expect("a hash is a valid key but for luck")
}

pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) deployment: Deployment,
    pub(crate) funder: Sender,
}

impl World {
    pub(crate) async fn new(window: u64) -> Self {
        let devnet = Devnet::start_program(anvil().as_os_str()).await.expect("anvil starts");
        let funder = Sender::new(devnet.l1().clone(), Devnet::funded_key().unwrap());
        let parameters = Parameters {
            window,
            insured_gas_price: 50_000_000_000,
            min_lock: ETHER / 10,
        };
        let (deployment, _) = deploy(&funder, parameters).await.expect("the contracts deploy");
        Self {
            devnet,
            deployment,
            funder,
        }
    }

    /// An account with 100 ETH.
    pub(crate) async fn actor(&self, name: &str) -> Sender {
        let sender = Sender::new(self.devnet.l1().clone(), key(name));
        self.pay(sender.address(), 100 * ETHER).await;
        sender
    }

    pub(crate) async fn pay(&self, to: Address, amount: u128) {
        let call = Call::new(to, vec![]).value(U256::from(amount));
        self.funder.send(call).await.expect("the funder has plenty");
    }
}
