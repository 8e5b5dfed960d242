//! Names of functions as the source has them, from those in a symbol table.

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// The longest name that is taken apart, and the longest one that comes of it, in bytes: a short one may stand for a name that
/// fills all memory.
const MAX_NAME: usize = 4096;

/// A text that refuses to grow beyond its bound.
#[derive(Debug, Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_NAME {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// The name of a function, in C++ without what it returns, in Rust without its hash, and without the version that a symbol of
/// a library has (`read@@GLIBC_2.2.5`). Any other name stays as it is, cut after 4096 bytes.
#[must_use]
pub fn demangle(name: &[u8]) -> String {
    let name = name.get(..MAX_NAME).unwrap_or(name);
    let name = name.split(|byte| *byte == b'@').next().filter(|name| !name.is_empty()).unwrap_or(name);
    let Ok(text) = std::str::from_utf8(name) else { return String::from_utf8_lossy(name).into_owned() };
    rust(text).or_else(|| cpp(text)).unwrap_or_else(|| text.to_owned())
}

fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    let mut out = Bounded::default();
    write!(out, "{demangled:#}").ok()?;
    Some(out.0)
}

fn cpp(name: &str) -> Option<String> {
    // Anything that begins with `i` would be the type int.
    let symbol = Symbol::new(name).ok().filter(|_| name.starts_with("_Z"))?;
    let mut out = Bounded::default();
    symbol.structured_demangle(&mut out, &DemangleOptions::new().no_return_type()).ok()?;
    Some(out.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source_and_bounded() {
        let cases = [
            ("main", "main"),
            ("i", "i"),
            ("read@@GLIBC_2.2.5", "read"),
            ("@odd", "@odd"),
            ("_ZN3wpe4View6resizeEii", "wpe::View::resize(int, int)"),
            ("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_Znonsense", "_Znonsense"),
        ];
        for (name, wanted) in cases {
            assert_eq!(demangle(name.as_bytes()), wanted);
        }
        // Each substitution stands for twice the one before.
        let bomb = format!("_Z1fI{}E", "1aIiS_E".repeat(3) + &"N1aIS_S_EE".repeat(60));
        assert!(demangle(bomb.as_bytes()).len() <= MAX_NAME);
        assert!(demangle(&[b'x'; 100_000]).len() <= MAX_NAME);
        assert_eq!(demangle(b"\xff"), "\u{fffd}");
    }
}
