//! Figures of cgroup version 2: kernel documentation, admin-guide/cgroup-v2.

use crate::control::stats::figures::{Figures, number};

/// CPU time; `read` gives the text of a file in the directory. There is no figure per CPU.
pub(crate) fn cpu(figures: &mut Figures, read: impl Fn(&str) -> Option<String>) {
    let stat = read("cpu.stat").unwrap_or_default();
    let usage = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
    figures.total = usage.and_then(|usage| usage.trim().parse::<u64>().ok()?.checked_mul(1000));
}

/// Memory; `read` gives the text of a file in the directory. There is no count of failures, and `memory.peak` only
/// since Linux 5.19.
pub(crate) fn memory(figures: &mut Figures, read: impl Fn(&str) -> Option<String>) {
    figures.limit = read("memory.max").and_then(|limit| match limit.trim() {
        "max" => Some(-1),
        limit => limit.parse().ok(),
    });
    figures.usage = number(read("memory.current"));
    figures.max = number(read("memory.peak"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_files_give_their_figures_and_missing_ones_none() {
        let files = |name: &str| {
            let text = match name {
                "cpu.stat" => "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnr_periods 0\n",
                "memory.max" => "41943040\n",
                "memory.current" => "1007616\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let mut figures = Figures::default();
        cpu(&mut figures, files);
        memory(&mut figures, files);
        let expected = Figures {
            total: Some(1_234_567_000),
            limit: Some(41_943_040),
            usage: Some(1_007_616),
            ..Figures::default()
        };
        assert_eq!(figures, expected);
        memory(&mut figures, |name| (name == "memory.max").then(|| "max\n".to_owned()));
        assert_eq!(figures.limit, Some(-1));
    }
}
