//! Many files: which are looked at, how their columns match, what their paths say, and schema files.

use std::fs;
use std::path::Path;

use super::*;
use crate::config::Scheduler;
use crate::error::ErrorClass;
use crate::expr::{BinaryOp, BoundExpr};
use crate::io::csv::{Header, SampleSize};
use crate::io::hive::{HiveOptions, HivePartitioning};
use crate::io::options::{OptionValue, Options};
use crate::memory::Thresholds;
use crate::types::{DataType, Scalar, TEXT};

fn options() -> CsvOptions {
    CsvOptions::default()
}

/// Files at these paths below a folder of their own.
fn tree(contents: &[(&str, &str)]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let paths = contents.iter().map(|(name, content)| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    });
    let paths = paths.collect();
    Files { folder, paths }
}

#[test]
fn the_table_does_not_depend_on_the_threads_that_look_at_its_files() {
    let texts: Vec<String> = (0..100)
        .map(|file| match file {
            3 => String::new(),
            40 => "id\n".into(),
            41 => "ID,late\n1.5,x\n".into(),
            _ => format!("id,c{}\n{file},2024-01-01\n", file % 7),
        })
        .collect();
    let files = files(&texts);
    let open = |threads, scheduler| {
        let config = Config { threads, scheduler, ..Config::default() };
        let table = files.open_with(options(), &config).unwrap();
        (schema(&table), show(&read(&table, None, config).unwrap()))
    };
    let serial = open(1, Scheduler::Synchronous);
    assert_eq!(serial.0, "id DOUBLE, c0 DATE, c1 DATE, c2 DATE, c4 DATE, c5 DATE, c6 DATE, c3 DATE, late VARCHAR");
    for threads in [2, 5] {
        assert_eq!(open(threads, Scheduler::Threads), serial);
    }
}

#[test]
fn of_several_files_that_are_wrong_the_first_is_told() {
    let texts: Vec<&str> = (0..200).map(|file| if file % 50 == 49 { "a\n\"1" } else { "a,b\n1,2\n" }).collect();
    let mut files = files(&texts);
    files.paths[120] = "nowhere.csv".into();
    let texts: Vec<Vec<u8>> = vec![b"PAR1".to_vec()];
    fs::write(&files.paths[77], &texts[0]).unwrap();
    for threads in [1, 2, 8] {
        let config = Config { threads, ..Config::default() };
        let error = files.open_with(options(), &config).unwrap_err();
        assert!(error.to_string().contains("77.csv"), "{error}");
    }
}

#[test]
fn names_that_differ_only_in_case_are_one_column() {
    let table = files(&["id,Name\n1,a\n", "NAME,ID\nb,2\n", "id,Id,name\n3,x,c\n"]);
    let opened = table.open(options()).unwrap();
    assert_eq!(schema(&opened), "id BIGINT, Name VARCHAR, Id VARCHAR");
    assert_eq!(show(&read(&opened, None, Config::default()).unwrap()), "1|a|~\n2|b|~\n3|c|x");
}

#[test]
fn rows_do_not_vanish_where_files_disagree_about_a_header() {
    let errors = |texts: &[&str], options: CsvOptions| {
        let error = files(texts).open(options).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data, "{error}");
        (error.kind().location.line, error.to_string())
    };
    for union in [true, false] {
        let by = || options().union_by_name(union);
        let (line, lost) = errors(&["a,b\n1,2", "", "\n3,4\n5,6"], by());
        assert!(lost.contains("2.csv' has no header") && lost.contains("header=true"), "{lost}");
        assert_eq!(line, Some(2));
        let (_, mistaken) = errors(&["3,4\n5,6", "a,b\n1,2"], by());
        assert!(mistaken.contains("1.csv' has a header"), "{mistaken}");
    }
    // What the user says about headers is not doubted.
    let said = |header, texts: &[&str]| schema(&files(texts).open(options().header(header)).unwrap());
    assert_eq!(said(Header::Yes, &["a,b\n1,2", "a,2020\n5,6"]), "a BIGINT, b BIGINT, 2020 BIGINT");
    assert_eq!(said(Header::No, &["3,4", "a,b\n1,2"]), "column0 VARCHAR, column1 VARCHAR");
    // Names that the user gives are expected in all headers, or in none.
    let named = || options().names(["a", "b"]);
    let (_, data) = errors(&["a,b\n1,x", "2,y\n3,z"], named());
    assert!(data.contains("has no header"), "{data}");
    let (_, names) = errors(&["1,x\n", "A,B\n3,z"], named());
    assert!(names.contains("has a header"), "{names}");
    // Text is data where others have data, unless it must be a name.
    let dirty = files(&["1,x\n2,y\n", "n.a.,foo\nbar,baz\n", ",foo\n3,bar\n", "foo,\n"]);
    assert_eq!(show(&dirty.rows(options()).unwrap()), "1|x\n2|y\nn.a.|foo\nbar|baz\n~|foo\n3|bar\nfoo|~");
}

