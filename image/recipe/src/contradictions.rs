//! Contradictions: values that are each allowed but not together. They are looked for on the tree, so that they are
//! found even where other values cannot be read. Each is reported at the second of its two places.

use crate::ByteSize;
use crate::node::{Entry, Node, quote};
use crate::source::Span;
use crate::walk::Walk;
use std::collections::HashMap;

/// The packages that bring Docker.
const DOCKER_PACKAGES: [&str; 3] = ["docker.io", "docker-ce", "moby-engine"];

/// What has to be left of the disk beside the ESP.
const SMALLEST_ROOT: ByteSize = ByteSize::from_bytes(1 << 30);

/// Reports every contradiction of a merged tree.
pub(crate) fn report(tree: &Node, walk: &mut Walk) {
    unique(tree, "archives", "name", "archive", walk);
    unique(tree, "users", "name", "user", walk);
    unique(tree, "users", "uid", "user", walk);
    unique(tree, "checks", "name", "check", walk);
    unique(tree, "artifacts", "target", "artifact", walk);
    archives(tree, walk);
    artifacts(tree, walk);
    users(tree, walk);
    units(tree, walk);
    disk(tree, walk);
    docker(tree, walk);
    container_images(tree, walk);
    unique(tree, "layers", "name", "layer", walk);
}

fn items<'a>(tree: &'a Node, list: &str) -> &'a [Node] {
    tree.get(list).map_or(&[], Node::items)
}

/// The two places of a contradiction, the earlier one first.
fn in_order<'a>(one: &'a Span, other: &'a Span) -> (&'a Span, &'a Span) {
    if one.order() <= other.order() { (one, other) } else { (other, one) }
}

/// No two items of a list have the same value at a key.
fn unique(tree: &Node, list: &str, key: &str, noun: &str, walk: &mut Walk) {
    let mut seen: HashMap<&str, &Span> = HashMap::new();
    for node in items(tree, list).iter().filter_map(|item| item.get(key)) {
        let Some(value) = node.text() else { continue };
        match seen.get(value) {
            Some(first) => {
                let first = first.seen_from(&node.span);
                let message = format!("the {key} {} is taken by the {noun} on {first}", quote(value));
                walk.faults.push(node.span.fault(message));
            }
            None => drop(seen.insert(value, &node.span)),
        }
    }
}

fn archives(tree: &Node, walk: &mut Walk) {
    for archive in items(tree, "archives") {
        let (Some(snapshot), None) = (archive.entry("snapshot"), archive.entry("snapshot-mirror")) else { continue };
        let fault = snapshot.span.fault("`snapshot` needs `snapshot-mirror`, which is missing here");
        walk.faults.push(fault.with_hint("for example `snapshot-mirror: https://snapshot.debian.org/archive/debian`"));
    }
}

fn artifacts(tree: &Node, walk: &mut Walk) {
    for artifact in items(tree, "artifacts") {
        let Some(strip) = artifact.entry("strip-components").filter(|entry| entry.value.text() != Some("0")) else {
            continue;
        };
        let unpack = artifact.entry("unpack");
        let message = match unpack {
            Some(unpack) if unpack.value.text() == Some("false") => {
                let (first, _) = in_order(&unpack.span, &strip.span);
                format!(
                    "`strip-components` needs `unpack: true`, but `unpack` is false ({})",
                    place(first, unpack, strip)
                )
            }
            Some(_) => continue,
            None => "`strip-components` needs `unpack: true`".into(),
        };
        let at = unpack.map_or(&strip.span, |unpack| in_order(&unpack.span, &strip.span).1);
        walk.faults.push(at.fault(message));
    }
}

/// Names the first of two entries and its line.
fn place(first: &Span, one: &Entry, other: &Entry) -> String {
    let (entry, second) = if one.span.order() == first.order() { (one, other) } else { (other, one) };
    format!("`{}` is on {}", entry.key, entry.span.seen_from(&second.span))
}

fn users(tree: &Node, walk: &mut Walk) {
    for name in items(tree, "users").iter().filter_map(|user| user.get("name")) {
        if name.text() == Some("root") {
            let fault = name.span.fault("the user `root` exists already and cannot be created");
            walk.faults.push(fault.with_hint("give an ordinary user `sudo: true`"));
        }
    }
}

