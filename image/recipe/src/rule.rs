//! Rules for text. A rule is one pattern, which the walk matches and which the editor's schema carries as it is; what
//! `${architecture}` may stand in is therefore part of the pattern.

use regex::Regex;
use std::sync::OnceLock;

/// What a text must look like.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What it is, with its article: "a package name".
    pub(crate) noun: &'static str,
    /// What it looks like, after "expected".
    pub(crate) expected: &'static str,
    /// The pattern, in the part of the syntax that Rust's `regex` and ECMA 262 read alike.
    pub(crate) pattern: &'static str,
    /// The longest text, in characters.
    pub(crate) longest: usize,
    /// Whether `${architecture}` is replaced.
    pub(crate) templated: bool,
    /// Advice for a text that does not match.
    advice: fn(&str) -> Option<String>,
    compiled: OnceLock<Regex>,
}

impl Rule {
    const fn new(noun: &'static str, expected: &'static str, longest: usize, pattern: &'static str) -> Self {
        let advice = no_advice;
        Self { noun, expected, pattern, longest, templated: false, advice, compiled: OnceLock::new() }
    }

    const fn templated(mut self) -> Self {
        self.templated = true;
        self
    }

    const fn advice(mut self, advice: fn(&str) -> Option<String>) -> Self {
        self.advice = advice;
        self
    }

    pub(crate) fn allows(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(self.pattern).expect("the patterns are tested"));
        text.chars().take(self.longest + 1).count() <= self.longest && compiled.is_match(text)
    }

    /// Advice for a text that is not allowed.
    pub(crate) fn advise(&self, text: &str) -> Option<String> {
        if text.chars().take(self.longest + 1).count() > self.longest {
            return Some(format!("it may be {} characters long at most", self.longest));
        }
        if text.contains("${") {
            return Some(match self.templated {
                true => "the only variable is `${architecture}`".into(),
                false => "variables are not replaced here".into(),
            });
        }
        (self.advice)(text)
    }
}

/// One pattern with a name: letters for a static, then noun, what is expected, longest, pattern.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident: $noun:literal, $expected:literal, $longest:literal, $pattern:expr $(, $more:ident($($argument:expr)?))*;)+) => {
        $($(#[$doc])* pub(crate) static $name: Rule = Rule::new($noun, $expected, $longest, $pattern)$(.$more($($argument)?))*;)+
        /// Every rule, so that a test can look at all of them.
        #[cfg(test)]
        static ALL: &[&Rule] = &[$(&$name),+];
    };
}

