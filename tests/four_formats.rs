//! The same dataset as CSV, JSON, Arrow and Parquet: columns in paths, names of files, and columns that files lack are the same for all.

use std::path::Path;

use highwater::config::Config;
use highwater::prelude::*;
use highwater::types::sql_name;
use highwater::types::temporal::format_value;

/// The function that reads a format, the ending of its files, and how COPY calls it.
const FORMATS: [(&str, &str, &str); 4] = [
    ("read_csv", "csv", "csv"),
    ("read_json", "jsonl", "json"),
    ("read_arrow", "arrow", "arrow"),
    ("read_parquet", "parquet", "parquet"),
];

/// Files of a folder and what each holds: columns that others lack, and one that is a folder's too.
const FILES: [(&str, &str); 5] = [
    ("year=2023/country=CH/a", "SELECT 1 AS id, 'x' AS name UNION ALL SELECT 2, 'y'"),
    ("year=2023/country=DE/b", "SELECT 3 AS id, 'z' AS name, 1.5::DOUBLE AS price"),
    ("year=2024/country=__HIVE_DEFAULT_PARTITION__/c", "SELECT 4 AS id, 7.25::DOUBLE AS price"),
    ("year=2024/country=a%2Fb/d", "SELECT 5 AS id, 'w' AS name, 99 AS year"),
    ("year=2025/country=CH/e", "SELECT 6 AS id, 'v' AS name, 2.5::DOUBLE AS price"),
];

/// Options and queries over the files, which stand for `FROM`.
const QUESTIONS: [(&str, &str); 14] = [
    ("", "SELECT * FROM"),
    ("", "SELECT id, year, country FROM ~ WHERE year = 2024 ORDER BY id"),
    ("", "SELECT id FROM ~ WHERE country IS NULL OR country = 'a/b'"),
    ("", "SELECT year, count(*), sum(price) FROM ~ GROUP BY year ORDER BY year"),
    ("", "SELECT country FROM"),
    ("", "SELECT count(*) FROM"),
    (", filename = true", "SELECT id, filename, year FROM"),
    (", filename = 'source'", "SELECT source, count(*) FROM ~ WHERE source LIKE '%/b.%' GROUP BY source"),
    (", filename = 'source', union_by_name = true", "SELECT * FROM ~ WHERE year > 2023 AND source NOT LIKE '%/e.%'"),
    (", filename = 'false'", "SELECT * FROM"),
    (", hive_partitioning = false", "SELECT * FROM"),
    (", hive_partitioning = 'auto', hive_types = {'year': 'VARCHAR'}", "SELECT year || '!' AS y, id FROM"),
    (", hive_types = {'Year': 'SMALLINT'}", "SELECT * FROM ~ LIMIT 2"),
    (", hive_partitioning = true", "SELECT name, price FROM ~ WHERE year = 2023 AND country = 'DE'"),
];

/// Options that are refused, with a part of why.
const REFUSED: [(&str, &str); 8] = [
    (", filename = 'id'", "the files have a column 'id' already"),
    (", filename = 'Country'", "the paths of the files have a column 'Country' already"),
    (", filename = 7", "filename"),
    (", filename = ''", "filename"),
    (", hive_types = {'yeer': 'INTEGER'}", "did you mean 'year'?"),
    (", hive_types = {'country': 'INTEGER'}", "the partition country=CH is no INTEGER"),
    (", hive_partitioning = 'perhaps'", "hive_partitioning"),
    (", hive_tipes = {'year': 'INTEGER'}", "did you mean 'hive_types'?"),
];

fn session(threads: usize) -> Session {
    Session::new(Config { threads, batch_size: 3, memory_limit: 256 << 20, ..Config::default() }).unwrap()
}

/// Columns with their types, then rows, which say `data` for the folder of the format and nothing of its ending.
fn answer(session: &Session, folder: &Path, format: (&str, &str, &str), question: (&str, &str)) -> Result<Vec<String>> {
    let (function, ending, _) = format;
    let from = format!("{function}('{}/**/*.{ending}'{})", folder.display(), question.0);
    let sql = match question.1.split_once('~') {
        Some((before, behind)) => format!("{before} {from} {behind}"),
        None => format!("{} {from}", question.1),
    };
    let batch = session.sql(&sql)?.compute()?;
    let fields = batch.schema().fields().clone();
    let mut lines: Vec<String> = vec![
        fields
            .iter()
            .map(|field| format!("{} {}", field.name(), sql_name(field.data_type())))
            .collect::<Vec<_>>()
            .join(", "),
    ];
    for row in 0..batch.num_rows() {
        let cells = batch.columns().iter().map(|column| format_value(column, row).unwrap_or("NULL".into()));
        lines.push(cells.collect::<Vec<_>>().join("|"));
    }
    let plain = |line: String| line.replace(&*folder.to_string_lossy(), "data").replace(&format!(".{ending}"), "");
    Ok(lines.into_iter().map(plain).collect())
}

#[test]
fn formats_differed_in_small_things_about_paths() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(2);
    for (_, ending, copied) in FORMATS {
        for (file, query) in FILES {
            let path = dir.path().join(ending).join(format!("{file}.{ending}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            session.execute(&format!("COPY ({query}) TO '{}' (FORMAT {copied})", path.display())).unwrap();
        }
    }
    for question in QUESTIONS {
        let answers = FORMATS.map(|format| {
            let found = answer(&session, &dir.path().join(format.1), format, question);
            found.unwrap_or_else(|error| panic!("{question:?} {}: {error}", format.0))
        });
        for (format, found) in FORMATS.iter().zip(&answers) {
            // In CSV and JSON, numbers have no width.
            let widened = |lines: &[String]| lines.join("\n").replace("INTEGER", "BIGINT");
            assert_eq!(widened(found), widened(&answers[3]), "{question:?} {}", format.0);
        }
        assert!(answers[0].len() > 1, "{question:?} has rows");
    }
    for (options, part) in REFUSED {
        for format in FORMATS {
            let error = answer(&session, &dir.path().join(format.1), format, (options, "SELECT * FROM")).unwrap_err();
            let text = format!("{error} {}", error.kind().hint.as_deref().unwrap_or_default());
            assert!(text.contains(part), "{} {options}: {text}", format.0);
        }
    }
}
