//! Expressions as they come out of SQL.

use super::*;
use crate::error::Span;
use crate::expr::{BinaryOp, SortKey};

fn shows(sql: &str, expected: &str) {
    match expr(sql) {
        Ok(expr) => assert_eq!(expr.to_string(), expected, "{sql}"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[test]
fn operators_keep_postgresqls_precedence() {
    shows("1 + 2 * 3", "1 + (2 * 3)");
    shows("a - b - c", "(a - b) - c");
    shows("a OR b AND NOT c", "a OR (b AND (NOT c))");
    shows("NOT a = b", "NOT (a = b)");
    shows("-2 ^ 2", "pow(-2, 2)");
    shows("-a ^ 2", "pow(-a, 2)");
    shows("2 ** 3 * 4", "pow(2, 3) * 4");
    shows("2 ^ 3 ^ 2", "pow(pow(2, 3), 2)");
    shows("a || b || c", "(a || b) || c");
    shows("a || b = c", "(a || b) = c");
    shows("1 + 2 || 'x'", "(1 + 2) || 'x'");
    shows("a ~ 'x' AND b !~* 'y'", "regexp_matches(a, 'x') AND (NOT regexp_matches(b, 'y', 'i'))");
    shows("a % 2 = 0", "(a % 2) = 0");
    shows("-a::text", "-CAST(a AS VARCHAR)");
    shows("a < b IS TRUE", "(a < b) IS TRUE");
    shows("a IS NOT DISTINCT FROM b AND c", "(a IS NOT DISTINCT FROM b) AND c");
    shows("a IS DISTINCT FROM NULL", "a IS DISTINCT FROM NULL");
    shows("a <> b", "a <> b");
    shows("a != b", "a <> b");
    shows("a == b", "a = b");
    shows("+a", "a");
    shows("- - a", "-(-a)");
    shows("a - -1", "a - -1");
    shows("1-1", "1 - 1");
    shows("1--1\n", "1");
    shows("a BETWEEN 1 AND 2 AND b", "(a BETWEEN 1 AND 2) AND b");
    shows("a NOT BETWEEN -1 AND 1 + 1", "a NOT BETWEEN -1 AND (1 + 1)");
    shows("ts AT TIME ZONE 'UTC' > x", "timezone('UTC', ts) > x");
}

#[test]
fn predicates_and_cases() {
    shows("a IN (1, 2)", "a IN (1, 2)");
    shows("a NOT IN ('x')", "a NOT IN ('x')");
    shows("a LIKE 'x%'", "a LIKE 'x%'");
    shows("a NOT ILIKE '%x' OR b", "(a NOT ILIKE '%x') OR b");
    shows("a IS NULL", "a IS NULL");
    shows("a NOTNULL", "a IS NOT NULL");
    shows("a IS NOT UNKNOWN", "a IS NOT NULL");
    shows("a IS NOT TRUE", "a IS NOT TRUE");
    shows("CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END", "CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END");
    shows("CASE a WHEN 1 THEN 'x' END", "CASE a WHEN 1 THEN 'x' END");
    let like = expr("a LIKE 'x!%' ESCAPE '!'").unwrap();
    assert!(matches!(like.unspanned(), Expr::Like { escape: Some('!'), .. }));
    let like = expr("a ILIKE 'x' ESCAPE 'é'").unwrap();
    assert!(matches!(like.unspanned(), Expr::Like { escape: Some('é'), case_insensitive: true, .. }));
}

#[test]
fn constants_have_postgresqls_types() {
    let typed = |sql: &str| match expr(sql).unwrap().unspanned() {
        Expr::Literal(value) => format!("{value} {}", crate::types::sql_name(value.data_type())),
        other => panic!("{sql} is {other}"),
    };
    assert_eq!(typed("42"), "42 INTEGER");
    assert_eq!(typed("-9223372036854775808"), "-9223372036854775808 BIGINT");
    assert_eq!(typed("0.5"), "0.5 DECIMAL(1,1)");
    assert_eq!(typed("1e3"), "1000.0 DOUBLE");
    assert_eq!(typed("'it''s'"), "'it''s' VARCHAR");
    assert_eq!(typed(r"E'a\tb'"), "'a\tb' VARCHAR");
    assert_eq!(typed("$$a'b$$"), "'a''b' VARCHAR");
    assert_eq!(typed("true"), "true BOOLEAN");
    assert_eq!(typed("NULL"), "NULL NULL");
    assert_eq!(typed("DATE '2013-01-31'"), "DATE '2013-01-31' DATE");
    assert_eq!(typed("TIME '13:45'"), "TIME '13:45:00' TIME");
    assert_eq!(typed("TIMESTAMP '2013-01-31 13:45'"), "TIMESTAMP '2013-01-31 13:45:00' TIMESTAMP");
    let zoned = "TIMESTAMPTZ '2013-01-31 13:45:00+01' TIMESTAMP WITH TIME ZONE";
    assert_eq!(typed("TIMESTAMPTZ '2013-01-31 13:45'"), zoned);
    assert_eq!(typed("TIMESTAMP WITH TIME ZONE '2013-01-31 12:45Z'"), zoned);
    for interval in ["'1 day'", "'1' DAY", "1 DAY", "'1 d'", "'1 day' DAY"] {
        assert_eq!(typed(&format!("INTERVAL {interval}")), "INTERVAL '1 day' INTERVAL", "{interval}");
    }
    assert_eq!(typed("INTERVAL -2 HOURS"), "INTERVAL '-02:00:00' INTERVAL");
    assert_eq!(typed("INTERVAL 1.5 hours"), "INTERVAL '01:30:00' INTERVAL");
    shows("INTERVAL (n) DAY", "n * INTERVAL '1 day'");
    shows("ts + INTERVAL '1 day' > x", "(ts + INTERVAL '1 day') > x");
}

#[test]
fn casts_in_each_spelling() {
    shows("CAST(a AS INTEGER)", "CAST(a AS INTEGER)");
    shows("TRY_CAST(a AS double precision)", "TRY_CAST(a AS DOUBLE)");
    shows("a::decimal(10, 2)", "CAST(a AS DECIMAL(10,2))");
    shows("a::numeric", "CAST(a AS DECIMAL(38,10))");
    shows("a::varchar(20)::int8", "CAST(CAST(a AS VARCHAR) AS BIGINT)");
    shows("a::timestamp(3)", "CAST(a AS TIMESTAMP)");
    shows("a::timestamp(3) with time zone", "CAST(a AS TIMESTAMP WITH TIME ZONE)");
    shows("a::float4 + 1", "CAST(a AS REAL) + 1");
    shows("a::float(30)", "CAST(a AS DOUBLE)");
    for (name, shown) in [
        ("bool", "BOOLEAN"),
        ("tinyint", "TINYINT"),
        ("int2", "SMALLINT"),
        ("int4", "INTEGER"),
        ("bigint", "BIGINT"),
        ("real", "REAL"),
        ("double", "DOUBLE"),
        ("text", "VARCHAR"),
        ("string", "VARCHAR"),
        ("date", "DATE"),
        ("time", "TIME"),
        ("datetime", "TIMESTAMP"),
        ("interval", "INTERVAL"),
        ("timestamp without time zone", "TIMESTAMP"),
    ] {
        shows(&format!("CAST(a AS {name})"), &format!("CAST(a AS {shown})"));
    }
    let Expr::Cast { to, .. } = expr("a::timestamptz").unwrap().unspanned().clone() else { panic!() };
    assert_eq!(to, crate::types::timestamp_tz("Europe/Zurich"));
}

#[test]
fn special_syntaxes_become_calls() {
    shows("EXTRACT(year FROM ts)", "date_part('year', ts)");
    shows("extract('dow' from ts)", "date_part('dow', ts)");
    shows("EXTRACT(isodow FROM ts)", "date_part('isodow', ts)");
    shows("ceil(a)", "ceil(a)");
    shows("FLOOR(a / 2)", "floor(a / 2)");
    shows("POSITION('b' IN a)", "strpos(a, 'b')");
    shows("SUBSTRING(a FROM 2 FOR 3)", "substring(a, 2, 3)");
    shows("substring(a, 2)", "substring(a, 2)");
    shows("substr(a, 2, 3)", "substring(a, 2, 3)");
    shows("SUBSTRING(a FOR 3)", "substring(a, 1, 3)");
    shows("trim(a)", "trim(a)");
    shows("TRIM(BOTH 'x' FROM a)", "trim(a, 'x')");
    shows("TRIM(LEADING 'x' FROM a)", "ltrim(a, 'x')");
    shows("TRIM(TRAILING FROM a)", "rtrim(a, ' ')");
    shows("trim(a, 'xy')", "trim(a, 'xy')");
    shows("overlay(a PLACING 'x' FROM 1 FOR 2)", "overlay(a, 'x', 1, 2)");
    shows("CURRENT_DATE", "DATE '1970-01-01' AS current_date");
    shows("now()", "TIMESTAMPTZ '1970-01-01 01:00:00+01' AS now");
    shows("left(a, 2)", "left(a, 2)");
    shows("replace(a, 'x', 'y')", "replace(a, 'x', 'y')");
    shows("time_bucket(INTERVAL '1 day', time_hour)", "time_bucket(INTERVAL '1 day', time_hour)");
    shows("if(a = 1, 2, 3)", "if(a = 1, 2, 3)");
    shows("Round(x, 2)", "round(x, 2)");
}

#[test]
fn aggregates_with_their_clauses() {
    shows("count(*)", "count(*)");
    shows("COUNT(DISTINCT a)", "count(DISTINCT a)");
    shows("sum(a = 1)", "sum(a = 1)");
    shows("sum(a = 1 AND b = 2)", "sum((a = 1) AND (b = 2))");
    shows("sum(a) FILTER (WHERE b > 1)", "sum(a) FILTER (WHERE b > 1)");
    shows("first(a ORDER BY b DESC, c)", "first(a ORDER BY b DESC, c)");
    shows("percentile_cont(0.5) WITHIN GROUP (ORDER BY a)", "quantile(a, 0.5)");
    shows("percentile_disc(0.9) WITHIN GROUP (ORDER BY a)", "quantile_disc(a, 0.9)");
    shows("mode() WITHIN GROUP (ORDER BY a)", "mode(a)");
    let Expr::Call { order_by, .. } = expr("first(a ORDER BY b DESC NULLS LAST)").unwrap().unspanned().clone() else {
        panic!()
    };
    assert!(matches!(order_by.as_slice(), [SortKey { descending: true, nulls_first: Some(false), .. }]));
}

#[test]
fn names_stay_as_written_and_words_of_sql_can_be_names() {
    shows("Origin", "Origin");
    shows("\"Dep Time\"", "Dep Time");
    shows("f.Origin", "f.Origin");
    shows("a AS \"B c\"", "a AS B c");
    shows("avg(temp) d", "avg(temp) AS d");
    for name in ["timestamp", "date", "time", "interval", "name", "id", "x", "y", "year", "month", "day", "hour"] {
        shows(name, name);
        shows(&format!("max({name})"), &format!("max({name})"));
        if name != "interval" {
            shows(&format!("{name} + 1"), &format!("{name} + 1"));
            shows(&format!("{name} AS k"), &format!("{name} AS k"));
        }
    }
    shows("timestamp::date", "CAST(timestamp AS DATE)");
    shows("größe", "größe");
    shows("year(ts)", "year(ts)");
    shows("date(ts)", "date(ts)");
}

#[test]
fn wildcards_exclude_and_replace() {
    let Expr::Wildcard { table, exclude, replace } =
        expr("f.* EXCLUDE (a, \"B\") REPLACE (a + 1 AS a)").unwrap().unspanned().clone()
    else {
        panic!()
    };
    assert_eq!((table.as_deref(), exclude), (Some("f"), vec!["a".to_string(), "B".to_string()]));
    assert_eq!(replace.len(), 1);
    assert_eq!((replace[0].0.to_string(), replace[0].1.as_str()), ("a + 1".into(), "a"));
    assert!(matches!(expr("* EXCLUDE a").unwrap().unspanned(), Expr::Wildcard { exclude, .. } if exclude == &["a"]));
}

#[test]
fn every_expression_knows_its_place() {
    let span = |sql: &str| match expr(sql).unwrap() {
        Expr::Spanned(_, span) => span,
        other => panic!("{sql}: {other:?} has no place"),
    };
    let columns = |from, to| Span { start: (1, from), end: (1, to) };
    // Columns count from the start of `SELECT …`, which is seven characters before the expression.
    assert_eq!(span("abc"), columns(8, 11));
    assert_eq!(span("t.abc"), columns(8, 13));
    assert_eq!(span("abc + 12"), columns(8, 16));
    assert_eq!(span("foo(abc)"), columns(8, 11));
    assert_eq!(span("'ü' || 'b'"), columns(8, 18));
    assert_eq!(span("CASE WHEN a THEN b END"), columns(8, 30));
    assert_eq!(span("a AND b AND c"), columns(8, 21));
    assert_eq!(span("x IN (1, 22)"), columns(8, 19));
    assert_eq!(span("a\n  + b"), Span { start: (1, 8), end: (2, 6) });
}

/// Walks the tree without recursion of its own on the left side.
fn depth(expr: &Expr) -> usize {
    match expr.unspanned() {
        Expr::Binary { left, right, .. } => 1 + depth(left).max(depth(right)),
        _ => 0,
    }
}

#[test]
fn long_chains_of_and_and_or_are_balanced() {
    for (word, op) in [("AND", BinaryOp::And), ("OR", BinaryOp::Or)] {
        let terms: Vec<String> = (0..5000).map(|n| format!("a <> {n}")).collect();
        let converted = expr(&terms.join(&format!(" {word} "))).unwrap();
        assert!(depth(&converted) <= 15, "{}", depth(&converted));
        assert!(matches!(converted.unspanned(), Expr::Binary { op: found, .. } if *found == op));
        let shown = converted.to_string();
        let first = shown.find("a <> 17)").unwrap();
        let _ = parse(&format!("CREATE TABLE t AS SELECT {}", terms.join(&format!(" {word} ")))).unwrap();
        assert!(first < shown.find("a <> 18)").unwrap());
    }
    shows("a AND b AND c AND d AND e", "((a AND b) AND (c AND d)) AND e");
}

#[test]
fn other_long_chains_are_refused_before_they_overflow_the_stack() {
    let sum = |terms: usize| vec!["a"; terms].join(" + ");
    assert!(expr(&sum(400)).is_ok());
    for terms in [600, 5_000, 25_000, 100_000, 1_000_000] {
        let error = expr(&sum(terms)).unwrap_err().to_string();
        assert!(error.contains("nests more than") || error.contains("too long"), "{error}");
    }
    let casts = format!("a{}", "::int".repeat(29_000));
    assert!(expr(&casts).is_err());
    let nots = format!("{}a", "NOT ".repeat(50_000));
    assert!(expr(&nots).is_err());
    let signs = format!("{}a", "- ".repeat(50_000));
    assert!(expr(&signs).is_err());
    let unions = vec!["SELECT 1"; 25_000].join(" UNION ALL ");
    let _ = parse(&unions);
}

#[test]
fn nested_parentheses_are_refused_quickly_when_they_are_too_many() {
    assert!(expr(&format!("{}1{}", "(".repeat(40), ")".repeat(40))).is_ok());
    assert!(expr(&format!("{}1{}", "abs(".repeat(40), ")".repeat(40))).is_ok());
    for open in ["(", "abs(", "[", "{'a': ", "CASE WHEN ", "CAST(", "(SELECT ", "NOT (", "(VALUES (", "-("] {
        for depth in [60, 200, 5_000, 59_000] {
            let started = std::time::Instant::now();
            let error = expr(&open.repeat(depth)).unwrap_err().to_string();
            assert!(!error.is_empty());
            assert!(started.elapsed().as_secs() < 10, "{open} {depth}: {:?}", started.elapsed());
        }
    }
    let error = expr(&format!("{}1{}", "(".repeat(500), ")".repeat(500))).unwrap_err().to_string();
    assert!(error.contains("nests too deep"), "{error}");
    let froms = format!("SELECT * FROM {}SELECT 1{}", "(".repeat(300), ")".repeat(300));
    assert!(parse(&froms).is_err());
}
