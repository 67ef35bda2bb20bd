//! The tree of an image after each of its layers, in memory: names, folders and what they refer to.
//!
//! All paths of layers are looked up here and nowhere else, as a process inside the tree would look them up, so that no
//! symbolic link of an image can lead out of it. Trees share what is the same in them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Fault;
use crate::inode::{Content, Inode, Place, meta_of, xattrs_of};
use crate::layer::{Change, MEMBER, Memory, What, clean};
use crate::tar_stream::{Meta, Time, shown};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names of AUFS's own at the root, which are no whiteouts, and what is below them.
const AUFS: &[u8] = b".wh..wh.";
/// Where AUFS kept files with several names: a layer's hard links may lead there.
const AUFS_LINKS: &[u8] = b".wh..wh.plnk/";
/// The most symbolic links in one path; the system's limit is 40.
const MAX_LINKS: usize = 40;
/// The longest real path, in bytes: the system's limit of 4096, less the slash at its start and the zero at its end.
const MAX_PATH: usize = 4094;
/// What a name in a folder takes in memory besides its bytes, roughly.
const ENTRY: usize = 64;

type Name = Box<[u8]>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Folder {
    pub(crate) meta: Meta,
    pub(crate) names: BTreeMap<Name, Node>,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Folder(Arc<Folder>),
    Inode(Arc<Inode>),
}

#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) root: Arc<Folder>,
}

/// Makes an inode like another one but for owner, mode, time and attributes.
pub(crate) type Remake<'a> = &'a mut dyn FnMut(&Inode, &Meta) -> Result<Arc<Inode>, Fault>;

impl Tree {
    /// An empty tree. Its root belongs to the engine: 755, root's, and of the given time.
    pub(crate) fn new(time: Time) -> Self {
        let meta = Meta { mode: 0o755, mtime: time, ..Meta::default() };
        Self { root: Arc::new(Folder { meta, names: BTreeMap::new() }) }
    }

