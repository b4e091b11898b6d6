//! Calls of the rules that come with the bridge: the code and its twin return the same effects, or both fail.

use alloy::primitives::Address;
use nthroot_evm::{SpecId, metered::Known, rule::Bytecode};
use nthroot_model::rule::{AuthorisationView, Context, FragmentView, Rule};
use nthroot_protocol::{AssetId, FragmentId, Kind, limits::MAX_DATA, rules::pool::PoolState};

use crate::corpus::vectors;

/// Where the rule stands: the controller of the fragments under it.
pub(crate) const RULE: Address = Address::repeat_byte(0x77);
/// More gas than any of these calls takes.
const AMPLE: u64 = 30_000_000;

pub(crate) struct Calls {
    sides: [(Known, Bytecode, Box<dyn Rule>); 4],
    /// What Credit has written, by cases: a market's sums and its positions belong together, and the code relies on that.
    markets: Vec<Vec<Vec<u8>>>,
}

impl Default for Calls {
    fn default() -> Self {
        let sides = Known::ALL.map(|known| {
            let code = Bytecode::new(SpecId::OSAKA, known.runtime().clone());
            (known, code, Box::new(known.rule(SpecId::OSAKA)) as Box<dyn Rule>)
        });
        let credit = vectors()
            .into_iter()
            .filter(|(rule, _)| matches!(Known::ALL[usize::from(*rule)], Known::Credit));
        let written = |case: Case| {
            case.fragments
                .into_iter()
                .filter(|fragment| fragment.kind == Kind::Rule)
        };
        Self {
            sides,
            markets: credit
                .map(|(_, case)| written(case).map(|fragment| fragment.data).collect())
                .collect(),
        }
    }
}

impl Calls {
    pub(crate) fn run(&self, input: &[u8]) -> &'static str {
        let (which, case) = Case::read(input);
        let (known, code, twin) = &self.sides[which];
        let case = self.guaranteed(*known, case);
        let context = Context {
            clock: case.clock,
            proposer: RULE,
        };
        let expected = twin.transition(&context, &case.fragments, &case.authorisations, &case.extra);
        let returned = code.execute(AMPLE, &context, &case.fragments, &case.authorisations, &case.extra);
        assert_eq!(
            returned.as_ref().ok().map(|(effects, _)| effects),
            expected.as_ref().ok(),
            "{known:?}: the code says {returned:?}, the twin {expected:?}, of {case:?}"
        );
        match (expected, known) {
            (Err(_), _) => "fails",
            (Ok(_), Known::Account) => "account",
            (Ok(_), Known::Swap) => "swap",
            (Ok(_), Known::Pool) => "pool",
            (Ok(_), Known::Credit) => "credit",
        }
    }
}

impl Calls {
    /// Makes it a call that the kernel would make (section 6.1): fragments of kind 3 are under the rule, and what they say the rule
    /// has written; assets and positions of authorisations increase.
    fn guaranteed(&self, rule: Known, mut case: Case) -> Case {
        for fragment in &mut case.fragments {
            fragment.assets.retain(|(_, amount)| *amount != 0);
            fragment.assets.sort_unstable();
            fragment.assets.dedup_by_key(|(asset, _)| *asset);
            fragment.data.truncate(MAX_DATA);
        }
        let own: Vec<_> = case
            .fragments
            .iter()
            .filter(|fragment| fragment.kind == Kind::Rule)
            .collect();
        let written = match rule {
            Known::Account | Known::Swap => true,
            Known::Pool => own.iter().all(|fragment| PoolState::decode(&fragment.data).is_ok()),
            Known::Credit => self
                .markets
                .iter()
                .any(|data| own.iter().all(|fragment| data.contains(&fragment.data))),
        };
        for fragment in case.fragments.iter_mut().filter(|fragment| fragment.kind == Kind::Rule) {
            fragment.controller = RULE;
            if !written {
                fragment.data.clear();
            }
        }
        let count = case.fragments.len();
        case.authorisations
            .retain(|signed| usize::from(signed.fragment) < count);
        case.authorisations.sort_by_key(|signed| signed.fragment);
        case.authorisations.dedup_by_key(|signed| signed.fragment);
        case
    }
}

/// A call of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) clock: u64,
    pub(crate) fragments: Vec<FragmentView>,
    pub(crate) authorisations: Vec<AuthorisationView>,
    pub(crate) extra: Vec<u8>,
}

impl Case {
    /// The rule's number and the call that these bytes stand for: any bytes do.
    fn read(bytes: &[u8]) -> (usize, Self) {
        let mut input = Input(bytes);
        let rule = usize::from(input.array::<1>()[0]) % Known::ALL.len();
        let clock = u64::from_be_bytes(input.array());
        let fragments = (0..1 + input.array::<1>()[0] % 16).map(|_| {
            let id = FragmentId::from_bytes(input.array());
            let kind = Kind::from_u8(1 + (input.array::<1>()[0] % 3 + 2) % 3);
            let controller = Address::from(input.array::<20>());
            let asset = |input: &mut Input<'_>| (AssetId(input.array().into()), u128::from_be_bytes(input.array()));
            let assets = (0..input.array::<1>()[0] % 33).map(|_| asset(&mut input)).collect();
            FragmentView {
                id,
                kind: kind.unwrap_or(Kind::Rule),
                controller,
                assets,
                data: input.bytes(),
            }
        });
        let fragments = fragments.collect();
        let authorisations = (0..input.array::<1>()[0] % 17).map(|_| AuthorisationView {
            fragment: input.array::<1>()[0],
            payload: input.bytes(),
        });
        let case = Self {
            clock,
            fragments,
            authorisations: authorisations.collect(),
            extra: input.0.to_vec(),
        };
        (rule, case)
    }

    /// Bytes that stand for the call of a rule.
    pub(crate) fn write(&self, rule: u8) -> Vec<u8> {
        let byte = |count: usize| u8::try_from(count).expect("few");
        let bytes = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend(u16::try_from(bytes.len()).expect("short").to_be_bytes());
            out.extend(bytes);
        };
        let mut out = vec![rule];
        out.extend(self.clock.to_be_bytes());
        out.push(byte(self.fragments.len() - 1));
        for fragment in &self.fragments {
            out.extend(fragment.id.to_bytes());
            out.push(fragment.kind.to_u8());
            out.extend(fragment.controller);
            out.push(byte(fragment.assets.len()));
            for (asset, amount) in &fragment.assets {
                out.extend(asset.0);
                out.extend(amount.to_be_bytes());
            }
            bytes(&mut out, &fragment.data);
        }
        out.push(byte(self.authorisations.len()));
        for signed in &self.authorisations {
            out.push(signed.fragment);
            bytes(&mut out, &signed.payload);
        }
        out.extend(&self.extra);
        out
    }
}

/// Bytes that never end: zeros follow.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        array[..taken.len()].copy_from_slice(taken);
        self.0 = rest;
        array
    }

    /// Length (2) ‖ bytes.
    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(u16::from_be_bytes(self.array()));
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let case = Case {
            clock: 7,
            fragments: vec![FragmentView {
                id: FragmentId::from_bytes([1; 10]),
                kind: Kind::P256,
                controller: RULE,
                assets: vec![(AssetId::ETH, 9)],
                data: vec![1, 2, 3],
            }],
            authorisations: vec![AuthorisationView {
                fragment: 0,
                payload: vec![5; 300],
            }],
            extra: vec![8],
        };
        for rule in 0..4_u8 {
            assert_eq!(Case::read(&case.write(rule)), (rule.into(), case.clone()));
        }
    }
}
