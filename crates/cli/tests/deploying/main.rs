//! `nthroot deploy` and `nthroot verify`, run as people run them, on chains of strangers.

mod cut;
mod dry;
mod factory;
mod manual;
mod meanwhile;
mod refusals;
mod resume;
mod script;
mod sources;
mod stranger;
mod trial;
