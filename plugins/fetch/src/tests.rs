use std::cell::RefCell;
use std::collections::BTreeMap;

use remit::http::{Request, Response};
use remit::serde_json::json;
use remit::{Error, ErrorKind};
use url::Url;

use crate::charset::{MediaType, decode};
use crate::get::{Format, Get, Page, page};
use crate::html::{Style, convert};
use crate::part::take;
use crate::post::{Post, exchange};

fn base() -> Url {
    Url::parse("https://example.com/docs/page.html").unwrap()
}

fn markdown(html: &str) -> String {
    convert(html, &base(), Style::Markdown, false).text
}

fn plain(html: &str) -> String {
    convert(html, &base(), Style::Plain, false).text
}

fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Response { status, headers, body: body.to_vec(), truncated: false }
}

fn html(body: &str) -> Response {
    response(200, &[("content-type", "text/html; charset=utf-8")], body.as_bytes())
}

fn ask(url: &str) -> Get {
    Get { url: url.to_owned(), ..Get::default() }
}

/// Gets `args` from a server that answers each URL as told; also gives the requests.
fn served(args: &Get, answers: &[(&str, Response)]) -> (Result<Page, Error>, Vec<Request>) {
    let sent = RefCell::new(Vec::new());
    let result = page(args, |request| {
        let answer = answers.iter().find(|(url, _)| *url == request.url()).map(|(_, response)| response.clone());
        sent.borrow_mut().push(request);
        answer.ok_or_else(|| Error::unavailable("nothing there"))
    });
    (result, sent.into_inner())
}

#[test]
fn a_real_page_becomes_readable_markdown() {
    let page = convert(include_str!("../tests/data/harbour.html"), &base(), Style::Markdown, false);
    assert_eq!(page.title.as_deref(), Some("Harbour rules – Port of Lisbon"));
    assert_eq!(page.text.trim(), include_str!("../tests/data/harbour.md").trim());
    assert!(page.notes[0].contains("`whole_page`"), "{:?}", page.notes);
}

#[test]
fn a_whole_page_has_its_navigation() {
    let page = convert(include_str!("../tests/data/harbour.html"), &base(), Style::Markdown, true);
    assert!(page.text.contains("[Home](https://example.com/)") && page.text.contains("© Port"), "{}", page.text);
    assert!(!page.text.contains("track("), "{}", page.text);
}

#[test]
fn marks_hug_their_text_and_close_at_the_end() {
    assert_eq!(markdown("<p>a<b> bold </b>b <i></i>c</p>"), "a **bold** b c");
    assert_eq!(markdown("<p>one <b>two<p>three</b> four"), "one **two**\n\n**three** four");
    assert_eq!(markdown("<a href=/x><h3>Title</h3><p>Text</p></a>"), "### [Title](https://example.com/x)\n\n[Text](https://example.com/x)");
    assert_eq!(markdown("<p><code>a`b</code> 2*3 [x] &lt;b&gt; a < b"), "``a`b`` 2\\*3 \\[x\\] \\<b> a < b");
}

#[test]
fn links_are_absolute_and_scripts_are_none() {
    assert_eq!(markdown("<a href='../a b(1).pdf'>pdf</a>"), "[pdf](https://example.com/a%20b%281%29.pdf)");
    assert_eq!(markdown("<a href='javascript:x()'>go</a> <a href='#top'>up</a>"), "go up");
    assert_eq!(markdown("<base href='https://other.org/d/'><a href=e>e</a>"), "[e](https://other.org/d/e)");
    assert_eq!(markdown("<img src=data:x alt='a [pic]'><img src=/p.png alt=p>"), "a pic![p](https://example.com/p.png)");
}

#[test]
fn lists_nest_and_close_themselves() {
    assert_eq!(markdown("<ul><li>a<li>b<ol start=3><li>c<li>d</ol><li>e</ul>f"), "- a\n- b\n  3. c\n  4. d\n- e\n\nf");
    assert_eq!(markdown("<ul><li><p>a</p><p>b</p></li></ul>"), "- a\n\n  b");
    assert_eq!(markdown("<blockquote><p>q<ul><li>x</ul></blockquote>"), "> q\n>\n> - x");
    assert_eq!(markdown("<dl><dt>Term<dd>Meaning<dt>Other<dd>Thing</dl>"), "Term\n\n: Meaning\n\nOther\n\n: Thing");
}

