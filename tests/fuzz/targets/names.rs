//! The names of harvested dumps: whatever a container calls its files and itself, they are harmless.

#![no_main]

use fuzz::rules::check_name;
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use oci_minidump::harvest::Owner;
use oci_minidump::harvest::name::{fitted, fnv1a, hashed, meta, name, numbered};
use oci_minidump::settings::admin::Naming;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    rdk: bool,
    container: Option<&'a str>,
    app_state: Option<&'a str>,
    time: i64,
    number: u16,
    raw: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let owner = Owner { container: input.container, app_state: input.app_state, subject: None };
    let naming = if input.rdk { Naming::Rdk } else { Naming::App };
    let made = name(&naming, input.raw, owner, input.time);
    check_name(&made);
    check_name(&numbered(&made, u32::from(input.number % 10_000) + 1));
    let with_hash = numbered(&hashed(&made, fnv1a(input.raw)), u32::from(input.number % 16) + 1);
    check_name(&with_hash);
    assert!(meta(&with_hash).len() <= 143, "{with_hash}");
    check_name(&fitted(&made));
    assert!(!fitted(&made).contains(['"', '*', '/', ':', '<', '>', '?', '\\', '|']), "{made}");
    assert_eq!(made, name(&naming, input.raw, owner, input.time));
    // A name that needs no change keeps it when it is harvested again.
    let again = name(&Naming::App, made.as_bytes(), owner, input.time);
    assert_eq!(again, made);
});
