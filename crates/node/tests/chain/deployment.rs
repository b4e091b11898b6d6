//! A deployment is the one of its manifest, or is refused.

use crate::world::World;
use nthroot_node::{Action, Deployment};

#[tokio::test]
async fn a_manifest_is_recognised_and_a_wrong_one_refused() {
    let world = World::new().await;
    let text = serde_json::to_string(&world.deployment).unwrap();
    let read: Deployment = serde_json::from_str(&text).unwrap();
    assert_eq!(read, world.deployment);
    read.check(world.devnet.l1()).await.unwrap();

    let mut wrong = read;
    wrong.parameters.window += 1;
    assert_eq!(wrong.check(world.devnet.l1()).await.unwrap_err().action(), Action::Halt);
    let wrong = Deployment {
        account: read.verifier,
        ..read
    };
    assert_eq!(wrong.check(world.devnet.l1()).await.unwrap_err().action(), Action::Halt);
}
