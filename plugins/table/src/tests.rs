use std::fs;
use std::io::Write as _;
use std::path::Path;

use remit::serde_json::{Value as Json, json};
use remit::{Error, ErrorKind};

use crate::describe::{Describe, describe};
use crate::export::{Export, export};
use crate::expression::Condition;
use crate::query::filter::{Filter, filter};
use crate::query::group::{Group, group};
use crate::query::join::{Join, JoinKind, join};
use crate::query::{MEMORY_MAX_BYTES, Rows};
use crate::source::{Column, Source};
use crate::value::{Kind, Value, guess};

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn ports(condition: &str) -> Filter {
    Filter {
        path: data("ports.csv"),
        condition: Some(condition.to_owned()),
        select: words(&["id"]),
        nulls: words(&["n/a"]),
        ..Filter::default()
    }
}

/// The values of the first column.
fn firsts(rows: &Rows) -> Vec<Json> {
    rows.rows.iter().map(|row| row[0].clone()).collect()
}

fn ids(condition: &str) -> Vec<Json> {
    firsts(&filter(ports(condition)).unwrap())
}

fn refused(condition: &str) -> String {
    let error = filter(ports(condition)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    error.message().to_owned()
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().message().to_owned()
}

#[test]
fn describe_tells_kinds_nulls_and_bounds() {
    let got = describe(Describe { path: data("ports.csv"), nulls: words(&["n/a"]) }).unwrap();
    assert_eq!((got.rows, got.sample.len()), (5, 5));
    let kinds: Vec<_> = got.columns.iter().map(|column| (column.name.as_str(), column.kind, column.nulls)).collect();
    assert_eq!(
        kinds,
        [
            ("id", Kind::Integer, 0),
            ("port", Kind::Text, 0),
            ("country", Kind::Text, 0),
            ("berths", Kind::Integer, 1),
            ("depth", Kind::Number, 1),
            ("opened", Kind::Text, 1),
            ("zip", Kind::Text, 0)
        ]
    );
    let berths = &got.columns[3];
    assert_eq!((berths.min.clone(), berths.max.clone(), berths.mean), (Some(json!(7)), Some(json!(90)), Some(41.75)));
    assert_eq!(got.sample[4], [json!(5), json!("The \"old\" port"), json!("IT"), json!(7), json!(9.5), Json::Null, json!("16126")]);
}

#[test]
fn describe_names_what_makes_a_column_text() {
    let got = describe(Describe { path: data("ports.csv"), nulls: Vec::new() }).unwrap();
    assert_eq!(got.columns[3].note.as_deref(), Some("text since row 4 (`n/a`); list it in `nulls` if it stands for nothing"));
}

#[test]
fn fields_count_as_numbers_only_when_written_plainly() {
    let kinds: Vec<Kind> = ["", "0", "-5", "1.5", "0.5", "2e3", "true"].into_iter().map(guess).collect();
    assert_eq!(kinds, [Kind::Empty, Kind::Integer, Kind::Integer, Kind::Number, Kind::Number, Kind::Number, Kind::Boolean]);
    for text in ["007", "+5", "1,000", "1_000", "inf", "NaN", "1e999", "-", "12345678901234567890", " 1", "True"] {
        assert_eq!(guess(text), Kind::Text, "{text}");
    }
}

#[test]
fn conditions_select_rows() {
    assert_eq!(ids("berths >= 12"), [1, 2, 3]);
    assert_eq!(ids("country = 'IT' and (depth < 10 or port contains 'ries')"), [1, 5]);
    assert_eq!(ids("not country in ('IT', 'PT')"), [3, 4]);
    assert_eq!(ids("country not in ('IT', 'PT') and `port` starts_with 'Rott'"), [3]);
    assert_eq!(ids("depth is null OR opened is not null and opened < '1800-01-01'"), [1, 2]);
    assert_eq!(ids("zip = '01100'"), [2]);
    assert_eq!(ids("port = 'The \"old\" port' or port ends_with 'vlakte'"), [3, 5]);
    assert_eq!(ids("depth = 24.5 or berths = id"), [3]);
}

#[test]
fn nothing_is_neither_equal_nor_unequal() {
    assert_eq!(ids("berths != 7"), [1, 2, 3]);
    assert_eq!(ids("not berths = 7"), [1, 2, 3]);
    assert_eq!(ids("berths = 7 or berths is null"), [4, 5]);
}

#[test]
fn malformed_conditions_say_where() {
    assert!(refused("berths >").contains("the end where a column or a value should be"));
    assert!(refused("berths > 1 country = 'IT'").contains("`country` at character 12"));
    assert!(refused("(berths > 1").contains("where `)` should be"));
    assert!(refused("port = 'x").contains("at character 8 of the condition is not closed"));
    assert!(refused("port = Lisbon").contains("text is written in single quotes, such as 'Lisbon'"));
    assert!(refused("harbour = 1").contains("there is no column `harbour`; columns: `id`, `port`"));
    assert!(refused("berths ; 1").contains("unexpected `;` at character 8"));
    assert!(refused("opened < 1887-10-31").contains("dates in single quotes"));
    assert!(refused(&format!("{}berths = 1{}", "(".repeat(40), ")".repeat(40))).contains("nests deeper"));
    assert!(refused(&"not ".repeat(40)).contains("nests deeper"));
    assert!(refused(&"berths = 1 or ".repeat(400)).contains("at most 4096"));
}

#[test]
fn kinds_that_do_not_fit_say_what_to_write() {
    assert!(refused("zip = 1100").contains("the column `zip` holds text; write the value in quotes"));
    assert!(refused("id = '1'").contains("the column `id` holds whole numbers; write the value without quotes"));
    let text = Filter { nulls: Vec::new(), ..ports("berths > 5") };
    assert!(message(filter(text)).contains("(row 4 has `n/a`; list such text in `nulls` if it stands for nothing)"));
}

#[test]
fn filter_sorts_selects_and_pages() {
    let ask =
        |skip, limit| Filter { sort: words(&["-berths", "port"]), select: words(&["port", "berths"]), skip, limit, ..ports("id > 0") };
    let all = filter(ask(0, None)).unwrap();
    assert_eq!(all.columns, ["port", "berths"]);
    assert_eq!(all.rows.iter().map(|row| row[1].clone()).collect::<Vec<_>>(), [json!(90), json!(58), json!(12), json!(7), Json::Null]);
    let part = filter(ask(1, Some(2))).unwrap();
    assert_eq!((firsts(&part), part.total), (vec![json!("Trieste"), json!("Lisbon")], 5));
    assert!(part.next.unwrap().starts_with("2 more rows: call again with `skip` = 3"));
    assert_eq!(filter(Filter { sort: Vec::new(), ..ask(4, Some(2)) }).unwrap().next, None);
}

#[test]
fn sorting_a_large_file_keeps_only_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.csv");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    writeln!(file, "n,text").unwrap();
    (0..60_000).for_each(|n| writeln!(file, "{},{}", (n * 7919) % 60_000, "x".repeat(500)).unwrap());
    drop(file);
    assert!(fs::metadata(&path).unwrap().len() > MEMORY_MAX_BYTES as u64);
    let ask = Filter { path: path.display().to_string(), sort: words(&["-n"]), select: words(&["n"]), limit: Some(3), ..Filter::default() };
    let got = filter(ask.clone()).unwrap();
    assert_eq!((firsts(&got), got.total), (vec![json!(59_999), json!(59_998), json!(59_997)], 60_000));
    let all = Export {
        output: folder.path().join("out.csv").display().to_string(),
        filter: Some(Filter { limit: None, ..ask }),
        ..Export::default()
    };
    assert!(message(export(all)).contains("sort fewer rows"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn answers_stay_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.csv");
    fs::write(&path, format!("text\n{}", format!("{}\n", "y".repeat(10_000)).repeat(50))).unwrap();
    let got = filter(Filter { path: path.display().to_string(), ..Filter::default() }).unwrap();
    assert_eq!((got.rows.len(), got.total), (13, 50));
    assert!(got.next.unwrap().contains("`skip` = 13"));
}

#[test]
fn group_counts_sums_and_averages() {
    let ask = Group {
        path: data("ports.csv"),
        by: words(&["country"]),
        aggregates: words(&["count", "count(berths)", "sum(berths)", "mean(depth)", "min(port)", "max(opened)"]),
        sort: words(&["-sum(berths)"]),
        nulls: words(&["n/a"]),
        ..Group::default()
    };
    let got = group(ask).unwrap();
    assert_eq!(got.columns[3], "sum(berths)");
    assert_eq!(got.rows[1], [json!("IT"), json!(2), json!(2), json!(65), json!(13.75), json!("The \"old\" port"), json!("1719-03-18")]);
    assert_eq!(got.rows[3], [json!("GR"), json!(1), json!(0), Json::Null, json!(16.0), json!("Piraeus"), json!("1835-01-01")]);
}

#[test]
fn group_of_no_rows_is_one_group_without_columns() {
    let ask = Group {
        path: data("ports.csv"),
        condition: Some("id > 99".to_owned()),
        aggregates: words(&["count", "sum(id)"]),
        ..Group::default()
    };
    assert_eq!(group(ask).unwrap().rows, [[json!(0), Json::Null]]);
}

#[test]
fn aggregates_that_do_not_fit_say_why() {
    let ask = |aggregate: &str| Group { path: data("ports.csv"), aggregates: words(&[aggregate]), ..Group::default() };
    assert!(message(group(ask("median(id)"))).contains("`median(id)` is no aggregate"));
    assert!(message(group(ask("sum(berths)"))).contains("row 4 has `n/a`"));
    assert!(message(group(ask("sum(port)"))).contains("needs numbers, but the column holds text"));
    assert!(message(group(ask("sum(x)"))).contains("there is no column `x`"));
}

#[test]
fn sums_beyond_whole_numbers_become_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.csv");
    fs::write(&path, "n\n9223372036854775807\n9223372036854775807\n").unwrap();
    let got = group(Group { path: path.display().to_string(), aggregates: words(&["sum(n)"]), ..Group::default() }).unwrap();
    assert_eq!(got.rows, [[json!(18_446_744_073_709_551_614.0)]]);
}

fn ships(kind: JoinKind) -> Join {
    Join {
        left: data("ships.jsonl"),
        right: data("ports.csv"),
        on: words(&["port_id = id"]),
        kind,
        select: words(&["ship", "port", "tons"]),
        ..Join::default()
    }
}

#[test]
fn join_finds_partners_across_formats() {
    let inner = join(ships(JoinKind::Inner)).unwrap();
    assert_eq!(
        inner.rows,
        [
            [json!("Ada"), json!("Trieste"), json!(1200)],
            [json!("Grace"), json!("Trieste"), json!(900.5)],
            [json!("Hedy"), json!("Rotterdam, Maasvlakte"), json!(4000)]
        ]
    );
    let left = join(ships(JoinKind::Left)).unwrap();
    assert_eq!(left.rows[3], [json!("Joan"), Json::Null, Json::Null]);
    let some = Join { condition: Some("active and country = 'NL'".to_owned()), ..ships(JoinKind::Inner) };
    assert_eq!(firsts(&join(some).unwrap()), ["Hedy"]);
}

#[test]
fn join_names_columns_apart() {
    let ask = Join { left: data("ports.csv"), right: data("ports.csv"), on: words(&["id"]), limit: Some(1), ..Join::default() };
    let got = join(ask).unwrap();
    assert_eq!(got.columns[6..9], ["zip", "right.port", "right.country"]);
    assert!(message(join(Join { on: words(&["port_id = x"]), ..ships(JoinKind::Inner) })).contains("ports.csv`: there is no column `x`"));
    assert!(message(join(Join { on: Vec::new(), ..ships(JoinKind::Inner) })).contains("`on` is empty"));
}

#[test]
fn json_lines_keep_their_columns_and_nested_values() {
    let got = filter(Filter { path: data("ships.jsonl"), ..Filter::default() }).unwrap();
    assert_eq!(got.columns, ["ship", "port_id", "tons", "flags", "active", "note"]);
    assert_eq!(got.rows[0][3], json!("[\"a\",\"b\"]"));
    assert_eq!(got.rows[3], [json!("Joan"), json!(9), Json::Null, Json::Null, json!(true), Json::Null]);
}

#[test]
fn export_writes_what_reads_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["out.csv", "out.tsv", "out.jsonl"] {
        let output = folder.path().join(name).display().to_string();
        let ask = || Export {
            output: output.clone(),
            filter: Some(Filter { path: data("ports.csv"), ..Filter::default() }),
            ..Export::default()
        };
        let done = export(ask()).unwrap();
        assert_eq!((done.rows, done.size), (5, fs::metadata(&output).unwrap().len()));
        let first = fs::read(&output).unwrap();
        export(ask()).unwrap();
        assert_eq!(fs::read(&output).unwrap(), first);
        let read = |path: String| filter(Filter { path, ..Filter::default() }).unwrap();
        assert_eq!(read(output), read(data("ports.csv")), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn export_takes_one_query_and_a_known_format() {
    let ask = |output: &str| Export { output: output.to_owned(), filter: Some(ports("id > 0")), ..Export::default() };
    assert!(message(export(Export { filter: None, ..ask("/out.csv") })).contains("just one of"));
    assert!(message(export(ask("/out.xls"))).contains("of no known format"));
    assert!(message(export(ask("/out.parquet"))).contains("Parquet is not written; use `.csv`, `.tsv` or `.jsonl`"));
    assert!(message(export(ask("out.csv"))).contains("not an absolute path"));
    assert!(message(export(ask("/no-such-folder/out.csv"))).contains("cannot write `/no-such-folder/out.csv`"));
}

#[test]
fn delimiters_and_byte_order_marks_are_understood() {
    let got = filter(Filter { path: data("semicolons.csv"), ..Filter::default() }).unwrap();
    assert_eq!((got.columns, got.rows), (words(&["id", "naam"]), vec![vec![json!(1), json!("café")]]));
}

/// What opening a file of this name and content answers.
fn opening(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    message(Source::open(&path.display().to_string(), &[]))
}

#[test]
fn malformed_files_say_where() {
    assert!(
        message(describe(Describe { path: data("ragged.csv"), nulls: Vec::new() }))
            .contains("row 2 (line 3) has 3 fields, but there are 2 columns")
    );
    assert!(opening("a.csv", b"").contains("the file is empty"));
    assert!(opening("a.csv", b"a,a\n").contains("two columns have the name `a`"));
    assert!(opening("a.csv", b"a,b\n1,\xff\n").contains("row 1, column `b`: not UTF-8"));
    assert!(
        opening("a.csv", format!("a\n\"{}", "x\n".repeat(600_000)).as_bytes())
            .contains("row 1 (line 2) is longer than 1048576 bytes; is a quote")
    );
    assert!(opening("a.csv", ",".repeat(2000).as_bytes()).contains("more than 1000 fields"));
    assert!(opening("a.jsonl", b"{\"a\":1}\n[1]\n").contains("line 2: "));
    assert!(opening("a.jsonl", b"{\"a\":").contains("each line has to hold one JSON object"));
    assert!(opening("a.jsonl", "[".repeat(100_000).as_bytes()).contains("line 1: "));
    assert!(opening("a.jsonl", "x".repeat(2 << 20).as_bytes()).contains("longer than 1048576 bytes"));
    assert!(opening("a.xls", b"a\n").contains("of no known format"));
    assert!(message(Source::open("/no-such-folder/a.csv", &[])).contains("cannot read `/no-such-folder/a.csv`"));
    assert!(message(Source::open("a.csv", &[])).contains("not an absolute path"));
}

#[test]
fn conditions_of_any_text_do_not_panic() {
    let columns = [Column::new("a", Kind::Integer), Column::new("é", Kind::Text)];
    let parts = ["a", "é", "=", "'x'", "1", "-", "(", ")", "not", "in", ",", "is", "null", "and", "`", "contains", "1e", "💥", "\"\"\""];
    for first in parts {
        for second in parts {
            for third in parts {
                if let Ok(condition) = Condition::parse(&format!("{first} {second} {third}"), &columns) {
                    condition.holds(&vec![Value::Int(1), Value::Null]);
                }
            }
        }
    }
}