/// A host with an optional port and a clean path, as a pattern; a login cannot match.
macro_rules! http {
    () => {
        concat!(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/([A-Za-z0-9._~:/?@!&'()*+,;=%-]|", variable!(), r")*)?")
    };
}

macro_rules! variable {
    () => {
        r"\$\{architecture\}"
    };
}

/// One component of a path that is neither empty nor `.` nor `..`.
macro_rules! component {
    () => {
        r"(\.\.[^/\x00-\x1f\x7f$]|\.[^/.\x00-\x1f\x7f$]|[^/.\x00-\x1f\x7f$])[^/\x00-\x1f\x7f$]*"
    };
}

rules! {
    SUMMARY: "a summary", "one line of text", 200, r"^[^\x00-\x1f\x7f]+$";
    RELEASE: "a release", "a codename such as `trixie`", 64, "^[a-z][a-z0-9.-]*$", advice(lower_case);
    SLUG: "a name", "lower-case letters, digits and `-`", 64, "^[a-z0-9-]+$", advice(lower_case);
    MIRROR: "a mirror", "an `http:` or `https:` URL, or `file:///` and a path", 2000,
        concat!("^(", http!(), "|file://(/", component!(), ")+)$"), templated(), advice(url);
    SNAPSHOT_MIRROR: "a snapshot mirror", "an `http:` or `https:` URL", 2000,
        concat!("^", http!(), "$"), templated(), advice(url);
    SNAPSHOT: "a snapshot", "a UTC time such as `20261101T000000Z`", 16, "^[0-9]{8}T[0-9]{6}Z$";
    SUITE: "a suite", "a name such as `trixie-updates`", 128, "^[A-Za-z0-9][A-Za-z0-9._/-]*$";
    COMPONENT: "a component", "a name such as `main`", 128, "^[A-Za-z0-9][A-Za-z0-9._/-]*$";
    /// A name, or a name with `-` behind it, which removes an inherited one.
    PACKAGE: "a package name", "lower-case letters, digits, `+`, `.` and `-`, at least two", 128,
        concat!("^([a-z0-9]|", variable!(), ")([a-z0-9+.-]|", variable!(), ")+$"), templated(), advice(lower_case);
    SOURCE: "a path relative to this file", "a path that does not begin with `/`", 1000,
        r"^[^/\x00-\x1f\x7f$][^\x00-\x1f\x7f$]*$", advice(source_path);
    PATH: "a path in the image", "an absolute path without `.`, `..` and `//`", 1000,
        concat!("^(/|(/", component!(), ")+)$"), advice(image_path);
    OWNER: "an owner", "`user:group`, names or numbers", 70,
        "^([a-z_][a-z0-9_-]{0,30}|[0-9]{1,9}):([a-z_][a-z0-9_-]{0,30}|[0-9]{1,9})$", advice(owner);
    MODE: "a mode", "four octal digits in quotes, such as `\"0755\"`", 4, "^[0-7]{4}$", advice(mode);
    LOCATION: "a URL", "an `http:` or `https:` URL, or `file:` and a path relative to this file", 2000,
        concat!("^(", http!(), r"|file:([^/\x00-\x1f\x7f$]|", variable!(), r")([^\x00-\x1f\x7f$]|", variable!(), ")*)$"),
        templated(), advice(url);
    IMAGE_SOURCE: "a source of an image",
        "`registry:` and a reference, or `archive:`, `layout:` or `build:` and a path relative to this file", 2000,
        concat!(r"^(registry:[a-zA-Z0-9][a-zA-Z0-9._/:@-]*|(archive|layout|build):([^/\x00-\x1f\x7f$]|", variable!(),
            r")([^\x00-\x1f\x7f$]|", variable!(), ")*)$"),
        templated(), advice(image_source);
    IMAGE_NAME: "a name of an image", "a name such as `helix/desktop:latest`, in lower case but for the tag", 400,
        r"^[a-z0-9][a-z0-9._-]*(:[0-9]{1,5}/[a-z0-9][a-z0-9._-]*)?(/[a-z0-9][a-z0-9._-]*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$",
        advice(lower_case);
    LICENCE: "a licence", "a licence as SPDX writes it, such as `MIT OR Apache-2.0`", 200, r"^[A-Za-z0-9][A-Za-z0-9.+() -]*$";
    ARGUMENT: "an argument", "text without control characters", 4096, r"^[^\x00-\x1f\x7f]+$";
    ASSIGNMENT: "an assignment", "`NAME=value`", 4096, r"^[A-Za-z_][A-Za-z0-9_.-]*=[^\x00-\x1f\x7f]*$";
    CONTAINER_USER: "a user in a container", "a name or number, with a group behind a colon or without", 70,
        "^([a-z_][a-z0-9_-]{0,30}|[0-9]{1,9})(:([a-z_][a-z0-9_-]{0,30}|[0-9]{1,9}))?$", advice(lower_case);
    PORT: "a port", "a number and `/tcp` or `/udp`", 9, "^[0-9]{1,5}/(tcp|udp)$", advice(port);
    SHA256: "a SHA-256 digest", "64 lower-case hexadecimal digits", 64, "^[0-9a-f]{64}$", advice(lower_case);
    USER: "a user name", "a lower-case letter, then letters, digits, `_` and `-`, 31 at most", 31,
        "^[a-z_][a-z0-9_-]{0,30}$", advice(lower_case);
    GROUP: "a group name", "a lower-case letter, then letters, digits, `_` and `-`, 31 at most", 31,
        "^[a-z_][a-z0-9_-]{0,30}$", advice(lower_case);
    UNIT: "a unit name", "a name with its type, such as `docker.service`", 255,
        r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|timer|mount|automount|path|device|swap|slice|scope)$", advice(unit);
    HOSTNAME: "a host name", "lower-case letters, digits and `-` in labels of 63 characters at most", 64,
        r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$", advice(lower_case);
    LOCALE: "a locale", "a name such as `C.UTF-8` or `de_DE.UTF-8`", 64, "^[A-Za-z0-9][A-Za-z0-9_.@-]*$";
    TIMEZONE: "a time zone", "a name such as `Etc/UTC` or `Europe/Berlin`", 64,
        "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
    KERNEL_ARGUMENT: "a kernel argument", "one line of text; `$` only in `${architecture}`", 512,
        concat!(r"^([^\x00-\x1f\x7f$]|", variable!(), ")+$"), templated();
    COMMAND: "a command", "text for `sh -c`", 16_384, r"^[^\x00]+$";
    OUTPUT: "an expected output", "text", 16_384, r"^[^\x00]*$";
    SIZE: "a size", "a whole number and B, KiB, MiB, GiB or TiB", 32, "^[0-9]+(B|KiB|MiB|GiB|TiB)$";
    TIMEOUT: "a timeout", "a whole number and s or m, more than 0", 16, "^0*[1-9][0-9]*(s|m)$";
}

fn no_advice(_: &str) -> Option<String> {
    None
}

fn lower_case(text: &str) -> Option<String> {
    text.contains(|c: char| c.is_ascii_uppercase()).then(|| "write it in lower case".into())
}

fn mode(text: &str) -> Option<String> {
    matches!(text.len(), 1..=3).then(|| format!("write all four digits: `\"{text:0>4}\"`"))
}

fn unit(text: &str) -> Option<String> {
    (!text.contains('.')).then(|| format!("did you mean `{text}.service`?"))
}

fn owner(text: &str) -> Option<String> {
    (!text.contains(':') && USER.allows(text)).then(|| format!("did you mean `{text}:{text}`?"))
}

fn url(text: &str) -> Option<String> {
    if text.contains("://") && text.split('/').nth(2).is_some_and(|host| host.contains('@')) {
        return Some("a login does not belong into a recipe, which becomes part of the image's manifest".into());
    }
    if text.starts_with("file:/") {
        return Some("a `file:` URL is `file:` and a path relative to this file".into());
    }
    match text.split_once("://") {
        None => Some("a URL begins with `https://`".into()),
        Some(("http" | "https", _)) => None,
        Some((scheme, _)) => Some(format!("the scheme {} is not supported", crate::node::quote(scheme))),
    }
}

fn image_source(text: &str) -> Option<String> {
    let (kind, place) = text.split_once(':').unwrap_or(("", text));
    match kind {
        "archive" | "layout" | "build" => source_path(place),
        _ => Some(format!("for an image of a registry, write `registry:{text}`")),
    }
}

fn port(text: &str) -> Option<String> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| format!("write `{text}/tcp`"))
}

