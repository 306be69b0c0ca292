//! Statements other than queries, options, and queries as far as they can be seen from here.

use super::*;
use crate::io::options::OptionValue as O;
use crate::plan::LogicalPlan;

fn text(value: &str) -> O {
    O::Text(value.into())
}

/// How the table of `FROM {sql}` was opened.
fn opened(sql: &str) -> Result<String> {
    match statement(&format!("COPY {sql} TO 'x'")).or_else(|_| statement(&format!("DESCRIBE {sql}")))? {
        Statement::Copy { plan: LogicalPlan::Scan(scan), .. } => Ok(scan.table.describe()),
        Statement::Describe { schema } => Ok(format!("{} columns", schema.fields().len())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_cut_into_statements_with_their_own_text_and_line() {
    let parsed = parse("-- first\nSELECT 1 ;\n\n ; /* x */ SHOW TABLES; SET threads = 4 -- end").unwrap();
    let texts: Vec<(&str, u64)> = parsed.iter().map(|parsed| (parsed.text.as_str(), parsed.line)).collect();
    assert_eq!(texts, [("SELECT 1", 2), ("SHOW TABLES", 4), ("SET threads = 4", 4)]);
    assert!(parse("").unwrap().is_empty());
    assert!(parse(" ; -- nothing\n;").unwrap().is_empty());
}

#[test]
fn settings_are_set_and_shown() {
    let set = |sql: &str| match statement(sql).unwrap() {
        Statement::Set { name, value } => (name, value),
        other => panic!("{sql}: {other:?}"),
    };
    let is = |sql: &str, name: &str, value: &str| assert_eq!(set(sql), (name.into(), value.into()), "{sql}");
    is("SET threads = 4", "threads", "4");
    is("set threads to 4", "threads", "4");
    is("SET memory.target = 0.5", "memory.target", "0.5");
    is("SET memory_limit = '2GB'", "memory_limit", "2GB");
    is("SET memory_limit = 2GB", "memory_limit", "2GB");
    is("SET memory-limit = 60%", "memory-limit", "60%");
    is("SET temp_dir = '/tmp/it''s'", "temp_dir", "/tmp/it's");
    is("SET disabled_rules = top_n, constant_folding", "disabled_rules", "top_n, constant_folding");
    is("SET TIME ZONE 'Europe/Zurich'", "time_zone", "Europe/Zurich");
    is("SET time zone = UTC", "time_zone", "UTC");
    is("SET SESSION scheduler = synchronous", "scheduler", "synchronous");
    let shown = |sql: &str| match statement(sql).unwrap() {
        Statement::ShowSettings { name } => name,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(shown("SHOW ALL"), None);
    assert_eq!(shown("SHOW memory.target").as_deref(), Some("memory.target"));
    assert_eq!(shown("SHOW TIME ZONE").as_deref(), Some("time_zone"));
    assert!(matches!(statement("show tables").unwrap(), Statement::ShowTables));
    assert!(matches!(statement("SHOW FUNCTIONS").unwrap(), Statement::ShowFunctions));
}

#[test]
fn files_and_table_functions_are_opened_with_their_options() {
    let parsed = |sql: &str| {
        let parsed = parse(&format!("SELECT * FROM {sql}")).unwrap();
        let Ast::Sql(statement) = parsed[0].ast.as_ref() else { panic!() };
        let ast::Statement::Query(query) = statement.as_ref() else { panic!() };
        let ast::SetExpr::Select(select) = query.body.as_ref() else { panic!() };
        let ast::TableFactor::Table { args: Some(args), .. } = &select.from[0].relation else { panic!() };
        super::super::option::table_arguments(&args.args)
    };
    let read = parsed(
        "read_csv('a/*.csv', types = {'a': 'BIGINT', b: 'DATE'}, delim=';', nullstr := ['NA', '-'], HEADER => true, \
         skip = -2, sample = 0.5, \"quote\" = '')",
    )
    .unwrap();
    assert_eq!(read.positional.iter().map(|(value, _)| value).collect::<Vec<_>>(), [&text("a/*.csv")]);
    let types = O::Map(vec![("a".into(), text("BIGINT")), ("b".into(), text("DATE"))]);
    let expected = [
        ("types", types),
        ("delim", text(";")),
        ("nullstr", O::List(vec![text("NA"), text("-")])),
        ("header", O::Boolean(true)),
        ("skip", O::Number(-2.0)),
        ("sample", O::Number(0.5)),
        ("quote", text("")),
    ];
    assert_eq!(read.options, expected.map(|(name, value)| (name.to_string(), value)).to_vec());
    assert!(parsed("read_csv('a', delim = x)").unwrap_err().to_string().contains("'x'"));
    assert!(parsed("read_csv('a', delim = ';', delim = ',')").unwrap_err().to_string().contains("twice"));
    assert!(parsed("read_csv('a', delim = 1 + 1)").is_err());
    assert!(parsed("read_csv(delim = ';', 'a')").is_err());

    let describe = |sql: &str| match statement(&format!("DESCRIBE {sql}")) {
        Ok(Statement::Describe { schema }) => Ok(schema.fields().len()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    for fine in [
        "flights",
        "FLIGHTS",
        "TABLE flights",
        "delays",
        "'data/*.csv'",
        "read_csv('x', header = true)",
        "read_csv_auto(['x', 'y'])",
        "scan_parquet('x')",
        "parquet_scan('x', filename = true)",
    ] {
        assert_eq!(describe(fine), Ok(2), "{fine}");
    }
    assert_eq!(describe("range(3)"), Ok(1));
    assert_eq!(describe("(VALUES (1, 'a'), (2, NULL))"), Ok(2));
    for (wrong, part) in [
        ("read_csv()", "takes a path"),
        ("read_csv(1)", "takes a path"),
        ("read_csv([])", "takes a path"),
        ("read_csv('x', 'y')", "takes a path"),
        ("read_csv(['x', 1])", "takes a path"),
        ("unknown(1)", "no table function 'unknown'"),
        ("range('x')", "whole numbers"),
    ] {
        let error = describe(wrong).unwrap_err();
        assert!(error.contains(part), "{wrong}: {error}");
    }
}

#[test]
fn copy_takes_tables_and_files_and_options_in_each_form() {
    let copy = |sql: &str| match statement(sql) {
        Ok(Statement::Copy { target, options, .. }) => (target, options),
        Ok(other) => panic!("{sql}: {other:?}"),
        Err(error) => panic!("{sql}: {error}"),
    };
    let named = |options: &[(&str, O)]| -> Options {
        options.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    };
    let (target, options) = copy("COPY flights TO 'out dir/x.parquet'");
    assert_eq!((target.to_str(), options), (Some("out dir/x.parquet"), Vec::new()));
    let parenthesised =
        "COPY flights TO 'x' (FORMAT parquet, HEADER, DELIMITER ';', row_group_size 1000, force = false)";
    assert_eq!(
        copy(parenthesised).1,
        named(&[
            ("format", text("parquet")),
            ("header", O::Boolean(true)),
            ("delimiter", text(";")),
            ("row_group_size", O::Number(1000.0)),
            ("force", O::Boolean(false)),
        ])
    );
    assert_eq!(copy("COPY flights TO 'x' WITH (FORMAT csv)").1, named(&[("format", text("csv"))]));
    assert_eq!(
        copy("COPY flights TO 'x' CSV HEADER DELIMITER AS ';' COMPRESSION zstd").1,
        named(&[
            ("format", text("csv")),
            ("header", O::Boolean(true)),
            ("delimiter", text(";")),
            ("compression", text("zstd")),
        ])
    );
    assert_eq!(copy("COPY 'a.csv' TO 'x' FORMAT parquet").1, named(&[("format", text("parquet"))]));
    assert_eq!(copy("COPY (VALUES (1), (2)) TO 'x' HEADER false").1, named(&[("header", O::Boolean(false))]));
    assert_eq!(opened("'a.csv'").unwrap(), r#"Detect ["a.csv"] []"#);
    assert_eq!(opened("flights").unwrap(), "flights");
}

#[test]
fn tables_are_created_and_dropped() {
    let Statement::CreateTable { name, or_replace, if_not_exists, schema } =
        statement("CREATE TEMP TABLE IF NOT EXISTS t (a INTEGER, \"B c\" varchar(10) NULL, d decimal(9, 2))").unwrap()
    else {
        panic!()
    };
    assert_eq!((name.as_str(), or_replace, if_not_exists), ("t", false, true));
    let fields: Vec<String> =
        schema.fields().iter().map(|f| format!("{} {}", f.name(), crate::types::sql_name(f.data_type()))).collect();
    assert_eq!(fields, ["a INTEGER", "B c VARCHAR", "d DECIMAL(9,2)"]);
    let created = statement("CREATE OR REPLACE TABLE t AS VALUES (1, 'a')").unwrap();
    assert!(matches!(created, Statement::CreateTableAs { or_replace: true, .. }));
    let created = statement("CREATE OR REPLACE VIEW v AS FROM (VALUES (1, 'a'))");
    assert!(matches!(&created, Ok(Statement::CreateView { or_replace: true, .. })), "{created:?}");
    assert!(statement("CREATE TABLE t (a INT, A INT)").unwrap_err().to_string().contains("two columns called 'A'"));
    assert!(statement("CREATE TABLE t (a unknowntype)").unwrap_err().to_string().contains("no type 'unknowntype'"));
    assert!(statement("CREATE TABLE t").unwrap_err().to_string().contains("needs columns"));

    assert!(matches!(statement("DROP TABLE flights").unwrap(), Statement::Drop { if_exists: false, .. }));
    assert!(matches!(statement("DROP VIEW IF EXISTS nothing").unwrap(), Statement::Drop { if_exists: true, .. }));
    assert!(statement("DROP VIEW flights").unwrap_err().to_string().contains("DROP TABLE flights"));
    assert!(statement("DROP TABLE fligths").unwrap_err().to_string().contains("did you mean 'flights'"));
}

#[test]
fn inserts_bring_their_rows_to_the_columns_of_the_table() {
    let schema = Opened::table("t".into()).schema().clone();
    let projection = super::super::definition::insert_projection(&schema, &[1], &["column1".to_string()]);
    let shown: Vec<String> = projection.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["CAST(NULL AS BIGINT) AS a", "CAST(column1 AS VARCHAR) AS b"]);
    for (sql, part) in [
        ("INSERT INTO flights VALUES (1)", "names 2 columns and gives 1"),
        ("INSERT INTO flights (a) VALUES (1, 'x')", "names 1 columns and gives 2"),
        ("INSERT INTO flights (a, aa) VALUES (1, 'x')", "no column 'aa'"),
        ("INSERT INTO flights (a, A) VALUES (1, 'x')", "twice"),
        ("INSERT INTO delays VALUES (1, 'x')", "is a view"),
        ("INSERT INTO fligths VALUES (1, 'x')", "did you mean 'flights'"),
        ("INSERT INTO flights VALUES (1, 'x'), (2)", "have 2 and 1 values"),
    ] {
        let error = statement(sql).unwrap_err();
        assert!(error.to_string().contains(part), "{sql}: {error}");
    }
    for sql in ["INSERT INTO flights VALUES (1, 'x')", "INSERT INTO Flights (B) FROM (VALUES (1.5))"] {
        let Ok(Statement::Insert { plan, .. }) = statement(sql) else { panic!("{sql}") };
        assert_eq!(columns(&plan), ["a BIGINT", "b VARCHAR"], "{sql}");
    }
}

/// The columns of a plan with their types.
fn columns(plan: &LogicalPlan) -> Vec<String> {
    let fields = plan.schema().fields().iter();
    fields.map(|field| format!("{} {}", field.name(), crate::types::sql_name(field.data_type()))).collect()
}

#[test]
fn values_meet_in_a_common_type() {
    let Statement::Query(LogicalPlan::Values(values)) =
        statement("VALUES (1, NULL, 'a'), (2, 3, NULL), (-3, NULL, 'c')").unwrap()
    else {
        panic!()
    };
    assert_eq!(values.batch.num_rows(), 3);
    let types: Vec<String> = values
        .schema
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), crate::types::sql_name(f.data_type())))
        .collect();
    assert_eq!(types, ["column1 INTEGER", "column2 INTEGER", "column3 VARCHAR"]);
    assert!(statement("VALUES (1), (DATE '2013-01-01')").unwrap_err().to_string().contains("INTEGER and DATE"));
    for (rows, expected) in [
        ("(1), (2.5)", "DECIMAL"),
        ("(DATE '2013-01-01'), ('2013-01-02')", "DATE"),
        ("(1 + 1), (length('abc')), (-2::bigint)", "BIGINT"),
        ("(NULL), (NULL)", "NULL"),
    ] {
        let Ok(Statement::Query(plan)) = statement(&format!("VALUES {rows}")) else { panic!("{rows}") };
        assert!(columns(&plan)[0].contains(expected), "{rows}: {:?}", columns(&plan));
    }
    assert!(statement("VALUES (DATE '2013-01-01'), ('x')").is_err());
    assert!(statement("VALUES (1 / 0)").is_err());
}

#[test]
fn queries_become_plans() {
    for (sql, expected) in [
        (
            "SELECT b, time_bucket(INTERVAL '1 day', TIMESTAMP '2013-01-01') d, avg(a) FROM 'data/weather/*.csv' \
             GROUP BY ALL ORDER BY ALL",
            "b VARCHAR, d TIMESTAMP, avg(a) DOUBLE",
        ),
        ("FROM flights", "a BIGINT, b VARCHAR"),
        ("FROM flights WHERE a > 1 ORDER BY a DESC NULLS LAST LIMIT 3 OFFSET 1", "a BIGINT, b VARCHAR"),
        ("FROM flights SELECT a WHERE a > 1", "a BIGINT"),
        ("FROM 'x.csv' UNION ALL FROM 'y.csv' WHERE a = 1", "a BIGINT, b VARCHAR"),
        ("SELECT count(*) n FROM (FROM flights WHERE a IS DISTINCT FROM 1) AS f (x, y) WHERE f.x > 1", "n BIGINT"),
        ("WITH c AS (FROM flights WHERE a > 1), d(x) AS (SELECT * FROM c) FROM d WHERE b = 'x'", "x BIGINT, b VARCHAR"),
        ("WITH flights AS (SELECT 1 AS inner) SELECT * FROM (WITH f AS (FROM Flights) FROM f)", "inner INTEGER"),
        ("SELECT trim(BOTH 'x' FROM b) t, substring(b FROM 2) s FROM flights", "t VARCHAR, s VARCHAR"),
        ("SELECT a FROM flights UNION SELECT a FROM weather ORDER BY 1 FETCH FIRST 3 ROWS ONLY", "a BIGINT"),
        ("SELECT a, b FROM flights UNION ALL SELECT 1, 'x' ORDER BY ALL DESC", "a BIGINT, b VARCHAR"),
        ("SELECT DISTINCT a FROM flights GROUP BY (a, b), 1 HAVING count(*) > 1 LIMIT ALL", "a BIGINT"),
        ("SELECT f.* EXCLUDE (a) FROM flights AS f", "b VARCHAR"),
        ("SELECT * REPLACE (a + 0.5 AS a) FROM flights", "a DECIMAL(21,1), b VARCHAR"),
        ("SELECT weather.a FROM 'data/weather.csv'", "a BIGINT"),
        ("TABLE flights", "a BIGINT, b VARCHAR"),
        ("SELECT 1 AS one", "one INTEGER"),
        ("SELECT * FROM (VALUES (1, 'a')) AS t(x, y)", "x INTEGER, y VARCHAR"),
        ("SELECT * FROM VALUES (1, 'a') AS t(x)", "x INTEGER, column2 VARCHAR"),
        ("SELECT * FROM ('x.csv')", "a BIGINT, b VARCHAR"),
        ("SELECT range FROM range(3) UNION ALL SELECT generate_series FROM generate_series(1, 3)", "range BIGINT"),
    ] {
        match statement(sql) {
            Ok(Statement::Query(plan)) => assert_eq!(columns(&plan).join(", "), expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn statements_around_queries_become_plans() {
    for sql in [
        "EXPLAIN SELECT a FROM flights",
        "EXPLAIN ANALYZE FROM flights WHERE a > 1",
        "EXPLAIN (ANALYZE) SELECT a FROM flights",
        "DESCRIBE SELECT a FROM flights",
        "DESCRIBE FROM flights WHERE a > 1",
        "CREATE VIEW v (x) AS SELECT a FROM flights",
        "COPY (SELECT a FROM flights) TO 'x.csv'",
        "COPY flights (a) TO 'x.csv'",
    ] {
        let bound = statement(sql);
        assert!(bound.is_ok(), "{sql}: {bound:?}");
    }
    assert!(matches!(statement("EXPLAIN ANALYZE VALUES (1)").unwrap(), Statement::Explain { analyze: true, .. }));
    let Statement::CreateView { view, .. } = statement("CREATE VIEW v (x) AS FROM flights").unwrap() else { panic!() };
    let names: Vec<&str> = view.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["x", "b"]);
    let twice = statement("CREATE TABLE t AS SELECT a, a FROM flights").unwrap_err().to_string();
    assert!(twice.contains("two columns called 'a'"), "{twice}");
    let many = statement("CREATE VIEW v (x, y, z) AS FROM flights").unwrap_err().to_string();
    assert!(many.contains("names 3 columns"), "{many}");
}

#[test]
fn the_longest_expressions_that_are_taken_also_bind() {
    let sum = vec!["a"; 490].join(" + ");
    assert!(statement(&format!("SELECT {sum} FROM flights")).is_ok());
    let terms: Vec<String> = (0..5000).map(|n| format!("a <> {n}")).collect();
    assert!(statement(&format!("SELECT * FROM flights WHERE {}", terms.join(" OR "))).is_ok());
    let rows = (0..2000).map(|n| format!("({n}, '{n}')")).collect::<Vec<_>>().join(", ");
    assert!(statement(&format!("INSERT INTO flights VALUES {rows}")).is_ok());
}
