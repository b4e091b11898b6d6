//! Steps out of choices: the generator of the differential test, steered by what it reaches.

use nthroot_evm::Jump;

use crate::{
    judges::{Judges, answer, describe, model},
    steps::{Choices, Scene},
};

#[derive(Default)]
pub(crate) struct Steps(Judges);

impl Steps {
    pub(crate) fn run(&mut self, input: &[u8], seen: &mut dyn FnMut(Jump)) -> &'static str {
        let Self(judges) = self;
        let chain_id = judges.chain_id();
        let (evidence, _) = Scene::evidence(&mut Choices::new(input), &judges.env, &judges.rules, chain_id);
        let twins = model(&judges.env, &evidence);
        let contract = judges.contract(&evidence, seen);
        if contract == answer(&twins) {
            return contract.name();
        }
        // Twins have no gas: where a rule ran out of what its call commits, its code decides.
        let metered = model(&judges.metered, &evidence);
        assert_eq!(
            contract,
            answer(&metered),
            "the model says {:?}\n{}",
            metered.map(|(_, verdict)| verdict),
            describe(&evidence)
        );
        "out of gas"
    }
}
