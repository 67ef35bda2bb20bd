//! `extends`: chains, merge rules and where faults of several files are reported.

use crate::common::{SMALLEST, places, read, with};
use helix_recipe::Options;

fn none() -> Options {
    Options::default()
}

#[test]
fn a_chain_is_merged_from_the_oldest_to_the_youngest() {
    let base = format!("abstract: true\n{SMALLEST}hostname: base\nkernel-command-line: [quiet, console=tty0]\n");
    let files = [
        ("r/x.yaml", "extends: sub/middle.yaml\nsummary: Youngest\nkernel-command-line: [quiet, debug]\n"),
        ("r/sub/middle.yaml", "extends: ../base.yaml\npackages: [vim]\nhostname: middle\ndisk: {esp: 1GiB}\n"),
        ("r/base.yaml", &base),
    ];
    let recipe = read(&files, &none()).unwrap();
    assert_eq!(recipe.summary, "Youngest");
    assert_eq!(recipe.hostname, "middle");
    assert_eq!(recipe.packages, ["systemd", "vim"]);
    assert_eq!(recipe.kernel_command_line, ["quiet", "console=tty0", "debug"]);
    assert_eq!((recipe.disk.size.to_string(), recipe.disk.esp.to_string()), ("8GiB".into(), "1GiB".into()));
}

#[test]
fn settings_are_merged_key_by_key_and_lists_of_mappings_appended() {
    let base = format!(
        "{SMALLEST}docker: {{settings: {{a: {{x: 1, l: [1]}}, b: 2}}}}\nchecks: [{{name: one, run: 'true'}}]\n\
         files: [{{source: overlay}}]\n"
    );
    let child = "extends: base.yaml\npackages: [docker.io]\ndocker: {settings: {a: {y: 3, l: [1, 2]}}}\n\
                 checks: [{name: two, run: 'false'}]\nfiles: [{source: overlay}]\n";
    let recipe = read(&[("x.yaml", child), ("base.yaml", &base)], &none()).unwrap();
    let settings = serde_json::to_value(recipe.docker.unwrap().settings).unwrap();
    assert_eq!(settings, serde_json::json!({"a": {"x": 1, "l": [1, 2], "y": 3}, "b": 2}));
    let names: Vec<_> = recipe.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(recipe.files.len(), 2, "only texts are dropped when they repeat");
}

#[test]
fn packages_are_removed_and_may_come_back() {
    let base = SMALLEST.replace("[systemd]", "[systemd, vim, 'linux-image-${architecture}']");
    let read_with = |packages: &str| {
        let child = format!("extends: base.yaml\npackages: {packages}\n");
        read(&[("x.yaml", &child), ("base.yaml", &base)], &none())
    };
    assert_eq!(read_with("[vim-, nano]").unwrap().packages, ["systemd", "linux-image-arm64", "nano"]);
    assert_eq!(read_with("[vim-, vim]").unwrap().packages, ["systemd", "linux-image-arm64", "vim"]);
    assert_eq!(read_with("[linux-image-arm64-]").unwrap().packages, ["systemd", "vim"]);
    assert_eq!(read_with("[systemd]").unwrap().packages, ["systemd", "vim", "linux-image-arm64"]);
    let faults = read_with("[vimm-]").unwrap_err();
    let fault = faults.iter().next().unwrap();
    assert_eq!((fault.line(), fault.column()), (2, 12));
    assert_eq!(fault.message(), "`vimm-` removes a package that nobody added before");
    assert_eq!(fault.hint(), Some("did you mean `vim-`?"));
    let all = places(read_with("[systemd-, vim-, 'linux-image-${architecture}-']"));
    assert_eq!(all, ["x.yaml:2:11 expected at least one entry, found an empty list"]);
}

#[test]
fn a_parents_fault_is_reported_at_the_parents_place_even_where_it_is_overridden() {
    let base = format!("{SMALLEST}hostname: Base!\nlocale: [C]\n");
    let child = "extends: base.yaml\nhostname: good\nlocale: C.UTF-8\ntimezome: Etc/UTC\n";
    let faults = places(read(&[("x.yaml", child), ("base.yaml", &base)], &none()));
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].starts_with("base.yaml:9:11 `Base!` is not a host name"));
    assert!(faults[1].starts_with("base.yaml:10:9 expected a locale ("));
    assert!(faults[2].starts_with("x.yaml:4:1 `timezome` is not a key"));
}

