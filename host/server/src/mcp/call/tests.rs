use super::*;

fn steps(said: &[Option<f64>]) -> Vec<(f64, Option<f64>)> {
    let mut steps = Steps::default();
    said.iter().map(|fraction| steps.next(*fraction)).collect()
}

#[test]
fn progress_only_grows() {
    for said in
        [vec![Some(0.0), Some(0.5), None, Some(0.25), Some(1.0), Some(1.0)], vec![None, Some(0.5), None], vec![Some(0.0), Some(0.0)]]
    {
        let told = steps(&said);
        assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{said:?} gives {told:?}");
    }
}

#[test]
fn fractions_are_of_one_and_bare_words_are_counted() {
    assert_eq!(steps(&[Some(0.0), Some(0.5)]), [(0.0, Some(1.0)), (0.5, Some(1.0))]);
    assert_eq!(steps(&[None, None]), [(1.0, None), (2.0, None)]);
}
