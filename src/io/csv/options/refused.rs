//! Options of DuckDB, pandas, Dask and Polars that there is no need for here, each with what to do instead.

const BUDGET: &str = "it is not needed: --memory-limit and --threads hold for all that is read";
const PARTS: &str = "it is not needed: files are always read in parts";
const COLUMNS: &str = "it is not needed: SELECT the columns, and no other is parsed";
const LIMIT: &str = "write LIMIT: no more is read than is needed for it";
const FLOATS: &str = "it is not needed: a number is always the nearest double";
const NULLS: &str = "nullstr replaces the usual spellings of null: list all that count";
const DATES: &str = "write dateformat = '%d/%m/%Y' or timestampformat = '%d/%m/%Y %H:%M'";
const LINES: &str = "it is not needed: lines end with \\n or \\r\\n, which may be mixed";
const ROW: &str = "rows have no number here; filename = true tells the file that a row comes from";
const ERRORS: &str = "write on_error = 'error', 'null', 'reject' or 'widen'";
const LOCAL: &str = "files are read from the file system: mount or download them first";
const TYPES: &str = "types are Arrow's: choose one by types = {'column': 'TYPE'}";
const SNIFF: &str = "what the options leave open is found out: set header, delim and types to leave nothing open";
const WORDS: &str =
    "truth values are true and false; with types = {'column': 'BOOLEAN'} also t, yes, y, on, 1 and their opposites";
const RENAME: &str = "rename columns by names = ['a', 'b'] or in SELECT … AS";
const FUNCTION: &str = "compute in SELECT instead";

/// Names of options, and what to do instead.
const REFUSED: &[(&[&str], &str)] = &[
    // For speed and memory.
    (&["engine", "parallel", "low_memory", "memory_map", "buffer_size", "n_threads", "use_pyarrow", "rechunk"], BUDGET),
    (&["cache", "cache_dates", "column_statistics", "batch_size"], BUDGET),
    (&["iterator", "chunksize"], PARTS),
    (&["float_precision"], FLOATS),
    (&["infer_datetime_format"], "it is not needed: dates and times in the order of ISO 8601 are found"),
    // Of rows and columns.
    (&["usecols", "projection"], COLUMNS),
    (&["nrows", "n_rows"], LIMIT),
    (&["index_col"], "tables have no index: SELECT the column like any other"),
    (&["row_index_name", "row_index_offset", "file_row_number"], ROW),
    (&["skip_rows_after_header"], "leave rows out by WHERE, or skip lines before the header by skip"),
    (&["prefix", "normalize_names", "with_column_names", "mangle_dupe_cols"], RENAME),
    (&["squeeze"], "a table of one column is a table"),
    (&["extra_columns", "missing_columns"], "columns of several files are matched by name, and what one lacks is null"),
    (&["glob"], "it is not needed: a pattern that names a file is that file"),
    (&["raise_if_empty", "allow_empty"], "an empty file beside others has no rows; alone it is an error"),
    // Of the text.
    (&["lineterminator", "eol_char", "new_line"], LINES),
    (&["delim_whitespace"], "runs of blanks are no delimiter: convert the file first, for instance by tr -s ' ' ','"),
    (&["skipinitialspace"], "it is not needed for numbers and times; text is trimmed by trim(column) in SELECT"),
    (
        &["skip_blank_lines"],
        "it is not needed: empty lines are skipped, but in files of one column, where they are nulls",
    ),
    (&["quoting"], "write quote = '' for files without quotes"),
    (&["doublequote"], "it is not needed: a doubled quote inside of quotes is always a quote"),
    (&["dialect"], "write delim, quote, escape and comment"),
    (
        &["encoding_errors"],
        "bytes that are not UTF-8 are treated as on_error says; what is not well formed in another encoding is an error",
    ),
    // Of nulls.
    (&["keep_default_na", "na_filter"], NULLS),
    (
        &["missing_utf8_is_empty_string", "empty_string_is_null"],
        "write force_not_null = ['column'] for '' in place of null",
    ),
    // Of types.
    (&["converters", "date_parser"], FUNCTION),
    (&["true_values", "false_values"], WORDS),
    (&["dayfirst"], DATES),
    (&["keep_date_col"], "date and time in two columns are put together in SELECT"),
    (&["dtype_backend", "hive_types_autocast"], TYPES),
    (&["auto_detect", "auto_type_candidates", "enforce"], SNIFF),
    (&["infer_schema"], "write all_varchar = true to read all columns as text"),
    (&["sample", "sample_rows"], "write sample_size = 10000 for the number of rows that types are inferred from"),
    // Of what does not fit.
    (&["error_bad_lines", "warn_bad_lines"], ERRORS),
    (&["verbose"], "write --verbose on the command line"),
    // Of places.
    (&["storage_options", "credential_provider"], LOCAL),
];

/// What to do instead of an option that others have, by its name in lower case.
pub fn instead_of(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(names, _)| names.contains(&name)).map(|(_, hint)| *hint)
}