/// No unit is both enabled and masked or disabled.
fn units(tree: &Node, walk: &mut Walk) {
    let Some(units) = tree.get("units") else { return };
    let enabled: HashMap<&str, &Span> =
        items(units, "enable").iter().filter_map(|unit| Some((unit.text()?, &unit.span))).collect();
    for (list, done) in [("disable", "disabled"), ("mask", "masked")] {
        for unit in items(units, list) {
            let Some((name, enable)) = unit.text().and_then(|name| Some((name, *enabled.get(name)?))) else { continue };
            let (first, second) = in_order(enable, &unit.span);
            let (first_is, second_is) = if std::ptr::eq(first, enable) { ("enabled", done) } else { (done, "enabled") };
            let message = format!("{} is {second_is} here but {first_is} on {}", quote(name), first.seen_from(second));
            walk.faults.push(second.fault(message));
        }
    }
}

/// Beside the ESP there is room for a root file system.
fn disk(tree: &Node, walk: &mut Walk) {
    let Some(disk) = tree.get("disk") else { return };
    let read = |node: &Node| node.text().and_then(|text| text.parse::<ByteSize>().ok());
    let Some((size_at, size)) = disk.get("size").and_then(|node| Some((&node.span, read(node)?))) else { return };
    let default = ByteSize::from_bytes(512 << 20);
    let (esp_at, esp) = match disk.get("esp").map(|node| (&node.span, read(node))) {
        Some((at, Some(esp))) => (Some(at), esp),
        Some((_, None)) => return,
        None => (None, default),
    };
    if esp.checked_add(SMALLEST_ROOT).is_some_and(|needed| needed <= size) {
        return;
    }
    let message = format!("a disk of {size} has no room for an ESP of {esp} and a root file system of at least 1GiB");
    let fault = match esp_at.map(|esp_at| in_order(size_at, esp_at)) {
        Some((first, second)) => {
            let what = if std::ptr::eq(first, size_at) { "size" } else { "esp" };
            second.fault(format!("{message} (`{what}` is on {})", first.seen_from(second)))
        }
        None => size_at.fault(message),
    };
    walk.faults.push(fault);
}

/// Container images are written for one storage driver.
fn container_images(tree: &Node, walk: &mut Walk) {
    let Some(images) = tree.entry("container-images").filter(|images| !images.value.items().is_empty()) else { return };
    let Some(driver) = tree.get("docker").and_then(|docker| docker.entry("storage-driver")) else { return };
    if driver.value.text() == Some("overlay2") {
        let (first, second) = in_order(&images.span, &driver.span);
        let first = first.seen_from(second);
        let message = format!("container images need the storage driver vfs, but it is overlay2 (see {first})");
        walk.faults.push(second.fault(message));
    }
}

/// A docker section needs a package that brings Docker, and its settings repeat no key of its own.
fn docker(tree: &Node, walk: &mut Walk) {
    let Some(docker) = tree.entry("docker") else { return };
    let settings = docker.value.get("settings").map_or(&[][..], Node::entries);
    for entry in settings.iter().filter(|entry| ["storage-driver", "data-root"].contains(&entry.key.as_str())) {
        let fault = entry.span.fault(format!("`{}` cannot be among the free settings", entry.key));
        walk.faults.push(fault.with_hint(format!("it is a key of `docker` itself: `docker.{}`", entry.key)));
    }
    let Some(packages) = tree.entry("packages").filter(|_| !walk.partial) else { return };
    let has = |name: &str| packages.value.items().iter().any(|package| package.text() == Some(name));
    if !packages.value.items().is_empty() && !DOCKER_PACKAGES.into_iter().any(has) {
        let (first, second) = in_order(&packages.span, &docker.span);
        let message = if std::ptr::eq(first, &packages.span) {
            format!("docker is configured, but the packages on {} do not bring it", first.seen_from(second))
        } else {
            format!("these packages do not bring docker, which is configured on {}", first.seen_from(second))
        };
        let advice = format!("add one of the packages {}", crate::choice::one_of(&DOCKER_PACKAGES));
        walk.faults.push(second.fault(message).with_hint(advice));
    }
}
