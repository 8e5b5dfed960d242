//! Images made without a container, with whatever a container could have left in them.

use std::path::Path;

use oci_minidump::image::create::NewImage;
use oci_minidump::settings::Plan;

use crate::support::hook_world::HookWorld;
use crate::support::run::Run;

/// Makes an image of ours of `size` bytes, and lets `fill` put things into it.
pub(crate) fn image(world: &HookWorld, size: u64, fill: impl FnOnce(&Path) + Send) -> std::path::PathBuf {
    let path = world.image("made");
    let plan = Plan {
        image: path.clone(),
        container_source: "/x".into(),
        host_destination: world.dumps_dir(),
        imgsize: size,
        backing: None,
        origin: "test".to_owned(),
    };
    NewImage::make(&plan, (0, 0))
        .and_then(NewImage::publish)
        .unwrap_or_else(|error| panic!("{}", error.report()));
    world.with_mounted(&path, fill);
    path
}

/// Harvests an image by hand into the destination of the world.
pub(crate) fn harvest(world: &HookWorld, image: &Path) -> Run {
    world.hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
}

/// Bytes that begin like a minidump and are different everywhere.
pub(crate) fn dump_bytes(size: usize) -> Vec<u8> {
    let pattern = (0..size).map(|n| u8::try_from(n % 251).unwrap());
    let mut bytes: Vec<u8> = pattern.collect();
    for (to, from) in bytes.iter_mut().zip(b"MDMP") {
        *to = *from;
    }
    bytes
}

/// Where the payload of a [`whole_dump`] begins: behind the header, a directory of one entry, and that stream.
const PAYLOAD: usize = 32 + 12 + 56;

/// A complete minidump of `size` bytes: nothing but the stream about the system, and bytes that are different
/// everywhere behind it.
pub(crate) fn whole_dump(size: usize) -> Vec<u8> {
    assert!(size >= PAYLOAD, "no minidump is as small as {size} bytes");
    let word = |number: u32| number.to_le_bytes();
    let header = [*b"MDMP", word(0xa793), word(1), word(32), word(0), word(1_795_305_600), word(0), word(0)];
    let directory = [word(7), word(56), word(44)];
    let mut system = [0; 56];
    system[20..24].copy_from_slice(&word(0x8201));
    let mut bytes = [header.concat(), directory.concat(), system.to_vec()].concat();
    bytes.extend((PAYLOAD..size).map(|n| u8::try_from(n % 251).unwrap()));
    bytes
}

#[test]
fn whole_dumps_are_complete() {
    use oci_minidump::dump::{Completeness, completeness};

    let bytes = whole_dump(1000);
    assert_eq!(completeness(bytes.as_slice()).unwrap(), Completeness::Complete);
    assert!(completeness(&bytes[..PAYLOAD - 1]).unwrap() != Completeness::Complete);
}
