//! M10, M22: a process that is given a secret works for those who are given the same one.

use remit_core::{Kind, grant::Rule, identity::Role, limit::CallLimits};
use remit_runtime::{Outcome, Project, Request};
use remit_tests::Records;

use super::{BOBS, SECRET, can_run, gateway, host, lines, plugin};

#[tokio::test]
async fn m10_each_principal_has_a_process_with_its_own_secret() {
    if !can_run("m10_each_principal_has_a_process_with_its_own_secret") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = plugin(folder.path(), CallLimits::default()).await;
    let (records, before) = (Records::default(), lines(folder.path(), "started.log").len());
    let host = host(gateway(), records.clone());
    host.load(Project { name: "desk".to_owned(), root: folder.path().to_owned(), plugins: vec![plugin], ..Project::default() });
    let call = async |principal: &str| -> Outcome {
        let context = host.context(principal.parse().expect("a principal"), Role::Owner).expect("a context");
        host.call(&context, &Request::new("desk", "tickets", "environment", "{}")).await
    };
    for (principal, secret) in [("user:ada", SECRET), ("user:bob", BOBS), ("user:ada", SECRET), ("user:carl", SECRET)] {
        let told = call(principal).await.result.expect("it answers").structured.expect("its variables");
        assert_eq!(told["token"], format!("Bearer {}", "*".repeat(secret.len())), "{principal}");
    }
    assert_eq!(lines(folder.path(), "started.log").len() - before, 2, "who is given the same secret shares a process");
    let refused = call("user:eve").await;
    assert_eq!(refused.denials.iter().map(|denial| denial.rule).collect::<Vec<_>>(), [Rule::Secret]);
    assert_eq!(refused.denials[0].command().as_deref(), Some("remit secret set tickets --for plugin:tickets"));
    assert_eq!(refused.result.expect_err("it is refused").kind, Kind::Denied);
    assert_eq!(lines(folder.path(), "started.log").len() - before, 2, "and nothing was started");
    let records = records.all();
    assert_eq!((records.len(), &records[4]["denials"][0]["rule"]), (5, &serde_json::json!("secret")));
}