    /// The tree of a layer that is there.
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Self { root: Arc::new(read_folder(path, &mut HashMap::new())?) })
    }

    /// Applies a layer's changes in their order. The room of folders that it adds or changes without stating them is taken
    /// from `memory`.
    pub(crate) fn apply(&mut self, changes: &[Change], memory: &Memory, remake: Remake<'_>) -> Result<(), Fault> {
        let opaque = changes.iter().any(|change| change.name.ends_with(OPAQUE));
        let written = opaque.then(HashSet::new);
        let mut layer = Layer { tree: self, memory, written, aufs_links: HashMap::new() };
        for change in changes {
            layer.apply(change, remake).map_err(|why| why.at(shown(&change.name)))?;
        }
        Ok(())
    }

    /// The file that the system would open for `name` below the tree's folder, if no absolute link is on the way: such a
    /// link leads out of the folder for somebody who is not inside the tree.
    pub(crate) fn opened(&self, name: &[u8]) -> Option<&Arc<Inode>> {
        let mut todo: VecDeque<Name> = parts(name).map(Name::from).collect();
        let mut way: Vec<&Folder> = vec![&self.root];
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            if &*part == b".." {
                way.pop();
                way.last()?;
                continue;
            }
            match way.last()?.names.get(&part)? {
                Node::Folder(inner) => way.push(inner),
                Node::Inode(inode) => match &inode.content {
                    Content::Symlink(target) => {
                        links += 1;
                        if target.starts_with(b"/") || links > MAX_LINKS {
                            return None;
                        }
                        for part in parts(target).rev() {
                            todo.push_front(Name::from(part));
                        }
                    }
                    _ if todo.is_empty() => return Some(inode),
                    _ => return None,
                },
            }
        }
        None
    }

    fn folder(&self, path: &[Name]) -> Option<&Folder> {
        let mut folder = &*self.root;
        for name in path {
            match folder.names.get(name)? {
                Node::Folder(inner) => folder = inner,
                Node::Inode(_) => return None,
            }
        }
        Some(folder)
    }

    /// The folder at a path that was resolved; missing ones are made like the engine makes them.
    fn folder_mut(&mut self, path: &[Name], time: Time, memory: &Memory) -> Result<&mut Folder, Fault> {
        let mut folder = own(&mut self.root, memory)?;
        for name in path {
            if !folder.names.contains_key(name) {
                memory.take(3 * MEMBER + name.len())?;
                let meta = Meta { mode: 0o755, mtime: time, ..Meta::default() };
                let implied = Folder { meta, names: BTreeMap::new() };
                folder.names.insert(name.clone(), Node::Folder(Arc::new(implied)));
            }
            let Some(Node::Folder(inner)) = folder.names.get_mut(name) else {
                unreachable!("a resolved path has folders only")
            };
            folder = own(inner, memory)?;
        }
        Ok(folder)
    }

    /// Where the folder `path` really is. Its end may be missing.
    fn resolve(&self, path: &[u8]) -> Result<Vec<Name>, String> {
        let mut todo: VecDeque<Name> = parts(path).map(Name::from).collect();
        let mut real: Vec<Name> = Vec::new();
        // The folders on the way, from the root; none where they are missing.
        let mut way: Vec<Option<&Folder>> = vec![Some(&self.root)];
        let (mut links, mut length) = (0, 0);
        while let Some(part) = todo.pop_front() {
            if &*part == b".." {
                // At the root it stays at the root, as for a process in the image.
                if let Some(left) = real.pop() {
                    length -= left.len() + 1;
                    way.pop();
                }
                continue;
            }
            let inner = match way.last().copied().flatten().and_then(|folder| folder.names.get(&part)) {
                None => None,
                Some(Node::Folder(inner)) => Some(&**inner),
                Some(Node::Inode(inode)) => {
                    let Content::Symlink(target) = &inode.content else {
                        return Err(format!("{} is no folder", shown(&join(&real, &part))));
                    };
                    links += 1;
                    if links > MAX_LINKS {
                        return Err("too many symbolic links".to_owned());
                    }
                    if target.starts_with(b"/") {
                        real.clear();
                        way.truncate(1);
                        length = 0;
                    }
                    for part in parts(target).rev() {
                        todo.push_front(Name::from(part));
                    }
                    continue;
                }
            };
            length += part.len() + 1;
            if length > MAX_PATH {
                return Err(format!("lies deeper than a path of {MAX_PATH} bytes reaches"));
            }
            real.push(part);
            way.push(inner);
        }
        Ok(real)
    }

    /// Puts `new` in all places of `old`.
    fn replace(&mut self, old: &Arc<Inode>, new: &Arc<Inode>) {
        fn holds(folder: &Folder, old: &Arc<Inode>) -> bool {
            folder.names.values().any(|node| match node {
                Node::Folder(inner) => holds(inner, old),
                Node::Inode(inode) => Arc::ptr_eq(inode, old),
            })
        }
        fn walk(folder: &mut Arc<Folder>, old: &Arc<Inode>, new: &Arc<Inode>) {
            // What does not hold it stays shared with other trees.
            if !holds(folder, old) {
                return;
            }
            for node in Arc::make_mut(folder).names.values_mut() {
                match node {
                    Node::Folder(inner) => walk(inner, old, new),
                    Node::Inode(inode) if Arc::ptr_eq(inode, old) => *inode = new.clone(),
                    Node::Inode(_) => {}
                }
            }
        }
        walk(&mut self.root, old, new);
    }
}

/// A layer that is being applied.
struct Layer<'a> {
    tree: &'a mut Tree,
    memory: &'a Memory,
    /// The real paths that this layer has written, which its opaque folders keep; none when it has no such folder.
    written: Option<HashSet<Vec<u8>>>,
    /// Files in [`AUFS_LINKS`], which are in the tree by the hard links to them alone.
    aufs_links: HashMap<Arc<[u8]>, Arc<Inode>>,
}

