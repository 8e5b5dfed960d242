//! The stacks in the dumps of the kernel's handler, as `oci-minidump-stack` walks them.

use crate::container::Container;
use crate::oracle::{assert_agrees, info};

#[test]
fn they_are_those_of_the_other_walker_and_the_same_crash_has_the_same_fingerprint() {
    let fingerprint = |signal: u32| {
        let container = Container::new();
        let mut head = container.head();
        head.notes.retain(|(_, kind, _)| *kind != 0x5349_4749);
        let output = container.crash(&head.signal(signal, 1, 0x1234).bytes(), &[]);
        assert!(output.status.success(), "{output:?}");
        let dump = &container.dumps()[0];
        let ours = info(dump, &[]);
        assert_agrees(dump, &[], &ours);
        let frames = ours["stacks"][0]["frames"].as_array().unwrap();
        assert!(frames.len() >= 5, "{frames:?}");
        assert!(frames[0]["module"].as_str().unwrap().starts_with("libc.so"), "{frames:?}");
        (frames[0]["address"].clone(), ours["fingerprint"].as_str().unwrap().to_owned())
    };
    let (first, second, other) = (fingerprint(11), fingerprint(11), fingerprint(7));
    // Two processes of one program, at other addresses.
    assert_ne!(first.0, second.0);
    assert_eq!(first.1, second.1);
    assert_ne!(first.1, other.1);
}
