//! Durations, shares, sizes and numbers as people write them: `50ms`, `2%`, `512MiB`, `20`.

use std::time::Duration;

use super::{Quantity, Unit};

/// Sizes, the larger of those with the same ending first.
const SIZES: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("B", 1.0),
];

/// What a text says; `None` for what is no such value.
#[must_use]
pub fn read(text: &str) -> Option<Quantity> {
    let text = text.trim();
    if let Some(value) = number(text) {
        return Some(Quantity { value, unit: None });
    }
    if let Some(share) = text.strip_suffix('%') {
        return Some(Quantity { value: number(share.trim_end())? / 100.0, unit: Some(Unit::Ratio) });
    }
    let size = SIZES.iter().find_map(|(unit, size)| Some(number(text.strip_suffix(unit)?.trim_end())? * size));
    if let Some(value) = size.filter(|size| size.is_finite()) {
        return Some(Quantity { value, unit: Some(Unit::Bytes) });
    }
    let value = humantime::parse_duration(text).ok()?.as_secs_f64();
    Some(Quantity { value, unit: Some(Unit::Seconds) })
}

/// A number without sign, exponent or blanks.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// A value as [`read`] reads it.
#[must_use]
pub fn write(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => value.to_string(),
        // Hundredths are not exact: 0.07 is 7.000000000000001 %.
        Unit::Ratio => {
            let hundredths = value * 100.0;
            let exact = [hundredths, hundredths.next_up(), hundredths.next_down()];
            let rounded = format!("{}%", (value * 1e8).round() / 1e6);
            let mut shares = std::iter::once(rounded.clone()).chain(exact.map(|share| format!("{share}%")));
            let fits = shares.find(|share| read(share).is_some_and(|read| read.value == value));
            fits.unwrap_or_else(|| if value >= 1.0 { rounded } else { value.to_string() })
        }
        Unit::Seconds => {
            let duration = Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX);
            humantime::format_duration(duration).to_string()
        }
        Unit::Bytes => {
            let sizes = SIZES.iter().take(4).rev();
            let (unit, size) = sizes.copied().find(|(_, size)| value >= *size && value % size == 0.0).unwrap_or(("B", 1.0));
            format!("{}{unit}", value / size)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_people_write_them() {
        for (text, value, unit) in [
            ("50ms", 0.05, Some(Unit::Seconds)),
            ("1m30s", 90.0, Some(Unit::Seconds)),
            ("250us", 250e-6, Some(Unit::Seconds)),
            ("2%", 0.02, Some(Unit::Ratio)),
            ("0.5 %", 0.005, Some(Unit::Ratio)),
            ("150%", 1.5, Some(Unit::Ratio)),
            ("512MiB", 536_870_912.0, Some(Unit::Bytes)),
            ("1.5 GiB", 1_610_612_736.0, Some(Unit::Bytes)),
            ("10kB", 10_000.0, Some(Unit::Bytes)),
            ("0B", 0.0, Some(Unit::Bytes)),
            ("20", 20.0, None),
            (" 0.02 ", 0.02, None),
        ] {
            assert_eq!(read(text), Some(Quantity { value, unit }), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_none() {
        for text in ["", "soon", "-5ms", "-1", "+1", "1e9", "inf", "nan", "%", "5 %%", "ms", "1.2.3", "5 apples", ".5", "true"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&format!("1{}TiB", "0".repeat(308))), None, "more than any number");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (value, unit, text) in [
            (0.05, Unit::Seconds, "50ms"),
            (3_600.0, Unit::Seconds, "1h"),
            (0.02, Unit::Ratio, "2%"),
            (0.07, Unit::Ratio, "7%"),
            (0.9, Unit::Ratio, "90%"),
            (1.5, Unit::Ratio, "150%"),
            (0.0, Unit::Ratio, "0%"),
            (20.0, Unit::Count, "20"),
            (0.5, Unit::Count, "0.5"),
            (536_870_912.0, Unit::Bytes, "512MiB"),
            (1000.0, Unit::Bytes, "1000B"),
        ] {
            assert_eq!(write(value, unit), text);
            assert_eq!(read(text).and_then(|quantity| quantity.in_unit(unit).ok()), Some(value), "{text}");
        }
        let third = write(1.0 / 3.0, Unit::Ratio);
        assert_eq!(read(&third).and_then(|quantity| quantity.in_unit(Unit::Ratio).ok()), Some(1.0 / 3.0), "{third}");
        // What was a share stays one, to its last digit.
        for share in ["133.3333333333%", "100.0000001%", "0.1234567891%", "0.07%", "1234567.1234567%"] {
            let quantity = read(share).unwrap();
            assert_eq!(read(&write(quantity.value, Unit::Ratio)), Some(quantity), "{share}");
        }
    }
}
