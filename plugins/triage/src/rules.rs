//! Which label a message gets, and which reply.

use remit::Result;

use crate::message::{Draft, Message, visible};
use crate::wrong;

/// A label, the words by which it is recognised, and the reply.
#[remit::data]
#[derive(Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The label.
    pub label: String,
    /// Words or phrases; one of them in subject or text is enough. Case does not matter.
    pub keywords: Vec<String>,
    /// The text of the reply; `{name}` and `{subject}` stand for those of the message. Without it, messages are only sorted.
    pub reply: Option<String>,
}

/// Rules that were checked.
pub struct Rules {
    rules: Vec<Rule>,
    signature: Option<String>,
}

impl Rules {
    /// Takes the rules of the input, or the usual ones.
    ///
    /// # Errors
    ///
    /// `InvalidArguments` where a rule could never match.
    pub fn new(rules: Option<&[Rule]>, signature: Option<&str>) -> Result<Self> {
        let rules = rules.map_or_else(usual, <[Rule]>::to_vec);
        for rule in &rules {
            if rule.label.trim().is_empty() {
                return Err(wrong("a rule has an empty label; give it a word such as `billing`".into()));
            }
            if rule.keywords.is_empty() || rule.keywords.iter().any(|keyword| fold(keyword).trim().is_empty()) {
                return Err(wrong(format!("the rule `{}` has no keywords, or an empty one; name the words that it looks for", rule.label)));
            }
        }
        Ok(Self { rules, signature: signature.map(str::to_owned) })
    }

    /// Finds the first rule that matches.
    pub fn find(&self, message: &Message) -> Option<&Rule> {
        let text = fold(&format!("{} {}", message.subject, message.body));
        self.rules.iter().find(|rule| rule.keywords.iter().any(|keyword| holds(&text, fold(keyword).trim())))
    }

    /// Drafts the reply of a rule, unless it has none or nobody waits for one.
    pub fn reply(&self, rule: Option<&Rule>, message: &Message) -> Option<Draft> {
        let template = rule?.reply.as_ref()?;
        let to = message.address.as_ref().filter(|_| !message.automatic)?;
        let name = message.name.as_deref().unwrap_or("there");
        let about = if message.subject.is_empty() { "your message" } else { &message.subject };
        // In one pass, so that a name such as `{subject}` stays what it is.
        let parts = template.split("{name}").map(|part| part.replace("{subject}", about));
        let mut body = parts.collect::<Vec<_>>().join(name);
        if let Some(signature) = &self.signature {
            body = format!("{}\n\n-- \n{signature}", body.trim_end());
        }
        let reply = message.subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
        let subject = if reply { message.subject.clone() } else { format!("Re: {about}") };
        Some(Draft { to: to.clone(), subject, body: body + "\n", in_reply_to: message.id.clone() })
    }
}

/// Text in lower case, with single blanks.
fn fold(text: &str) -> String {
    visible(text).to_lowercase()
}

/// Whether the words of `keyword` stand in `text`, as whole words.
fn holds(text: &str, keyword: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let one_word = |left: Option<char>, right: Option<char>| inside(left) && inside(right);
    text.match_indices(keyword).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + keyword.len()..).and_then(|after| after.chars().next());
        let cut = one_word(before, keyword.chars().next()) || one_word(keyword.chars().next_back(), after);
        !cut
    })
}

fn usual() -> Vec<Rule> {
    let rule = |label: &str, keywords: &[&str], reply: Option<&str>| Rule {
        label: label.into(),
        keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
        reply: reply.map(|text| format!("Hello {{name}},\n\n{text}")),
    };
    vec![
        rule("spam", &["lottery", "you have won", "casino", "crypto giveaway", "cheap meds"], None),
        rule(
            "incident",
            &["outage", "is down", "not working", "does not work", "cannot log in", "can't log in", "data loss", "urgent"],
            Some("thank you for telling us about \"{subject}\". Somebody looks into it now. You hear from us as soon as we know more."),
        ),
        rule(
            "billing",
            &["invoice", "invoices", "refund", "charged twice", "payment", "receipt"],
            Some("thank you for your message \"{subject}\". It is with accounting, who answer within two working days."),
        ),
        rule(
            "question",
            &["how do i", "how can i", "where can i", "is it possible", "could you tell me", "question"],
            Some("thank you for your question. We have noted \"{subject}\" and come back to you with an answer."),
        ),
    ]
}
