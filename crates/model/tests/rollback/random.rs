//! Random numbers, choices that are made later, and shrinking of what fails.

/// A generator of numbers (`SplitMix64`), so that the same seed gives the same history everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// A number that picks later on, among what there is then.
    pub(crate) const fn pick(&mut self) -> Pick {
        Pick(self.next())
    }
}

/// Picks among what there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick(u64);

impl Pick {
    pub(crate) fn of<T: Copy>(self, from: &[T]) -> Option<T> {
        let count = u64::try_from(from.len()).unwrap();
        from.get(usize::try_from(self.0.checked_rem(count)?).unwrap()).copied()
    }

    pub(crate) fn below(self, bound: usize) -> usize {
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Drops actions as long as the others still fail.
pub(crate) fn shrink<T: Clone>(mut actions: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut run = actions.len().div_ceil(2);
    while run > 0 {
        let (mut from, before) = (0, actions.len());
        while from < actions.len() {
            let mut shorter = actions.clone();
            shorter.drain(from..actions.len().min(from + run));
            if fails(&shorter) {
                actions = shorter;
            } else {
                from += run;
            }
        }
        // Single actions again and again until none can go.
        if run > 1 || actions.len() == before {
            run /= 2;
        }
    }
    actions
}
