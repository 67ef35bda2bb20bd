//! Placeholder.
pub(crate) fn run(_args: &crate::cli::BenchArgs) -> Result<(), crate::exit::Failure> { Ok(()) }
