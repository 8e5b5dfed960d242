//! Figures of cgroup version 1: kernel documentation, admin-guide/cgroup-v1/{cpuacct,memory}.

use crate::control::stats::figures::{Figures, number};

/// What version 1 shows for "no limit" is the largest multiple of a page below 2^63; anything near is none.
const NO_LIMIT: u64 = (i64::MAX as u64) - 1024 * 1024;

/// CPU time; `read` gives the text of a file in the cpuacct directory.
pub(crate) fn cpu(figures: &mut Figures, read: impl Fn(&str) -> Option<String>) {
    figures.total = number(read("cpuacct.usage"));
    figures.percpu = read("cpuacct.usage_percpu")
        .map(|text| text.split_ascii_whitespace().filter_map(|cpu| cpu.parse().ok()).collect());
}

/// Memory; `read` gives the text of a file in the memory directory.
pub(crate) fn memory(figures: &mut Figures, read: impl Fn(&str) -> Option<String>) {
    figures.limit = number(read("memory.limit_in_bytes"))
        .map(|limit| if limit >= NO_LIMIT { -1 } else { i64::try_from(limit).unwrap_or(-1) });
    figures.usage = number(read("memory.usage_in_bytes"));
    figures.max = number(read("memory.max_usage_in_bytes"));
    figures.failcnt = number(read("memory.failcnt"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_files_give_their_figures_and_missing_ones_none() {
        let files = |name: &str| {
            let text = match name {
                "cpuacct.usage" => "224025108679\n",
                "cpuacct.usage_percpu" => "83134464184 95791749503 31057322312 14041572680 \n",
                "memory.limit_in_bytes" => "9223372036854771712\n",
                "memory.usage_in_bytes" => "28655616\n",
                "memory.max_usage_in_bytes" => "38555648\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let mut figures = Figures::default();
        cpu(&mut figures, files);
        memory(&mut figures, files);
        let expected = Figures {
            percpu: Some(vec![83_134_464_184, 95_791_749_503, 31_057_322_312, 14_041_572_680]),
            total: Some(224_025_108_679),
            failcnt: None,
            limit: Some(-1),
            max: Some(38_555_648),
            usage: Some(28_655_616),
        };
        assert_eq!(figures, expected);
        memory(&mut figures, |name| (name == "memory.limit_in_bytes").then(|| "230686720\n".to_owned()));
        assert_eq!(figures.limit, Some(230_686_720));
    }
}