#[test]
fn a_record_that_files_are_opened_for_counts_in_the_memory_budget() {
    let long = format!("a,b\n1,{}\n2,x\n", "x".repeat(8 << 20));
    let table = files(&[&long, &long]);
    let open = |budget| {
        let memory = MemoryPool::new(budget, Thresholds::default(), None);
        let opened = CsvTable::open(table.paths.clone(), options(), &Config::default(), &memory);
        assert_eq!(memory.reserved(), 0, "all is given back");
        opened
    };
    assert_eq!(schema(&open(100 << 20).unwrap()), "a BIGINT, b VARCHAR");
    let error = open(16 << 20).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Resource, "{error}");
    assert!(error.to_string().contains("looking at csv files"), "{error}");
}

#[test]
fn columns_match_by_position_on_request() {
    let by_position = || options().union_by_name(false);
    let table = files(&["id,name\n1,a\n", "", "key,label\n2.5,b\n", "name,id\n3,c\n"]);
    let opened = table.open(by_position()).unwrap();
    assert_eq!(schema(&opened), "id DOUBLE, name VARCHAR");
    assert_eq!(show(&read(&opened, None, Config::default()).unwrap()), "1.0|a\n2.5|b\n3.0|c");
    let error = files(&["a,b\n1,2\n", "a,b,c\n1,2,3\n"]).open(by_position()).unwrap_err().to_string();
    assert!(error.contains("1.csv' has 3 columns") && error.contains("has 2"), "{error}");
}

#[test]
fn types_come_from_the_files_that_are_sniffed_and_names_from_all() {
    let table = files(&["a\n1\n", "a,b\n2,x\n", "a\n2.5\n"]);
    let types = |sniffed| schema(&table.open(options().files_to_sniff(sniffed)).unwrap());
    assert_eq!(types(None), "a DOUBLE, b VARCHAR");
    assert_eq!(types(Some(1)), "a BIGINT, b VARCHAR");
    assert_eq!(types(Some(2)), "a DOUBLE, b VARCHAR");
    assert!(table.error(options().files_to_sniff(Some(1))).contains("BIGINT, which samples"));
    // What is not looked at is text, and loses nothing.
    let headless = files(&["1,a\n", "2,b,3\n"]);
    let opened = headless.open(options().files_to_sniff(Some(1)).header(Header::No)).unwrap();
    assert_eq!(schema(&opened), "column0 BIGINT, column1 VARCHAR, column2 VARCHAR");
}

#[test]
fn a_full_pass_sees_every_record() {
    // The odd values stand where no sample is, and a quoted line end where a chunk begins.
    let mut text = String::from("id,amount,note\n");
    for row in 0..120_000 {
        let note = if row % 1000 == 7 { "\"a\n7,7,\"" } else { "plain" };
        let amount = match row {
            30_001 => "1.5".to_string(),
            90_001 => "9007199254740993".to_string(),
            _ => row.to_string(),
        };
        text.push_str(&format!("{row},{amount},{note}\n"));
    }
    let table = files(&["id,amount,note\n1,2,x\n".to_string(), text]);
    assert_eq!(schema(&table.open(options()).unwrap()), "id BIGINT, amount BIGINT, note VARCHAR");
    for threads in [1, 3] {
        let config = Config { threads, partition_bytes: 1, ..Config::default() };
        let full = options().sample_size(SampleSize::All);
        let opened = table.open_with(full, &config).unwrap();
        assert_eq!(schema(&opened), "id BIGINT, amount DECIMAL(38,1), note VARCHAR");
        assert_eq!(read(&opened, Some(vec![1]), Config::default()).unwrap().len(), 120_001);
    }
}

