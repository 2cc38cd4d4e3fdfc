//! `[models]`, and what agents are granted of them.

use super::super::Project;
use crate::{limit::MODEL_FALLBACK_MAX, model::Api};

const WHERE: &str = "api = \"openai\"\nurl = \"http://127.0.0.1:8080/v1/\"\nname = \"m\"\n";

fn read(tables: &str) -> Result<Project, String> {
    let text = format!("version = 1\n[project]\nname = \"p\"\n{tables}");
    Project::parse("remit.toml", text.as_bytes()).map_err(|error| error.report())
}

#[test]
fn a_model_is_where_its_table_says_with_the_secret_in_the_header_of_its_api() {
    for (api, path, secret) in [
        ("openai", "chat/completions", "secret s as header authorization, written `Bearer {}`"),
        ("openai-chat", "chat/completions", "secret s as header authorization, written `Bearer {}`"),
        ("openai-responses", "responses", "secret s as header authorization, written `Bearer {}`"),
        ("anthropic", "messages", "secret s as header x-api-key"),
    ] {
        for url in ["https://api.example.com/v1", "https://api.example.com/v1/"] {
            let project = read(&format!("[models.a]\napi = \"{api}\"\nurl = \"{url}\"\nname = \"m\"\nsecret = \"s\"\n")).unwrap();
            let model = &project.models["a"];
            assert_eq!(model.url().as_str(), format!("https://api.example.com/v1/{path}"));
            assert_eq!(model.remote.lines(), [secret]);
            assert_eq!(
                (model.max_output_tokens, model.deadline_ms, model.idle_ms, model.retries, model.stream),
                (4096, 600_000, 120_000, 2, true)
            );
        }
    }
    assert_eq!(read(&format!("[models.a]\n{WHERE}")).unwrap().models["a"].api, Api::OpenaiChat);
}

#[test]
fn each_mistake_in_a_model_is_told() {
    let model = |more: &str| format!("[models.a]\n{WHERE}{more}\n");
    let many = (0..=MODEL_FALLBACK_MAX).map(|number| format!("[models.m{number}]\n{WHERE}\n")).collect::<String>();
    let all = (0..=MODEL_FALLBACK_MAX).map(|number| format!("\"m{number}\"")).collect::<Vec<_>>().join(", ");
    let cases = [
        (format!("[models.A]\n{WHERE}"), "`A` is not the name of a model"),
        ("[models.a]\n".to_owned(), "has no `api`"),
        ("[models.a]\napi = \"grpc\"\nurl = \"https://example.com\"\nname = \"m\"\n".to_owned(), "not one of the accepted values"),
        ("[models.a]\napi = \"openai\"\nurl = \"http://example.com/v1\"\nname = \"m\"\n".to_owned(), "over `https` alone"),
        ("[models.a]\napi = \"openai\"\nurl = \"https://example.com/v1?key=1\"\nname = \"m\"\n".to_owned(), "has a query"),
        ("[models.a]\napi = \"openai\"\nurl = \"https://example.com/v1\"\nname = \"\"\n".to_owned(), "is not the name of a model"),
        (model("secret = \"a b\""), "secret"),
        (model("private = [\"nowhere\"]"), "nowhere"),
        (model("max_output_tokens = 0"), "`max_output_tokens` is 0"),
        (model("max_output_tokens = 1048577"), "`max_output_tokens` is 1048577"),
        (model("retries = 9"), "`retries` is 9"),
        (model("idle_ms = 0"), "`idle_ms` is 0"),
        (model("deadline_ms = 3600001"), "`deadline_ms` is 3600001"),
        (model("fallback = [\"b\"]"), "the project has no model `b`"),
        (model("fallback = [\"a\"]"), "`a` would be asked twice"),
        (model(&format!("fallback = [{all}]\n{many}")), "names more than 4 models"),
        (model("temperature = 1"), "unknown key `temperature`"),
        ("[plugins.models]\nsource = \"x\"\n".to_owned(), "`models` is no name for a plugin or an agent"),
        ("[agents.a]\nsource = \"x\"\nmodel = \"A b\"\n".to_owned(), "`A b` is not the name of a model"),
        ("[agents.a]\nsource = \"x\"\nmodel = { names = [] }\n".to_owned(), "`names` is empty"),
        ("[agents.a]\nsource = \"x\"\nmodel = { names = [\"a\"], max_tokens = 0 }\n".to_owned(), "`max_tokens` is 0"),
        ("[agents.a]\nsource = \"x\"\nmodel = 7\n".to_owned(), "the name of a model"),
    ];
    for (text, told) in cases {
        let report = read(&text).expect_err(told);
        assert!(report.contains(told), "{told}:\n{report}");
    }
}

#[test]
fn an_agent_is_granted_models_by_a_name_a_list_or_tables() {
    let granted = |written: &str| {
        let project = read(&format!("[agents.a]\nsource = \"x\"\nmodel = {written}\n")).unwrap();
        project.plugins.values().next().unwrap().granted_lines().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(granted("\"default\""), ["model default"]);
    assert_eq!(granted("[\"a\", \"b\"]"), ["model a", "model b"]);
    assert_eq!(granted("{ names = [\"a\"], max_tokens = 9 }"), ["model a max_tokens=9"]);
    assert_eq!(
        granted("[\"a\", { names = [\"a\", \"b\"], max_tokens = 9 }, { names = [\"b\"], max_tokens = 7 }]"),
        ["model a", "model b max_tokens=9"]
    );
    assert!(granted("[]").is_empty());
}