#[test]
fn code_keeps_its_lines() {
    assert_eq!(markdown("<pre><code class='language-rust'>fn a() {\n    <b>b</b>\n}\n</code></pre>"), "```rust\nfn a() {\n    b\n}\n```");
    assert_eq!(markdown("<ol><li>run<pre>x\n\ny</pre></ol>"), "1. run\n\n   ```\n   x\n\n   y\n   ```");
    assert_eq!(markdown("<pre>```</pre>"), "````\n```\n````");
}

#[test]
fn tables_keep_empty_cells_and_layout_is_no_table() {
    assert_eq!(
        markdown("<table><caption>Ships</caption><tr><th>a<th>b</tr><tr><td></td><td>x|y<br>z</td></tr></table>"),
        "Ships\n\n| a | b |\n| --- | --- |\n|  | x\\|y z |"
    );
    assert_eq!(markdown("<table cellspacing=0><tr><td>one<td><p>two</table>"), "one\n\ntwo");
    assert_eq!(plain("<table><tr><td>1<td>2<tr><td>3<td>4</table>"), "1\t2\n3\t4");
}

#[test]
fn what_would_be_read_as_a_list_or_heading_is_guarded() {
    assert_eq!(
        markdown("<p>1. no list<p># no heading<p>- no item<p>-5 degrees"),
        "1\\. no list\n\n\\# no heading\n\n\\- no item\n\n-5 degrees"
    );
}

#[test]
fn plain_text_has_no_marks() {
    assert_eq!(plain("<h1>T</h1><p>a <b>b</b> <a href=/>c</a> *d*<br>e"), "T\n\na b c *d*\ne");
}

#[test]
fn hidden_and_silent_parts_are_left_out() {
    assert_eq!(
        markdown("<head><style>x</style></head><nav>n</nav><p>a<script>1<2</script><span hidden>h</span>b</p><footer>f</footer>"),
        "ab"
    );
    assert_eq!(markdown("<nav>only navigation</nav>"), "only navigation");
}

#[test]
fn hostile_pages_stay_bounded() {
    let deep = "<blockquote><ul><li><b>".repeat(50_000) + "x";
    assert!(markdown(&deep).len() < 10_000);
    let unclosed = "<b>x".repeat(50_000) + "<table><tr>" + &"<td>y".repeat(50_000);
    assert!(markdown(&unclosed).len() < 2_000_000);
    for text in ["<", "</", "<!", "<a href=", "&#xFFFFFFFF;", "<table></table></table></td></li></ul>", "\u{0}"] {
        let _text: String = markdown(text);
    }
}

#[test]
fn a_long_page_comes_in_parts() {
    let text = format!("<p>{}</p><p>{}</p>", "a".repeat(95), "b".repeat(50));
    let (first, _) = served(&Get { max_chars: Some(100), ..ask("https://example.com/") }, &[("https://example.com/", html(&text))]);
    let first = first.unwrap();
    assert_eq!((first.content.len(), first.total_chars), (97, 147));
    assert_eq!(first.next.as_deref(), Some("50 more characters: call again with `start` = 97"));
    let (last, _) = served(&Get { start: 97, ..ask("https://example.com/") }, &[("https://example.com/", html(&text))]);
    assert_eq!((last.unwrap().next, take("é", 1, 5).text.as_str()), (None, ""));
    let (beyond, _) = served(&Get { start: 148, ..ask("https://example.com/") }, &[("https://example.com/", html(&text))]);
    assert!(beyond.unwrap_err().message().contains("the page has 147 characters"));
}

#[test]
fn redirects_are_followed_and_named() {
    let moved = response(301, &[("location", "/new#part")], b"");
    let (got, sent) =
        served(&ask("https://example.com/old"), &[("https://example.com/old", moved), ("https://example.com/new", html("<p>hi"))]);
    let got = got.unwrap();
    assert_eq!(
        (got.url.as_str(), got.redirected_from.as_slice()),
        ("https://example.com/new", &["https://example.com/old".to_owned()][..])
    );
    assert_eq!((got.content.as_str(), sent.len()), ("hi", 2));
}

#[test]
fn credentials_do_not_follow_to_another_origin() {
    let headers = BTreeMap::from([("Authorization".to_owned(), "Bearer x".to_owned()), ("X-Key".to_owned(), "k".to_owned())]);
    let to = |location: &str| response(302, &[("location", location)], b"");
    let answers = [
        ("https://example.com/a", to("/b")),
        ("https://example.com/b", to("http://example.com/c")),
        ("http://example.com/c", to("https://example.com/d")),
        ("https://example.com/d", html("done")),
    ];
    let (got, sent) = served(&Get { headers, ..ask("https://example.com/a") }, &answers);
    assert_eq!(got.unwrap().content, "done");
    let carried: Vec<bool> = sent.iter().map(|request| format!("{request:?}").contains("authorization")).collect();
    assert_eq!(carried, [true, true, false, false]);
    assert!(!format!("{:?}", sent[3]).contains("x-key"));
}

