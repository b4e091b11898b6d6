//! What is said, line by line; for people and for programs.

use alloy::primitives::{U256, hex, utils::format_ether};
use nthroot_protocol::{
    AssetId,
    trace::{Field, Value},
};
use serde::Serialize;
use serde_json::{Map, json};

use super::broken::Broken;
use crate::text::{Style, print_json, thousands};

/// Bytes that are shown in a line, beside its meaning.
const SHOWN: usize = 32;

/// A field or a statement.
#[derive(Debug, Serialize)]
struct Line {
    depth: usize,
    name: String,
    /// Of its first byte in what is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    value: String,
    #[serde(skip)]
    is_bad: bool,
}

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Out {
    lines: Vec<Line>,
    depth: usize,
    /// The asset that was named last: amounts follow their assets.
    asset: Option<AssetId>,
    facts: Map<String, serde_json::Value>,
}

impl Out {
    /// Something that programs look for at the top.
    pub(super) fn fact(&mut self, name: &str, value: impl Serialize) {
        self.facts.insert(name.to_owned(), json!(value));
    }

    /// Adds to a list that programs look for.
    pub(super) fn add(&mut self, name: &str, value: impl Serialize) {
        let list = self.facts.entry(name).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!(value));
        }
    }

    /// What programs find.
    #[cfg(test)]
    pub(super) fn facts(&self) -> &Map<String, serde_json::Value> {
        &self.facts
    }

    /// The lines as text.
    pub(super) fn text(&self, with_bytes: bool) -> String {
        let style = Style::of_stdout();
        let lines = self.lines.iter().map(|line| line.text(style, with_bytes) + "\n");
        lines.collect()
    }

    pub(super) fn heading(&mut self, name: impl Into<String>) {
        self.say(name, "");
    }

    #[allow(clippy::needless_pass_by_value, reason = "what is said is made for it")]
    pub(super) fn say(&mut self, name: impl Into<String>, value: impl ToString) {
        self.push(name.into(), None, None, value.to_string(), false);
    }

    /// Something that is not as it should be.
    #[allow(clippy::needless_pass_by_value, reason = "what is said is made for it")]
    pub(super) fn warn(&mut self, name: impl Into<String>, value: impl ToString) {
        self.push(name.into(), None, None, value.to_string(), true);
    }

    fn push(&mut self, name: String, offset: Option<usize>, bytes: Option<String>, value: String, is_bad: bool) {
        self.lines.push(Line {
            depth: self.depth,
            name,
            offset,
            bytes,
            value,
            is_bad,
        });
    }

    /// What is said in there belongs to the last line.
    pub(super) fn deeper(&mut self, say: impl FnOnce(&mut Self)) {
        self.depth += 1;
        say(self);
        self.depth -= 1;
    }

    /// The fields that were read from `bytes`, which begin at `base`. What `each` says of a field comes below it.
    pub(super) fn fields(
        &mut self,
        bytes: &[u8],
        base: usize,
        fields: &[Field],
        mut each: impl FnMut(&mut Self, &Field),
    ) {
        let depth = self.depth;
        for field in fields {
            self.depth = depth + field.depth;
            let value = field.value(bytes);
            let name = field
                .number
                .map_or_else(|| field.name.to_owned(), |n| format!("{} {n}", field.name));
            let shown = (value != Value::Section).then(|| hex::encode(field.bytes(bytes)));
            let text = self.value_text(value);
            self.push(name, Some(base + field.at), shown, text, false);
            self.depth += 1;
            each(self, field);
        }
        self.depth = depth;
    }

    /// Why they could not be read further.
    pub(super) fn broken(&mut self, broken: &Broken) {
        let Broken { byte, rule, says } = broken;
        self.warn("malformed", format!("at byte {byte}: {says}. The rule: {rule}"));
        self.fact("malformed", json!({ "byte": byte, "rule": rule, "says": says }));
    }

    fn value_text(&mut self, value: Value<'_>) -> String {
        match value {
            Value::Section => String::new(),
            Value::Number(number) => thousands(number),
            Value::Amount(amount) if self.asset == Some(AssetId::ETH) => {
                format!("{amount} ({} ETH)", format_ether(U256::from(amount)))
            }
            Value::Amount(amount) => amount.to_string(),
            Value::Bytes(bytes) if bytes.len() > SHOWN => format!("{} bytes", bytes.len()),
            Value::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
            Value::Address(address) => address.to_string(),
            Value::Asset(asset) => {
                self.asset = Some(asset);
                asset_text(asset)
            }
            Value::Batch(batch) => batch.to_string(),
            Value::Anchor(anchor) => anchor.to_string(),
            Value::Fragment(fragment) => fragment.to_string(),
            Value::Head(Some(head)) => format!("root {} of {}", head.root, head.id),
            Value::Head(None) => "none: it is opened".to_owned(),
        }
    }

    pub(super) fn print(&self, with_bytes: bool, as_json: bool) {
        if as_json {
            let mut document = self.facts.clone();
            document.insert("lines".to_owned(), json!(self.lines));
            print_json(&serde_json::Value::Object(document));
        } else {
            print!("{}", self.text(with_bytes));
        }
    }
}

impl Line {
    fn text(&self, style: Style, with_bytes: bool) -> String {
        let indent = "  ".repeat(self.depth);
        let text = match (self.name.as_str(), self.value.as_str()) {
            (name, "") => format!("{indent}{}", style.title(name)),
            (name, value) if self.is_bad => format!("{indent}{name}: {}", style.bad(value)),
            (name, value) => format!("{indent}{name}: {value}"),
        };
        if !with_bytes {
            return text;
        }
        let offset = self.offset.map_or_else(String::new, |offset| offset.to_string());
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let (shown, more) = if bytes.len() > 2 * SHOWN {
            (&bytes[..2 * SHOWN], "…")
        } else {
            (bytes, "")
        };
        format!(
            "{} {text}",
            style.faint(format!("{offset:>6}  {:<66}", format!("{shown}{more}")))
        )
    }
}

/// An asset for people.
pub(super) fn asset_text(asset: AssetId) -> String {
    match asset.as_token() {
        Some(token) if token.is_zero() => "ETH (amounts in wei)".to_owned(),
        Some(token) => format!("token {token}"),
        None => format!("issued asset {asset}"),
    }
}
