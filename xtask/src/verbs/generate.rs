//! `generate`: every file that is made from code, with its `--check` twin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::{Cli, GenerateArgs};
use crate::exit::Failure;
use crate::verbs::picture;

pub(crate) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let root = super::sources()?;
    let files = files()?;
    let stale: Vec<&PathBuf> = files
        .iter()
        .filter(|(path, text)| std::fs::read(root.join(path)).ok().as_deref() != Some(text))
        .map(|(path, _)| path)
        .collect();
    if stale.is_empty() {
        eprintln!("{} generated files are up to date", files.len());
        return Ok(());
    }
    if args.check {
        let list: Vec<String> = stale.iter().map(|p| format!("  {}", p.display())).collect();
        return Err(Failure::Found(format!(
            "generated files are not up to date:\n{}\nwrite them with\n  cargo xtask generate",
            list.join("\n")
        )));
    }
    for path in stale {
        write(&root.join(path), &files[path])?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Other(format!("writing {}: {e}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

/// Every generated file, relative to the project, with its content.
fn files() -> Result<BTreeMap<PathBuf, Vec<u8>>, Failure> {
    let mut files = BTreeMap::new();
    let schema = format!("{:#}\n", helix_recipe::schema());
    files.insert("docs/schema/recipe.schema.json".into(), schema.into_bytes());
    let schema = format!("{:#}\n", helix_recipe::container_schema());
    files.insert("docs/schema/container-recipe.schema.json".into(), schema.into_bytes());
    let page = helix_recipe::container_reference_markdown();
    files.insert("docs/src/container-recipes.md".into(), page.into_bytes());
    files.insert("docs/src/recipes.md".into(), helix_recipe::reference_markdown().into_bytes());
    let exit_codes = format!(
        "<!-- Made by `cargo xtask generate`. -->\n\n# Exit codes\n\nEvery verb of `cargo xtask` ends with one of these:\n\n{}",
        crate::exit::table()
    );
    files.insert("docs/src/exit-codes.md".into(), exit_codes.into_bytes());
    files.insert(picture::PLACE.into(), picture::draw(picture::TEXT).into_bytes());
    let failed = |e: std::io::Error| Failure::Other(format!("making man pages: {e}"));
    man_pages(&Cli::command(), "cargo-xtask", &mut files).map_err(failed)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        generate(shell, &mut Cli::command(), "cargo-xtask", &mut text);
        files.insert(format!("docs/completions/cargo-xtask.{shell}").into(), text);
    }
    Ok(files)
}

/// A page for the command and one for each verb below it.
fn man_pages(command: &clap::Command, name: &str, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.to_owned()).render(&mut text)?;
    files.insert(format!("docs/man/{name}.1").into(), text);
    for verb in command.get_subcommands().filter(|c| c.get_name() != "help") {
        man_pages(verb, &format!("{name}-{}", verb.get_name()), files)?;
    }
    Ok(())
}
