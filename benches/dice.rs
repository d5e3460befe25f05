//! Chance that is the same on every run.

/// `SplitMix64`: small, seeded, the same on every run.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// 64 even bits.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// A number below `n`, of which few take most: the square of a fraction.
    pub(crate) fn skewed(&mut self, n: u64) -> u64 {
        let unit = self.below(1 << 16);
        (unit * unit * n) >> 32
    }

    /// The random bytes of an id.
    pub(crate) fn bytes(&mut self) -> [u8; 10] {
        let (a, b) = (self.roll().to_be_bytes(), self.roll().to_be_bytes());
        [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], b[0], b[1]]
    }
}
