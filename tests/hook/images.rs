//! Images made without a container, with whatever a container could have left in them.

use std::path::Path;

use oci_minidump::image::create::NewImage;
use oci_minidump::settings::Plan;

use crate::world::World;

/// Makes an image of ours of `size` bytes, and lets `fill` put things into it.
pub(crate) fn image(world: &World, size: u64, fill: impl FnOnce(&Path) + Send) -> std::path::PathBuf {
    let path = world.image("made");
    let plan = Plan {
        image: path.clone(),
        container_source: "/x".into(),
        host_destination: world.dumps_dir(),
        imgsize: size,
        origin: "test".to_owned(),
    };
    NewImage::make(&plan).and_then(NewImage::publish).unwrap_or_else(|error| panic!("{}", error.report()));
    world.with_mounted(&path, fill);
    path
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