impl Layer<'_> {
    fn apply(&mut self, change: &Change, remake: Remake<'_>) -> Result<(), Fault> {
        if change.name.is_empty() {
            return self.root(&change.what);
        }
        if change.name.starts_with(AUFS) && *change.name != *OPAQUE {
            if let What::Inode(inode) = &change.what
                && change.name.starts_with(AUFS_LINKS)
            {
                self.aufs_links.insert(change.name.clone(), inode.clone());
            }
            return Ok(());
        }
        let (parent, base) = split(&change.name);
        let time = match &change.what {
            What::Folder(meta) | What::Link { meta, .. } => meta.mtime,
            What::Inode(inode) => inode.meta.mtime,
        };
        let parent = self.tree.resolve(parent)?;
        let path = join(&parent, base);
        if path.len() > MAX_PATH {
            return Err(format!("lies deeper than a path of {MAX_PATH} bytes reaches").into());
        }
        let folder = self.tree.folder_mut(&parent, time, self.memory)?;
        if base == OPAQUE {
            let prefix = join(&parent, b"");
            let written = self.written.as_ref().expect("the layer has an opaque folder");
            hide(folder, &prefix, written);
            return Ok(());
        }
        if let Some(hidden) = base.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err("is a whiteout of no file".into());
            }
            folder.names.remove(hidden);
            return Ok(());
        }
        match &change.what {
            What::Folder(meta) => match folder.names.get_mut(base) {
                Some(Node::Folder(there)) => restate(&mut own(there, self.memory)?.meta, meta),
                _ => {
                    let new = Folder { meta: (**meta).clone(), names: BTreeMap::new() };
                    folder.names.insert(base.into(), Node::Folder(Arc::new(new)));
                }
            },
            What::Inode(inode) => {
                folder.names.insert(base.into(), Node::Inode(inode.clone()));
            }
            What::Link { to, meta } => self.link(&parent, base, to, meta, remake)?,
        }
        if let Some(written) = &mut self.written {
            written.insert(path);
        }
        Ok(())
    }

    /// The layer's entry for the root itself, as in `./`.
    fn root(&mut self, what: &What) -> Result<(), Fault> {
        let What::Folder(meta) = what else { return Err("would put something else in the place of the root".into()) };
        restate(&mut own(&mut self.tree.root, self.memory)?.meta, meta);
        Ok(())
    }

    fn link(&mut self, parent: &[Name], base: &[u8], to: &[u8], meta: &Meta, remake: Remake<'_>) -> Result<(), Fault> {
        let missing = || format!("is a hard link to {}, which is not there", shown(to));
        if to.starts_with(AUFS_LINKS) {
            // The file states its owner and mode, as for the engine; the link to it does not.
            let inode = self.aufs_links.get(to).ok_or_else(missing)?.clone();
            let folder = self.tree.folder_mut(parent, meta.mtime, self.memory)?;
            folder.names.insert(base.into(), Node::Inode(inode));
            return Ok(());
        }
        let (to_parent, to_base) = split(to);
        let to_parent = self.tree.resolve(to_parent)?;
        // What has the new name goes first, as in the engine.
        self.tree.folder_mut(parent, meta.mtime, self.memory)?.names.remove(base);
        let target = self.tree.folder(&to_parent).and_then(|f| f.names.get(to_base)).ok_or_else(missing)?;
        let Node::Inode(target) = target else {
            return Err(format!("is a hard link to {}, which is a folder", shown(to)).into());
        };
        let mut inode = target.clone();
        if differs(&inode, meta) {
            // The link's own header changes the file under all its names, but not in the layers below.
            let new = remake(&inode, meta)?;
            self.tree.replace(&inode, &new);
            inode = new;
        }
        let folder = self.tree.folder_mut(parent, meta.mtime, self.memory)?;
        folder.names.insert(base.into(), Node::Inode(inode));
        Ok(())
    }
}