#[test]
fn a_missing_key_is_shown_in_the_recipe_and_not_in_what_it_extends() {
    let whole = format!("abstract: true\n{SMALLEST}");
    let base = whole.replace("release: trixie\n", "").replace("size: 8GiB", "esp: 1GiB");
    assert!(!base.contains("release") && !base.contains("8GiB"), "{base}");
    let files = [("r/x.yaml", "# Ours.\nextends: base.yaml\nhostname: mine\n"), ("r/base.yaml", &base)];
    let faults = places(read(&files, &none()));
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(faults[0], "r/x.yaml:2:1 the key `release` is missing here");
    let inherited = "r/x.yaml:2:1 the key `size` is missing in the mapping on line ";
    assert!(
        faults[1].starts_with(inherited) && faults[1].ends_with(" of r/base.yaml, which is extended here"),
        "{faults:?}"
    );
}

#[test]
fn a_cycle_is_a_fault_that_names_the_circle() {
    let files = [("r/a.yaml", "extends: b.yaml\n"), ("r/b.yaml", "extends: ../r/a.yaml\nsumary: x\n")];
    let faults = places(read(&files, &none()));
    assert_eq!(faults[0], "r/b.yaml:1:10 the recipe extends itself: r/a.yaml → r/b.yaml → r/a.yaml");
    assert!(faults[1].starts_with("r/b.yaml:2:1 `sumary` is not a key"), "other faults are reported as well");
    let own = places(read(&[("a.yaml", "extends: a.yaml\n")], &none()));
    assert_eq!(own, ["a.yaml:1:10 the recipe extends itself: a.yaml → a.yaml"]);
}

#[test]
fn a_missing_parent_is_a_fault_where_it_is_named_and_hides_no_other() {
    let child = "extends: bse.yaml\nhostname: Bad!\n";
    let faults = places(read(&[("r/x.yaml", child)], &none()));
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(faults[0], "r/x.yaml:1:10 `r/bse.yaml`: the file does not exist");
    assert!(faults[1].starts_with("r/x.yaml:2:11 `Bad!` is not a host name"));
}

#[test]
fn a_chain_is_bounded() {
    let texts: Vec<(String, String)> =
        (0..20).map(|n| (format!("{n}.yaml"), format!("extends: {}.yaml\n", n + 1))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let faults = places(read(&files, &none()));
    assert_eq!(faults, ["15.yaml:1:10 more than 16 recipes extend each other"]);
}

#[test]
fn a_recipe_given_as_text_has_no_parent() {
    assert_eq!(
        places(with("extends: base.yaml\n")),
        ["x.yaml:9:10 `base.yaml`: a recipe given as text cannot name another file"]
    );
    let absolute = places(with("extends: /etc/base.yaml\n"));
    assert!(absolute[0].starts_with("x.yaml:9:10 `/etc/base.yaml` is not a path relative to this file"));
}

#[test]
fn an_abstract_recipe_is_no_image_but_its_child_is() {
    let base = format!("abstract: true\n{SMALLEST}");
    let faults = places(read(&[("base.yaml", &base)], &none()));
    assert_eq!(faults, ["base.yaml:1:11 this recipe is abstract: it is only for extending and cannot be built"]);
    assert!(read(&[("x.yaml", "extends: base.yaml\n"), ("base.yaml", &base)], &none()).is_ok());
}

#[test]
fn contradictions_between_files_name_the_other_file() {
    let child = "extends: base.yaml\narchives:\n  - {name: debian, mirror: http://x/, suites: [a], key: k}\n\
                 docker: {}\nunits: {mask: [a.service]}\n";
    let base = format!("{SMALLEST}units: {{enable: [a.service]}}\n");
    let faults = places(read(&[("x.yaml", child), ("base.yaml", &base)], &none()));
    assert_eq!(
        faults,
        [
            "x.yaml:3:12 the name `debian` is taken by the archive on line 6 of base.yaml",
            "x.yaml:4:1 docker is configured, but the packages on line 7 of base.yaml do not bring it",
            "x.yaml:5:16 `a.service` is masked here but enabled on line 9 of base.yaml",
        ]
    );
}
