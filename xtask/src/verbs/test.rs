//! Placeholder.
pub(crate) fn run(_args: &crate::cli::TestArgs) -> Result<(), crate::exit::Failure> { Ok(()) }
