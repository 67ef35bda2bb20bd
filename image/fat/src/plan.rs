//! Where every file and folder goes, decided before anything is written.

use std::collections::BTreeMap;

use crate::date::Stamp;
use crate::entry::{self, Target};
use crate::geometry::{FIRST_CLUSTER, Geometry, Kind};
use crate::short::{self, ShortName};
use crate::{names, volume::Error};

/// The largest file that FAT's 32-bit length can express, in bytes.
const LARGEST_FILE: u64 = u32::MAX as u64;
/// The most entries in a folder (FAT specification, "Directory Structure").
const MOST_ENTRIES: u64 = 65_536;

/// A run of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first cluster; 0 if there is none.
    pub(crate) first: u64,
    /// How many there are.
    pub(crate) count: u64,
}

/// What a folder holds, by name.
#[derive(Debug, Default)]
struct Folder<'a> {
    children: BTreeMap<&'a str, Child<'a>>,
}

#[derive(Debug)]
enum Child<'a> {
    Folder(Folder<'a>),
    /// A file, by its place in the caller's list.
    File(usize),
}

/// The finished plan.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The bytes of every folder and its clusters; of the root folder first.
    pub(crate) folders: Vec<(Run, Vec<u8>)>,
    /// The clusters of every file, in the caller's order.
    pub(crate) files: Vec<Run>,
    /// The first cluster that is free.
    pub(crate) next: u64,
    geometry: Geometry,
    stamp: Stamp,
}

impl Plan {
    /// Plans a volume labelled `label` with files of these paths and sizes in bytes.
    pub(crate) fn new(
        geometry: Geometry,
        stamp: Stamp,
        label: ShortName,
        files: &[(&str, u64)],
    ) -> Result<Self, Error> {
        let root = tree(files);
        let files_runs = vec![Run { first: 0, count: 0 }; files.len()];
        let mut plan = Self { folders: Vec::new(), files: files_runs, next: FIRST_CLUSTER, geometry, stamp };
        let mut bytes = Vec::new();
        entry::push_short(&mut bytes, label, Target::Label, stamp);
        plan.folder(&root, "", bytes, 0, files)?;
        Ok(plan)
    }

    /// What is left, in bytes.
    pub(crate) fn free(&self) -> u64 {
        (self.geometry.clusters + FIRST_CLUSTER - self.next) * self.geometry.cluster
    }

    /// Places a folder, then what it holds; `bytes` has the entries that come before its children's.
    fn folder(
        &mut self,
        folder: &Folder<'_>,
        path: &str,
        mut bytes: Vec<u8>,
        cluster_of_parent: u64,
        files: &[(&str, u64)],
    ) -> Result<Run, Error> {
        let is_root = path.is_empty();
        let run = self.place_folder(folder, path)?;
        if !is_root {
            entry::push_short(&mut bytes, short::DOT, Target::Folder { cluster: run.first }, self.stamp);
            entry::push_short(&mut bytes, short::DOT_DOT, Target::Folder { cluster: cluster_of_parent }, self.stamp);
        }
        let place = self.folders.len();
        self.folders.push((run, Vec::new()));
        // The root folder is called cluster 0 by its children, even where it has a cluster.
        let own = if is_root { 0 } else { run.first };
        let shorts = short::assign(&folder.children.keys().copied().collect::<Vec<_>>());
        for ((name, child), short) in folder.children.iter().zip(shorts) {
            let target = match child {
                Child::Folder(child) => {
                    let path = if is_root { (*name).to_owned() } else { format!("{path}/{name}") };
                    Target::Folder { cluster: self.folder(child, &path, Vec::new(), own, files)?.first }
                }
                Child::File(index) => self.file(*index, files[*index])?,
            };
            entry::push(&mut bytes, name, short, target, self.stamp);
        }
        self.folders[place].1 = bytes;
        Ok(run)
    }

    fn file(&mut self, index: usize, (path, size): (&str, u64)) -> Result<Target, Error> {
        let run = self.place(path, size)?;
        self.files[index] = run;
        Ok(Target::File { cluster: run.first, size: size as u32 })
    }

    fn place_folder(&mut self, folder: &Folder<'_>, path: &str) -> Result<Run, Error> {
        // The root has its label, any other folder has "." and "..".
        let own = if path.is_empty() { 1 } else { 2 };
        let entries = own + folder.children.keys().map(|name| entry::count(name)).sum::<u64>();
        let fixed_root = path.is_empty() && self.geometry.kind != Kind::Fat32;
        let most = if fixed_root { self.geometry.root_entries() } else { MOST_ENTRIES };
        if entries > most {
            return Err(Error::FolderFull { path: format!("/{path}"), entries, most });
        }
        if fixed_root { Ok(Run { first: 0, count: 0 }) } else { self.place(path, entries * entry::LENGTH) }
    }

    fn place(&mut self, path: &str, size: u64) -> Result<Run, Error> {
        let room = self.free().min(LARGEST_FILE);
        if size > room {
            return Err(Error::TooLarge { path: path.into(), size, room });
        }
        let count = size.div_ceil(self.geometry.cluster);
        let first = if count == 0 { 0 } else { self.next };
        self.next += count;
        Ok(Run { first, count })
    }
}

/// Sorts the files into folders; [`names::check`] has made sure that no file is in the way of a folder.
fn tree<'a>(files: &[(&'a str, u64)]) -> Folder<'a> {
    let mut root = Folder::default();
    let mut spelling = BTreeMap::new();
    for (index, (path, _)) in files.iter().enumerate() {
        let mut folder = &mut root;
        let (parents, name) = path.rsplit_once('/').map_or(("", *path), |(parents, name)| (parents, name));
        let mut end = 0;
        for component in parents.split('/').filter(|component| !component.is_empty()) {
            end += component.len() + 1;
            // "EFI" and "efi" are one folder; the spelling that comes first names it.
            let component = *spelling.entry(names::fold(&path[..end])).or_insert(component);
            let child = folder.children.entry(component).or_insert_with(|| Child::Folder(Folder::default()));
            let Child::Folder(next) = child else { unreachable!("{path} needs a file as a folder") };
            folder = next;
        }
        folder.children.insert(name, Child::File(index));
    }
    root
}
