//! Bytes as a source of decisions: a generator that reads them is shrunk by shrinking the bytes.

/// Reads choices from bytes; zeros when they are used up, which every generator takes for its simplest case.
pub struct Choices<'a> {
    bytes: &'a [u8],
    careful: bool,
}

impl<'a> Choices<'a> {
    /// Every second case is made without mistakes, so that enough of them are valid.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut choices = Self { bytes, careful: true };
        choices.careful = choices.below(2) == 0;
        choices
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// A number below `n ≤ 256`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    /// True once in `n` times; never when the bytes are used up.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// As [`Self::once_in`], for what is likely to make the step invalid.
    pub fn mistake(&mut self, n: usize) -> bool {
        self.once_in(n) && !self.careful
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// The next byte.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
}
