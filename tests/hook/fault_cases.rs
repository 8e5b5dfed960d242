//! In what situations the hook runs into faults.

/// A stage of the hook, in a situation.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) stage: &'static str,
    /// What lies where the image goes before the stage.
    pub(crate) image: Image,
    /// The size of images made.
    pub(crate) imgsize: u64,
    /// What the kernel lacks (see `examples/kernel_without.rs`).
    pub(crate) missing: &'static str,
    /// Whether the container may only start with its directory.
    pub(crate) required: bool,
    /// Whether images lie in memory.
    pub(crate) memory: bool,
    /// Whether the destination takes no dumps during the stage.
    pub(crate) refusing: bool,
    /// Whether dumps get crash records.
    pub(crate) records: bool,
}

/// What lies where the image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    Absent,
    /// The image of a container whose poststop never came.
    Left,
    /// The same after a power cut.
    Dirty,
}

/// The image sizes: made of the template, and by `mke2fs`.
const TEMPLATE: u64 = 8 << 20;
const MADE: u64 = 1 << 20;

const fn case(name: &'static str, stage: &'static str, image: Image) -> Case {
    Case {
        name,
        stage,
        image,
        imgsize: TEMPLATE,
        missing: "",
        required: true,
        memory: false,
        refusing: false,
        records: false,
    }
}

/// A prestart that may fail.
pub(crate) const OPTIONAL: Case =
    Case { required: false, ..case("a start that can do without", "prestart", Image::Left) };

/// What prestart may find.
pub(crate) const PRESTART: [Case; 9] = [
    case("the first start", "prestart", Image::Absent),
    Case { imgsize: MADE, ..case("an image by mke2fs", "prestart", Image::Absent) },
    case("a start after a poststop that never came", "prestart", Image::Left),
    case("a start after a power cut", "prestart", Image::Dirty),
    Case {
        missing: "O_TMPFILE,fsopen,LOOP_CONFIGURE,openat2",
        ..case("a start on an old kernel", "prestart", Image::Left)
    },
    Case {
        missing: "fsopen,LOOP_CONFIGURE",
        ..case("the first start on an old kernel", "prestart", Image::Absent)
    },
    Case { records: true, ..case("a start with crash records", "prestart", Image::Left) },
    Case { memory: true, ..case("a start in memory", "prestart", Image::Left) },
    Case {
        memory: true,
        refusing: true,
        ..case("a start in memory, with an image that cannot be harvested", "prestart", Image::Left)
    },
];

/// What poststop may find.
pub(crate) const POSTSTOP: [Case; 7] = [
    case("the end of a container", "poststop", Image::Left),
    case("the end after a power cut", "poststop", Image::Dirty),
    Case { missing: "O_TMPFILE", ..case("the end without unnamed files", "poststop", Image::Left) },
    Case { records: true, ..case("the end with crash records", "poststop", Image::Left) },
    Case {
        records: true,
        missing: "O_TMPFILE",
        ..case("the end with crash records, without unnamed files", "poststop", Image::Left)
    },
    Case { memory: true, ..case("the end in memory", "poststop", Image::Left) },
    Case {
        memory: true,
        refusing: true,
        ..case("the end in memory, without a harvest", "poststop", Image::Left)
    },
];

/// What `sweep` may find.
pub(crate) const SWEEP: [Case; 3] = [
    case("a sweep after a poststop that never came", "sweep", Image::Left),
    case("a sweep after a power cut", "sweep", Image::Dirty),
    Case {
        memory: true,
        refusing: true,
        ..case("a sweep in memory, without a harvest", "sweep", Image::Left)
    },
];
