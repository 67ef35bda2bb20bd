//! No text makes the parser panic, and every fault has a place that can be shown.

use crate::common::{SMALLEST, one};
use proptest::prelude::*;

/// Reads a text and looks at what comes out.
fn examine(text: &str) {
    match one(text) {
        Ok(recipe) => {
            let again = one(&serde_json::to_string(&recipe).unwrap()).unwrap_or_else(|faults| panic!("{faults}"));
            assert_eq!(recipe, again);
        }
        Err(faults) => {
            assert!(faults.len() > 0 && !faults.to_string().is_empty());
            for fault in faults.iter() {
                assert!(fault.line() > 0 && fault.column() > 0 && fault.length() > 0 && !fault.message().is_empty());
                assert!(fault.line() <= text.split(['\n', '\r']).count().max(1) + 1, "line {}", fault.line());
            }
        }
    }
}

/// Pieces that YAML or the format give a meaning.
fn piece() -> impl Strategy<Value = String> {
    const FIXED: &[&str] = &[
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "!t ",
        "? ",
        "|\n",
        ">\n",
        "\"",
        "'",
        "# ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "~",
        "null",
        "${architecture}",
        "${",
        "-",
        "é",
        "\u{feff}",
        "\u{2028}",
        "\0",
        "extends: x",
        "abstract: true",
        "docker: {}",
        "arm64: ",
        "18446744073709551616",
        "<<: ",
        "\u{85}",
    ];
    prop_oneof![prop::sample::select(FIXED).prop_map(str::to_owned), "[a-z0-9]{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_characters(text in any::<String>()) {
        examine(&text);
    }

    #[test]
    fn any_pieces_of_yaml(pieces in prop::collection::vec(piece(), 0..60)) {
        examine(&pieces.concat());
    }

    #[test]
    fn a_recipe_with_pieces_put_in_and_taken_out(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, piece()), 1..6),
    ) {
        let mut text: Vec<char> = format!("{SMALLEST}units: {{enable: [a.service]}}\nusers:\n- name: x\n  uid: 7\n").chars().collect();
        for (at, cut, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        examine(&text.into_iter().collect::<String>());
    }
}

#[test]
fn many_values_and_many_faults_are_quick_and_a_file_beyond_the_bound_is_not_read() {
    let many = format!("{SMALLEST}kernel-command-line:\n{}", "- a b\n".repeat(50_000));
    assert!(many.len() as u64 <= helix_recipe::LARGEST);
    assert_eq!(one(&many).unwrap().kernel_command_line.len(), 50_000);
    let unknown: String = (0..10_000).map(|n| format!("key-{n}: x\n")).collect();
    let faults = one(&unknown).unwrap_err();
    assert!(faults.len() > 10_000);
    let one_line = format!("{{{}}}", "a: [x], b, ".repeat(20_000));
    assert!(one(&one_line).unwrap_err().len() > 20_000);
    let removals = format!("packages: [{}]", (0..20_000).map(|n| format!("p{n}, q{n}-,")).collect::<String>());
    assert!(one(&removals).unwrap_err().len() > 10_000);
    let long = "#".repeat(helix_recipe::LARGEST as usize + 1);
    assert!(one(&long).unwrap_err().to_string().contains("larger than 1 MiB"));
}
