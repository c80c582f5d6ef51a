//! The names of a setting outside the file.
//!
//! The key `loop_period` of the section `client` is `CLI_LOOP_PERIOD` in the environment, because
//! the client's prefix is `CLI`, and `--loop-period` on the command line. The section `log` is the
//! same for all programs: `message_lines_per_second` is `LOG_MESSAGE_LINES_PER_SECOND` and
//! `--log-message-lines-per-second`.

use super::{Log, Section};
use crate::setting::Setting;

/// What comes before the names of the section `log`.
const LOG_VARIABLE_PREFIX: &str = "LOG";
const LOG_FLAG_PREFIX: &str = "log-";

/// A setting with its names.
pub(crate) struct Named<'a> {
    pub(crate) section: &'static str,
    /// The environment variable.
    pub(crate) variable: String,
    /// The flag, without `--`.
    pub(crate) flag: String,
    pub(crate) setting: Setting<'a>,
}

/// All settings of a program whose variables have this prefix.
pub(crate) fn named<'a, S: Section>(
    prefix: &str,
    own: &'a mut S,
    log: &'a mut Log,
) -> Vec<Named<'a>> {
    let own = own.settings().into_iter().map(|setting| Named::new(S::NAME, prefix, "", setting));
    let log = log.settings().into_iter();
    let log =
        log.map(|setting| Named::new(Log::NAME, LOG_VARIABLE_PREFIX, LOG_FLAG_PREFIX, setting));
    own.chain(log).collect()
}

impl<'a> Named<'a> {
    fn new(
        section: &'static str,
        variable_prefix: &str,
        flag_prefix: &str,
        setting: Setting<'a>,
    ) -> Self {
        let key = setting.key();
        let usual = || format!("{variable_prefix}_{}", key.to_uppercase());
        let variable = setting.variable().map_or_else(usual, str::to_owned);
        let flag = format!("{flag_prefix}{}", key.replace('_', "-"));
        Self { section, variable, flag, setting }
    }
}