/// The folder, for this tree alone.
fn own<'f>(folder: &'f mut Arc<Folder>, memory: &Memory) -> Result<&'f mut Folder, Fault> {
    if Arc::strong_count(folder) > 1 {
        memory.take(folder.names.keys().map(|name| name.len() + ENTRY).sum())?;
    }
    Ok(Arc::make_mut(folder))
}

/// A layer states a folder that is there: attributes that it does not name stay.
fn restate(folder: &mut Meta, stated: &Meta) {
    let xattrs = merged(&folder.xattrs, &stated.xattrs);
    *folder = Meta { xattrs, ..stated.clone() };
}

/// Whether a hard link's header says something else than its file has. Mode and time of a symbolic link are not taken
/// from it.
fn differs(inode: &Inode, meta: &Meta) -> bool {
    let have = &inode.meta;
    let same_owner = (have.uid, have.gid) == (meta.uid, meta.gid);
    let same_rest = (have.mode, have.mtime) == (meta.mode, meta.mtime)
        && meta.xattrs.iter().all(|attribute| have.xattrs.contains(attribute));
    match inode.content {
        Content::Missing => false,
        Content::Symlink(_) => !same_owner,
        Content::File | Content::Special => !(same_owner && same_rest),
    }
}

/// Attributes with others set over them.
pub(crate) fn merged(old: &[(Vec<u8>, Vec<u8>)], new: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all: BTreeMap<_, _> = old.iter().chain(new).cloned().collect();
    all.into_iter().collect()
}

/// Removes what is in `folder` and was not written by this layer.
fn hide(folder: &mut Folder, prefix: &[u8], written: &HashSet<Vec<u8>>) {
    folder.names.retain(|name, node| {
        let mut path = prefix.to_vec();
        path.extend_from_slice(name);
        if !written.contains(&path) {
            return false;
        }
        if let Node::Folder(inner) = node {
            path.push(b'/');
            hide(Arc::make_mut(inner), &path, written);
        }
        true
    });
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".")
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// `a/b/base`; with an empty base, the prefix of what is in `a/b`.
fn join(folders: &[Name], base: &[u8]) -> Vec<u8> {
    let mut path = Vec::new();
    for folder in folders {
        path.extend_from_slice(folder);
        path.push(b'/');
    }
    path.extend_from_slice(base);
    path
}

fn read_folder(path: &Path, links: &mut HashMap<(u64, u64), Arc<Inode>>) -> std::io::Result<Folder> {
    let mut meta = meta_of(&path.symlink_metadata()?);
    meta.xattrs = xattrs_of(path)?;
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let stat = entry.metadata()?;
        let path = entry.path();
        let node = if stat.is_dir() {
            Node::Folder(Arc::new(read_folder(&path, links)?))
        } else if let Some(inode) = links.get(&(stat.dev(), stat.ino())) {
            Node::Inode(inode.clone())
        } else {
            let content = if stat.is_symlink() {
                Content::Symlink(std::fs::read_link(&path)?.into_os_string().into_vec())
            } else if stat.is_file() {
                Content::File
            } else {
                Content::Special
            };
            let inode = Arc::new(Inode { place: Place::At(path), content, meta: meta_of(&stat) });
            if stat.nlink() > 1 {
                links.insert((stat.dev(), stat.ino()), inode.clone());
            }
            Node::Inode(inode)
        };
        names.insert(entry.file_name().as_bytes().into(), node);
    }
    Ok(Folder { meta, names })
}

