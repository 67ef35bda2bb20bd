//! Tests of the whole way from text to recipe, in one binary because linking several takes longer than running them.

mod arbitrary_text;
mod common;
mod contradictions;
mod extends;
mod schema;
mod twelve_faults;
mod values;
