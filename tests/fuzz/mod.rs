//! The fuzz targets over their seeds, and over a fixed number of things made of them: the same ones in every run.

mod targets;

use std::{
    fs, panic,
    time::{Duration, Instant},
};

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

/// The seeds of the target `name`.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = workspace().join("tests/fuzz/seeds").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "`{name}` has no seeds");
    files.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

fn feed(name: &str, target: fn(&[u8]), bytes: &[u8]) {
    if panic::catch_unwind(|| target(bytes)).is_err() {
        panic!("`{name}` fails on {:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn each_target_survives_its_seeds_and_what_is_made_of_them() {
    for (name, target) in TARGETS {
        let (seeds, mut dice) = (seeds(name), Random::new(7));
        seeds.iter().for_each(|seed| feed(name, *target, seed));
        (0..VARIANTS).for_each(|_| feed(name, *target, &variant(&seeds, &mut dice)));
    }
}

/// Other variants for as long as one likes, and variants of those; without an eye on which code they reach, as libFuzzer has.
#[test]
#[ignore = "long: a minute for each target; REMIT_FUZZ_SECONDS=<number>, REMIT_FUZZ_SEED=<number>"]
fn long_fuzz() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let length = Duration::from_secs(setting("REMIT_FUZZ_SECONDS").unwrap_or(60));
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs();
    let seed = setting("REMIT_FUZZ_SEED").unwrap_or_else(now);
    println!("REMIT_FUZZ_SEED={seed}");
    for (name, target) in TARGETS {
        let (mut seeds, mut dice, start, mut made) = (seeds(name), Random::new(seed), Instant::now(), 0_u64);
        while start.elapsed() < length {
            let bytes = variant(&seeds, &mut dice);
            feed(name, *target, &bytes);
            made += 1;
            // Some take the place of others, so that changes add up.
            if made.is_multiple_of(64) && bytes.len() < 1 << 16 {
                match seeds.len() {
                    0..256 => seeds.push(bytes),
                    count => seeds[usize::try_from(made / 64).expect("not so many") % count] = bytes,
                }
            }
        }
        println!("{name}: {made} executions in {} s", length.as_secs());
    }
}