#[test]
fn a_full_pass_widens_files_without_a_header() {
    let mut text = "1,2\n".repeat(60_000);
    text.push_str("3,4,5\n");
    text.push_str(&"6,7\n".repeat(60_000));
    let table = files(&[text]);
    let wide = options().header(Header::No).null_padding(true);
    assert_eq!(schema(&table.open(wide.clone()).unwrap()), "column0 BIGINT, column1 BIGINT");
    let full = table.open(wide.sample_size(SampleSize::All)).unwrap();
    assert_eq!(schema(&full), "column0 BIGINT, column1 BIGINT, column2 BIGINT");
}

fn sales() -> Files {
    tree(&[
        ("s/year=2023/month=12/a.csv", "id,x\n1,a\n"),
        ("s/year=2024/month=01/a.csv", "id,x\n2,b\n"),
        ("s/year=2024/month=02/b.csv", "x,id\nc,3\n"),
        ("s/year=2024/month=02/empty.csv", ""),
    ])
}

#[test]
fn folders_are_columns() {
    let table = sales().open(options().filename("file")).unwrap();
    assert_eq!(schema(&table), "id BIGINT, x VARCHAR, file VARCHAR, year BIGINT, month BIGINT");
    let sales = sales();
    let table = sales.open(options()).unwrap();
    assert_eq!(schema(&table), "id BIGINT, x VARCHAR, year BIGINT, month BIGINT");
    let expected = "1|a|2023|12\n2|b|2024|1\n3|c|2024|2";
    for partition_bytes in [1, 1 << 20] {
        assert_eq!(show(&read(&table, None, config(partition_bytes, 2)).unwrap()), expected);
    }
    assert_eq!(show(&read(&table, Some(vec![3, 2]), Config::default()).unwrap()), "12|2023\n1|2024\n2|2024");
    let second = table.for_file(2).unwrap();
    assert_eq!(show(&read(&second, None, Config::default()).unwrap()), "3|c|2024|2");

    let hive = |partitioning, types: &[(&str, DataType)]| {
        let types = types.iter().map(|(name, data_type)| (name.to_string(), data_type.clone())).collect();
        options().hive(HiveOptions { partitioning, types })
    };
    assert_eq!(schema(&sales.open(hive(HivePartitioning::No, &[])).unwrap()), "id BIGINT, x VARCHAR");
    let typed = sales.open(hive(HivePartitioning::Yes, &[("month", TEXT), ("year", DataType::Int16)])).unwrap();
    assert_eq!(schema(&typed), "id BIGINT, x VARCHAR, year SMALLINT, month VARCHAR");
    assert_eq!(show(&read(&typed, Some(vec![3]), Config::default()).unwrap()), "12\n01\n02");
    let error = files(&["a\n1\n"]).open(hive(HivePartitioning::Yes, &[])).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert!(sales.open(options().filename("Year")).unwrap_err().to_string().contains("have a column 'Year'"));
}

#[test]
fn the_path_wins_over_a_column_of_the_file() {
    let table = tree(&[("d=1/a.csv", "x,D,y\n1,9,2\n"), ("d=2/a.csv", "x,D,y\n3,oops,4\n")]);
    let opened = table.open(options()).unwrap();
    assert_eq!(schema(&opened), "x BIGINT, D BIGINT, y BIGINT");
    assert_eq!(show(&read(&opened, None, Config::default()).unwrap()), "1|1|2\n3|2|4");
}

