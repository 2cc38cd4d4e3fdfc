//! Models, from the file to the journal, as a person meets them.

use remit_tests::{
    Shell,
    provider::{Provider, Turn},
};

use super::sessions::{first, project};

/// Runs a command; what it says on standard output and on standard error, and how it ended.
fn says(shell: &Shell, command: &[&str]) -> (String, String, Option<i32>) {
    let ended = shell.run(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&ended.stdout), text(&ended.stderr), ended.status.code())
}

#[test]
fn a_model_is_granted_reviewed_asked_shown_and_explained() {
    let (shell, provider) = (project(), Provider::new([Turn::Say("green tea".to_owned())]));
    let file = std::fs::read_to_string(shell.cwd().join("remit.toml")).unwrap();
    shell.write("remit.toml", format!("{file}\n{}", provider.table("default", "openai-chat", "")));
    let (reviewed, said, code) = says(&shell, &["review", "--yes"]);
    assert_eq!(code, Some(0), "{reviewed}{said}");

    let ask = r#"{"steps": [{"model": {"model": "default", "request": {"items": [{"message": {"role": "user", "parts": [{"text": "which?"}]}}]}}}]}"#;
    let (_, denied, _) = says(&shell, &["run", "scripted", ask]);
    assert!(denied.contains("`scripted` may not ask the model default (nothing of `model` is granted)"), "{denied}");
    assert!(denied.contains("remit grant scripted model default"), "{denied}");
    assert!(provider.asked().is_empty());

    let (granted, said, code) = says(&shell, &["grant", "scripted", "model", "default max_tokens=50", "--yes"]);
    assert!(code == Some(0) && format!("{granted}{said}").contains("+ granted model default max_tokens=50"), "{granted}{said}");
    let written = std::fs::read_to_string(shell.cwd().join("remit.toml")).unwrap();
    assert!(written.contains("model = [{ names = [\"default\"], max_tokens = 50 }]"), "{written}");

    let (answer, said, code) = says(&shell, &["run", "scripted", ask, "--session", "desk"]);
    assert!(code == Some(0) && answer.contains("green tea"), "{answer}{said}");
    assert!(said.contains("green tea"), "it is shown as it comes: {said}");
    assert_eq!(provider.asked()[0].body["max_tokens"], 50);

    let session = first(&shell, &["session", "list"], "id");
    let (shown, ..) = says(&shell, &["session", "show", &session]);
    assert!(shown.contains("models/default") && shown.contains("ok, 10 + 1 tokens"), "{shown}");
    let (explained, said, code) = says(&shell, &["explain", "scripted", "model", "default 50"]);
    assert!(code == Some(0) && explained.contains("allow"), "{explained}{said}");
    let (explained, said, code) = says(&shell, &["explain", "scripted", "model", "default 51"]);
    assert!(code == Some(3) && format!("{explained}{said}").contains("it is granted with fewer tokens"), "{explained}{said}");
    let (past, said, code) = says(&shell, &["explain", &session]);
    assert!(code == Some(0) && past.contains("model default"), "{past}{said}");
}

#[test]
fn a_model_that_the_file_says_wrong_refuses_the_project_with_its_place() {
    let shell = project();
    let file = std::fs::read_to_string(shell.cwd().join("remit.toml")).unwrap();
    shell.write("remit.toml", format!("{file}\n[models.default]\napi = \"openai\"\nurl = \"http://example.com/v1\"\nname = \"m\"\n"));
    let (_, said, code) = says(&shell, &["review", "--check"]);
    assert!(code == Some(2) && said.contains("over `https` alone"), "{said}");
}
