//! A small generator of numbers: the same seed gives the same cases on every machine.

use alloy::primitives::B256;
use nthroot_protocol::AssetId;

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; zero if `n` is.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 1).map_or(0, |word| word % n.max(1))
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn word(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// A number of at most `bits` bits, each length as likely.
    pub(crate) fn of_bits(&mut self, bits: u32) -> u128 {
        let bits = u32::try_from(self.below(bits as usize + 1)).unwrap_or(0);
        if bits == 0 { 0 } else { self.word() >> (128 - bits) }
    }

    /// A number from `low` to `high`; often one of the two.
    pub(crate) fn within(&mut self, low: u128, high: u128) -> u128 {
        if low >= high || self.one_in(8) {
            return low;
        }
        if self.one_in(8) {
            return high;
        }
        match (high - low).checked_add(1) {
            Some(size) => low + self.word() % size,
            None => self.word(),
        }
    }

    pub(crate) fn block(&mut self, low: u64, high: u64) -> u64 {
        u64::try_from(self.within(low.into(), high.into())).unwrap_or(high)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_be_bytes()[7]).collect()
    }

    /// Increasing asset ids: anything, or one close to the other.
    pub(crate) fn assets(&mut self, count: usize) -> Vec<AssetId> {
        let first = self.bytes(32);
        let close = self.one_in(2);
        let mut ids: Vec<_> = (0..count)
            .map(|number| {
                let mut id = if close { first.clone() } else { self.bytes(32) };
                id[30] &= 0x7f;
                id[31] = u8::try_from(number + self.below(2) * count).unwrap_or(u8::MAX);
                AssetId(B256::from_slice(&id))
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