#[test]
fn the_type_of_a_column_in_paths_is_not_ignored() {
    let table = tree(&[("y=1/k=2/a.csv", "v,Y\n1,1\n")]);
    let error = |column: &str, data_type| {
        let error = table.open(options().with_type(column, data_type)).unwrap_err();
        (error.class(), error.to_string())
    };
    for column in ["y", "k"] {
        let (class, message) = error(column, TEXT);
        assert_eq!(class, ErrorClass::Usage);
        assert!(message.contains("paths") && message.contains(": 'VARCHAR'}"), "{message}");
        assert!(message.contains("hive_types = {'"), "{message}");
    }
    let text = HiveOptions { types: vec![("y".into(), TEXT)], ..HiveOptions::default() };
    let opened = table.open(options().with_type("y", TEXT).hive(text)).unwrap();
    assert_eq!(schema(&opened), "v BIGINT, Y VARCHAR, k BIGINT");
    assert_eq!(
        schema(&table.open(options().with_type("y", DataType::Int64)).unwrap()),
        schema(&table.open(options()).unwrap())
    );
    let nulls = table.open(options().null_strings_of("k", ["2"])).unwrap_err().to_string();
    assert!(nulls.contains("'nullstr'") && nulls.contains("paths"), "{nulls}");
}

#[test]
fn many_files_with_columns_of_their_own_take_room_for_these_only() {
    let texts: Vec<String> = (0..300).map(|file| format!("id,c{file}\n{file},x\n")).collect();
    let table = files(&texts).open(options()).unwrap();
    let fields = &table.csv_files()[299].fields;
    assert_eq!((fields.len(), fields[0], fields[1], fields[300]), (301, Some(0), None, Some(1)));
}

#[test]
fn a_schema_file_of_many_columns_is_read_in_one_pass() {
    let names: Vec<String> = (0..50_000).map(|column| format!("c{column}")).collect();
    let table = files(&[format!("{}\n{}1\n", names.join(","), "1,".repeat(names.len() - 1))]);
    let (path, _) = saved(&table, &Options::new());
    let opened = table.open(options().schema_file(path)).unwrap();
    assert_eq!(opened.schema().fields().len(), names.len());
}

/// Rows with a condition, and the files that it ruled out.
fn filtered(table: &CsvTable, filters: Vec<BoundExpr>) -> (usize, usize) {
    let context = context(Config::default());
    let source = table.scan(&ScanRequest { filters, ..ScanRequest::default() }, &context).unwrap();
    (source.partitions(), source.files_pruned())
}

#[test]
fn conditions_over_paths_rule_out_files() {
    let sales = sales();
    let table = sales.open(options().filename("file")).unwrap();
    let compare = |column: usize, op, value: Scalar| {
        let field = table.schema().field(column);
        let left = BoundExpr::column(column, field.name(), field.data_type());
        let right = Box::new(BoundExpr::Literal(value));
        BoundExpr::Binary { left: Box::new(left), op, right, data_type: DataType::Boolean }
    };
    let year = |year| compare(3, BinaryOp::Equal, Scalar::int64(year));
    assert_eq!(filtered(&table, vec![]), (3, 0));
    assert_eq!(filtered(&table, vec![year(2023)]), (1, 3));
    assert_eq!(filtered(&table, vec![year(1999)]), (0, 4));
    let february = compare(4, BinaryOp::Greater, Scalar::int64(1));
    assert_eq!(filtered(&table, vec![year(2024), february.clone()]), (1, 2));
    let both = BoundExpr::conjunction([february, year(2024)]).unwrap();
    assert_eq!(filtered(&table, vec![both]), (1, 2));
    let first = Scalar::text(&sales.paths[0].to_string_lossy());
    assert_eq!(filtered(&table, vec![compare(2, BinaryOp::Equal, first)]), (1, 3));
    // A condition over the rows decides nothing.
    assert_eq!(filtered(&table, vec![compare(0, BinaryOp::Equal, Scalar::int64(99))]), (3, 0));
    let either = BoundExpr::Binary {
        left: Box::new(year(1999)),
        op: BinaryOp::Or,
        right: Box::new(compare(0, BinaryOp::Equal, Scalar::int64(1))),
        data_type: DataType::Boolean,
    };
    assert_eq!(filtered(&table, vec![either]), (3, 0));
}

