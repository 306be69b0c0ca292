//! What does not parse, and what is refused.

use super::*;
use crate::error::{ErrorClass, Span};
use crate::sql::is_complete;

/// The error of a text with its span as line and columns, and its hint.
fn syntax(sql: &str) -> (String, Option<Span>, String) {
    let error = parse(sql).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Sql, "{sql}");
    let kind = error.kind();
    (kind.message.clone(), kind.span, kind.hint.clone().unwrap_or_default())
}

fn on_line(line: u64, from: u64, to: u64) -> Option<Span> {
    Some(Span { start: (line, from), end: (line, to) })
}

#[test]
fn syntax_errors_show_their_place_and_what_may_be_wrong() {
    let (message, span, hint) = syntax("SELCT 1");
    assert_eq!((message.as_str(), span), ("expected an SQL statement, found SELCT", on_line(1, 1, 6)));
    assert_eq!(hint, "did you mean SELECT?");

    let (message, span, hint) = syntax("SELECT a b c FROM t");
    assert_eq!((message.as_str(), span), ("expected end of statement, found c", on_line(1, 12, 13)));
    assert!(hint.contains("comma"), "{hint}");

    let (_, span, hint) = syntax("SELECT a, FROM t");
    assert_eq!(span, on_line(1, 11, 15));
    assert!(hint.contains("a comma too many"), "{hint}");

    let (_, _, hint) = syntax("SELECT a FROM t WHRE a > 1");
    assert_eq!(hint, "did you mean WHERE instead of WHRE?");

    let (message, span, hint) = syntax("SELECT (1 + 2");
    assert_eq!((message.as_str(), span), ("expected ), found the end of the statement", on_line(1, 13, 14)));
    assert!(hint.contains("close it with )"), "{hint}");

    let (message, span, hint) = syntax("SELECT a,\n  'open FROM t");
    assert_eq!((message.as_str(), span), ("the text that begins here is not closed", on_line(2, 3, 4)));
    assert!(hint.contains("close it with '"), "{hint}");

    let (message, _, _) = syntax("SELECT 1 /* open");
    assert_eq!(message, "a comment is not closed");
    let (message, _, _) = syntax("SELECT \"open");
    assert_eq!(message, "the name that begins here is not closed");
    let (message, _, _) = syntax("SELECT $x$open");
    assert_eq!(message, "a text in dollar quotes is not closed");
    let (message, _, hint) = syntax("SELECT 1 FROM");
    assert!(message.contains("found the end of the statement"), "{message} {hint}");
    assert!(syntax("EXPLAIN CREATE TABLE t (a INT)").0.contains("a query"));
    assert!(syntax("SET threads").0.contains("SET threads = 4"));
    assert!(syntax("COPY t FROM 'x.csv'").0.contains("INSERT INTO"));
    assert!(syntax("COPY t TO x").0.contains("single quotes"));
}

