//! `test`: every test of the project, the cheap ones first. CI calls this and nothing else.

mod fuzz;
pub(crate) mod host;
mod parts;
mod pinned;

pub(crate) use host::ensure;
pub(crate) use parts::{needs, succeed};

use std::time::{Duration, Instant};

use crate::cli::{TestArgs, TestPart};
use crate::exit::Failure;

/// How a part ended, and after how long.
struct Ended {
    name: String,
    took: Duration,
    failure: Option<String>,
}

/// Runs the parts one after the other. One that fails does not keep the others from running: all failures are listed at
/// the end.
pub(crate) fn run(args: &TestArgs) -> Result<(), Failure> {
    let runner = parts::Runner::new(args)?;
    let wanted = |part: &&TestPart| args.only.is_empty() || args.only.contains(part);
    let ended: Vec<Ended> = parts::ORDER.iter().filter(wanted).map(|part| run_part(&runner, *part)).collect();
    let summary = summary(&ended);
    crate::ui::out(&format!("\n{summary}"));
    if ended.iter().all(|e| e.failure.is_none()) {
        return Ok(());
    }
    // The message ends with the line that ends a good run, so that whoever reads the end of either stream finds it.
    Err(Failure::Found(format!("not all parts passed\n{summary}")))
}

fn run_part(runner: &parts::Runner, part: TestPart) -> Ended {
    let name = parts::name(part);
    eprintln!("\n== {name}");
    let started = Instant::now();
    let result = ensure(needs(part)).and_then(|()| runner.run(part));
    let took = started.elapsed();
    let failure = result.err();
    match &failure {
        None => eprintln!("== {name}: passed ({:.1} s)", took.as_secs_f32()),
        Some(why) => eprintln!("== {name}: FAILED ({:.1} s)\n{why}", took.as_secs_f32()),
    }
    Ended { name, took, failure }
}

/// A line per part, the failures with their reasons, and the counts alone on the last line.
fn summary(ended: &[Ended]) -> String {
    let mut text = String::new();
    for e in ended {
        let outcome = if e.failure.is_some() { "FAILED" } else { "passed" };
        text.push_str(&format!("{outcome}  {:<10} {:>7.1} s\n", e.name, e.took.as_secs_f32()));
        for line in e.failure.iter().flat_map(|why| why.lines()) {
            text.push_str(&format!("        {line}\n"));
        }
    }
    let failed = ended.iter().filter(|e| e.failure.is_some()).count();
    text.push_str(&format!("{} passed, {failed} failed", ended.len() - failed));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_holds_the_counts_and_nothing_else() {
        let ended = |name: &str, failure: Option<&str>| Ended {
            name: name.into(),
            took: Duration::from_millis(1500),
            failure: failure.map(str::to_owned),
        };
        let text = summary(&[ended("lint", None), ended("unit", Some("two\nreasons")), ended("deny", None)]);
        assert_eq!(text.lines().last(), Some("2 passed, 1 failed"));
        assert!(text.contains("FAILED  unit") && text.contains("        reasons\n"), "{text}");
    }
}
