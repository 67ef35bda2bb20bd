//! The authorities that somebody has added to this computer's trust store.

use std::path::{Path, PathBuf};

use super::Error;
use crate::platform;

/// Certificates that were added, in PEM, each once. What a distribution ships is left out: a guest has it too.
pub(crate) fn added() -> Result<Vec<String>, Error> {
    let variable = std::env::var_os("SSL_CERT_FILE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut text = platform::added_certificates();
    for file in platform::TRUST_ANCHORS.iter().flat_map(|folder| files(folder.as_ref())).chain(variable) {
        let bytes = std::fs::read(&file).map_err(|source| Error::Certificates { path: file, source })?;
        text.push_str(&String::from_utf8_lossy(&bytes));
        text.push('\n');
    }
    let shipped =
        files(platform::SHIPPED_TRUST.as_ref()).into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
    Ok(without(certificates(&text), &certificates(&shipped.collect::<String>())))
}

fn without(certificates: Vec<String>, others: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for certificate in certificates {
        if !others.contains(&certificate) && !kept.contains(&certificate) {
            kept.push(certificate);
        }
    }
    kept
}

/// The files below a folder, which need not be there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The certificates in a text, each in the form of RFC 7468: lines of 64 characters, and nothing beside.
fn certificates(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let bodies = text.split(BEGIN).skip(1).filter_map(|rest| Some(rest.split_once(END)?.0));
    let bodies = bodies.map(|body| body.split_whitespace().collect::<String>());
    let is_base64 = |body: &String| body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let wrapped = |body: String| {
        let lines = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
        format!("{BEGIN}\n{}{END}\n", lines.collect::<String>())
    };
    bodies.filter(|body| !body.is_empty()).filter(is_base64).map(wrapped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_taken_out_of_whatever_is_around_them() {
        let body = "A".repeat(100);
        let text = format!(
            "subject=x\r\n-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\n-----BEGIN PRIVATE KEY-----\nBBBB\n\
             -----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nC$(x)\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nDD"
        );
        let expected =
            format!("-----BEGIN CERTIFICATE-----\n{}\n{}\n-----END CERTIFICATE-----\n", "A".repeat(64), "A".repeat(36));
        assert_eq!(certificates(&text), [expected]);
    }

    #[test]
    fn what_others_have_and_what_is_there_twice_is_left_out() {
        let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(without(vec![a.clone(), b.clone(), a.clone(), c.clone()], &[b]), [a, c]);
    }

    #[test]
    fn files_are_found_at_every_depth() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("b/c")).unwrap();
        for file in ["b/c/two.crt", "a.crt"] {
            std::fs::write(temp.path().join(file), "").unwrap();
        }
        assert_eq!(files(temp.path()), [temp.path().join("a.crt"), temp.path().join("b/c/two.crt")]);
        assert!(files(&temp.path().join("none")).is_empty());
    }
}
