//! The keys that detach a terminal: Ctrl-P, then Ctrl-Q.

/// The two keys.
const FIRST: u8 = 0x10;
const SECOND: u8 = 0x11;

/// Looks for the keys in what is typed.
#[derive(Debug, Default)]
pub(crate) struct DetachKeys {
    /// Whether the first was typed last. It is held back until it is known what comes next.
    is_begun: bool,
}

impl DetachKeys {
    /// What is to be passed on of what was typed, and whether the keys came behind it.
    pub(crate) fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len() + 1);
        for key in typed {
            if std::mem::take(&mut self.is_begun) {
                if *key == SECOND {
                    return (passed, true);
                }
                passed.push(FIRST);
            }
            if *key == FIRST {
                self.is_begun = true;
            } else {
                passed.push(*key);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_detach_and_all_others_pass() {
        for (typed, expected, detached) in [
            (&["ls\r"][..], "ls\r", false),
            (&["a\x10\x11"], "a", true),
            (&["a\x10", "\x11"], "a", true),
            (&["\x10", "b\x11"], "\x10b\x11", false),
            (&["\x10\x10\x10", "\x11"], "\x10\x10", true),
            (&["\x10", "", "x"], "\x10x", false),
            (&["\x11\x10"], "\x11", false),
        ] {
            let mut keys = DetachKeys::default();
            let (mut passed, mut has_come) = (Vec::new(), false);
            for part in typed {
                let (some, came) = keys.pass(part.as_bytes());
                passed.extend(some);
                has_come |= came;
            }
            assert_eq!((passed.as_slice(), has_come), (expected.as_bytes(), detached), "{typed:?}");
        }
    }
}
