//! Data roots that `docker-graph` makes, judged by real engines of three ages.

#[path = "../../../../image/docker-graph/tests/graph/craft.rs"]
pub(crate) mod craft;
mod desktop;
mod engine;
mod engines;
mod golden;
mod kill;
mod registry;
mod sharing;