fn saved(files: &Files, read: &Options) -> (PathBuf, String) {
    let table = files.open(CsvOptions::parse(read).unwrap()).unwrap();
    let text = table.schema_file(read).unwrap();
    let path = files.folder.path().join("schema.toml");
    fs::write(&path, &text).unwrap();
    (path, text)
}

#[test]
fn a_schema_file_stands_for_looking_at_files() {
    let files = tree(&[
        ("k=1/a.csv", "# note\nid;t;Amount\n-;x;1\n2;'y;z';2.5\n"),
        ("k=1/b.csv", "t;id\n'q';007\n"),
        ("k=1/c.csv", ""),
    ]);
    let text = |text: &str| OptionValue::Text(text.into());
    let read_options: Options = vec![
        ("na_values".into(), OptionValue::List(vec![text("-")])),
        ("sep".into(), text(";")),
        ("quotechar".into(), text("'")),
        ("types".into(), OptionValue::Map(vec![("id".into(), text("INT"))])),
        ("on_error".into(), text("null")),
    ];
    let before = files.open(CsvOptions::parse(&read_options).unwrap()).unwrap();
    let (path, written) = saved(&files, &read_options);
    assert!(written.contains("[options]\nnullstr = [\"-\"]\n"), "{written}");
    assert!(!written.contains("on_error"), "{written}");

    let after = files.open(options().schema_file(&path)).unwrap();
    assert_eq!(schema(&after), schema(&before));
    assert_eq!(schema(&after), "id INTEGER, t VARCHAR, Amount DOUBLE, k BIGINT");
    let rows = read(&after, None, Config::default()).unwrap();
    assert_eq!(show(&rows), "~|x|1.0|1\n2|y;z|2.5|1\n7|q|~|1");
    assert_eq!(rows, read(&before, None, Config::default()).unwrap());
    assert_eq!(after.schema_file(&read_options).unwrap(), written, "it is the same when written again");

    // By the session's setting too, where it knows a file.
    let config = Config { schema_file: Some(path.clone()), ..Config::default() };
    let table = files.open_with(options(), &config).unwrap();
    assert_eq!(schema(&table), schema(&before));
    let stranger = tree(&[("z.csv", "a\n1\n")]);
    assert_eq!(schema(&stranger.open_with(options(), &config).unwrap()), "a BIGINT");
}

#[test]
fn options_may_not_contradict_a_schema_file() {
    let files = files(&["id,name\n1,a\n"]);
    let (path, _) = saved(&files, &Options::new());
    let with = |options: CsvOptions| files.open(options.schema_file(&path));
    assert!(with(options().delimiter(b',').header(Header::Yes).filename("f")).is_ok());
    assert!(with(options().with_type("id", DataType::Int64)).is_ok());
    for (option, name) in [
        (options().delimiter(b';'), "delim"),
        (options().quote(None), "quote"),
        (options().header(Header::No), "header"),
        (options().with_type("id", TEXT), "types"),
        (options().all_varchar(true), "all_varchar"),
        (options().null_strings(["x"]), "nullstr"),
        (options().skip(1), "skip"),
    ] {
        let error = with(option).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().contains(&format!("the option '{name}'")), "{error}");
    }
}

