//! Formats against known answers, and against chrono's.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};
use proptest::prelude::*;

use super::*;
use crate::types::temporal::{datetime_from_micros, parse_timestamp};

fn read(format: &str, text: &str) -> Option<(i64, Option<i64>)> {
    TimeFormat::new(format).unwrap().timestamp(text.as_bytes())
}

fn at(text: &str) -> Option<(i64, Option<i64>)> {
    parse_timestamp(text)
}

#[test]
fn every_specifier_reads_what_it_says() {
    for (format, text, expected) in [
        ("%d.%m.%Y", "31.01.2013", "2013-01-31"),
        ("%d.%m.%Y", "1.2.2013", "2013-02-01"),
        ("%-d.%-m.%Y", "1.2.2013", "2013-02-01"),
        ("%Y%m%d", "20130131", "2013-01-31"),
        ("%Y%j", "2013032", "2013-02-01"),
        ("%j/%Y", "32/2013", "2013-02-01"),
        ("%d%b%y", "05Sep68", "2068-09-05"),
        ("%d%b%y", "05SEP69", "1969-09-05"),
        ("%A, %d. %B %Y", "thursday, 31. January 2013", "2013-01-31"),
        ("%a %b %e %Y", "Fri Feb  1 2013", "2013-02-01"),
        ("%a %b %e %Y", "Thu Jan 31 2013", "2013-01-31"),
        ("%m/%d/%Y %I:%M:%S %p", "1/31/2013 12:05:06 AM", "2013-01-31 00:05:06"),
        ("%m/%d/%Y %I:%M %p", "1/31/2013 12:05 PM", "2013-01-31 12:05"),
        ("%D %r", "01/31/13 1:05:06 pm", "2013-01-31 13:05:06"),
        ("%F %T", "2013-01-31   13:05:06", "2013-01-31 13:05:06"),
        ("%FT%T", "2013-01-31T13:05:06", "2013-01-31 13:05:06"),
        ("%F %k:%M", "2013-01-31  5:06", "2013-01-31 05:06"),
        ("%F %R", "2013-01-31 13:05", "2013-01-31 13:05"),
        ("%F %T.%f", "2013-01-31 13:05:06.25", "2013-01-31 13:05:06.25"),
        ("%F %T,%f", "2013-01-31 13:05:06,123456000", "2013-01-31 13:05:06.123456"),
        ("%F %T%.f", "2013-01-31 13:05:06.5", "2013-01-31 13:05:06.5"),
        ("%F %T%.3f", "2013-01-31 13:05:06", "2013-01-31 13:05:06"),
        ("%Y%m%d%H%M%S", "20130131130506", "2013-01-31 13:05:06"),
        ("%Y%m%d%H%M%S%f", "20130131130506789", "2013-01-31 13:05:06.789"),
        ("%F %T %z", "2013-01-31 13:05:06 +01:00", "2013-01-31 13:05:06+01:00"),
        ("%F %T%z", "2013-01-31 13:05:06-0530", "2013-01-31 13:05:06-05:30"),
        ("%F %T%z", "2013-01-31 13:05:06+05", "2013-01-31 13:05:06+05"),
        ("%F %T%z", "2013-01-31 13:05:06Z", "2013-01-31 13:05:06Z"),
        ("%F %T %Z", "2013-01-31 13:05:06 UTC", "2013-01-31 13:05:06Z"),
        ("%s", "1359590400", "2013-01-31 00:00:00Z"),
        ("%s.%f", "-1.5", "1969-12-31 23:59:58.5Z"),
        ("%d Tag %m Monat %Y%%", "31 Tag 1 Monat 2013%", "2013-01-31"),
        ("%Y年%m月%d日", "2013年1月31日", "2013-01-31"),
    ] {
        let expected = at(expected);
        assert!(expected.is_some());
        assert_eq!(read(format, text), expected, "{format} {text}");
    }
}

