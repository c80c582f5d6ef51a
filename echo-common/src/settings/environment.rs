//! The environment: `SERVER_PORT=7` sets `port` of the section whose prefix is `SERVER`.

use std::ffi::{OsStr, OsString};

use super::{Section, SettingsError};
use crate::logger;
use crate::repr::printable;
use crate::setting::Setting;

/// What the environment says beyond the section's values.
#[derive(Default)]
pub(super) struct Overlay {
    /// The value of `RUST_LOG`.
    pub(super) log_filter: Option<String>,
    /// Variables that look like ours and are not.
    pub(super) notes: Vec<String>,
}

/// Puts the values of variables into their places.
pub(super) fn apply(
    prefix: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    section: &mut impl Section,
) -> Result<Overlay, SettingsError> {
    let mut overlay = Overlay::default();
    for (variable, value) in environment {
        let variable = variable.to_string_lossy();
        if variable == "RUST_LOG" {
            // Compose sets variables that its user has not: to nothing.
            if value.is_empty() {
                continue;
            }
            overlay.log_filter = Some(log_filter(&value)?);
            continue;
        }
        let Some(key) = variable.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'))
        else {
            continue;
        };
        let is_meant = |setting: &Setting<'_>| setting.key().to_uppercase() == key;
        let Some(setting) = section.settings().into_iter().find(is_meant) else {
            overlay.notes.push(unknown(prefix, &variable, section));
            continue;
        };
        text(&value)
            .and_then(|value| setting.set(value))
            .map_err(|error| SettingsError(format!("{variable}: {error}")))?;
    }
    overlay.notes.sort();
    Ok(overlay)
}

fn log_filter(value: &OsStr) -> Result<String, SettingsError> {
    match text(value) {
        Ok(filter) if logger::is_filter(filter) => Ok(filter.to_owned()),
        Ok(filter) => Err(format!("{filter:?} is not {}", logger::FILTER_ALLOWED)),
        Err(error) => Err(error),
    }
    .map_err(|error| SettingsError(format!("RUST_LOG: {error}")))
}

fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "the value is not UTF-8 text".to_owned())
}

fn unknown(prefix: &str, variable: &str, section: &mut impl Section) -> String {
    let settings = section.settings();
    let known = settings.iter().map(|setting| format!("{prefix}_{}", setting.key().to_uppercase()));
    let known: Vec<String> = known.collect();
    let variable = printable(variable.as_bytes());
    format!("{variable} has no effect; known: {}", known.join(", "))
}
