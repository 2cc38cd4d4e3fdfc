use base64::{Engine as _, engine::general_purpose::STANDARD};
use minisign::{KeyPair, sign};

use super::{
    super::signature::{statement, subject},
    *,
};
use crate::identity::Principal;

/// A signer, and what it wrote into the lock of the project `acme`.
struct Desk {
    pair: KeyPair,
    name: PluginName,
}

impl Desk {
    fn new() -> Self {
        Self { pair: KeyPair::generate_unencrypted_keypair().expect("a key"), name: "files".parse().expect("a name") }
    }

    fn public(&self) -> String {
        self.pair.pk.to_base64()
    }

    fn sign(&self, project: &str, name: &PluginName, locked: &LockedPlugin, comment: &str) -> String {
        let approval = locked.approvals.last().expect("an approval");
        let text = statement(project, name, locked, approval).expect("text");
        sign(None, &self.pair.sk, text.as_bytes(), Some(comment), None).expect("a signature").into_string()
    }

    /// The entry as this signer approved it, for `project` and `name`.
    fn signed(&self, project: &str, name: &PluginName) -> LockedPlugin {
        let mut locked = locked();
        let comment = subject(project, name, &locked).expect("text");
        let signature = self.sign(project, name, &locked, &comment);
        locked.approvals.last_mut().expect("an approval").signature = Some(signature);
        locked
    }

    /// What a project says whose signers are `keys`.
    fn check(&self, locked: &LockedPlugin, keys: &[String]) -> Result<(), String> {
        let (project, _) = project("source = \"x\"", &format!("[review]\nsigners = {keys:?}"));
        locked.check_signed(&project, &self.name).map_err(|error| error.message.replace("`files` is not loaded: ", ""))
    }
}

/// The line of a signature that holds algorithm, number of the key and signature, and its bytes.
fn second_line(text: &str) -> (String, Vec<u8>) {
    let line = text.lines().nth(1).expect("a line").to_owned();
    let bytes = STANDARD.decode(&line).expect("Base64");
    (line, bytes)
}

#[test]
fn an_approval_holds_that_one_of_the_signers_signed() {
    let (desk, other) = (Desk::new(), Desk::new());
    let signed = desk.signed("acme", &desk.name);
    assert_eq!(desk.check(&signed, &[desk.public()]), Ok(()));
    assert_eq!(desk.check(&signed, &[other.public(), desk.public()]), Ok(()));

    let lock = Lock { plugins: [(desk.name.clone(), signed)].into() };
    let text = lock.format().expect("it is written");
    assert_eq!(Lock::parse("remit.lock", text.as_bytes()).expect("it is read"), lock, "{text}");
    let admits = |more: &str| {
        let (project, plugin) = project("source = \"plugins/files\"\nask = [\"search\"]", more);
        lock.admits(&project, &plugin, locked().digest).map(drop)
    };
    admits("").expect("where nobody has to sign, signatures change nothing");
    admits(&format!("[review]\nsigners = [\"{}\"]", desk.public())).expect("one of the signers signed it");
    admits(&format!("[review]\nsigners = [\"{}\"]", other.public())).expect_err("none of the signers signed it");
}

#[test]
fn c2_a_signature_of_somebody_else_does_not_hold() {
    let (desk, other) = (Desk::new(), Desk::new());
    let refused = desk.check(&other.signed("acme", &desk.name), &[desk.public()]).expect_err("another key");
    assert_eq!(refused, "its approval is signed by a key that `[review]` in `remit.toml` does not name");
    // The number of the right key, which is no secret, with the other key's signature.
    let mut forged = other.signed("acme", &desk.name);
    let text = forged.approvals[0].signature.clone().expect("a signature");
    let (line, bytes) = second_line(&text);
    let (_, own) = second_line(desk.signed("acme", &desk.name).approvals[0].signature.as_ref().expect("a signature"));
    forged.approvals[0].signature = Some(text.replace(&line, &STANDARD.encode([&own[..10], &bytes[10..]].concat())));
    assert_eq!(desk.check(&forged, &[desk.public()]), Err("its approval was changed after it was signed".to_owned()));
    assert_eq!(
        desk.check(&locked(), &[desk.public()]),
        Err("its approval is not signed, and `[review]` in `remit.toml` wants that".to_owned())
    );
    let mut broken = desk.signed("acme", &desk.name);
    broken.approvals[0].signature = Some("a signature".to_owned());
    assert_eq!(desk.check(&broken, &[desk.public()]), Err("the signature of its approval cannot be read".to_owned()));
}

