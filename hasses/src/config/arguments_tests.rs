use std::collections::BTreeSet;

use argh::FlagInfoKind;

use super::*;
use crate::config::Config;
use crate::config::settings::{Setting, Value, setting, settings};

/// Flags that are no settings: they say what to do, or where settings are.
const NO_SETTINGS: [&str; 7] = ["config", "classic-config", "check", "man", "completions", "version", "help"];

fn flags() -> Vec<(String, bool, String)> {
    Arguments::get_args_info()
        .flags
        .iter()
        .map(|flag| {
            let name = flag.long.trim_start_matches('-').to_owned();
            (name, flag.kind == FlagInfoKind::Switch, flag.description.to_owned())
        })
        .filter(|(name, _, _)| !NO_SETTINGS.contains(&name.as_str()))
        .collect()
}

#[test]
fn every_flag_has_its_key_and_every_key_its_flag() {
    let flags: BTreeSet<_> = flags().into_iter().map(|(name, _, _)| name).collect();
    let keys: BTreeSet<_> = settings().map(|setting| setting.name.to_owned()).collect();
    assert_eq!(flags, keys);
}

#[test]
fn every_flag_that_is_given_arrives_under_its_own_name() {
    for (name, is_switch, _) in flags() {
        let flag = format!("--{name}");
        let line: &[&str] = if is_switch { &[&flag] } else { &[&flag, "some value"] };
        let given = Arguments::from_args(&["hasses"], line).expect(&name).settings();
        let value = if is_switch { "true" } else { "some value" };
        let given: Vec<_> = given.iter().map(|(name, values)| (*name, values.clone())).collect();
        assert_eq!(given, [(name.as_str(), vec![value.to_owned()])]);
    }
}

#[test]
fn switches_lists_and_values_are_what_their_setting_takes() {
    for flag in Arguments::get_args_info().flags {
        let Some(Setting { value, .. }) = setting(flag.long.trim_start_matches('-')) else { continue };
        let is_list = flag.optionality == argh::Optionality::Repeating;
        let is_switch = flag.kind == FlagInfoKind::Switch;
        assert_eq!(matches!(value, Value::List { .. }), is_list, "{}", flag.long);
        assert_eq!(matches!(value, Value::Switch { .. }), is_switch, "{}", flag.long);
    }
}

#[test]
fn help_states_the_range_and_the_default_of_every_setting() {
    let default = Config::default();
    for (name, _, description) in flags() {
        let setting = setting(&name).expect(&name);
        let mut parts = Vec::new();
        let value = match setting.value {
            Value::Switch { get, .. } => if get(&default) { "on" } else { "off" }.to_owned(),
            Value::Text { get, unset, .. } => get(&default).unwrap_or_else(|| unset.to_owned()),
            Value::List { .. } if name == "control" => "the control socket".to_owned(),
            Value::List { get, .. } => get(&default).join(", "),
            Value::Number(quantity) => {
                parts.push(format!(", {}", quantity.bounds()));
                if name == "shards" { "1 on up to two cores".to_owned() } else { quantity.value(&default) }
            }
        };
        let said = description.replace("default: ", "default ");
        parts.push(format!("(default {value}"));
        for part in parts {
            assert!(said.contains(&part), "--{name} does not say {part:?}: {description}");
        }
    }
}

#[test]
fn help_begins_with_the_name_of_the_value() {
    for flag in Arguments::get_args_info().flags {
        if let FlagInfoKind::Option { arg_name } = flag.kind {
            assert!(flag.description.starts_with(arg_name), "{}: {}", flag.long, flag.description);
        }
    }
}
