//! One call of a step (section 6.1).

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::Address;
use nthroot_protocol::{
    AssetId, Authorisation, Call, Domain, Effect, Fragment, FragmentId, Kind, Lease, Meaning, SignedMessage, Withdrawal,
};

use crate::{
    effects::Frame,
    invalid::{CallFault, EffectFault},
    kernel::{Env, Terms},
    rule::{AuthorisationView, Context, FragmentView},
    signing,
};

/// A step as the calls so far have left it.
pub(crate) struct Progress {
    /// Its fragments, by number.
    pub(crate) fragments: Vec<StepFragment>,
    /// The leases of its anchors, by touch, as the step's pre-state has them.
    pub(crate) leases: Vec<Option<Lease>>,
    /// Numbers of the fragments of opened touches that no call has opened yet, in order.
    pub(crate) to_open: VecDeque<usize>,
    /// Numbers of the further leaves that did not exist and that no call has opened yet, in order.
    pub(crate) leaves_to_open: VecDeque<usize>,
    /// Depths of the anchors opened so far.
    pub(crate) depths: Vec<u8>,
    /// Withdrawals so far.
    pub(crate) withdrawals: Vec<Withdrawal>,
}

/// A fragment of the step.
pub(crate) struct StepFragment {
    /// The touch of its anchor.
    pub(crate) touch: usize,
    /// Its leaf.
    pub(crate) leaf: u32,
    /// Its id. None if it is new.
    pub(crate) id: Option<FragmentId>,
    /// Its state, if it exists.
    pub(crate) state: Option<Fragment>,
}

/// A fragment that takes part in a call: one that it lists, or one that it has opened.
pub(crate) struct Participant {
    /// Its number in the step.
    pub(crate) number: usize,
    /// The touch of its anchor.
    pub(crate) touch: usize,
    /// Its leaf.
    pub(crate) leaf: u32,
    /// Its id. None if it is new.
    pub(crate) id: Option<FragmentId>,
    /// Its state.
    pub(crate) state: Fragment,
    /// Whether the call may take from it and write to it.
    pub(crate) authority: bool,
    /// Whether it is merely credited: a key's, listed without its consent under a lease of the proposer.
    pub(crate) credited: bool,
    /// If it has authorised the call: what the debits so far have left of the largest outflows it signed.
    pub(crate) outflows: Option<BTreeMap<AssetId, u128>>,
}

/// Why a call did not come to its end.
pub(crate) enum Stop {
    /// It is invalid.
    Fault(CallFault),
    /// It is valid as far as its rule, which has no twin.
    UnknownRule(Address),
}

