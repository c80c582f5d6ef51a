//! What wins over the file: the environment, and over both the flags of the command line.

use std::ffi::{OsStr, OsString};

use super::log_section::LEVEL_VARIABLE;
use super::{Log, Named, Section, SettingsError, named};
use crate::repr::printable;

/// Puts the values of variables into their places. Returns a note for each variable that looks like
/// one of the program's and is not.
pub(super) fn apply_environment(
    prefix: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    own: &mut impl Section,
    log: &mut Log,
) -> Result<Vec<String>, SettingsError> {
    let mut notes = Vec::new();
    for (variable, value) in environment {
        let variable = variable.to_string_lossy();
        let mut settings = named(prefix, own, log);
        if let Some(found) = settings.iter().position(|named| named.variable == variable) {
            // Compose passes on a variable that its user has not set: as an empty one.
            let is_unset = variable == LEVEL_VARIABLE && value.is_empty();
            if !is_unset {
                set(settings.swap_remove(found), &variable, &value)?;
            }
        } else if variable.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')) {
            notes.push(no_effect(&variable, &settings));
        }
    }
    notes.sort();
    Ok(notes)
}

/// Puts the values of flags into their places.
pub(super) fn apply_flags(
    prefix: &str,
    flags: impl IntoIterator<Item = (String, OsString)>,
    own: &mut impl Section,
    log: &mut Log,
) -> Result<(), SettingsError> {
    for (flag, value) in flags {
        let mut settings = named(prefix, own, log).into_iter();
        let found = settings.find(|named| named.flag == flag);
        let flag = format!("--{flag}");
        set(found.ok_or_else(|| SettingsError(format!("{flag} is not a flag")))?, &flag, &value)?;
    }
    Ok(())
}

/// Sets the value that was given under a name.
fn set(named: Named<'_>, name: &str, value: &OsStr) -> Result<(), SettingsError> {
    let text = value.to_str().ok_or_else(|| "the value is not UTF-8 text".to_owned());
    text.and_then(|text| named.setting.set(text))
        .map_err(|error| SettingsError(format!("{name}: {error}")))
}

fn no_effect(variable: &str, settings: &[Named<'_>]) -> String {
    let own = settings.iter().filter(|named| named.section != Log::NAME);
    let known: Vec<&str> = own.map(|named| named.variable.as_str()).collect();
    format!("{} has no effect; known: {}", printable(variable.as_bytes()), known.join(", "))
}
