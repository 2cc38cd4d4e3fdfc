//! The file as the reader of pages sees it. No page is read that is larger than allowed, and pages in memory are counted.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::bloom_filter::Sbbf;
use ::parquet::column::page::PageReader;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::RowGroupMetaData;
use ::parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::record::reader::RowIter;
use ::parquet::schema::types::Type;
use bytes::Bytes;

use super::pages::Pages;
use super::schema::start;

/// Largest page, in bytes, compressed or not.
pub const PAGE_MAX_BYTES: u64 = 8 << 20;
/// Most bytes of the pages that are in memory at once: one page and one dictionary of each column.
pub const PAGES_MAX_BYTES: u64 = 32 << 20;
/// What is read at once of a page's header.
const HEADER_BYTES: usize = 512;
/// The type of a page that holds a dictionary.
const DICTIONARY: u64 = 2;

/// A file that is read from any position.
pub struct Input {
    file: Arc<File>,
    /// Its bytes.
    pub length: u64,
    chunks: Mutex<Vec<Chunk>>,
}

/// A column of the row group that is read, and the sizes of its pages in memory.
struct Chunk {
    start: u64,
    end: u64,
    dictionary: u64,
    page: u64,
}

impl Input {
    /// Takes `file`.
    ///
    /// # Errors
    /// What the file answers.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length, chunks: Mutex::default() })
    }

    /// Begins to read the pages of `group`.
    pub fn begin(&self, group: &RowGroupMetaData) {
        let chunk = |column| {
            let start = start(column);
            Chunk { start, end: start.saturating_add(column.compressed_size().unsigned_abs()), dictionary: 0, page: 0 }
        };
        *self.chunks.lock().unwrap_or_else(PoisonError::into_inner) = group.columns().iter().map(chunk).collect();
    }

    /// The `length` bytes at `start`.
    ///
    /// # Errors
    /// What the file answers, such as that it ends before.
    pub fn exact(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        self.at(start).read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn at(&self, offset: u64) -> At {
        At { file: Arc::clone(&self.file), offset }
    }

    /// Refuses the page whose header begins at `start` if there is no room for it, else counts it.
    fn admit(&self, start: u64, head: &[u8]) -> Result<()> {
        let sizes = sizes(head).ok_or_else(|| ParquetError::General("a page has no sound header".to_owned()))?;
        let [kind, plain, packed] = sizes;
        if plain > PAGE_MAX_BYTES || packed > PAGE_MAX_BYTES {
            return Err(ParquetError::General(format!(
                "a page of {} bytes is larger than {PAGE_MAX_BYTES}; write the file with smaller pages",
                plain.max(packed)
            )));
        }
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let chunk = chunks.iter_mut().find(|chunk| (chunk.start..chunk.end).contains(&start));
        let chunk = chunk.ok_or_else(|| ParquetError::General("a page is outside of its column".to_owned()))?;
        *(if kind == DICTIONARY { &mut chunk.dictionary } else { &mut chunk.page }) = plain;
        let all = chunks.iter().fold(0u64, |all, chunk| all.saturating_add(chunk.dictionary).saturating_add(chunk.page));
        if all > PAGES_MAX_BYTES {
            return Err(ParquetError::General(format!(
                "the pages that are read at once take more than {PAGES_MAX_BYTES} bytes; write the file with smaller pages or fewer columns"
            )));
        }
        Ok(())
    }
}

/// Type, size and compressed size of a page: the first three members of its header, in Thrift's compact form.
fn sizes(head: &[u8]) -> Option<[u64; 3]> {
    /// The next member, an `i32`.
    const NEXT_I32: u8 = 0x15;
    let mut bytes = head.iter().copied();
    let mut sizes = [0; 3];
    for size in &mut sizes {
        bytes.next().filter(|byte| *byte == NEXT_I32)?;
        let mut number = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = bytes.next()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            } else if shift == 28 {
                return None;
            }
        }
        // Zigzag: odd numbers are negative.
        *size = number.is_multiple_of(2).then_some(number / 2)?;
    }
    Some(sizes)
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Input {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut head = Vec::new();
        self.at(start).take(32).read_to_end(&mut head)?;
        self.admit(start, &head)?;
        Ok(BufReader::with_capacity(HEADER_BYTES, self.at(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.exact(start, length)?.into())
    }
}

/// Reads on from a position of its own.
pub struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.read(buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// A row group.
pub struct Group<'a> {
    /// The file.
    pub input: Arc<Input>,
    /// What the footer says of it.
    pub meta: &'a RowGroupMetaData,
}

impl RowGroupReader for Group<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.meta
    }

    fn num_columns(&self) -> usize {
        self.meta.num_columns()
    }

    fn get_column_page_reader(&self, at: usize) -> Result<Box<dyn PageReader>> {
        let column = self.meta.columns().get(at).ok_or(ParquetError::IndexOutOfBound(at, self.meta.num_columns()))?;
        let rows = usize::try_from(self.meta.num_rows())?;
        Ok(Box::new(Pages::new(SerializedPageReader::new(Arc::clone(&self.input), column, rows, None)?, column)))
    }

    fn get_column_bloom_filter(&self, _at: usize) -> Option<&Sbbf> {
        None
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}
