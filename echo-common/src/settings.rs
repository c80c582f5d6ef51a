//! Settings: the defaults, then the file, then the environment; the later wins.
//!
//! One file serves both programs. Each reads its own section and `log`; of the other's section only
//! the name is looked at, so that a mistake in the client's settings cannot stop the server.

mod environment;
mod file;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use log::LevelFilter;
use serde_yaml::{Mapping, Value};

use crate::setting::{self, Setting};

/// The sections that the file may have.
const SECTIONS: [&str; 3] = ["server", "client", LogSection::NAME];

const LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

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
///         vec![setting::whole("port", &mut self.port, 0..=65_535)]
///     }
/// }
///
/// let environment = [("SERVER_PORT".into(), "7".into())];
/// let settings = settings::load::<Config>("/dev/null".as_ref(), "SERVER", environment)?;
/// assert_eq!(settings.section.port, 7);
/// # Ok::<(), settings::SettingsError>(())
/// ```
pub trait Section: Default {
    /// Its name in the file.
    const NAME: &'static str;

    /// Its keys, in the order in which they are printed, each bound to the place of its value.
    fn settings(&mut self) -> Vec<Setting<'_>>;

    /// Whether the values go together, each being allowed by itself.
    ///
    /// # Errors
    /// What does not, and what to change; it follows the section's name and a colon.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The section `log`, which both programs read.
struct LogSection {
    level: LevelFilter,
}

impl Default for LogSection {
    fn default() -> Self {
        let level = LevelFilter::Info;
        Self { level }
    }
}

impl Section for LogSection {
    const NAME: &'static str = "log";

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![setting::choice("level", &mut self.level, LEVELS)]
    }
}

/// The settings as they take effect.
#[derive(Debug)]
pub struct Settings<S> {
    /// The program's own section.
    pub section: S,
    /// What is logged, for [`crate::logger::init`]: `RUST_LOG`, else `log.level`.
    pub log_filter: String,
    /// What the user should know, one line each: no file was found, a variable has no effect.
    pub notes: Vec<String>,
    own: Entries,
    log: Entries,
}

/// Keys and texts of a section, for printing.
type Entries = Vec<(&'static str, String)>;

/// Why there are no settings: one line that names the place, the key and what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// Reads the settings from the file at `path` and from `environment`, in which the variables
/// `<prefix>_<KEY>` and `RUST_LOG` count.
///
/// No file means defaults, with a note. A variable that has the prefix and belongs to no key is
/// noted too, and is no error: others may have a use for it.
///
/// # Errors
/// A file that cannot be read or understood; a key, or a value wherever it stands, that is not
/// allowed; values that do not go together.
pub fn load<S: Section>(
    path: &Path,
    prefix: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings<S>, SettingsError> {
    let mut section = S::default();
    let mut log = LogSection::default();
    let mut notes = Vec::new();
    match file::read(path)? {
        Some(text) => file::apply(path, &text, &mut section, &mut log)?,
        None => notes.push(format!("{} not found, using defaults", file::name(path))),
    }
    let overlay = environment::apply(prefix, environment, &mut section)?;
    notes.extend(overlay.notes);
    section.check().map_err(|why| SettingsError(format!("{}: {why}", S::NAME)))?;
    let log = entries(&mut log);
    Ok(Settings {
        own: entries(&mut section),
        section,
        log_filter: overlay.log_filter.unwrap_or_else(|| log[0].1.clone()),
        log,
        notes,
    })
}

fn entries(section: &mut impl Section) -> Entries {
    let settings = section.settings();
    let entry = |setting: &Setting<'_>| (setting.key(), setting.text().to_owned());
    settings.iter().map(entry).collect()
}

impl<S: Section> Settings<S> {
    /// The settings on one line: `id: 1 | loop_period: 10s | log: info`.
    #[must_use]
    pub fn summary(&self) -> String {
        let filter = ("log", self.log_filter.clone());
        let parts = self.own.iter().chain([&filter]);
        let parts: Vec<String> = parts.map(|(key, text)| format!("{key}: {text}")).collect();
        parts.join(" | ")
    }

    /// The settings as a file that says the same.
    ///
    /// `RUST_LOG` can say more than `log.level`; where it is set it is added as a comment.
    ///
    /// # Errors
    /// None that is known: names and texts can always be written as YAML.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        let sections = [(S::NAME, &self.own), (LogSection::NAME, &self.log)];
        let sections = sections.map(|(name, entries)| {
            let entries = entries.iter().map(|(key, text)| (Value::from(*key), scalar(text)));
            (Value::from(name), Value::from(entries.collect::<Mapping>()))
        });
        let yaml = serde_yaml::to_string(&Mapping::from_iter(sections))?;
        let overridden = self.log_filter != self.log[0].1;
        let comment =
            overridden.then(|| format!("# RUST_LOG is set, and wins: {}\n", self.log_filter));
        Ok(yaml + &comment.unwrap_or_default())
    }
}

/// A number where the text is one, so that it is printed without quotes.
fn scalar(text: &str) -> Value {
    let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    number.map_or_else(|| Value::from(text), Value::from)
}

#[cfg(test)]
mod tests;