impl<F: Into<CallFault>> From<F> for Stop {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

/// What is done about the messages that a call's authorisations should be signatures of.
pub(crate) enum Messages<'a> {
    /// The signatures are checked.
    Checked,
    /// Nothing: the signatures are trusted.
    Ignored,
    /// They are collected, call by call, and the signatures passed over.
    Collected(&'a mut Vec<Vec<SignedMessage>>),
}

/// Runs one call.
pub(crate) fn run(
    env: &Env,
    terms: &Terms,
    call: &Call,
    step: &mut Progress,
    then: &mut Messages<'_>,
) -> Result<(), Stop> {
    let rule = rule_of(env, terms, call)?;
    let mut participants = list(call, &step.fragments)?;

    check_order(call)?;
    let consents = call.authorisations.iter();
    let consents = consents
        .map(|authorisation| authorise(terms.clock, authorisation, &mut participants))
        .collect::<Result<Vec<Consent>, _>>()?;
    for (position, participant) in (0..).zip(&mut participants) {
        let leased = step.leases.get(participant.touch).copied().flatten();
        let leased = leased.is_some_and(|lease| lease.runs(terms.clock) && lease.holder == terms.proposer);
        participant.authority = has_authority(rule, position, participant, leased)?;
        participant.credited = !participant.authority;
    }

    let twin = env.twin(rule).ok_or(Stop::UnknownRule(rule))?;
    let context = Context {
        clock: terms.clock,
        proposer: terms.proposer,
    };
    let fragments: Vec<FragmentView> = participants.iter().map(Participant::view).collect();
    let authorisations: Vec<AuthorisationView> = call.authorisations.iter().map(view).collect();
    let returned = twin.run(call.gas.into(), &context, &fragments, &authorisations, &call.extra)?;
    if returned.len() > usize::from(call.max_effects) {
        return Err(Stop::Fault(CallFault::EffectsLength {
            max: call.max_effects,
            actual: returned.len(),
        }));
    }

    let effects = Effect::decode_list(&returned).map_err(CallFault::Effects)?;
    let meanings = read_meanings(&effects, call.authorisations.len())?;
    let messages = || messages(call, rule, &consents, &meanings);
    match then {
        Messages::Checked => {
            let domain = Domain {
                chain_id: terms.chain_id,
                bridge: env.bridge,
            };
            check_signatures(&domain, call, &messages(), &participants)?;
        }
        Messages::Ignored => {}
        Messages::Collected(all) => all.push(messages()),
    }

    let mut frame = Frame {
        rule,
        is_account: rule == env.account_rule,
        clock: terms.clock,
        participants,
        step,
    };
    for (effect, operation) in effects.into_iter().enumerate().skip(meanings.len()) {
        frame
            .apply(operation)
            .map_err(|fault| CallFault::Effect { effect, fault })?;
    }
    let participants = frame.participants;

    // Those that the call has opened come last: they were nothing before.
    for (position, participant) in participants.iter().take(call.fragments.len()).enumerate() {
        let before = step.fragments[participant.number].state.as_ref();
        if participant.outflows.is_none() && before == Some(&participant.state) {
            return Err(Stop::Fault(CallFault::Unchanged { position }));
        }
    }
    for Participant { number, state, .. } in participants {
        step.fragments[number].state = Some(state);
    }
    Ok(())
}

/// The rule that a call names: 0 is the enshrined one, i the (i − 1)th of the table.
fn rule_of(env: &Env, terms: &Terms, call: &Call) -> Result<Address, CallFault> {
    let Some(place) = usize::from(call.rule).checked_sub(1) else {
        return Ok(env.account_rule);
    };
    terms.rules.get(place).copied().ok_or(CallFault::RuleIndex {
        index: call.rule,
        rules: terms.rules.len(),
    })
}

/// The fragments that a call lists: distinct, and existing.
fn list(call: &Call, fragments: &[StepFragment]) -> Result<Vec<Participant>, CallFault> {
    let participant = |(position, &number): (usize, &u8)| {
        let fragment = fragments.get(usize::from(number)).ok_or(CallFault::FragmentNumber {
            number,
            fragments: fragments.len(),
        })?;
        if call.fragments[..position].contains(&number) {
            return Err(CallFault::FragmentTwice { number });
        }
        let state = fragment.state.clone().ok_or(CallFault::NotOpen { number })?;
        Ok(Participant {
            number: usize::from(number),
            touch: fragment.touch,
            leaf: fragment.leaf,
            id: fragment.id,
            state,
            authority: false,
            credited: false,
            outflows: None,
        })
    };
    call.fragments.iter().enumerate().map(participant).collect()
}

/// Positions of authorisations are in the list and strictly increase, and so do the asset ids of each one's outflows.
fn check_order(call: &Call) -> Result<(), CallFault> {
    let mut last = None;
    for Authorisation { position, outflows, .. } in &call.authorisations {
        let (position, listed) = (*position, call.fragments.len());
        if usize::from(position) >= listed {
            return Err(CallFault::Position { position, listed });
        }
        if let Some(last) = last.filter(|last| *last >= position) {
            return Err(CallFault::PositionOrder { last, position });
        }
        last = Some(position);
        for pair in outflows.windows(2) {
            if pair[0].asset >= pair[1].asset {
                let asset = pair[1].asset;
                return Err(CallFault::OutflowOrder { position, asset });
            }
        }
    }
    Ok(())
}

/// What an authorisation is given for, as the step has it.
struct Consent {
    fragment: FragmentId,
    /// Its nonce when the call starts.
    nonce: u64,
}

/// Judges one authorisation but for its signature, and lets the fragment's nonce grow.
fn authorise(
    clock: u64,
    authorisation: &Authorisation,
    participants: &mut [Participant],
) -> Result<Consent, CallFault> {
    let position = authorisation.position;
    let listed = participants.len();
    let participant = participants
        .get_mut(usize::from(position))
        .ok_or(CallFault::Position { position, listed })?;
    let fragment = participant.id.ok_or(CallFault::NewSigner { position })?;
    let valid_until = authorisation.valid_until;
    if clock > valid_until {
        return Err(CallFault::Expired {
            position,
            clock,
            valid_until,
        });
    }
    let nonce = participant.state.nonce;
    participant.state.nonce = nonce.checked_add(1).ok_or(CallFault::NonceExhausted { position })?;
    let outflows = authorisation.outflows.iter();
    participant.outflows = Some(outflows.map(|outflow| (outflow.asset, outflow.amount)).collect());
    Ok(Consent { fragment, nonce })
}

/// What the effects in front say about the authorisations, of which there are so many. The order is that of both.
fn read_meanings(effects: &[Effect], authorisations: usize) -> Result<Vec<(u8, Meaning)>, CallFault> {
    let mut meanings: Vec<(u8, Meaning)> = Vec::new();
    for (effect, operation) in effects.iter().enumerate() {
        let Effect::Meaning {
            authorisation,
            type_hash,
            struct_hash,
        } = *operation
        else {
            break;
        };
        let last = meanings.last().map(|(last, _)| *last);
        let fault = match last.filter(|last| *last >= authorisation) {
            _ if usize::from(authorisation) >= authorisations => EffectFault::MeaningOfNone {
                authorisation,
                authorisations,
            },
            Some(last) => EffectFault::MeaningOrder { last, authorisation },
            None => {
                meanings.push((authorisation, Meaning { type_hash, struct_hash }));
                continue;
            }
        };
        return Err(CallFault::Effect { effect, fault });
    }
    Ok(meanings)
}

/// What the authorisations have to be signatures of. Of those of which the rule says nothing the payload is the intent.
fn messages(call: &Call, rule: Address, consents: &[Consent], meanings: &[(u8, Meaning)]) -> Vec<SignedMessage> {
    let mut meanings = meanings.iter().peekable();
    let authorisations = call.authorisations.iter().zip(consents).zip(0..);
    let message = |((authorisation, consent), number): ((&Authorisation, &Consent), u8)| SignedMessage {
        meaning: meanings
            .next_if(|(of, _)| *of == number)
            .map_or_else(|| Meaning::opaque(&authorisation.payload), |(_, meaning)| *meaning),
        rule,
        fragment: consent.fragment,
        nonce: consent.nonce,
        valid_until: authorisation.valid_until,
        outflows: authorisation.outflows.clone(),
    };
    authorisations.map(message).collect()
}

/// Each authorisation's signature is good. No effect has changed who controls what yet.
fn check_signatures(
    domain: &Domain,
    call: &Call,
    messages: &[SignedMessage],
    participants: &[Participant],
) -> Result<(), CallFault> {
    for (authorisation, message) in call.authorisations.iter().zip(messages) {
        let position = authorisation.position;
        let state = &participants[usize::from(position)].state;
        let digest = message.signing_hash(domain);
        signing::check(digest, &authorisation.signature, state.kind, state.controller)
            .map_err(|reason| CallFault::Signature { position, reason })?;
    }
    Ok(())
}

/// Whether the call may take from a listed fragment and write to it. A fragment over which it has no authority may be listed
/// only if it is a key's and the proposer holds a running lease of its anchor.
fn has_authority(rule: Address, position: u8, participant: &Participant, leased: bool) -> Result<bool, CallFault> {
    let Fragment { kind, controller, .. } = participant.state;
    match kind {
        Kind::Secp256k1 | Kind::P256 if participant.outflows.is_some() => Ok(true),
        Kind::Secp256k1 | Kind::P256 if leased => Ok(false),
        Kind::Secp256k1 | Kind::P256 => Err(CallFault::NotAuthorised { position }),
        Kind::Rule if controller == rule => Ok(true),
        Kind::Rule => Err(CallFault::OtherRule {
            position,
            controller,
            rule,
        }),
    }
}

impl Participant {
    /// What the rule sees of it.
    fn view(&self) -> FragmentView {
        FragmentView {
            id: self.id.unwrap_or(FragmentId::ZERO),
            kind: self.state.kind,
            controller: self.state.controller,
            assets: self.state.assets.iter().map(|(id, amount)| (*id, *amount)).collect(),
            data: self.state.data.to_vec(),
        }
    }
}

/// What the rule sees of an authorisation.
fn view(authorisation: &Authorisation) -> AuthorisationView {
    AuthorisationView {
        fragment: authorisation.position,
        payload: authorisation.payload.to_vec(),
    }
}
