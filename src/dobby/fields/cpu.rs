//! `cpu` and `rtPriority`.

use crate::dobby::read::node::Node;
use crate::dobby::spec::{Cpu, RtPriority};

/// The processors that a spec can name.
const CORES: u32 = 8;
const INT: std::ops::RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;

/// `cpu`.
pub(in crate::dobby) fn cpu(spec: &Node<'_>) -> Cpu {
    let read = || {
        let cpu = spec.given("cpu")?;
        cpu.object()?.0.only(&["shares", "cores"]);
        let shares = cpu.given("shares").and_then(|node| node.whole(1..=100));
        Some(Cpu { shares, cores: cpu.given("cores").and_then(|node| cores(&node)) })
    };
    read().unwrap_or_default()
}

fn cores(node: &Node<'_>) -> Option<Vec<u32>> {
    let text = node.text()?;
    let list = core_list(&text);
    match &list {
        None => node.wrong(format_args!("is not a list like \"0-1,3\" of processors 0..{}", CORES - 1)),
        Some(_) if text.split(',').any(|part| part.trim().is_empty()) => {
            node.warn("has an empty part, which stands for processor 0");
        }
        Some(_) => {}
    }
    list
}

/// The processors in a list such as `0-1,3`, ascending. An empty part stands for processor 0.
fn core_list(text: &str) -> Option<Vec<u32>> {
    let mut named = [false; CORES as usize];
    for part in text.trim_matches(|c: char| c.is_ascii_whitespace()).split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = if part.is_empty() { (0, 0) } else { (core(first)?, core(last)?) };
        let range = named.get_mut(first..=last).filter(|range| !range.is_empty())?;
        range.fill(true);
    }
    let cores = (0..CORES).zip(named).filter(|(_, named)| *named);
    Some(cores.map(|(core, _)| core).collect())
}

fn core(digits: &str) -> Option<usize> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|core| plain && *core < CORES as usize)
}

/// `rtPriority`: one number in version 1.0, two in version 1.1; either form when the version is unknown.
pub(in crate::dobby) fn rt_priority(spec: &Node<'_>, version: Option<&str>) -> Option<RtPriority> {
    let node = spec.member("rtPriority")?;
    let two = match version {
        Some(version) => version == "1.1",
        None => node.value().is_object(),
    };
    if !two {
        return Some(RtPriority { default: node.whole(INT)?, limit: 0 });
    }
    node.object()?.0.only(&["default", "limit"]);
    let number = |key| node.given(key).map_or(Some(0), |number| number.whole(INT));
    let (default, limit) = (number("default"), number("limit"));
    Some(RtPriority { default: default?, limit: limit? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists() {
        let cases: [(&str, Option<&[u32]>); 19] = [
            ("0", Some(&[0])),
            ("0-1", Some(&[0, 1])),
            ("3,0-1", Some(&[0, 1, 3])),
            ("0-7", Some(&[0, 1, 2, 3, 4, 5, 6, 7])),
            (" 1\n", Some(&[1])),
            ("1,1-2", Some(&[1, 2])),
            ("", Some(&[0])),
            (",1", Some(&[0, 1])),
            ("1,", Some(&[0, 1])),
            ("a", None),
            ("8", None),
            ("0-8", None),
            ("3-1", None),
            ("0, 1", None),
            ("0 1", None),
            ("-1", None),
            ("1-", None),
            ("+1", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(core_list(text).as_deref(), expected, "{text:?}");
        }
    }
}
