//! The length of a window as people write it.

use std::time::Duration;

use super::Failure;
use crate::report::human_seconds;

/// Shortest window.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest window.
const LONGEST: Duration = Duration::from_secs(300);

/// Where none is asked for.
pub(super) const DEFAULT: Duration = Duration::from_secs(30);

/// `10s`, `1m30s`, `2min`; 1 s to 5 min.
pub(super) fn parse(text: &str) -> Result<Duration, Failure> {
    read(text, "--duration ").map_err(|(what, help)| Failure::usage(what, help))
}

/// The same for any place that it is written at: what is wrong, and what to do. `place` is what stands before the value there.
pub(super) fn read(text: &str, place: &str) -> Result<Duration, (String, String)> {
    let text = text.trim();
    let duration = humantime::parse_duration(text).map_err(|error| {
        let help = match text.parse::<u64>() {
            Ok(seconds) if (SHORTEST.as_secs()..=LONGEST.as_secs()).contains(&seconds) => format!("write {place}{seconds}s"),
            _ => format!("write a number and a unit, as in {place}30s or {place}1m30s"),
        };
        (format!("{place}{text:?} is no duration: {error}"), help)
    })?;
    let nearest = duration.clamp(SHORTEST, LONGEST);
    if duration == nearest {
        return Ok(duration);
    }
    let direction = if duration < nearest { "too short" } else { "too long" };
    Err((
        format!("{place}{text} is {direction}: a window is {} to {}", told(SHORTEST), told(LONGEST)),
        format!("the nearest is {place}{}", humantime::format_duration(nearest)),
    ))
}

/// The time from one window or snapshot to the next, within bounds.
pub(super) fn interval(text: &str, shortest: Duration, longest: Duration) -> Result<Duration, Failure> {
    let text = text.trim();
    let interval = humantime::parse_duration(text).map_err(|error| {
        let help = "write a number and a unit, as in --interval 15s or --interval 1m30s";
        Failure::usage(format!("--interval {text:?} is no duration: {error}"), help)
    })?;
    let nearest = interval.clamp(shortest, longest);
    if interval == nearest {
        return Ok(interval);
    }
    let direction = if interval < nearest { "too short" } else { "too long" };
    Err(Failure::usage(
        format!("--interval {text} is {direction}: it may be {} to {}", told(shortest), told(longest)),
        format!("the nearest is --interval {}", humantime::format_duration(nearest)),
    ))
}

fn told(duration: Duration) -> String {
    human_seconds(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_as_people_write_them() {
        for (text, seconds) in [("1s", 1.0), ("10s", 10.0), ("1m30s", 90.0), ("2min", 120.0), ("5m", 300.0), ("1500ms", 1.5)] {
            assert_eq!(parse(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_nearest_one() {
        for (text, told) in [
            ("0s", "nearest is --duration 1s"),
            ("500ms", "nearest is --duration 1s"),
            ("6m", "nearest is --duration 5m"),
            ("10years", "nearest is --duration 5m"),
            ("30", "write --duration 30s"),
            ("", "a number and a unit"),
            ("-5s", "a number and a unit"),
            ("soon", "a number and a unit"),
            ("99999999999999999999s", "a number and a unit"),
        ] {
            let failure = format!("{:?}", parse(text).unwrap_err());
            assert!(failure.contains(told), "{text}: {failure}");
        }
    }
}
