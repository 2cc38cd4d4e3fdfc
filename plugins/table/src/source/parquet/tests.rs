use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{Compression, GzipLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use remit::serde_json::{Value as Json, json};

use crate::describe::{Describe, describe};
use crate::export::{Export, export};
use crate::query::filter::{Filter, filter};
use crate::source::Source;
use crate::value::Kind;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn ask(path: &Path) -> Filter {
    Filter { path: path.display().to_string(), limit: Some(1000), ..Filter::default() }
}

fn rows(name: &str) -> Vec<Vec<Json>> {
    filter(ask(&data(name))).unwrap().rows
}

/// What reading a whole file of this content answers.
fn reading(content: &[u8]) -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    fs::write(&path, content).unwrap();
    let described = describe(Describe { path: path.display().to_string(), nulls: Vec::new() });
    described.map(|found| found.rows).map_err(|error| error.message().to_owned())
}

/// A file of this schema, whose columns hold `values` each; it is compressed, so that large pages are quickly made.
fn written(schema: &str, values: &[ByteArray]) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::try_new(1).unwrap()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(::parquet::file::properties::EnabledStatistics::None)
        .build();
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        if !values.is_empty() {
            column.typed::<ByteArrayType>().write_batch(values, None, None).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn text(length: usize) -> ByteArray {
    ByteArray::from(vec![b'x'; length])
}

#[test]
fn types_become_values() {
    let got = filter(ask(&data("ports.parquet"))).unwrap();
    let column = |name: &str| {
        let at = got.columns.iter().position(|column| column == name).unwrap();
        Json::Array(got.rows.iter().map(|row| row[at].clone()).collect())
    };
    assert_eq!(column("id"), json!([1, 2, 3, 4, 5]));
    assert_eq!(column("port"), json!(["Genoa", "Rotterdam", "Le Havre", "Antwerp", "Café"]));
    assert_eq!(column("berths"), json!([20, 90, null, 50, 7]));
    assert_eq!(column("depth"), json!([15.5, null, 16.0, null, null]));
    assert_eq!(column("open"), json!([true, true, null, false, true]));
    assert_eq!(column("opened"), json!(["1900-01-02", "1969-12-31", null, "2024-02-29", "0001-01-01"]));
    assert_eq!(
        column("seen"),
        json!([
            "1970-01-01T00:00:00.000000000Z",
            "2023-11-14T22:13:20.123456789Z",
            "1969-12-31T23:59:59.999999999Z",
            null,
            "1970-01-01T00:00:00.000000001Z"
        ])
    );
    assert_eq!(column("local")[0], json!("2023-11-14T22:13:20.123"));
    assert_eq!(column("at"), json!(["01:02:03.000000", "23:59:59.999999", null, "00:00:00.000000", "12:00:00.000000"]));
    assert_eq!(column("fee"), json!(["1.05", "-0.07", null, "1234567.00", "0.00"]));
    assert_eq!(column("tags"), json!(["[\"a\",\"b\"]", "[]", null, "[\"c\"]", "[null]"]));
    assert_eq!(column("place")[0], json!("{\"lat\":1.5,\"lon\":2}"));
    assert_eq!(column("place")[1], Json::Null);
    assert_eq!(column("code"), json!(["0", "1", "18446744073709551615", "3", null]));
    assert_eq!(column("raw"), json!(["ok", "0xff00", null, "", "z"]));
}

#[test]
fn columns_have_the_kinds_that_the_file_says() {
    let source = Source::open(&data("ports.parquet").display().to_string(), &[]).unwrap();
    let kinds: Vec<_> = source.columns.iter().map(|column| column.kind).collect();
    use Kind::{Boolean, Integer, Number, Text};
    assert_eq!(kinds, [Integer, Text, Text, Integer, Number, Boolean, Text, Text, Text, Text, Text, Text, Text, Text, Text]);
    assert_eq!(source.columns[13].odd, Some((3, "18446744073709551615".to_owned())));
    assert_eq!(source.rows, 5);
}

#[test]
fn conditions_and_nulls_hold_as_for_other_files() {
    let found = |condition: &str, nulls: &[&str]| {
        let nulls = nulls.iter().map(|null| (*null).to_owned()).collect();
        let ask = Filter { condition: Some(condition.to_owned()), nulls, select: vec!["id".to_owned()], ..ask(&data("ports.parquet")) };
        filter(ask).unwrap().rows.into_iter().flatten().collect::<Vec<_>>()
    };
    assert_eq!(found("country = 'IT' and berths < 20", &[]), [json!(5)]);
    assert_eq!(found("opened >= '1969-12-31' and seen is not null", &[]), [json!(2)]);
    assert_eq!(found("berths is null", &["7"]), [json!(3), json!(5)]);
}

#[test]
fn codecs_are_read_or_named() {
    let plain = rows("none.parquet");
    assert_eq!((plain.len(), &plain[299]), (300, &vec![json!(299), json!("name 5")]));
    for name in ["gzip", "lz4"] {
        assert_eq!(rows(&format!("{name}.parquet")), plain, "{name}");
    }
    for name in ["zstd", "brotli"] {
        let error = filter(ask(&data(&format!("{name}.parquet")))).unwrap_err();
        assert!(error.message().contains(&format!("column `id` is compressed with `{name}`, which is not read here")), "{error}");
    }
}

#[test]
fn files_are_known_by_their_marks_too() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["table", "table.csv"] {
        let path = folder.path().join(name);
        fs::copy(data("none.parquet"), &path).unwrap();
        assert_eq!(filter(ask(&path)).unwrap().total, 300);
    }
    let path = folder.path().join("marks.csv");
    fs::write(&path, "PAR1,b\n1,2\n").unwrap();
    assert_eq!(filter(ask(&path)).unwrap().columns, ["PAR1", "b"]);
}

