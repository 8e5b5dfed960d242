//! The administrator's settings file: it is refused with a reason, or all paths in it are absolute.

#![no_main]

use std::cell::OnceCell;
use std::fs::File;
use std::path::PathBuf;

use fuzz::{rules::check_error, scratch};
use libfuzzer_sys::fuzz_target;
use oci_minidump::settings::admin::Admin;

thread_local! {
    static SCRATCH: OnceCell<(PathBuf, File)> = const { OnceCell::new() };
}

fuzz_target!(|text: &[u8]| {
    SCRATCH.with(|scratch| {
        let (path, file) = scratch.get_or_init(|| {
            let dir = scratch::dir("admin");
            (dir.join("settings.toml"), scratch::file(&dir, "settings.toml"))
        });
        scratch::fill(file, text);
        match Admin::load(path) {
            Ok(admin) => {
                let single = [&admin.state_dir, &admin.image_dir, &admin.host_destination];
                let lists = admin.annotated_image_dirs().iter().chain(admin.annotated_destinations());
                for dir in single.into_iter().chain(lists) {
                    assert!(dir.is_absolute() && !dir.iter().any(|part| part == ".."), "{admin:?}");
                }
                assert_eq!(admin.mode.0 & !0o664, 0, "{admin:?}");
            }
            Err(error) => check_error(&error),
        }
    });
});
