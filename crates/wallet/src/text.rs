//! Intents as lines of text, for terminals.

use alloy_primitives::aliases::U80;
use nthroot_protocol::{AccountOp, AssetId, FragmentId};
use serde_json::Value;

use crate::{
    intent::Intent,
    request::{Request, RuleBook},
    typed_data::shown,
};

impl Request {
    /// What it asks for: a heading, and a line for each thing that is signed. They are those of the EIP-712 struct, where there is one.
    pub fn lines(&self) -> Vec<String> {
        let Some(typed) = self.typed() else {
            let Self::Account(ops) = self else { return Vec::new() };
            let ops = ops.iter().map(|op| format!("  {}", account_line(op)));
            return std::iter::once("Account".to_owned()).chain(ops).collect();
        };
        let values = shown(&typed);
        let types = Types::of(&typed.type_string);
        let heading = types.0.first().map_or("", |(name, _)| name).to_owned();
        let members = types.members(&heading).iter();
        let lines = members.flat_map(|(kind, name)| types.lines(kind, name, &values[*name]));
        std::iter::once(heading).chain(lines.collect::<Vec<_>>()).collect()
    }
}

/// The structs of an `encodeType`, each with its members: their types and names, in order.
struct Types<'a>(Vec<(&'a str, Vec<(&'a str, &'a str)>)>);

impl<'a> Types<'a> {
    fn of(type_string: &'a str) -> Self {
        let definitions = type_string
            .split_terminator(')')
            .filter_map(|text| text.split_once('('));
        let members = |list: &'a str| list.split(',').filter_map(|member| member.split_once(' ')).collect();
        Self(definitions.map(|(name, list)| (name, members(list))).collect())
    }

    fn members(&self, name: &str) -> &[(&'a str, &'a str)] {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(&[], |(_, members)| members)
    }

    fn lines(&self, kind: &str, name: &str, value: &Value) -> Vec<String> {
        match value.as_array().map(Vec::as_slice) {
            None => vec![format!("  {name}: {}", self.text(kind, value))],
            Some([]) => vec![format!("  {name}: none")],
            Some(values) => {
                let kind = kind.trim_end_matches("[]");
                values
                    .iter()
                    .map(|value| format!("  {name}: {}", self.text(kind, value)))
                    .collect()
            }
        }
    }

    fn text(&self, kind: &str, value: &Value) -> String {
        let text = value.as_str().unwrap_or_default();
        match kind {
            "bytes32" => text
                .parse()
                .map_or_else(|_| text.to_owned(), |word| asset_name(AssetId(word))),
            "uint80" => fragment_name(text),
            _ if value.is_object() => {
                let members = self.members(kind).iter();
                let members = members.map(|(kind, name)| format!("{name} {}", self.text(kind, &value[*name])));
                members.collect::<Vec<_>>().join(", ")
            }
            _ => text.to_owned(),
        }
    }
}

/// A fragment's id, which EIP-712 has as a number.
fn fragment_name(number: &str) -> String {
    let id = number
        .parse()
        .map(|number: U80| FragmentId::from_bytes(number.to_be_bytes()));
    id.map_or_else(|_| number.to_owned(), |id| id.to_string())
}

impl Intent {
    /// As the request's lines, and what the kernel keeps to besides: whose it is, until when, and what may leave at most.
    pub fn lines(&self, book: &RuleBook) -> Vec<String> {
        let mut lines = self.request.lines();
        lines.push(format!(
            "  of fragment {}, nonce {}, until block {}",
            self.fragment, self.nonce, self.valid_until
        ));
        let outflows = self.request.outflows(book);
        if outflows.is_empty() {
            lines.push("  nothing may leave the fragment".to_owned());
        }
        let leaves = |outflow: &nthroot_protocol::Outflow| {
            format!(
                "  leaves the fragment at most: {} of {}",
                outflow.amount,
                asset_name(outflow.asset)
            )
        };
        lines.extend(outflows.iter().map(leaves));
        lines
    }
}

/// An asset for people: ether, a token's address, or the id of an asset that a rule issues.
pub(crate) fn asset_name(asset: AssetId) -> String {
    match asset.as_token() {
        Some(token) if token.is_zero() => "ETH (wei)".to_owned(),
        Some(token) => format!("token {token}"),
        None => format!("issued asset {}", asset.0),
    }
}

fn account_line(op: &AccountOp) -> String {
    let assets = |assets: &[(AssetId, u128)]| {
        let assets = assets
            .iter()
            .map(|(asset, amount)| format!("{amount} of {}", asset_name(*asset)));
        assets.collect::<Vec<_>>().join(", ")
    };
    match op {
        AccountOp::Pay { to, asset, amount } => format!("pay {amount} of {} to fragment {to}", asset_name(*asset)),
        AccountOp::Open {
            depth,
            controller,
            assets: paid,
            ..
        } => {
            format!("open an anchor of depth {depth} for {controller} with {}", assets(paid))
        }
        AccountOp::OpenLeaf {
            controller,
            assets: paid,
            ..
        } => format!("open a leaf for {controller} with {}", assets(paid)),
        AccountOp::Withdraw {
            recipient,
            token,
            amount,
        } => {
            format!(
                "withdraw {amount} of {} to {recipient} on L1",
                asset_name(AssetId::token(*token))
            )
        }
        AccountOp::SetController { controller, .. } => format!("give the fragment to {controller}"),
        AccountOp::SetLease { holder, last_block } => format!("lease the anchor to {holder} until block {last_block}"),
    }
}