#[test]
fn export_writes_what_was_parquet_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.jsonl");
    let query = Export { output: output.display().to_string(), filter: Some(ask(&data("none.parquet"))), ..Export::default() };
    assert_eq!(export(query).unwrap().rows, 300);
    assert_eq!(filter(ask(&output)).unwrap().rows, rows("none.parquet"));
}

#[test]
fn large_pages_and_rows_are_refused() {
    let one = "message m { required binary a; }";
    assert_eq!(reading(&written(one, &[text(1000)])), Ok(1));
    assert!(reading(&written(one, &[text(9 << 20)])).unwrap_err().contains("is larger than 8388608; write the file with smaller pages"));
    assert!(reading(&written(one, &[text(2 << 20)])).unwrap_err().contains("row 1: it is longer than 1048576 bytes"));
    let six =
        "message m { required binary a; required binary b; required binary c; required binary d; required binary e; required binary f; }";
    assert!(reading(&written(six, &[text(6 << 20)])).unwrap_err().contains("read at once take more than 33554432 bytes"));
}

#[test]
fn columns_that_are_not_read_are_named() {
    let interval = "message m { required binary a (UTF8); required fixed_len_byte_array(12) b (INTERVAL); }";
    assert!(reading(&written(interval, &[])).unwrap_err().contains("column `b` is of the type FIXED_LEN_BYTE_ARRAY INTERVAL"));
    let twice = "message m { required binary a; required binary a; }";
    assert!(reading(&written(twice, &[])).unwrap_err().contains("two columns have the name `a`"));
    let list = "message m { required binary a; optional group b (LIST) { required binary c; } }";
    assert!(reading(&written(list, &[])).unwrap_err().contains("column `b` is nested in a way that is not known"));
}

#[test]
fn texts_that_are_not_utf8_are_refused() {
    let error = reading(&written("message m { required binary a (UTF8); }", &[ByteArray::from(vec![0xff; 10_000])])).unwrap_err();
    assert!(error.contains("row 1") && error.len() < 400, "{error}");
}

#[test]
fn files_that_were_cut_off_are_refused() {
    let whole = fs::read(data("ports.parquet")).unwrap();
    for length in 0..whole.len() {
        let error = panic::catch_unwind(|| reading(&whole[..length])).unwrap().unwrap_err();
        assert!(error.contains("was it cut off?"), "{length}: {error}");
    }
    let mut long = whole.clone();
    let at = long.len() - 8;
    long[at..at + 4].copy_from_slice(&(1u32 << 20).to_le_bytes());
    assert!(reading(&long).unwrap_err().contains("its footer is longer than the file"));
    long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(reading(&long).unwrap_err().contains("its footer of 4294967295 bytes is larger than 4194304"));
    long[at + 4..].copy_from_slice(b"PARE");
    assert!(reading(&long).unwrap_err().contains("it is encrypted"));
}

/// What the decoder may panic with where a page holds other levels or fewer values than it says.
const DECODER: [&str; 3] =
    ["Cannot extract value, max definition level", "range end index 4 out of range", "index out of bounds: the len is"];

#[test]
fn files_with_flipped_bits_are_read_or_refused() {
    let mut unknown = Vec::new();
    for name in ["ports", "none", "gzip", "lz4"] {
        let whole = fs::read(data(&format!("{name}.parquet"))).unwrap();
        for at in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            if let Err(panicked) = panic::catch_unwind(|| reading(&flipped)) {
                let said = panicked.downcast_ref::<String>().map_or("no text", String::as_str);
                if !DECODER.iter().any(|known| said.starts_with(known)) {
                    unknown.push(format!("{name}.parquet, bit {at}: {said}"));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}
