//! Each rule that comes with the bridge does what its twin in the model does, and both do what the committed vectors say.
//!
//! `NTHROOT_CASES` sets how many cases run of each rule, `NTHROOT_SEED` with which they begin. Every call keeps to what the
//! kernel guarantees to rules (section 6.1): positions are there and increase, and what a fragment under the rule says was written
//! by the rule.
#![allow(clippy::print_stdout, reason = "what was measured")]

mod account;
mod bench;
mod case;
mod credit;
mod limits;
mod mutate;
mod operations;
mod pool;
mod rng;
mod swap;
mod vectors;
mod world;

use nthroot_model::rules;

use crate::{account::Accounts, credit::Markets, pool::Pools, swap::Swaps};

#[test]
fn the_account_rule_is_its_twin() {
    bench::agree::<Accounts>();
}

#[test]
fn the_pool_rule_is_its_twin() {
    bench::agree::<Pools>();
}

#[test]
fn the_credit_rule_is_its_twin() {
    bench::agree::<Markets>();
}

#[test]
fn the_swap_rule_is_its_twin() {
    bench::agree::<Swaps>();
}

#[test]
fn the_vectors_of_pool_are_what_it_does() {
    vectors::check::<Pools>(&vectors::pool::vectors(), &rules::pool::Pool);
}

#[test]
fn the_vectors_of_credit_are_what_it_does() {
    vectors::check::<Markets>(&vectors::credit::vectors(), &rules::credit::Credit);
}

#[test]
fn the_vectors_of_swap_are_what_it_does() {
    vectors::check::<Swaps>(&vectors::swap::vectors(), &rules::swap::Swap);
}
