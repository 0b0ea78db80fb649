//! Numbers as people read them: durations, sizes, counts.

/// A duration in its two greatest units: `42s`, `5m 3s`, `3h 12m`, `4d 7h`.
pub(crate) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{}d {hours}h", count(days)),
    }
}

/// A size with one decimal from 1 KiB on: `312 B`, `1.5 KiB`, `20.0 MiB`.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    // In tenths of the unit, so that rounding up to the next one (1023.99 KiB) is seen before a unit is chosen.
    let mut tenths = u128::from(size) * 10;
    let mut unit = 0;
    while unit + 1 < UNITS.len() && rounded(tenths) >= 10_240 {
        tenths /= 1024;
        unit += 1;
    }
    let tenths = rounded(tenths);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Tenths of a unit, from tenths of the unit below.
fn rounded(tenths_below: u128) -> u128 {
    (tenths_below + 512) / 1024
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `no subscriber`, `1 subscriber`, `2 subscribers`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", count(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (303, "5m 3s"),
            (3_600, "1h 0m"),
            (11_579, "3h 12m"),
            (86_399, "23h 59m"),
            (86_400, "1d 0h"),
            (370_800, "4d 7h"),
            (86_400 * 1_234, "1,234d 0h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        for (size, expected) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (20 * 1_048_576, "20.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
    }

    #[test]
    fn thousands_are_apart() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
        assert_eq!([0, 1, 2_000].map(|n| counted(n, "line")), ["no line", "1 line", "2,000 lines"]);
    }
}
