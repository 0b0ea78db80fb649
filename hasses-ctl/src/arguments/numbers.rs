//! Numbers as they are typed: with `k` and `m` for the great ones, and an error that says what is expected.

const DECIMAL: u64 = 1_000;
const BINARY: u64 = 1_024;

/// A whole number: `500`, `20k`, `1m`.
pub(super) fn count(text: &str) -> Result<u64, String> {
    whole(text, DECIMAL).ok_or_else(|| "a whole number is expected, as in 500, 20k or 1m".to_owned())
}

/// A number of bytes, in the units that the daemon's sizes have: `64`, `4k`, `1m`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    whole(text, BINARY).ok_or_else(|| "a number of bytes is expected, as in 64, 4k (KiB) or 1m (MiB)".to_owned())
}

/// A number of times a second: `0.5`, `100`, `2k`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let (digits, unit) = unit(text, DECIMAL);
    let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(|number| number * unit as f64).ok_or_else(|| "a number is expected, as in 0.5, 100 or 2k".to_owned())
}

/// Seconds: `30`, `0.5`.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "a number of seconds is expected, as in 30 or 0.5".to_owned())
}

/// The number of a process.
pub(super) fn process(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "the number of a process is expected, as in 1234".to_owned())
}

fn whole(text: &str, thousand: u64) -> Option<u64> {
    let (digits, unit) = unit(text, thousand);
    // Not with a sign, which the standard library would take.
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?;
    number?.checked_mul(unit)
}

fn unit(text: &str, thousand: u64) -> (&str, u64) {
    let units = [(['k', 'K'], thousand), (['m', 'M'], thousand * thousand)];
    let found = units.into_iter().find_map(|(letters, unit)| Some((text.strip_suffix(letters)?, unit)));
    found.unwrap_or((text, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn great_numbers_may_be_short() {
        for (text, number, bytes) in [("0", 0, 0), ("1k", 1_000, 1_024), ("2M", 2_000_000, 2_097_152), ("77", 77, 77)] {
            assert_eq!((count(text), size(text)), (Ok(number), Ok(bytes)), "{text}");
        }
        assert_eq!((rate("0.5"), rate("1.5k"), seconds("0.25")), (Ok(0.5), Ok(1_500.0), Ok(0.25)));
    }

    #[test]
    fn what_is_no_number_is_told_what_is_expected() {
        for text in ["", "k", "-5", "+5", "1.5", "1g", "1kk", "x", "99999999999999999999", "18446744073709551615k"] {
            assert!(count(text).unwrap_err().contains("as in 500, 20k or 1m"), "{text}");
            assert!(size(text).unwrap_err().contains("4k (KiB)"), "{text}");
        }
        for text in ["", "abc", "nan", "inf"] {
            assert!(rate(text).is_err() && seconds(text).is_err() && process(text).is_err(), "{text}");
        }
    }
}
