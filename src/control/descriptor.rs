//! The numbers by which Dobby's clients know containers.

/// Gives out descriptors in Dobby's order: a 10-bit shift register, so 1 to 1023, first 734.
#[derive(Debug)]
pub(crate) struct Descriptors {
    register: u32,
}

impl Descriptors {
    pub(crate) fn new() -> Self {
        Self { register: 0x1bc }
    }

    /// The next one that is not `taken`, or `None` when all 1023 are.
    pub(crate) fn next(&mut self, taken: impl Fn(i32) -> bool) -> Option<i32> {
        for _ in 1..=1023 {
            let bit = (self.register ^ (self.register >> 3)) & 1;
            self.register = (self.register >> 1) | (bit << 9);
            let descriptor = i32::try_from(self.register).ok()?;
            if !taken(descriptor) {
                return Some(descriptor);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_order_is_dobbys_and_no_number_is_left_out() {
        let mut descriptors = Descriptors::new();
        let first: Vec<_> = (0..5).filter_map(|_| descriptors.next(|_| false)).collect();
        assert_eq!(first, [734, 879, 439, 731, 365]);
        let mut descriptors = Descriptors::new();
        let mut taken = BTreeSet::new();
        while let Some(next) = descriptors.next(|descriptor| taken.contains(&descriptor)) {
            taken.insert(next);
        }
        assert_eq!(taken, (1..=1023).collect());
    }
}
