//! What is promised, in a few lines. The model knows which dumps were acknowledged and whose they are; where they must be,
//! and what a start must do, follows from that.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::operations::{BUNDLES, CONTAINERS, DESTINATIONS, Wish};
use crate::problem::{Kind, Problem};

/// An image by what it is. A path says nothing, and the number of an inode is given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ImageId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) born: SystemTime,
}

/// Whose an image is, and how many dumps were begun in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) container: usize,
    pub(crate) destination: usize,
    pub(crate) dumps: usize,
    /// Whether the hook may still know, from its records, who uses it.
    pub(crate) recorded: bool,
}

/// A container that was started and not yet deleted.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) pid: i32,
    pub(crate) bundle: usize,
    /// The image that its bundle named at the start.
    pub(crate) path: PathBuf,
    /// The one it got; an app that does not require it goes without when another container has it.
    pub(crate) image: Option<ImageId>,
    /// Whether its first process lives.
    pub(crate) lives: bool,
}

/// A dump whose writer was told that it is written: its last write and its close returned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dump {
    pub(crate) size: usize,
    pub(crate) image: ImageId,
}

/// What becomes of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The container gets its directory.
    Succeeds,
    /// A living container has the image: an app that requires its directory does not start, another one goes without.
    IsRefused,
    /// It depends on who is first, or on what the hook has no way to know.
    Either,
}

/// How things stand.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) containers: [Option<Container>; CONTAINERS],
    pub(crate) wishes: [Wish; BUNDLES],
    pub(crate) images: HashMap<ImageId, Image>,
    /// By their numbers.
    pub(crate) dumps: HashMap<u64, Dump>,
    pub(crate) obstructed: [bool; DESTINATIONS],
    /// The container of a start, deletion or poststop that is under way, and the image that a start is about to take.
    pub(crate) under_way: (Option<usize>, Option<PathBuf>),
}

impl Model {
    /// What becomes of a start whose bundle names the image `path`, which is `there`, and which is held by a pin if it is
    /// one of `pinned`. An image that is left over, pinned or not, keeps no app from starting.
    pub(crate) fn start(&self, path: &PathBuf, there: Option<ImageId>, pinned: &HashSet<ImageId>) -> Start {
        let mut users = self.containers.iter().enumerate().filter_map(|(n, user)| Some((n, user.as_ref()?)));
        let user = users.find(|(_, user)| user.lives && user.image.is_some() && user.path == *path);
        let knows = |id: &ImageId| self.images.get(id).is_some_and(|image| image.recorded);
        let (busy, taken) = &self.under_way;
        if taken.as_ref() == Some(path) || user.is_some_and(|(number, _)| *busy == Some(number)) {
            return Start::Either;
        }
        match (user, there.filter(|there| pinned.contains(there))) {
            (Some((_, user)), _) if user.image.is_some_and(|image| knows(&image)) => Start::IsRefused,
            (Some(_), _) => Start::Either,
            (None, Some(left)) if !knows(&left) => Start::Either,
            (None, _) => Start::Succeeds,
        }
    }

    /// A container was started. Gives what is wrong with the image that it got.
    pub(crate) fn started(&mut self, number: usize, container: Container) -> Option<Problem> {
        let destination = self.wishes[container.bundle].destination;
        let others = self.containers.iter().flatten();
        let other = others.filter(|other| other.lives).find(|other| other.image == container.image).cloned();
        let id = container.image;
        self.containers[number] = Some(container);
        let new = Image { container: number, destination, dumps: 0, recorded: true };
        let image = self.images.entry(id?).or_insert(new);
        image.recorded = true;
        if let Some(other) = other {
            return Some(Problem::new(Kind::Owner, format!("container {number} has the image of {other:?}")));
        }
        let is_own = (image.container, image.destination) == (number, destination);
        let what = || format!("container {number} (destination {destination}) was given {image:?}");
        (!is_own).then(|| Problem::new(Kind::Owner, what()))
    }

    /// The hook's records are gone.
    pub(crate) fn lose_records(&mut self) {
        self.images.values_mut().for_each(|image| image.recorded = false);
    }
}

impl Default for Wish {
    fn default() -> Self {
        Self { image: 0, destination: 0, required: true, odd_name: false }
    }
}
