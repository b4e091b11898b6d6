//! What to do when L1 and what is derived from it do not fit: an L1 node's doing, mostly, and rarely what it seems.

use tracing::{error, warn};

use super::{Follower, Trouble, genesis};
use crate::error::{Error, Result};

/// So often nothing more is derived again than what is not final: at first at once, then whenever the caller comes back.
const PATIENCE: u32 = 6;

/// How often it is asked again after everything was derived again.
const LAST: u32 = PATIENCE + 3;

impl Follower {
    /// What did not fit may be an L1 node's doing: everything that is not final is derived once more, from another node if there
    /// is one; then again, each time after a pause of the caller's; then everything.
    ///
    /// # Errors
    ///
    /// [`Error::Doubtful`] if the caller should wait; the error, if it stays, or if it is of another kind.
    pub(super) async fn look_again(&mut self, error: Error) -> Result<()> {
        let doubtful = matches!(
            error,
            Error::Diverged { .. }
                | Error::Unreadable { .. }
                | Error::FinalityBroken { .. }
                | Error::WrongDeployment { .. }
        );
        // A node that answers with errors may do so for ever, say for want of old blocks: another one may not.
        self.l1.ask_another();
        if !doubtful {
            return Err(error);
        }
        self.doubts += 1;
        let times = self.doubts;
        if times > LAST {
            return Err(error);
        }
        if times == PATIENCE {
            error!(%error, "deriving everything again, from the deployment");
            self.deployment.check(&self.l1).await?;
            self.checkpoints.forget();
            let genesis = genesis(&self.l1, &self.deployment, &mut self.rulebook).await?;
            self.go_back(genesis.block.number);
            self.settled = genesis;
            self.unproven = None;
            self.troubles.push(Trouble::DerivesAgain(error));
            return Ok(());
        }
        warn!(%error, times, "asking again");
        match self.unproven.take() {
            // What is missed may be long before what does not fit.
            Some(unproven) => self.go_back_to(unproven),
            None => self.go_back(self.settled.block.number),
        }
        if times == 1 {
            return Ok(());
        }
        self.careful = true;
        Err(Error::Doubtful {
            times,
            what: Box::new(error),
        })
    }
}
