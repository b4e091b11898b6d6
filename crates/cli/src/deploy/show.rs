//! What a deployment would be, for people and for programs.

use alloy::primitives::{U256, utils::format_units};
use eyre::Result;
use nthroot_evm::SpecId;
use nthroot_node::{
    Deployment, L1,
    deploy::{Kind, Rehearsed, factory::FACTORY, rehearse},
};
use serde_json::{Value, json};

use super::{Prospect, wei};
use crate::text::{Style, ether, print_json, table, thousands};

impl Prospect {
    /// Gas of each contract, present ones too, under today's rules and those planned for Glamsterdam.
    fn gas(&self) -> Result<Vec<(Kind, u64, u64)>> {
        let [now, soon] = [SpecId::OSAKA, SpecId::AMSTERDAM].map(|fork| rehearse(&self.plan, fork, 1));
        let pairs = now?.into_iter().zip(soon?);
        Ok(pairs.map(|(now, soon)| (now.kind, now.gas, soon.gas)).collect())
    }

    pub(super) fn is_there(&self, kind: Kind) -> bool {
        !self.todo.iter().any(|made: &Rehearsed| made.kind == kind)
    }

    /// Wei for the gas that is missing, at a price.
    fn cost_at(&self, price: u128) -> U256 {
        U256::from(self.funds.gas) * U256::from(price)
    }

    /// Refuses what would fail: the rest was refused before.
    pub(super) async fn check_tokens_and_funds(&self, l1: &L1) -> Result<()> {
        self.plan.check_tokens(l1).await?;
        if let Some(who) = self.who
            && !self.todo.is_empty()
        {
            self.funds.check(who)?;
        }
        Ok(())
    }

    pub(super) fn show(&self, base_fee: Option<u128>, json: bool) -> Result<()> {
        if json {
            print_json(&self.json(base_fee)?);
        } else {
            println!("{}", self.lines(base_fee)?);
        }
        Ok(())
    }

    fn json(&self, base_fee: Option<u128>) -> Result<Value> {
        let contracts = self.gas()?.into_iter().map(|(kind, now, soon)| {
            json!({
                "kind": kind,
                "contract": kind.contract(),
                "address": self.plan.address(kind),
                "isThere": self.is_there(kind),
                "gas": { "osaka": now, "amsterdam": soon },
            })
        });
        let parameters = &self.plan.parameters;
        Ok(json!({
            "chainId": self.chain_id,
            "preset": self.chosen.name,
            "salt": self.plan.salt,
            "factory": { "address": FACTORY, "isThere": !self.factory },
            "parameters": parameters,
            "contracts": contracts.collect::<Vec<_>>(),
            "gas": self.funds.gas,
            "price": self.funds.price.to_string(),
            "mostPrice": self.funds.most().to_string(),
            "cost": self.funds.cost.to_string(),
            "atBaseFee": base_fee.map(|fee| json!({ "price": fee.to_string(), "cost": self.cost_at(fee).to_string() })),
            "needed": self.funds.needed.to_string(),
            "deployer": self.who,
            "balance": self.who.map(|_| self.funds.balance.to_string()),
        }))
    }

    pub(super) fn lines(&self, base_fee: Option<u128>) -> Result<String> {
        let style = Style::of_stdout();
        let parameters = &self.plan.parameters;
        let mut lines = vec![
            format!(
                "{}   chain {}, preset {}, salt {}",
                style.title("Deployment"),
                self.chain_id,
                self.chosen.name,
                self.plan.salt
            ),
            format!(
                "  window {} blocks, about {} minutes of slots of {} s",
                thousands(parameters.window),
                thousands(parameters.window * self.chosen.preset.assumes.slot / 60),
                self.chosen.preset.assumes.slot
            ),
            format!("  insured gas price {} gwei", gwei(parameters.insured_gas_price.into())),
            format!("  least lock {}", wei(parameters.min_lock)),
        ];
        let value = self.chosen.preset.assumes.value;
        if parameters.caps.is_empty() {
            lines.push(format!(
                "  takes any token, without bound: the window was computed for at most {value} at stake, and nothing bounds it"
            ));
        } else if parameters.caps.keys().any(|token| !token.is_zero()) {
            lines.push(format!(
                "  the window was computed for at most {value} at stake in all, and nothing compares caps of tokens with that"
            ));
        }
        for (token, cap) in &parameters.caps {
            lines.push(if token.is_zero() {
                format!("  takes ETH, up to {} ether", ether(*cap))
            } else {
                format!("  takes {token}, up to {cap} base units")
            });
        }
        let rows = self.gas()?.into_iter().map(|(kind, now, soon)| {
            [
                kind.says().to_owned(),
                self.plan.address(kind).to_string(),
                thousands(now),
                thousands(soon),
                if self.is_there(kind) { "there" } else { "" }.to_owned(),
            ]
        });
        let rows: Vec<[String; 5]> = rows.collect();
        lines.push(String::new());
        lines.push(table(style, ["contract", "address", "gas", "Glamsterdam", ""], &rows));
        if self.factory {
            lines.push(format!(
                "  the chain has no factory at {FACTORY}: it is made first, for 0.01 ether"
            ));
        }
        lines.push(String::new());
        lines.push(format!(
            "{}   {} gas: {} ether at the present {} gwei",
            style.title("To be paid"),
            thousands(self.funds.gas),
            ether(self.funds.cost),
            gwei(self.funds.price)
        ));
        lines.push(format!(
            "  no unit of gas is paid with more than {} gwei: beyond that it stops",
            gwei(self.funds.most())
        ));
        if let Some(fee) = base_fee {
            lines.push(format!("  {} ether at {} gwei", ether(self.cost_at(fee)), gwei(fee)));
        }
        if let Some(who) = self.who {
            lines.push(format!("  {who} has {} ether", ether(self.funds.balance)));
        }
        Ok(lines.join("\n"))
    }
}

/// What is done is done at one confirmation: it is not final on L1 yet.
pub(super) fn not_final(deployment: &Deployment) -> String {
    format!(
        "It is in block {}: until L1 finalises that, a reorganisation may take it back. Then nothing is lost: run the same command again with \
         another --out. Give the manifest away, and deposit, once it is final.",
        deployment.deployment_block
    )
}

/// Until when somebody must watch: what is posted in the bridge's first block is final one window later, deposits or not.
pub(super) fn watch_by(deployment: &Deployment) -> String {
    format!(
        "Now start a watcher (docs/operating.md). It must be at L1's head before block {}: a lie that nobody proves until then stands for \
         ever, and takes from whoever deposits later. If it is late, treat the bridge as one in use: `nthroot audit`, or another --salt.",
        deployment.deployment_block.saturating_add(deployment.parameters.window)
    )
}

/// Wei as gwei, without zeros at the end.
fn gwei(wei: u128) -> String {
    let exact = format_units(wei, "gwei").unwrap_or_default();
    exact.trim_end_matches('0').trim_end_matches('.').to_owned()
}