#[test]
fn redirects_end() {
    let answers = [("https://example.com/", response(302, &[("location", "/")], b""))];
    let (got, sent) = served(&ask("https://example.com/"), &answers);
    assert!(got.unwrap_err().message().contains("once more after 5 redirects"));
    assert_eq!(sent.len(), 6);
    let answers = [("https://example.com/", response(302, &[("location", "file:///etc/passwd")], b""))];
    assert!(served(&ask("https://example.com/"), &answers).0.unwrap_err().message().contains("`file` cannot be fetched"));
}

#[test]
fn error_pages_are_errors_with_their_start() {
    let status = |status| {
        served(&ask("https://example.com/"), &[("https://example.com/", response(status, &[("content-type", "text/html")], b"<h1>Gone"))])
            .0
            .unwrap_err()
    };
    assert_eq!(status(404).message(), "`https://example.com/` answered with status 404: # Gone");
    assert_eq!(
        [status(404).kind(), status(403).kind(), status(503).kind()],
        [ErrorKind::Failed, ErrorKind::Denied, ErrorKind::Unavailable]
    );
}

#[test]
fn what_is_not_text_is_named() {
    let (got, _) =
        served(&ask("https://example.com/"), &[("https://example.com/", response(200, &[("content-type", "image/png")], b"\x89PNG"))]);
    assert_eq!(got.unwrap().notes, ["`image/png` is not text; its 4 bytes are not shown"]);
    let zipped = response(200, &[("content-type", "text/html"), ("content-encoding", "gzip")], b"\x1f\x8b");
    assert!(served(&ask("https://example.com/"), &[("https://example.com/", zipped)]).0.unwrap_err().message().contains("`gzip`"));
}

#[test]
fn raw_and_json_come_as_they_are() {
    let (raw, _) = served(&Get { format: Format::Raw, ..ask("https://example.com/") }, &[("https://example.com/", html("<p>a</p>"))]);
    assert_eq!(raw.unwrap().content, "<p>a</p>");
    let (json, _) = served(
        &ask("https://example.com/"),
        &[("https://example.com/", response(200, &[("content-type", "application/json")], b"{\"a\":1}"))],
    );
    assert_eq!(json.unwrap().content, "{\"a\":1}");
}

#[test]
fn encodings_are_found() {
    let media = MediaType::parse("Text/HTML; Charset=\"ISO-8859-1\"");
    assert_eq!((media.essence.as_str(), decode(b"caf\xe9", &media).0.as_str()), ("text/html", "café"));
    let unnamed = MediaType::parse("text/html");
    assert_eq!(decode(b"<meta charset=shift_jis>\x93\xfa\x96{", &unnamed), ("<meta charset=shift_jis>日本".to_owned(), "Shift_JIS"));
    assert_eq!(decode("naïve".as_bytes(), &unnamed).1, "UTF-8");
    assert_eq!(decode(b"na\xefve", &unnamed).0, "naïve");
}

#[test]
fn addresses_and_headers_are_checked() {
    let refused = |url: &str| served(&ask(url), &[]).0.unwrap_err();
    assert!(refused("example.com").message().contains("is not a URL"));
    assert!(refused("ftp://example.com").message().contains("`ftp` cannot be fetched"));
    assert!(refused("https://u:p@example.com").message().contains("a name or a password"));
    let headers = BTreeMap::from([("a".to_owned(), "b\r\nc: d".to_owned())]);
    assert!(served(&Get { headers, ..ask("https://example.com/") }, &[]).0.unwrap_err().message().contains("control character"));
}

#[test]
fn post_sends_json_and_gives_any_status() {
    let args = Post { url: "https://example.com/items".to_owned(), json: Some(json!({"a": 1})), ..Post::default() };
    let answer = exchange(&args, |request| {
        assert_eq!((request.method(), request.url()), ("POST", "https://example.com/items"));
        assert!(format!("{request:?}").contains(&format!("(\"content-type\", {:?})", b"application/json")));
        Ok(response(303, &[("location", "/items/7"), ("content-type", "text/plain")], b"see there"))
    });
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status, answer.location.as_deref(), answer.content.as_str()),
        (303, Some("https://example.com/items/7"), "see there")
    );
    let both = Post { text: Some(String::new()), ..args };
    assert!(exchange(&both, |_| Err(Error::failed("sent"))).unwrap_err().message().contains("either `json` or `text`"));
}
