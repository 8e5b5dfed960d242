//! What may happen. An operation is drawn without a look at how things stand, so that a seed always draws the same ones;
//! one that makes no sense just then is passed over.

use crate::support::random::Random;

/// How many container ids there are.
pub(crate) const CONTAINERS: usize = 3;
/// How many bundles they share.
pub(crate) const BUNDLES: usize = 2;
/// How many destinations there are: a plain directory, and a small file system that can be filled.
pub(crate) const DESTINATIONS: usize = 2;
/// How many images the bundles may name.
pub(crate) const IMAGES: usize = 3;

/// The last system call of the hook before which it is killed or held up. Most runs have fewer.
const LAST_KILL: u64 = 60;
const LAST_HOLD: u64 = 160;

/// What makes the hook run. Containers and bundles are given by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A container is created and started from a bundle.
    Start { container: usize, bundle: usize },
    /// A container is deleted; one that runs is killed.
    Delete { container: usize },
    /// Somebody calls poststop by hand, whatever the container does and whether or not there ever was one.
    Poststop { container: usize, bundle: usize },
    /// `sweep`, also where other processes have other numbers: in a pid namespace of its own.
    Sweep { elsewhere: bool },
}

/// What a bundle says of its minidump directory, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) image: usize,
    pub(crate) destination: usize,
    pub(crate) required: bool,
    /// Whether the name of the container's process is not UTF-8: the kernel cuts it in the middle of a character.
    pub(crate) odd_name: bool,
}

/// Something that happens. `which` chooses among what there is just then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Act(Action),
    /// The hook is killed before this system call.
    Killed(Action, u64),
    /// Something else happens meanwhile; unless `held` is 0, the hook is held up before that system call for it.
    Meeting {
        first: Action,
        held: u64,
        meanwhile: Box<Operation>,
    },
    /// A dump is written and closed, by a container or through a pinned mount.
    Write {
        which: usize,
        size: usize,
    },
    /// A dump is written, but for its header.
    Begin {
        which: usize,
        size: usize,
    },
    /// The header is written, and the dump closed.
    Complete {
        which: usize,
    },
    /// The writer dies before the header.
    Abandon {
        which: usize,
    },
    /// A container's first process is killed.
    End {
        container: usize,
    },
    /// A process enters the mount namespace of a container, and stays.
    Pin {
        container: usize,
    },
    Unpin {
        which: usize,
    },
    /// A bundle's configuration changes; containers that run keep what they have.
    Configure {
        bundle: usize,
        wish: Wish,
    },
    /// A destination can take no dumps, or only small ones.
    Obstruct {
        destination: usize,
    },
    Clear {
        destination: usize,
    },
    /// The hook's records are gone, as after a reboot.
    LoseRecords,
}

impl Operation {
    /// What kind of operation it is, for the counts.
    pub(crate) fn kind(&self) -> String {
        let text = format!("{self:?}");
        let text = text.trim_start_matches("Act(");
        let end = text.find([' ', '{', ')']).unwrap_or(text.len());
        text.get(..end).unwrap_or(text).replace('(', " ")
    }

    /// The next operation.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let which = random.between(0, 1000).try_into().unwrap();
        let container = random.one_of(&[0, 1, 2]);
        let bundle = random.one_of(&[0, 1]);
        let destination = random.one_of(&[0, 1]);
        match random.between(0, 100) {
            0..18 => Self::Act(start(random)),
            18..34 => Self::Write { which, size: size(random) },
            34..44 => Self::End { container },
            44..54 => Self::Act(Action::Delete { container }),
            54..56 => Self::Act(poststop(random)),
            56..60 => Self::Act(sweep(random)),
            60..63 => Self::Begin { which, size: size(random) },
            63..66 => Self::Complete { which },
            66 => Self::Abandon { which },
            67..70 => Self::Pin { container },
            70..75 => Self::Unpin { which },
            75..82 => Self::Killed(action(random), random.between(1, LAST_KILL)),
            82..92 => meeting(random),
            92..96 => Self::Configure { bundle, wish: wish(random) },
            96 => Self::Obstruct { destination },
            97..99 => Self::Clear { destination },
            _ => Self::LoseRecords,
        }
    }
}

fn action(random: &mut Random) -> Action {
    match random.between(0, 10) {
        0..4 => start(random),
        4..7 => Action::Delete { container: random.one_of(&[0, 1, 2]) },
        7 => poststop(random),
        _ => sweep(random),
    }
}

fn start(random: &mut Random) -> Action {
    Action::Start { container: random.one_of(&[0, 1, 2]), bundle: random.one_of(&[0, 1]) }
}

fn poststop(random: &mut Random) -> Action {
    Action::Poststop { container: random.one_of(&[0, 1, 2]), bundle: random.one_of(&[0, 1]) }
}

fn sweep(random: &mut Random) -> Action {
    Action::Sweep { elsewhere: random.between(0, 10) == 0 }
}

/// Mostly it is a start that meets something that would harvest what an earlier run has left.
fn meeting(random: &mut Random) -> Operation {
    let first = match random.between(0, 10) {
        0..3 => sweep(random),
        3 => poststop(random),
        _ => action(random),
    };
    let held = if random.between(0, 4) == 0 { 0 } else { random.between(1, LAST_HOLD) };
    let which = random.between(0, 1000).try_into().unwrap();
    let meanwhile = match random.between(0, 10) {
        0 => Operation::Write { which, size: size(random) },
        1 => Operation::Complete { which },
        2 => Operation::End { container: random.one_of(&[0, 1, 2]) },
        3 => Operation::Unpin { which },
        4..7 => Operation::Act(start(random)),
        _ => Operation::Act(action(random)),
    };
    Operation::Meeting { first, held, meanwhile: Box::new(meanwhile) }
}

fn size(random: &mut Random) -> usize {
    let limit = random.one_of(&[200, 2000, 20_000, 200_000]);
    usize::try_from(random.between(0, limit)).unwrap() + crate::dumps::SMALLEST
}

fn wish(random: &mut Random) -> Wish {
    Wish {
        image: random.one_of(&[0, 1, 2]),
        destination: random.one_of(&[0, 1]),
        required: random.between(0, 4) > 0,
        odd_name: random.between(0, 2) == 0,
    }
}