#[test]
fn what_does_not_follow_the_format_is_none() {
    for (format, text) in [
        ("%d.%m.%Y", "31.01.13"),
        ("%d.%m.%Y", "31.01.20133"),
        ("%d.%m.%Y", "31.02.2013"),
        ("%d.%m.%Y", "0.01.2013"),
        ("%d.%m.%Y", "031.01.2013"),
        ("%d.%m.%Y", "31.01.2013 "),
        ("%d.%m.%Y", "31-01-2013"),
        ("%d.%m.%Y", ""),
        ("%Y%m%d", "2013131"),
        ("%Y%m%d", "2013011"),
        ("%Y-%j", "2013-366"),
        ("%Y-%j", "2013-0"),
        ("%a %F", "Wed 2013-01-31"),
        ("%b %d %Y", "Xyz 31 2013"),
        ("%B %d %Y", "Jan 31 2013"),
        ("%F %H:%M", "2013-01-31 24:00"),
        ("%F %H:%M", "2013-01-31 12:60"),
        ("%F %T", "2013-01-31 12:00:60"),
        ("%F %T", "2013-01-3112:00:00"),
        ("%F %I %p", "2013-01-31 13 PM"),
        ("%F %I %p", "2013-01-31 0 AM"),
        ("%F %I %p", "2013-01-31 5 XM"),
        ("%F %T.%f", "2013-01-31 12:00:00."),
        ("%F %T.%f", "2013-01-31 12:00:00.1234567"),
        ("%F %T %Z", "2013-01-31 12:00:00 CET"),
        ("%F %T %z", "2013-01-31 12:00:00 +1"),
        ("%F %T %z", "2013-01-31 12:00:00 +16"),
        ("%s", "1359590400x"),
        ("%s", "1000000000000000"),
    ] {
        assert_eq!(read(format, text), None, "{format} {text}");
    }
    assert_eq!(TimeFormat::new("%F %R").unwrap().date(b"2013-01-31 12:00"), None, "no time is cut off");
    assert_eq!(TimeFormat::new("%F").unwrap().date(b"1970-01-02"), Some(1));
}

#[test]
fn formats_that_cannot_work_say_why() {
    for (format, part) in [
        ("%d.%q.%Y", "%q is unknown"),
        ("%d.%é", "%é is unknown"),
        ("%d.%m.%Y %", "ends with %"),
        ("%d.%m", "no whole date"),
        ("%H:%M", "no whole date"),
        ("", "no whole date"),
        ("%F %d", "twice"),
        ("%Y %y %j", "twice"),
        ("%F %j", "the day twice"),
        ("%F %I:%M", "%I and %p"),
        ("%F %H %p", "%I and %p"),
        ("%F %M", "lacks"),
        ("%F %H.%f", "lacks"),
        ("%F %z", "lacks"),
        ("%s %z", "%s says all"),
        ("%Y%-m%d", "where one ends"),
        ("%F %T.%f%z1%s", "%s says all"),
        ("%s%f", "where one ends"),
    ] {
        let problem = TimeFormat::new(format).unwrap_err();
        assert!(problem.contains(part), "{format}: {problem}");
    }
}

const BOTH_KNOW: [&str; 12] = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%Y%m%d",
    "%m/%d/%y",
    "%Y-%j",
    "%a, %d %b %Y",
    "%A %e. %B %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%d/%m/%Y %I:%M:%S %p",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%-d.%-m.%Y %-H:%-M",
];

proptest! {
    #[test]
    fn texts_read_as_chrono_does(
        micros in -2_200_000_000_000_000i64..4_000_000_000_000_000, format in prop::sample::select(&BOTH_KNOW[..]),
        garbled in 0usize..40, byte in prop::sample::select(&b"0159 .:-/aJPM"[..]), garble in any::<bool>()
    ) {
        let moment = datetime_from_micros(micros).unwrap();
        let mut text = moment.format(format).to_string().into_bytes();
        if garble && let Some(place) = text.get_mut(garbled) {
            *place = byte;
        }
        let text = String::from_utf8(text).unwrap();
        let compiled = TimeFormat::new(format).unwrap();
        let ours = compiled.timestamp(text.as_bytes());
        let theirs = if compiled.has_time() {
            NaiveDateTime::parse_from_str(&text, format).ok()
        } else {
            NaiveDate::parse_from_str(&text, format).ok().and_then(|date| date.and_hms_opt(0, 0, 0))
        };
        let theirs = theirs.map(|moment| (moment.and_utc().timestamp_micros(), None));
        // chrono takes years of fewer digits and signs, blanks before numbers, leap seconds, nanoseconds, and 69 as 2069.
        if ours.is_some() && !text.ends_with("69") {
            prop_assert_eq!(ours, theirs, "{} {}", format, text);
        } else if !garble && !format.contains("%y") {
            prop_assert!(ours.is_some(), "{} {}", format, text);
        }
    }

    #[test]
    fn offsets_read_as_chrono_does(micros in 0i64..4_000_000_000_000_000, minutes in -900i32..900) {
        let zone = FixedOffset::east_opt(minutes * 60).unwrap();
        let moment = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone);
        let format = "%d.%m.%Y %H:%M:%S%.f %z";
        let (local, offset) = read(format, &moment.format(format).to_string()).unwrap();
        prop_assert_eq!(offset, Some(i64::from(minutes) * 60));
        prop_assert_eq!(local - i64::from(minutes) * 60 * MICROS_PER_SECOND, micros);
    }
}
