//! Which crashes of a container are too many.

use std::ops::Range;

use crate::harvest::stock::Dump;
use crate::settings::admin::Retention;
use crate::settings::burst::Burst;

/// What decides whether a dump is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crash {
    pub(super) number: u64,
    /// In seconds since 1970.
    pub(super) time: i64,
}

impl Crash {
    pub(super) fn of(dump: &Dump) -> Self {
        Self { number: dump.number, time: dump.age.time.seconds }
    }
}

/// Which of the crashes of one container, in their order, are too many: all but the first ones and the newest of each burst,
/// then all but the first and the newest ones. Never the last.
pub(super) fn surplus(crashes: &[Crash], limits: Retention) -> Vec<bool> {
    let mut surplus = vec![false; crashes.len()];
    for Range { start, end } in limits.burst.map(|burst| bursts(crashes, burst)).unwrap_or_default() {
        let first_ones = limits.burst.map_or(0, |burst| burst.count - 1);
        let after = start.saturating_add(usize::try_from(first_ones).unwrap_or(usize::MAX)).min(end - 1);
        surplus.get_mut(after..end - 1).unwrap_or_default().fill(true);
    }
    let kept = surplus.iter().filter(|is_surplus| !**is_surplus).count();
    let most = usize::try_from(limits.per_container_count).unwrap_or(usize::MAX);
    if most != 0 {
        let rest = surplus.iter_mut().filter(|is_surplus| !**is_surplus);
        rest.skip(1).take(kept.saturating_sub(most)).for_each(|is_surplus| *is_surplus = true);
    }
    surplus
}

/// The crashes of one container, in their order, by the times of a limit: each begins with the first crash after the one
/// before.
pub(super) fn bursts(crashes: &[Crash], burst: Burst) -> Vec<Range<usize>> {
    let (mut all, mut start) = (Vec::new(), 0);
    for end in 1..=crashes.len() {
        let is_same = |(first, next): (&Crash, &Crash)| {
            // A clock that jumps back by a little must not begin another burst with every crash.
            first.number != 0 && first.time.abs_diff(next.time) < burst.seconds
        };
        if !crashes.get(start).zip(crashes.get(end)).is_some_and(is_same) {
            all.push(start..end);
            start = end;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_container_count: u64, burst: Option<(u64, u64)>) -> Retention {
        let burst = burst.map(|(count, seconds)| Burst { count, seconds });
        Retention { per_container_count, burst, ..Retention::default() }
    }

    /// The places, counted from 1, of what is kept of crashes at these times.
    fn kept(times: &[i64], limits: Retention) -> Vec<usize> {
        let crashes: Vec<_> =
            times.iter().zip(1..).map(|(time, number)| Crash { number, time: *time }).collect();
        let surplus = surplus(&crashes, limits);
        surplus.iter().zip(1..).filter(|(is_surplus, _)| !**is_surplus).map(|(_, number)| number).collect()
    }

    #[test]
    fn the_first_and_the_newest_are_kept() {
        let burst = limits(0, Some((3, 10)));
        let cases = [
            (&[][..], burst, &[][..]),
            (&[1], burst, &[1]),
            (&[1, 2, 3], burst, &[1, 2, 3]),
            (&[1, 2, 3, 4, 5], burst, &[1, 2, 5]),
            // The next burst begins when the time of the first has passed.
            (&[1, 2, 3, 4, 11, 12, 13, 14], burst, &[1, 2, 4, 5, 6, 8]),
            (&[1, 50, 100, 150], burst, &[1, 2, 3, 4]),
            (&[1, 50, 100, 150], limits(2, None), &[1, 4]),
            (&[1, 50, 100, 150], limits(3, None), &[1, 3, 4]),
            (&[1, 2, 3, 4, 11, 12, 13, 14], limits(4, Some((3, 10))), &[1, 5, 6, 8]),
            // A clock that jumps begins a burst, back and forth as well.
            (&[5, 6, 7, 8, -1_000_000, -999_999, -999_998, -999_997], burst, &[1, 2, 4, 5, 6, 8]),
            (&[9, 8, 9, 8, 9, 8], burst, &[1, 2, 6]),
            (&[i64::MAX, i64::MIN, i64::MAX, i64::MIN], limits(2, Some((2, 600))), &[1, 4]),
        ];
        for (times, limits, expected) in cases {
            assert_eq!(kept(times, limits), expected, "{times:?} {limits:?}");
        }
    }

    #[test]
    fn a_loop_whose_clock_jumps_is_bounded_and_keeps_its_ends() {
        let mut random = 1_u64;
        for limits in [limits(7, Some((5, 600))), limits(2, None), limits(9, Some((2, 1)))] {
            let (mut stay, mut gone): (Vec<Crash>, u64) = (Vec::new(), 0);
            for number in 1..=1000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number);
                let jump = i64::try_from(random >> 40).unwrap();
                stay.push(Crash { number, time: if random >> 63 == 0 { jump } else { -jump } });
                let surplus = surplus(&stay, limits);
                gone += u64::try_from(surplus.iter().filter(|is_surplus| **is_surplus).count()).unwrap();
                let mut keep = surplus.into_iter().map(|is_surplus| !is_surplus);
                stay.retain(|_| keep.next().unwrap());
                assert!(stay[0].number == 1 && stay.last().unwrap().number == number, "{stay:?}");
                let count = u64::try_from(stay.len()).unwrap();
                assert!(count <= limits.per_container_count && count + gone == number, "{stay:?} {gone}");
            }
        }
    }
}