fn source_path(text: &str) -> Option<String> {
    text.starts_with('/').then(|| "an absolute path would tie the recipe to one machine".into())
}

fn image_path(text: &str) -> Option<String> {
    if !text.starts_with('/') {
        return Some("begin the path with `/`: it is a path in the image".into());
    }
    if text.split('/').any(|part| part == "..") {
        return Some("write the path without `..`".into());
    }
    let trimmed = text.trim_end_matches('/');
    (PATH.allows(trimmed)).then(|| format!("leave out the `/` at the end: `{trimmed}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &Rule, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule.allows(text), "{} must allow {text:?}", rule.noun);
        }
        for text in bad {
            assert!(!rule.allows(text), "{} must refuse {text:?}", rule.noun);
        }
    }

    #[test]
    fn every_pattern_compiles_is_anchored_and_refuses_what_nothing_may_contain() {
        for rule in ALL {
            assert!(rule.pattern.starts_with('^') && rule.pattern.ends_with('$'), "{}", rule.pattern);
            assert!(!rule.allows("a\0b"), "{} must refuse NUL", rule.noun);
            assert!(!rule.allows(&"a".repeat(rule.longest + 1)), "{} must be bounded", rule.noun);
            assert_eq!(rule.pattern.contains(variable!()), rule.templated, "{}", rule.noun);
        }
    }

    #[test]
    fn paths_in_the_image_are_absolute_and_clean() {
        let good = ["/", "/etc", "/etc/sudoers.d/helix", "/.config/..x", "/a b"];
        check(&PATH, &good, &["", "etc", "//", "/etc/", "/etc//x", "/./x", "/x/.", "/..", "/x/../y", "/x\n", "/$HOME"]);
    }

    #[test]
    fn urls_have_a_known_scheme_and_no_login() {
        let bad =
            ["ftp://x/", "https:/x", "https://u:p@x/", "https://x/a b", "https://x/$HOME", "https://", "x\nhttps://x"];
        check(&MIRROR, &["http://ftp.debian.org/debian", "https://x:8080", "file:///srv/mirror"], &bad);
        check(&LOCATION, &["https://x/t-${architecture}.tar.gz", "file:local/x.tar", "file:../x"], &bad);
        check(&LOCATION, &[], &["file:/abs", "file:///abs", "file:", "file:a\nb"]);
        check(&MIRROR, &[], &["file://host/x", "file:///x/../y", "file:x"]);
    }

    #[test]
    fn names_follow_their_systems() {
        check(
            &PACKAGE,
            &["g++", "libc6", "linux-image-${architecture}", "vim-"],
            &["a", "A1", "-x", "a_b", "a b", "x${y}"],
        );
        check(&USER, &["helix", "_apt", "a-b"], &["1a", "Helix", "a.b", "", "a:b"]);
        check(
            &UNIT,
            &["docker.service", "getty@tty1.service", r"dev-a\x2d.device"],
            &["docker", "a b.service", "x/y.mount"],
        );
        check(&HOSTNAME, &["helix", "a.b", "a-1"], &["-a", "a-", "a..b", "A", "a_b", ""]);
        check(&TIMEZONE, &["Etc/UTC", "Etc/GMT+1"], &["/etc/passwd", "../x", "a b", "$(x)", "a//b"]);
        check(&LOCALE, &["C.UTF-8", "de_DE.UTF-8@euro"], &["C;x", "a b", "", "../x"]);
        check(&KERNEL_ARGUMENT, &["quiet", "console=tty0", "a=${architecture}"], &["", "a\nb", "a\tb", "$x"]);
        check(&OWNER, &["root:root", "0:0", "1000:docker"], &["root", "root:", ":x", "a:b:c"]);
    }

    #[test]
    fn advice_says_what_to_write() {
        assert_eq!(UNIT.advise("docker").unwrap(), "did you mean `docker.service`?");
        assert_eq!(MODE.advise("755").unwrap(), "write all four digits: `\"0755\"`");
        assert_eq!(OWNER.advise("root").unwrap(), "did you mean `root:root`?");
        assert_eq!(PATH.advise("/etc/").unwrap(), "leave out the `/` at the end: `/etc`");
        assert!(LOCATION.advise("https://u:p@x/").unwrap().contains("login"));
        assert!(PACKAGE.advise("x-${arch}").unwrap().contains("${architecture}"));
    }
}
