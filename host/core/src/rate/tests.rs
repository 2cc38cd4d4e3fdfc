use super::*;

fn taken(bucket: &mut Bucket, at: u64, tries: u32) -> u32 {
    (0..tries).map(|_| u32::from(bucket.take(Timestamp(at)).is_ok())).sum()
}

#[test]
fn a_burst_is_given_at_once_and_then_what_was_filled_since() {
    let mut bucket = Bucket::new(10, 20);
    assert_eq!(taken(&mut bucket, 1_000, 100), 20);
    assert_eq!(bucket.take(Timestamp(1_000)), Err(100));
    assert_eq!(bucket.take(Timestamp(1_099)), Err(1));
    assert_eq!(taken(&mut bucket, 1_100, 100), 1);
    assert_eq!(taken(&mut bucket, 1_600, 100), 5);
    assert_eq!(taken(&mut bucket, 60_000, 100), 20, "it is never more than full");
}

#[test]
fn what_is_refused_takes_nothing() {
    let mut bucket = Bucket::new(1, 1);
    assert_eq!(bucket.take(Timestamp(0)), Ok(()));
    (0..1_000).for_each(|_| assert_eq!(bucket.take(Timestamp(0)), Err(1_000)));
    assert_eq!(bucket.take(Timestamp(1_000)), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_costs_a_burst_and_no_more() {
    let mut bucket = Bucket::new(10, 20);
    assert_eq!(taken(&mut bucket, 10_000_000, 100), 20);
    assert_eq!(bucket.take(Timestamp(5_000)), Err(100));
    assert_eq!(taken(&mut bucket, 7_000, 100), 20);
}
