//! `cargo xtask`: the one command line of the project. Each verb is one function in `verbs`.

mod cli;
mod exit;
mod ui;
mod verbs;

use clap::Parser;

use cli::{Cli, Verb};

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let json = cli.json;
    let result = match cli.verb {
        Verb::BuildImage(args) => verbs::build_image::run(&args, json),
        Verb::TestImage(args) => verbs::test_image::run(&args, json),
        Verb::Plan(args) => verbs::plan::run(&args, json),
        Verb::Resolve(args) => verbs::resolve::run(&args, json),
        Verb::Inspect(args) => verbs::inspect::run(&args, json),
        Verb::Diff(args) => verbs::diff::run(&args, json),
        Verb::BuildContainer(args) => verbs::build_container::run(&args, json),
        Verb::BuildHostEncoder(args) => verbs::build_host_encoder::run(&args, json),
        Verb::CheckHostEncoder(args) => verbs::check_host_encoder::run(&args, json),
        Verb::DockerGraph(args) => verbs::docker_graph::run(&args, json),
        Verb::Bundle(args) => verbs::bundle::make(&args, json),
        Verb::CheckBundle(args) => verbs::bundle::check(&args, json),
        Verb::Vm(args) => verbs::vm::run(&args, json),
        Verb::Doctor(args) => verbs::doctor::run(&args, json),
        Verb::Schema => verbs::schema::run(),
        Verb::Cache(args) => verbs::cache::run(&args, json),
        Verb::Bench(args) => verbs::bench::run(&args),
        Verb::Test(args) => verbs::test::run(&args),
        Verb::Generate(args) => verbs::generate::run(&args),
    };
    exit::finish(result, json)
}
