//! The stream of a seed never changes.

use super::*;

fn drawn(seed: u64) -> Vec<u64> {
    let mut random = Random::new(seed);
    (0..4).map(|_| random.next_u64()).collect()
}

/// A journal holds the seed and not the numbers: other numbers for the same seed would break every turn that runs.
#[test]
fn a_seed_gives_the_numbers_that_it_always_gave() {
    assert_eq!(drawn(0), [0x5317_5d61_490b_23df, 0x61da_6f3d_c380_d507, 0x5c0f_df91_ec9a_7bfc, 0x02ee_bf8c_3bbe_5e1a]);
    assert_eq!(drawn(1), [0xcfc5_d07f_6f03_c29b, 0xbf42_4132_963f_e08d, 0x19a3_7d57_57aa_f520, 0xbf08_119f_05cd_56d6]);
    assert_eq!(drawn(42), [0xd076_4d4f_4476_689f, 0x519e_4174_576f_3791, 0xfbe0_7cfb_0c24_ed8c, 0xb37d_9f60_0cd8_35b8]);
    assert_eq!(drawn(u64::MAX), [0x56cc_f8ce_948e_27b2, 0xe685_8843_2e5a_5b90, 0xe3e9_b5a4_8119_ca8b, 0x460f_1949_5532_ae73]);
}

#[test]
fn bytes_are_the_numbers_in_little_endian_and_the_rest_of_the_last_one_is_dropped() {
    let mut random = Random::new(42);
    let mut bytes = [0; 11];
    random.fill(&mut bytes);
    assert_eq!(bytes, [0x9f, 0x68, 0x76, 0x44, 0x4f, 0x4d, 0x76, 0xd0, 0x91, 0x37, 0x6f]);
    assert_eq!(random.next_u64(), 0xfbe0_7cfb_0c24_ed8c, "the third number comes next");
}

#[test]
fn no_bytes_draw_no_number() {
    let mut random = Random::new(42);
    random.fill(&mut []);
    assert_eq!(random, Random::new(42));
}

#[test]
fn a_turn_draws_from_its_seed_alone() {
    let mut machine = begin();
    let mut random = Random::new(turn().seed);
    assert_eq!(machine.random().next_u64(), random.next_u64());
    machine.begin_call(tool("a/b", "{}"), at(1)).unwrap();
    machine.settle(0, output("x"), at(2)).unwrap();
    assert_eq!(machine.random().next_u64(), random.next_u64(), "what the turn does draws nothing");
}
