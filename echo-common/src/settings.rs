//! Settings: the defaults, then the file, then the environment, then the flags. The later wins.
//!
//! One file serves all programs. Each reads its own section and `log`, and skips the sections of the
//! others, so that a mistake in the client's settings cannot stop the server.

mod file;
mod log_section;
mod named;
mod overlay;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use serde_yaml::{Mapping, Value};

use crate::setting::Setting;
use crate::text::wrapped;

pub use log_section::Log;
pub(crate) use named::{Named, named};

/// The sections that the file may have.
const SECTIONS: [&str; 4] = ["server", "client", "scope", Log::NAME];

/// A section of the file: named values, all with a default.
///
/// ```
/// use echo_common::setting::{self, Setting};
/// use echo_common::settings::{self, Section};
///
/// struct Config {
///     port: u16,
/// }
///
/// impl Default for Config {
///     fn default() -> Self {
///         Self { port: 12345 }
///     }
/// }
///
/// impl Section for Config {
///     const NAME: &'static str = "server";
///
///     fn settings(&mut self) -> Vec<Setting<'_>> {
///         vec![setting::key("port", "Port to listen on.").whole(&mut self.port, 0..=65_535)]
///     }
/// }
///
/// let environment = [("SERVER_PORT".into(), "7".into())];
/// let flags = [("log-level".into(), "warn".into())];
/// let settings = settings::load::<Config>("/dev/null".as_ref(), "SERVER", environment, flags)?;
/// assert_eq!(settings.section.port, 7);
/// assert_eq!(settings.log.level.to_string(), "warn");
/// # Ok::<(), settings::SettingsError>(())
/// ```
pub trait Section: Default {
    /// Its name in the file.
    const NAME: &'static str;

    /// Its keys, in the order in which they are printed, each bound to the place of its value.
    fn settings(&mut self) -> Vec<Setting<'_>>;

    /// Whether the values go together. Each of them is allowed by itself.
    ///
    /// # Errors
    /// Which values do not, and what to change. The text follows the section's name and a colon.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// What follows from the values and others have to know, one line each: the comments at the end of
    /// what `--check` prints.
    fn consequences(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The settings as they take effect.
#[derive(Debug)]
pub struct Settings<S> {
    /// The program's own section.
    pub section: S,
    /// The section `log`.
    pub log: Log,
    /// What the user should know, one line each: no file was found, a variable has no effect.
    pub notes: Vec<String>,
    entries: Vec<Entry>,
}

/// A setting, for printing.
#[derive(Debug)]
struct Entry {
    section: &'static str,
    key: &'static str,
    text: String,
    sentence: &'static str,
}

/// Why there are no settings: one line that names the place, the key and what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// Reads the settings from the file at `path`, from the variables `<prefix>_<KEY>` and those of
/// `log` in `environment`, and from `flags`, which are names without `--` and their values.
///
/// Without a file the defaults hold, and a note says so. A variable that has the prefix and belongs
/// to no key gets a note too. It is no error, because another program may use it.
///
/// # Errors
/// A file that cannot be read or understood; a key, or a value wherever it stands, that is not
/// allowed; values that do not go together.
pub fn load<S: Section>(
    path: &Path,
    prefix: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: impl IntoIterator<Item = (String, OsString)>,
) -> Result<Settings<S>, SettingsError> {
    let mut section = S::default();
    let mut log = Log::default();
    let mut notes = Vec::new();
    match file::read(path)? {
        Some(text) => file::apply(path, &text, &mut section, &mut log)?,
        None => notes.push(format!("{} not found, using defaults", file::name(path))),
    }
    notes.extend(overlay::apply_environment(prefix, environment, &mut section, &mut log)?);
    overlay::apply_flags(prefix, flags, &mut section, &mut log)?;
    section.check().map_err(|why| SettingsError(format!("{}: {why}", S::NAME)))?;
    let entries = named(prefix, &mut section, &mut log).into_iter().map(Entry::from).collect();
    Ok(Settings { section, log, notes, entries })
}

/// The flags that set the keys of a program, without `--`.
#[must_use]
pub fn flags<S: Section>() -> Vec<String> {
    let (mut section, mut log) = (S::default(), Log::default());
    named("", &mut section, &mut log).into_iter().map(|named| named.flag).collect()
}

impl From<Named<'_>> for Entry {
    fn from(named: Named<'_>) -> Self {
        let Named { section, setting, .. } = named;
        let text = setting.text().to_owned();
        Self { section, key: setting.key(), text, sentence: setting.sentence() }
    }
}

impl<S: Section> Settings<S> {
    /// The settings on one line: `id: 1 | loop_period: 10s | log.level: info`.
    #[must_use]
    pub fn summary(&self) -> String {
        let part = |Entry { section, key, text, .. }: &Entry| {
            if *section == S::NAME {
                format!("{key}: {text}")
            } else {
                format!("{section}.{key}: {text}")
            }
        };
        self.entries.iter().map(part).collect::<Vec<_>>().join(" | ")
    }

    /// The settings as a file that says the same, with a comment for each key.
    ///
    /// # Errors
    /// None that is known: names and texts can always be written as YAML.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        let mut lines = Vec::new();
        for section in [S::NAME, Log::NAME] {
            lines.push(format!("{section}:"));
            for entry in self.entries.iter().filter(|entry| entry.section == section) {
                lines.extend(wrapped(entry.sentence, "  # "));
                let line = Mapping::from_iter([(entry.key.into(), scalar(&entry.text))]);
                // A text may need several lines.
                lines.extend(serde_yaml::to_string(&line)?.lines().map(|line| format!("  {line}")));
            }
        }
        lines.extend(self.section.consequences().into_iter().map(|line| format!("# {line}")));
        Ok(lines.join("\n") + "\n")
    }
}

/// A number if the text is one, so that it is printed without quotes.
fn scalar(text: &str) -> Value {
    let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    number.map_or_else(|| Value::from(text), Value::from)
}

#[cfg(test)]
mod tests;
