//! What a registry asks for when it answers 401: challenges of RFC 9110, 11.6.1.

/// One of the ways to authorize that a registry names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `bearer`, `basic` or another, in small letters.
    pub(super) scheme: String,
    fields: Vec<(String, String)>,
}

impl Challenge {
    /// A field that is there and not empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }
}

/// All challenges of all headers, in their order. One header may have several, and registries leave quotes out where a
/// strict reader wants them.
pub(super) fn challenges(headers: &[&str]) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    for part in headers.iter().flat_map(|header| parts(header)) {
        let name_end = part.find(['=', ' ', '\t']).unwrap_or(part.len());
        let (word, rest) = (&part[..name_end], part[name_end..].trim_start());
        let field = match rest.strip_prefix('=') {
            Some(value) => Some((word, value)),
            None => {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), fields: Vec::new() });
                rest.split_once('=')
            }
        };
        if let (Some((name, value)), Some(challenge)) = (field, found.last_mut()) {
            challenge.fields.push((name.trim().to_owned(), unquoted(value.trim())));
        }
    }
    found
}

/// The parts between the commas that stand in no quotes.
fn parts(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let separates = move |c: char| {
        let comma = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        comma
    };
    header.split(separates).map(str::trim).filter(|part| !part.is_empty())
}

/// A value without its quotes and what escapes in them.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else { return value.to_owned() };
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            escaped = c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes(headers: &[&str]) -> Vec<String> {
        challenges(headers).into_iter().map(|c| c.scheme).collect()
    }

    #[test]
    fn fields_are_read_with_and_without_quotes() {
        let header =
            r#"Bearer realm="https://auth.example/token?a=b,c",service = "a \"b\" \\c", scope=repository:a/b:pull"#;
        let found = challenges(&[header]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field("REALM"), Some("https://auth.example/token?a=b,c"));
        assert_eq!(found[0].field("service"), Some(r#"a "b" \c"#));
        assert_eq!(found[0].field("scope"), Some("repository:a/b:pull"));
        assert_eq!(found[0].field("error"), None);
    }

    #[test]
    fn challenges_are_found_in_one_header_and_in_several() {
        assert_eq!(schemes(&["Negotiate", "Basic realm=\"r\"", "Bearer realm=x"]), ["negotiate", "basic", "bearer"]);
        assert_eq!(
            schemes(&[r#"Basic realm="a, Digest b", Bearer realm="x",service=y, NTLM"#]),
            ["basic", "bearer", "ntlm"]
        );
        assert_eq!(schemes(&["Negotiate YIIabc==", "", " , ", "bearer realm=x"]), ["negotiate", "bearer"]);
        assert_eq!(schemes(&["=", "realm=\"open", "\\\""]).len(), 1);
    }
}
