use super::*;

fn native(files: &[(&str, &str)]) -> LockedPlugin {
    let files: BTreeMap<String, Digest> = files.iter().map(|(path, text)| ((*path).to_owned(), Digest::of(text.as_bytes()))).collect();
    let source = r#"["python3","server.py"]"#.to_owned();
    LockedPlugin {
        digest: lock::native_digest(&source, &files),
        source,
        kind: Kind::Native,
        files,
        imports: [].into(),
        declared: [].into(),
        ..locked()
    }
}

#[test]
fn the_files_of_an_outside_server_are_locked_and_their_changes_told() {
    let old = native(&[("/usr/bin/python3", "a"), ("server.py", "b"), ("gone.py", "c")]);
    let lock = Lock { plugins: [("tickets".parse().expect("a name"), old.clone())].into() };
    assert_eq!(Lock::parse("remit.lock", lock.format().expect("text").as_bytes()).expect("it is right"), lock);

    let new = native(&[("/usr/bin/python3", "a"), ("server.py", "other"), ("new.py", "d")]);
    let changes = diff::diff(Some(&old), &new);
    let lines: Vec<String> = changes.list.iter().map(|change| change.to_string().chars().take(16).collect()).collect();
    assert_eq!(lines, ["+ file new.py, s", "~ file server.py", "- file gone.py"]);
    assert!(changes.rights_grew());
    let source = Source::Command(crate::project::Command { argv: vec!["python3".to_owned()], env: BTreeMap::new(), cwd: None });
    assert!(matches!(diff::relock(&source, Some(&old), &new), diff::Relock::NeedsReview(_)));

    let admits = |env: &str, digest| {
        let text = format!("command = [\"python3\", \"server.py\"]\n{env}");
        let (project, mut plugin) = project(&text, "");
        plugin.name = "tickets".parse().expect("a name");
        plugin.ask = vec!["search".to_owned()];
        lock.admits(&project, &plugin, digest).map(|_| ())
    };
    admits("", old.digest).expect("nothing changed");
    let refused = admits("", new.digest).expect_err("a file changed").message;
    assert!(refused.ends_with("its executable, or a file that its command names, is not the approved one"), "{refused}");
    let refused = admits("env = { TOKEN = { secret = \"tickets\" } }", old.digest).expect_err("it is given more").message;
    assert!(refused.contains("TOKEN"), "{refused}");
}
