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

/// Whoever could say more may live on: the answer waits for none of them.
#[tokio::test]
async fn an_answer_waits_for_what_was_said_and_for_nothing_more() {
    let (tell, mut told) = mpsc::channel(MCP_EVENTS_MAX);
    let said = |message: &str| Event::Log { level: "info", message: message.to_owned() };
    for words in ["one", "two"] {
        tell.try_send(said(words)).expect("there is room");
    }
    let over = Notify::new();
    over.notify_one();
    let mut heard = Vec::new();
    while let Some(Event::Log { message, .. }) = next(&mut told, &over).await {
        heard.push(message);
    }
    assert_eq!(heard, ["one", "two"]);
    assert!(tell.try_send(said("three")).is_err(), "nobody listens any more");
}
