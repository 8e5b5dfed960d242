//! The way through the directories of an image: every file is seen once, however many names it has, and there are
//! bounds on depth, entries, files and time.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::image::read::files::{Candidate, Kind, Listing, Place, is_dump_name};

/// How many directories deep dumps are looked for: `a/b/c/x.dmp`. Crashpad keeps its database in `new`, `pending` and
/// `completed`, and apps with several processes have a database for each.
pub(super) const MAX_DEPTH: usize = 3;
/// How many files are looked at. Images of ours have 512 at most, those of others may have any number.
pub(super) const MAX_FILES: usize = 65_536;
/// How many bytes a directory entry takes at least.
const SMALLEST_ENTRY: u64 = 12;
/// How many entries are looked at between two looks at the clock.
const STRIDE: u64 = 256;
/// What Crashpad's metadata of `UUID.dmp` ends in.
const META: &[u8] = b".meta";
const DUMP: &[u8] = b".dmp";

/// A directory on the way.
#[derive(Debug)]
pub(super) struct Dir {
    /// Its path, as in [`Place::dir`].
    pub(super) path: Vec<u8>,
    pub(super) inode: u64,
    depth: usize,
}

/// What a reader can do for the walk.
pub(super) trait Tree {
    /// Calls `each` with the name and the inode number of every entry; a directory that has gone has none.
    fn entries(&self, dir: &Dir, each: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()>;

    /// What lies at `place`; `None` when it has gone.
    fn kind(&self, place: &Place) -> Result<Option<Kind>>;
}

/// Bounds that follow from the size of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The most entries that its directories can have, unless they share their blocks.
    entries: u64,
    /// The largest number of an inode.
    inodes: u64,
    deadline: Deadline,
}

impl Limits {
    /// The bounds for an image of `bytes` bytes with `inodes` inodes.
    pub(super) fn new(bytes: u64, inodes: u64, deadline: Deadline) -> Self {
        Self { entries: bytes / SMALLEST_ENTRY, inodes, deadline }
    }
}

/// Lists what is in the image whose root directory has the inode number `root`.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when it holds more than it has room for, or as the reader says; [`ErrorKind::Timeout`] past the
/// deadline.
pub(super) fn walk(tree: &impl Tree, root: u64, limits: Limits) -> Result<Listing> {
    let mut walk = Walk::default();
    walk.dirs.push_back(Dir { path: Vec::new(), inode: root, depth: 0 });
    walk.seen_dirs.insert(root);
    while let Some(dir) = walk.dirs.pop_front() {
        let mut news = HashMap::new();
        tree.entries(&dir, &mut |name, inode| {
            walk.check(limits, inode)?;
            walk.note(&mut news, name, inode);
            Ok(())
        })?;
        // In an order that does not depend on the reader.
        let mut news: Vec<(Vec<u8>, u64)> =
            news.into_iter().map(|((_, inode), name)| (name, inode)).collect();
        news.sort();
        for (name, inode) in news {
            limits.deadline.check("reading the image")?;
            let place = Place { dir: dir.path.clone(), name };
            if let Some(kind) = tree.kind(&place)? {
                walk.add(&dir, place, inode, kind);
            }
        }
    }
    Ok(walk.finish())
}

/// The files of one directory that were in no other: the name of each, by whether it is that of a dump and by the number
/// of the inode.
type News = HashMap<(bool, u64), Vec<u8>>;

/// A file with the name of Crashpad's metadata.
#[derive(Debug)]
struct Meta {
    place: Place,
    inode: u64,
    size: u64,
}

#[derive(Debug, Default)]
struct Walk {
    entries: u64,
    dirs: VecDeque<Dir>,
    seen_dirs: HashSet<u64>,
    /// What was seen by the name of a dump, and what by another name.
    dumps: HashSet<u64>,
    others: HashSet<u64>,
    /// By their paths without the ending.
    metas: HashMap<Vec<u8>, Meta>,
    rest: Vec<(u64, Vec<u8>)>,
    listing: Listing,
}

impl Walk {
    fn check(&mut self, limits: Limits, inode: u64) -> Result<()> {
        self.entries += 1;
        if self.entries > limits.entries || inode > limits.inodes {
            let what = "the directories in the image hold more than it has room for";
            return Err(Error::new(ErrorKind::Corrupt, what));
        }
        if self.entries.is_multiple_of(STRIDE) { limits.deadline.check("reading the image") } else { Ok(()) }
    }

    /// Notes an entry that leads to a file that was not seen before, by the first of its names in the alphabet. A file
    /// that has a dump's name and another one is noted by both.
    fn note(&mut self, news: &mut News, name: &[u8], inode: u64) {
        if name == b"." || name == b".." {
            return;
        }
        let is_dump = is_dump_name(name);
        if let Some(noted) = news.get_mut(&(is_dump, inode)) {
            self.listing.links += u64::from(is_dump);
            if name < noted.as_slice() {
                *noted = name.to_vec();
            }
            return;
        }
        let seen = if is_dump { &mut self.dumps } else { &mut self.others };
        if seen.contains(&inode) {
            self.listing.links += u64::from(is_dump);
        } else if seen.len() >= MAX_FILES {
            self.listing.cut = true;
        } else {
            seen.insert(inode);
            news.insert((is_dump, inode), name.to_vec());
        }
    }

    fn add(&mut self, dir: &Dir, place: Place, inode: u64, kind: Kind) {
        let path = place.path();
        if kind == Kind::Directory && dir.depth == MAX_DEPTH {
            self.rest.push((inode, [path.as_slice(), b"/"].concat()));
        } else if kind == Kind::Directory && self.seen_dirs.insert(inode) {
            self.dirs.push_back(Dir { path: path.clone(), inode, depth: dir.depth + 1 });
        }
        match kind {
            _ if is_dump_name(&place.name) => {
                self.listing.candidates.push(Candidate { place, inode, kind, meta: None });
            }
            Kind::Directory => {}
            Kind::Regular { size, .. } if path.ends_with(META) => {
                let stem = path.strip_suffix(META).unwrap_or_default().to_vec();
                self.metas.insert(stem, Meta { place, inode, size });
            }
            Kind::Regular { .. } | Kind::Other(_) => self.rest.push((inode, path)),
        }
    }

    /// Brings dumps and their metadata together.
    fn finish(mut self) -> Listing {
        for candidate in &mut self.listing.candidates {
            let path = candidate.place.path();
            let meta = self.metas.remove(path.strip_suffix(DUMP).unwrap_or_default());
            candidate.meta = meta.map(|meta| (meta.place, meta.size));
        }
        let unmatched = self.metas.into_values().map(|meta| (meta.inode, meta.place.path()));
        self.rest.extend(unmatched);
        self.rest.sort_by(|a, b| a.1.cmp(&b.1));
        for (inode, path) in self.rest {
            if !self.dumps.contains(&inode) {
                self.listing.rest.add(path);
            }
        }
        self.listing
    }
}
