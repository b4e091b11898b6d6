//! Fragments, their keys, and calls of a rule on them: through the rule alone, and through the kernel with signatures.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    invalid::{CallFault, EffectFault, Invalid},
    kernel::{self, Env, Failure, Outcome, Terms, Touch},
    rule::{AuthorisationView, Context, FragmentView, Rule, RuleFailure, Rules},
    signing,
};
use nthroot_protocol::{
    AnchorId, AssetId, BatchId, Body, Call, Domain, Effect, Fragment, FragmentId, Kind, Meaning, Outflow, SignedMessage,
};
use proptest::{prelude::*, test_runner::RngSeed};

pub(crate) const CLOCK: u64 = 1_000;
pub(crate) const PROPOSER: Address = Address::repeat_byte(0x70);
pub(crate) const ACCOUNT: Address = Address::repeat_byte(0xac);
/// The rule under test: rule 1 of the table.
pub(crate) const RULE: Address = Address::repeat_byte(0x11);
/// Another rule, which returns `extra` as its effects: rule 2.
pub(crate) const PUPPET: Address = Address::repeat_byte(0x91);
const DOMAIN: Domain = Domain {
    chain_id: 31_337,
    bridge: Address::repeat_byte(0xb1),
};

/// Some L1 token.
pub(crate) fn asset(n: u8) -> AssetId {
    AssetId(B256::with_last_byte(n))
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_slice(&[n; 32]).unwrap()
}

pub(crate) fn anchor(n: u8) -> AnchorId {
    AnchorId::new(BatchId::new(n.into(), 1).unwrap(), 0)
}

/// The id of fragment n.
pub(crate) fn id(n: u8) -> FragmentId {
    anchor(n).leaf(0).unwrap()
}

/// A fragment of key n.
pub(crate) fn owned(n: u8, assets: &[(AssetId, u128)]) -> Fragment {
    with_assets(Fragment::new(Kind::Secp256k1, signing::address_of(&key(n))), assets)
}

/// A fragment under the rule.
pub(crate) fn ruled(assets: &[(AssetId, u128)], data: Vec<u8>) -> Fragment {
    let mut fragment = with_assets(Fragment::new(Kind::Rule, RULE), assets);
    fragment.data = data.into();
    fragment
}

fn with_assets(mut fragment: Fragment, assets: &[(AssetId, u128)]) -> Fragment {
    fragment.assets = assets.iter().copied().collect();
    fragment
}

/// What a rule sees of fragment n.
pub(crate) fn view(n: u8, fragment: &Fragment) -> FragmentView {
    FragmentView {
        id: id(n),
        kind: fragment.kind,
        controller: fragment.controller,
        assets: fragment
            .assets
            .iter()
            .map(|(asset, amount)| (*asset, *amount))
            .collect(),
        data: fragment.data.to_vec(),
    }
}

/// What the rule alone returns for fragments and payloads, each with a position.
pub(crate) fn transition(
    rule: &dyn Rule,
    clock: u64,
    fragments: &[FragmentView],
    payloads: &[(u8, Vec<u8>)],
    extra: &[u8],
) -> Result<Vec<Effect>, RuleFailure> {
    let context = Context {
        clock,
        proposer: PROPOSER,
    };
    let view = |(fragment, payload): &(u8, Vec<u8>)| AuthorisationView {
        fragment: *fragment,
        payload: payload.clone(),
    };
    let authorisations: Vec<_> = payloads.iter().map(view).collect();
    let returned = rule.transition(&context, fragments, &authorisations, extra)?;
    Ok(Effect::decode_list(&returned).unwrap())
}

/// What the key of fragment n consents to.
#[derive(Clone)]
pub(crate) struct Consent {
    pub(crate) of: u8,
    pub(crate) nonce: u64,
    pub(crate) valid_until: u64,
    pub(crate) outflows: Vec<Outflow>,
    pub(crate) payload: Vec<u8>,
    pub(crate) meaning: Meaning,
}

impl Consent {
    /// At nonce 0, until the clock.
    pub(crate) fn new(of: u8, payload: Vec<u8>, meaning: Meaning, outflows: Vec<Outflow>) -> Self {
        Self {
            of,
            nonce: 0,
            valid_until: CLOCK,
            outflows,
            payload,
            meaning,
        }
    }
}

/// A call of the rule: the fragments that it lists, those of them that consent, in the same order, and `extra`.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) listed: Vec<u8>,
    pub(crate) consents: Vec<Consent>,
    pub(crate) extra: Vec<u8>,
    /// How many anchors the step opens.
    pub(crate) opened: usize,
}

/// Fragments by number, all of them older than the batch, and the kernel.
#[derive(Clone)]
pub(crate) struct World {
    env: Env,
    pub(crate) terms: Terms,
    pub(crate) fragments: BTreeMap<u8, Fragment>,
}