#[test]
fn c2_a_signature_is_of_one_project_and_one_plugin() {
    let desk = Desk::new();
    let refused = desk.check(&desk.signed("other", &desk.name), &[desk.public()]).expect_err("another project's");
    assert!(refused.starts_with("its signature is of something else: `project other plugin files entry sha256:"), "{refused}");
    let refused = desk.check(&desk.signed("acme", &"table".parse().expect("a name")), &[desk.public()]).expect_err("another plugin's");
    assert!(refused.starts_with("its signature is of something else: `project acme plugin table "), "{refused}");
    // A comment that lies is no help: it is signed, and so is what it is about.
    let mut lies = locked();
    let comment = subject("acme", &desk.name, &lies).expect("text");
    lies.approvals[0].signature = Some(desk.sign("other", &desk.name, &lies, &comment));
    assert_eq!(desk.check(&lies, &[desk.public()]), Err("its approval was changed after it was signed".to_owned()));
}

#[test]
fn c4_nothing_that_was_signed_can_be_changed_afterwards() {
    let desk = Desk::new();
    type Edit = fn(&mut LockedPlugin);
    let edits: [(&str, Edit); 14] = [
        ("source", |plugin| plugin.source = "x".to_owned()),
        ("digest", |plugin| plugin.digest = Digest::of(b"two")),
        ("kind", |plugin| plugin.kind = Kind::Plain),
        ("files", |plugin| plugin.files.extend([("a".to_owned(), Digest::of(b"a"))])),
        ("imports", |plugin| plugin.imports.clear()),
        ("declared", |plugin| plugin.declared.clear()),
        ("granted", |plugin| plugin.granted.extend(["env A=b".to_owned()])),
        ("ask", |plugin| plugin.ask.clear()),
        ("isolation", |plugin| plugin.isolation = Isolation::Process),
        ("limits", |plugin| plugin.limits.memory_mib += 1),
        ("description", |plugin| plugin.tools.get_mut("read").expect("a tool").description.push('!')),
        ("effect", |plugin| plugin.tools.get_mut("read").expect("a tool").effect = Effect::Once),
        ("by", |plugin| plugin.approvals[0].by = "user:eve".parse::<Principal>().expect("a principal")),
        ("at", |plugin| plugin.approvals[0].at = Timestamp(1_795_000_000_124)),
    ];
    for (what, edit) in edits {
        let mut signed = desk.signed("acme", &desk.name);
        assert_eq!(desk.check(&signed, &[desk.public()]), Ok(()));
        edit(&mut signed);
        let refused = desk.check(&signed, &[desk.public()]).expect_err(what);
        assert!(
            refused.starts_with("its approval was changed after it") || refused.starts_with("its signature is of"),
            "{what}: {refused}"
        );
    }
    // A later approval that nobody signed takes the place of the signed one.
    let mut signed = desk.signed("acme", &desk.name);
    signed.approvals.push(locked().approvals[0].clone());
    assert!(desk.check(&signed, &[desk.public()]).expect_err("the latest counts").starts_with("its approval is not signed"));
}

#[test]
fn signers_are_keys_and_more_than_none() {
    let problem = |review: &str| {
        let text = format!("version = 1\n[project]\nname = \"acme\"\n[review]\n{review}");
        let error = Project::parse("remit.toml", text.as_bytes()).expect_err("it is wrong");
        error.problems()[0].message.clone()
    };
    assert_eq!(problem(""), "`[review]` has no `signers`");
    assert_eq!(problem("signers = []"), "`signers` names 0 keys");
    assert_eq!(problem("signers = [\"RWx\"]"), "`RWx` is no public key: invalid encoding in minisign data");
    let many = vec![Desk::new().public(); crate::limit::SIGNERS_MAX + 1];
    assert_eq!(problem(&format!("signers = {many:?}")), "`signers` names 65 keys");
    let mut long = locked();
    long.approvals[0].signature = Some("x".repeat(crate::limit::SIGNATURE_MAX_BYTES + 1));
    let text = Lock { plugins: [("files".parse().expect("a name"), long)].into() }.format().expect("it is written");
    let error = Lock::parse("remit.lock", text.as_bytes()).expect_err("it is too long");
    assert_eq!(error.problems()[0].message, "a signature has 2049 bytes, more than 2048");
}