#[test]
fn places_of_syntax_errors_count_from_the_start_of_the_whole_text() {
    let (_, span, _) = syntax("SELECT 1;\n-- two\n  SELECT 1 + ;");
    assert_eq!(span, on_line(3, 12, 13));
    let (_, span, _) = syntax("SELECT 1;  SELECT\n  a b c");
    assert_eq!(span, on_line(2, 7, 8));
    let (_, span, _) = syntax("SELECT 1; SELECT a b c");
    assert_eq!(span, on_line(1, 22, 23));
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    for (sql, feature) in [
        ("SELECT * FROM flights f JOIN weather w ON f.a = w.a", "joins"),
        ("SELECT * FROM flights, weather", "joins"),
        ("SELECT * FROM flights LEFT JOIN weather USING (a)", "joins"),
        ("SELECT * FROM (flights CROSS JOIN weather)", "joins"),
        ("SELECT sum(a) OVER (PARTITION BY b) FROM flights", "window functions"),
        ("SELECT row_number() OVER w FROM flights WINDOW w AS (ORDER BY a)", "window functions"),
        ("SELECT * FROM flights QUALIFY a = 1", "QUALIFY"),
        ("SELECT a FROM flights WHERE EXISTS (SELECT 1)", "EXISTS"),
        ("SELECT a FROM flights WHERE NOT EXISTS (SELECT 1)", "EXISTS"),
        ("SELECT a FROM flights WHERE a IN (SELECT 1)", "subqueries in expressions"),
        ("SELECT (SELECT 1)", "subqueries in expressions"),
        ("SELECT a = ANY(b) FROM flights", "ANY"),
        ("SELECT 1 INTERSECT SELECT 1", "INTERSECT"),
        ("SELECT 1 EXCEPT SELECT 1", "EXCEPT"),
        ("SELECT 1 UNION BY NAME SELECT 1", "BY NAME"),
        ("SELECT a FROM flights GROUP BY a GROUPING SETS ((a))", "GROUPING SETS behind the keys"),
        ("SELECT * FROM flights PIVOT (sum(a) FOR b IN ('x'))", "PIVOT"),
        ("SELECT TOP 5 a FROM flights", "TOP"),
        ("SELECT a INTO t FROM flights", "SELECT INTO"),
        ("SELECT a FROM flights FOR UPDATE", "FOR UPDATE"),
        ("SELECT a FROM flights FETCH FIRST 5 ROWS WITH TIES", "WITH TIES"),
        ("SELECT a FROM flights FETCH FIRST 5 PERCENT ROWS ONLY", "PERCENT"),
        ("SELECT a FROM flights WHERE a CLUSTER BY a", "CLUSTER BY"),
        ("SELECT a FROM flights WHERE a SORT BY a", "SORT BY"),
        ("SELECT a FROM flights TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
        ("SELECT a FROM flights LATERAL VIEW explode(b) t AS x", "LATERAL"),
        ("SELECT * FROM LATERAL (SELECT 1)", "LATERAL"),
        ("SELECT * FROM main.flights", "schemas"),
        ("SELECT * RENAME (a AS b) FROM flights", "RENAME"),
        ("SELECT * ILIKE '%a' FROM flights", "ILIKE"),
        ("SELECT a.b.c FROM flights", "there is no table 'a' here"),
        ("SELECT [[1, 2]]", "lists of lists"),
        ("SELECT a[1:2] FROM flights", "slices"),
        ("SELECT CAST(NULL AS INTEGER[][])", "lists of lists"),
        ("SELECT {'a': 1}", "structs"),
        ("SELECT list_transform(a, x -> x + 1) FROM flights", "lambda"),
        ("SELECT abs(a) -> 'x' FROM flights", "operator ->"),
        ("SELECT a & 1 FROM flights", "operator &"),
        ("SELECT a << 1 FROM flights", "operator <<"),
        ("SELECT a // 2 FROM flights", "operator //"),
        ("SELECT a @> 'x' FROM flights", "operator @>"),
        ("SELECT a SIMILAR TO 'x' FROM flights", "SIMILAR TO"),
        ("SELECT a COLLATE nocase FROM flights", "COLLATE"),
        ("SELECT CAST(a AS TIME WITH TIME ZONE) FROM flights", "with zone"),
        ("SELECT $1", "parameters"),
        ("SELECT X'ff'", "binary"),
        ("SELECT first(a IGNORE NULLS) FROM flights", "IGNORE NULLS"),
        ("SELECT count(DISTINCT *) FROM flights", "count(DISTINCT *)"),
        ("SELECT rank(1) WITHIN GROUP (ORDER BY a) FROM flights", "rank with WITHIN GROUP"),
        ("SELECT EXTRACT(day FROM INTERVAL '1' DAY TO SECOND)", "range of units"),
        ("SELECT INTERVAL '1' DAY TO SECOND", "range of units"),
        ("WITH RECURSIVE t AS (SELECT 1) SELECT * FROM t", "recursive"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "materialized"),
        ("CREATE VIEW IF NOT EXISTS v AS SELECT 1", "IF NOT EXISTS"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "constraints"),
        ("CREATE TABLE t (a INTEGER NOT NULL)", "constraints"),
        ("CREATE TABLE t (a INTEGER DEFAULT 1)", "defaults"),
        ("CREATE TABLE t (a INTEGER, PRIMARY KEY (a))", "constraints"),
        ("CREATE TABLE t LIKE flights", "LIKE"),
        ("CREATE TABLE t (a INTEGER) STORED AS PARQUET", "this form of CREATE TABLE"),
        ("CREATE TABLE t (a INTEGER) WITH (x = 1)", "this form of CREATE TABLE"),
        ("CREATE EXTERNAL TABLE t (a INTEGER) LOCATION 'x'", "external"),
        ("CREATE INDEX i ON flights (a)", "CREATE"),
        ("DROP INDEX i", "DROP INDEX"),
        ("DROP TABLE flights, weather", "several tables"),
        ("DROP TABLE flights CASCADE", "CASCADE"),
        ("INSERT INTO flights VALUES (1, 'x') ON CONFLICT DO NOTHING", "ON CONFLICT"),
        ("INSERT INTO flights VALUES (1, 'x') RETURNING a", "RETURNING"),
        ("INSERT INTO flights DEFAULT VALUES", "DEFAULT VALUES"),
        ("UPDATE flights SET a = 1", "UPDATE"),
        ("DELETE FROM flights", "DELETE"),
        ("MERGE INTO flights USING weather ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("BEGIN", "BEGIN"),
        ("TRUNCATE TABLE flights", "TRUNCATE"),
        ("ALTER TABLE flights ADD COLUMN x INT", "ALTER"),
        ("WITH t AS (SELECT 1) INSERT INTO flights SELECT * FROM t", "changing tables"),
    ] {
        match statement(sql) {
            Ok(bound) => panic!("{sql} was accepted: {bound:?}"),
            Err(error) => {
                assert!(matches!(error.class(), ErrorClass::Sql), "{sql}: {error}");
                let message = &error.kind().message;
                assert!(message.to_lowercase().contains(&feature.to_lowercase()), "{sql}: {error}");
            }
        }
    }
}

#[test]
fn wrong_constants_and_arguments_are_refused_with_their_place() {
    for (sql, part, span) in [
        ("SELECT DATE '2013-02-30'", "'2013-02-30' is no date", on_line(1, 13, 25)),
        ("SELECT TIMESTAMP '2013-01-01 10:00+02'", "TIMESTAMPTZ", on_line(1, 18, 39)),
        ("SELECT INTERVAL '1 fortnight'", "is no interval", on_line(1, 17, 30)),
        ("SELECT INTERVAL 'x' DAY", "is no interval", on_line(1, 17, 20)),
        ("SELECT 1e999", "too large", on_line(1, 8, 13)),
        ("SELECT a::blob FROM flights", "no type 'BLOB'", on_line(1, 8, 9)),
        ("SELECT a LIKE 'x' ESCAPE 'ab' FROM flights", "one character", on_line(1, 26, 30)),
        ("SELECT a FROM flights LIMIT -1", "not negative", None),
        ("SELECT a FROM flights LIMIT 1.5", "whole number", on_line(1, 29, 32)),
        ("SELECT a FROM flights LIMIT a", "whole number", on_line(1, 29, 30)),
        ("SELECT *", "no table to take columns from", on_line(1, 8, 9)),
        ("SELECT sum(*) FROM flights", "stands for columns", on_line(1, 8, 11)),
        ("SELECT abs(x := 1) FROM flights", "by name", on_line(1, 8, 11)),
    ] {
        let error = statement(sql).unwrap_err();
        assert!(error.to_string().contains(part), "{sql}: {error}");
        if span.is_some() {
            assert_eq!(error.kind().span, span, "{sql}: {error}");
        }
    }
}

#[test]
fn unknown_tables_come_with_a_suggestion() {
    let error = |sql: &str| statement(sql).unwrap_err();
    let near = error("SELECT * FROM fligths");
    assert_eq!(near.kind().message, "there is no table or view 'fligths'");
    assert_eq!(near.kind().hint.as_deref(), Some("did you mean 'flights'?"));
    assert_eq!(near.kind().span, on_line(1, 15, 22));
    let file = error("SELECT * FROM weather.csv");
    assert_eq!(file.kind().hint.as_deref(), Some("the path of a file goes into single quotes: FROM 'weather.csv'"));
    let file = error("SELECT * FROM \"data/weather\"");
    assert!(file.kind().hint.as_deref().unwrap().contains("FROM 'data/weather'"));
    let missing = error("SELECT *\nFROM 'missing.csv'");
    assert_eq!(missing.class(), ErrorClass::Data);
    assert_eq!(missing.kind().span, on_line(2, 6, 19));
    let function = error("SELECT * FROM read_cvs('x')");
    assert_eq!(function.kind().hint.as_deref(), Some("did you mean 'read_csv'?"));
    let cte = error("WITH days AS (SELECT a FROM 'x.csv') SELECT * FROM dayz");
    assert_eq!(cte.kind().hint.as_deref(), Some("did you mean 'days'?"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,80}") {
        let _ = parse(&text);
        let _ = is_complete(&text);
    }

    #[test]
    fn no_sequence_of_words_makes_the_parser_or_the_binder_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24)
    ) {
        let text = words.join(" ");
        let _ = is_complete(&text);
        for parsed in parse(&text).unwrap_or_default() {
            let _ = bind(&parsed, &TestCatalog, &config());
        }
    }

    #[test]
    fn a_statement_followed_by_a_semicolon_is_complete_unless_a_quote_is_open(text in "[a-z'\"$;/*\\- ]{0,30}") {
        // What parses was closed, so with a semicolon on a new line nothing is left open.
        if parse(&text).is_ok() {
            proptest::prop_assert!(is_complete(&format!("{text}\n;")), "{}", text);
        }
    }
}

/// What SQL is made of.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "ORDER",
    "ALL",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION",
    "WITH",
    "AS",
    "VALUES",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "*",
    "**",
    "+",
    "-",
    "/",
    "//",
    "%",
    "^",
    "=",
    "<>",
    "<",
    "::",
    "||",
    ".",
    ":",
    ":=",
    "=>",
    "->",
    "'a'",
    "'x.csv'",
    "\"b\"",
    "$$c$$",
    "1",
    "2.5",
    "1e9",
    "NULL",
    "TRUE",
    "a",
    "flights",
    "INTERVAL",
    "DATE",
    "TIMESTAMP",
    "CAST",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "LIKE",
    "BETWEEN",
    "EXTRACT",
    "TRIM",
    "SUBSTRING",
    "POSITION",
    "CREATE",
    "TABLE",
    "VIEW",
    "INSERT",
    "INTO",
    "DROP",
    "EXPLAIN",
    "ANALYZE",
    "DESCRIBE",
    "SHOW",
    "SET",
    "COPY",
    "TO",
    "EXCLUDE",
    "REPLACE",
    "FILTER",
    "DISTINCT",
    "read_csv",
    "count",
    "range",
    "-- x\n",
    "/* y */",
    "E'\\''",
];
