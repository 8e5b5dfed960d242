//! What a harvested dump is called on the host. The name is an interface: RDK's uploader reads it.

use crate::harvest::job::Owner;
use crate::settings::naming::{Naming, Part, is_harmless};

/// The longest name, in bytes: eCryptfs on set-top boxes takes 143, and a number may have to fit in.
const MAX_LEN: usize = 135;
/// The longest name that has a hash in it and may get a number too.
const MAX_HASHED_LEN: usize = 139;
/// The longest name where the file system has taken no other.
const MAX_FITTED_LEN: usize = 85;
/// A hyphen and 16 digits.
const HASH_LEN: usize = 17;
const SUFFIX: &str = ".dmp";
/// What Crashpad's metadata ends in.
const META_SUFFIX: &str = ".meta";
/// What separates the parts of a container's dump for RDK's uploader.
const DELIMITER: &str = "<#=#>";

/// The name of a dump that the app called `raw` and that was written at `time` (seconds since 1970).
#[must_use]
pub fn name(naming: &Naming, raw: &[u8], owner: Owner<'_>, time: i64) -> String {
    match (naming, owner.container) {
        (Naming::Rdk, Some(container)) => rdk(container, owner.app_state, time),
        (Naming::Pattern(parts), Some(container)) => pattern(parts, raw, (container, owner.app_state), time),
        _ => app(raw),
    }
}

/// `name` with a number before its ending, for when the name is taken: `a.dmp`, `a-2.dmp`, `a-3.dmp`.
#[must_use]
pub fn numbered(name: &str, number: u32) -> String {
    if number <= 1 {
        return name.to_owned();
    }
    format!("{}-{number}{SUFFIX}", stem(name))
}

/// `name` with a hash before its ending, for when many numbers are taken.
#[must_use]
pub fn hashed(name: &str, hash: u64) -> String {
    let room = MAX_HASHED_LEN - SUFFIX.len() - HASH_LEN;
    format!("{}-{hash:016x}{SUFFIX}", shortened(stem(name), room))
}

/// `name` as every file system takes it (vfat, exFAT and NTFS refuse some characters and some words), with a hash of
/// the original, so that different names stay different.
#[must_use]
pub fn fitted(name: &str) -> String {
    let room = MAX_FITTED_LEN - SUFFIX.len() - HASH_LEN;
    let is_refused = |c: char| c.is_control() || "\"*/:<>?\\|".contains(c);
    let safe = shortened(stem(name), room).replace(is_refused, "_");
    format!("{safe}-{:016x}{SUFFIX}", fnv1a(name.as_bytes()))
}

/// The name of the metadata that belongs to the dump called `name`.
#[must_use]
pub fn meta(name: &str) -> String {
    format!("{}{META_SUFFIX}", stem(name))
}

fn stem(name: &str) -> &str {
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// The beginning of a name, which is ASCII, in at most `room` bytes; of an id and a time, the id is shortened.
fn shortened(stem: &str, room: usize) -> String {
    let (id, rest) = stem.split_at(stem.find(DELIMITER).unwrap_or(stem.len()));
    match room.checked_sub(rest.len()) {
        Some(room) => id.chars().take(room).chain(rest.chars()).collect(),
        None => stem.chars().take(room).collect(),
    }
}

/// The app's own name. What could harm a shell, a terminal or the uploader is replaced; a hash of the original then
/// keeps different names different.
fn app(raw: &[u8]) -> String {
    let stem = raw.strip_suffix(SUFFIX.as_bytes()).unwrap_or(raw);
    let mut safe: String =
        stem.iter().map(|byte| if is_harmless(*byte) { char::from(*byte) } else { '_' }).collect();
    if safe.is_empty() || safe.starts_with(['-', '.', ' ']) {
        safe.insert(0, '_');
    }
    if safe.as_bytes() == stem && safe.len() <= MAX_LEN - SUFFIX.len() {
        return safe + SUFFIX;
    }
    safe.truncate(MAX_LEN - SUFFIX.len() - HASH_LEN);
    format!("{safe}-{:016x}{SUFFIX}", fnv1a(raw))
}

/// A name by a pattern. What the container chose gets an equal share of the room each.
fn pattern(parts: &[Part], raw: &[u8], (container, state): (&str, Option<&str>), time: i64) -> String {
    let time = timestamp(time);
    let fixed = |part: &Part| match part {
        Part::Literal(text) => text.len(),
        Part::Time => time.len(),
        Part::App | Part::Container | Part::State => 0,
    };
    let foreign = parts.iter().filter(|part| fixed(part) == 0).count().max(1);
    let taken = parts.iter().map(fixed).sum::<usize>() + 1;
    let room = (MAX_LEN - SUFFIX.len()).saturating_sub(taken) / foreign;
    let mut name = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => name.push_str(text),
            Part::Time => name.push_str(&time),
            Part::App => name.push_str(&harmless(stem(&app(raw)).as_bytes(), room)),
            Part::Container => name.push_str(&harmless(container.as_bytes(), room)),
            Part::State => name.push_str(&harmless(state.unwrap_or_default().as_bytes(), room)),
        }
    }
    if name.is_empty() || name.starts_with(['-', '.', ' ']) {
        name.insert(0, '_');
    }
    // Where parts meet, too.
    name.replace(SUFFIX, "_dmp") + SUFFIX
}