#[test]
fn files_that_changed_or_are_new_must_fit_the_schema_file() {
    let mut files = files(&["id,x\n1,1.5\n2,2.5\n", "id,x\n3,4\n"]);
    let (path, _) = saved(&files, &Options::new());
    let add = |files: &mut Files, text: &str| {
        let path = files.folder.path().join(format!("new{}.csv", files.paths.len()));
        fs::write(&path, text).unwrap();
        files.paths.push(path);
    };
    let open = |files: &Files| files.open(options().schema_file(&path));
    // One that fits is read, whatever the case and order of its names.
    add(&mut files, "X,ID\n0.5,4\n");
    add(&mut files, "id\n5\n");
    add(&mut files, "");
    let table = open(&files).unwrap();
    let rows = read(&table, None, Config::default()).unwrap();
    assert_eq!(show(&rows), "1|1.5\n2|2.5\n3|4.0\n4|0.5\n5|~");
    // One that is gone is not missed.
    let few = Files { folder: tempfile::tempdir().unwrap(), paths: files.paths[1..].to_vec() };
    assert_eq!(open(&few).unwrap().files().count(), 4);
    // One that changed is looked at.
    fs::write(&files.paths[1], "x,id\n9.5,33\n").unwrap();
    let rows = read(&open(&files).unwrap(), None, Config::default()).unwrap();
    assert_eq!(show(&rows), "1|1.5\n2|2.5\n33|9.5\n4|0.5\n5|~");
    for (text, column, what) in [
        ("id,x\n1.5,1\n", "id", "no BIGINT"),
        ("id,x\n1,9007199254740993\n", "x", "no DOUBLE"),
        ("id,x\n1,abc\n", "x", "no DOUBLE"),
        ("id,z\n1,2\n", "z", "does not have"),
    ] {
        add(&mut files, text);
        let error = open(&files).unwrap_err();
        assert_eq!(error.kind().location.column.as_deref(), Some(column), "{error}");
        let name = files.paths.pop().unwrap();
        assert_eq!(error.kind().location.file.as_ref(), Some(&name));
        assert!(
            error.to_string().contains(what) && error.to_string().contains("write the schema file anew"),
            "{error}"
        );
    }
}

#[test]
fn types_in_a_schema_file_may_be_changed_by_hand() {
    let files = files(&["id,x\n1,1\n"]);
    let (path, text) = saved(&files, &Options::new());
    fs::write(&path, text.replacen("BIGINT", "VARCHAR", 1)).unwrap();
    assert_eq!(schema(&files.open(options().schema_file(&path)).unwrap()), "id VARCHAR, x BIGINT");
}

#[test]
fn a_damaged_schema_file_is_told_with_line_and_key() {
    let files = files(&["id,x\n1,\"a\nb\"\n"]);
    let (path, text) = saved(&files, &Options::new());
    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = files.open(options().schema_file(&path)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data, "{error}");
        (error.kind().location.line.unwrap_or(0), error.kind().message.clone())
    };
    let says = |(line, message): (u64, String), expected_line: u64, expected: &str| {
        assert!(message.contains(expected), "{message}");
        assert_eq!(line, expected_line, "{message}");
    };
    says(error("version = 1", "version = 2"), 4, "'version' is 2");
    says(error("version = 1", "version = "), 4, "no TOML");
    says(error("version = 1", "varsion = 1"), 4, "'varsion' is none of");
    says(error("delimiter = \",\"", "delimiter = \",,,,,,,,,\""), 7, "'dialect.delimiter' is longer than 8 bytes");
    says(error("delimiter = \",\"", "delimiter = \"\""), 7, "'dialect.delimiter' is empty");
    says(error("header = true", "header = 1"), 9, "'dialect.header' is no truth value");
    says(error("type = \"BIGINT\"", "type = \"BIG\""), 13, "'columns.type' is wrong: there is no type 'BIG'");
    says(error("type = \"BIGINT\"\n", ""), 11, "'columns.type' is missing");
    says(error("name = \"x\"", "name = \"id\""), 16, "for the second time");
    says(error("names = [\"id\", \"x\"]", "names = [\"id\", \"y\"]"), 20, "\"y\", which is not among");
    says(error("header = 0", "header = 5"), 27, "'files.header' is not below 1");
    says(error("size = 13", "size = \"13\""), 24, "'files.size' is no whole number");
    says(error("start = 5", "start = 55"), 26, "'files.start' lies behind");
    let missing = files.open(options().schema_file(Path::new("nowhere.toml"))).unwrap_err();
    assert!(missing.to_string().contains("nowhere.toml"), "{missing}");
}