/// Whether a name of a layer, cleaned, is the file that an engine would open for it.
pub(crate) fn finds(tree: &Tree, name: &[u8], inode: &Arc<Inode>) -> bool {
    clean(name).is_some_and(|name| tree.opened(&name).is_some_and(|found| Arc::ptr_eq(found, inode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inode(name: &str, content: Content) -> Arc<Inode> {
        Arc::new(Inode { place: Place::At(name.into()), content, meta: Meta { mode: 0o644, ..Meta::default() } })
    }

    fn file(name: &str) -> Change {
        Change { name: name.as_bytes().into(), what: What::Inode(inode(name, Content::File)) }
    }

    fn folder(name: &str) -> Change {
        Change { name: name.as_bytes().into(), what: What::Folder(Box::new(Meta { mode: 0o700, ..Meta::default() })) }
    }

    fn symlink(name: &str, to: &str) -> Change {
        Change { name: name.as_bytes().into(), what: What::Inode(inode(name, Content::Symlink(to.into()))) }
    }

    fn link(name: &str, to: &str, mode: u32) -> Change {
        let meta = Meta { mode, ..Meta::default() };
        let meta = Box::new(meta);
        Change { name: name.as_bytes().into(), what: What::Link { to: to.as_bytes().into(), meta } }
    }

    fn remake(old: &Inode, meta: &Meta) -> Result<Arc<Inode>, Fault> {
        Ok(Arc::new(Inode {
            place: Place::At(old.path().join("remade")),
            content: old.content.clone(),
            meta: meta.clone(),
        }))
    }

    fn list(tree: &Tree) -> Vec<String> {
        fn walk(folder: &Folder, prefix: &str, out: &mut Vec<String>) {
            for (name, node) in &folder.names {
                let path = format!("{prefix}{}", String::from_utf8_lossy(name));
                match node {
                    Node::Folder(inner) => {
                        out.push(format!("{path}/"));
                        walk(inner, &format!("{path}/"), out);
                    }
                    Node::Inode(inode) => out.push(format!("{path}={}", inode.path().display())),
                }
            }
        }
        let mut out = Vec::new();
        walk(&tree.root, "", &mut out);
        out
    }

    fn refused(layers: &[&[Change]]) -> String {
        format!("{:?}", applied(layers).unwrap_err())
    }

    fn applied(layers: &[&[Change]]) -> Result<Tree, Fault> {
        let mut tree = Tree::new(Time::default());
        for layer in layers {
            tree.apply(layer, &Memory::default(), &mut remake)?;
        }
        Ok(tree)
    }

    #[test]
    fn whiteouts_hide_what_is_below_and_opaque_folders_keep_what_is_new() {
        let base = [folder("d"), file("d/a"), file("d/b"), folder("d/s"), file("d/s/x"), file("c")];
        let top = [file("d/new"), file("d/.wh..wh..opq"), file(".wh.c"), file("d/after")];
        assert_eq!(list(&applied(&[&base, &top]).unwrap()), ["d/", "d/after=d/after", "d/new=d/new"]);
        let one = [file("d/.wh.s")];
        assert_eq!(list(&applied(&[&base, &one]).unwrap()), ["c=c", "d/", "d/a=d/a", "d/b=d/b"]);
        for bad in [".wh.", "d/.wh..", "d/.wh..."] {
            assert!(applied(&[&base, &[file(bad)]]).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_and_folders_replace_each_other() {
        let tree = applied(&[&[folder("a"), file("a/x"), file("b")], &[file("a"), folder("b"), file("b/y")]]).unwrap();
        assert_eq!(list(&tree), ["a=a", "b/", "b/y=b/y"]);
        assert!(refused(&[&[file("a"), file("a/x")]]).contains("a is no folder"));
    }

    #[test]
    fn links_are_followed_inside_the_tree_only() {
        let base = [folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib")];
        let tree = applied(&[&base, &[file("lib/x"), file("abs/y")]]).unwrap();
        assert!(
            list(&tree).contains(&"usr/lib/x=lib/x".to_owned()) && list(&tree).contains(&"usr/lib/y=abs/y".to_owned())
        );
        // The engine would find the first content by its name; an absolute link leads it out of the layer's folder.
        assert!(
            tree.opened(b"lib/x").is_some() && tree.opened(b"abs/y").is_none() && tree.opened(b"usr/lib/y").is_some()
        );
        // More `..` than folders end at the root, as for a process in the tree; outside of it they lead elsewhere.
        let tree = applied(&[&base, &[symlink("usr/up", "../../../usr/lib"), file("usr/up/z")]]).unwrap();
        assert!(list(&tree).contains(&"usr/lib/z=usr/up/z".to_owned()) && tree.opened(b"usr/up/z").is_none());
        assert!(refused(&[&[symlink("l", "l"), file("l/x")]]).contains("too many"));
    }

    #[test]
    fn files_of_aufs_are_there_by_the_links_to_them_alone() {
        let layer = [
            folder(".wh..wh.plnk"),
            file(".wh..wh.plnk/7.9"),
            file(".wh..wh.plnk/8.9"),
            folder(".wh..wh.orph/deep"),
            file(".wh..wh.orph/deep/x"),
            file(".wh..wh.aufs"),
            folder("d"),
            link("d/a", ".wh..wh.plnk/7.9", 0o600),
            link("b", ".wh..wh.plnk/7.9", 0o600),
            file("d/.wh..wh..opq"),
        ];
        let tree = applied(&[&[folder("d"), file("d/below"), file("kept")], &layer]).unwrap();
        assert_eq!(list(&tree), ["b=.wh..wh.plnk/7.9", "d/", "d/a=.wh..wh.plnk/7.9", "kept=kept"]);
        // The links are of their own layer.
        assert!(refused(&[&layer, &[link("c", ".wh..wh.plnk/7.9", 0)]]).contains("is not there"));
    }

    #[test]
    fn a_hard_link_changes_its_file_in_this_layer_only() {
        let base = applied(&[&[file("a"), file("other")]]).unwrap();
        let mut top = base.clone();
        top.apply(&[link("b", "a", 0o644)], &Memory::default(), &mut remake).unwrap();
        assert_eq!(list(&top), ["a=a", "b=a", "other=other"]);
        top.apply(&[link("c", "a", 0o600)], &Memory::default(), &mut remake).unwrap();
        assert_eq!(list(&top), ["a=a/remade", "b=a/remade", "c=a/remade", "other=other"]);
        assert_eq!(list(&base), ["a=a", "other=other"]);
        assert!(top.apply(&[link("d", "nothing", 0)], &Memory::default(), &mut remake).is_err());
    }

    #[test]
    fn folders_that_no_member_states_take_from_the_memory_that_is_allowed() {
        // A path of a few kilobytes stands for a thousand folders.
        let deep = [file(&("d/".repeat(1_000) + "f"))];
        let room = |bytes: usize| Memory::with_room(bytes);
        assert!(Tree::new(Time::default()).apply(&deep, &room(1_000_000), &mut remake).is_ok());
        let refused = Tree::new(Time::default()).apply(&deep, &room(800_000), &mut remake).unwrap_err();
        assert!(format!("{refused:?}").contains("MiB of memory"), "{refused:?}");
        // A name in a large folder makes another one of it, with all its names.
        let many: Vec<Change> = (0..10_000).map(|n| file(&n.to_string())).collect();
        let base = applied(&[&many]).unwrap();
        let one = [file("one")];
        assert!(base.clone().apply(&one, &room(1_000_000), &mut remake).is_ok());
        base.clone().apply(&one, &room(600_000), &mut remake).unwrap_err();
    }

    #[test]
    fn a_path_through_links_is_bounded_by_its_real_length() {
        let long = "d/".repeat(1_500);
        let link = |name: &str, to: &str| symlink(name, to);
        let base = [file(&(long.clone() + "f")), link("s", &long)];
        assert!(applied(&[&base, &[file(&("s/".to_owned() + &"e/".repeat(500) + "f"))]]).is_ok());
        let top = [file(&("s/".to_owned() + &"e/".repeat(600) + "f"))];
        assert!(refused(&[&base, &top]).contains("deeper than a path of 4094 bytes"));
        // The longest there is, and one byte more.
        let name = |end: usize| "x".repeat(254) + "/" + &"d/".repeat(1_900) + &"y".repeat(end);
        assert!(applied(&[&[file(&name(4094 - 255 - 3_800))]]).is_ok());
        assert!(refused(&[&[file(&name(4095 - 255 - 3_800))]]).contains("deeper than a path"));
    }
}
