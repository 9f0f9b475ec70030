//! Numbers as people read them, in three significant digits: `12.3 ms`, `2.4 %`, `12,044`, `1.5 MiB`.

use alloc::format;
use alloc::string::{String, ToString};

/// A duration given in seconds.
#[must_use]
pub fn seconds(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 0.999_5 => (v, "s"),
        v if v >= 0.000_999_5 => (v * 1e3, "ms"),
        v if v >= 0.000_000_999_5 => (v * 1e6, "µs"),
        v => (v * 1e9, "ns"),
    };
    format!("{} {unit}", digits(scaled))
}

/// A duration to come, given in seconds, as roughly as it can be known: `42 s`, `12 min`, `3 h`, `5 days`.
#[must_use]
pub fn about(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v < 120.0 => (v, "s"),
        v if v < 7_200.0 => (v / 60.0, "min"),
        v if v < 172_800.0 => (v / 3_600.0, "h"),
        v => (v / 86_400.0, "days"),
    };
    format!("{} {unit}", count((scaled + 0.5) as u64))
}

/// A ratio (0–1), as a percentage.
#[must_use]
pub fn percent(ratio: f64) -> String {
    format!("{} %", digits(ratio * 100.0))
}

/// A size in bytes.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut scaled, mut unit) = (value as f64, 0);
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", digits(scaled), UNITS[unit])
}

/// A number that need not be whole, such as so many a second; from a thousand on with separators.
#[must_use]
pub fn number(value: f64) -> String {
    if value >= 999.5 { count((value + 0.5) as u64) } else { digits(value) }
}

/// A count, with separators of thousands.
#[must_use]
pub fn count(value: u64) -> String {
    let plain = value.to_string();
    let mut text = String::with_capacity(plain.len() + plain.len() / 3);
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many of what, with separators of thousands: `1 connect`, `0 connects`, `1,204 processes`. `one` is the noun for one of them.
#[must_use]
#[inline(never)]
pub fn counted(value: u64, one: &str) -> String {
    let ending = match value {
        1 => "",
        _ if one.as_bytes().last() == Some(&b's') => "es",
        _ => "s",
    };
    format!("{} {one}{ending}", count(value))
}

/// A name as one word of a shell command: names of mounts and control groups are anybody's choice, and commands are pasted as root.
#[must_use]
#[inline(never)]
pub fn shell_quote(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        return name.into();
    }
    let mut quoted = String::from("'");
    for (index, part) in name.split('\'').enumerate() {
        quoted.push_str(if index == 0 { "" } else { "'\\''" });
        quoted.push_str(part);
    }
    quoted.push('\'');
    quoted
}

/// Three significant digits, rounded, without trailing zeros. By integers: the code that prints floats is a third of a small
/// component.
fn digits(value: f64) -> String {
    let (decimals, scale) = match value {
        v if v >= 99.95 => (0, 1.0),
        v if v >= 9.995 => (1, 10.0),
        _ => (2, 100.0),
    };
    let rounded = (value * scale + 0.5) as u64;
    let (whole, fraction) = (rounded / scale as u64, rounded % scale as u64);
    if decimals == 0 || fraction == 0 {
        return whole.to_string();
    }
    let text = if decimals == 1 { format!("{whole}.{fraction}") } else { format!("{whole}.{fraction:02}") };
    text.trim_end_matches('0').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_choose_their_unit() {
        let texts = [0.0, 2.5e-7, 0.000_012_34, 0.005, 0.0123, 0.2, 0.999_9, 1.5, 240.0].map(seconds);
        assert_eq!(texts, ["0 ns", "250 ns", "12.3 µs", "5 ms", "12.3 ms", "200 ms", "1 s", "1.5 s", "240 s"]);
    }

    #[test]
    fn times_to_come_are_rough() {
        let texts = [0.4, 42.4, 119.9, 150.0, 7_199.0, 9_000.0, 1e6].map(about);
        assert_eq!(texts, ["0 s", "42 s", "120 s", "3 min", "120 min", "3 h", "12 days"]);
    }

    #[test]
    fn only_safe_names_stay_bare_in_a_command() {
        assert_eq!(
            ["/srv/data-1", "nginx@a:b.service", "a%b+c=d,e_f"].map(shell_quote).join(" "),
            "/srv/data-1 nginx@a:b.service a%b+c=d,e_f"
        );
        assert_eq!(["a;b", "", "$(x)", "a b", "it's", "-é"].map(shell_quote).join(" "), r"'a;b' '' '$(x)' 'a b' 'it'\''s' '-é'");
    }

    #[test]
    fn ratios_sizes_and_counts() {
        assert_eq!([0.02, 0.123_4, 1.0, 0.0].map(percent), ["2 %", "12.3 %", "100 %", "0 %"]);
        assert_eq!([0, 1023, 1536, 20 << 20].map(bytes), ["0 B", "1023 B", "1.5 KiB", "20 MiB"]);
        assert_eq!([0, 999, 1_000, 12_044, 1_234_567].map(count), ["0", "999", "1,000", "12,044", "1,234,567"]);
        let counts = [counted(0, "connect"), counted(1, "process"), counted(2, "process"), counted(1_204, "time")];
        assert_eq!(counts, ["0 connects", "1 process", "2 processes", "1,204 times"]);
        assert_eq!([0.0, 10.04, 12.34, 999.7, 52_000.4].map(number), ["0", "10", "12.3", "1,000", "52,000"]);
    }
}
