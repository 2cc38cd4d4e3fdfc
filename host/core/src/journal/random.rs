//! Randomness that a seed gives back: xoshiro256++ (Blackman and Vigna, 2018), seeded by SplitMix64 (Steele, Lea and Flood, 2014).
//!
//! It is our own so that it never changes under a journal. It is no cryptography: what a session draws, its journal reveals.

/// A stream of numbers, the same for the same seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random {
    a: u64,
    b: u64,
    c: u64,
    d: u64,
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Self { a: next(), b: next(), c: next(), d: next() }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let result = self.a.wrapping_add(self.d).rotate_left(23).wrapping_add(self.a);
        let shifted = self.b << 17;
        self.c ^= self.a;
        self.d ^= self.b;
        self.b ^= self.c;
        self.a ^= self.d;
        self.c ^= shifted;
        self.d = self.d.rotate_left(45);
        result
    }

    /// Fills `bytes`, eight from each number, little-endian; what is left of the last number is dropped.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_u64().to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(to, from)| *to = from);
        }
    }
}
