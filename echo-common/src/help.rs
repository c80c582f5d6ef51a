//! What `--help` prints. The variables come from the settings themselves, so none can be missing.

use crate::arguments::{DEFAULT_CONFIG_PATH, Program};
use crate::logger::FILTER_ALLOWED;
use crate::settings::Section;

/// The whole help of a program whose section is `S`.
#[must_use]
pub fn text<S: Section>(program: &Program) -> String {
    let Program { name, version, summary, signals_and_exit_codes, .. } = program;
    let variables = variables::<S>(program.environment_prefix);
    format!(
        "\
{name} {version}: {summary}

Usage: {name} [OPTIONS]

Options:
  -c, --config PATH  Read the configuration from PATH [default: {DEFAULT_CONFIG_PATH}]
      --check        Check the configuration, print what takes effect, and exit
  -V, --version      Print the version and exit
  -h, --help         Print this help and exit

Without the file the defaults hold. The environment wins over the file:
{variables}
  RUST_LOG  [log.level]
      {FILTER_ALLOWED}

{signals_and_exit_codes}
"
    )
}

fn variables<S: Section>(prefix: &str) -> String {
    let mut section = S::default();
    let lines = section.settings().into_iter().map(|setting| {
        let key = setting.key().to_uppercase();
        format!("  {prefix}_{key}  [{}]\n      {}", setting.text(), setting.allowed())
    });
    lines.collect::<Vec<_>>().join("\n")
}
