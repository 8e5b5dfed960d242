//! How often an image is looked at, and how much is taken out of it, whatever its container does.

use std::time::{Duration, Instant};

/// How long an image is left alone after it was looked at.
const PAUSE: Duration = Duration::from_millis(250);
/// After looking at it took long, it is left alone this many times as long: a container gets a fifth of the time.
const SHARE: u32 = 4;
/// The time in which as many bytes are brought to the host as an image can hold. More stays in the image for later: it
/// bounds what a container can write to the host's disk.
const REFILL: Duration = Duration::from_secs(600);
/// How long until the next try when something could not be brought to the host.
const RETRY: Duration = Duration::from_secs(60);
/// How long until the next try when another process works on the image.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// The pace of one image.
#[derive(Debug)]
pub(super) struct Pace {
    /// When it is to be looked at next, if anything has happened.
    due: Option<Instant>,
    /// Not before that.
    rested: Instant,
    /// Bytes that may be brought to the host now. One image full may be on loan.
    allowed: i128,
    size: u64,
    counted: Instant,
}

/// What came of looking at an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All that is complete is on the host.
    Done,
    /// Something could not be brought to the host.
    Failed,
    /// Another process works on the image.
    Busy,
}

impl Pace {
    /// Of an image of `size` bytes, to be looked at at once.
    pub(super) fn new(size: u64, now: Instant) -> Self {
        Self { due: Some(now), rested: now, allowed: size.into(), size, counted: now }
    }

    /// Something has happened in the image.
    pub(super) fn stir(&mut self, now: Instant) {
        let soon = now.max(self.rested);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// When it is to be looked at; `None` for as long as nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It was looked at from `begin` to `end`, and `taken` bytes were brought to the host.
    pub(super) fn looked(&mut self, (begin, end): (Instant, Instant), taken: u64, outcome: Outcome) {
        self.refill(end);
        self.allowed -= i128::from(taken);
        let pause = PAUSE.max((end - begin) * SHARE).max(self.until_allowed());
        self.rested = end + pause;
        self.due = match outcome {
            Outcome::Done => None,
            Outcome::Failed => Some(end + RETRY.max(pause)),
            Outcome::Busy => Some(end + BUSY_RETRY.max(pause)),
        };
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted).min(REFILL).as_millis();
        let gained = u128::from(self.size) * passed / REFILL.as_millis();
        // Below a byte, the time goes on being counted.
        if gained > 0 {
            self.counted = now;
            let gained = i128::try_from(gained).unwrap_or(i128::MAX);
            self.allowed = self.allowed.saturating_add(gained).min(self.size.into());
        }
    }

    fn until_allowed(&self) -> Duration {
        if self.allowed > 0 {
            return Duration::ZERO;
        }
        let missing = self.allowed.unsigned_abs() + 1;
        let time = missing.saturating_mul(REFILL.as_millis()) / u128::from(self.size.max(1));
        Duration::from_millis(u64::try_from(time).unwrap_or(u64::MAX)).min(REFILL * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 8 << 20;

    /// Stirs without end for `time`, with looks that take `cost` and bring `bytes`; gives how often it was looked at and how
    /// much was brought.
    fn flood(time: Duration, cost: Duration, bytes: u64) -> (u32, u64) {
        let begin = Instant::now();
        let (mut pace, mut now, mut looks, mut total) = (Pace::new(SIZE, begin), begin, 0, 0);
        while now < begin + time {
            pace.stir(now);
            now = now.max(pace.due().unwrap());
            pace.looked((now, now + cost), bytes, Outcome::Done);
            now += cost;
            looks += 1;
            total += bytes;
        }
        (looks, total)
    }

    #[test]
    fn a_container_that_never_rests_costs_a_bounded_share() {
        let minute = Duration::from_secs(60);
        let (looks, _) = flood(minute, Duration::from_millis(1), 0);
        assert!((200..=241).contains(&looks), "{looks}");
        let (looks, _) = flood(minute, Duration::from_secs(1), 0);
        assert!((12..=13).contains(&looks), "a fifth of the time: {looks}");
    }

    #[test]
    fn no_more_is_brought_than_an_image_full_at_once_and_in_ten_minutes() {
        for bytes in [1000, 300 << 10, SIZE, SIZE * 2] {
            let (_, total) = flood(Duration::from_secs(6000), Duration::from_millis(1), bytes);
            assert!(total <= SIZE * 13, "{bytes}: {total}");
        }
        let (_, total) = flood(Duration::from_secs(6000), Duration::from_millis(1), 300 << 10);
        assert!(total >= SIZE * 10, "and what may be brought is: {total}");
    }

    #[test]
    fn nothing_is_due_while_nothing_happens() {
        let now = Instant::now();
        let mut pace = Pace::new(SIZE, now);
        assert_eq!(pace.due(), Some(now));
        pace.looked((now, now), 1000, Outcome::Done);
        assert_eq!(pace.due(), None);
        pace.stir(now);
        assert!(
            pace.due().unwrap() < now + Duration::from_secs(1),
            "what comes next is taken within a second"
        );
        for (outcome, retry) in [(Outcome::Failed, RETRY), (Outcome::Busy, BUSY_RETRY)] {
            pace.looked((now, now), 0, outcome);
            assert_eq!(pace.due(), Some(now + retry));
        }
    }
}
