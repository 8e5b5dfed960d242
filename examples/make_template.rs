//! Makes `src/image/create/template.bin` anew, for maintainers: run it when the options of `image::create` change.

use std::io::Write;
use std::os::unix::fs::FileExt;

use oci_minidump::image::create;
use oci_minidump::settings::DEFAULT_IMGSIZE;

/// Gaps of zeros shorter than a run's head are cheaper to keep than to skip.
const GAP: usize = 6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("template-{}.img", std::process::id()));
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    file.set_len(DEFAULT_IMGSIZE)?;
    // A fixed time makes the template reproducible.
    // Every image gets a seed of its own; this one only has to be there.
    let seed = "6f63692d-6d69-4e69-8475-6d7000000002";
    create::run_mke2fs(&file, DEFAULT_IMGSIZE, seed, &[("E2FSPROGS_FAKE_TIME", "1262304000")])
        .map_err(|error| error.report())?;
    let mut image = vec![0; usize::try_from(DEFAULT_IMGSIZE)?];
    file.read_exact_at(&mut image, 0)?;
    let mut template = Vec::new();
    let mut at = 0;
    while let Some(start) = image.iter().skip(at).position(|byte| *byte != 0).map(|n| n + at) {
        let mut end = start;
        let mut zeros = 0;
        while zeros < GAP && end < image.len() && end - start < usize::from(u16::MAX) {
            zeros = if image[end] == 0 { zeros + 1 } else { 0 };
            end += 1;
        }
        let run = &image[start..end - zeros];
        template.extend(u32::try_from(start)?.to_le_bytes());
        template.extend(u16::try_from(run.len())?.to_le_bytes());
        template.extend(run);
        at = end;
    }
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/src/image/create/template.bin");
    std::fs::write(target, &template)?;
    writeln!(std::io::stdout(), "{target}: {} bytes", template.len())?;
    Ok(())
}
