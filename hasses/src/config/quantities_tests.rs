use super::*;

fn quantity(name: &str) -> &'static Quantity {
    QUANTITIES.iter().find(|quantity| quantity.name == name).expect(name)
}

#[test]
fn values_are_read_in_their_unit_and_written_as_short_as_they_can_be_read() {
    for (name, text, value, written) in [
        ("max-message", "65536", 65_536, "64k"),
        ("max-message", "64k", 65_536, "64k"),
        ("max-message", "64K", 65_536, "64k"),
        ("max-message", "1m", 1_048_576, "1m"),
        ("max-message", "1000000", 1_000_000, "1000000"),
        ("outbox", "1g", 1_073_741_824, "1g"),
        ("max-topics", "0017", 17, "17"),
        ("heartbeat", "0.5", 500, "0.5"),
        ("heartbeat", "15", 15_000, "15"),
        ("heartbeat", "15.000", 15_000, "15"),
        ("heartbeat", "10.125", 10_125, "10.125"),
        ("max-age", "0", 0, "0"),
        ("max-age", "3600", 3_600_000, "3600"),
        ("max-subscribers", "0", 0, "0"),
        ("retry", "5000", 5000, "5000"),
    ] {
        let quantity = quantity(name);
        assert_eq!(quantity.read(text), Ok(value), "{name} {text}");
        assert_eq!(quantity.unit.write(value), written, "{name} {text}");
    }
}

#[test]
fn what_cannot_be_read_names_the_value_and_what_is_wanted() {
    for (name, texts, part) in [
        (
            "max-message",
            &["", "k", "1.5m", "-1", "+1", " 1", "1 k", "1kb", "99999999999999999999", "99999999999999999g", "ä"][..],
            "number of bytes",
        ),
        ("max-topics", &["", "1k", "-1", "1.0"], "whole number"),
        (
            "heartbeat",
            &["", ".", "1.", ".5", "1e3", "inf", "0.0001", "-1", "1,5", "99999999999999999999"],
            "number of seconds",
        ),
        ("retry", &["", "0.5", "5s"], "whole number of milliseconds"),
    ] {
        for text in texts {
            let error = quantity(name).read(text).expect_err(text);
            assert!(error.contains(part) && error.starts_with(&format!("{text:?} is no ")), "{name} {text}: {error}");
        }
    }
}

#[test]
fn what_is_out_of_range_names_the_value_and_the_range() {
    for (name, text, error) in [
        ("max-head", "100", "100 is outside of the range 1k to 1m"),
        ("max-head", "2m", "2m is outside of the range 1k to 1m"),
        ("heartbeat", "0", "0 is outside of the range 0.1 to 3600"),
        ("max-age", "0.5", "0.5 is outside of the range 1 to 31536000, or 0 (never)"),
        (
            "max-subscribers",
            "10000001",
            "10000001 is outside of the range 1 to 10000000, or 0 (what the descriptor limit allows)",
        ),
        ("shards", "0", "0 is outside of the range 1 to 256"),
    ] {
        assert_eq!(quantity(name).read(text), Err(error.to_owned()));
    }
}

#[test]
fn both_ends_of_every_range_and_its_default_can_be_read_set_and_written() {
    let default = Config::default();
    for quantity in QUANTITIES {
        let mut values = vec![*quantity.range.start(), *quantity.range.end(), (quantity.get)(&default)];
        values.extend(quantity.zero.map(|_| 0));
        for value in values {
            let mut config = default.clone();
            let text = quantity.unit.write(value);
            assert_eq!(quantity.read(&text), Ok(value), "{}", quantity.name);
            (quantity.set)(&mut config, value);
            assert_eq!((quantity.get)(&config), value, "{}", quantity.name);
            assert_eq!(quantity.value(&config), text, "{}", quantity.name);
            (quantity.set)(&mut config, (quantity.get)(&default));
            assert_eq!(config, default, "{} sets something else", quantity.name);
        }
    }
}

#[test]
fn every_limit_has_its_row() {
    let mut config = Config::default();
    for quantity in QUANTITIES {
        (quantity.set)(&mut config, *quantity.range.start());
    }
    let (least, default) = (format!("{:?}", config.limits), format!("{:?}", Limits::default()));
    let unchanged: Vec<_> = least.split(',').zip(default.split(',')).filter(|(one, other)| one == other).collect();
    assert!(unchanged.is_empty(), "{unchanged:?}");
}
