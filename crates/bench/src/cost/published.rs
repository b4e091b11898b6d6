//! What other systems have published of themselves. None of it was measured here.

/// A published figure.
pub(super) struct Published {
    /// Whose.
    pub(super) system: &'static str,
    /// Of what.
    pub(super) what: &'static str,
    /// Gas, as it was published.
    pub(super) gas: &'static str,
    /// Where, and what was different then.
    pub(super) source: &'static str,
}

const fn figure(system: &'static str, what: &'static str, gas: &'static str, source: &'static str) -> Published {
    Published {
        system,
        what,
        gas,
        source,
    }
}

/// As they were published.
pub(super) const PUBLISHED: [Published; 11] = [
    figure("L1", "ETH transfer", "21,000", "the protocol's own price"),
    figure("L1", "ERC-20 transfer", "35,000 to 50,000", "as explorers show it"),
    figure(
        "L1",
        "constant-product swap",
        "100,000 to 130,000",
        "as explorers show it",
    ),
    figure(
        "Hubble",
        "a transfer in a batch of 32 × 32",
        "353.8",
        "its authors, before EIP-7623; with BLS signatures",
    ),
    figure("Hubble", "dispute of a transition", "1,240,000", "its authors"),
    figure("Hubble", "dispute of a signature", "5,590,000", "its authors"),
    figure(
        "Fuel v1",
        "a proof, one step after a commitment and 10 blocks",
        "up to 2,300,000",
        "its authors",
    ),
    figure("Arbitrum BoLD", "a move, of about 60", "about 500,000", "its authors"),
    figure(
        "Cartesi PRT",
        "the last move of a dispute",
        "about 128,000",
        "its authors",
    ),
    figure("Cartesi PRT", "a dispute in all", "about 9,800,000", "its authors"),
    figure(
        "OP Stack",
        "a dispute of depth 73",
        "not published",
        "its specification",
    ),
];
