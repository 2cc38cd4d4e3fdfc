//! `[http]`: what is read, and what is told of mistakes.

use super::super::{Egress, Project, Proxy};

fn read(http: &str) -> Result<Egress, Vec<String>> {
    let text = format!("version = 1\nproject.name = \"acme\"\n[http]\n{http}\n");
    let project = Project::parse("remit.toml", text.as_bytes());
    project.map(|project| project.egress).map_err(|error| error.to_string().split("; ").map(str::to_owned).collect())
}

#[test]
fn a_proxy_and_roots_are_read() {
    assert_eq!(read(""), Ok(Egress::default()));
    let url = "http://proxy.example:3128/".parse().expect("a URL");
    let proxy = Some(Proxy { url, resolves: false });
    assert_eq!(read("proxy = \"http://PROXY.example.:3128\""), Ok(Egress { proxy: proxy.clone(), roots: Vec::new() }));
    let roots = vec!["certs/corp.pem".to_owned(), "/etc/corp.der".to_owned()];
    assert_eq!(
        read("proxy = \"http://proxy.example:3128\"\nproxy_resolves = false\nroots = [\"./certs/corp.pem\", \"/etc/corp.der\"]"),
        Ok(Egress { proxy, roots })
    );
    assert!(
        read("proxy = \"https://proxy.example\"\nproxy_resolves = true").is_ok_and(|read| read.proxy.is_some_and(|proxy| proxy.resolves))
    );
}

#[test]
fn mistakes_are_told() {
    for (http, message) in [
        ("proxy = \"socks5://proxy.example\"", "only `http` and `https` are spoken"),
        ("proxy = \"proxy.example:3128\"", "only `http` and `https` are spoken"),
        ("proxy = \"http://ada:secret@proxy.example\"", "it holds user information"),
        ("proxy = \"http://proxy.example/pac\"", "the URL of a proxy has no path"),
        ("proxy = \"http://proxy.example?x\"", "the URL of a proxy has no path"),
        ("proxy_resolves = true", "`proxy_resolves` says how a proxy works, and there is none"),
        ("roots = []", "`roots` names 0 files"),
        ("roots = [\"../corp.pem\"]", "the path `../corp.pem` climbs out with `..`"),
        ("roots = [\"\"]", "the path is empty"),
        ("root = [\"corp.pem\"]", "unknown key `root`"),
        ("no_proxy = \"*\"", "unknown key `no_proxy`"),
    ] {
        let told = read(http).expect_err(http);
        assert!(told.len() == 1 && told[0].contains(message), "{http}: {told:?}");
    }
    let many = format!("roots = [{}]", "\"a.pem\", ".repeat(17));
    assert!(read(&many).is_err_and(|told| told[0].contains("`roots` names 17 files")));
}
