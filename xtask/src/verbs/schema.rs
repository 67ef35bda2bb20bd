//! `schema`: the JSON schema of recipes.

use crate::exit::Failure;

pub(crate) fn run() -> Result<(), Failure> {
    super::print_json(&helix_recipe::schema());
    Ok(())
}