impl World {
    pub(crate) fn new(rule: impl Rule + 'static) -> Self {
        let puppet =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], extra: &[u8]| -> Result<_, RuleFailure> {
                Ok(extra.to_vec())
            };
        Self {
            env: Env {
                account_rule: ACCOUNT,
                bridge: DOMAIN.bridge,
                rules: Rules::default().with(RULE, rule).with(PUPPET, puppet),
            },
            terms: Terms {
                chain_id: DOMAIN.chain_id,
                clock: CLOCK,
                proposer: PROPOSER,
                rules: vec![RULE, PUPPET],
            },
            fragments: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, n: u8, fragment: Fragment) -> Self {
        self.fragments.insert(n, fragment);
        self
    }

    /// The plan as a call, signed.
    pub(crate) fn call(&self, plan: &Plan) -> Call {
        // The places of the fragments in the step, which touches each of them once, in the order in which they are listed.
        let mut order = plan.listed.clone();
        let mut seen = Vec::new();
        for n in &mut order {
            let place = seen.iter().position(|other| other == n).unwrap_or(seen.len());
            if place == seen.len() {
                seen.push(*n);
            }
            *n = u8::try_from(place).unwrap();
        }
        let authorise = |consent: &Consent| {
            let position = plan.listed.iter().position(|n| *n == consent.of).unwrap();
            let message = SignedMessage {
                meaning: consent.meaning,
                rule: RULE,
                fragment: id(consent.of),
                nonce: consent.nonce,
                valid_until: consent.valid_until,
                outflows: consent.outflows.clone(),
            };
            let payload = consent.payload.clone().into();
            signing::authorise(
                &key(consent.of),
                &DOMAIN,
                &message,
                payload,
                u8::try_from(position).unwrap(),
            )
        };
        Call {
            rule: 1,
            gas: 1_000_000,
            max_effects: 8_192,
            fragments: order,
            authorisations: plan.consents.iter().map(authorise).collect(),
            extra: plan.extra.clone().into(),
        }
    }

    /// What the call does, as the only one of a step that touches what the plan lists.
    pub(crate) fn execute(&self, plan: &Plan, call: Call) -> Result<Outcome, Failure> {
        let mut listed = plan.listed.clone();
        listed.dedup();
        let touches = listed.iter().map(|n| Touch {
            anchor: Some(anchor(*n)),
            leaves: vec![(0, self.fragments.get(n).cloned())],
        });
        let new = Touch {
            anchor: None,
            leaves: vec![(0, None)],
        };
        let touches = touches.chain(std::iter::repeat_n(new, plan.opened)).collect();
        let body = Body {
            leaves: None,
            calls: vec![call],
        };
        kernel::execute(&self.env, &self.terms, &body, touches)
    }

    /// Does it. Returns the states of what it opened.
    pub(crate) fn run(&mut self, plan: &Plan) -> Result<Vec<Fragment>, Failure> {
        let mut states = self.execute(plan, self.call(plan))?.states;
        let opened = states.split_off(plan.listed.len());
        self.fragments.extend(plan.listed.iter().copied().zip(states));
        Ok(opened)
    }

    /// Why the kernel refuses the plan.
    pub(crate) fn refused(&self, plan: &Plan) -> CallFault {
        self.refused_call(plan, self.call(plan))
    }

    pub(crate) fn refused_call(&self, plan: &Plan, call: Call) -> CallFault {
        match self.execute(plan, call) {
            Err(Failure::Invalid(Invalid::Call { fault, .. })) => fault,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn balance(&self, n: u8, asset: AssetId) -> u128 {
        self.fragments[&n].balance(asset)
    }
}

/// The fault of an effect, whichever it is.
pub(crate) fn effect_fault(fault: CallFault) -> EffectFault {
    match fault {
        CallFault::Effect { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

pub(crate) fn moved(from: u8, to: u8, asset: AssetId, amount: u128) -> Effect {
    Effect::Move {
        from,
        to,
        asset,
        amount,
    }
}

pub(crate) fn outflow(asset: AssetId, amount: u128) -> Outflow {
    Outflow { asset, amount }
}

/// Seeded, so that every failure can be repeated. `PROPTEST_CASES` sets the length of a long run.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Amounts of all sizes.
pub(crate) fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![
        4 => 0..100_u128,
        3 => 0..1_000_000_000_000_u128,
        2 => (any::<u128>(), 0..128_u32).prop_map(|(amount, shift)| amount >> shift),
        1 => Just(u128::MAX)
    ]
}

/// Bytes that may begin like those of a payload, and are changed in one place, cut, or continued.
pub(crate) fn spoilt(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = bytes.len();
    (Just(bytes), 0..3, 0..=length, any::<u8>()).prop_map(|(mut bytes, how, place, byte)| {
        match how {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, byte),
            _ => {
                if let Some(old) = bytes.get_mut(place) {
                    *old = byte;
                }
            }
        }
        bytes
    })
}
