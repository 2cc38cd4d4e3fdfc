//! The pages of a column, each checked for what its decoder takes for granted.

use ::parquet::basic::{Encoding, Type as Physical};
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::serialized_reader::SerializedPageReader;

use super::input::Input;

/// Reads pages.
pub struct Pages {
    inner: SerializedPageReader<Input>,
    /// Whether its values are byte arrays, each with its length before it.
    lengths: bool,
    /// Whether there was a dictionary.
    dictionary: bool,
}

impl Pages {
    /// Checks the pages of `column`, which `inner` reads.
    pub fn new(inner: SerializedPageReader<Input>, column: &ColumnChunkMetaData) -> Self {
        Self { inner, lengths: column.column_type() == Physical::BYTE_ARRAY, dictionary: false }
    }

    fn check(&mut self, page: &Page) -> Result<()> {
        let wrong = |what: &str| Err(ParquetError::General(what.to_owned()));
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                self.dictionary = true;
                if self.lengths && !holds(buf, *num_values) {
                    return wrong("a dictionary ends before its last value");
                }
            }
            Page::DataPage { encoding, .. } | Page::DataPageV2 { encoding, .. } => {
                if matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) && !self.dictionary {
                    return wrong("a page needs a dictionary, but there is none before it");
                }
            }
        }
        Ok(())
    }
}

/// Whether `bytes` hold `count` byte arrays.
fn holds(bytes: &[u8], count: u32) -> bool {
    let mut rest = bytes;
    (0..count).all(|_| {
        let after = rest.split_first_chunk().and_then(|(length, after)| after.get(u32::from_le_bytes(*length) as usize..));
        after.map(|after| rest = after).is_some()
    })
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        page.iter().try_for_each(|page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}
