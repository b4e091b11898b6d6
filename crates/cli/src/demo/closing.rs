//! The end of the story: costs, money and solvency.

use alloy::primitives::{Address, I256, U256};
use eyre::Result;
use nthroot_node::claims;
use nthroot_protocol::{AssetId, Status};

use crate::{
    demo::{
        cast::Role,
        report::{Money, Solvency},
        stage::Stage,
    },
    text::{ether, signed_ether, thousands},
};

impl Stage {
    /// Draws up costs and balances, and ends the story.
    pub(crate) async fn close(mut self, seconds: f64) -> Result<()> {
        self.sync().await?;
        self.narrator.act("Cost against the aim");
        let targets = &self.narrator.report.targets;
        let rows: Vec<_> = targets
            .iter()
            .map(|row| {
                [
                    row.what.clone(),
                    format!("{} {}", thousands(row.measured), row.unit),
                    format!("≤ {} {}", thousands(row.target), row.unit),
                    if row.met { "met" } else { "missed" }.to_owned(),
                ]
            })
            .collect();
        self.narrator.print_table(["", "measured", "aim", ""], &rows);
        self.money().await?;
        self.solvency().await?;
        let checks = self.narrator.report.checks;
        let end = format!("{checks} statements checked against the contracts, in {seconds:.1} s");
        self.narrator.print(&format!("\n{}", self.narrator.style.good(end)));
        self.narrator.finish(seconds)
    }

    /// Draws up everybody's money, and checks it.
    async fn money(&mut self) -> Result<()> {
        self.narrator.act("Money, before and after");
        let token = AssetId::token(self.token);
        let mut money = Vec::new();
        for role in Role::ALL {
            let address = self.address(role);
            let actor = self.actor(role);
            money.push(Money {
                actor: role.name().to_owned(),
                address,
                eth_before: actor.eth_before,
                eth_after: self.eth_of(role).await?,
                eth_fees: actor.fees,
                eth_bridge: self.holdings(Some(address), AssetId::ETH),
                bond: self.bond_of(role).await?,
                token_before: actor.token_before,
                token_after: self.token_of(role).await?,
                token_bridge: self.holdings(Some(address), token),
            });
        }
        let mut rows: Vec<_> = money
            .iter()
            .map(|row| {
                [
                    row.actor.clone(),
                    ether(row.eth_before),
                    ether(row.eth_after),
                    signed_ether(I256::try_from(row.eth_fees).map_or(I256::MIN, |fees| -fees)),
                    ether(row.eth_bridge),
                    ether(row.bond),
                    ether(row.token_before),
                    ether(row.token_after),
                    ether(row.token_bridge),
                ]
            })
            .collect();
        if !self.crowd.is_empty() {
            let crowd = self
                .crowd
                .iter()
                .map(|key| self.holdings(Some(key.address()), AssetId::ETH))
                .sum();
            let mut row: [String; 9] = std::array::from_fn(|_| "–".to_owned());
            (row[0], row[4]) = (format!("{} others", self.crowd.len()), ether(crowd));
            rows.push(row);
        }
        let head = [
            "",
            "ETH before",
            "after",
            "of it gas",
            "in bridge",
            "bond",
            "TUSD before",
            "after",
            "in bridge",
        ];
        self.narrator.print_table(head, &rows);
        for (role, row) in Role::ALL.into_iter().zip(&money) {
            let expected = self.actor(role).eth_expected();
            self.narrator.check_equal(
                format!(
                    "{}'s ether on L1 is what the receipts add up to, to the wei",
                    role.name()
                ),
                &row.eth_after,
                &expected,
            )?;
        }
        self.narrator.report.money = money;
        Ok(())
    }

    /// Draws up what the bridge holds and owes, and checks it.
    async fn solvency(&mut self) -> Result<()> {
        self.narrator.act("Solvency of the bridge");
        let token = AssetId::token(self.token);
        let mut bonds = U256::ZERO;
        for role in Role::ALL {
            bonds += self.bond_of(role).await?;
        }
        let rows = [
            Solvency {
                asset: "ETH".to_owned(),
                held: self.eth_at(self.deployment.bridge).await?,
                fragments: self.holdings(None, AssetId::ETH),
                unpaid: self.unpaid(Address::ZERO)?,
                bonds,
                burnt: self.burnt,
            },
            Solvency {
                asset: "TUSD".to_owned(),
                held: self.token_at(self.deployment.bridge).await?,
                fragments: self.holdings(None, token),
                unpaid: self.unpaid(self.token)?,
                bonds: U256::ZERO,
                burnt: U256::ZERO,
            },
        ];
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                let sums = [row.held, row.fragments, row.unpaid, row.bonds, row.burnt].map(ether);
                let [held, fragments, unpaid, bonds, burnt] = sums;
                [row.asset.clone(), held, fragments, unpaid, bonds, burnt]
            })
            .collect();
        self.narrator
            .print_table(["", "holds", "fragments", "to be claimed", "bonds", "burnt"], &cells);
        for row in rows {
            let owed = row.fragments + row.unpaid + row.bonds + row.burnt;
            self.narrator.check_equal(
                format!("The bridge holds exactly what it owes and has burnt, in {}", row.asset),
                &row.held,
                &owed,
            )?;
            self.narrator.report.solvency.push(row);
        }
        Ok(())
    }

    /// What is still to be claimed, final or not, of batches that stand.
    fn unpaid(&self, token: Address) -> Result<U256> {
        let mut sum = U256::ZERO;
        for batch in self.ledger().batches() {
            if self.ledger().status(batch) == Some(Status::Live) {
                for payable in claims::unpaid(self.ledger(), batch)? {
                    let withdrawal = payable.claim.withdrawal;
                    if withdrawal.token == token {
                        sum += U256::from(withdrawal.amount);
                    }
                }
            }
        }
        Ok(sum)
    }
}
