//! What a footer says, checked before it is relied on: the reader of records takes much of it for granted.

use ::parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::schema::types::Type;
use remit::Error;

use crate::source::COLUMNS_MAX;

/// Deepest nesting of a column.
const DEPTH_MAX: usize = 16;
/// Most digits of a decimal: as many as 16 bytes hold.
const DIGITS_MAX: i32 = 38;

/// Checks the footer of a file of `length` bytes, and tells how many rows the file has.
///
/// # Errors
/// `invalid-arguments`, with the column where there is one.
pub fn check(meta: &ParquetMetaData, length: u64) -> Result<u64, Error> {
    let schema = meta.file_metadata().schema();
    let fields = schema.get_fields();
    let leaves = meta.file_metadata().schema_descr().num_columns();
    if fields.is_empty() {
        return Err(Error::invalid_arguments("it has no columns"));
    }
    if leaves > COLUMNS_MAX {
        return Err(Error::invalid_arguments(format!("there are more than {COLUMNS_MAX} columns")));
    }
    for (at, field) in fields.iter().enumerate() {
        let name = field.name();
        if fields.iter().take(at).any(|other| other.name() == name) {
            return Err(Error::invalid_arguments(format!("two columns have the name `{name}`; give one of them another")));
        }
        shape(field, 0).map_err(|what| Error::invalid_arguments(format!("column `{name}` {what}; write the file without it")))?;
    }
    let mut rows: u64 = 0;
    for group in meta.row_groups() {
        rows += u64::from(self::group(group, leaves, length)?);
    }
    Ok(rows)
}

/// Checks that a column can be read, and says what is in the way.
fn shape(field: &Type, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("is nested deeper than {DEPTH_MAX}"));
    }
    let info = field.get_basic_info();
    if !info.has_repetition() {
        return Err("does not say whether it may be empty".to_owned());
    }
    if field.is_primitive() {
        return leaf(field);
    }
    let inner = field.get_fields();
    let repeated = |field: &Type| field.get_basic_info().has_repetition() && field.get_basic_info().repetition() == Repetition::REPEATED;
    let sound = match (info.converted_type(), inner) {
        (_, []) => false,
        (ConvertedType::LIST, [element]) => repeated(element),
        (ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, [entry]) => {
            repeated(entry) && entry.is_group() && (1..=2).contains(&entry.get_fields().len())
        }
        (ConvertedType::LIST | ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, _) => false,
        _ => true,
    };
    if !sound {
        return Err("is nested in a way that is not known".to_owned());
    }
    inner.iter().try_for_each(|field| shape(field, depth + 1))
}

fn leaf(field: &Type) -> Result<(), String> {
    use ConvertedType as C;
    let (physical, converted) = (field.get_physical_type(), field.get_basic_info().converted_type());
    let known = match physical {
        Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE | Physical::INT96 => converted == C::NONE,
        Physical::INT32 => matches!(
            converted,
            C::NONE | C::INT_8 | C::INT_16 | C::INT_32 | C::UINT_8 | C::UINT_16 | C::UINT_32 | C::DATE | C::TIME_MILLIS | C::DECIMAL
        ),
        Physical::INT64 => {
            matches!(converted, C::NONE | C::INT_64 | C::UINT_64 | C::TIME_MICROS | C::TIMESTAMP_MILLIS | C::TIMESTAMP_MICROS | C::DECIMAL)
        }
        Physical::BYTE_ARRAY => matches!(converted, C::NONE | C::UTF8 | C::ENUM | C::JSON | C::BSON | C::DECIMAL),
        Physical::FIXED_LEN_BYTE_ARRAY => matches!(converted, C::NONE | C::DECIMAL),
    };
    if !known {
        return Err(format!("is of the type {physical} {converted}, which is not read here"));
    }
    let digits = |field: &Type| (field.get_precision(), field.get_scale());
    if converted == C::DECIMAL && !matches!(digits(field), (1..=DIGITS_MAX, 0..=DIGITS_MAX)) {
        return Err(format!("is a decimal of more than {DIGITS_MAX} digits"));
    }
    Ok(())
}

/// Checks a row group and tells how many rows it has.
fn group(group: &RowGroupMetaData, leaves: usize, length: u64) -> Result<u32, Error> {
    if group.num_columns() != leaves {
        return Err(Error::invalid_arguments("malformed Parquet: a row group has another number of columns than the file"));
    }
    for column in group.columns() {
        let name = column.column_path().string();
        if let Some(codec) = unread(column.compression()) {
            return Err(Error::invalid_arguments(format!(
                "column `{name}` is compressed with `{codec}`, which is not read here; write the file with `snappy`, `gzip`, `lz4` or none"
            )));
        }
        let offset = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let end = u64::try_from(offset).ok().zip(u64::try_from(column.compressed_size()).ok());
        if end.and_then(|(start, size)| start.checked_add(size)).is_none_or(|end| end > length) {
            return Err(Error::invalid_arguments(format!("malformed Parquet: column `{name}` lies outside of the file; was it cut off?")));
        }
    }
    u32::try_from(group.num_rows())
        .map_err(|error| Error::invalid_arguments(format!("malformed Parquet: a row group of {} rows: {error}", group.num_rows())))
}

/// Where the pages of a column begin; it was checked that this is not negative.
pub fn start(column: &ColumnChunkMetaData) -> u64 {
    column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset()).unsigned_abs()
}

/// The name of a compression that is not read.
fn unread(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::LZ4 | Compression::LZ4_RAW => None,
        Compression::ZSTD(_) => Some("zstd"),
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("lzo"),
    }
}
