//! Intents as lines of text, for terminals.

use nthroot_protocol::{AccountOp, AssetId};
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
        let heading = typed.type_string.split('(').next().unwrap_or_default().to_owned();
        let shown = shown(&typed);
        let members = shown.as_object().into_iter().flatten();
        std::iter::once(heading)
            .chain(members.flat_map(|(name, value)| member_lines(name, value)))
            .collect()
    }
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

fn member_lines(name: &str, value: &Value) -> Vec<String> {
    let Value::Array(values) = value else {
        return vec![format!("  {name}: {}", scalar(value))];
    };
    if values.is_empty() {
        return vec![format!("  {name}: none")];
    }
    let element = |value: &Value| match value.as_object() {
        Some(members) => {
            let members = members.iter().map(|(name, value)| format!("{name} {}", scalar(value)));
            format!("  {name}: {}", members.collect::<Vec<_>>().join(", "))
        }
        None => format!("  {name}: {}", scalar(value)),
    };
    values.iter().map(element).collect()
}

fn scalar(value: &Value) -> String {
    // Words are assets: nothing else that is shown has 32 bytes.
    match value.as_str() {
        Some(text) => text
            .parse()
            .map_or_else(|_| text.to_owned(), |word| asset_or(text, word)),
        None => value.to_string(),
    }
}

fn asset_or(text: &str, word: alloy_primitives::B256) -> String {
    if text.len() == 66 {
        asset_name(AssetId(word))
    } else {
        text.to_owned()
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
