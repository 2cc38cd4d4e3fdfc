//! Two users of one application, each with rights of their own. `docs/embed.md` shows this file as it stands.

use std::{error::Error, fs, time::Duration};

use remit_runtime::{
    Host, Outcome, Project, Quota, Request,
    core::{
        grant::{Rule, line},
        identity::Role,
    },
};
use serde_json::{Value, json};

/// Serves the plugin `files`, given as a component, to Ada, who may use all of it, and to Ben, who may only look.
pub async fn two_users(component: Vec<u8>) -> Result<(), Box<dyn Error>> {
    // The application's own folder, with one folder in it for each user.
    let root = tempfile::tempdir()?;
    for user in ["ada", "ben"] {
        fs::create_dir_all(root.path().join("notes").join(user))?;
    }

    // One host serves everybody. What is not set here has a default.
    let host = Host::builder().per_principal(Quota { calls: 4, memory_mib: 512 }).build()?;

    // What the plugin may touch, in the words of `remit grant`. `{user}` becomes the name of whoever calls.
    let granted = line::parse("fs", "notes/{user}:/notes:write")?;
    let files = host.plugin("files", component).await?.granted(granted);
    let project = Project { name: "desk".to_owned(), root: root.path().to_owned(), plugins: vec![files], ..Project::default() };
    if let Some((plugin, error)) = host.load(project).pop() {
        return Err(format!("`{plugin}` is not served: {error}").into());
    }

    // Ada writes a note. It lies in her folder and nowhere else.
    let plan = json!({ "path": "/notes/plan.md", "content": "meet at noon\n" });
    call(&host, "user:ada", Role::Owner, "write", &plan).await?.result?;
    assert_eq!(fs::read_to_string(root.path().join("notes/ada/plan.md"))?, "meet at noon\n");

    // Ben's role has no `write`: the call is refused before anything runs, and the refusal says why.
    let looking = Role::Tools(vec!["files/list".parse()?, "files/read".parse()?]);
    let refused = call(&host, "user:ben", looking.clone(), "write", &plan).await?;
    assert!(refused.result.is_err());
    assert_eq!(refused.denials.first().map(|denial| denial.rule), Some(Rule::Role));

    // Both may list `/notes`. Each sees a folder of their own.
    let folder = json!({ "path": "/notes" });
    let of_ada = call(&host, "user:ada", Role::Owner, "list", &folder).await?.result?;
    let of_ben = call(&host, "user:ben", looking, "list", &folder).await?.result?;
    assert!(of_ada.text().contains("plan.md"), "{}", of_ada.text());
    assert!(!of_ben.text().contains("plan.md"), "{}", of_ben.text());

    // Calls that run may end; after five seconds they are ended.
    host.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// One call of `files`, by `user` in `role`.
async fn call(host: &Host, user: &str, role: Role, tool: &str, arguments: &Value) -> Result<Outcome, Box<dyn Error>> {
    let context = host.context(user.parse()?, role)?;
    let arguments = arguments.to_string();
    Ok(host.call(&context, &Request::new("desk", "files", tool, &arguments)).await)
}
