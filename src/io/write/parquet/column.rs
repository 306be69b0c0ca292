//! How one column is encoded: what the options say, and what they leave open by the first rows of each row group.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, make_array};
use arrow::compute::concat;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

use super::choose::choose;
use super::pages::{Ledger, Pages, unwrapped};
use crate::batch::shown_items;
use crate::error::{Error, Result};
use crate::io::write::{ColumnOptions, ParquetOptions, ParquetVersion};

/// A column of the file.
pub(super) struct Column {
    field: FieldRef,
    /// The column alone, for the library, which takes properties for all columns of a file.
    schema: SchemaRef,
    root: TypePtr,
    options: ParquetOptions,
    own: ColumnOptions,
}

impl Column {
    /// The column that is described in the file by `described` and comes as `stored`, which differ in intervals.
    pub fn new(described: &FieldRef, stored: FieldRef, options: &ParquetOptions) -> Result<Self, ParquetError> {
        let root = ArrowSchemaConverter::new().convert(&Schema::new(vec![described.clone()]))?.root_schema_ptr();
        let own = options.of_column(stored.name());
        // What is said of columns has been looked up.
        let options = ParquetOptions { columns: Vec::new(), metadata: Vec::new(), ..options.clone() };
        Ok(Self { schema: Arc::new(Schema::new(vec![stored.clone()])), field: stored, root, options, own })
    }

    /// As it comes.
    pub fn field(&self) -> &FieldRef {
        &self.field
    }

    /// The pieces as one array, of which nothing shows but the values: not how they were cut, nor whether there is room
    /// for nulls where there is none.
    pub fn prepared(&self, pieces: &[ArrayRef]) -> Result<ArrayRef> {
        let values = match pieces {
            [one] => one.clone(),
            many => concat(&many.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
        };
        plain(&values)
    }

    /// Encoders of a column chunk, one for each leaf, for rows of which `first` are the first.
    pub fn open(&self, first: &ArrayRef, ledger: &Arc<Ledger>) -> Result<Vec<ArrowColumnWriter>> {
        let wrong = |error| unwrapped(error, |error| Error::data(format!("cannot write Parquet: {error}")));
        let properties = Arc::new(self.properties(first));
        let nowhere = SerializedFileWriter::new(std::io::sink(), self.root.clone(), properties).map_err(wrong)?;
        ArrowRowGroupWriterFactory::new(&nowhere, self.schema.clone())
            .with_page_store_factory(Arc::new(Pages(ledger.clone())))
            .create_column_writers(0)
            .map_err(wrong)
    }

    /// Rows that a row group can have, of which all may be different.
    fn most_rows(&self) -> u64 {
        let width = self.field.data_type().primitive_width().unwrap_or(4).max(1);
        (self.options.row_group_bytes / width).min(self.options.row_group_rows).clamp(1, 1 << 24) as u64
    }

    fn properties(&self, first: &ArrayRef) -> WriterProperties {
        let (options, own) = (&self.options, &self.own);
        let codec = own.compression.unwrap_or(options.compression);
        let choice = choose(first, options, codec);
        let dictionary = match (own.dictionary, own.encoding, options.dictionary) {
            (Some(own), _, _) => own,
            (None, Some(_), _) => false,
            (None, None, Some(all)) => all,
            (None, None, None) => choice.dictionary,
        };
        let mut properties = common(options)
            .set_compression(codec)
            .set_dictionary_enabled(dictionary)
            .set_dictionary_page_size_limit(options.dictionary_page_bytes)
            .set_encoding(own.encoding.unwrap_or(choice.encoding));
        if own.bloom_filter.unwrap_or(options.bloom_filter) {
            properties = properties
                .set_bloom_filter_enabled(true)
                .set_bloom_filter_fpp(own.bloom_filter_fpp.unwrap_or(options.bloom_filter_fpp))
                .set_bloom_filter_max_ndv(self.most_rows());
        }
        properties.build()
    }
}

/// What holds for the file and for each of its columns.
pub(super) fn common(options: &ParquetOptions) -> WriterPropertiesBuilder {
    let pages = if options.page_index { EnabledStatistics::Page } else { EnabledStatistics::Chunk };
    WriterProperties::builder()
        .set_created_by(concat!("highwater ", env!("CARGO_PKG_VERSION")).to_string())
        .set_writer_version(match options.version {
            ParquetVersion::V2 => WriterVersion::PARQUET_2_0,
            ParquetVersion::Compatible | ParquetVersion::V1 => WriterVersion::PARQUET_1_0,
        })
        .set_data_page_size_limit(options.page_bytes)
        .set_statistics_enabled(pages)
        .set_offset_index_disabled(!options.page_index)
}

/// The array without what its values do not need: items of no list, and room for nulls where there is none.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
    if let Some(lists) = array.as_list_opt::<i32>() {
        let shown = shown_items(lists);
        let (field, offsets, items, _) = shown.into_parts();
        return Ok(Arc::new(ListArray::try_new(field, offsets, plain(&items)?, nulls)?));
    }
    if nulls.is_some() || array.nulls().is_none() {
        return Ok(array.clone());
    }
    Ok(make_array(array.to_data().into_builder().nulls(None).build()?))
}