/// A text of a container as a part of a name.
fn harmless(text: &[u8], room: usize) -> String {
    let harmless = |byte: &u8| if is_harmless(*byte) { char::from(*byte) } else { '_' };
    text.iter().take(room).map(harmless).collect()
}

/// `<id><#=#>[<state><#=#>]<time>.dmp`: the id is shortened, never the time.
fn rdk(container: &str, app_state: Option<&str>, time: i64) -> String {
    let mut tail = DELIMITER.to_owned();
    if let Some(state) = app_state {
        tail.extend(state.chars().filter(char::is_ascii_alphanumeric).take(32));
        tail.push_str(DELIMITER);
    }
    tail.push_str(&timestamp(time));
    let room = MAX_LEN - SUFFIX.len() - tail.len();
    let id: String = container
        .chars()
        .map(|c| {
            if u8::try_from(c).is_ok_and(|byte| is_harmless(byte) && !b"<#>".contains(&byte)) {
                c
            } else {
                '_'
            }
        })
        .take(room)
        .collect();
    // The id of a container may begin like an option or a hidden file.
    let id =
        if id.starts_with(['-', '.', ' ']) { format!("_{}", id.get(1..).unwrap_or_default()) } else { id };
    id + &tail + SUFFIX
}

/// `time` as `2026-11-22T01:02:03` in UTC; a time that no calendar knows is given in seconds.
fn timestamp(time: i64) -> String {
    let Ok(utc) = time::OffsetDateTime::from_unix_timestamp(time) else { return time.to_string() };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}

/// The FNV-1a hash of nothing.
pub const FNV1A: u64 = 0xcbf2_9ce4_8422_2325;

/// The FNV-1a hash: tells names apart, and stays the same in every version.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    fnv1a_on(FNV1A, bytes)
}

