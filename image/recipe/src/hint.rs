//! "Did you mean": the known word closest to an unknown one.

/// The hint for a word that is none of those known: the closest one, or else all of them.
pub(crate) fn for_word(word: &str, known: &[impl AsRef<str>]) -> String {
    match closest(word, known) {
        Some(close) => format!("did you mean `{close}`?"),
        None => {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!("known here: {}", known.join(", "))
        }
    }
}

/// The closest known word, where it is close enough to be a slip: a third of the letters may differ, and swapped
/// neighbours count once. Case and `_` for `-` are not counted at all.
pub(crate) fn closest<'a>(word: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    const LONGEST: usize = 40;
    if word.chars().take(LONGEST + 1).count() > LONGEST {
        return None;
    }
    let word = word.to_lowercase().replace('_', "-");
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate.as_ref()), candidate.as_ref()))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["packages", "permissions", "kernel-command-line", "esp"];
        assert_eq!(closest("pakages", &known), Some("packages"));
        assert_eq!(closest("package", &known), Some("packages"));
        assert_eq!(closest("kernel_command_line", &known), Some("kernel-command-line"));
        assert_eq!(closest("eps", &known), Some("esp"));
        assert_eq!(closest("volumes", &known), None);
        assert_eq!(closest(&"x".repeat(1_000_000), &known), None);
        assert!(for_word("volumes", &known).starts_with("known here: packages, "));
    }
}
