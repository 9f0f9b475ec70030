//! Base units as people read them.

/// A value of an evidence, a signal or a parameter: 8.3 ms, 1.2 GiB, 45 %, 12,044. An unknown unit is written behind the number.
#[must_use]
pub fn human(value: f64, unit: &str) -> String {
    match unit {
        "seconds" => human_seconds(value),
        "bytes" => bytes(value),
        "ratio" => format!("{} %", significant(value * 100.0)),
        "count" => amount(value),
        other => format!("{} {other}", amount(value)),
    }
}

/// A duration in the unit that keeps it readable.
#[must_use]
pub fn human_seconds(seconds: f64) -> String {
    let size = seconds.abs();
    if size == 0.0 {
        "0 s".to_owned()
    } else if size < 999.5e-9 {
        format!("{} ns", significant(seconds * 1e9))
    } else if size < 999.5e-6 {
        format!("{} µs", significant(seconds * 1e6))
    } else if size < 0.9995 {
        format!("{} ms", significant(seconds * 1e3))
    } else if size < 59.95 {
        format!("{} s", significant(seconds))
    } else {
        let whole = seconds.round();
        let (hours, minutes, rest) = ((whole / 3600.0).trunc(), (whole % 3600.0 / 60.0).trunc(), whole % 60.0);
        match (hours > 0.0, rest > 0.0) {
            (true, _) => format!("{} h {minutes} min", amount(hours)),
            (false, true) => format!("{minutes} min {rest} s"),
            (false, false) => format!("{minutes} min"),
        }
    }
}

/// A time that is still to come: no finer than it can be known.
pub(super) fn eta(seconds: f64) -> String {
    const DAY: f64 = 86_400.0;
    if seconds < 1.0 {
        "now".to_owned()
    } else if seconds < 2.0 * DAY {
        format!("in {}", human_seconds(seconds))
    } else if seconds < 100.0 * DAY {
        format!("in {} days", amount((seconds / DAY).floor()))
    } else {
        "in more than 100 days".to_owned()
    }
}

/// A time span that is no better known than to a few of its parts.
pub(super) fn about(seconds: f64) -> String {
    const DAY: f64 = 86_400.0;
    if seconds < 600.0 {
        human_seconds(if seconds < 60.0 { seconds.ceil() } else { (seconds / 5.0).round() * 5.0 })
    } else if seconds < 2.0 * DAY {
        human_seconds((seconds / 60.0).round() * 60.0)
    } else if seconds < 100.0 * DAY {
        format!("{} days", amount((seconds / DAY).floor()))
    } else {
        "more than 100 days".to_owned()
    }
}

/// A size in the unit that keeps it readable.
pub(super) fn bytes(value: f64) -> String {
    let mut scaled = value;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if scaled.abs() < 1023.5 {
            return format!("{} {unit}", significant(scaled));
        }
        scaled /= 1024.0;
    }
    format!("{} PiB", significant(scaled))
}

/// A number with its thousands apart; a fraction keeps three digits.
fn amount(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(value.abs() as u64))
    } else {
        significant(value)
    }
}

/// A count with its thousands apart.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits, no zeros behind the point that say nothing.
fn significant(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 {
        return format!("{value:.2e}");
    }
    let decimals = if size >= 99.95 {
        0
    } else if size >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None if (1000.0..1e15).contains(&size) => amount(value.round()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_to_come_is_told_no_finer_than_it_is_known() {
        let told = [0.0, 42.3, 900.0, 7_320.0, 5.5 * 86_400.0, 1e9].map(eta);
        assert_eq!(told, ["now", "in 42.3 s", "in 15 min", "in 2 h 2 min", "in 5 days", "in more than 100 days"]);
    }

    #[test]
    fn a_span_that_is_hardly_known_has_no_seconds() {
        let told = [0.2, 42.3, 63.0, 599.0, 4_000.0, 5.5 * 86_400.0, f64::MAX].map(about);
        assert_eq!(told, ["1 s", "43 s", "1 min 5 s", "10 min", "1 h 7 min", "5 days", "more than 100 days"]);
    }

    #[test]
    fn values_read_as_people_write_them() {
        let cases = [
            (0.0083, "seconds", "8.3 ms"),
            (0.312, "seconds", "312 ms"),
            (0.000_064, "seconds", "64 µs"),
            (0.000_000_8, "seconds", "800 ns"),
            (0.0, "seconds", "0 s"),
            (1.0, "seconds", "1 s"),
            (0.9999, "seconds", "1 s"),
            (12.34, "seconds", "12.3 s"),
            (90.0, "seconds", "1 min 30 s"),
            (300.0, "seconds", "5 min"),
            (7_320.0, "seconds", "2 h 2 min"),
            (1_288_490_189.0, "bytes", "1.2 GiB"),
            (512.0, "bytes", "512 B"),
            (4_096.0, "bytes", "4 KiB"),
            (1_048_575.0, "bytes", "1 MiB"),
            (0.45, "ratio", "45 %"),
            (0.021, "ratio", "2.1 %"),
            (0.0, "ratio", "0 %"),
            (12_044.0, "count", "12,044"),
            (0.0, "count", "0"),
            (2.5, "count", "2.5"),
            (7.0, "per second", "7 per second"),
            (f64::MAX, "count", "1.80e308"),
        ];
        for (value, unit, expected) in cases {
            assert_eq!(human(value, unit), expected);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        for unit in ["seconds", "bytes", "ratio", "count"] {
            for value in [f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
                assert!(human(value, unit).len() < 32, "{value:e} {unit}: {}", human(value, unit));
            }
        }
    }
}
