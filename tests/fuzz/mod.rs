//! The fuzz targets over their seeds, and over a fixed number of things made of them: the same ones in every run.

mod targets;

use std::{fs, panic};

use remit_core::journal::Random;
use remit_tests::workspace;

use targets::TARGETS;

/// How many variants each target is given beside its seeds.
const VARIANTS: u64 = 3_000;

/// A variant of one seed: pieces of it and of another one, with bytes changed, repeated, left out.
fn variant(seeds: &[Vec<u8>], dice: &mut Random) -> Vec<u8> {
    let mut roll = |sides: usize| usize::try_from(dice.next_u64() % sides.max(1) as u64).expect("a small number");
    let mut bytes = seeds[roll(seeds.len())].clone();
    for _ in 0..=roll(6) {
        let at = roll(bytes.len() + 1);
        match roll(6) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(roll(256)).expect("a byte"),
            1 if at < bytes.len() => bytes[at] ^= 1 << roll(8),
            2 => bytes.truncate(at),
            3 => drop(
                bytes.splice(at..at, [b"\"".as_slice(), b"*", b"..", b"\\", b"{user}", b"\xff", b"%2f", b"\n"][roll(8)].iter().copied()),
            ),
            4 => {
                let until = at + roll((bytes.len() - at).min(64) + 1);
                let piece = bytes[at..until].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[roll(seeds.len())];
                let from = roll(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
    bytes
}

#[test]
fn each_target_survives_its_seeds_and_what_is_made_of_them() {
    for (name, target) in TARGETS {
        let folder = workspace().join("tests/fuzz/seeds").join(name);
        let mut files: Vec<_> = fs::read_dir(&folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
        files.sort();
        let seeds: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).expect("a seed")).collect();
        assert!(!seeds.is_empty(), "`{name}` has no seeds");
        let mut dice = Random::new(7);
        let made = (0..VARIANTS).map(|_| variant(&seeds, &mut dice)).collect::<Vec<_>>();
        for bytes in seeds.iter().chain(&made) {
            if panic::catch_unwind(|| target(bytes)).is_err() {
                panic!("`{name}` fails on {:?}", String::from_utf8_lossy(bytes));
            }
        }
    }
}