/// The hash of more bytes behind those that have the hash `before`.
#[must_use]
pub fn fnv1a_on(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_names_are_kept_and_others_made_harmless() {
        let uuid = "6e3f0a3c-1b1f-4d8b-9d5d-2f1f0f6a7b11.dmp";
        let delimited = "com.app<#=#>2026-01-01T00:00:00.dmp";
        for keep in [uuid, delimited, "a b.dmp"] {
            assert_eq!(app(keep.as_bytes()), keep);
        }
        let bad: [&[u8]; 8] = [
            b".dmp",
            b"-rf.dmp",
            b"..dmp",
            b"a\nb.dmp",
            b"\x1b[2J.dmp",
            b"\xff\xfe.dmp",
            "\u{202e}x.dmp".as_bytes(),
            b"a/b.dmp",
        ];
        let names: Vec<String> = bad.iter().map(|raw| app(raw)).collect();
        for (raw, name) in bad.iter().zip(&names) {
            assert!(
                name.ends_with(".dmp") && name.bytes().all(is_harmless) && !name.starts_with(['-', '.']),
                "{raw:?} {name}"
            );
        }
        assert_ne!(app(b"\xff.dmp"), app(b"\xfe.dmp"));
        let long = [b'x'; 251].iter().chain(b".dmp").copied().collect::<Vec<u8>>();
        assert_eq!(app(&long).len(), MAX_LEN);
    }

    #[test]
    fn rdk_names_keep_the_time_whole() {
        let owner = |container, app_state| Owner { container: Some(container), app_state, subject: None };
        let long = "x".repeat(200);
        let cases = [
            (owner("com.app", None), "com.app<#=#>2009-02-13T23:31:30.dmp".to_owned()),
            (
                owner("com.app", Some("fore<ground")),
                "com.app<#=#>foreground<#=#>2009-02-13T23:31:30.dmp".to_owned(),
            ),
            (owner(&long, None), format!("{}<#=#>2009-02-13T23:31:30.dmp", "x".repeat(107))),
            (owner("a<#=#>b", None), "a__=__b<#=#>2009-02-13T23:31:30.dmp".to_owned()),
            (owner("-rf", None), "_rf<#=#>2009-02-13T23:31:30.dmp".to_owned()),
            (owner(".app", None), "_app<#=#>2009-02-13T23:31:30.dmp".to_owned()),
        ];
        for (owner, expected) in cases {
            assert_eq!(name(&Naming::Rdk, b"u.dmp", owner, 1_234_567_890), expected);
        }
        assert_eq!(name(&Naming::Rdk, b"u.dmp", Owner::default(), 0), "u.dmp");
        assert_eq!(timestamp(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn patterns_keep_the_time_whole_and_the_name_short_and_harmless() {
        let naming = |text: &str| Naming::try_from(text.to_owned()).unwrap();
        let made = |text: &str, raw: &[u8], owner| name(&naming(text), raw, owner, 1_234_567_890);
        let owner = Owner { container: Some("c1"), app_state: Some("bg"), subject: None };
        let time = "2009-02-13T23:31:30";
        assert_eq!(made("{container}-{time}", b"u.dmp", owner), format!("c1-{time}.dmp"));
        assert_eq!(made("x_{state}_{app}", b"u.dmp", owner), "x_bg_u.dmp");
        assert_eq!(made("{state}{app}", b"u.dmp", Owner { app_state: None, ..owner }), "u.dmp");
        assert_eq!(
            made("{container}-{time}", b"u.dmp", Owner::default()),
            "u.dmp",
            "whose it is, is not known"
        );
        let split = Owner { container: Some("a.dm"), ..owner };
        assert_eq!(made("{container}p{time}", b"u.dmp", split), format!("a_dmp{time}.dmp"));
        let long = "\u{202e}/../.dmp-rf\n".repeat(1000);
        let hostile = Owner { container: Some(&long), app_state: Some(&long), subject: None };
        let literal = "x".repeat(40);
        for text in [
            "{container}-{time}",
            "{app}",
            "{state}{app}{container}{time}",
            &format!("{{container}}{literal}{{app}}{{state}}{{time}}"),
        ] {
            for raw in [long.as_bytes(), b".dmp", b"-rf.dmp", b"\xff"] {
                let name = made(text, raw, hostile);
                assert!(name.len() <= MAX_LEN && name.bytes().all(is_harmless), "{name}");
                assert!(!name.starts_with(['-', '.', ' ']) && name.matches(".dmp").count() == 1, "{name}");
                assert!(!text.contains("time") || name.contains(time), "{name}");
            }
        }
    }

    #[test]
    fn names_with_a_hash_stay_short_and_different() {
        let long = name(
            &Naming::Rdk,
            b"u.dmp",
            Owner { container: Some(&"x".repeat(200)), app_state: None, subject: None },
            1_234_567_890,
        );
        let cut = format!("{}<#=#>2009-02-13T23:31:30-00000000000000ff.dmp", "x".repeat(94));
        assert_eq!(hashed(&long, 0xff), cut);
        assert_eq!(hashed("core.dmp", 1), "core-0000000000000001.dmp");
        let names = [long.as_str(), "a<b.dmp", "a>b.dmp", "a_b.dmp", "con.dmp", "a:b|c\"d.dmp"];
        let fitted: Vec<String> = names.iter().map(|name| fitted(name)).collect();
        for (name, fitted) in names.iter().zip(&fitted) {
            assert!(fitted.len() <= MAX_FITTED_LEN && fitted.ends_with(SUFFIX), "{name} {fitted}");
            assert!(!fitted.contains(['"', '*', '/', ':', '<', '>', '?', '\\', '|']), "{name} {fitted}");
        }
        assert_eq!(fitted.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
        assert!(fitted[0].contains("_#=#_2009-02-13T23_31_30-"), "{fitted:?}");
        // A tail that is too long itself.
        let odd = format!("a<#=#>{}.dmp", "t".repeat(120));
        assert!(hashed(&odd, 1).len() <= MAX_HASHED_LEN && super::fitted(&odd).len() <= MAX_FITTED_LEN);
        assert_eq!([meta("a-2.dmp"), meta("a.b.dmp")], ["a-2.meta", "a.b.meta"]);
    }

    #[test]
    fn numbers_go_before_the_ending() {
        assert_eq!([numbered("a.dmp", 1), numbered("a.dmp", 2)], ["a.dmp", "a-2.dmp"]);
    }
}
